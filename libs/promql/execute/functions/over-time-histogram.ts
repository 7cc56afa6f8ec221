/**
 * Sum and mean of the histograms in a window. Also the running sum and mean that the aggregations use.
 * Owns the compensation, the switch to a step by step mean before an overflow, and what is to be said about resets and bounds.
 * Facts: Prometheus promql/functions.go (funcAvgOverTime, funcSumOverTime), engine.go (aggregation).
 */
import { type Histogram, ResetHint } from '../../../model/histogram.ts';
import { AlignedTotal, areComparable, areFewestSpans } from '../../../model/histogram-aligned.ts';
import {
  addHistograms,
  addHistogramsKahan,
  divideHistogram,
  hasOverflow,
  multiplyHistogram,
} from '../../../model/histogram-arithmetic.ts';
import type { KernelInput } from './range-function.ts';

/** A sum of histograms under way. */
export class HistogramTotal {
  #sum: Histogram;
  #lost: Histogram | undefined;
  /** The sum and what it lost, as long as all that comes has the same buckets; then `#sum` and `#lost` are behind. */
  #aligned: AlignedTotal | undefined;
  /** The mean so far, once the sum would have overflown; then `#lost` belongs to it. */
  #mean: Histogram | undefined;
  #resetSeen = false;
  #notResetSeen = false;
  boundsReconciled = false;

  constructor(first: Histogram) {
    this.#sum = first;
    this.#see(first);
  }

  /** Two samples said opposite things about a counter reset. */
  get resetCollision(): boolean {
    return this.#resetSeen && this.#notResetSeen;
  }

  /** Adds one more. False where its buckets are of another kind: then the total is of no use any more. */
  add(h: Histogram): boolean {
    this.#see(h);
    if (this.#addAligned(h, 'any')) return true;
    const added = addHistogramsKahan(this.#sum, this.#lost, h);
    if (added === null) return false;
    if (added.boundsReconciled) this.boundsReconciled = true;
    this.#sum = added.histogram;
    this.#lost = added.compensation;
    return true;
  }

  /** Adds in place what has the same buckets and, if so wanted, gives a finite sum. Else `#sum` is up to date afterwards. */
  #addAligned(h: Histogram, wanted: 'any' | 'finite'): boolean {
    if (this.#aligned === undefined && areComparable(this.#sum, h) && hasFewestSpans(this.#sum)) {
      this.#aligned = new AlignedTotal(this.#sum, this.#lost);
    }
    if (this.#aligned?.takes(h) === true && (wanted === 'any' || !this.#aligned.overflowsWith(h))) {
      this.#aligned.add(h);
      return true;
    }
    this.#endAligned();
    return false;
  }

  #endAligned(): void {
    if (this.#aligned === undefined) return;
    this.#sum = this.#aligned.sum();
    this.#lost = this.#aligned.lost();
    this.#aligned = undefined;
  }

  /** As add, for a mean: `count` is how many there are with this one. */
  addToMean(h: Histogram, count: number): boolean {
    this.#see(h);
    if (this.#mean === undefined) {
      if (this.#addAligned(h, 'finite')) return true;
      const added = addHistogramsKahan(this.#sum, this.#lost, h);
      if (added === null) return false;
      if (added.boundsReconciled) this.boundsReconciled = true;
      if (!hasOverflow(added.histogram)) {
        this.#sum = added.histogram;
        this.#lost = added.compensation;
        return true;
      }
      this.#mean = divideHistogram(this.#sum, count - 1);
      if (this.#lost !== undefined) this.#lost = divideHistogram(this.#lost, count - 1);
    }
    const kept = (count - 1) / count;
    const lost = this.#lost === undefined ? undefined : multiplyHistogram(this.#lost, kept);
    const added = addHistogramsKahan(multiplyHistogram(this.#mean, kept), lost, divideHistogram(h, count));
    if (added === null) return false;
    if (added.boundsReconciled) this.boundsReconciled = true;
    this.#mean = added.histogram;
    this.#lost = added.compensation;
    return true;
  }

  sum(): Histogram {
    this.#endAligned();
    return this.#withLost(this.#sum, this.#lost);
  }

  mean(count: number): Histogram {
    this.#endAligned();
    if (this.#mean !== undefined) return this.#withLost(this.#mean, this.#lost);
    return this.#withLost(
      divideHistogram(this.#sum, count),
      this.#lost === undefined ? undefined : divideHistogram(this.#lost, count),
    );
  }

  #withLost(h: Histogram, lost: Histogram | undefined): Histogram {
    if (lost === undefined) return h;
    return addHistograms(h, lost)?.histogram ?? h;
  }

  #see({ resetHint }: Histogram): void {
    if (resetHint === ResetHint.reset) this.#resetSeen = true;
    else if (resetHint === ResetHint.notReset) this.#notResetSeen = true;
  }
}

function hasFewestSpans({ positiveSpans, negativeSpans }: Histogram): boolean {
  return areFewestSpans(positiveSpans) && areFewestSpans(negativeSpans);
}

/** Sum over the histograms of a window; undefined, with a note, where they do not go together. */
export function sumHistograms({ samples, notes }: KernelInput, begin: number, end: number): Histogram | undefined {
  const total = new HistogramTotal(samples.histograms[begin] as Histogram);
  for (let i = begin + 1; i < end; i++) {
    if (!total.add(samples.histograms[i] as Histogram)) {
      notes.mixedExponentialCustom();
      return undefined;
    }
  }
  if (total.resetCollision) notes.resetCollision('aggregation');
  if (total.boundsReconciled) notes.reconciledBuckets('aggregation');
  return total.sum();
}

/** Mean of the histograms of a window, as sumHistograms. */
export function averageHistogram({ samples, notes }: KernelInput, begin: number, end: number): Histogram | undefined {
  const total = new HistogramTotal(samples.histograms[begin] as Histogram);
  for (let i = begin + 1; i < end; i++) {
    if (!total.addToMean(samples.histograms[i] as Histogram, i - begin + 1)) {
      notes.mixedExponentialCustom();
      return undefined;
    }
  }
  if (total.resetCollision) notes.resetCollision('aggregation');
  if (total.boundsReconciled) notes.reconciledBuckets('aggregation');
  return total.mean(end - begin);
}
