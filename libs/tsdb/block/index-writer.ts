/**
 * Writes the index of one block, version 2 of the format (FORMAT.md).
 *
 * An index begins with its symbols, which are known only when the last series has come, and refers to them by rank. So series go
 * to a file beside it first, with provisional numbers for label pairs, and are written out when the symbols are sorted. Postings
 * are filled in passes over that file, as many label names at once as fit into a bounded array (nearly always: all).
 * Owns pairs, postings and that file. Does not own the strings (symbols.ts) nor the chunks.
 */
import { join } from 'node:path';
import { crc32c } from '../../model/encoding/crc32c.ts';
import { assert } from '../../std/assert.ts';
import { ByteSource } from '../../std/byte-source.ts';
import type { Disk } from '../../std/disk.ts';
import { FileSink } from './file-sink.ts';
import { checksumBytes, encodeToc, indexMagic, indexVersion, seriesAlignment } from './index-layout.ts';
import { InternedSymbols, type SortedSymbols, type Symbols } from './symbols.ts';

/** Series in postings that are in memory at once: 64 MiB. */
const postingsAtOnce = 16 << 20;
const readBytes = 1 << 20;
const seriesFileSuffix = '.series.tmp';
/** Places of series are 32 bits of 16 bytes. */
const indexBytesMax = 2 ** 36;
const sectionBytesMax = 0xffff_ffff;

/** Columns of the chunks of one series, in order, as many as `count`. */
export interface ChunkRefs {
  count: number;
  minT: Float64Array;
  maxT: Float64Array;
  /** See chunks-file.ts. */
  ref: Float64Array;
}

export class IndexWriter {
  readonly #disk: Disk;
  readonly #seriesPath: string;
  readonly #out: FileSink;
  readonly #series: FileSink;
  readonly #symbols: InternedSymbols | SortedSymbols;
  readonly #pairs = new PairTable();
  #seriesCount = 0;

  private constructor(
    disk: Disk,
    seriesPath: string,
    out: FileSink,
    series: FileSink,
    symbols: InternedSymbols | SortedSymbols,
  ) {
    this.#disk = disk;
    this.#seriesPath = seriesPath;
    this.#out = out;
    this.#series = series;
    this.#symbols = symbols;
  }

  /** @param symbols that the series will refer to; those that none refers to are not written */
  static async create(disk: Disk, directory: string, symbols: InternedSymbols | SortedSymbols): Promise<IndexWriter> {
    const path = join(directory, 'index');
    const out = await FileSink.create(disk, path);
    try {
      const series = await FileSink.create(disk, path + seriesFileSuffix);
      return new IndexWriter(disk, path + seriesFileSuffix, out, series, symbols);
    } catch (error) {
      await out.abandon();
      throw error;
    }
  }

  get seriesCount(): number {
    return this.#seriesCount;
  }

  /** Whether `flush` must be awaited before the next series. */
  get isFull(): boolean {
    return this.#series.isFull;
  }

  async flush(): Promise<void> {
    await this.#series.flush();
  }

  /** Adds the series with the labels refs[0, refCount) (name, value, ...), which comes after all before it. */
  addSeries(refs: Uint32Array, refCount: number, chunks: ChunkRefs): void {
    const { buffer } = this.#series;
    const labelCount = refCount / 2;
    buffer.writeUvarint(labelCount);
    for (let i = 0; i < labelCount; i++) {
      buffer.writeUvarint(this.#pairs.take(refs[2 * i] as number, refs[2 * i + 1] as number, i));
    }
    // The chunks as the index has them, behind a length of fixed width that is known afterwards.
    buffer.writeUint32(0);
    const begin = buffer.length;
    buffer.writeUvarint(chunks.count);
    let maxTBefore = 0;
    let refBefore = 0;
    for (let i = 0; i < chunks.count; i++) {
      const minT = chunks.minT[i] as number;
      const maxT = chunks.maxT[i] as number;
      const ref = chunks.ref[i] as number;
      assert(minT <= maxT, 'a chunk ends after it begins');
      assert(i === 0 || minT > maxTBefore, 'chunks of a series follow one another');
      if (i === 0) buffer.writeVarint(minT);
      else buffer.writeUvarint(minT - maxTBefore);
      buffer.writeUvarint(maxT - minT);
      if (i === 0) buffer.writeUvarint(ref);
      else buffer.writeVarint(ref - refBefore);
      maxTBefore = maxT;
      refBefore = ref;
    }
    buffer.view.setUint32(begin - 4, buffer.length - begin, true);
    this.#seriesCount++;
  }

  /** Writes the index and makes it durable, but for its folder. Returns its size. */
  async seal(): Promise<number> {
    await this.#series.flush();
    const out = this.#out;
    out.buffer.writeUint32BigEndian(indexMagic);
    out.buffer.writeUint8(indexVersion);
    const symbols = out.length;
    const { ids, rank } = this.#rankSymbols();
    await this.#writeSymbols(ids);
    const series = out.length;
    const order = this.#pairs.sorted(rank);
    const batches = this.#postingsBatches(order);
    const places = new Uint32Array(this.#seriesCount);
    await this.#writeSeries(rank, places, batches[0]);
    const labelIndices = out.length;
    const postings = labelIndices;
    out.pad(4);
    const listsBegin = out.length;
    await this.#writeList(places, 0, places.length);
    for (const batch of batches) {
      if (batch !== batches[0]) await this.#fillPostings(batch, places);
      for (let i = batch.begin; i < batch.end; i++) {
        const pair = order[i] as number;
        const end = batch.cursor[pair - batch.pairMin] as number;
        await this.#writeList(batch.places, end - (this.#pairs.uses[pair] as number), end);
      }
      batch.release();
    }
    const postingsTable = out.length;
    await this.#writePostingsTable(order, listsBegin);
    const toc = { symbols, series, labelIndices, labelIndicesTable: postingsTable, postings, postingsTable };
    const tocPart = encodeToc(toc);
    out.buffer.writeBytes(tocPart, 0, tocPart.length);
    const size = out.length;
    assert(size < indexBytesMax, 'an index is below 64 GiB');
    await out.seal();
    await this.#series.abandon();
    await this.#disk.remove(this.#seriesPath);
    return size;
  }

  /** Closes the files as they are. */
  async abandon(): Promise<void> {
    await this.#out.abandon();
    await this.#series.abandon();
  }

  /** Symbols that a series has, in order, and the place of each in that order. */
  #rankSymbols(): { ids: Uint32Array; rank: Uint32Array } {
    const symbols = this.#symbols;
    const used = new Uint8Array(symbols.count + 1);
    const pairs = this.#pairs;
    for (let pair = 0; pair < pairs.count; pair++) {
      used[pairs.name[pair] as number] = 1;
      used[pairs.value[pair] as number] = 1;
    }
    const all =
      symbols instanceof InternedSymbols
        ? symbols.sorted()
        : Uint32Array.from({ length: symbols.count }, (_, i) => i + 1);
    let count = 0;
    const rank = new Uint32Array(symbols.count + 1);
    for (const id of all) {
      if (used[id] !== 1) continue;
      rank[id] = count;
      all[count++] = id;
    }
    return { ids: all.subarray(0, count), rank };
  }

  async #writeSymbols(ids: Uint32Array): Promise<void> {
    const out = this.#out;
    const symbols: Symbols = this.#symbols;
    let length = 4;
    for (const id of ids) length += symbols.length(id) + uvarintBytes(symbols.length(id));
    assert(length <= sectionBytesMax, 'the symbols fit into 4 GiB');
    out.buffer.writeUint32BigEndian(length);
    out.beginChecksum();
    out.buffer.writeUint32BigEndian(ids.length);
    for (const id of ids) {
      const begin = symbols.offset(id);
      out.buffer.writeUvarint(symbols.length(id));
      out.buffer.writeBytes(symbols.page(id), begin, begin + symbols.length(id));
      if (out.isFull) await out.flush();
    }
    out.buffer.writeUint32BigEndian(out.endChecksum());
  }

  /** Label names in order, as many at once as fit, at least one. A range of `order` each. */
  #postingsBatches(order: Uint32Array): PostingsBatch[] {
    const { name, uses } = this.#pairs;
    const batches: PostingsBatch[] = [];
    let begin = 0;
    let inBatch = 0;
    for (let i = 0; i < order.length; ) {
      let end = i;
      let inName = 0;
      while (end < order.length && name[order[end] as number] === name[order[i] as number]) {
        inName += uses[order[end++] as number] as number;
      }
      if (i > begin && inBatch + inName > postingsAtOnce) {
        batches.push(new PostingsBatch(order, uses, begin, i));
        begin = i;
        inBatch = 0;
      }
      inBatch += inName;
      i = end;
    }
    batches.push(new PostingsBatch(order, uses, begin, order.length));
    return batches;
  }

  /** Writes the series, notes their places, and fills the first postings on the way. */
  async #writeSeries(rank: Uint32Array, places: Uint32Array, batch: PostingsBatch | undefined): Promise<void> {
    const out = this.#out;
    const { name, value } = this.#pairs;
    batch?.allocate();
    for await (const entries of this.#readSeries()) {
      while (entries.source.remaining > 0) {
        out.pad(seriesAlignment);
        const place = out.length / seriesAlignment;
        places[entries.series] = place;
        const { source } = entries;
        const labelCount = source.readUvarint();
        const { buffer } = out;
        // Two bytes are room for the length of most; a longer one moves what it stands before.
        buffer.reserve(16 + labelCount * 10);
        const lengthAt = buffer.length;
        buffer.length += 2;
        buffer.writeUvarint(labelCount);
        for (let i = 0; i < labelCount; i++) {
          const pair = source.readUvarint();
          batch?.add(pair, place);
          buffer.writeUvarint(rank[name[pair] as number] as number);
          buffer.writeUvarint(rank[value[pair] as number] as number);
        }
        const chunksLength = source.readUint32();
        const chunksBegin = source.take(chunksLength);
        buffer.writeBytes(source.bytes, chunksBegin, chunksBegin + chunksLength);
        const length = buffer.length - lengthAt - 2;
        const lengthBytes = uvarintBytes(length);
        const entryBegin = lengthAt + lengthBytes;
        if (lengthBytes !== 2) {
          buffer.reserve(8);
          buffer.bytes.copyWithin(entryBegin, lengthAt + 2, lengthAt + 2 + length);
        }
        buffer.length = lengthAt;
        buffer.writeUvarint(length);
        buffer.length = entryBegin + length;
        buffer.writeUint32BigEndian(crc32c(buffer.bytes, entryBegin, buffer.length));
        entries.series++;
        if (out.isFull) await out.flush();
      }
    }
  }

  async #fillPostings(batch: PostingsBatch, places: Uint32Array): Promise<void> {
    batch.allocate();
    for await (const entries of this.#readSeries()) {
      while (entries.source.remaining > 0) {
        const { source } = entries;
        const place = places[entries.series++] as number;
        const labelCount = source.readUvarint();
        for (let i = 0; i < labelCount; i++) batch.add(source.readUvarint(), place);
        source.take(source.readUint32());
      }
    }
  }

  /** Whole entries of the series file, piece by piece. `series` counts on from piece to piece; whoever reads moves it. */
  async *#readSeries(): AsyncGenerator<{ source: ByteSource; series: number }> {
    const size = this.#series.length;
    let bytes = new Uint8Array(readBytes);
    const state = { source: new ByteSource(bytes, 0, 0), series: 0 };
    for (let position = 0; position < size; ) {
      const length = await this.#series.read(bytes, position);
      const end = wholeEntriesEnd(bytes, length);
      if (end === 0) {
        assert(position + length < size, 'the series file ends with a series');
        bytes = new Uint8Array(bytes.length * 2);
        continue;
      }
      state.source = new ByteSource(bytes, 0, end);
      yield state;
      position += end;
    }
  }

  async #writeList(places: Uint32Array, begin: number, end: number): Promise<void> {
    const out = this.#out;
    const { buffer } = out;
    const count = end - begin;
    assert(4 + count * 4 <= sectionBytesMax, 'a list of postings fits into 4 GiB');
    buffer.writeUint32BigEndian(4 + count * 4);
    out.beginChecksum();
    buffer.writeUint32BigEndian(count);
    for (let at = begin; at < end; ) {
      const pieceEnd = Math.min(end, at + readBytes / 4);
      buffer.reserve((pieceEnd - at) * 4);
      const { view } = buffer;
      let position = buffer.length;
      for (; at < pieceEnd; at++, position += 4) view.setUint32(position, places[at] as number);
      buffer.length = position;
      if (out.isFull) await out.flush();
    }
    buffer.writeUint32BigEndian(out.endChecksum());
  }

  async #writePostingsTable(order: Uint32Array, listsBegin: number): Promise<void> {
    const out = this.#out;
    const { name, value, uses } = this.#pairs;
    const symbols: Symbols = this.#symbols;
    const begin = out.length;
    out.buffer.writeUint32BigEndian(0);
    out.beginChecksum();
    out.buffer.writeUint32BigEndian(order.length + 1);
    let offset = listsBegin;
    const write = (id: number) => {
      const length = id === 0 ? 0 : symbols.length(id);
      out.buffer.writeUvarint(length);
      if (length > 0) out.buffer.writeBytes(symbols.page(id), symbols.offset(id), symbols.offset(id) + length);
    };
    for (let i = -1; i < order.length; i++) {
      const pair = i < 0 ? -1 : (order[i] as number);
      out.buffer.writeUvarint(2);
      write(pair < 0 ? 0 : (name[pair] as number));
      write(pair < 0 ? 0 : (value[pair] as number));
      out.buffer.writeUvarint(offset);
      offset += 8 + checksumBytes + 4 * (pair < 0 ? this.#seriesCount : (uses[pair] as number));
      if (out.isFull) await out.flush();
    }
    const length = out.length - begin - 4;
    assert(length <= sectionBytesMax, 'the table of postings fits into 4 GiB');
    out.buffer.writeUint32BigEndian(out.endChecksum());
    await out.flush();
    const lengthPart = new Uint8Array(4);
    new DataView(lengthPart.buffer).setUint32(0, length);
    await out.patch(lengthPart, begin);
  }
}

/** Postings of the pairs order[begin, end), filled series by series. */
class PostingsBatch {
  readonly begin: number;
  readonly end: number;
  readonly pairMin: number;
  readonly #order: Uint32Array;
  readonly #uses: Uint32Array;
  readonly #pairMax: number;
  /** By pair - pairMin: where its next series goes. */
  cursor: Uint32Array = new Uint32Array(0);
  #inBatch: Uint8Array | undefined;
  places: Uint32Array = new Uint32Array(0);

  constructor(order: Uint32Array, uses: Uint32Array, begin: number, end: number) {
    this.#order = order;
    this.#uses = uses;
    this.begin = begin;
    this.end = end;
    let pairMin = 0xffff_ffff;
    let pairMax = -1;
    for (let i = begin; i < end; i++) {
      pairMin = Math.min(pairMin, order[i] as number);
      pairMax = Math.max(pairMax, order[i] as number);
    }
    this.pairMin = pairMin;
    this.#pairMax = pairMax;
  }

  allocate(): void {
    const span = Math.max(0, this.#pairMax - this.pairMin + 1);
    this.cursor = new Uint32Array(span);
    const isWhole = span === this.end - this.begin;
    this.#inBatch = isWhole ? undefined : new Uint8Array(span);
    let total = 0;
    for (let i = this.begin; i < this.end; i++) {
      const pair = this.#order[i] as number;
      this.cursor[pair - this.pairMin] = total;
      if (this.#inBatch !== undefined) this.#inBatch[pair - this.pairMin] = 1;
      total += this.#uses[pair] as number;
    }
    this.places = new Uint32Array(total);
  }

  add(pair: number, place: number): void {
    const at = pair - this.pairMin;
    if (at < 0 || at >= this.cursor.length) return;
    if (this.#inBatch !== undefined && this.#inBatch[at] === 0) return;
    this.places[this.cursor[at]++] = place;
  }

  release(): void {
    this.cursor = new Uint32Array(0);
    this.places = new Uint32Array(0);
    this.#inBatch = undefined;
  }
}

/** Pairs of symbols, numbered from 0 as they come, with how many series have each. */
class PairTable {
  count = 0;
  name: Uint32Array<ArrayBuffer> = new Uint32Array(1024);
  value: Uint32Array<ArrayBuffer> = new Uint32Array(1024);
  uses: Uint32Array<ArrayBuffer> = new Uint32Array(1024);
  #slots = new Int32Array(2048).fill(-1);
  /** The pair that stood at each place of the series before: series in order share most. */
  #before = new Int32Array(64).fill(-1);

  /** The number of the pair, one series more. `place` is where it stands among the labels of the series. */
  take(name: number, value: number, place: number): number {
    if (place < this.#before.length) {
      const before = this.#before[place] as number;
      if (before >= 0 && this.name[before] === name && this.value[before] === value) {
        this.uses[before]++;
        return before;
      }
    }
    const pair = this.#find(name, value);
    this.uses[pair]++;
    if (place < this.#before.length) this.#before[place] = pair;
    return pair;
  }

  /** All pairs in the order of name and value. */
  sorted(rank: Uint32Array): Uint32Array {
    const byValue = countingSort(undefined, this.value.subarray(0, this.count), rank);
    return countingSort(byValue, this.name.subarray(0, this.count), rank);
  }

  #find(name: number, value: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = hashPair(name, value) & mask; ; slot = (slot + 1) & mask) {
      const pair = this.#slots[slot] as number;
      if (pair < 0) return this.#add(name, value, slot);
      if (this.name[pair] === name && this.value[pair] === value) return pair;
    }
  }

  #add(name: number, value: number, slot: number): number {
    const pair = this.count++;
    if (pair === this.name.length) {
      const bytes = Math.ceil(pair * 1.5) * 4;
      this.name = new Uint32Array(this.name.buffer.transfer(bytes));
      this.value = new Uint32Array(this.value.buffer.transfer(bytes));
      this.uses = new Uint32Array(this.uses.buffer.transfer(bytes));
    }
    this.name[pair] = name;
    this.value[pair] = value;
    if (this.count * 3 > this.#slots.length * 2) this.#rehash();
    else this.#slots[slot] = pair;
    return pair;
  }

  #rehash(): void {
    this.#slots = new Int32Array(this.#slots.length * 2).fill(-1);
    const mask = this.#slots.length - 1;
    for (let pair = 0; pair < this.count; pair++) {
      let slot = hashPair(this.name[pair] as number, this.value[pair] as number) & mask;
      while ((this.#slots[slot] as number) >= 0) slot = (slot + 1) & mask;
      this.#slots[slot] = pair;
    }
  }
}

function hashPair(name: number, value: number): number {
  const mixed = Math.imul(value ^ Math.imul(name, 0x85ebca6b), 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

/** Numbers 0 to keys.length - 1, or those of `order`, stably sorted by rank[keys[number]]. */
function countingSort(order: Uint32Array | undefined, keys: Uint32Array, rank: Uint32Array): Uint32Array {
  const begin = new Uint32Array(rank.length + 1);
  for (let i = 0; i < keys.length; i++) begin[(rank[keys[i] as number] as number) + 1]++;
  for (let i = 1; i < begin.length; i++) begin[i] += begin[i - 1] as number;
  const sorted = new Uint32Array(keys.length);
  for (let i = 0; i < keys.length; i++) {
    const number = order === undefined ? i : (order[i] as number);
    sorted[begin[rank[keys[number] as number] as number]++] = number;
  }
  return sorted;
}

/** How many of bytes[0, length) are whole entries of the series file. */
function wholeEntriesEnd(bytes: Uint8Array, length: number): number {
  let whole = 0;
  let at = 0;
  for (;;) {
    let labelCount = 0;
    let byte = 0x80;
    for (let shift = 0; byte >= 0x80; shift += 7) {
      if (at >= length) return whole;
      byte = bytes[at++] as number;
      labelCount |= (byte & 0x7f) << shift;
    }
    for (let i = 0; i < labelCount; i++) {
      do {
        if (at >= length) return whole;
      } while ((bytes[at++] as number) >= 0x80);
    }
    if (at + 4 > length) return whole;
    at += 4 + (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24));
    if (at > length) return whole;
    whole = at;
  }
}

function uvarintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}
