/**
 * Bytes outside the V8 heap that are written once and freed all together: labels, closed chunks.
 * Owns pages and addresses. An address is one number, below 2^32 where its user asks for no more; what begins there never crosses a page,
 * so that a reader needs the page once. Surprising: the first page begins small and grows in place, as most tenants are small.
 */
import { assert } from '../../std/assert.ts';

export const arenaPageShift = 18;
const pageBytes = 1 << arenaPageShift;
export const arenaOffsetMask = pageBytes - 1;
const firstPageBytes = 256;
/** More than the labels of one series take. */
const pagesSpare = 2048;

export class ByteArena {
  /** Byte `address & arenaOffsetMask` of page `address >>> arenaPageShift`. Replaced when the first page grows. */
  readonly pages: Uint8Array[] = [];
  /** The same memory. */
  readonly views: DataView[] = [];
  readonly #pagesMax: number;
  #used = 0;
  #bytes = 0;

  /** @param addressBits of every address that is given out */
  constructor(addressBits = 32) {
    this.#pagesMax = 2 ** (addressBits - arenaPageShift);
  }

  /** Memory taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether there is room for the labels of one more series, whatever they are. */
  get hasRoom(): boolean {
    return this.pages.length <= this.#pagesMax - pagesSpare;
  }

  /** Takes `count` bytes and returns their address. Larger ones than a page get a page of their own. */
  allocate(count: number): number {
    const last = this.pages.length - 1;
    const page = this.pages[last];
    if (page !== undefined && this.#used + count <= page.length) {
      const address = last * pageBytes + this.#used;
      this.#used += count;
      return address;
    }
    if (page !== undefined && last === 0 && this.#used + count <= pageBytes) {
      let size = page.length;
      while (size < this.#used + count) size *= 2;
      const grown = new Uint8Array(size);
      grown.set(page);
      this.#put(0, grown);
      const address = this.#used;
      this.#used += count;
      return address;
    }
    assert(last + 1 < this.#pagesMax, 'an arena holds less than its addresses reach');
    let size = pageBytes;
    if (page === undefined) {
      size = firstPageBytes;
      while (size < count && size < pageBytes) size *= 2;
    }
    this.#put(last + 1, new Uint8Array(Math.max(size, count)));
    this.#used = count;
    return (last + 1) * pageBytes;
  }

  /** Takes in bytes[begin, end) and returns their address. */
  store(bytes: Uint8Array, begin: number, end: number): number {
    const count = end - begin;
    const address = this.allocate(count);
    const page = this.pages[address >>> arenaPageShift];
    let at = address & arenaOffsetMask;
    if (count > 64) page.set(bytes.subarray(begin, end), at);
    else for (let i = begin; i < end; i++) page[at++] = bytes[i];
    return address;
  }

  #put(index: number, page: Uint8Array): void {
    this.#bytes += page.length - (this.pages[index]?.length ?? 0);
    this.pages[index] = page;
    this.views[index] = new DataView(page.buffer, page.byteOffset, page.byteLength);
  }
}
