/**
 * Byte strings and their numbers: a set of short byte strings outside the V8 heap, each known by a dense number from 1.
 * Owns the copies and the hash table. Surprising: every entry remembers which entry followed it last time, because senders
 * repeat themselves in order; a right guess costs one comparison and no hash.
 */
import { equalBytes, hashBytes } from './bytes.ts';

/** Bytes that several tables may take together. */
export interface ByteBudget {
  used: number;
  readonly max: number;
}

const pageBytes = 1 << 18;
const firstPageBytes = 1 << 9;
/** An entry stands no further from its own slot than this: whoever makes many of one hash is not remembered, and keeps nobody busy. */
const distanceMax = 256;
/** Entries of one hash: each is compared as a whole, and may be as long as a request. By chance there are hardly ever two. */
const sameHashMax = 4;
/** Page, place, length, hash and successor of an entry, its share of the hash table, and room to grow. */
const entryOverheadBytes = 36;

export class ByteTable {
  readonly #budget: ByteBudget;
  #pages: DataView[] = [];
  #pageUsed = pageBytes;
  #capacity = 0;
  #page = new Uint32Array(0);
  #offset = new Uint32Array(0);
  #length = new Uint32Array(0);
  #hash = new Uint32Array(0);
  #slots = new Uint32Array(16);
  #taken = 0;
  /** Entries in the table; their numbers are 1 to count. */
  count = 0;
  /** Number of the entry that followed entry i last time, 0 if none did. */
  next: Uint32Array<ArrayBuffer> = new Uint32Array(0);

  constructor(budget: ByteBudget) {
    this.#budget = budget;
  }

  /** Bytes held against the budget. */
  get bytes(): number {
    return this.#taken;
  }

  /** Whether entry `id` is bytes[begin, end). */
  is(id: number, bytes: DataView, begin: number, end: number): boolean {
    const length = end - begin;
    return (
      this.#length[id] === length &&
      equalBytes(this.#pages[this.#page[id] as number] as DataView, this.#offset[id] as number, bytes, begin, length)
    );
  }

  /** Number of bytes[begin, end), 0 if it is not in the table. */
  find(bytes: DataView, begin: number, end: number): number {
    return this.#probe(bytes, begin, end, hashBytes(bytes, begin, end));
  }

  /** Number of bytes[begin, end), taken in if it is new; 0 if the budget, or its place in the table, has no room for it. */
  intern(bytes: DataView, begin: number, end: number): number {
    const hash = hashBytes(bytes, begin, end);
    const known = this.#probe(bytes, begin, end, hash);
    if (known !== 0) return known;
    const length = end - begin;
    const cost = length + entryOverheadBytes;
    if (this.#budget.used + cost > this.#budget.max) return 0;
    if ((this.count + 1) * 2 > this.#slots.length) this.#rehash();
    const id = this.count + 1;
    if (!this.#place(id, hash)) return 0;
    this.#budget.used += cost;
    this.#taken += cost;
    this.count = id;
    if (id >= this.#capacity) this.#growColumns();
    let page = this.#pages.at(-1);
    if (page === undefined || this.#pageUsed + length > page.byteLength) {
      // A small tenant stays small: pages begin at 512 bytes and double.
      const size = Math.min(pageBytes, Math.max(firstPageBytes, (page?.byteLength ?? 0) * 2));
      page = new DataView(new ArrayBuffer(Math.max(size, length)));
      this.#pages.push(page);
      this.#pageUsed = 0;
    }
    new Uint8Array(page.buffer).set(new Uint8Array(bytes.buffer, bytes.byteOffset + begin, length), this.#pageUsed);
    this.#page[id] = this.#pages.length - 1;
    this.#offset[id] = this.#pageUsed;
    this.#length[id] = length;
    this.#hash[id] = hash;
    this.#pageUsed += length;
    return id;
  }

  /** Forgets everything; numbers given out before mean nothing any more. */
  clear(): void {
    this.#budget.used -= this.#taken;
    this.#taken = 0;
    this.count = 0;
    this.#pages = [];
    this.#pageUsed = pageBytes;
    this.#capacity = 0;
    this.#page = new Uint32Array(0);
    this.#offset = new Uint32Array(0);
    this.#length = new Uint32Array(0);
    this.#hash = new Uint32Array(0);
    this.next = new Uint32Array(0);
    this.#slots = new Uint32Array(16);
  }

  #probe(bytes: DataView, begin: number, end: number, hash: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let at = hash & mask, left = distanceMax; left > 0; at = (at + 1) & mask, left--) {
      const id = slots[at] as number;
      if (id === 0) return 0;
      if (this.#hash[id] === hash && this.is(id, bytes, begin, end)) return id;
    }
    return 0;
  }

  #place(id: number, hash: number): boolean {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let same = 0;
    for (let at = hash & mask, left = distanceMax; left > 0; at = (at + 1) & mask, left--) {
      const other = slots[at] as number;
      if (other === 0) {
        slots[at] = id;
        return true;
      }
      if (this.#hash[other] === hash && ++same === sameHashMax) return false;
    }
    return false;
  }

  #rehash(): void {
    this.#slots = new Uint32Array(this.#slots.length * 2);
    for (let id = 1; id <= this.count; id++) this.#place(id, this.#hash[id] as number);
  }

  #growColumns(): void {
    this.#capacity = Math.max(16, Math.ceil(this.#capacity * 1.5));
    const bytes = this.#capacity * 4;
    this.#page = new Uint32Array(this.#page.buffer.transfer(bytes));
    this.#offset = new Uint32Array(this.#offset.buffer.transfer(bytes));
    this.#length = new Uint32Array(this.#length.buffer.transfer(bytes));
    this.#hash = new Uint32Array(this.#hash.buffer.transfer(bytes));
    this.next = new Uint32Array(this.next.buffer.transfer(bytes));
  }
}
