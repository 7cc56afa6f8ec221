/**
 * A slice of a head's series as bytes: what a snapshot is made of. Owns the layout; the file around it is wal/snapshot.ts'.
 * Label pairs stand once a slice, so that restoring looks each up once, and chunks are copied as they are, open ones with the
 * state of their encoder: no sample is decoded.
 *
 *     pairs:   uvarint n, n x { uvarint length, canonical bytes of the pair }
 *     series:  uvarint n, n x { uvarint step of the number from the one before (the first from the begin of the slice),
 *              uvarint labels, labels x uvarint place in pairs }
 *     ranges:  uvarint n, n x { range f64, generation f64 (0: open), uvarint slots, slots x { uvarint place in series, slot } }
 *     slot:    10 words u32 (head-range.ts, savedWords)
 *              | open chunk, if state says so: u32 length, bytes; of XOR2 also 4 x f64
 *              | uvarint n, n x { encoding u8, uvarint minT, uvarint maxT, uvarint length, bytes }
 *              | uvarint n, n x { t u32, value high u32, value low u32, start f64 }
 *
 * Version 1 had neither steps (numbers were dense) nor generations.
 */
import { ByteSink } from '../../std/byte-sink.ts';
import { type ByteSource, ByteSourceError } from '../../std/byte-source.ts';
import { rangeMs } from './head-range.ts';
import type { TenantHead } from './tenant-head.ts';

const body = new ByteSink(1 << 16);

export function writeSeriesSlice(head: TenantHead, fromId: number, toId: number, out: ByteSink): void {
  const { series } = head;
  const places = new Map<number, number>();
  const pairs = new ByteSink(1 << 14);
  body.reset();
  const ids: number[] = [];
  let before = fromId;
  for (let id = series.nextId(fromId - 1); id !== 0 && id < toId; id = series.nextId(id)) {
    ids.push(id);
    body.writeUvarint(id - before);
    before = id;
    const count = series.labelCount(id);
    body.writeUvarint(count);
    for (let i = 0; i < count; i++) {
      const pair = series.pairAt(id, i);
      let place = places.get(pair);
      if (place === undefined) {
        place = places.size;
        places.set(pair, place);
        pairs.writeUvarint(series.pairBytes(pair));
        series.writePair(pair, pairs);
      }
      body.writeUvarint(place);
    }
  }
  out.writeUvarint(places.size);
  out.writeBytes(pairs.bytes, 0, pairs.length);
  out.writeUvarint(ids.length);
  out.writeBytes(body.bytes, 0, body.length);

  const ranges = head.rangesBetween(-Infinity, Infinity);
  out.writeUvarint(ranges.length);
  for (const range of ranges) {
    body.reset();
    let slots = 0;
    for (let place = 0; place < ids.length; place++) {
      const at = body.length;
      body.writeUvarint(place);
      if (range.writeSlot(ids[place], body)) slots++;
      else body.length = at;
    }
    out.writeFloat64(range.begin / rangeMs);
    out.writeFloat64(range.generation);
    out.writeUvarint(slots);
    out.writeBytes(body.bytes, 0, body.length);
  }
}

/** Reads the slice of the series from `fromId` on. @throws ByteSourceError */
export function readSeriesSlice(head: TenantHead, source: ByteSource, fromId: number): void {
  const { series } = head;
  const pairCount = source.readUvarint();
  if (pairCount > source.remaining) throw new ByteSourceError(`a count of ${pairCount} pairs`);
  const pairs = new Uint32Array(pairCount);
  for (let i = 0; i < pairCount; i++) {
    const length = source.readUvarint();
    const begin = source.take(length);
    pairs[i] = series.pairOf(source.bytes, begin, begin + length);
  }
  const count = source.readUvarint();
  if (count > source.remaining) throw new ByteSourceError(`a count of ${count} series`);
  const ids = new Uint32Array(count);
  let labels = new Uint32Array(64);
  for (let i = 0, id = fromId; i < count; i++) {
    id += source.readUvarint();
    ids[i] = id;
    const labelCount = source.readUvarint();
    if (labelCount > pairCount) throw new ByteSourceError(`a count of ${labelCount} labels`);
    if (labelCount > labels.length) labels = new Uint32Array(labelCount * 2);
    for (let j = 0; j < labelCount; j++) {
      const place = source.readUvarint();
      if (place >= pairCount) throw new ByteSourceError(`pair ${place} of ${pairCount}`);
      labels[j] = pairs[place];
    }
    if (series.takeInPairs(id, labels, labelCount) !== id) throw new ByteSourceError(`series ${id} is there already`);
  }
  for (let left = source.readUvarint(); left > 0; left--) {
    const index = source.readFloat64();
    const generation = source.readFloat64();
    const slots = source.readUvarint();
    if (slots === 0) continue;
    const range = head.rangeOf(index, generation);
    for (let i = 0; i < slots; i++) {
      const place = source.readUvarint();
      if (place >= count) throw new ByteSourceError(`series ${place} of ${count}`);
      range.readSlot(ids[place], source);
    }
  }
}
