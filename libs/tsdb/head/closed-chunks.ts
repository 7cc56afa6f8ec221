/**
 * Chunks of a range that take no more samples: their bytes, exactly as long as they are, and what is known of them.
 * Owns the bytes and the list of chunks of each series, which is linked from the newest to the oldest. Surprising: an address has more
 * than the 32 bits of its word, as two hours of some million series are more than 4 GiB; the others stand above the time of the first sample.
 */
import type { ChunkEncoding } from '../../model/encoding/chunk.ts';
import { arenaOffsetMask, arenaPageShift, ByteArena } from './byte-arena.ts';
import { RowTable } from './row-table.ts';

const previousWord = 0;
/** Time of the first sample and, above it, the address beyond 32 bits. */
const minTWord = 1;
const maxTWord = 2;
const addressWord = 3;
/** Length and, above it, the encoding. */
const lengthWord = 4;
const rowWords = 5;
const encodingShift = 28;
const lengthMask = (1 << encodingShift) - 1;
/** Two hours are 7,200,000 milliseconds. */
const timeBits = 23;
const timeMask = (1 << timeBits) - 1;
const addressBits = 64 - timeBits;
/** Pages that the lower 32 bits of an address tell apart. */
const lowPageBits = 32 - arenaPageShift;

export class ClosedChunks {
  readonly #arena = new ByteArena(addressBits);
  readonly #rows = new RowTable(rowWords);

  /** Memory taken. */
  get bytes(): number {
    return this.#arena.bytes + this.#rows.bytes;
  }

  get count(): number {
    return this.#rows.count;
  }

  /** Adds a chunk of `length` bytes, which the caller then writes to page(chunk)[offset(chunk)...]. Returns its number. */
  add(previous: number, encoding: ChunkEncoding, minT: number, maxT: number, length: number): number {
    const chunk = this.#rows.add();
    const address = this.#arena.allocate(length);
    this.#rows.set(chunk, previousWord, previous);
    this.#rows.set(chunk, minTWord, minT | (Math.floor(address / 2 ** 32) << timeBits));
    this.#rows.set(chunk, maxTWord, maxT);
    this.#rows.set(chunk, addressWord, address | 0);
    this.#rows.set(chunk, lengthWord, length | (encoding << encodingShift));
    return chunk;
  }

  /** The chunk added to the same list before this one, 0 if none was. */
  previous(chunk: number): number {
    return this.#rows.get(chunk, previousWord);
  }

  /** Times of the first and the last sample, from the begin of the range. */
  minT(chunk: number): number {
    return this.#rows.get(chunk, minTWord) & timeMask;
  }

  maxT(chunk: number): number {
    return this.#rows.get(chunk, maxTWord);
  }

  encoding(chunk: number): ChunkEncoding {
    return (this.#rows.get(chunk, lengthWord) >>> encodingShift) as ChunkEncoding; // written by add
  }

  length(chunk: number): number {
    return this.#rows.get(chunk, lengthWord) & lengthMask;
  }

  /** Where the bytes of a chunk lie. Valid until the next `add`. */
  page(chunk: number): Uint8Array {
    const high = this.#rows.get(chunk, minTWord) >>> timeBits;
    return this.#arena.pages[(high << lowPageBits) | (this.#rows.get(chunk, addressWord) >>> arenaPageShift)];
  }

  offset(chunk: number): number {
    return this.#rows.get(chunk, addressWord) & arenaOffsetMask;
  }
}
