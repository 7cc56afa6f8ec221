/**
 * Rows of a fixed number of 32-bit words outside the V8 heap, numbered densely from 1: a row is what is used together, so it
 * lies together (one cache line a sample instead of one a column). Owns pages; what a word means is its user's affair.
 * Row 0 exists and is nobody's. Word k of row r: pages[r >>> rowPageShift][(r & rowMask) * words + k].
 */
export const rowPageShift = 12;
const pageRows = 1 << rowPageShift;
export const rowMask = pageRows - 1;
const firstPageRows = 4;

export class RowTable {
  readonly words: number;
  /** Replaced when the first page grows: never keep a page over an `add`. */
  readonly pages: Int32Array[] = [];
  /** Rows in use; their numbers are 1 to count. */
  count = 0;
  #bytes = 0;

  constructor(words: number) {
    this.words = words;
  }

  /** Memory taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a row of zeros and returns its number. */
  add(): number {
    const row = ++this.count;
    const index = row >>> rowPageShift;
    const page = this.pages[index];
    const needed = ((row & rowMask) + 1) * this.words;
    if (page === undefined || page.length < needed) {
      const rows = index > 0 ? pageRows : Math.max(firstPageRows, ((page?.length ?? 0) / this.words) * 2);
      const grown = new Int32Array(rows * this.words);
      if (page !== undefined) grown.set(page);
      this.#bytes += (grown.length - (page?.length ?? 0)) * 4;
      this.pages[index] = grown;
    }
    return row;
  }

  /** One word; hot loops index the pages themselves. */
  get(row: number, word: number): number {
    return this.pages[row >>> rowPageShift][(row & rowMask) * this.words + word];
  }

  set(row: number, word: number, value: number): void {
    this.pages[row >>> rowPageShift][(row & rowMask) * this.words + word] = value;
  }
}
