/**
 * A range becomes a block: series are sorted, overlapping chunks merged, the block is written, synced, and read back.
 * Owns the order of series and what of a chunk is copied as it is and what is written anew: float chunks, which become fewer and
 * longer, chunks that overlap because samples came out of order, and such whose start times must not be written. Comes from range-feed.ts; goes to block/.
 */
import { ChunkEncoding } from '../model/encoding/chunk.ts';
import { decodeChunk } from '../model/encoding/decode-chunk.ts';
import { SeriesDecoder } from '../series/decode-series.ts';
import { makeColumns } from '../series/merge.ts';
import type { ChunkBatch } from '../series/series-source.ts';
import { assert } from '../std/assert.ts';
import { ByteSink } from '../std/byte-sink.ts';
import type { Disk } from '../std/disk.ts';
import { countSamples } from './block/chunks-file.ts';
import { blockChunkSamples, ChunkColumns, encodeChunks } from './block/encode-chunks.ts';
import type { BlockMeta, CutFrom } from './block/meta.ts';
import { openBlockFolder } from './block/read-block.ts';
import { compareBytes } from './block/symbols.ts';
import type { Ulid } from './block/ulid.ts';
import { verifyBlock } from './block/verify-block.ts';
import { type BlockWriter, createBlock, removeBlock } from './block/write-block.ts';
import { rangeMs } from './head/head-range.ts';
import type { LabelSlice, RangeFeed } from './range-feed.ts';

export interface WriteRangeOptions {
  readonly disk: Disk;
  /** The block becomes a folder of it. */
  readonly directory: string;
  readonly ulid: Ulid;
  readonly cutFrom: CutFrom;
  /** Whether chunks may be in the encodings that hold start times; they are left out otherwise. */
  readonly withStartTimes: boolean;
}

/** What addresses of 32 bits reach. */
const pairBytesMax = 2 ** 32 - 1;
/** Series whose chunks are asked for at once. */
const seriesAtOnce = 2048;

/**
 * Writes, syncs, names and verifies the block.
 * @throws CorruptBlock where it does not read back; then it is removed
 */
export async function writeRange(feed: RangeFeed, options: WriteRangeOptions, signal: AbortSignal): Promise<BlockMeta> {
  const { disk, directory, ulid, cutFrom } = options;
  const labels = new RangeLabels();
  for await (const slice of feed.labels()) labels.add(slice);
  const order = labels.sorted();
  let samples = 0;
  let meta: BlockMeta;
  {
    await using block = await createBlock({ disk, directory, ulid });
    const chunks = new RangeChunks(block, options);
    for (let at = 0; at < order.length; at += seriesAtOnce) {
      const places = order.slice(at, at + seriesAtOnce);
      let next = 0;
      for await (const batch of feed.chunks(places)) {
        signal.throwIfAborted();
        for (let i = 0; i + 1 < batch.chunkBegin.length; i++) {
          const wait = chunks.add(labels.canonical(places[next++] as number), batch, i);
          if (wait !== undefined) await wait;
        }
      }
      assert(next === places.length, 'every series has come');
    }
    samples = chunks.samples;
    const minTime = cutFrom.range * rangeMs;
    meta = await block.seal({ minTime, maxTime: minTime + rangeMs, cutFrom });
  }
  try {
    assert(meta.stats.numSeries === order.length, 'every series of the range is in the block');
    assert(meta.stats.numSamples === samples, 'every sample of the range is in the block');
    await verifyFolder(disk, `${directory}/${ulid}`, signal);
  } catch (error) {
    await removeBlock(disk, `${directory}/${ulid}`);
    throw error;
  }
  return meta;
}

/** Reads a block back from the disk. @throws CorruptBlock */
export async function verifyFolder(disk: Disk, path: string, signal: AbortSignal): Promise<BlockMeta> {
  await using files = await openBlockFolder(disk, path);
  await verifyBlock(files, { deep: false }, signal);
  return files.meta;
}

/** The label sets of a range and their order. */
class RangeLabels {
  /** Canonical bytes of all pairs: pair i ends at #pairEnd[i]. */
  readonly #pairs = new ByteSink(1 << 16);
  #pairEnd = new Uint32Array(1 << 10);
  #pairCount = 0;
  /** Pairs of all series: those of series i end at #end[i]. */
  #pairsOf = new Uint32Array(1 << 12);
  #pairsUsed = 0;
  #end = new Uint32Array(1 << 10);
  #count = 0;
  #scratch = new Uint8Array(1 << 12);

  add({ pairBytes, pairEnd, seriesPairs, seriesEnd }: LabelSlice): void {
    this.#pairEnd = withRoom(this.#pairEnd, this.#pairCount + pairEnd.length);
    for (const end of pairEnd) this.#pairEnd[this.#pairCount++] = this.#pairs.length + end;
    this.#pairs.writeBytes(pairBytes, 0, pairBytes.length);
    assert(this.#pairs.length <= pairBytesMax, 'the label pairs of a range fit into 4 GiB');
    this.#pairsOf = withRoom(this.#pairsOf, this.#pairsUsed + seriesPairs.length);
    this.#pairsOf.set(seriesPairs, this.#pairsUsed);
    this.#end = withRoom(this.#end, this.#count + seriesEnd.length);
    for (const end of seriesEnd) this.#end[this.#count++] = this.#pairsUsed + end;
    this.#pairsUsed += seriesPairs.length;
  }

  /** Places of the series in the order of their labels: label by label, name and then value. */
  sorted(): Uint32Array {
    const byOrder = Uint32Array.from({ length: this.#pairCount }, (_, i) => i).sort((a, b) => this.#comparePairs(a, b));
    const rankOf = new Uint32Array(this.#pairCount);
    for (let rank = 0; rank < byOrder.length; rank++) rankOf[byOrder[rank] as number] = rank;
    const ranks = new Uint32Array(this.#pairsUsed);
    for (let i = 0; i < ranks.length; i++) ranks[i] = rankOf[this.#pairsOf[i] as number] as number;
    const end = this.#end;
    return Uint32Array.from({ length: this.#count }, (_, i) => i).sort((a, b) => {
      let x = a === 0 ? 0 : (end[a - 1] as number);
      let y = b === 0 ? 0 : (end[b - 1] as number);
      const xEnd = end[a] as number;
      const yEnd = end[b] as number;
      for (; x < xEnd && y < yEnd; x++, y++) {
        const order = (ranks[x] as number) - (ranks[y] as number);
        if (order !== 0) return order;
      }
      return xEnd - x - (yEnd - y);
    });
  }

  /** Canonical labels of the series at a place: valid until the next call. */
  canonical(place: number): Uint8Array {
    const { bytes } = this.#pairs;
    let length = 0;
    for (let i = place === 0 ? 0 : (this.#end[place - 1] as number); i < (this.#end[place] as number); i++) {
      const pair = this.#pairsOf[i] as number;
      const begin = this.#beginOf(pair);
      const pairEnd = this.#pairEnd[pair] as number;
      if (length + pairEnd - begin > this.#scratch.length) {
        const grown = new Uint8Array((length + pairEnd - begin) * 2);
        grown.set(this.#scratch);
        this.#scratch = grown;
      }
      this.#scratch.set(bytes.subarray(begin, pairEnd), length);
      length += pairEnd - begin;
    }
    return this.#scratch.subarray(0, length);
  }

  #beginOf(pair: number): number {
    return pair === 0 ? 0 : (this.#pairEnd[pair - 1] as number);
  }

  /** By name, then by value: both stand behind their length. */
  #comparePairs(a: number, b: number): number {
    const { bytes } = this.#pairs;
    const aName = textAt(bytes, this.#beginOf(a));
    const bName = textAt(bytes, this.#beginOf(b));
    const order = compareBytes(bytes, aName.begin, aName.end, bytes, bName.begin, bName.end);
    if (order !== 0) return order;
    const aValue = textAt(bytes, aName.end);
    const bValue = textAt(bytes, bName.end);
    return compareBytes(bytes, aValue.begin, aValue.end, bytes, bValue.begin, bValue.end);
  }
}

function withRoom(column: Uint32Array<ArrayBuffer>, length: number): Uint32Array<ArrayBuffer> {
  if (length <= column.length) return column;
  const grown = new Uint32Array(Math.max(length, column.length * 2));
  grown.set(column);
  return grown;
}

function textAt(bytes: Uint8Array, at: number): { begin: number; end: number } {
  let length = 0;
  let begin = at;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[begin++] as number;
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) return { begin, end: begin + length };
  }
}

/** Whether there are several chunks, all of plain floats, that take fewer when they are joined. */
function isWorthJoining(batch: ChunkBatch, begin: number, end: number): boolean {
  if (end - begin < 2) return false;
  let samples = 0;
  for (let chunk = begin; chunk < end; chunk++) {
    if (batch.encoding[chunk] !== ChunkEncoding.xor) return false;
    const bytesBegin = batch.byteBegin[chunk] as number;
    samples += countSamples(ChunkEncoding.xor, batch.bytes, bytesBegin, batch.byteBegin[chunk + 1] as number);
  }
  return Math.ceil(samples / blockChunkSamples) < end - begin;
}

/** Chunks on their way from the head to the block. */
class RangeChunks {
  readonly #block: BlockWriter;
  readonly #withStartTimes: boolean;
  readonly #columns = new ChunkColumns();
  /** Of floats without start times. */
  readonly #rows = makeColumns(blockChunkSamples);
  /** Samples that must be in the block: those that came, less those that stood twice. */
  samples = 0;

  constructor(block: BlockWriter, { withStartTimes }: WriteRangeOptions) {
    this.#block = block;
    this.#withStartTimes = withStartTimes;
  }

  /** Adds series `index` of a batch. */
  add(labels: Uint8Array, batch: ChunkBatch, index: number): Promise<void> | undefined {
    const begin = batch.chunkBegin[index] as number;
    const end = batch.chunkBegin[index + 1] as number;
    let asItIs = true;
    for (let chunk = begin; chunk < end; chunk++) {
      if (chunk > begin && (batch.minT[chunk] as number) <= (batch.maxT[chunk - 1] as number)) asItIs = false;
      if (!this.#withStartTimes && (batch.encoding[chunk] as number) > ChunkEncoding.floatHistogram) asItIs = false;
    }
    if (!asItIs) return this.#addAnew(labels, batch, index);
    if (isWorthJoining(batch, begin, end)) return this.#addJoined(labels, batch, begin, end);
    for (let chunk = begin; chunk < end; chunk++) {
      const encoding = batch.encoding[chunk] as ChunkEncoding;
      const bytesBegin = batch.byteBegin[chunk] as number;
      const bytesEnd = batch.byteBegin[chunk + 1] as number;
      this.samples += countSamples(encoding, batch.bytes, bytesBegin, bytesEnd);
    }
    return this.#block.addSeries(labels, batch, begin, end);
  }

  /** Float chunks, which the head keeps short for its own sake, as fewer and longer ones. */
  #addJoined(labels: Uint8Array, batch: ChunkBatch, begin: number, end: number): Promise<void> | undefined {
    const rows = this.#rows;
    rows.length = 0;
    for (let chunk = begin; chunk < end; chunk++) {
      const bytesBegin = batch.byteBegin[chunk] as number;
      const bytesEnd = batch.byteBegin[chunk + 1] as number;
      rows.length = decodeChunk(ChunkEncoding.xor, batch.bytes, bytesBegin, bytesEnd, rows, rows.length);
    }
    this.#columns.reset();
    encodeChunks(rows, 0, rows.length, blockChunkSamples, this.#columns);
    this.samples += rows.length;
    return this.#block.addSeries(labels, this.#columns, 0, this.#columns.count);
  }

  #addAnew(labels: Uint8Array, batch: ChunkBatch, index: number): Promise<void> | undefined {
    const alone: ChunkBatch = { ...batch, firstSeries: 0, chunkBegin: batch.chunkBegin.subarray(index, index + 2) };
    const selection = {
      labels: { strings: [], begin: new Uint32Array(2), refs: new Uint32Array(0) },
      warnings: [],
      next: () => alone,
      close: () => undefined,
    };
    const rows = new SeriesDecoder(selection, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY).next();
    if (!this.#withStartTimes) rows.st = null;
    this.#columns.reset();
    encodeChunks(rows, 0, rows.length, blockChunkSamples, this.#columns);
    this.samples += rows.length;
    return this.#block.addSeries(labels, this.#columns, 0, this.#columns.count);
  }
}
