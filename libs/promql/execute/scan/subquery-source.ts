/**
 * A subquery as a range vector: its expression, evaluated on a grid of its own, gives the samples.
 * Facts: Prometheus promql/engine.go (evalSubquery).
 */
import { type Histogram, ResetHint } from '../../../model/histogram.ts';
import type { SubqueryNode } from '../../plan/logical-plan.ts';
import type { ExecutionContext } from '../execution-context.ts';
import type { Grid } from '../grid.ts';
import type { OutputSeries, RangeOperator, RangeWindows, VectorOperator } from '../operator.ts';
import type { SubquerySteps } from '../sample-counts.ts';
import type { StepColumn } from '../step-column.ts';
import { PointKind } from '../step-column.ts';
import { emptyRangeSamples, type RangeSamples, samplesOfColumn } from './range-samples.ts';

/** Time and value. */
const bytesPerSample = 2 * Float64Array.BYTES_PER_ELEMENT;

export class SubquerySource implements RangeOperator {
  readonly windows: RangeWindows;
  readonly #context: ExecutionContext;
  readonly #inner: VectorOperator;
  readonly #innerGrid: Grid;
  readonly #steps: SubquerySteps;
  readonly #samples = emptyRangeSamples();
  #column: StepColumn | undefined;

  /** @param inner on the grid that subqueryGrid says */
  constructor(context: ExecutionContext, node: SubqueryNode, grid: Grid, inner: VectorOperator, innerGrid: Grid) {
    this.#context = context;
    this.#inner = inner;
    this.#innerGrid = innerGrid;
    this.#steps = { inner: innerGrid, outer: grid, offsetMs: node.offsetMs, rangeMs: node.rangeMs };
    this.windows = {
      grid,
      rangeMs: node.rangeMs,
      offsetMs: node.offsetMs,
      fixedEndMs: node.atMs === undefined ? undefined : node.atMs - node.offsetMs,
      beforeMs: 0,
      afterMs: 0,
    };
  }

  series(): readonly OutputSeries[] {
    this.#context.takeMemory(this.#samplesBytes);
    this.#column = this.#context.takeColumn(this.#innerGrid.stepCount);
    return this.#context.counts.within(this.#steps, () => this.#inner.series());
  }

  /** What the points take as samples, where every step has one. */
  get #samplesBytes(): number {
    return bytesPerSample * this.#innerGrid.stepCount;
  }

  next(): RangeSamples {
    const column = this.#column;
    if (column === undefined) return this.#samples;
    column.clear();
    this.#context.counts.within(this.#steps, () => this.#inner.next(column));
    if (column.hasHistograms) forgetResets(column);
    samplesOfColumn(this.#context, column, this.#innerGrid, this.#samples);
    return this.#samples;
  }

  done(): void {
    this.#inner.done();
    if (this.#column !== undefined) {
      this.#context.giveColumn(this.#column);
      this.#context.giveMemory(this.#samplesBytes);
    }
    this.#column = undefined;
  }
}

/** What a sample knows of resets is about the sample before it in storage, which need not be the one before it here. */
function forgetResets(column: StepColumn): void {
  for (let step = 0; step < column.stepCount; step++) {
    if (column.kinds[step] !== PointKind.histogram) continue;
    const h: Histogram = column.histogramAt(step);
    if (h.resetHint !== ResetHint.reset && h.resetHint !== ResetHint.notReset) continue;
    column.histograms[step] = { ...h, resetHint: ResetHint.unknown };
  }
}
