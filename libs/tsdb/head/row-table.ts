/**
 * Rows of a fixed number of 32-bit words outside the V8 heap, numbered from 1: a row is what is used together, so it
 * lies together (one cache line a sample instead of one a column). Owns pages; what a word means is its user's affair.
 * Row 0 exists and is nobody's. Word k of row r: pages[r >>> rowPageShift][(r & rowMask) * words + k]. Numbers may have gaps:
 * where a whole page of them is missing there is no page, only `noPage`.
 */
export const rowPageShift = 12;
const pageRows = 1 << rowPageShift;
export const rowMask = pageRows - 1;
const firstPageRows = 4;

/** Stands where no row of a page is in use. */
const noPage = new Int32Array(0);

export class RowTable {
  readonly words: number;
  /** Replaced when the first page grows: never keep a page over an `add`. */
  readonly pages: Int32Array[] = [];
  /** The greatest number in use; without gaps also how many. */
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
    const row = this.count + 1;
    this.addAt(row);
    return row;
  }

  /** Adds row `row` of zeros; greater than all before. */
  addAt(row: number): void {
    this.count = row;
    const index = row >>> rowPageShift;
    while (this.pages.length <= index) this.pages.push(noPage);
    const page = this.pages[index];
    if (page.length < ((row & rowMask) + 1) * this.words) this.#grow(index, row & rowMask);
  }

  /** Makes sure that row `row`, less than `count`, has a page. */
  fill(row: number): void {
    const index = row >>> rowPageShift;
    if (this.pages[index].length < ((row & rowMask) + 1) * this.words) this.#grow(index, row & rowMask);
  }

  #grow(index: number, rowInPage: number): void {
    const page = this.pages[index];
    let rows = pageRows;
    if (index === 0) {
      rows = Math.max(firstPageRows, (page.length / this.words) * 2);
      while (rows <= rowInPage) rows *= 2;
    }
    const grown = new Int32Array(rows * this.words);
    grown.set(page);
    this.#bytes += (grown.length - page.length) * 4;
    this.pages[index] = grown;
  }

  /** The least number from `row` on that has a page; beyond `count` if there is none. */
  skipGap(row: number): number {
    let at = row;
    while (at <= this.count && this.pages[at >>> rowPageShift]?.length === 0)
      at = ((at >>> rowPageShift) + 1) << rowPageShift;
    return at;
  }

  /** One word; hot loops index the pages themselves. */
  get(row: number, word: number): number {
    return this.pages[row >>> rowPageShift][(row & rowMask) * this.words + word];
  }

  set(row: number, word: number, value: number): void {
    this.pages[row >>> rowPageShift][(row & rowMask) * this.words + word] = value;
  }
}
