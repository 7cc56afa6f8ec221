/**
 * The series of a block in memory (series-columns.ts): when they are read, what they may take, and that it is given back.
 * Owns when that is worth it: once queries have read a good part of them one by one.
 */
import { seriesEnd } from './index-layout.ts';
import type { IndexLookup } from './index-lookup.ts';
import { SeriesColumns, type SeriesMemory } from './series-columns.ts';

/** All series are kept once queries have looked at so many of them: one in four. */
const keptFromPart = 1 / 4;

interface SeriesCounts {
  readonly numSeries: number;
  readonly numChunks: number;
}

export class KeptSeries {
  readonly #memory: SeriesMemory;
  readonly #stats: SeriesCounts;
  readonly #lookup: () => Promise<IndexLookup>;
  #reading: Promise<SeriesColumns | undefined> | undefined;
  /** Of those that are kept. */
  bytes = 0;
  #looked = 0;
  /** Counts readings and releases: a reading that is over when its turn is keeps nothing. */
  #turn = 0;
  #hasEnded = false;

  constructor(memory: SeriesMemory, stats: SeriesCounts, lookup: () => Promise<IndexLookup>) {
    this.#memory = memory;
    this.#stats = stats;
    this.#lookup = lookup;
  }

  columns(wanted: number): Promise<SeriesColumns | undefined> {
    this.#looked += wanted;
    if (this.#reading !== undefined) return this.#reading;
    if (this.#hasEnded || wanted === 0 || this.#looked < this.#stats.numSeries * keptFromPart) return nothing;
    const turn = ++this.#turn;
    // Where it cannot be read, each query reads what it needs, and says what is wrong with that.
    this.#reading = this.#read(turn).catch(() => undefined);
    return this.#reading;
  }

  release(): void {
    this.#memory.giveBack(this.bytes);
    this.bytes = 0;
    this.#looked = 0;
    this.#reading = undefined;
    this.#turn++;
  }

  async end(): Promise<void> {
    this.#hasEnded = true;
    await this.#reading;
    this.release();
  }

  async #read(turn: number): Promise<SeriesColumns | undefined> {
    const { numSeries: series, numChunks: chunks } = this.#stats;
    const lookup = await this.#lookup();
    const { toc } = lookup.index;
    // The least that an entry takes is 7 bytes, a chunk 3, a label 2; nearly all labels take more.
    const labels = Math.max(0, Math.ceil((seriesEnd(toc) - toc.series - 7 * series - 3 * chunks) / 2));
    const reserved = SeriesColumns.bytesOf(lookup, series, chunks, labels);
    if (!this.#memory.reserve(reserved)) {
      // Asked for again when as much was looked at once more.
      if (this.#turn === turn) this.release();
      return undefined;
    }
    let kept = 0;
    try {
      const columns = await SeriesColumns.read(lookup, { series, chunks, labels }, new AbortController().signal);
      if (columns !== undefined && this.#turn === turn) {
        kept = SeriesColumns.bytesOf(lookup, columns.seriesCount, columns.chunkCount, columns.labelCount);
        this.bytes = kept;
      }
      return columns;
    } finally {
      this.#memory.giveBack(reserved - kept);
    }
  }
}

const nothing: Promise<undefined> = Promise.resolve(undefined);
