/**
 * The chunks of a block: files chunks/000001, chunks/000002, ... of records, one a chunk, each with its checksum (FORMAT.md).
 * Owns the layout of a record, when a file is full, and references: the number of the file from 0, times 2^32, plus the offset.
 * Does not own what is inside a chunk (libs/model/encoding).
 */
import { join } from 'node:path';
import { ChunkEncoding } from '../../model/encoding/chunk.ts';
import { crc32c } from '../../model/encoding/crc32c.ts';
import type { Disk } from '../../std/disk.ts';
import type { RangeReader } from '../../std/range-reader.ts';
import { CorruptBlock } from './corrupt-block.ts';
import { FileSink } from './file-sink.ts';

const magic = 0x85bd40dd;
const version = 1;
export const chunksHeaderBytes = 8;
const checksumBytes = 4;
const offsetRange = 0x1_0000_0000;
/** As Prometheus cuts them. */
export const defaultSegmentBytes: number = 512 << 20;
/** The length is at most this long: 5 bytes of LEB128. */
const chunkLengthBytesMax = 5;
/** Thanos' own: several chunks in one, each of an aggregate. */
const downsampledEncoding = 0xff;
/** A longer chunk is nobody's: 65,535 samples of the widest encoding with a thousand buckets would not fit into less by much. */
const chunkBytesMax = 64 << 20;

/** Name of the file of segment `index`, which is 0-based. */
export function segmentName(index: number): string {
  return String(index + 1).padStart(6, '0');
}

export function segmentOfRef(ref: number): number {
  return Math.floor(ref / offsetRange);
}

export function offsetOfRef(ref: number): number {
  return ref % offsetRange;
}

/** Writes the chunk files of one block into a folder. */
export class ChunksWriter {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #segmentBytes: number;
  #segment = -1;
  #sink: FileSink | undefined;
  /** Files that are full and wait for their fsync. */
  #full: FileSink[] = [];
  #bytes = 0;

  constructor(disk: Disk, directory: string, segmentBytes: number) {
    this.#disk = disk;
    this.#directory = directory;
    this.#segmentBytes = segmentBytes;
  }

  /** Bytes of all files. */
  get bytes(): number {
    return this.#bytes + (this.#sink?.length ?? 0);
  }

  /** Names of the files so far. */
  get segments(): string[] {
    return Array.from({ length: this.#segment + 1 }, (_, i) => segmentName(i));
  }

  /** Whether `prepare` must be awaited before the next `add` of this many bytes of chunk. */
  mustPrepare(chunkBytes: number): boolean {
    const sink = this.#sink;
    return sink === undefined || sink.isFull || this.#isOver(sink, chunkBytes);
  }

  /** Makes room: writes what is buffered, begins a file. */
  async prepare(chunkBytes: number): Promise<void> {
    const sink = this.#sink;
    if (sink !== undefined && !this.#isOver(sink, chunkBytes)) return sink.flush();
    if (sink !== undefined) {
      this.#full.push(sink);
      this.#bytes += sink.length;
      this.#sink = undefined;
      // Durable before the next begins: fsyncs of large files are spread over the writing.
      await this.#sealFull();
    }
    this.#segment++;
    const next = await FileSink.create(this.#disk, join(this.#directory, segmentName(this.#segment)));
    this.#sink = next;
    next.buffer.writeUint32BigEndian(magic);
    next.buffer.writeUint8(version);
    next.buffer.writeUint8(0);
    next.buffer.writeUint8(0);
    next.buffer.writeUint8(0);
  }

  /** Adds the chunk bytes[begin, end) and returns its reference. `mustPrepare` was asked before. */
  add(encoding: number, bytes: Uint8Array, begin: number, end: number): number {
    const sink = this.#current();
    const ref = this.#segment * offsetRange + sink.length;
    const { buffer } = sink;
    buffer.writeUvarint(end - begin);
    const checkedFrom = buffer.length;
    buffer.writeUint8(encoding);
    buffer.writeBytes(bytes, begin, end);
    buffer.writeUint32BigEndian(crc32c(buffer.bytes, checkedFrom, buffer.length));
    return ref;
  }

  /** Reference of the record that is added next. */
  get nextRef(): number {
    return this.#segment * offsetRange + this.#current().length;
  }

  /** Whether records of this many bytes fit into the file at hand. */
  hasRoom(recordBytes: number): boolean {
    return this.#current().length + recordBytes <= this.#segmentBytes;
  }

  /** Adds whole records bytes[begin, end), which came from another block's file. */
  addRecords(bytes: Uint8Array, begin: number, end: number): void {
    this.#current().buffer.writeBytes(bytes, begin, end);
  }

  /** Makes everything durable but the folder. */
  async seal(): Promise<void> {
    if (this.#sink !== undefined) {
      this.#full.push(this.#sink);
      this.#bytes += this.#sink.length;
      this.#sink = undefined;
    }
    await this.#sealFull();
  }

  /** Closes the files as they are. */
  async abandon(): Promise<void> {
    const open = [...this.#full, ...(this.#sink === undefined ? [] : [this.#sink])];
    this.#full = [];
    this.#sink = undefined;
    for (const sink of open) await sink.abandon();
  }

  async #sealFull(): Promise<void> {
    for (let sink = this.#full[0]; sink !== undefined; sink = this.#full[0]) {
      await sink.seal();
      this.#full.shift();
    }
  }

  #current(): FileSink {
    if (this.#sink === undefined) throw new Error('prepare was not awaited');
    return this.#sink;
  }

  #isOver(sink: FileSink, chunkBytes: number): boolean {
    const recordBytes = chunkLengthBytesMax + 1 + chunkBytes + checksumBytes;
    return sink.length > chunksHeaderBytes && sink.length + recordBytes > this.#segmentBytes;
  }
}

/** Checks the begin of a chunk file. @throws CorruptBlock */
export function checkChunksHeader(name: string, bytes: Uint8Array): void {
  if (bytes.length < chunksHeaderBytes) throw new CorruptBlock(name, 0, `${bytes.length} bytes are no chunk file`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== magic) throw new CorruptBlock(name, 0, 'it does not begin as a chunk file does');
  if (bytes[4] !== version) throw new CorruptBlock(name, 4, `version ${bytes[4]} is not known`);
}

/** A record found in bytes: where its parts stand. Reused from record to record. */
export class ChunkRecord {
  encoding: ChunkEncoding = ChunkEncoding.xor;
  /** The chunk itself. */
  dataBegin = 0;
  dataEnd = 0;
  /** Behind the record, if it is whole. */
  end = 0;

  /**
   * Parses the record at bytes[begin].
   * @param end of the bytes that are at hand
   * @param ref of the record, for errors
   * @returns 0, or how many bytes from `begin` on are needed to go on
   * @throws CorruptBlock
   */
  parse(name: string, bytes: Uint8Array, begin: number, end: number, ref: number): number {
    let length = 0;
    let scale = 1;
    let at = begin;
    for (; ; at++) {
      if (at - begin === chunkLengthBytesMax)
        throw new CorruptBlock(name, offsetOfRef(ref), 'the length of a chunk has no end');
      if (at >= end) return at - begin + 1;
      const byte = bytes[at] as number;
      length += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      scale *= 0x80;
    }
    if (length > chunkBytesMax) throw new CorruptBlock(name, offsetOfRef(ref), `a chunk of ${length} bytes is none`);
    this.dataBegin = at + 2;
    this.dataEnd = this.dataBegin + length;
    this.end = this.dataEnd + checksumBytes;
    if (this.end > end) return this.end - begin;
    const encoding = bytes[at + 1] as number;
    if (encoding < ChunkEncoding.xor || encoding > ChunkEncoding.floatHistogramSt) {
      const what = encoding === downsampledEncoding ? ' (what Thanos has downsampled)' : '';
      throw new CorruptBlock(name, offsetOfRef(ref), `encoding ${encoding}${what} of a chunk is not known`);
    }
    this.encoding = encoding as ChunkEncoding; // all from the first to the last are named
    return 0;
  }

  /** Checks the checksum of the record that was just parsed. @throws CorruptBlock */
  check(name: string, bytes: Uint8Array, ref: number): void {
    const { dataBegin, dataEnd } = this;
    const stored =
      ((bytes[dataEnd] << 24) | (bytes[dataEnd + 1] << 16) | (bytes[dataEnd + 2] << 8) | bytes[dataEnd + 3]) >>> 0;
    if (crc32c(bytes, dataBegin - 1, dataEnd) !== stored) {
      throw new CorruptBlock(name, offsetOfRef(ref), 'the checksum of a chunk does not match');
    }
  }
}

/** Samples that the header of the chunk bytes[begin, end) counts; 0 where it has no header. A chunk without samples is none. */
export function countSamples(encoding: ChunkEncoding, bytes: Uint8Array, begin: number, end: number): number {
  if (end - begin < 2) return 0;
  const count = (bytes[begin] << 8) | bytes[begin + 1];
  const withStartTimes = encoding === ChunkEncoding.histogramSt || encoding === ChunkEncoding.floatHistogramSt;
  return withStartTimes ? count & 0x3fff : count;
}

/** Opens segment `index` of a block; disposing closes it. */
export type OpenSegment = (index: number) => Promise<RangeReader & Partial<AsyncDisposable>>;

/**
 * Chunk records of one block in the order that references come in. Owns a window over the current file: what lies close behind
 * what was read is there already.
 */
export class ChunkScanner {
  readonly #open: OpenSegment;
  readonly #windowBytes: number;
  readonly #signal: AbortSignal;
  #segment = -1;
  #reader: (RangeReader & Partial<AsyncDisposable>) | undefined;
  #memory: Uint8Array;
  #name = '';
  /** The window over the file. */
  bytes: Uint8Array = new Uint8Array(0);
  /** What would be the reference of a record at bytes[0]. */
  #windowRef = 0;
  readonly record: ChunkRecord = new ChunkRecord();
  /** Begin of the record in `bytes`. */
  recordBegin = 0;

  constructor(open: OpenSegment, windowBytes: number, signal: AbortSignal) {
    this.#open = open;
    this.#windowBytes = windowBytes;
    this.#signal = signal;
    this.#memory = new Uint8Array(windowBytes);
  }

  /** Name of the file that was looked at last. */
  get fileName(): string {
    return this.#name;
  }

  /** Finds the record of `ref` where it is in the window already: then it is in `record`, as positions in `bytes`. @throws CorruptBlock */
  find(ref: number): boolean {
    const at = ref - this.#windowRef;
    if (!(at >= 0 && at < this.bytes.length)) return false;
    this.recordBegin = at;
    return this.record.parse(this.#name, this.bytes, at, this.bytes.length, ref) === 0;
  }

  /** Reads until the record of `ref` is in the window. @throws CorruptBlock, or what the reader throws */
  async load(ref: number): Promise<void> {
    const segment = segmentOfRef(ref);
    const offset = offsetOfRef(ref);
    if (segment !== this.#segment || this.#reader === undefined) await this.#openSegment(segment);
    const reader = this.#reader;
    if (reader === undefined) throw new Error('the segment is open');
    if (offset < chunksHeaderBytes || offset >= reader.size) {
      throw new CorruptBlock(reader.name, offset, `a reference points outside of its ${reader.size} bytes`);
    }
    for (let needed = 1; needed !== 0; ) {
      if (offset + needed > reader.size) {
        throw new CorruptBlock(reader.name, offset, `a chunk of ${needed} bytes ends behind the file`);
      }
      await this.#fill(reader, offset, needed);
      needed = this.record.parse(reader.name, this.bytes, 0, this.bytes.length, ref);
    }
    this.recordBegin = 0;
  }

  /** Closes the file. */
  async close(): Promise<void> {
    const reader = this.#reader;
    this.#reader = undefined;
    this.#segment = -1;
    await reader?.[Symbol.asyncDispose]?.();
  }

  async #openSegment(segment: number): Promise<void> {
    await this.close();
    this.bytes = new Uint8Array(0);
    const reader = await this.#open(segment);
    this.#reader = reader;
    this.#name = reader.name;
    this.#segment = segment;
    checkChunksHeader(reader.name, await reader.read(0, Math.min(chunksHeaderBytes, reader.size), this.#signal));
  }

  async #fill(reader: RangeReader, offset: number, needed: number): Promise<void> {
    const end = Math.min(reader.size, offset + Math.max(needed, this.#windowBytes));
    if (end - offset > this.#memory.length) this.#memory = new Uint8Array(end - offset);
    this.bytes = await reader.read(offset, end, this.#signal, this.#memory);
    this.#windowRef = this.#segment * offsetRange + offset;
  }
}
