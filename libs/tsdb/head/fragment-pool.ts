/**
 * The bytes of open chunks: chains of fragments of 28 bytes, so that a chunk takes what it needs now, grows without moving,
 * and gives everything back to all others when it is closed.
 * Owns fragments and their free list. A fragment is 32 bytes: 28 of data, then the number of the next one. Numbers are from 1.
 */
export const fragmentBytes = 28;
const strideShift = 5;
const linkWord = 7;
const pageShift = 13;
const pageFragments = 1 << pageShift;
const pageMask = pageFragments - 1;
const firstPageFragments = 4;

export class FragmentPool {
  readonly #pages: Uint8Array[] = [];
  /** The same memory, for the links. */
  readonly #links: Uint32Array[] = [];
  #count = 0;
  #free = 0;
  #bytes = 0;

  /** Memory taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes a fragment that follows none. */
  take(): number {
    const free = this.#free;
    if (free !== 0) {
      const links = this.#links[free >>> pageShift];
      const at = ((free & pageMask) << (strideShift - 2)) + linkWord;
      this.#free = links[at];
      links[at] = 0;
      return free;
    }
    const fragment = ++this.#count;
    const index = fragment >>> pageShift;
    const page = this.#pages[index];
    const needed = ((fragment & pageMask) + 1) << strideShift;
    if (page === undefined || page.length < needed) {
      const size =
        index > 0 ? pageFragments << strideShift : Math.max(firstPageFragments << strideShift, (page?.length ?? 0) * 2);
      const grown = new Uint8Array(size);
      if (page !== undefined) grown.set(page);
      this.#bytes += size - (page?.length ?? 0);
      this.#pages[index] = grown;
      this.#links[index] = new Uint32Array(grown.buffer);
    }
    return fragment;
  }

  /** The page of a fragment: its data begins at byte offset(fragment). Valid until the next `take`. */
  page(fragment: number): Uint8Array {
    return this.#pages[fragment >>> pageShift];
  }

  offset(fragment: number): number {
    return (fragment & pageMask) << strideShift;
  }

  link(fragment: number, next: number): void {
    this.#links[fragment >>> pageShift][((fragment & pageMask) << (strideShift - 2)) + linkWord] = next;
  }

  next(fragment: number): number {
    return this.#links[fragment >>> pageShift][((fragment & pageMask) << (strideShift - 2)) + linkWord];
  }

  /** Gives back a chain from its first to its last fragment. */
  release(first: number, last: number): void {
    this.link(last, this.#free);
    this.#free = first;
  }

  /** Copies the first `count` bytes of the chain that begins with `first` to target[at]. */
  copy(first: number, count: number, target: Uint8Array, at: number): void {
    let fragment = first;
    let to = at;
    for (let left = count; left > 0; left -= fragmentBytes) {
      const page = this.#pages[fragment >>> pageShift];
      let from = (fragment & pageMask) << strideShift;
      for (const end = from + Math.min(left, fragmentBytes); from < end; from++) target[to++] = page[from];
      fragment = this.next(fragment);
    }
  }
}
