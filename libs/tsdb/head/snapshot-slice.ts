/**
 * A slice of a head's series as bytes: what a snapshot is made of. Owns the layout; the file around it is wal/snapshot.ts'.
 * Label pairs stand once a slice, so that restoring looks each up once, and chunks are copied as they are, open ones with the
 * state of their encoder: no sample is decoded.
 *
 *     pairs:   uvarint n, n x { uvarint length, canonical bytes of the pair }
 *     series:  uvarint n, n x { uvarint labels, labels x uvarint place in pairs }
 *     ranges:  uvarint n, n x { range f64, uvarint slots, slots x { series, from the first of the slice: uvarint, slot } }
 *     slot:    10 words u32 (head-range.ts, savedWords)
 *              | open chunk, if state says so: u32 length, bytes; of XOR2 also 4 x f64
 *              | uvarint n, n x { encoding u8, uvarint minT, uvarint maxT, uvarint length, bytes }
 *              | uvarint n, n x { t u32, value high u32, value low u32, start f64 }
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
  for (let id = fromId; id < toId; id++) {
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
  out.writeUvarint(toId - fromId);
  out.writeBytes(body.bytes, 0, body.length);

  const ranges = head.rangesBetween(-Infinity, Infinity);
  out.writeUvarint(ranges.length);
  for (const range of ranges) {
    body.reset();
    let slots = 0;
    for (let id = fromId; id < toId; id++) {
      const at = body.length;
      body.writeUvarint(id - fromId);
      if (range.writeSlot(id, body)) slots++;
      else body.length = at;
    }
    out.writeFloat64(range.begin / rangeMs);
    out.writeUvarint(slots);
    out.writeBytes(body.bytes, 0, body.length);
  }
}

/** @throws ByteSourceError */
export function readSeriesSlice(head: TenantHead, source: ByteSource): void {
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
  const firstId = series.count + 1;
  let labels = new Uint32Array(64);
  for (let i = 0; i < count; i++) {
    const labelCount = source.readUvarint();
    if (labelCount > pairCount) throw new ByteSourceError(`a count of ${labelCount} labels`);
    if (labelCount > labels.length) labels = new Uint32Array(labelCount * 2);
    for (let j = 0; j < labelCount; j++) {
      const place = source.readUvarint();
      if (place >= pairCount) throw new ByteSourceError(`pair ${place} of ${pairCount}`);
      labels[j] = pairs[place];
    }
    const id = series.idOfPairs(labels, labelCount);
    if (id !== firstId + i) throw new ByteSourceError(`series ${id} is there already`);
  }
  for (let left = source.readUvarint(); left > 0; left--) {
    const range = head.rangeOf(source.readFloat64());
    for (let slots = source.readUvarint(); slots > 0; slots--) {
      const id = firstId + source.readUvarint();
      if (id >= firstId + count) throw new ByteSourceError(`series ${id} is not of this slice`);
      range.readSlot(id, source);
    }
  }
}
