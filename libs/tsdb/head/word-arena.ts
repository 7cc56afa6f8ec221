/**
 * 32-bit words outside the V8 heap, taken in small runs and freed all together: label lists, postings.
 * Owns pages and addresses. Address 0 is never given out, so that 0 can mean none. A run never crosses a page.
 */
export const wordPageShift = 16;
const pageWords = 1 << wordPageShift;
export const wordOffsetMask = pageWords - 1;
const firstPageWords = 64;

export class WordArena {
  /** Word `address & wordOffsetMask` of page `address >>> wordPageShift`. Replaced when the first page grows. */
  readonly pages: Uint32Array[] = [];
  #used = 1;
  #words = 0;

  /** Memory taken. */
  get bytes(): number {
    return this.#words * 4;
  }

  /** Takes `count` words, all 0, and returns their address. Longer runs than a page get a page of their own. */
  allocate(count: number): number {
    const last = this.pages.length - 1;
    const page = this.pages[last];
    if (page !== undefined && this.#used + count <= page.length) {
      const address = last * pageWords + this.#used;
      this.#used += count;
      return address;
    }
    if (last <= 0 && this.#used + count <= pageWords) {
      let size = page?.length ?? firstPageWords;
      while (size < this.#used + count) size *= 2;
      const grown = new Uint32Array(size);
      if (page !== undefined) grown.set(page);
      this.#words += size - (page?.length ?? 0);
      this.pages[0] = grown;
      const address = this.#used;
      this.#used += count;
      return address;
    }
    // Address 0 stays nobody's even where the first run is a long one.
    if (last < 0) this.pages.push(new Uint32Array(0));
    const size = Math.max(pageWords, count);
    this.#words += size;
    this.#used = count;
    return (this.pages.push(new Uint32Array(size)) - 1) * pageWords;
  }
}
