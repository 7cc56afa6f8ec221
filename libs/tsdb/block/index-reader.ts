/**
 * Reads the index of a block, version 2 (FORMAT.md): its table of contents, and its sections through windows of bounded size.
 * Owns what the bytes mean and that they are what they must be. Does not own where they come from (RangeReader), nor what is kept of
 * them: a store-gateway keeps a sparse header, a merge one window.
 *
 * The scanners have one shape: `next()` moves to the next entry where it is in the window; where that is false, `await fill()` reads on
 * and says whether there is one.
 */
import { viewOf } from '../../model/encoding/bytes.ts';
import { crc32c, crc32cOf } from '../../model/encoding/crc32c.ts';
import { ByteSourceError } from '../../std/byte-source.ts';
import type { RangeReader } from '../../std/range-reader.ts';
import { CorruptBlock } from './corrupt-block.ts';
import {
  checksumBytes,
  type IndexToc,
  indexHeaderBytes,
  indexMagic,
  indexVersion,
  parseToc,
  seriesAlignment,
  seriesEnd,
  tocBytes,
} from './index-layout.ts';
import { SectionReader, uint32At } from './section-reader.ts';
import { compareBytes, SortedSymbols } from './symbols.ts';

/** An index whose begin and end were looked at. */
export interface BlockIndex {
  readonly reader: RangeReader;
  readonly toc: IndexToc;
}

/** Longest length prefix of a series: 5 bytes of LEB128. */
const seriesLengthBytesMax = 5;
/** A series with a million chunks of the longest references takes less. */
const seriesBytesMax = 64 << 20;

/** @throws CorruptBlock, or what the reader throws */
export async function openIndex(reader: RangeReader, signal: AbortSignal): Promise<BlockIndex> {
  if (reader.size < indexHeaderBytes + tocBytes) {
    throw new CorruptBlock(reader.name, 0, `${reader.size} bytes are no index`);
  }
  const [header, end] = await Promise.all([
    reader.read(0, indexHeaderBytes, signal),
    reader.read(reader.size - tocBytes, reader.size, signal),
  ]);
  checkIndexHeader(reader.name, header);
  return { reader, toc: parseToc(reader.name, end, reader.size) };
}

/** @throws CorruptBlock */
function checkIndexHeader(name: string, bytes: Uint8Array): void {
  if (viewOf(bytes).getUint32(0) !== indexMagic) {
    throw new CorruptBlock(name, 0, 'it does not begin as an index does');
  }
  if (bytes[4] !== indexVersion) {
    throw new CorruptBlock(name, 4, `version ${bytes[4]} of an index is not known, only ${indexVersion}`);
  }
}

/** The symbols in order. Symbol number `count - 1`, 0-based as series refer to them, is bytes[begin, end). */
export class SymbolScanner {
  readonly #section: SectionReader;
  /** Of the whole table. */
  readonly total: number;
  /** Symbols so far. */
  count = 0;
  bytes: Uint8Array = new Uint8Array(0);
  begin = 0;
  end = 0;
  #before = new Uint8Array(64);
  #beforeLength = -1;

  private constructor(section: SectionReader, total: number) {
    this.#section = section;
    this.total = total;
  }

  /** @throws CorruptBlock */
  static async open({ reader, toc }: BlockIndex, windowBytes: number, signal: AbortSignal): Promise<SymbolScanner> {
    const section = await SectionReader.open(reader, toc.symbols, toc.series, windowBytes, signal);
    await section.fill(4);
    if (section.remaining < 4) throw new CorruptBlock(reader.name, toc.symbols, 'the symbols have no count');
    const total = uint32At(section.bytes, section.at);
    section.at += 4;
    // Every symbol takes a byte at least.
    if (total > section.remaining) throw new CorruptBlock(reader.name, toc.symbols, `${total} symbols have no room`);
    return new SymbolScanner(section, total);
  }

  /** Place in the file of the symbol that comes next. */
  get offset(): number {
    return this.#section.offset;
  }

  next(): boolean {
    const section = this.#section;
    if (this.count === this.total || !section.has(seriesLengthBytesMax)) return false;
    const at = section.at;
    const length = section.takeUvarint();
    if (!section.has(length)) {
      section.at = at;
      return false;
    }
    if (length > section.remaining) {
      throw new CorruptBlock(section.name, section.offset, `a symbol of ${length} bytes ends behind the symbols`);
    }
    this.bytes = section.bytes;
    this.begin = section.at;
    this.end = section.at + length;
    section.at += length;
    this.count++;
    this.#checkOrder();
    return true;
  }

  async fill(): Promise<boolean> {
    const section = this.#section;
    if (this.count === this.total) {
      await section.finish();
      return false;
    }
    await section.fill(seriesLengthBytesMax);
    const at = section.at;
    const length = section.takeUvarint();
    const prefix = section.at - at;
    section.at = at;
    await section.fill(prefix + length);
    return this.next();
  }

  #checkOrder(): void {
    const { bytes, begin, end } = this;
    if (this.#beforeLength >= 0 && compareBytes(this.#before, 0, this.#beforeLength, bytes, begin, end) >= 0) {
      throw new CorruptBlock(
        this.#section.name,
        this.offset,
        `symbol ${this.count - 1} is not after the one before it`,
      );
    }
    if (end - begin > this.#before.length) this.#before = new Uint8Array((end - begin) * 2);
    if (end - begin < 64) for (let i = begin, j = 0; i < end; i++, j++) this.#before[j] = bytes[i];
    else this.#before.set(bytes.subarray(begin, end));
    this.#beforeLength = end - begin;
  }
}

/**
 * All symbols in memory: symbol i of the index has the number i + 1.
 * @throws CorruptBlock, also where they take more than `bytesMax`
 */
export async function readSymbols(index: BlockIndex, bytesMax: number, signal: AbortSignal): Promise<SortedSymbols> {
  const { reader, toc } = index;
  if (toc.series - toc.symbols > bytesMax) {
    throw new CorruptBlock(
      reader.name,
      toc.symbols,
      `symbols of ${toc.series - toc.symbols} bytes, ${bytesMax} at most`,
    );
  }
  const symbols = new SortedSymbols();
  const scanner = await SymbolScanner.open(index, 1 << 20, signal);
  while (scanner.next() || (await scanner.fill())) symbols.append(scanner.bytes, scanner.begin, scanner.end);
  return symbols;
}

/** One series of an index: memory that is reused from series to series. */
export class SeriesEntry {
  /** Numbers of symbols, 0-based: name, value, name, value, ... */
  refs: Uint32Array<ArrayBuffer> = new Uint32Array(64);
  refCount = 0;
  /** Chunks in order of time, not overlapping. */
  chunkCount = 0;
  minT: Float64Array<ArrayBuffer> = new Float64Array(64);
  maxT: Float64Array<ArrayBuffer> = new Float64Array(64);
  /** See chunks-file.ts. */
  ref: Float64Array<ArrayBuffer> = new Float64Array(64);
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  /**
   * Decodes the content of an entry: bytes[begin, end), without its length and checksum.
   * @param offset of bytes[begin] in the file, for errors
   * @throws CorruptBlock
   */
  decode(name: string, bytes: Uint8Array, begin: number, end: number, offset: number): void {
    this.#bytes = bytes;
    this.#at = begin;
    this.#end = end;
    try {
      this.#decodeLabels();
      this.#decodeChunks();
    } catch (cause) {
      if (!(cause instanceof ByteSourceError)) throw cause;
      throw new CorruptBlock(name, offset + this.#at - begin, `a series makes no sense: ${cause.message}`, cause);
    }
  }

  #decodeLabels(): void {
    const labelCount = this.#uvarint();
    // Two bytes a label, three a chunk are the least: no count can ask for more memory than there are bytes.
    if (labelCount * 2 > this.#end - this.#at) throw new ByteSourceError(`${labelCount} labels have no room`);
    this.refCount = labelCount * 2;
    if (this.refs.length < this.refCount) this.refs = new Uint32Array(this.refCount * 2);
    const { refs, refCount } = this;
    const bytes = this.#bytes;
    for (let i = 0; i < refCount; i++) {
      // Numbers of up to three bytes, which nearly all are, without a call.
      const at = this.#at;
      const a = bytes[at];
      let ref = a;
      if (a < 0x80) {
        this.#at = at + 1;
      } else {
        const b = bytes[at + 1];
        const c = bytes[at + 2];
        if (b < 0x80) {
          ref = (a & 0x7f) | (b << 7);
          this.#at = at + 2;
        } else if (c < 0x80) {
          ref = (a & 0x7f) | ((b & 0x7f) << 7) | (c << 14);
          this.#at = at + 3;
        } else {
          ref = this.#uvarint();
        }
      }
      if (!(ref <= 0xffff_ffff)) throw new ByteSourceError(`symbol ${ref} is none`);
      refs[i] = ref;
    }
    if (this.#at > this.#end) throw new ByteSourceError('the labels end behind the series');
  }

  #decodeChunks(): void {
    const chunkCount = this.#uvarint();
    if (chunkCount * 3 > this.#end - this.#at) throw new ByteSourceError(`${chunkCount} chunks have no room`);
    this.chunkCount = chunkCount;
    if (this.ref.length < chunkCount) {
      this.minT = new Float64Array(chunkCount * 2);
      this.maxT = new Float64Array(chunkCount * 2);
      this.ref = new Float64Array(chunkCount * 2);
    }
    let maxTBefore = 0;
    let ref = 0;
    for (let i = 0; i < chunkCount; i++) {
      const distance = i === 0 ? this.#varint() : this.#uvarint();
      if (i > 0 && distance <= 0) throw new ByteSourceError('chunks overlap');
      const minT = maxTBefore + distance;
      const maxT = minT + this.#uvarint();
      ref += i === 0 ? this.#uvarint() : this.#varint();
      if (!Number.isSafeInteger(minT) || !Number.isSafeInteger(maxT))
        throw new ByteSourceError('a time is out of range');
      if (!Number.isSafeInteger(ref) || ref < 0) throw new ByteSourceError('a chunk reference is out of range');
      this.minT[i] = minT;
      this.maxT[i] = maxT;
      this.ref[i] = ref;
      maxTBefore = maxT;
    }
    if (this.#at !== this.#end) throw new ByteSourceError(`${this.#end - this.#at} bytes are left over`);
  }

  #uvarint(): number {
    const bytes = this.#bytes;
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      if (this.#at >= this.#end) throw new ByteSourceError('a number ends behind the series');
      const byte = bytes[this.#at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= 0x80;
    }
    throw new ByteSourceError('a number is too large');
  }

  #varint(): number {
    const value = this.#uvarint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}

/** All series of an index in the order of the file, which is that of their labels. */
export class SeriesScanner {
  readonly #reader: RangeReader;
  readonly #signal: AbortSignal;
  readonly #windowBytes: number;
  readonly #end: number;
  #memory: Uint8Array;
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = viewOf(this.#bytes);
  #begin: number;
  #at = 0;
  /** Bytes in the window that the next entry needs. */
  #needed = 1;
  readonly entry: SeriesEntry = new SeriesEntry();
  /** Place of the entry in the file divided by 16: what postings and tombstones call the series. */
  place = 0;
  count = 0;

  constructor({ reader, toc }: BlockIndex, windowBytes: number, signal: AbortSignal) {
    this.#reader = reader;
    this.#signal = signal;
    this.#windowBytes = windowBytes;
    this.#memory = new Uint8Array(windowBytes);
    this.#begin = toc.series;
    this.#end = seriesEnd(toc);
  }

  /** For errors: where the entry stands in the file. */
  get offset(): number {
    return this.place * seriesAlignment;
  }

  /** @throws CorruptBlock */
  next(): boolean {
    const bytes = this.#bytes;
    const { name } = this.#reader;
    const offset = this.#begin + this.#at;
    const padding = (seriesAlignment - (offset % seriesAlignment)) % seriesAlignment;
    const begin = this.#at + padding;
    let length = 0;
    let at = begin;
    for (let scale = 1; ; at++, scale *= 0x80) {
      if (at >= bytes.length) {
        this.#needed = at + 1 - this.#at;
        return false;
      }
      if (at - begin === seriesLengthBytesMax)
        throw new CorruptBlock(name, offset, 'the length of a series has no end');
      const byte = bytes[at];
      length += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
    }
    at++;
    const end = at + length;
    if (end + checksumBytes > bytes.length) {
      this.#needed = end + checksumBytes - this.#at;
      return false;
    }
    if (crc32cOf(this.#view, at, end) !== uint32At(bytes, end)) {
      throw new CorruptBlock(name, offset + padding, 'the checksum of a series does not match');
    }
    this.place = (offset + padding) / seriesAlignment;
    this.entry.decode(name, bytes, at, end, offset + padding + at - begin);
    this.#at = end + checksumBytes;
    this.#needed = 1;
    this.count++;
    return true;
  }

  /** @throws CorruptBlock, or what the reader throws */
  async fill(): Promise<boolean> {
    for (;;) {
      const offset = this.#begin + this.#at;
      const rest = this.#end - offset;
      const padding = (seriesAlignment - (offset % seriesAlignment)) % seriesAlignment;
      if (rest <= padding && this.#needed <= padding + 1) return false;
      if (this.#needed > rest || this.#needed > seriesBytesMax) {
        throw new CorruptBlock(this.#reader.name, offset, `a series of ${this.#needed} bytes ends behind the series`);
      }
      const readEnd = Math.min(this.#end, offset + Math.max(this.#needed, this.#windowBytes));
      if (readEnd - offset > this.#memory.length) this.#memory = new Uint8Array(readEnd - offset);
      this.#bytes = await this.#reader.read(offset, readEnd, this.#signal, this.#memory);
      this.#view = viewOf(this.#bytes);
      this.#begin = offset;
      this.#at = 0;
      if (this.next()) return true;
    }
  }
}

/** Rows of the table of postings: for each label pair, in order, where the list of its series stands. */
export class PostingsTableScanner {
  readonly #section: SectionReader;
  readonly #fileBytes: number;
  readonly total: number;
  count = 0;
  bytes: Uint8Array = new Uint8Array(0);
  nameBegin = 0;
  nameEnd = 0;
  valueBegin = 0;
  valueEnd = 0;
  /** Where the list begins in the index. */
  listOffset = 0;
  /** Where the row begins in the index. */
  rowOffset = 0;
  #needed = 1;

  private constructor(section: SectionReader, fileBytes: number, total: number) {
    this.#section = section;
    this.#fileBytes = fileBytes;
    this.total = total;
  }

  /** @throws CorruptBlock */
  static async open(
    { reader, toc }: BlockIndex,
    windowBytes: number,
    signal: AbortSignal,
  ): Promise<PostingsTableScanner> {
    const section = await SectionReader.open(reader, toc.postingsTable, reader.size - tocBytes, windowBytes, signal);
    await section.fill(4);
    if (section.remaining < 4) throw new CorruptBlock(reader.name, toc.postingsTable, 'the postings have no count');
    const total = uint32At(section.bytes, section.at);
    section.at += 4;
    if (total * 4 > section.remaining) {
      throw new CorruptBlock(reader.name, toc.postingsTable, `${total} lists of postings have no room`);
    }
    return new PostingsTableScanner(section, reader.size, total);
  }

  next(): boolean {
    const section = this.#section;
    if (this.count === this.total || !section.has(this.#needed)) return false;
    const { at } = section;
    this.rowOffset = section.offset;
    if (!section.has(16)) return this.#wait(at, 16);
    const parts = section.takeUvarint();
    if (parts !== 2) throw new CorruptBlock(section.name, this.rowOffset, `a row of ${parts} parts`);
    const nameLength = section.takeUvarint();
    if (!section.has(nameLength + 10)) return this.#wait(at, section.at - at + nameLength + 10);
    this.nameBegin = section.at;
    this.nameEnd = section.at + nameLength;
    this.#take(nameLength);
    const valueLength = section.takeUvarint();
    if (!section.has(valueLength + 10)) return this.#wait(at, section.at - at + valueLength + 10);
    this.valueBegin = section.at;
    this.valueEnd = section.at + valueLength;
    this.#take(valueLength);
    this.listOffset = section.takeUvarint();
    if (this.listOffset > this.#fileBytes - tocBytes) {
      throw new CorruptBlock(section.name, this.rowOffset, `postings at ${this.listOffset}, behind the index`);
    }
    this.bytes = section.bytes;
    this.#needed = 1;
    this.count++;
    return true;
  }

  /** @throws CorruptBlock, or what the reader throws */
  async fill(): Promise<boolean> {
    if (this.count === this.total) {
      await this.#section.finish();
      return false;
    }
    for (;;) {
      const { remaining } = this.#section;
      await this.#section.fill(Math.min(this.#needed, remaining));
      if (this.next()) return true;
      if (remaining === 0)
        throw new CorruptBlock(this.#section.name, this.#section.offset, 'rows of postings are missing');
    }
  }

  /** Back to the begin of the row: it is not whole in the window. */
  #wait(at: number, needed: number): false {
    this.#section.at = at;
    this.#needed = needed;
    return false;
  }

  #take(length: number): void {
    const section = this.#section;
    if (length > section.remaining) {
      throw new CorruptBlock(section.name, section.offset, `a label of ${length} bytes ends behind the postings`);
    }
    section.at += length;
  }
}

/**
 * The places (file offset divided by 16) of the series in a list of postings, rising. `bytes` begins with the list, at `offset` of the
 * file, and holds all of it.
 * @throws CorruptBlock
 */
export function parsePostings(name: string, bytes: Uint8Array, offset: number): Uint32Array<ArrayBuffer> {
  if (bytes.length < 8 + checksumBytes) throw new CorruptBlock(name, offset, 'a list of postings is cut off');
  const length = uint32At(bytes, 0);
  const count = uint32At(bytes, 4);
  const end = 4 + length;
  if (length !== 4 + count * 4 || end + checksumBytes > bytes.length) {
    throw new CorruptBlock(name, offset, `a list of ${count} postings in ${length} bytes, of ${bytes.length}`);
  }
  if (crc32c(bytes, 4, end) !== uint32At(bytes, end)) {
    throw new CorruptBlock(name, offset, 'the checksum of a list of postings does not match');
  }
  const view = viewOf(bytes);
  const places = new Uint32Array(count);
  let before = -1;
  for (let i = 0; i < count; i++) {
    const place = view.getUint32(8 + i * 4);
    if (place <= before) throw new CorruptBlock(name, offset + 8 + i * 4, 'postings do not rise');
    places[i] = place;
    before = place;
  }
  return places;
}
