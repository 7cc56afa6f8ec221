/**
 * sum and avg of a group, floats compensated (Neumaier), histograms added bucket by bucket.
 * A step where both kinds meet, or histograms of unlike buckets, gives no point, with a warning.
 * Facts: Prometheus promql/engine.go (aggregation).
 */

import { compactHistogram } from '../../../model/histogram-arithmetic.ts';
import type { Labels } from '../../../model/labels.ts';
import { metricName } from '../../../model/labels.ts';
import { type Annotations, type Place, words } from '../annotations.ts';
import type { ExecutionContext } from '../execution-context.ts';
import { HistogramTotal } from '../functions/over-time-histogram.ts';
import { PointKind, type StepColumn } from '../step-column.ts';
import type { Accumulator } from './aggregation.ts';

const hasFloat = 1;
const hasHistogram = 2;
const incompatible = 4;
/** How much more work it is to add a histogram than a float. */
const workPerHistogram = 20;
const bytesPerStepOfSum = 17;
const bytesPerStepOfMean = 34;

/** Histograms of a group, by step. */
class HistogramTotals {
  readonly #totals: (HistogramTotal | undefined)[] = [];
  readonly #annotations: Annotations;
  readonly #place: Place;
  readonly #seen: Uint8Array;

  constructor(annotations: Annotations, place: Place, seen: Uint8Array) {
    this.#annotations = annotations;
    this.#place = place;
    this.#seen = seen;
  }

  /** Adds the histogram of a step. For a mean, `count` says how many points there are with this one. */
  add(column: StepColumn, step: number, metric: Labels, count: number | undefined): void {
    const seen = this.#seen[step];
    const h = column.histogramAt(step);
    this.#seen[step] |= hasHistogram;
    if (seen === 0) {
      this.#totals[step] = new HistogramTotal(h);
      return;
    }
    // Where a float came first the step is lost anyway.
    const total = this.#totals[step];
    if (total === undefined) return;
    const fits = count === undefined ? total.add(h) : total.addToMean(h, count);
    if (!fits) {
      this.#annotations.warn(words.mixedExponentialCustom(metric.get(metricName)), this.#place);
      this.#seen[step] |= incompatible;
      return;
    }
    if (!total.boundsReconciled) return;
    total.boundsReconciled = false;
    this.#annotations.info(words.reconciledBuckets('aggregation'), this.#place);
  }

  /** Gives the point of a step that has a histogram; `count` as in add. */
  finish(step: number, count: number | undefined, out: StepColumn): void {
    const seen = this.#seen[step];
    if ((seen & hasFloat) !== 0) {
      this.#annotations.warn(words.mixedInAggregation, this.#place);
      return;
    }
    const total = this.#totals[step];
    if ((seen & incompatible) !== 0 || total === undefined) return;
    if (total.resetCollision) this.#annotations.warn(words.resetCollision('aggregation'), this.#place);
    out.setHistogram(step, compactHistogram(count === undefined ? total.sum() : total.mean(count)));
  }
}

class SumAccumulator implements Accumulator {
  readonly #context: ExecutionContext;
  readonly #place: Place;
  readonly #seen: Uint8Array;
  readonly #sums: Float64Array;
  readonly #lost: Float64Array;
  #histograms: HistogramTotals | undefined;

  constructor(context: ExecutionContext, place: Place, stepCount: number) {
    this.#context = context;
    this.#place = place;
    context.takeMemory(stepCount * bytesPerStepOfSum);
    this.#seen = new Uint8Array(stepCount);
    this.#sums = new Float64Array(stepCount);
    this.#lost = new Float64Array(stepCount);
  }

  add(column: StepColumn, metric: Labels): void {
    addFloats(column, this.#seen, this.#sums, this.#lost);
    if (!column.hasHistograms) return;
    this.#histograms ??= new HistogramTotals(this.#context.annotations, this.#place, this.#seen);
    for (let step = 0; step < column.stepCount; step++) {
      if (column.kinds[step] !== PointKind.histogram || (this.#seen[step] & incompatible) !== 0) continue;
      this.#context.worked(workPerHistogram);
      this.#histograms.add(column, step, metric, undefined);
    }
  }

  finish(out: StepColumn): void {
    for (let step = 0; step < this.#seen.length; step++) {
      const seen = this.#seen[step];
      if (seen === hasFloat) out.setFloat(step, this.#sums[step] + this.#lost[step]);
      else if (seen !== 0) this.#histograms?.finish(step, undefined, out);
    }
    this.#context.giveMemory(this.#seen.length * bytesPerStepOfSum);
  }
}

function addFloats(column: StepColumn, seen: Uint8Array, sums: Float64Array, lost: Float64Array): void {
  const { kinds, values } = column;
  for (let step = 0; step < kinds.length; step++) {
    if (kinds[step] !== PointKind.float) continue;
    const value = values[step];
    if (seen[step] === 0) {
      seen[step] = hasFloat;
      sums[step] = value;
      continue;
    }
    if ((seen[step] & incompatible) !== 0) continue;
    seen[step] |= hasFloat;
    const sum = sums[step];
    const total = sum + value;
    if (total === Number.POSITIVE_INFINITY || total === Number.NEGATIVE_INFINITY) lost[step] = 0;
    else if (Math.abs(sum) >= Math.abs(value)) lost[step] += sum - total + value;
    else lost[step] += value - total + sum;
    sums[step] = total;
  }
}

class AverageAccumulator implements Accumulator {
  readonly #context: ExecutionContext;
  readonly #place: Place;
  readonly #seen: Uint8Array;
  /** The sum, or the mean where `#stepwise` says so. */
  readonly #sums: Float64Array;
  readonly #lost: Float64Array;
  readonly #counts: Float64Array;
  readonly #stepwise: Uint8Array;
  #histograms: HistogramTotals | undefined;

  constructor(context: ExecutionContext, place: Place, stepCount: number) {
    this.#context = context;
    this.#place = place;
    context.takeMemory(stepCount * bytesPerStepOfMean);
    this.#seen = new Uint8Array(stepCount);
    this.#sums = new Float64Array(stepCount);
    this.#lost = new Float64Array(stepCount);
    this.#counts = new Float64Array(stepCount);
    this.#stepwise = new Uint8Array(stepCount);
  }

  add(column: StepColumn, metric: Labels): void {
    const { kinds, values } = column;
    for (let step = 0; step < kinds.length; step++) {
      const kind = kinds[step];
      if (kind === PointKind.none || (this.#seen[step] & incompatible) !== 0) continue;
      const count = ++this.#counts[step];
      if (kind === PointKind.histogram) {
        this.#histograms ??= new HistogramTotals(this.#context.annotations, this.#place, this.#seen);
        this.#context.worked(workPerHistogram);
        this.#histograms.add(column, step, metric, count);
        continue;
      }
      const isFirst = this.#seen[step] === 0;
      this.#seen[step] |= hasFloat;
      if (isFirst) this.#sums[step] = values[step];
      else this.#addFloat(step, values[step], count);
    }
  }

  #addFloat(step: number, value: number, count: number): void {
    let sum = this.#sums[step];
    let lost = this.#lost[step];
    let term = value;
    if (this.#stepwise[step] === 0) {
      const total = sum + value;
      if (total !== Number.POSITIVE_INFINITY && total !== Number.NEGATIVE_INFINITY) {
        this.#lost[step] = lost + lostOf(sum, value, total);
        this.#sums[step] = total;
        return;
      }
      // The sum would overflow: from here on the mean is kept.
      this.#stepwise[step] = 1;
      sum /= count - 1;
      lost /= count - 1;
    }
    const kept = (count - 1) / count;
    sum *= kept;
    lost *= kept;
    term /= count;
    const total = sum + term;
    const infinite = total === Number.POSITIVE_INFINITY || total === Number.NEGATIVE_INFINITY;
    this.#lost[step] = infinite ? 0 : lost + lostOf(sum, term, total);
    this.#sums[step] = total;
  }

  finish(out: StepColumn): void {
    for (let step = 0; step < this.#seen.length; step++) {
      const seen = this.#seen[step];
      if (seen === 0) continue;
      const count = this.#counts[step];
      if (seen !== hasFloat) this.#histograms?.finish(step, count, out);
      else if (this.#stepwise[step] === 1) out.setFloat(step, this.#sums[step] + this.#lost[step]);
      else out.setFloat(step, this.#sums[step] / count + this.#lost[step] / count);
    }
    this.#context.giveMemory(this.#seen.length * bytesPerStepOfMean);
  }
}

/** What rounding took from sum + term = total. */
function lostOf(sum: number, term: number, total: number): number {
  return Math.abs(sum) >= Math.abs(term) ? sum - total + term : term - total + sum;
}

export function makeSum(context: ExecutionContext, place: Place, stepCount: number): Accumulator {
  return new SumAccumulator(context, place, stepCount);
}

export function makeAverage(context: ExecutionContext, place: Place, stepCount: number): Accumulator {
  return new AverageAccumulator(context, place, stepCount);
}
