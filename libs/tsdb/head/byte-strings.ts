/**
 * Byte strings and their numbers, dense from 1, outside the V8 heap: label pairs, label names.
 * Owns the copies and the hash table over them. Unlike libs/model/encoding/byte-table.ts it has no budget and never forgets.
 */
import { equalBytes, hashBytes } from '../../model/encoding/bytes.ts';
import { arenaOffsetMask, arenaPageShift, ByteArena } from './byte-arena.ts';
import { RowTable, rowMask, rowPageShift } from './row-table.ts';

const addressWord = 0;
const lengthWord = 1;
const hashWord = 2;
/** A word for the user of the table. */
const tagWord = 3;
const rowWords = 4;
const firstSlots = 16;
/**
 * A string stands no further from its own slot than this: who makes many of one hash would keep everybody busy. What finds no slot is
 * found by its text.
 */
const distanceMax = 256;
/** And so many of one hash have a slot: each is compared as a whole. By chance there are hardly ever two. */
const sameHashMax = 4;

export class ByteStrings {
  readonly #arena = new ByteArena();
  readonly #rows = new RowTable(rowWords);
  #slots = new Uint32Array(firstSlots);
  /** Strings without a slot by their bytes, a character for each. */
  readonly #strays = new Map<string, number>();

  get count(): number {
    return this.#rows.count;
  }

  /** Whether there is room for the labels of one more series. */
  get hasRoom(): boolean {
    return this.#arena.hasRoom;
  }

  /** Memory taken. */
  get bytes(): number {
    return this.#arena.bytes + this.#rows.bytes + this.#slots.byteLength;
  }

  /** Number of bytes[begin, end), 0 if it is not known. */
  find(bytes: DataView, begin: number, end: number): number {
    return this.#probe(bytes, begin, end, hashBytes(bytes, begin, end) | 0);
  }

  /** Number of bytes[begin, end), taken in if it is new: then it is `count`. `source` is the same memory as `bytes`. */
  intern(bytes: DataView, source: Uint8Array, begin: number, end: number): number {
    const hash = hashBytes(bytes, begin, end) | 0;
    const known = this.#probe(bytes, begin, end, hash);
    if (known !== 0) return known;
    const rows = this.#rows;
    const id = rows.add();
    const page = rows.pages[id >>> rowPageShift];
    const at = (id & rowMask) * rowWords;
    page[at + addressWord] = this.#arena.store(source, begin, end);
    page[at + lengthWord] = end - begin;
    page[at + hashWord] = hash;
    if (id * 3 > this.#slots.length * 2) this.#rehash();
    else this.#place(id, hash);
    return id;
  }

  length(id: number): number {
    return this.#rows.get(id, lengthWord);
  }

  hash(id: number): number {
    return this.#rows.get(id, hashWord) >>> 0;
  }

  tag(id: number): number {
    return this.#rows.pages[id >>> rowPageShift][(id & rowMask) * rowWords + tagWord];
  }

  setTag(id: number, tag: number): void {
    this.#rows.set(id, tagWord, tag);
  }

  /** Where string `id` lies: bytes [offset(id), offset(id) + length(id)) of this page. Valid until the next intern. */
  page(id: number): Uint8Array {
    return this.#arena.pages[this.#rows.get(id, addressWord) >>> arenaPageShift];
  }

  offset(id: number): number {
    return this.#rows.get(id, addressWord) & arenaOffsetMask;
  }

  #probe(bytes: DataView, begin: number, end: number, hash: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    const length = end - begin;
    const { pages } = this.#rows;
    let same = 0;
    for (let slot = hash & mask, left = distanceMax; left > 0; slot = (slot + 1) & mask, left--) {
      const id = slots[slot];
      if (id === 0) return 0;
      const page = pages[id >>> rowPageShift];
      const at = (id & rowMask) * rowWords;
      if (page[at + hashWord] !== hash) continue;
      const address = page[at + addressWord];
      const view = this.#arena.views[address >>> arenaPageShift];
      if (page[at + lengthWord] === length && equalBytes(view, address & arenaOffsetMask, bytes, begin, length)) {
        return id;
      }
      // There may be more of this hash, all without a slot.
      if (++same === sameHashMax) break;
    }
    if (this.#strays.size === 0) return 0;
    return this.#strays.get(charactersOf(bytes, begin, length)) ?? 0;
  }

  #place(id: number, hash: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let same = 0;
    for (let slot = hash & mask, left = distanceMax; left > 0; slot = (slot + 1) & mask, left--) {
      const other = slots[slot];
      if (other === 0) {
        slots[slot] = id;
        return;
      }
      if (this.#rows.get(other, hashWord) === hash && ++same === sameHashMax) break;
    }
    const address = this.#rows.get(id, addressWord);
    const view = this.#arena.views[address >>> arenaPageShift];
    this.#strays.set(charactersOf(view, address & arenaOffsetMask, this.#rows.get(id, lengthWord)), id);
  }

  #rehash(): void {
    this.#strays.clear();
    this.#slots = new Uint32Array(this.#slots.length * 2);
    const { count } = this;
    for (let id = 1; id <= count; id++) this.#place(id, this.#rows.get(id, hashWord));
  }
}

function charactersOf({ buffer, byteOffset }: DataView, begin: number, length: number): string {
  return Buffer.from(buffer, byteOffset + begin, length).toString('latin1');
}
