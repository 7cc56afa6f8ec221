/**
 * Histogram samples of a range that came out of order: a short sorted list per slot that has any, beside its chunks.
 * Owns the lists, and the chunks that they become. Does not own when (head-range.ts). Of two histograms at one time only the one that
 * the merge would answer is kept, as in late-floats.ts.
 */
import { appendHistogram, beginHistogramChunk, type OpenHistogramChunk } from '../../model/encoding/histogram-chunk.ts';
import type { Histogram } from '../../model/histogram.ts';
import { compareHistograms } from '../../series/merge.ts';
import type { LateChunk, LateOutcome } from './late-floats.ts';

/** A full list becomes chunks. */
const listMax = 32;
/** Above so many in all lists every list is full: each histogram is objects of more than a kilobyte in the heap of the process. */
const histogramsMax = 8192;

interface LateHistogram {
  /** From the begin of the range. */
  readonly t: number;
  readonly st: number;
  readonly h: Histogram;
}

const noChunks: readonly LateChunk[] = [];

export class LateHistograms {
  readonly #bySlot = new Map<number, LateHistogram[]>();
  #total = 0;

  insert(slot: number, t: number, st: number, h: Histogram): LateOutcome {
    let list = this.#bySlot.get(slot);
    if (list === undefined) {
      list = [];
      this.#bySlot.set(slot, list);
    }
    let index = list.length;
    while (index > 0 && list[index - 1].t > t) index--;
    if (index > 0 && list[index - 1].t === t) {
      const order = compareHistograms(h, list[index - 1].h);
      if (order > 0) list[index - 1] = { t, st, h };
      return order === 0 ? 'duplicate' : 'conflict';
    }
    list.splice(index, 0, { t, st, h });
    this.#total++;
    return 'stored';
  }

  isFull(slot: number): boolean {
    return this.count(slot) >= listMax || this.#total > histogramsMax;
  }

  /** Those of a slot. */
  count(slot: number): number {
    return this.#bySlot.get(slot)?.length ?? 0;
  }

  clear(slot: number): void {
    this.#total -= this.count(slot);
    this.#bySlot.delete(slot);
  }

  /**
   * The list in order of time: as many chunks as resets and changes of layout make.
   * @param begin of the range
   */
  chunks(slot: number, begin: number): readonly LateChunk[] {
    const list = this.#bySlot.get(slot);
    if (list === undefined) return noChunks;
    const chunks: LateChunk[] = [];
    let open: OpenHistogramChunk | null = null;
    let minT = 0;
    let maxT = 0;
    const close = () => {
      if (open !== null) chunks.push({ encoding: open.encoding, minT, maxT, bytes: open.bytes() });
    };
    for (const { t, st, h } of list) {
      const next: OpenHistogramChunk =
        open === null ? beginHistogramChunk(null, st, begin + t, h) : appendHistogram(open, st, begin + t, h);
      if (next !== open) {
        close();
        minT = t;
      }
      open = next;
      maxT = t;
    }
    close();
    return chunks;
  }
}
