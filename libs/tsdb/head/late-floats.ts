/**
 * Float samples of a range that came out of order: a small sorted buffer per series that has any, beside its chunks.
 * Owns the buffers. Does not own where they go when they are full (head-range.ts). Of two values at one time only the one that
 * the merge would answer is kept: the merge may be applied early (libs/series/merge.ts).
 */
import { ChunkEncoding } from '../../model/encoding/chunk.ts';
import { appendXor, beginXorChunk, XorState } from '../../model/encoding/float-chunk.ts';
import { appendXor2, beginXor2Chunk, Xor2State } from '../../model/encoding/float-st-chunk.ts';
import { compareFloatBits } from '../../series/merge.ts';
import { RowTable } from './row-table.ts';
import { WordArena, wordOffsetMask, wordPageShift } from './word-arena.ts';

/** A full buffer becomes a chunk. */
export const lateSamplesMax = 32;
const firstCapacity = 4;

const countWord = 0;
const capacityWord = 1;
const addressWord = 2;
const rowWords = 3;

/** A sample: time from the begin of the range, value (high word, low word), start time as a float64 (low word, high word). */
export const lateSampleWords = 5;

const chunkBytesMax = 3 + lateSamplesMax * 29;

export type LateOutcome = 'stored' | 'duplicate' | 'conflict';

/** Late samples as a chunk; its times count from the begin of the range. */
export interface LateChunk {
  readonly encoding: ChunkEncoding;
  readonly minT: number;
  readonly maxT: number;
  readonly bytes: Uint8Array;
}

const scratch = new Float64Array(2);
const scratchWords = new Uint32Array(scratch.buffer);

function compareBits(aHi: number, aLo: number, bHi: number, bLo: number): number {
  scratchWords[0] = aLo;
  scratchWords[1] = aHi;
  scratchWords[2] = bLo;
  scratchWords[3] = bHi;
  return compareFloatBits(aHi, aLo, scratch[0], bHi, bLo, scratch[1]);
}

export class LateFloats {
  readonly #rows = new RowTable(rowWords);
  readonly #arena = new WordArena();
  /** Blocks that were outgrown, by capacity. */
  readonly #free = new Map<number, number[]>();

  /** Memory taken. */
  get bytes(): number {
    return this.#rows.bytes + this.#arena.bytes;
  }

  /** Begins an empty buffer; returns its number. */
  addBuffer(): number {
    return this.#rows.add();
  }

  count(buffer: number): number {
    return this.#rows.get(buffer, countWord);
  }

  /** Word `word` (see lateSampleWords) of sample `index`. */
  word(buffer: number, index: number, word: number): number {
    const address = this.#rows.get(buffer, addressWord) >>> 0;
    return this.#arena.pages[address >>> wordPageShift][(address & wordOffsetMask) + index * lateSampleWords + word];
  }

  startTime(buffer: number, index: number): number {
    scratchWords[0] = this.word(buffer, index, 3);
    scratchWords[1] = this.word(buffer, index, 4);
    return scratch[0];
  }

  clear(buffer: number): void {
    this.#rows.set(buffer, countWord, 0);
  }

  /** Takes in a sample; the buffer must have fewer than lateSamplesMax. */
  insert(buffer: number, t: number, st: number, vHi: number, vLo: number): LateOutcome {
    const count = this.count(buffer);
    let index = count;
    while (index > 0 && this.word(buffer, index - 1, 0) > t) index--;
    if (index > 0 && this.word(buffer, index - 1, 0) === t) {
      const order = compareBits(vHi, vLo, this.word(buffer, index - 1, 1) | 0, this.word(buffer, index - 1, 2) | 0);
      if (order > 0) this.#write(buffer, index - 1, t, st, vHi, vLo);
      return order === 0 ? 'duplicate' : 'conflict';
    }
    if (count === this.#rows.get(buffer, capacityWord)) this.#grow(buffer, count);
    const address = this.#rows.get(buffer, addressWord) >>> 0;
    const page = this.#arena.pages[address >>> wordPageShift];
    const begin = (address & wordOffsetMask) + index * lateSampleWords;
    page.copyWithin(begin + lateSampleWords, begin, begin + (count - index) * lateSampleWords);
    this.#rows.set(buffer, countWord, count + 1);
    this.#write(buffer, index, t, st, vHi, vLo);
    return 'stored';
  }

  /**
   * The samples as a chunk; undefined if there is none.
   * @param begin of the range
   * @param known left out are those of the samples whose element is 1
   */
  chunk(buffer: number, begin: number, known: Uint8Array | undefined): LateChunk | undefined {
    const count = this.count(buffer);
    if (count === 0) return undefined;
    let withStartTimes = false;
    for (let i = 0; i < count; i++) if (this.startTime(buffer, i) !== 0) withStartTimes = true;
    const bytes = new Uint8Array(chunkBytesMax);
    const state = withStartTimes ? new Xor2State() : new XorState();
    if (state instanceof Xor2State) beginXor2Chunk(state, bytes, 0);
    else beginXorChunk(state, bytes, 0);
    let minT = -1;
    let maxT = -1;
    for (let i = 0; i < count; i++) {
      if (known !== undefined && known[i] === 1) continue;
      maxT = this.word(buffer, i, 0);
      if (minT < 0) minT = maxT;
      const vHi = this.word(buffer, i, 1) | 0;
      const vLo = this.word(buffer, i, 2) | 0;
      if (state instanceof Xor2State) appendXor2(state, this.startTime(buffer, i), begin + maxT, vHi, vLo);
      else appendXor(state, begin + maxT, vHi, vLo);
    }
    if (minT < 0) return undefined;
    const encoding = withStartTimes ? ChunkEncoding.xor2 : ChunkEncoding.xor;
    return { encoding, minT, maxT, bytes: bytes.subarray(0, (state.bitPosition + 7) >>> 3) };
  }

  #write(buffer: number, index: number, t: number, st: number, vHi: number, vLo: number): void {
    const address = this.#rows.get(buffer, addressWord) >>> 0;
    const page = this.#arena.pages[address >>> wordPageShift];
    const at = (address & wordOffsetMask) + index * lateSampleWords;
    scratch[0] = st;
    page[at] = t;
    page[at + 1] = vHi;
    page[at + 2] = vLo;
    page[at + 3] = scratchWords[0];
    page[at + 4] = scratchWords[1];
  }

  #grow(buffer: number, count: number): void {
    const capacity = Math.max(firstCapacity, count * 2);
    const address = this.#free.get(capacity)?.pop() ?? this.#arena.allocate(capacity * lateSampleWords);
    if (count > 0) {
      const from = this.#rows.get(buffer, addressWord) >>> 0;
      const begin = from & wordOffsetMask;
      const source = this.#arena.pages[from >>> wordPageShift].subarray(begin, begin + count * lateSampleWords);
      this.#arena.pages[address >>> wordPageShift].set(source, address & wordOffsetMask);
      const free = this.#free.get(count);
      if (free === undefined) this.#free.set(count, [from]);
      else free.push(from);
    }
    this.#rows.set(buffer, addressWord, address);
    this.#rows.set(buffer, capacityWord, capacity);
  }
}
