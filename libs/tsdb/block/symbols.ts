/**
 * Strings of an index: bytes outside the V8 heap, numbered from 1 (0 is none). Two kinds: `InternedSymbols` takes strings in any
 * order and knows each once; `SortedSymbols` is given every string once, in the order of the bytes, so that the order of numbers is
 * the order of strings.
 */

import { viewOf } from '../../model/encoding/bytes.ts';
import { assert } from '../../std/assert.ts';
import { ByteStrings } from '../head/byte-strings.ts';

/** Symbol `id` is the bytes [offset(id), offset(id) + length(id)) of page(id). */
export interface Symbols {
  readonly count: number;
  page(id: number): Uint8Array;
  offset(id: number): number;
  length(id: number): number;
}

/** Less than, equal to or greater than 0 as a[aBegin, aEnd) is before, equal to or after b[bBegin, bEnd). */
export function compareBytes(
  a: Uint8Array,
  aBegin: number,
  aEnd: number,
  b: Uint8Array,
  bBegin: number,
  bEnd: number,
): number {
  let x = aBegin;
  let y = bBegin;
  for (const end = aBegin + Math.min(aEnd - aBegin, bEnd - bBegin); x < end; x++, y++) {
    const difference = (a[x] as number) - (b[y] as number);
    if (difference !== 0) return difference;
  }
  return aEnd - aBegin - (bEnd - bBegin);
}

export class InternedSymbols implements Symbols {
  readonly #strings = new ByteStrings();

  get count(): number {
    return this.#strings.count;
  }

  page(id: number): Uint8Array {
    return this.#strings.page(id);
  }

  offset(id: number): number {
    return this.#strings.offset(id);
  }

  length(id: number): number {
    return this.#strings.length(id);
  }

  /** Number of bytes[begin, end); `view` is the same memory. */
  intern(bytes: Uint8Array, view: DataView, begin: number, end: number): number {
    return this.#strings.intern(view, bytes, begin, end);
  }

  /** All numbers in the order of their strings. */
  sorted(): Uint32Array {
    const { count } = this;
    // Six bytes as a whole number decide nearly every comparison.
    const prefixes = new Float64Array(count + 1);
    const ids = new Uint32Array(count);
    for (let id = 1; id <= count; id++) {
      ids[id - 1] = id;
      const page = this.page(id);
      const at = this.offset(id);
      const length = this.length(id);
      let prefix = 0;
      for (let i = 0; i < 6; i++) prefix = prefix * 256 + (i < length ? (page[at + i] as number) : 0);
      prefixes[id] = prefix;
    }
    return ids.sort((a, b) => (prefixes[a] as number) - (prefixes[b] as number) || this.#compare(a, b));
  }

  #compare(a: number, b: number): number {
    const x = this.offset(a);
    const y = this.offset(b);
    return compareBytes(this.page(a), x, x + this.length(a), this.page(b), y, y + this.length(b));
  }
}

const pageBytes = 1 << 18;
const firstPageBytes = 1 << 12;
const offsetMask = pageBytes - 1;
const pageShift = 18;

export class SortedSymbols implements Symbols {
  readonly #pages: Uint8Array[] = [];
  #address = new Uint32Array(1024);
  #length = new Uint32Array(1024);
  #used = pageBytes;
  count = 0;

  page(id: number): Uint8Array {
    return this.#pages[(this.#address[id] as number) >>> pageShift] as Uint8Array;
  }

  offset(id: number): number {
    return (this.#address[id] as number) & offsetMask;
  }

  length(id: number): number {
    return this.#length[id] as number;
  }

  /** Takes in bytes[begin, end), which come after all that are here; returns their number. */
  append(bytes: Uint8Array, begin: number, end: number): number {
    const length = end - begin;
    if (this.#pages.length === 0 || this.#used + length > pageBytes) {
      // Most blocks are small, and many of them are held at once.
      const least = this.#pages.length === 0 ? firstPageBytes : pageBytes;
      this.#pages.push(new Uint8Array(Math.max(least, length)));
      this.#used = 0;
      assert(this.#pages.length <= 1 << (32 - pageShift), 'the symbols fit into 4 GiB');
    }
    let page = this.#pages.at(-1) as Uint8Array;
    if (this.#used + length > page.length) {
      const wider = new Uint8Array(Math.min(pageBytes, Math.max(page.length * 4, this.#used + length)));
      wider.set(page);
      this.#pages[this.#pages.length - 1] = wider;
      page = wider;
    }
    page.set(bytes.subarray(begin, end), this.#used);
    const id = ++this.count;
    if (id >= this.#address.length) this.#grow();
    this.#address[id] = (((this.#pages.length - 1) << pageShift) | this.#used) >>> 0;
    this.#length[id] = length;
    // A string longer than a page has it alone.
    this.#used = Math.min(pageBytes, this.#used + length);
    return id;
  }

  #grow(): void {
    const capacity = Math.ceil(this.#address.length * 1.5);
    this.#address = new Uint32Array(this.#address.buffer.transfer(capacity * 4));
    this.#length = new Uint32Array(this.#length.buffer.transfer(capacity * 4));
  }
}

/** Interns the pieces of canonical label bytes: writes name, value, name, value, ... numbers; returns how many. */
export function internLabels(symbols: InternedSymbols, labels: Uint8Array, out: { refs: Uint32Array }): number {
  const view = viewOf(labels);
  let count = 0;
  let at = 0;
  while (at < labels.length) {
    let length = 0;
    let byte = 0x80;
    for (let shift = 0; byte >= 0x80; shift += 7) {
      byte = labels[at++] as number;
      length |= (byte & 0x7f) << shift;
    }
    assert(length >= 0 && at + length <= labels.length, 'labels are whole');
    if (count === out.refs.length) {
      const grown = new Uint32Array(Math.max(64, count * 2));
      grown.set(out.refs);
      out.refs = grown;
    }
    out.refs[count++] = symbols.intern(labels, view, at, at + length);
    at += length;
  }
  assert(count % 2 === 0, 'every label has a name and a value');
  return count;
}
