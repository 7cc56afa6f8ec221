/**
 * The tombstones of a block: which samples count as deleted though their chunks still hold them (FORMAT.md).
 * Owns the file's layout and the joined, sorted intervals of a series. Surprising: a reference is the series' place in the index
 * divided by 16, and both ends of an interval are inclusive.
 */
import { crc32c } from '../../model/encoding/crc32c.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import { ByteSource, ByteSourceError } from '../../std/byte-source.ts';
import { CorruptBlock } from './corrupt-block.ts';

const magic = 0x0130ba30;
const version = 1;
const headerBytes = 5;
const checksumBytes = 4;
/** As large a file would hold tens of millions of intervals. */
export const tombstonesBytesMax: number = 256 << 20;

/** Deleted intervals by series reference: minT, maxT, minT, maxT, ..., sorted, apart, both ends inclusive. */
export type Tombstones = ReadonlyMap<number, Float64Array>;

/** Whether a part of [minT, maxT] lies in one of a series' intervals. */
export function touches(intervals: Float64Array, minT: number, maxT: number): boolean {
  for (let i = 0; i < intervals.length; i += 2) if (intervals[i] <= maxT && intervals[i + 1] >= minT) return true;
  return false;
}

/** The file of a block without tombstones, or with these. */
export function encodeTombstones(tombstones: Tombstones): Uint8Array<ArrayBuffer> {
  const sink = new ByteSink(64);
  sink.writeUint32BigEndian(magic);
  sink.writeUint8(version);
  for (const [ref, intervals] of tombstones) {
    for (let i = 0; i < intervals.length; i += 2) {
      sink.writeUvarint(ref);
      sink.writeVarint(intervals[i] as number);
      sink.writeVarint(intervals[i + 1] as number);
    }
  }
  // Without the version, as Prometheus has it.
  sink.writeUint32BigEndian(crc32c(sink.bytes, headerBytes, sink.length));
  return sink.bytes.slice(0, sink.length);
}

/** @throws CorruptBlock */
export function parseTombstones(name: string, bytes: Uint8Array): Tombstones {
  if (bytes.length < headerBytes + checksumBytes) throw new CorruptBlock(name, 0, `${bytes.length} bytes are too few`);
  if (bytes.length > tombstonesBytesMax) throw new CorruptBlock(name, 0, `${bytes.length} bytes are too many`);
  const end = bytes.length - checksumBytes;
  const source = new ByteSource(bytes);
  if (source.readUint32BigEndian() !== magic) throw new CorruptBlock(name, 0, 'it does not begin as tombstones do');
  const found = source.readUint8();
  if (found !== version) throw new CorruptBlock(name, 4, `version ${found} is not known`);
  source.position = end;
  if (source.readUint32BigEndian() !== crc32c(bytes, headerBytes, end)) {
    throw new CorruptBlock(name, end, 'the checksum does not match');
  }
  const entries = new ByteSource(bytes, headerBytes, end);
  const lists = new Map<number, number[]>();
  try {
    while (entries.remaining > 0) {
      const ref = entries.readUvarint();
      const minT = entries.readVarint();
      const maxT = entries.readVarint();
      const list = lists.get(ref);
      if (list === undefined) lists.set(ref, [minT, maxT]);
      else list.push(minT, maxT);
    }
  } catch (cause) {
    if (cause instanceof ByteSourceError) throw new CorruptBlock(name, entries.position, cause.message, cause);
    throw cause;
  }
  const joined = new Map<number, Float64Array>();
  for (const [ref, list] of lists) joined.set(ref, joinIntervals(list));
  return joined;
}

/** Sorted, without those that are empty, joined where they touch. */
function joinIntervals(list: readonly number[]): Float64Array {
  const order = Array.from({ length: list.length / 2 }, (_, i) => i * 2)
    .filter((i) => (list[i] as number) <= (list[i + 1] as number))
    .sort((a, b) => (list[a] as number) - (list[b] as number));
  const joined: number[] = [];
  for (const i of order) {
    const minT = list[i] as number;
    const maxT = list[i + 1] as number;
    const last = joined.length - 1;
    if (last > 0 && minT <= (joined[last] as number) + 1) joined[last] = Math.max(joined[last] as number, maxT);
    else joined.push(minT, maxT);
  }
  return Float64Array.from(joined);
}
