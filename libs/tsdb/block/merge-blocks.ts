/**
 * Many blocks become one, or one a shard: every series once, every timestamp of it once.
 *
 * Everything streams: symbols of the sources are merged first (merge-symbols.ts); then series, which are lists of their numbers, come in
 * order from a tournament of the sources. A chunk that no other source overlaps is copied as it is, unread; chunks that overlap are
 * decoded, merged by the one rule there is (libs/series/merge.ts) and encoded anew. Deleted samples are left out.
 *
 * Owns the walk and the counts. Does not own what is merged with what (services/compactor), nor whether the result is right: whoever
 * calls verifies the outputs (verify-block.ts). Surprising: records are copied with their checksums unchecked, so a source that is
 * damaged makes an output that does not verify.
 */
import type { ChunkEncoding } from '../../model/encoding/chunk.ts';
import { decodeChunk } from '../../model/encoding/decode-chunk.ts';
import { ResetHint } from '../../model/histogram.ts';
import { makeColumns, mergeColumns } from '../../series/merge.ts';
import type { SampleColumns } from '../../series/sample-columns.ts';
import { assert } from '../../std/assert.ts';
import type { Disk } from '../../std/disk.ts';
import { LoserTree } from '../../std/loser-tree.ts';
import { ChunkScanner, countSamples, offsetOfRef } from './chunks-file.ts';
import { CorruptBlock } from './corrupt-block.ts';
import { blockChunkSamples, ChunkColumns, encodeChunks } from './encode-chunks.ts';
import { type BlockIndex, openIndex, SeriesScanner } from './index-reader.ts';
import { LabelSharder, shardLabel, shardLabelValue } from './label-shard.ts';
import { mergeSymbols } from './merge-symbols.ts';
import { mergedExtras } from './merged-extras.ts';
import type { BlockMeta } from './meta.ts';
import type { BlockFiles } from './read-block.ts';
import { compareBytes, type SortedSymbols } from './symbols.ts';
import { touches } from './tombstones.ts';
import type { Ulid } from './ulid.ts';
import { LinkedBlockWriter } from './write-block.ts';

/** Memory for windows over all sources together. */
const windowBytesTotal = 64 << 20;
const windowBytesMin = 64 << 10;
const windowBytesMax = 2 << 20;
/** More at once would take more than their windows are worth: plan fewer. */
export const mergeSourcesMax = 512;
const progressSeries = 1024;

export interface MergeOptions {
  readonly disk: Disk;
  /** Outputs become folders of it. */
  readonly directory: string;
  readonly sources: readonly BlockFiles[];
  /** Names for the outputs: one a shard. One: nothing is split. */
  readonly outputs: readonly Ulid[];
  readonly segmentBytes?: number;
  readonly onProgress?: (done: MergeProgress) => void;
}

export interface MergeProgress {
  readonly series: number;
  readonly samples: number;
}

export interface MergeCounts {
  /** Samples of all sources, as their chunks count them. */
  samplesIn: number;
  /** Left out because another source had one for the same timestamp. */
  duplicates: number;
  /** Of these, how many were not the same. */
  conflicts: number;
  /** Left out because a tombstone covers them. */
  deleted: number;
  samplesOut: number;
  chunksCopied: number;
  chunksEncoded: number;
}

export interface MergeResult {
  /** Of the outputs that have a series; none where everything was deleted. */
  readonly metas: readonly BlockMeta[];
  readonly counts: MergeCounts;
}

/**
 * Merges blocks. What is not complete is removed again.
 * @throws CorruptBlock that names the source, or what the disk throws
 */
export async function mergeBlocks(options: MergeOptions, signal: AbortSignal): Promise<MergeResult> {
  const { sources } = options;
  assert(sources.length > 0 && sources.length <= mergeSourcesMax, 'a merge has sources, and not too many');
  assert(options.outputs.length > 0, 'a merge has an output');
  const share = windowBytesTotal / (sources.length * 3);
  const windowBytes = Math.round(Math.min(windowBytesMax, Math.max(windowBytesMin, share)));
  const indexes: BlockIndex[] = [];
  for (const { index } of sources) indexes.push(await openIndex(index, signal));
  const { symbols, numbers } = await mergeSymbols(indexes, windowBytes, signal);
  const merge = new Merge(options, indexes, symbols, numbers, windowBytes, signal);
  return merge.run();
}

/** One source: where its scan stands. */
class Source {
  readonly files: BlockFiles;
  readonly series: SeriesScanner;
  readonly chunks: ChunkScanner;
  readonly #numbers: Uint32Array;
  /** Labels of the series at hand as numbers of merged symbols. */
  refs: Uint32Array<ArrayBuffer> = new Uint32Array(64);
  refCount = 0;
  live = true;
  samples = 0;

  constructor(files: BlockFiles, index: BlockIndex, numbers: Uint32Array, windowBytes: number, signal: AbortSignal) {
    this.files = files;
    this.series = new SeriesScanner(index, windowBytes, signal);
    this.chunks = new ChunkScanner(files.openSegment, windowBytes * 2, signal);
    this.#numbers = numbers;
  }

  /** To the next series, where it is at hand; else `load`. */
  next(): boolean {
    if (!this.series.next()) return false;
    this.#number();
    return true;
  }

  async load(): Promise<void> {
    this.live = await this.series.fill();
    if (this.live) this.#number();
  }

  #number(): void {
    const { refs, refCount } = this.series.entry;
    const numbers = this.#numbers;
    if (this.refs.length < refCount) this.refs = new Uint32Array(refCount * 2);
    for (let i = 0; i < refCount; i++) {
      const number = numbers[refs[i]];
      if (number === undefined) {
        throw new CorruptBlock(
          this.files.index.name,
          this.series.offset,
          `a series has symbol ${refs[i]}, which is none`,
        );
      }
      this.refs[i] = number;
    }
    this.refCount = refCount;
  }
}

/** Less than, equal to or greater than 0 as the first label set is before, equal to or after the second. */
function compareRefs(a: Uint32Array, aCount: number, b: Uint32Array, bCount: number): number {
  const count = Math.min(aCount, bCount);
  for (let i = 0; i < count; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return aCount - bCount;
}

/** Chunks of the series at hand, from all sources. */
class GroupChunks {
  count = 0;
  source = new Uint16Array(64);
  /** Times of the first and the last sample. */
  minT = new Float64Array(64);
  maxT = new Float64Array(64);
  ref = new Float64Array(64);
  /** The place of the series in its source, for tombstones. */
  place = new Float64Array(64);
  /** Numbers 0 to count - 1 in the order of time. */
  order = new Uint32Array(64);

  add(source: number, minT: number, maxT: number, ref: number, place: number): void {
    const at = this.count++;
    if (at === this.ref.length) this.#grow();
    this.source[at] = source;
    this.minT[at] = minT;
    this.maxT[at] = maxT;
    this.ref[at] = ref;
    this.place[at] = place;
    this.order[at] = at;
  }

  sort(): void {
    const { minT, count } = this;
    for (let i = 1; i < count; i++) {
      if (minT[i] < minT[i - 1]) {
        this.order.subarray(0, count).sort((a, b) => minT[a] - minT[b] || a - b);
        return;
      }
    }
  }

  #grow(): void {
    const capacity = this.ref.length * 2;
    this.source = copyTo(new Uint16Array(capacity), this.source);
    this.minT = copyTo(new Float64Array(capacity), this.minT);
    this.maxT = copyTo(new Float64Array(capacity), this.maxT);
    this.ref = copyTo(new Float64Array(capacity), this.ref);
    this.place = copyTo(new Float64Array(capacity), this.place);
    this.order = copyTo(new Uint32Array(capacity), this.order);
  }
}

function copyTo<T extends Uint16Array | Uint32Array | Float64Array>(to: T, from: T): T {
  to.set(from);
  return to;
}

class Merge {
  readonly #options: MergeOptions;
  readonly #sources: readonly Source[];
  readonly #symbols: SortedSymbols;
  readonly #signal: AbortSignal;
  readonly #group = new GroupChunks();
  readonly #encoded = new ChunkColumns();
  /** Labels of the series at hand. */
  #refs = new Uint32Array(64);
  #refCount = 0;
  #samples = makeColumns(256);
  #merged = makeColumns(256);
  readonly #scratch = makeColumns(256);
  /** Chunks written of the series at hand. */
  #written = 0;
  readonly #counts: MergeCounts = {
    samplesIn: 0,
    duplicates: 0,
    conflicts: 0,
    deleted: 0,
    samplesOut: 0,
    chunksCopied: 0,
    chunksEncoded: 0,
  };

  constructor(
    options: MergeOptions,
    indexes: readonly BlockIndex[],
    symbols: SortedSymbols,
    numbers: readonly Uint32Array[],
    windowBytes: number,
    signal: AbortSignal,
  ) {
    this.#options = options;
    this.#symbols = symbols;
    this.#signal = signal;
    this.#sources = options.sources.map((files, i) => new Source(files, indexes[i], numbers[i], windowBytes, signal));
  }

  async run(): Promise<MergeResult> {
    const { outputs } = this.#options;
    const writers: LinkedBlockWriter[] = [];
    try {
      for (const ulid of outputs)
        writers.push(await LinkedBlockWriter.create({ ...this.#options, ulid }, this.#symbols));
      await this.#writeAll(writers);
      this.#checkCounts();
      return { metas: await this.#seal(writers), counts: this.#counts };
    } finally {
      for (const writer of writers) await writer[Symbol.asyncDispose]();
      for (const { chunks } of this.#sources) await chunks.close();
    }
  }

  async #writeAll(writers: readonly LinkedBlockWriter[]): Promise<void> {
    const sources = this.#sources;
    for (const source of sources) await source.load();
    const tree = new LoserTree(sources.length, (a, b) => {
      const x = sources[a];
      const y = sources[b];
      if (!x.live || !y.live) return x.live;
      const order = compareRefs(x.refs, x.refCount, y.refs, y.refCount);
      return order < 0 || (order === 0 && a < b);
    });
    const sharder = writers.length > 1 ? new LabelSharder(this.#symbols, writers.length) : undefined;
    let seriesCount = 0;
    while (sources[tree.winner].live) {
      this.#beginGroup(sources[tree.winner]);
      for (;;) {
        const at = tree.winner;
        const source = sources[at];
        if (!source.live || compareRefs(source.refs, source.refCount, this.#refs, this.#refCount) !== 0) break;
        this.#addToGroup(at, source);
        if (!source.next()) await source.load();
        tree.replay();
      }
      this.#group.sort();
      const writer = writers[sharder?.shardOf(this.#refs, this.#refCount) ?? 0];
      writer.beginSeries();
      this.#written = 0;
      const writing = this.#writeGroup(writer);
      if (writing !== undefined) await writing;
      // A series of which every sample was deleted is no series.
      const ending = this.#written > 0 ? writer.endSeries(this.#refs, this.#refCount) : undefined;
      if (ending !== undefined) await ending;
      if (++seriesCount % progressSeries === 0) {
        this.#signal.throwIfAborted();
        this.#options.onProgress?.({ series: seriesCount, samples: this.#counts.samplesIn });
      }
    }
  }

  #beginGroup(source: Source): void {
    if (this.#refs.length < source.refCount) this.#refs = new Uint32Array(source.refs.length);
    for (let i = 0; i < source.refCount; i++) this.#refs[i] = source.refs[i];
    this.#refCount = source.refCount;
    this.#group.count = 0;
  }

  #addToGroup(at: number, { series }: Source): void {
    const { chunkCount, minT, maxT, ref } = series.entry;
    for (let i = 0; i < chunkCount; i++) this.#group.add(at, minT[i], maxT[i], ref[i], series.place);
  }

  /** Writes the chunks of the series at hand. Returns a promise where something must be waited for. */
  #writeGroup(writer: LinkedBlockWriter): Promise<void> | undefined {
    const { count, order, minT, maxT } = this.#group;
    for (let i = 0; i < count; ) {
      const isAlone = i + 1 === count || minT[order[i + 1]] > maxT[order[i]];
      if (!isAlone || this.#isTouched(order[i])) return this.#writeSlowly(writer, i);
      const copied = this.#copyRun(writer, i);
      if (copied === 0) return this.#writeSlowly(writer, i);
      i += copied;
    }
    return undefined;
  }

  /** Writes the chunks from the one at `from` in the order of time: run by run of such that overlap. */
  async #writeSlowly(writer: LinkedBlockWriter, from: number): Promise<void> {
    const { count, order, minT, maxT } = this.#group;
    for (let begin = from; begin < count; ) {
      let end = begin + 1;
      for (let last = maxT[order[begin]]; end < count && minT[order[end]] <= last; end++) {
        last = Math.max(last, maxT[order[end]]);
      }
      if (end - begin === 1 && !this.#isTouched(order[begin])) {
        const copied = this.#copyRun(writer, begin);
        if (copied === 0) await this.#copy(writer, order[begin]);
        else end = begin + copied;
      } else if (!(await this.#copyReplicas(writer, begin, end))) {
        await this.#mergeRun(writer, begin, end);
      }
      begin = end;
    }
  }

  /**
   * Copies the chunk at `from` in the order of time, and those behind it that stand behind it in the same file too, overlap nothing and
   * are at hand: at one go. Returns how many; 0 where the first is not at hand, or the disk must be waited for.
   */
  #copyRun(writer: LinkedBlockWriter, from: number): number {
    const { count, order, source, ref, minT, maxT } = this.#group;
    const first = order[from];
    const { chunks } = this.#sources[source[first]];
    if (!chunks.find(ref[first])) return 0;
    const { bytes, record, recordBegin } = chunks;
    if (writer.mustPrepare(record.dataEnd - record.dataBegin)) return 0;
    const refBegin = writer.nextRef;
    let end = recordBegin;
    let copied = 0;
    for (let i = from; i < count; i++) {
      const chunk = order[i];
      if (i > from) {
        const follows = source[chunk] === source[first] && ref[chunk] === ref[first] + end - recordBegin;
        if (!follows || this.#isTouched(chunk) || !chunks.find(ref[chunk])) break;
        if (!writer.hasRoom(record.end - recordBegin)) break;
      }
      // Whether the next one overlaps it is known only by looking at that.
      if (i + 1 < count && minT[order[i + 1]] <= maxT[chunk]) break;
      const samples = this.#countIn(chunks, chunk);
      writer.noteChunk(record.encoding, minT[chunk], maxT[chunk], samples, refBegin + end - recordBegin);
      this.#counts.samplesOut += samples;
      end = record.end;
      copied++;
    }
    if (copied === 0) return 0;
    writer.addRecords(bytes, recordBegin, end);
    this.#written += copied;
    this.#counts.chunksCopied += copied;
    return copied;
  }

  /** Whether a tombstone of its source covers a part of the chunk. */
  #isTouched(chunk: number): boolean {
    const { source, place, minT, maxT } = this.#group;
    const intervals = this.#sources[source[chunk]].files.tombstones.get(place[chunk]);
    return intervals !== undefined && touches(intervals, minT[chunk], maxT[chunk]);
  }

  /** The source of a chunk with the chunk's record at hand. */
  async #find(chunk: number): Promise<ChunkScanner> {
    const { source, ref } = this.#group;
    const { chunks } = this.#sources[source[chunk]];
    if (!chunks.find(ref[chunk])) await chunks.load(ref[chunk]);
    return chunks;
  }

  /** Samples of the chunk at hand, counted among those that came in. */
  #countIn(chunks: ChunkScanner, chunk: number): number {
    const { record, bytes, fileName } = chunks;
    const { source, ref } = this.#group;
    const count = countSamples(record.encoding, bytes, record.dataBegin, record.dataEnd);
    if (count === 0) throw new CorruptBlock(fileName, offsetOfRef(ref[chunk]), 'a chunk without samples');
    this.#sources[source[chunk]].samples += count;
    this.#counts.samplesIn += count;
    return count;
  }

  async #copy(writer: LinkedBlockWriter, chunk: number): Promise<void> {
    const { source, ref, minT, maxT } = this.#group;
    const { chunks } = this.#sources[source[chunk]];
    if (!chunks.find(ref[chunk])) await chunks.load(ref[chunk]);
    const samples = this.#countIn(chunks, chunk);
    const { record } = chunks;
    const length = record.dataEnd - record.dataBegin;
    if (writer.mustPrepare(length)) await writer.prepare(length);
    writer.noteChunk(record.encoding, minT[chunk], maxT[chunk], samples, writer.nextRef);
    writer.addRecords(chunks.bytes, chunks.recordBegin, record.end);
    this.#written++;
    this.#counts.samplesOut += samples;
    this.#counts.chunksCopied++;
  }

  /** Where every chunk of a run is the same, as replicas' are, copies one of them. */
  async #copyReplicas(writer: LinkedBlockWriter, begin: number, end: number): Promise<boolean> {
    const { order, source, minT, maxT } = this.#group;
    const first = order[begin];
    for (let i = begin; i < end; i++) {
      const chunk = order[i];
      if (this.#isTouched(chunk) || minT[chunk] !== minT[first] || maxT[chunk] !== maxT[first]) return false;
      if (i > begin && source[chunk] === source[first]) return false;
    }
    const a = await this.#find(first);
    for (let i = begin + 1; i < end; i++) {
      const b = await this.#find(order[i]);
      const aEnd = a.record.end;
      if (compareBytes(a.bytes, a.recordBegin, aEnd, b.bytes, b.recordBegin, b.record.end) !== 0) return false;
    }
    for (let i = begin + 1; i < end; i++) {
      const samples = this.#countIn(await this.#find(order[i]), order[i]);
      this.#counts.duplicates += samples;
    }
    await this.#copy(writer, first);
    return true;
  }

  /** Decodes the chunks of a run, source by source, merges their samples, writes them as new chunks. */
  async #mergeRun(writer: LinkedBlockWriter, begin: number, end: number): Promise<void> {
    const { order, source } = this.#group;
    this.#samples.length = 0;
    let isFirst = true;
    for (let i = begin; i < end; i++) {
      const at = source[order[i]];
      let isTaken = false;
      for (let j = begin; j < i; j++) if (source[order[j]] === at) isTaken = true;
      if (isTaken) continue;
      const columns = isFirst ? this.#samples : this.#scratch;
      await this.#decodeOf(at, begin, end, columns);
      if (!isFirst) {
        const before = this.#samples.length + columns.length;
        this.#counts.conflicts += mergeColumns(this.#samples, columns, this.#merged);
        const merged = this.#merged;
        this.#merged = this.#samples;
        this.#samples = merged;
        this.#counts.duplicates += before - merged.length;
      }
      isFirst = false;
    }
    const encoded = this.#encoded;
    encoded.reset();
    encodeChunks(this.#samples, 0, this.#samples.length, blockChunkSamples, encoded);
    for (let i = 0; i < encoded.count; i++) {
      const length = encoded.byteBegin[i + 1] - encoded.byteBegin[i];
      if (writer.mustPrepare(length)) await writer.prepare(length);
      writer.addChunkOf(encoded, i);
    }
    this.#written += encoded.count;
    this.#counts.samplesOut += this.#samples.length;
    this.#counts.chunksEncoded += encoded.count;
  }

  /** Samples of one source's chunks of a run, without those that its tombstones cover. */
  async #decodeOf(at: number, begin: number, end: number, columns: SampleColumns): Promise<void> {
    const { order, source, place, ref } = this.#group;
    columns.length = 0;
    columns.st = null;
    columns.h = null;
    let seriesPlace = 0;
    for (let i = begin; i < end; i++) {
      const chunk = order[i];
      if (source[chunk] !== at) continue;
      seriesPlace = place[chunk];
      const chunks = await this.#find(chunk);
      const count = this.#countIn(chunks, chunk);
      const { record, bytes, fileName } = chunks;
      const offset = offsetOfRef(ref[chunk]);
      record.check(fileName, bytes, ref[chunk]);
      const row = columns.length;
      const rowEnd = decodeInto(record.encoding, bytes, record.dataBegin, record.dataEnd, columns, fileName, offset);
      if (rowEnd - row !== count) throw new CorruptBlock(fileName, offset, 'a chunk counts its samples wrongly');
      for (let j = Math.max(1, row); j < rowEnd; j++) {
        if (columns.t[j] <= columns.t[j - 1]) throw new CorruptBlock(fileName, offset, 'samples are not in order');
      }
    }
    const intervals = this.#sources[at].files.tombstones.get(seriesPlace);
    if (intervals !== undefined) this.#counts.deleted += removeDeleted(columns, intervals);
  }

  #checkCounts(): void {
    const { samplesIn, duplicates, deleted, samplesOut } = this.#counts;
    assert(samplesIn - duplicates - deleted === samplesOut, 'what came in went out, once');
    for (const { files, samples } of this.#sources) {
      const { numSamples } = files.meta.stats;
      // Some writers leave the count out.
      if (numSamples !== 0 && numSamples !== samples) {
        throw new CorruptBlock(files.index.name, 0, `${samples} samples, meta.json says ${numSamples}`);
      }
    }
  }

  async #seal(writers: readonly LinkedBlockWriter[]): Promise<BlockMeta[]> {
    const { outputs, sources } = this.#options;
    const jobOutputs = outputs.filter((_, i) => writers[i].seriesCount > 0);
    const base = mergedExtras(sources.map(({ meta }) => meta));
    const metas: BlockMeta[] = [];
    for (const [i, writer] of writers.entries()) {
      if (writer.seriesCount === 0) continue;
      const labels = new Map(base.thanos?.labels);
      if (writers.length > 1) labels.set(shardLabel, shardLabelValue(i, writers.length));
      metas.push(await writer.seal({ ...base, jobOutputs, thanos: { ...base.thanos, labels } }));
    }
    return metas;
  }
}

/** Decodes a chunk behind the rows that are there; returns the row after its last. */
function decodeInto(
  encoding: ChunkEncoding,
  bytes: Uint8Array,
  begin: number,
  end: number,
  columns: SampleColumns,
  file: string,
  offset: number,
): number {
  try {
    const rowEnd = decodeChunk(encoding, bytes, begin, end, columns, columns.length);
    columns.length = rowEnd;
    return rowEnd;
  } catch (cause) {
    throw new CorruptBlock(file, offset, cause instanceof Error ? cause.message : 'a chunk is broken', cause);
  }
}

/** Removes the rows that an interval covers; returns how many. What followed one of them knows nothing of resets any more. */
function removeDeleted(columns: SampleColumns, intervals: Float64Array): number {
  const { t, vBits, st, h } = columns;
  let interval = 0;
  let kept = 0;
  for (let row = 0; row < columns.length; row++) {
    while (interval < intervals.length && intervals[interval + 1] < t[row]) interval += 2;
    if (interval < intervals.length && intervals[interval] <= t[row]) continue;
    if (kept !== row) {
      t[kept] = t[row];
      vBits[2 * kept] = vBits[2 * row];
      vBits[2 * kept + 1] = vBits[2 * row + 1];
      if (st !== null) st[kept] = st[row];
      if (h !== null) {
        const histogram = h[row];
        const follows = kept > 0 && t[kept - 1] === t[row - 1];
        const keepsHint = histogram === null || follows || histogram.resetHint === ResetHint.gauge;
        h[kept] = keepsHint ? histogram : { ...histogram, resetHint: ResetHint.unknown };
      }
    }
    kept++;
  }
  const deleted = columns.length - kept;
  columns.length = kept;
  return deleted;
}
