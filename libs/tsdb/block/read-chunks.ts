/**
 * Chunks of selected series, read in joined ranges and handed out in batches.
 * Owns how many bytes are on their way at once. A chunk's length is not in the index: the chunk behind it says where it ends at the
 * latest, and where there is none the average of the block; a chunk that is longer is read again, alone.
 */
import type { ChunkEncoding } from '../../model/encoding/chunk.ts';
import { decodeChunk } from '../../model/encoding/decode-chunk.ts';
import { makeColumns } from '../../series/merge.ts';
import type { ChunkBatch, LocatedChunks } from '../../series/series-source.ts';
import type { RangeReader } from '../../std/range-reader.ts';
import { Turns } from '../../std/turns.ts';
import { ChunkRecord, chunksHeaderBytes, offsetOfRef, segmentOfRef } from './chunks-file.ts';
import { CorruptBlock } from './corrupt-block.ts';
import { blockChunkSamples, ChunkColumns, encodeChunks } from './encode-chunks.ts';
import { joinRanges, noMoreWanted, readPieces } from './read-ranges.ts';
import type { SelectedChunks } from './series-selection.ts';
import { type Tombstones, touches } from './tombstones.ts';

/** Bytes that one batch makes read, its gaps included, where nobody says another number. */
const batchBytesDefault = 4 << 20;
/** Gaps between chunks that are read along, where requests are made. */
const gapBytesMax = 512 << 10;
/** Batches that are read ahead of whoever takes them; none where batches are so small because many blocks are read beside one another. */
const batchesAhead = 2;
const batchBytesAlone = 256 << 10;
const chunkBytesMin = 512;
const chunkBytesEstimateMax = 16 << 10;
/** A next chunk farther off says nothing about where this one ends. */
const nextChunkBytesMax = 64 << 10;

export interface ChunkReaders {
  /** Chunk file `index`, 0-based. @throws CorruptBlock where the block has no such file */
  segment(index: number): RangeReader | Promise<RangeReader>;
  readonly tombstones: Tombstones;
  /** What lies between two reads and is read along: little where a cache is asked first, more where a read of a file is made. */
  readonly gapBytes: number;
  /** Bytes that one batch makes read: fewer where many blocks are read beside one another. */
  readonly batchBytes?: number;
  /** Of a chunk record, 0 where it is not known. */
  readonly chunkBytesAverage: number;
  /** The folder of the chunk files, where they lie on this machine. */
  readonly directory?: string;
}

type Records = SelectedChunks & { readonly recordBytes: number };

/** All chunks of a selection in batches of whole series. */
export async function* readChunks(
  chunks: SelectedChunks,
  readers: ChunkReaders,
  signal: AbortSignal,
): AsyncGenerator<ChunkBatch> {
  const records = { ...chunks, recordBytes: estimateOf(readers) };
  const { batchBytes = batchBytesDefault } = readers;
  const groups = groupSeries(records, batchBytes);
  const ahead = batchBytes > batchBytesAlone ? batchesAhead : 0;
  if (groups.length === 2) {
    yield await readBatch(records, groups[0], groups[1], readers, signal);
    return;
  }
  const stop = new AbortController();
  const stopped = AbortSignal.any([signal, stop.signal]);
  const pending: Promise<ChunkBatch>[] = [];
  try {
    for (let i = 0; i + 1 < groups.length; i++) {
      while (pending.length < Math.min(groups.length - 1, i + 1 + ahead)) {
        const at = pending.length;
        const batch = readBatch(records, groups[at], groups[at + 1], readers, stopped);
        batch.catch(() => undefined);
        pending.push(batch);
      }
      yield await pending[i];
      pending[i] = taken;
    }
  } finally {
    stop.abort(noMoreWanted);
  }
}

const taken: Promise<ChunkBatch> = new Promise(() => {});

function estimateOf({ chunkBytesAverage }: ChunkReaders): number {
  return Math.min(chunkBytesEstimateMax, Math.max(chunkBytesMin, Math.ceil(chunkBytesAverage * 2)));
}

/** Where the record of chunk c ends at the latest, as far as the index tells: as a reference. */
export function recordEnd({ ref, nextRef, recordBytes }: LocatedRecords, c: number): number {
  const begin = ref[c];
  const next = nextRef[c];
  // In the same file, close behind: writers put nothing between the chunks of a series.
  if (next > begin && next - begin <= nextChunkBytesMax && segmentOfRef(next) === segmentOfRef(begin)) return next;
  return begin + recordBytes;
}

type LocatedRecords = Pick<LocatedChunks, 'ref' | 'nextRef' | 'recordBytes'>;

/** The chunks of a selection as they lie in the files of `directory`; undefined where they are not what is handed out. */
export function locatedChunks(
  { chunkBegin, minT, maxT, ref, nextRef }: SelectedChunks,
  readers: ChunkReaders,
): LocatedChunks | undefined {
  const { directory, tombstones } = readers;
  if (directory === undefined || tombstones.size > 0) return undefined;
  return { directory, chunkBegin, minT, maxT, ref, nextRef, recordBytes: estimateOf(readers) };
}

/** First series of each batch, and the end. */
function groupSeries(chunks: Records, batchBytes: number): number[] {
  const { chunkBegin } = chunks;
  const count = chunkBegin.length - 1;
  const groups = [0];
  let bytes = 0;
  let lastEnd = -1;
  for (let series = 0; series < count; series++) {
    let own = 0;
    for (let c = chunkBegin[series]; c < chunkBegin[series + 1]; c++) {
      const begin = chunks.ref[c];
      const end = recordEnd(chunks, c);
      const gap = begin - lastEnd;
      own += gap >= 0 && gap <= gapBytesMax && lastEnd >= 0 ? end - lastEnd : end - begin;
      lastEnd = end;
    }
    if (bytes > 0 && bytes + own > batchBytes) {
      groups.push(series);
      bytes = 0;
    }
    bytes += own;
  }
  if (count > 0) groups.push(count);
  return groups;
}

/** A chunk that was read: bytes[dataBegin, dataEnd). */
interface ReadChunk {
  readonly encoding: ChunkEncoding;
  readonly bytes: Uint8Array;
  readonly dataBegin: number;
  readonly dataEnd: number;
}

async function readBatch(
  chunks: Records,
  firstSeries: number,
  lastSeries: number,
  readers: ChunkReaders,
  signal: AbortSignal,
): Promise<ChunkBatch> {
  const first = chunks.chunkBegin[firstSeries];
  const last = chunks.chunkBegin[lastSeries];
  const found = await readRecords(chunks, first, last, readers, signal);
  const deleted = readers.tombstones;
  const out = new BatchColumns(last - first, lastSeries - firstSeries, found);
  const turns = new Turns();
  for (let series = firstSeries; series < lastSeries; series++) {
    const intervals = deleted.size === 0 ? undefined : deleted.get(chunks.place[series]);
    for (let c = chunks.chunkBegin[series]; c < chunks.chunkBegin[series + 1]; c++) {
      const chunk = found[c - first];
      if (intervals === undefined) out.add(chunk, chunks.minT[c], chunks.maxT[c]);
      else out.addWithout(chunk, intervals, chunks.minT[c], chunks.maxT[c]);
    }
    out.endSeries();
    if (turns.isOver) await turns.next(signal);
  }
  return out.build(firstSeries);
}

async function readRecords(
  chunks: Records,
  first: number,
  last: number,
  readers: ChunkReaders,
  signal: AbortSignal,
): Promise<ReadChunk[]> {
  const order = Uint32Array.from({ length: last - first }, (_, i) => first + i);
  let rises = true;
  for (let c = first + 1; c < last && rises; c++) rises = chunks.ref[c] >= chunks.ref[c - 1];
  if (!rises) order.sort((a, b) => chunks.ref[a] - chunks.ref[b]);
  const found = new Array<ReadChunk>(last - first);
  const segments: Promise<void>[] = [];
  for (let at = 0; at < order.length; ) {
    const segment = segmentOfRef(chunks.ref[order[at]]);
    let end = at;
    while (end < order.length && segmentOfRef(chunks.ref[order[end]]) === segment) end++;
    const own = order.subarray(at, end);
    segments.push(readOfSegment(chunks, own, segment, first, readers, found, signal));
    at = end;
  }
  await Promise.all(segments);
  return found;
}

async function readOfSegment(
  chunks: Records,
  order: Uint32Array,
  segment: number,
  first: number,
  readers: ChunkReaders,
  found: ReadChunk[],
  signal: AbortSignal,
): Promise<void> {
  const reader = await readers.segment(segment);
  const { size, name } = reader;
  const begin = Float64Array.from(order, (c) => offsetOfRef(chunks.ref[c]));
  const end = new Float64Array(order.length);
  for (let i = 0; i < order.length; i++) {
    if (begin[i] < chunksHeaderBytes || begin[i] >= size) {
      throw new CorruptBlock(name, begin[i], `a reference points outside of its ${size} bytes`);
    }
    const known = begin[i] + recordEnd(chunks, order[i]) - chunks.ref[order[i]];
    end[i] = Math.min(size, known);
    // A chunk ends where the next one that is read begins.
    if (i > 0 && begin[i] > begin[i - 1] && begin[i] < end[i - 1]) end[i - 1] = begin[i];
  }
  const record = new ChunkRecord();
  const turns = new Turns();
  for await (const { piece, bytes } of readPieces(
    reader,
    joinRanges(begin, end, order.length, readers.gapBytes),
    signal,
  )) {
    for (let item = piece.firstItem; item < piece.lastItem; item++) {
      const offset = begin[item];
      let own = bytes;
      let at = offset - piece.begin;
      let needed = record.parse(name, own, at, own.length, offset);
      while (needed > 0) {
        if (offset + needed > size)
          throw new CorruptBlock(name, offset, `a chunk of ${needed} bytes ends behind the file`);
        own = await reader.read(offset, offset + needed, signal);
        at = 0;
        needed = record.parse(name, own, 0, own.length, offset);
      }
      record.check(name, own, offset);
      const { encoding, dataBegin, dataEnd } = record;
      found[order[item] - first] = { encoding, bytes: own, dataBegin, dataEnd };
      if (turns.isOver) await turns.next(signal);
    }
  }
}

/** A batch in the making: columns of their own, which may be handed to another thread. */
class BatchColumns {
  #encoding: Uint8Array;
  #minT: Float64Array;
  #maxT: Float64Array;
  #byteBegin: Uint32Array;
  #bytes: Uint8Array;
  readonly #chunkBegin: Uint32Array;
  #chunks = 0;
  #series = 0;

  constructor(chunkCount: number, seriesCount: number, found: readonly ReadChunk[]) {
    let bytes = 0;
    for (const { dataBegin, dataEnd } of found) bytes += dataEnd - dataBegin;
    this.#encoding = new Uint8Array(chunkCount);
    this.#minT = new Float64Array(chunkCount);
    this.#maxT = new Float64Array(chunkCount);
    this.#byteBegin = new Uint32Array(chunkCount + 1);
    this.#bytes = new Uint8Array(bytes);
    this.#chunkBegin = new Uint32Array(seriesCount + 1);
  }

  add({ encoding, bytes, dataBegin, dataEnd }: ReadChunk, minT: number, maxT: number): void {
    const chunk = this.#chunks++;
    if (chunk === this.#encoding.length) this.#growChunks();
    const at = this.#byteBegin[chunk];
    const end = at + dataEnd - dataBegin;
    if (end > this.#bytes.length) {
      const wider = new Uint8Array(end * 2);
      wider.set(this.#bytes);
      this.#bytes = wider;
    }
    this.#bytes.set(bytes.subarray(dataBegin, dataEnd), at);
    this.#encoding[chunk] = encoding;
    this.#minT[chunk] = minT;
    this.#maxT[chunk] = maxT;
    this.#byteBegin[chunk + 1] = end;
  }

  /** Adds a chunk without its samples in the intervals, both ends of which count. */
  addWithout(chunk: ReadChunk, intervals: Float64Array, minT: number, maxT: number): void {
    if (!touches(intervals, minT, maxT)) {
      this.add(chunk, minT, maxT);
      return;
    }
    const columns = makeColumns(0);
    columns.length = decodeChunk(chunk.encoding, chunk.bytes, chunk.dataBegin, chunk.dataEnd, columns, 0);
    const kept = new ChunkColumns();
    for (let row = 0; row < columns.length; ) {
      if (isDeleted(intervals, columns.t[row])) {
        row++;
        continue;
      }
      let end = row + 1;
      while (end < columns.length && !isDeleted(intervals, columns.t[end])) end++;
      encodeChunks(columns, row, end, blockChunkSamples, kept);
      row = end;
    }
    for (let i = 0; i < kept.count; i++) {
      const encoding = kept.encoding[i] as ChunkEncoding;
      const part = {
        encoding,
        bytes: kept.bytes,
        dataBegin: i === 0 ? 0 : kept.byteBegin[i],
        dataEnd: kept.byteBegin[i + 1],
      };
      this.add(part, kept.minT[i], kept.maxT[i]);
    }
  }

  endSeries(): void {
    this.#chunkBegin[++this.#series] = this.#chunks;
  }

  build(firstSeries: number): ChunkBatch {
    const count = this.#chunks;
    const whole = count === this.#encoding.length;
    const bytes = this.#byteBegin[count];
    return {
      firstSeries,
      chunkBegin: this.#chunkBegin,
      encoding: whole ? this.#encoding : this.#encoding.slice(0, count),
      minT: whole ? this.#minT : this.#minT.slice(0, count),
      maxT: whole ? this.#maxT : this.#maxT.slice(0, count),
      byteBegin: whole ? this.#byteBegin : this.#byteBegin.slice(0, count + 1),
      bytes: bytes === this.#bytes.length ? this.#bytes : this.#bytes.slice(0, bytes),
    };
  }

  #growChunks(): void {
    const capacity = Math.max(16, this.#encoding.length * 2);
    const wider = <T extends Uint8Array | Uint32Array | Float64Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.#encoding = wider(this.#encoding, new Uint8Array(capacity));
    this.#minT = wider(this.#minT, new Float64Array(capacity));
    this.#maxT = wider(this.#maxT, new Float64Array(capacity));
    this.#byteBegin = wider(this.#byteBegin, new Uint32Array(capacity + 1));
  }
}

function isDeleted(intervals: Float64Array, t: number): boolean {
  return touches(intervals, t, t);
}
