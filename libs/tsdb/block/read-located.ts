/**
 * Chunks of a block's selection read from its files by the thread that decodes them, which may block: from the page cache that is one copy,
 * and nothing of it passes through the main thread.
 * Owns what is read at once, and the files, which are open while a batch is read: a query may have thousands of blocks. Does not own
 * what is done where a file is not what it should be: then read-chunks.ts reads the same, and says what is wrong. What is handed out
 * holds the checked records as they lie in the file.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { GivenBatch } from '../../series/join-chunks.ts';
import type { LocatedChunks } from '../../series/series-source.ts';
import { spareMemory } from '../../std/spare-memory.ts';
import {
  ChunkRecord,
  checkChunksHeader,
  chunksHeaderBytes,
  offsetOfRef,
  segmentName,
  segmentOfRef,
} from './chunks-file.ts';
import { CorruptBlock } from './corrupt-block.ts';
import { recordEnd } from './read-chunks.ts';
import { localGapBytes } from './read-ranges.ts';

const batchSeriesMax = 1024;
const noMemory = new Uint8Array(0);

interface OpenFile {
  readonly descriptor: number;
  readonly name: string;
  readonly size: number;
}

export class LocatedReader {
  readonly #located: LocatedChunks;
  readonly #batchBytes: number;
  readonly #files = new Map<number, OpenFile>();
  readonly #record = new ChunkRecord();
  /** Bytes that were read. */
  bytes = 0;
  #series = 0;
  // Of no size yet: a query may have thousands of blocks, and one chunk of each.
  #memory = noMemory;
  #encoding = new Uint8Array(0);
  #byteBegin = new Uint32Array(0);
  #byteEnd = new Uint32Array(0);
  /** Piece p has the bytes of its file from pieceBegin[p] on, at pieceAt[p] of the memory, up to pieceAt[p + 1]. */
  readonly #pieceBegin: number[] = [];
  readonly #pieceAt: number[] = [];
  readonly #pieceSegment: number[] = [];
  /** Of the memory: behind the pieces and what was read again. */
  #used = 0;
  /** The piece of each chunk of the batch. */
  #pieceOf = new Uint32Array(0);

  /** @param batchBytes that one batch has, gaps included, before it takes no further series */
  constructor(located: LocatedChunks, batchBytes: number) {
    this.#located = located;
    this.#batchBytes = batchBytes;
  }

  /**
   * The next series; undefined after the last. Valid until the next call.
   * @throws CorruptBlock, or what the file system throws
   */
  next(): GivenBatch | undefined {
    if (this.#series + 1 >= this.#located.chunkBegin.length) return undefined;
    try {
      return this.#nextOf(this.#series);
    } finally {
      for (const { descriptor } of this.#files.values()) closeSync(descriptor);
      this.#files.clear();
    }
  }

  /** What was handed out is not looked at any more. */
  close(): void {
    spareMemory.give(this.#memory);
    this.#memory = noMemory;
  }

  #nextOf(firstSeries: number): GivenBatch {
    const { chunkBegin, minT, maxT } = this.#located;
    const seriesEnd = this.#plan(firstSeries);
    const first = chunkBegin[firstSeries];
    const last = chunkBegin[seriesEnd];
    this.#readPieces();
    for (let c = first; c < last; c++) this.#parse(c, c - first);
    this.#series = seriesEnd;
    const ownBegin = chunkBegin.slice(firstSeries, seriesEnd + 1);
    for (let i = 0; i < ownBegin.length; i++) ownBegin[i] -= first;
    return {
      firstSeries,
      chunkBegin: ownBegin,
      encoding: this.#encoding,
      minT: minT.subarray(first, last),
      maxT: maxT.subarray(first, last),
      byteBegin: this.#byteBegin,
      byteEnd: this.#byteEnd,
      bytes: this.#memory,
    };
  }

  /** Finds the pieces of as many series as make a batch; returns the series behind them. */
  #plan(firstSeries: number): number {
    const { chunkBegin, ref } = this.#located;
    const first = chunkBegin[firstSeries];
    this.#pieceBegin.length = 0;
    this.#pieceAt.length = 0;
    this.#pieceSegment.length = 0;
    let pieces = 0;
    let pieceEnd = 0;
    let total = 0;
    let series = firstSeries;
    for (; series + 1 < chunkBegin.length && series - firstSeries < batchSeriesMax; series++) {
      if (total >= this.#batchBytes) break;
      this.#reserve(chunkBegin[series + 1] - first);
      for (let c = chunkBegin[series]; c < chunkBegin[series + 1]; c++) {
        const segment = segmentOfRef(ref[c]);
        const { size, name } = this.#file(segment);
        const offset = offsetOfRef(ref[c]);
        if (offset < chunksHeaderBytes || offset >= size) {
          throw new CorruptBlock(name, offset, `a reference points outside of its ${size} bytes`);
        }
        const end = Math.min(size, offset + recordEnd(this.#located, c) - ref[c]);
        const isNear =
          pieces > 0 &&
          this.#pieceSegment[pieces - 1] === segment &&
          offset >= this.#pieceBegin[pieces - 1] &&
          offset - pieceEnd <= localGapBytes;
        if (!isNear) {
          this.#pieceBegin.push(offset);
          this.#pieceAt.push(total);
          this.#pieceSegment.push(segment);
          pieces++;
          pieceEnd = offset;
        }
        if (end > pieceEnd) {
          total += end - pieceEnd;
          pieceEnd = end;
        }
        this.#pieceOf[c - first] = pieces - 1;
        this.#byteBegin[c - first] = this.#pieceAt[pieces - 1] + offset - this.#pieceBegin[pieces - 1];
      }
    }
    this.#pieceAt.push(total);
    return series;
  }

  #readPieces(): void {
    this.#used = this.#pieceAt[this.#pieceAt.length - 1];
    if (this.#memory.length < this.#used) {
      this.close();
      this.#memory = spareMemory.take(this.#used, this.#used * 4);
    }
    for (let piece = 0; piece < this.#pieceBegin.length; piece++) {
      const at = this.#pieceAt[piece];
      this.#read(this.#pieceSegment[piece], this.#pieceBegin[piece], this.#pieceAt[piece + 1] - at, at);
    }
  }

  /** Checks the record of chunk c, the batch's number `own`. */
  #parse(c: number, own: number): void {
    const record = this.#record;
    const piece = this.#pieceOf[own];
    const { name } = this.#file(this.#pieceSegment[piece]);
    const ref = this.#located.ref[c];
    let at = this.#byteBegin[own];
    let end = this.#pieceAt[piece + 1];
    for (let needed = record.parse(name, this.#memory, at, end, ref); needed > 0; ) {
      // Longer than could be known: read again behind all others.
      at = this.#append(segmentOfRef(ref), offsetOfRef(ref), needed);
      end = at + needed;
      needed = record.parse(name, this.#memory, at, end, ref);
    }
    record.check(name, this.#memory, ref);
    this.#encoding[own] = record.encoding;
    this.#byteBegin[own] = record.dataBegin;
    this.#byteEnd[own] = record.dataEnd;
  }

  #append(segment: number, offset: number, length: number): number {
    const { name, size } = this.#file(segment);
    if (offset + length > size) {
      throw new CorruptBlock(name, offset, `a chunk of ${length} bytes ends behind the file`);
    }
    const at = this.#used;
    if (this.#memory.length < at + length) {
      const grown = new Uint8Array((at + length) * 2);
      grown.set(this.#memory.subarray(0, at));
      this.#memory = grown;
    }
    this.#read(segment, offset, length, at);
    this.#used = at + length;
    return at;
  }

  #read(segment: number, offset: number, length: number, at: number): void {
    const { descriptor, name } = this.#file(segment);
    for (let done = 0; done < length; ) {
      const count = readSync(descriptor, this.#memory, at + done, length - done, offset + done);
      if (count === 0) throw new CorruptBlock(name, offset + done, 'it is shorter than it was');
      done += count;
      this.bytes += count;
    }
  }

  #file(segment: number): OpenFile {
    const known = this.#files.get(segment);
    if (known !== undefined) return known;
    const name = join(this.#located.directory, segmentName(segment));
    const descriptor = openSync(name, 'r');
    const file = { descriptor, name, size: fstatSync(descriptor).size };
    this.#files.set(segment, file);
    const header = new Uint8Array(chunksHeaderBytes);
    checkChunksHeader(name, header.subarray(0, readSync(descriptor, header, 0, chunksHeaderBytes, 0)));
    return file;
  }

  /** Makes room for so many chunks of a batch. */
  #reserve(count: number): void {
    if (count <= this.#encoding.length) return;
    const capacity = Math.max(count, this.#encoding.length * 2);
    const grown = (column: Uint32Array): Uint32Array<ArrayBuffer> => {
      const wider = new Uint32Array(capacity);
      wider.set(column);
      return wider;
    };
    this.#encoding = new Uint8Array(capacity);
    this.#byteBegin = grown(this.#byteBegin);
    this.#byteEnd = grown(this.#byteEnd);
    this.#pieceOf = grown(this.#pieceOf);
  }
}
