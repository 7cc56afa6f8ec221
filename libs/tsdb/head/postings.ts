/**
 * Lists of rising numbers that only grow, by a dense key: the series of a label pair, the pairs of a label name.
 * Owns the lists. A list of one is its own row and takes no block: most label pairs of a large tenant have one series.
 * Blocks double up to 1024 words; the last word of a block is the address of the next.
 */
import { RowTable, rowMask, rowPageShift } from './row-table.ts';
import { WordArena, wordOffsetMask, wordPageShift } from './word-arena.ts';

const countWord = 0;
/** The number itself in a list of one, else the address of the first block. */
const headWord = 1;
/** Address of the next free word. */
const tailWord = 2;
/** Address of the last word of the last block. */
const tailEndWord = 3;
const rowWords = 4;
const firstBlockWords = 4;
const blockWordsMax = 1024;

/** Words of the block that is begun when a list has `count` numbers. */
function blockWords(count: number): number {
  if (count >= blockWordsMax) return blockWordsMax;
  return Math.max(firstBlockWords * 2, 1 << (32 - Math.clz32(count - 1)));
}

export class Postings {
  readonly #rows = new RowTable(rowWords);
  readonly #arena = new WordArena();

  /** Memory taken. */
  get bytes(): number {
    return this.#rows.bytes + this.#arena.bytes;
  }

  /** Begins the list of the next key: keys are 1, 2, 3, ... */
  addKey(): void {
    this.#rows.add();
  }

  /** Appends a number that is greater than all in the list. */
  add(key: number, value: number): void {
    const row = this.#rows.pages[key >>> rowPageShift];
    const at = (key & rowMask) * rowWords;
    const count = row[at + countWord]++;
    if (count === 0) {
      row[at + headWord] = value;
      return;
    }
    const arena = this.#arena;
    let tail = row[at + tailWord] >>> 0;
    if (count === 1) {
      tail = arena.allocate(firstBlockWords);
      arena.pages[tail >>> wordPageShift][tail & wordOffsetMask] = row[at + headWord];
      row[at + headWord] = tail;
      row[at + tailEndWord] = tail + firstBlockWords - 1;
      tail++;
    } else if (tail === row[at + tailEndWord] >>> 0) {
      const words = blockWords(count);
      const block = arena.allocate(words);
      arena.pages[tail >>> wordPageShift][tail & wordOffsetMask] = block;
      row[at + tailEndWord] = block + words - 1;
      tail = block;
    }
    arena.pages[tail >>> wordPageShift][tail & wordOffsetMask] = value;
    row[at + tailWord] = tail + 1;
  }

  /** Puts in a number that may be less than others and is not there yet: writes the list anew, so it is for few. */
  insert(key: number, value: number): void {
    const before = this.read(key);
    if (before.length === 0 || before[before.length - 1] < value) {
      this.add(key, value);
      return;
    }
    this.#rows.set(key, countWord, 0);
    let done = false;
    for (const number of before) {
      if (!done && number > value) {
        this.add(key, value);
        done = true;
      }
      this.add(key, number);
    }
  }

  /** How many numbers the list has. */
  count(key: number): number {
    return this.#rows.get(key, countWord);
  }

  /** The first number of a list that has any. */
  first(key: number): number {
    const head = this.#rows.get(key, headWord) >>> 0;
    return this.count(key) === 1 ? head : this.#arena.pages[head >>> wordPageShift][head & wordOffsetMask];
  }

  /** Whether any number of the list is accepted. */
  some(key: number, accepts: (value: number) => boolean): boolean {
    const count = this.count(key);
    const head = this.#rows.get(key, headWord) >>> 0;
    if (count < 2) return count === 1 && accepts(head);
    let block = head;
    let words = firstBlockWords;
    for (let done = 0; ; ) {
      const page = this.#arena.pages[block >>> wordPageShift];
      const begin = block & wordOffsetMask;
      const end = begin + Math.min(words - 1, count - done);
      for (let i = begin; i < end; i++) if (accepts(page[i])) return true;
      done += end - begin;
      if (done === count) return false;
      block = page[begin + words - 1];
      words = blockWords(done);
    }
  }

  /** A copy of the list. */
  read(key: number): Uint32Array {
    const count = this.count(key);
    const out = new Uint32Array(count);
    if (count === 0) return out;
    const head = this.#rows.get(key, headWord) >>> 0;
    if (count === 1) {
      out[0] = head;
      return out;
    }
    let block = head;
    let words = firstBlockWords;
    let done = 0;
    for (;;) {
      const page = this.#arena.pages[block >>> wordPageShift];
      const begin = block & wordOffsetMask;
      const taken = Math.min(words - 1, count - done);
      out.set(page.subarray(begin, begin + taken), done);
      done += taken;
      if (done === count) return out;
      block = page[begin + words - 1];
      words = blockWords(done);
    }
  }
}
