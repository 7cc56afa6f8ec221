/**
 * Which number a place has in a rising list of places, found without a search: a bit for each place between the first and the last, and
 * how many there are before each word of bits.
 */
export class PlaceNumbers {
  readonly #first: number;
  readonly #marks: Uint32Array;
  readonly #before: Uint32Array;

  /** @param places rising */
  constructor(places: Uint32Array) {
    const { length } = places;
    this.#first = places[0] ?? 0;
    const words = length === 0 ? 0 : ((places[length - 1] - this.#first) >>> 5) + 1;
    this.#marks = new Uint32Array(words);
    this.#before = new Uint32Array(words);
    for (let i = 0; i < length; i++) {
      const at = places[i] - this.#first;
      this.#marks[at >>> 5] |= 1 << (at & 31);
    }
    for (let word = 1; word < words; word++) {
      this.#before[word] = this.#before[word - 1] + bitCount(this.#marks[word - 1]);
    }
  }

  /** @param span places between the first and the last */
  static bytesOf(span: number): number {
    return Math.ceil(span / 32) * 8;
  }

  /** -1 for a place that is not in the list. */
  at(place: number): number {
    const at = place - this.#first;
    const word = at >>> 5;
    if (at < 0 || word >= this.#marks.length) return -1;
    const bits = this.#marks[word];
    const bit = 1 << (at & 31);
    return (bits & bit) === 0 ? -1 : this.#before[word] + bitCount(bits & (bit - 1));
  }
}

/** How many bits of a word of 32 are set. */
function bitCount(word: number): number {
  const pairs = (word - ((word >>> 1) & 0x55555555)) | 0;
  const fours = ((pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333)) | 0;
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
