/**
 * count, group, min, max, stddev, stdvar and quantile of a group. The first two take histograms, the others pass over them with
 * an info. Deviations are plain Welford, not compensated, as in Prometheus promql/engine.go (aggregation).
 */
import { type Place, words } from '../annotations.ts';
import type { ExecutionContext } from '../execution-context.ts';
import { quantileOfSorted, sortNumbers } from '../quantile.ts';
import { PointKind, type StepColumn } from '../step-column.ts';
import type { Accumulator } from './aggregation.ts';

const bytesPerStep = 8;

/** Number of points, or 1 wherever there is any. */
export class CountAccumulator implements Accumulator {
  readonly #context: ExecutionContext;
  readonly #counts: Float64Array;
  readonly #result: 'count' | 'one';

  constructor(context: ExecutionContext, stepCount: number, result: 'count' | 'one') {
    this.#context = context;
    context.takeMemory(stepCount * bytesPerStep);
    this.#counts = new Float64Array(stepCount);
    this.#result = result;
  }

  add({ kinds }: StepColumn): void {
    const counts = this.#counts;
    for (let step = 0; step < kinds.length; step++) if (kinds[step] !== PointKind.none) counts[step]++;
  }

  finish(out: StepColumn): void {
    const counts = this.#counts;
    for (let step = 0; step < counts.length; step++) {
      if (counts[step] > 0) out.setFloat(step, this.#result === 'count' ? counts[step] : 1);
    }
    this.#context.giveMemory(counts.length * bytesPerStep);
  }
}

/** Says that histograms were passed over. */
function noteIgnored(context: ExecutionContext, column: StepColumn, name: string, place: Place): void {
  if (!column.hasHistograms) return;
  for (let step = 0; step < column.stepCount; step++) {
    if (column.kinds[step] === PointKind.histogram) {
      context.annotations.info(words.ignoredInAggregation(name), place);
      return;
    }
  }
}

/** min or max: any number is better than NaN. */
export class ExtremeAccumulator implements Accumulator {
  readonly #context: ExecutionContext;
  readonly #place: Place;
  readonly #which: 'min' | 'max';
  readonly #seen: Uint8Array;
  readonly #values: Float64Array;

  constructor(context: ExecutionContext, place: Place, stepCount: number, which: 'min' | 'max') {
    this.#context = context;
    this.#place = place;
    this.#which = which;
    context.takeMemory(stepCount * bytesPerStep);
    this.#seen = new Uint8Array(stepCount);
    this.#values = new Float64Array(stepCount);
  }

  add(column: StepColumn): void {
    noteIgnored(this.#context, column, this.#which, this.#place);
    const { kinds, values } = column;
    const best = this.#values;
    const isMax = this.#which === 'max';
    for (let step = 0; step < kinds.length; step++) {
      if (kinds[step] !== PointKind.float) continue;
      const value = values[step];
      const known = best[step];
      if (this.#seen[step] === 0 || (isMax ? known < value : known > value) || Number.isNaN(known)) best[step] = value;
      this.#seen[step] = 1;
    }
  }

  finish(out: StepColumn): void {
    for (let step = 0; step < this.#seen.length; step++) {
      if (this.#seen[step] === 1) out.setFloat(step, this.#values[step]);
    }
    this.#context.giveMemory(this.#seen.length * bytesPerStep);
  }
}

export class DeviationAccumulator implements Accumulator {
  readonly #context: ExecutionContext;
  readonly #place: Place;
  readonly #which: 'stddev' | 'stdvar';
  readonly #counts: Float64Array;
  readonly #means: Float64Array;
  readonly #squares: Float64Array;

  constructor(context: ExecutionContext, place: Place, stepCount: number, which: 'stddev' | 'stdvar') {
    this.#context = context;
    this.#place = place;
    this.#which = which;
    context.takeMemory(3 * stepCount * bytesPerStep);
    this.#counts = new Float64Array(stepCount);
    this.#means = new Float64Array(stepCount);
    this.#squares = new Float64Array(stepCount);
  }

  add(column: StepColumn): void {
    noteIgnored(this.#context, column, this.#which, this.#place);
    const { kinds, values } = column;
    for (let step = 0; step < kinds.length; step++) {
      if (kinds[step] !== PointKind.float) continue;
      const value = values[step];
      const count = ++this.#counts[step];
      if (count === 1) {
        this.#means[step] = value;
        this.#squares[step] = Number.isFinite(value) ? 0 : Number.NaN;
        continue;
      }
      const delta = value - this.#means[step];
      this.#means[step] += delta / count;
      this.#squares[step] += delta * (value - this.#means[step]);
    }
  }

  finish(out: StepColumn): void {
    for (let step = 0; step < this.#counts.length; step++) {
      const count = this.#counts[step];
      if (count === 0) continue;
      const variance = this.#squares[step] / count;
      out.setFloat(step, this.#which === 'stdvar' ? variance : Math.sqrt(variance));
    }
    this.#context.giveMemory(3 * this.#counts.length * bytesPerStep);
  }
}

/** How much more work sorting is than adding. */
const workPerSortedPoint = 10;

/** Holds the points of all members: a quantile needs them all. */
export class QuantileAccumulator implements Accumulator {
  readonly #context: ExecutionContext;
  readonly #place: Place;
  readonly #qs: Float64Array;
  readonly #columns: StepColumn[] = [];

  /** @param qs one per step */
  constructor(context: ExecutionContext, place: Place, qs: Float64Array) {
    this.#context = context;
    this.#place = place;
    this.#qs = qs;
  }

  add(column: StepColumn): void {
    noteIgnored(this.#context, column, 'quantile', this.#place);
    const copy = this.#context.takeColumn(column.stepCount);
    copy.kinds.set(column.kinds);
    copy.values.set(column.values);
    this.#columns.push(copy);
  }

  finish(out: StepColumn): void {
    const room = new Float64Array(this.#columns.length);
    for (let step = 0; step < out.stepCount; step++) {
      let count = 0;
      this.#context.worked(this.#columns.length);
      for (const { kinds, values } of this.#columns) if (kinds[step] === PointKind.float) room[count++] = values[step];
      if (count === 0) continue;
      const present = room.subarray(0, count);
      sortNumbers(present);
      out.setFloat(step, quantileOfSorted(this.#qs[step], present));
      this.#context.worked(workPerSortedPoint * count);
    }
    for (const column of this.#columns) this.#context.giveColumn(column);
  }
}
