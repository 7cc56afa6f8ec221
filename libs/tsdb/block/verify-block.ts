/**
 * Reads a block again from its first byte to its last: before a range leaves the head, before sources of a merge may go, and when
 * an operator asks. Every checksum, every order, every reference and every count that meta.json states is checked.
 * Surprising: `deep` also decodes every chunk; without it samples are counted as the chunks' headers say, which a checksum covers.
 */
import { ChunkEncoding } from '../../model/encoding/chunk.ts';
import { decodeChunk } from '../../model/encoding/decode-chunk.ts';
import type { SampleRows } from '../../model/encoding/sample-rows.ts';
import type { RangeReader } from '../../std/range-reader.ts';
import { ChunkScanner, countSamples, offsetOfRef } from './chunks-file.ts';
import { CorruptBlock } from './corrupt-block.ts';
import { seriesAlignment, seriesEnd } from './index-layout.ts';
import {
  type BlockIndex,
  openIndex,
  PostingsTableScanner,
  parsePostings,
  type SeriesEntry,
  SeriesScanner,
  SymbolScanner,
} from './index-reader.ts';
import type { BlockStats } from './meta.ts';
import type { BlockFiles } from './read-block.ts';
import { uint32At } from './section-reader.ts';

const windowBytes = 1 << 20;
const chunksWindowBytes = 4 << 20;
/** A list of postings is checked whole: a billion series have more. */
const listBytesMax = 2 ** 30;

export interface VerifyOptions {
  readonly deep: boolean;
  /** Called now and then. */
  readonly onProgress?: (seriesDone: number) => void;
}

/**
 * Checks a block.
 * @returns what was counted, which is what meta.json states
 * @throws CorruptBlock, or what the readers throw
 */
export async function verifyBlock(files: BlockFiles, options: VerifyOptions, signal: AbortSignal): Promise<BlockStats> {
  const index = await openIndex(files.index, signal);
  const symbols = await SymbolScanner.open(index, windowBytes, signal);
  while (symbols.next() || (await symbols.fill()));
  const series = new SeriesCheck(files, index, symbols.total, options, signal);
  const stats = await series.run();
  await checkPostings(index, series, signal);
  const stated = files.meta.stats;
  for (const name of ['numSamples', 'numFloatSamples', 'numHistogramSamples', 'numSeries', 'numChunks'] as const) {
    // Old writers, and some that downsample, leave counts out.
    if (stated[name] !== stats[name] && (stated[name] !== 0 || name === 'numSeries')) {
      throw new CorruptBlock(`${files.index.name}`, 0, `${name} is ${stats[name]}, meta.json says ${stated[name]}`);
    }
  }
  return stats;
}

class SeriesCheck {
  readonly #files: BlockFiles;
  readonly #index: BlockIndex;
  readonly #symbolCount: number;
  readonly #options: VerifyOptions;
  readonly #signal: AbortSignal;
  /** A bit for every place at which a series may begin. */
  readonly #places: Uint8Array;
  readonly #placeBegin: number;
  readonly #rows: SampleRows = newRows();
  #before = new Uint32Array(0);
  #beforeCount = 0;
  seriesCount = 0;
  labelCount = 0;

  constructor(files: BlockFiles, index: BlockIndex, symbolCount: number, options: VerifyOptions, signal: AbortSignal) {
    this.#files = files;
    this.#index = index;
    this.#symbolCount = symbolCount;
    this.#options = options;
    this.#signal = signal;
    this.#placeBegin = Math.floor(index.toc.series / seriesAlignment);
    this.#places = new Uint8Array(Math.ceil((seriesEnd(index.toc) - index.toc.series) / seriesAlignment / 8) + 1);
  }

  hasPlace(place: number): boolean {
    const at = place - this.#placeBegin;
    return at >= 0 && at >>> 3 < this.#places.length && (this.#places[at >>> 3] & (1 << (at & 7))) !== 0;
  }

  async run(): Promise<BlockStats> {
    const scanner = new SeriesScanner(this.#index, windowBytes, this.#signal);
    const chunks = new ChunkScanner(this.#files.openSegment, chunksWindowBytes, this.#signal);
    const { entry } = scanner;
    let samples = 0;
    let histogramSamples = 0;
    let chunkCount = 0;
    try {
      while (scanner.next() || (await scanner.fill())) {
        this.#checkLabels(entry, scanner.offset);
        const at = scanner.place - this.#placeBegin;
        this.#places[at >>> 3] |= 1 << (at & 7);
        for (let i = 0; i < entry.chunkCount; i++) {
          const ref = entry.ref[i];
          if (!chunks.find(ref)) await chunks.load(ref);
          const { record } = chunks;
          record.check(chunks.fileName, chunks.bytes, ref);
          const count = countSamples(record.encoding, chunks.bytes, record.dataBegin, record.dataEnd);
          if (count === 0) throw new CorruptBlock(chunks.fileName, offsetOfRef(ref), 'a chunk without samples');
          samples += count;
          if (record.encoding !== ChunkEncoding.xor && record.encoding !== ChunkEncoding.xor2)
            histogramSamples += count;
          if (this.#options.deep) this.#checkSamples(chunks, entry.minT[i], entry.maxT[i], offsetOfRef(ref));
        }
        this.#checkTimes(entry, scanner.offset);
        chunkCount += entry.chunkCount;
        this.seriesCount++;
        if (this.seriesCount % 4096 === 0) this.#options.onProgress?.(this.seriesCount);
      }
    } finally {
      await chunks.close();
    }
    return {
      numSamples: samples,
      numFloatSamples: samples - histogramSamples,
      numHistogramSamples: histogramSamples,
      numSeries: this.seriesCount,
      numChunks: chunkCount,
      numTombstones: 0,
    };
  }

  /** Symbols are in order, so the order of their numbers is that of the labels. */
  #checkLabels({ refs, refCount }: SeriesEntry, offset: number): void {
    const { name } = this.#files.index;
    for (let i = 0; i < refCount; i++) {
      if (refs[i] >= this.#symbolCount)
        throw new CorruptBlock(name, offset, `symbol ${refs[i]} of ${this.#symbolCount}`);
      if (i >= 2 && i % 2 === 0 && refs[i] <= refs[i - 2])
        throw new CorruptBlock(name, offset, 'labels are not in order');
    }
    if (this.seriesCount > 0 && compareRefs(this.#before, this.#beforeCount, refs, refCount) >= 0) {
      throw new CorruptBlock(name, offset, 'a series does not come after the one before it');
    }
    if (this.#before.length < refCount) this.#before = new Uint32Array(refCount * 2);
    for (let i = 0; i < refCount; i++) this.#before[i] = refs[i];
    this.#beforeCount = refCount;
    this.labelCount += refCount / 2;
  }

  #checkTimes({ minT, maxT, chunkCount }: SeriesEntry, offset: number): void {
    if (chunkCount === 0) return;
    const { minTime, maxTime } = this.#files.meta;
    if (minT[0] < minTime || maxT[chunkCount - 1] >= maxTime) {
      const span = `${minT[0]} to ${maxT[chunkCount - 1]}`;
      throw new CorruptBlock(
        this.#index.reader.name,
        offset,
        `samples from ${span}, meta.json says ${minTime} to ${maxTime}`,
      );
    }
  }

  #checkSamples(chunks: ChunkScanner, minT: number, maxT: number, offset: number): void {
    const rows = this.#rows;
    rows.st = null;
    rows.h = null;
    const { record } = chunks;
    let count: number;
    try {
      count = decodeChunk(record.encoding, chunks.bytes, record.dataBegin, record.dataEnd, rows, 0);
    } catch (cause) {
      throw new CorruptBlock(
        chunks.fileName,
        offset,
        cause instanceof Error ? cause.message : 'a chunk is broken',
        cause,
      );
    }
    const { t } = rows;
    for (let i = 1; i < count; i++) {
      if (t[i] <= t[i - 1]) throw new CorruptBlock(chunks.fileName, offset, 'samples of a chunk are not in order');
    }
    if (t[0] !== minT || t[count - 1] !== maxT) {
      const found = `${t[0]} to ${t[count - 1]}`;
      throw new CorruptBlock(chunks.fileName, offset, `a chunk from ${found}, the index says ${minT} to ${maxT}`);
    }
  }
}

/** Less than, equal to or greater than 0 as the first label set is before, equal to or after the second. */
function compareRefs(a: Uint32Array, aCount: number, b: Uint32Array, bCount: number): number {
  const count = Math.min(aCount, bCount);
  for (let i = 0; i < count; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return aCount - bCount;
}

async function checkPostings(index: BlockIndex, series: SeriesCheck, signal: AbortSignal): Promise<void> {
  const { name } = index.reader;
  const table = await PostingsTableScanner.open(index, windowBytes, signal);
  const lists = new ListWindow(index.reader, signal);
  let inLists = 0;
  while (table.next() || (await table.fill())) {
    const bytes = lists.find(table.listOffset) ?? (await lists.load(table.listOffset));
    const places = parsePostings(name, bytes, table.listOffset);
    for (const place of places) {
      if (!series.hasPlace(place))
        throw new CorruptBlock(name, table.listOffset, `there is no series at ${place * 16}`);
    }
    const isAll = table.count === 1 && table.nameBegin === table.nameEnd && table.valueBegin === table.valueEnd;
    if (!isAll) inLists += places.length;
    else if (places.length !== series.seriesCount) {
      throw new CorruptBlock(
        name,
        table.listOffset,
        `the list of all series has ${places.length} of ${series.seriesCount}`,
      );
    }
  }
  if (inLists !== series.labelCount) {
    throw new CorruptBlock(name, index.toc.postings, `${inLists} postings for ${series.labelCount} labels of series`);
  }
}

/** Lists of postings in the order of the file. */
class ListWindow {
  readonly #reader: RangeReader;
  readonly #signal: AbortSignal;
  #bytes: Uint8Array = new Uint8Array(0);
  #begin = 0;

  constructor(reader: RangeReader, signal: AbortSignal) {
    this.#reader = reader;
    this.#signal = signal;
  }

  /** The list where the window holds it whole. */
  find(offset: number): Uint8Array | undefined {
    const at = offset - this.#begin;
    if (at < 0 || at + 4 > this.#bytes.length) return undefined;
    const end = at + 8 + uint32At(this.#bytes, at);
    return end <= this.#bytes.length ? this.#bytes.subarray(at, end) : undefined;
  }

  async load(offset: number): Promise<Uint8Array> {
    const { size, name } = this.#reader;
    this.#begin = offset;
    this.#bytes = await this.#reader.read(offset, Math.min(size, offset + windowBytes), this.#signal);
    if (this.#bytes.length < 4) throw new CorruptBlock(name, offset, 'a list of postings ends behind the index');
    const length = 8 + uint32At(this.#bytes, 0);
    if (length > listBytesMax || offset + length > size) {
      throw new CorruptBlock(name, offset, `a list of postings of ${length} bytes ends behind the index`);
    }
    if (length > this.#bytes.length) this.#bytes = await this.#reader.read(offset, offset + length, this.#signal);
    return this.#bytes.subarray(0, length);
  }
}

function newRows(): SampleRows {
  const v = new Float64Array(256);
  return { t: new Float64Array(256), v, vBits: new Int32Array(v.buffer), st: null, h: null };
}
