/**
 * Series of a block by their places: labels and where their chunks stand, in columns that grow.
 * Owns the reading of series entries in joined ranges. An entry's length is not known before it is read: the average of the block
 * says how much to read, and an entry that is longer is read again, alone.
 */

import { Failure } from '../../errors/failure.ts';
import { crc32c } from '../../model/encoding/crc32c.ts';
import type { LabelTable } from '../../series/series-source.ts';
import type { RangeReader } from '../../std/range-reader.ts';
import { Turns } from '../../std/turns.ts';
import { CorruptBlock } from './corrupt-block.ts';
import { checksumBytes, seriesAlignment, seriesEnd } from './index-layout.ts';
import type { IndexLookup } from './index-lookup.ts';
import { SeriesEntry } from './index-reader.ts';
import { joinRanges, readPieces } from './read-ranges.ts';
import { uint32At } from './section-reader.ts';

/** References to chunks of one selection: 24 bytes each. */
export const chunksMax: number = 16 << 20;
const entryBytesMin = 256;
/** Whoever wrote the block may have counted its series wrongly. */
const entryBytesEstimateMax = 16 << 10;
const entryLengthBytesMax = 5;
/** Labels that become texts between two looks at the clock. */
const refsPerLook = 4096;

/** Chunk c of series i, chunkBegin[i] <= c < chunkBegin[i + 1], begins at `ref[c]`. */
export interface SelectedChunks {
  readonly place: Uint32Array;
  readonly chunkBegin: Uint32Array;
  readonly minT: Float64Array;
  readonly maxT: Float64Array;
  readonly ref: Float64Array;
  /** Of the chunk that comes next in the series, also one that was not selected; 0 after the last. */
  readonly nextRef: Float64Array;
}

/**
 * Reads the series at these places that have a chunk in [minT, maxT], in order.
 * @param seriesCount of the block, 0 where it is not known
 * @param gapBytes between entries that are read along
 * @throws CorruptBlock, or what the reader throws
 */
export async function selectSeries(
  lookup: IndexLookup,
  reader: RangeReader,
  places: Uint32Array,
  minT: number,
  maxT: number,
  seriesCount: number,
  gapBytes: number,
  signal: AbortSignal,
): Promise<{ labels: LabelTable; chunks: SelectedChunks }> {
  const { toc } = lookup.index;
  const sectionEnd = seriesEnd(toc);
  const average = seriesCount > 0 ? (sectionEnd - toc.series) / seriesCount : entryBytesMin;
  const estimate = Math.min(entryBytesEstimateMax, Math.max(entryBytesMin, Math.ceil(average * 2)));
  const begin = Float64Array.from(places, (place) => place * seriesAlignment);
  if (places.length > 0 && (begin[0] < toc.series || begin[places.length - 1] >= sectionEnd)) {
    throw new CorruptBlock(reader.name, toc.postings, 'postings point outside of the series');
  }
  const end = begin.map((at) => Math.min(at + estimate, sectionEnd));
  const columns = new Columns(places.length);
  const entry = new SeriesEntry();
  const turns = new Turns();
  for await (const { piece, bytes } of readPieces(reader, joinRanges(begin, end, places.length, gapBytes), signal)) {
    for (let item = piece.firstItem; item < piece.lastItem; item++) {
      const offset = begin[item];
      const at = offset - piece.begin;
      if (!parseEntry(entry, reader.name, bytes, at, offset)) {
        const whole = await readWhole(reader, offset, neededBytes(bytes, at), sectionEnd, signal);
        if (!parseEntry(entry, reader.name, whole, 0, offset)) {
          throw new CorruptBlock(reader.name, offset, 'a series ends behind the series');
        }
      }
      columns.add(entry, places[item], minT, maxT);
      if (turns.isOver) await turns.next(signal);
    }
  }
  return { labels: await labelTable(lookup, columns, turns, signal), chunks: columns.chunks() };
}

/** Decodes the entry at bytes[at] where it is whole in `bytes`; false where it is not. @throws CorruptBlock */
function parseEntry(entry: SeriesEntry, name: string, bytes: Uint8Array, at: number, offset: number): boolean {
  const needed = neededBytes(bytes, at);
  if (at + needed > bytes.length) return false;
  const prefix = prefixBytes(bytes, at);
  const end = at + needed - checksumBytes;
  if (crc32c(bytes, at + prefix, end) !== uint32At(bytes, end)) {
    throw new CorruptBlock(name, offset, 'the checksum of a series does not match');
  }
  entry.decode(name, bytes, at + prefix, end, offset + prefix);
  return true;
}

function prefixBytes(bytes: Uint8Array, at: number): number {
  let length = 1;
  while (length < entryLengthBytesMax && at + length <= bytes.length && bytes[at + length - 1] >= 0x80) length++;
  return length;
}

/** Bytes of the entry with length and checksum, or a few where even the length is not all there. */
function neededBytes(bytes: Uint8Array, at: number): number {
  const prefix = prefixBytes(bytes, at);
  if (at + prefix > bytes.length) return prefix + entryLengthBytesMax;
  let length = 0;
  for (let i = prefix - 1; i >= 0; i--) length = length * 0x80 + (bytes[at + i] & 0x7f);
  return prefix + length + checksumBytes;
}

async function readWhole(
  reader: RangeReader,
  offset: number,
  needed: number,
  sectionEnd: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  if (offset + needed > sectionEnd) {
    throw new CorruptBlock(reader.name, offset, `a series of ${needed} bytes ends behind the series`);
  }
  const bytes = await reader.read(offset, offset + needed, signal);
  const whole = neededBytes(bytes, 0);
  if (whole <= bytes.length) return bytes;
  if (offset + whole > sectionEnd) {
    throw new CorruptBlock(reader.name, offset, `a series of ${whole} bytes ends behind the series`);
  }
  return reader.read(offset, offset + whole, signal);
}

class Columns {
  #place: Uint32Array;
  #labelBegin: Uint32Array;
  #chunkBegin: Uint32Array;
  #refs: Uint32Array<ArrayBuffer>;
  #refCount = 0;
  #minT: Float64Array<ArrayBuffer>;
  #maxT: Float64Array<ArrayBuffer>;
  #ref: Float64Array<ArrayBuffer>;
  #nextRef: Float64Array<ArrayBuffer>;
  #chunkCount = 0;
  count = 0;

  constructor(capacity: number) {
    this.#place = new Uint32Array(capacity);
    this.#labelBegin = new Uint32Array(capacity + 1);
    this.#chunkBegin = new Uint32Array(capacity + 1);
    const first = Math.min(1024, 16 * capacity);
    this.#refs = new Uint32Array(first);
    this.#minT = new Float64Array(first);
    this.#maxT = new Float64Array(first);
    this.#ref = new Float64Array(first);
    this.#nextRef = new Float64Array(first);
  }

  add(entry: SeriesEntry, place: number, minT: number, maxT: number): void {
    const { chunkCount } = entry;
    let first = 0;
    while (first < chunkCount && entry.maxT[first] < minT) first++;
    let last = first;
    while (last < chunkCount && entry.minT[last] <= maxT) last++;
    if (first === last) return;
    const total = this.#chunkCount + last - first;
    if (total > chunksMax) {
      throw new Failure('query_limit', `the query selects more than ${chunksMax} chunks of one block`);
    }
    if (total > this.#ref.length) {
      this.#minT = grown(this.#minT, total);
      this.#maxT = grown(this.#maxT, total);
      this.#ref = grown(this.#ref, total);
      this.#nextRef = grown(this.#nextRef, total);
    }
    for (let i = first; i < last; i++) {
      const at = this.#chunkCount++;
      this.#minT[at] = entry.minT[i];
      this.#maxT[at] = entry.maxT[i];
      this.#ref[at] = entry.ref[i];
      this.#nextRef[at] = i + 1 < chunkCount ? entry.ref[i + 1] : 0;
    }
    const refCount = this.#refCount + entry.refCount;
    if (refCount > this.#refs.length) {
      const wider = new Uint32Array(Math.max(refCount, this.#refs.length * 2));
      wider.set(this.#refs);
      this.#refs = wider;
    }
    this.#refs.set(entry.refs.subarray(0, entry.refCount), this.#refCount);
    this.#refCount = refCount;
    this.#place[this.count++] = place;
    this.#labelBegin[this.count] = refCount;
    this.#chunkBegin[this.count] = this.#chunkCount;
  }

  get labelBegin(): Uint32Array {
    return this.#labelBegin.slice(0, this.count + 1);
  }

  get refs(): Uint32Array {
    return this.#refs.slice(0, this.#refCount);
  }

  get places(): Uint32Array {
    return this.#place;
  }

  chunks(): SelectedChunks {
    const { count } = this;
    return {
      place: this.#place.subarray(0, count),
      chunkBegin: this.#chunkBegin.subarray(0, count + 1),
      minT: this.#minT.subarray(0, this.#chunkCount),
      maxT: this.#maxT.subarray(0, this.#chunkCount),
      ref: this.#ref.subarray(0, this.#chunkCount),
      nextRef: this.#nextRef.subarray(0, this.#chunkCount),
    };
  }
}

function grown(column: Float64Array<ArrayBuffer>, needed: number): Float64Array<ArrayBuffer> {
  const wider = new Float64Array(Math.max(needed, column.length * 2));
  wider.set(column);
  return wider;
}

/** Symbols become texts, each once. */
async function labelTable(
  lookup: IndexLookup,
  columns: Columns,
  turns: Turns,
  signal: AbortSignal,
): Promise<LabelTable> {
  const { refs, labelBegin: begin, places } = columns;
  const strings: string[] = [];
  const known = new Map<number, number>();
  let series = 0;
  for (let i = 0; i < refs.length; i++) {
    while (i >= begin[series + 1]) series++;
    let text = known.get(refs[i]);
    if (text === undefined) {
      text = strings.push(lookup.symbolText(refs[i], places[series] * seriesAlignment)) - 1;
      known.set(refs[i], text);
    }
    refs[i] = text;
    if (i % refsPerLook === 0 && turns.isOver) await turns.next(signal);
  }
  return { strings, begin, refs };
}
