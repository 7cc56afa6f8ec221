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

/** More entries than any block has; each takes some 40 bytes of memory while it is read. */
const entriesMax = 16 << 20;

/** Deleted intervals by series reference: minT, maxT, minT, maxT, ..., sorted, apart, both ends inclusive. */
export interface Tombstones {
  /** How many series have any. */
  readonly size: number;
  get(ref: number): Float64Array | undefined;
}

/** Whether a part of [minT, maxT] lies in one of a series' intervals. */
export function touches(intervals: Float64Array, minT: number, maxT: number): boolean {
  for (let i = 0; i < intervals.length; i += 2) if (intervals[i] <= maxT && intervals[i + 1] >= minT) return true;
  return false;
}

/** The file of a block without tombstones, or with these. */
export function encodeTombstones(tombstones: ReadonlyMap<number, Float64Array>): Uint8Array<ArrayBuffer> {
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
  const count = countNumbers(bytes, headerBytes, end) / 3;
  if (count > entriesMax) throw new CorruptBlock(name, headerBytes, `${count} entries are too many`);
  const entries = new ByteSource(bytes, headerBytes, end);
  const columns = new Entries(Math.ceil(count));
  try {
    while (entries.remaining > 0) columns.add(entries.readUvarint(), entries.readVarint(), entries.readVarint());
  } catch (cause) {
    if (cause instanceof ByteSourceError) throw new CorruptBlock(name, entries.position, cause.message, cause);
    throw cause;
  }
  return columns.joined();
}

/** How many numbers end in bytes[begin, end). */
function countNumbers(bytes: Uint8Array, begin: number, end: number): number {
  let count = 0;
  for (let i = begin; i < end; i++) if ((bytes[i] as number) < 0x80) count++;
  return count;
}

/** What a file says, in its order. */
class Entries {
  readonly #ref: Float64Array;
  readonly #minT: Float64Array;
  readonly #maxT: Float64Array;
  #count = 0;

  constructor(capacity: number) {
    this.#ref = new Float64Array(capacity);
    this.#minT = new Float64Array(capacity);
    this.#maxT = new Float64Array(capacity);
  }

  /** One that is empty is none. */
  add(ref: number, minT: number, maxT: number): void {
    if (minT > maxT) return;
    const at = this.#count++;
    this.#ref[at] = ref;
    this.#minT[at] = minT;
    this.#maxT[at] = maxT;
  }

  /** By series, sorted, joined where they touch. */
  joined(): Tombstones {
    const [ref, minT, maxT] = [this.#ref, this.#minT, this.#maxT];
    const compare = (a: number, b: number): number =>
      (ref[a] as number) - (ref[b] as number) || (minT[a] as number) - (minT[b] as number);
    const order = Uint32Array.from({ length: this.#count }, (_, i) => i);
    let isSorted = true;
    for (let i = 1; i < this.#count && isSorted; i++) isSorted = compare(i - 1, i) <= 0;
    if (!isSorted) order.sort(compare);
    const packed = new PackedTombstones(this.#count);
    for (const i of order) packed.append(ref[i] as number, minT[i] as number, maxT[i] as number);
    return packed;
  }
}

/** Columns: a map with a list for each series would take many times as much. */
class PackedTombstones implements Tombstones {
  readonly #refs: Float64Array;
  /** The first interval of each series, and behind the last series the end. */
  readonly #begin: Uint32Array;
  readonly #times: Float64Array;
  size = 0;

  constructor(capacity: number) {
    this.#refs = new Float64Array(capacity);
    this.#begin = new Uint32Array(capacity + 1);
    this.#times = new Float64Array(capacity * 2);
  }

  /** Takes in an interval of the last series or of one behind it, that begins after those before. */
  append(ref: number, minT: number, maxT: number): void {
    const times = this.#times;
    const isNew = this.size === 0 || this.#refs[this.size - 1] !== ref;
    const end = this.#begin[this.size] as number;
    const last = end * 2 - 1;
    if (!isNew && minT <= (times[last] as number) + 1) {
      times[last] = Math.max(times[last] as number, maxT);
      return;
    }
    times[end * 2] = minT;
    times[end * 2 + 1] = maxT;
    if (isNew) this.#refs[this.size++] = ref;
    this.#begin[this.size] = end + 1;
  }

  get(ref: number): Float64Array | undefined {
    let low = 0;
    let high = this.size;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#refs[middle] as number) < ref) low = middle + 1;
      else high = middle;
    }
    if (low === this.size || this.#refs[low] !== ref) return undefined;
    return this.#times.subarray(2 * (this.#begin[low] as number), 2 * (this.#begin[low + 1] as number));
  }
}
