/**
 * The series of one tenant: label sets and their numbers, rising from 1, none ever given twice.
 * Owns label pairs, the lists of series per pair and of pairs per name. A series is the list of its label pairs, each interned
 * as it stands in the canonical label bytes (uvarint length, name, uvarint length, value): so canonical bytes fall apart into
 * pairs by reading lengths only, and are put together again by copying. Does not own samples (head-range.ts). Nothing is taken
 * out of a table: what is gone goes when the table is built anew from the series that are left (drop-series.ts), and
 * whoever reads the old one meanwhile finds it whole.
 */
import { randomInt } from 'node:crypto';
import { viewOf } from '../../model/encoding/bytes.ts';
import { assert } from '../../std/assert.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import { ByteStrings } from './byte-strings.ts';
import { Postings } from './postings.ts';
import { RowTable, rowMask, rowPageShift } from './row-table.ts';
import { WordArena, wordOffsetMask, wordPageShift } from './word-arena.ts';

/** Address of the pair list: its length, then the pairs in order of their names. */
const pairsWord = 0;
const hashWord = 1;
const rowWords = 2;
const firstSlots = 16;
/** Numbers are kept in words of 32 bits with a sign, and are never given again. */
export const seriesNumberMax: number = 2 ** 31 - 1;

/** Where a text of a pair ends and how long its length was: results of readLength, read right after it. */
let lengthEnd = 0;

/** The uvarint at bytes[at]; `lengthEnd` is then the byte behind it. */
function readLength(bytes: Uint8Array, at: number): number {
  let byte = bytes[at];
  lengthEnd = at + 1;
  if (byte < 0x80) return byte;
  let value = byte & 0x7f;
  let shift = 7;
  do {
    byte = bytes[lengthEnd++];
    value |= (byte & 0x7f) << shift;
    shift += 7;
  } while (byte >= 0x80);
  return value >>> 0;
}

export class SeriesTable {
  readonly #pairs = new ByteStrings();
  readonly #names = new ByteStrings();
  readonly #seriesOfPair = new Postings();
  readonly #pairsOfName = new Postings();
  readonly #rows = new RowTable(rowWords);
  readonly #lists = new WordArena();
  #slots = new Uint32Array(firstSlots);
  #scratch = new Uint32Array(64);
  #source: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #count = 0;
  #lastId = 0;

  /** How many series there are. */
  get count(): number {
    return this.#count;
  }

  /** The greatest number ever given. */
  get lastId(): number {
    return this.#lastId;
  }

  /** Whether there is room for the labels of a new series. */
  get hasRoom(): boolean {
    return this.#pairs.hasRoom && this.#names.hasRoom;
  }

  /** Numbers up to this one are not given any more. */
  startAfter(id: number): void {
    if (id > this.#lastId) this.#lastId = id;
  }

  /** Whether a series has this number. */
  has(id: number): boolean {
    const page = this.#rows.pages[id >>> rowPageShift];
    // Address 0 is no list's.
    return page !== undefined && (page[(id & rowMask) * rowWords + pairsWord] ?? 0) !== 0;
  }

  /** The least number of a series that is greater than `id`, 0 if there is none. */
  nextId(id: number): number {
    for (let next = id + 1; next <= this.#rows.count; next++) {
      if (this.has(next)) return next;
      next = this.#rows.skipGap(next + 1) - 1;
    }
    return 0;
  }

  get pairCount(): number {
    return this.#pairs.count;
  }

  /** Memory taken. */
  get bytes(): number {
    const tables = this.#pairs.bytes + this.#names.bytes + this.#seriesOfPair.bytes + this.#pairsOfName.bytes;
    return tables + this.#rows.bytes + this.#lists.bytes + this.#slots.byteLength;
  }

  /** Number of the series with the canonical labels bytes[begin, end), 0 if there is none. */
  find(bytes: Uint8Array, begin: number, end: number): number {
    const count = this.#split(bytes, begin, end, false);
    return count < 0 ? 0 : this.#probe(count, hashOf(this.#scratch, count));
  }

  /** The same, taken in if it is new: then it is `lastId`. */
  idOf(bytes: Uint8Array, begin: number, end: number): number {
    return this.#idOfScratch(this.#split(bytes, begin, end, true), this.#lastId + 1);
  }

  /** The same, taken in as number `id` if it is new; as the next one where `id` is none that could still be given. */
  takeIn(id: number, bytes: Uint8Array, begin: number, end: number): number {
    return this.#idOfScratch(this.#split(bytes, begin, end, true), Math.max(id, this.#lastId + 1));
  }

  /** The same for the series of these pairs, in order of their names. */
  takeInPairs(id: number, pairs: Uint32Array, count: number): number {
    while (this.#scratch.length < count) this.#growScratch();
    for (let i = 0; i < count; i++) this.#scratch[i] = pairs[i];
    return this.#idOfScratch(count, Math.max(id, this.#lastId + 1));
  }

  /** Takes in a series that is new, as number `id`, which may be less than others: for few. */
  insert(id: number, bytes: Uint8Array, begin: number, end: number): void {
    const count = this.#split(bytes, begin, end, true);
    const hash = hashOf(this.#scratch, count);
    assert(this.#probe(count, hash) === 0 && !this.has(id), 'the series is new');
    if (id > this.#rows.count) this.#rows.addAt(id);
    else this.#rows.fill(id);
    if (id > this.#lastId) this.#lastId = id;
    this.#store(id, count, hash, true);
  }

  /** Takes the number from a series: only while a restart is under way, as lists still name it. */
  forget(id: number): void {
    if (!this.has(id)) return;
    const slots = this.#slots;
    const mask = slots.length - 1;
    let hole = this.#rows.get(id, hashWord) & mask;
    while (slots[hole] !== id) hole = (hole + 1) & mask;
    // Those behind the hole that belong before it move up, so that no search ends too early.
    for (let slot = (hole + 1) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const home = this.#rows.get(slots[slot], hashWord) & mask;
      if (((slot - home) & mask) >= ((slot - hole) & mask)) {
        slots[hole] = slots[slot];
        hole = slot;
      }
    }
    slots[hole] = 0;
    this.#rows.set(id, pairsWord, 0);
    this.#count--;
  }

  /** Number of the label pair whose canonical bytes are bytes[begin, end), taken in if it is new. */
  pairOf(bytes: Uint8Array, begin: number, end: number): number {
    return this.#pairOf(this.#viewOf(bytes), bytes, begin, end);
  }

  /** Number of the pair, 0 if no series has it. */
  findPair(name: string, value: string): number {
    const sink = new ByteSink(64);
    sink.writeText(name);
    sink.writeText(value);
    return this.#pairs.find(sink.view, 0, sink.length);
  }

  /** Number of the label name, 0 if no series has it. */
  findName(name: string): number {
    const bytes = Buffer.from(name);
    return this.#names.find(viewOf(bytes), 0, bytes.length);
  }

  get nameCount(): number {
    return this.#names.count;
  }

  nameText(name: number): string {
    const begin = this.#names.offset(name);
    return textOf(this.#names.page(name), begin, begin + this.#names.length(name));
  }

  nameOfPair(pair: number): number {
    return this.#pairs.tag(pair);
  }

  pairName(pair: number): string {
    return this.nameText(this.#pairs.tag(pair));
  }

  pairValue(pair: number): string {
    const page = this.#pairs.page(pair);
    const begin = this.#pairs.offset(pair);
    const nameLength = readLength(page, begin);
    readLength(page, lengthEnd + nameLength);
    return textOf(page, lengthEnd, begin + this.#pairs.length(pair));
  }

  /** Whether the value of a pair begins with these bytes: a look at the bytes costs less than a text. */
  pairValueStartsWith(pair: number, prefix: Uint8Array): boolean {
    const page = this.#pairs.page(pair);
    const begin = this.#pairs.offset(pair);
    const nameLength = readLength(page, begin);
    readLength(page, lengthEnd + nameLength);
    const valueBegin = lengthEnd;
    if (begin + this.#pairs.length(pair) - valueBegin < prefix.length) return false;
    for (let i = 0; i < prefix.length; i++) if (page[valueBegin + i] !== prefix[i]) return false;
    return true;
  }

  /** hashBytes of the canonical bytes of a pair. */
  pairHash(pair: number): number {
    return this.#pairs.hash(pair);
  }

  /** Length of the canonical bytes of a pair. */
  pairBytes(pair: number): number {
    return this.#pairs.length(pair);
  }

  /** Appends the canonical bytes of a pair. */
  writePair(pair: number, out: ByteSink): void {
    const begin = this.#pairs.offset(pair);
    out.writeBytes(this.#pairs.page(pair), begin, begin + this.#pairs.length(pair));
  }

  /** The first of the series that have the pair. */
  firstSeriesOfPair(pair: number): number {
    return this.#seriesOfPair.first(pair);
  }

  /** A copy of the series that have the pair, rising. */
  seriesOfPair(pair: number): Uint32Array {
    return this.#seriesOfPair.read(pair);
  }

  /** Whether any of the series that have the pair is accepted. */
  someSeriesOfPair(pair: number, accepts: (id: number) => boolean): boolean {
    return this.#seriesOfPair.some(pair, accepts);
  }

  seriesCountOfPair(pair: number): number {
    return this.#seriesOfPair.count(pair);
  }

  /** A copy of the pairs of a name: its values. */
  pairsOfName(name: number): Uint32Array {
    return this.#pairsOfName.read(name);
  }

  /** The first of the pairs of a name. */
  firstPairOfName(name: number): number {
    return this.#pairsOfName.first(name);
  }

  pairCountOfName(name: number): number {
    return this.#pairsOfName.count(name);
  }

  /** Labels of a series. */
  labelCount(id: number): number {
    const list = this.#rows.get(id, pairsWord) >>> 0;
    return this.#lists.pages[list >>> wordPageShift][list & wordOffsetMask];
  }

  /** Pair `index` of a series, in order of the names. */
  pairAt(id: number, index: number): number {
    const list = this.#rows.get(id, pairsWord) >>> 0;
    return this.#lists.pages[list >>> wordPageShift][(list & wordOffsetMask) + 1 + index];
  }

  /** The pair of a series that has this name, 0 if it has no such label. */
  pairOfName(id: number, name: number): number {
    const list = this.#rows.pages[id >>> rowPageShift][(id & rowMask) * rowWords + pairsWord] >>> 0;
    const page = this.#lists.pages[list >>> wordPageShift];
    const begin = (list & wordOffsetMask) + 1;
    const end = begin + page[begin - 1];
    for (let i = begin; i < end; i++) if (this.#pairs.tag(page[i]) === name) return page[i];
    return 0;
  }

  /** Appends the canonical labels of a series. */
  writeLabels(id: number, out: ByteSink): void {
    const count = this.labelCount(id);
    for (let i = 0; i < count; i++) this.writePair(this.pairAt(id, i), out);
  }

  #viewOf(bytes: Uint8Array): DataView {
    if (this.#source !== bytes) {
      this.#source = bytes;
      this.#view = viewOf(bytes);
    }
    return this.#view;
  }

  #pairOf(view: DataView, bytes: Uint8Array, begin: number, end: number): number {
    const pair = this.#pairs.intern(view, bytes, begin, end);
    if (this.#pairs.tag(pair) !== 0) return pair;
    this.#seriesOfPair.addKey();
    const nameLength = readLength(bytes, begin);
    const nameBegin = lengthEnd;
    const namesBefore = this.#names.count;
    const name = this.#names.intern(view, bytes, nameBegin, nameBegin + nameLength);
    if (name > namesBefore) this.#pairsOfName.addKey();
    this.#pairs.setTag(pair, name);
    this.#pairsOfName.add(name, pair);
    return pair;
  }

  /** Pairs of canonical labels into the scratch; how many, or -1 if one is not known and must not be taken in. */
  #split(bytes: Uint8Array, begin: number, end: number, takeIn: boolean): number {
    const view = this.#viewOf(bytes);
    let count = 0;
    let at = begin;
    while (at < end) {
      const nameLength = readLength(bytes, at);
      const valueLength = readLength(bytes, lengthEnd + nameLength);
      const pairEnd = lengthEnd + valueLength;
      assert(pairEnd <= end, 'canonical labels hold whole pairs');
      const pair = takeIn ? this.#pairOf(view, bytes, at, pairEnd) : this.#pairs.find(view, at, pairEnd);
      if (pair === 0) return -1;
      if (count === this.#scratch.length) this.#growScratch();
      this.#scratch[count++] = pair;
      at = pairEnd;
    }
    return count;
  }

  #growScratch(): void {
    const grown = new Uint32Array(this.#scratch.length * 2);
    grown.set(this.#scratch);
    this.#scratch = grown;
  }

  #idOfScratch(count: number, newId: number): number {
    const hash = hashOf(this.#scratch, count);
    const known = this.#probe(count, hash);
    if (known !== 0) return known;
    assert(newId <= seriesNumberMax, 'there is a number for the series');
    this.#rows.addAt(newId);
    this.#lastId = newId;
    this.#store(newId, count, hash, false);
    return newId;
  }

  #store(id: number, count: number, hash: number, amid: boolean): void {
    const scratch = this.#scratch;
    const list = this.#lists.allocate(count + 1);
    const page = this.#lists.pages[list >>> wordPageShift];
    let at = list & wordOffsetMask;
    page[at++] = count;
    for (let i = 0; i < count; i++) {
      page[at++] = scratch[i];
      if (amid) this.#seriesOfPair.insert(scratch[i], id);
      else this.#seriesOfPair.add(scratch[i], id);
    }
    this.#rows.set(id, pairsWord, list);
    this.#rows.set(id, hashWord, hash);
    this.#count++;
    if (this.#count * 3 > this.#slots.length * 2) this.#rehash();
    else this.#place(id, hash);
  }

  #probe(count: number, hash: number): number {
    const slots = this.#slots;
    const scratch = this.#scratch;
    const mask = slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const id = slots[slot];
      if (id === 0) return 0;
      const row = this.#rows.pages[id >>> rowPageShift];
      const rowAt = (id & rowMask) * rowWords;
      if (row[rowAt + hashWord] !== hash) continue;
      const list = row[rowAt + pairsWord] >>> 0;
      const page = this.#lists.pages[list >>> wordPageShift];
      const at = list & wordOffsetMask;
      if (page[at] !== count) continue;
      let same = 0;
      while (same < count && page[at + 1 + same] === scratch[same]) same++;
      if (same === count) return id;
    }
  }

  #place(id: number, hash: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = hash & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = id;
  }

  #rehash(): void {
    this.#slots = new Uint32Array(this.#slots.length * 2);
    for (let id = this.nextId(0); id !== 0; id = this.nextId(id)) this.#place(id, this.#rows.get(id, hashWord));
  }
}

/** Drawn at every start: who knew it could choose series that are all of one hash. */
const hashSeed = randomInt(2 ** 32);

/** Hash of the first `count` pairs; finished like MurmurHash3 (public domain). */
function hashOf(pairs: Uint32Array, count: number): number {
  let hash = count ^ hashSeed;
  for (let i = 0; i < count; i++) {
    hash = Math.imul(hash ^ pairs[i], 0x9e3779b1 | 0);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b | 0);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35 | 0);
  return (hash ^ (hash >>> 16)) | 0;
}

/** The page that a text was read from last, and a view of it: a view for each would cost as much as the text. */
let viewedPage: Uint8Array = new Uint8Array(0);
let pageView = Buffer.from(viewedPage.buffer);

function textOf(page: Uint8Array, begin: number, end: number): string {
  if (page !== viewedPage) {
    viewedPage = page;
    pageView = Buffer.from(page.buffer, page.byteOffset, page.length);
  }
  return pageView.toString('utf8', begin, end);
}
