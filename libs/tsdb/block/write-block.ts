/**
 * Writes one Prometheus TSDB block: a folder of index, chunks, tombstones and meta.json that appears under its name only when all
 * of it is durable.
 * Owns the folder's life and what is counted. Does not own when a block is cut or merged, nor what of it is read (read-block.ts).
 */
import { join } from 'node:path';
import { ChunkEncoding } from '../../model/encoding/chunk.ts';
import { compareCanonicalLabels } from '../../model/label-order.ts';
import type { ChunkBatch } from '../../series/series-source.ts';
import { assert } from '../../std/assert.ts';
import { type Disk, errorCode } from '../../std/disk.ts';
import { ChunksWriter, countSamples, defaultSegmentBytes } from './chunks-file.ts';
import { FileSink } from './file-sink.ts';
import { type ChunkRefs, IndexWriter } from './index-writer.ts';
import { type BlockFile, type BlockMeta, type BlockMetaExtras, encodeMeta } from './meta.ts';
import { InternedSymbols, internLabels, type SortedSymbols } from './symbols.ts';
import { encodeTombstones } from './tombstones.ts';
import type { Ulid } from './ulid.ts';

/** Columns of encoded chunks: a ChunkBatch has them. Chunk c is bytes[byteBegin[c], byteBegin[c + 1]). */
export type EncodedChunks = Pick<ChunkBatch, 'encoding' | 'minT' | 'maxT' | 'byteBegin' | 'bytes'>;

export interface BlockOptions {
  readonly disk: Disk;
  /** The block becomes a folder of it. */
  readonly directory: string;
  readonly ulid: Ulid;
  /** Size at which the next chunk file begins. */
  readonly segmentBytes?: number;
}

const unsealedSuffix = '.tmp';

/** Name of the folder in which a block is written. What ends so after a crash may be removed. */
function unsealedName(ulid: Ulid): string {
  return ulid + unsealedSuffix;
}

/**
 * Removes the folder of a block that was sealed. Wherever that breaks off, what is left is no half of a block; no error if there is none.
 */
export async function removeBlock(disk: Disk, path: string): Promise<void> {
  const leaving = path + unsealedSuffix;
  try {
    await disk.rename(path, leaving);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
  await disk.removeTree(leaving);
}

/**
 * Begins a block in `directory/<ulid>.tmp`. Series come in the order of their labels (libs/model/label-order.ts). Disposing removes
 * what was not sealed.
 */
export async function createBlock(options: BlockOptions): Promise<BlockWriter> {
  const symbols = new InternedSymbols();
  return new BlockWriter(await LinkedBlockWriter.create(options, symbols), symbols);
}

export class BlockWriter implements AsyncDisposable {
  readonly #block: LinkedBlockWriter;
  readonly #symbols: InternedSymbols;
  readonly #refs = { refs: new Uint32Array(64) };
  #before = new Uint8Array(0);

  constructor(block: LinkedBlockWriter, symbols: InternedSymbols) {
    this.#block = block;
    this.#symbols = symbols;
  }

  /**
   * Adds a series.
   * @param labels canonical (libs/model/canonical-labels.ts); after those of the series before
   * @param chunks in order of time, not overlapping, none empty: those numbered [begin, end) of these columns. They are copied.
   * @returns a promise where the disk must be waited for before the next series
   */
  addSeries(
    labels: Uint8Array,
    chunks: EncodedChunks,
    begin = 0,
    end: number = chunks.encoding.length,
  ): Promise<void> | undefined {
    assert(compareCanonicalLabels(this.#before, labels) < 0, 'series come in the order of their labels');
    this.#before = labels.slice();
    const refCount = internLabels(this.#symbols, labels, this.#refs);
    const block = this.#block;
    block.beginSeries();
    for (let chunk = begin; chunk < end; chunk++) {
      if (block.mustPrepare(chunkLength(chunks, chunk))) return this.#addSlowly(refCount, chunks, chunk, end);
      block.addChunkOf(chunks, chunk);
    }
    return block.endSeries(this.#refs.refs, refCount);
  }

  /** Writes index, tombstones and meta.json, makes all of it durable, and gives the folder its name. */
  async seal(extras: BlockMetaExtras): Promise<BlockMeta> {
    return this.#block.seal(extras);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#block[Symbol.asyncDispose]();
  }

  async #addSlowly(refCount: number, chunks: EncodedChunks, from: number, end: number): Promise<void> {
    const block = this.#block;
    for (let chunk = from; chunk < end; chunk++) {
      const length = chunkLength(chunks, chunk);
      if (block.mustPrepare(length)) await block.prepare(length);
      block.addChunkOf(chunks, chunk);
    }
    await block.endSeries(this.#refs.refs, refCount);
  }
}

function chunkLength(chunks: EncodedChunks, chunk: number): number {
  return (chunks.byteBegin[chunk + 1] as number) - (chunks.byteBegin[chunk] as number);
}

/** The same for series whose labels are numbers of symbols already: what a merge has. The caller answers for the order. */
export class LinkedBlockWriter implements AsyncDisposable {
  readonly #options: BlockOptions;
  readonly #path: string;
  readonly #chunksWriter: ChunksWriter;
  readonly #index: IndexWriter;
  readonly #chunks: ChunkRefs = {
    count: 0,
    minT: new Float64Array(64),
    maxT: new Float64Array(64),
    ref: new Float64Array(64),
  };
  #samples = 0;
  #histogramSamples = 0;
  #chunkCount = 0;
  #open = true;
  #sealing: Promise<BlockMeta> | undefined;

  private constructor(options: BlockOptions, path: string, chunksWriter: ChunksWriter, index: IndexWriter) {
    this.#options = options;
    this.#path = path;
    this.#chunksWriter = chunksWriter;
    this.#index = index;
  }

  static async create(options: BlockOptions, symbols: InternedSymbols | SortedSymbols): Promise<LinkedBlockWriter> {
    const { disk, directory, ulid, segmentBytes = defaultSegmentBytes } = options;
    const path = join(directory, unsealedName(ulid));
    await disk.removeTree(path);
    await disk.makeDirectory(join(path, 'chunks'));
    const index = await IndexWriter.create(disk, path, symbols);
    return new LinkedBlockWriter(options, path, new ChunksWriter(disk, join(path, 'chunks'), segmentBytes), index);
  }

  get seriesCount(): number {
    return this.#index.seriesCount;
  }

  /** Bytes of chunks so far. */
  get chunkBytes(): number {
    return this.#chunksWriter.bytes;
  }

  beginSeries(): void {
    this.#chunks.count = 0;
  }

  /** Whether `prepare` must be awaited before the next chunk of this many bytes. */
  mustPrepare(chunkBytes: number): boolean {
    return this.#chunksWriter.mustPrepare(chunkBytes);
  }

  async prepare(chunkBytes: number): Promise<void> {
    await this.#chunksWriter.prepare(chunkBytes);
  }

  addChunkOf({ encoding, minT, maxT, byteBegin, bytes }: EncodedChunks, chunk: number): void {
    this.addChunk(
      encoding[chunk] as ChunkEncoding,
      minT[chunk] as number,
      maxT[chunk] as number,
      bytes,
      byteBegin[chunk] as number,
      byteBegin[chunk + 1] as number,
    );
  }

  addChunk(encoding: ChunkEncoding, minT: number, maxT: number, bytes: Uint8Array, begin: number, end: number): void {
    const samples = countSamples(encoding, bytes, begin, end);
    this.noteChunk(encoding, minT, maxT, samples, this.#chunksWriter.add(encoding, bytes, begin, end));
  }

  /** Reference of the record that is added next. */
  get nextRef(): number {
    return this.#chunksWriter.nextRef;
  }

  /** Whether records of this many bytes fit into the file at hand. */
  hasRoom(recordBytes: number): boolean {
    return this.#chunksWriter.hasRoom(recordBytes);
  }

  /** Adds whole records of another block's chunk file as they are: each is noted by `noteChunk`, before or after. */
  addRecords(bytes: Uint8Array, begin: number, end: number): void {
    this.#chunksWriter.addRecords(bytes, begin, end);
  }

  /** The chunks since beginSeries are those of the series with these labels. */
  endSeries(refs: Uint32Array, refCount: number): Promise<void> | undefined {
    assert(this.#chunks.count > 0, 'a series has a chunk');
    this.#index.addSeries(refs, refCount, this.#chunks);
    return this.#index.isFull ? this.#index.flush() : undefined;
  }

  seal(extras: BlockMetaExtras): Promise<BlockMeta> {
    this.#sealing = this.#seal(extras);
    return this.#sealing;
  }

  async #seal({ minTime, maxTime, compaction, thanos, jobOutputs = [], cutFrom }: BlockMetaExtras): Promise<BlockMeta> {
    const { disk, directory, ulid } = this.#options;
    await this.#chunksWriter.seal();
    await disk.syncDirectory(join(this.#path, 'chunks'));
    const files: BlockFile[] = [];
    for (const segment of this.#chunksWriter.segments) {
      files.push({ relPath: `chunks/${segment}`, sizeBytes: await this.#sizeOf(join('chunks', segment)) });
    }
    const indexBytes = await this.#index.seal();
    files.push({ relPath: 'index', sizeBytes: indexBytes }, { relPath: 'meta.json', sizeBytes: undefined });
    await this.#writeFile('tombstones', encodeTombstones(new Map()));
    const meta: BlockMeta = {
      ulid,
      minTime,
      maxTime,
      stats: {
        numSamples: this.#samples,
        numFloatSamples: this.#samples - this.#histogramSamples,
        numHistogramSamples: this.#histogramSamples,
        numSeries: this.#index.seriesCount,
        numChunks: this.#chunkCount,
        numTombstones: 0,
      },
      compaction: {
        level: 1,
        sources: [ulid],
        parents: [],
        hints: [],
        deletable: false,
        failed: false,
        ...compaction,
      },
      thanos: {
        labels: new Map(),
        resolutionMs: 0,
        source: 'receive',
        ...thanos,
        segmentFiles: this.#chunksWriter.segments,
        files,
      },
      jobOutputs,
      cutFrom,
      unknown: {},
    };
    await this.#writeFile('meta.json', encodeMeta(meta));
    await disk.syncDirectory(this.#path);
    await disk.rename(this.#path, join(directory, ulid));
    this.#open = false;
    return meta;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // `return writer.seal(...)` disposes while it is under way.
    await Promise.allSettled([this.#sealing]);
    if (!this.#open) return;
    this.#open = false;
    // A file may be closed already, and its disk broken: what counts is that the folder goes.
    await Promise.allSettled([this.#index.abandon(), this.#chunksWriter.abandon()]);
    await this.#options.disk.removeTree(this.#path);
  }

  /** Takes a chunk of the series at hand, whose record is in the file or about to be, into index and counts. */
  noteChunk(encoding: ChunkEncoding, minT: number, maxT: number, samples: number, ref: number): void {
    assert(samples > 0, 'a chunk has a sample');
    const chunks = this.#chunks;
    const at = chunks.count++;
    if (at === chunks.ref.length) {
      for (const column of ['minT', 'maxT', 'ref'] as const) {
        const grown = new Float64Array(at * 2);
        grown.set(chunks[column]);
        chunks[column] = grown;
      }
    }
    chunks.minT[at] = minT;
    chunks.maxT[at] = maxT;
    chunks.ref[at] = ref;
    this.#samples += samples;
    this.#chunkCount++;
    if (encoding !== ChunkEncoding.xor && encoding !== ChunkEncoding.xor2) this.#histogramSamples += samples;
  }

  async #writeFile(name: string, bytes: Uint8Array): Promise<void> {
    const sink = await FileSink.create(this.#options.disk, join(this.#path, name));
    sink.buffer.writeBytes(bytes, 0, bytes.length);
    await sink.seal();
  }

  async #sizeOf(name: string): Promise<number> {
    const file = await this.#options.disk.open(join(this.#path, name), 'read');
    try {
      return await file.size();
    } finally {
      await file.close();
    }
  }
}
