/**
 * An instant vector selector: at each step the last sample that is not older than the lookback.
 * Owns lookback (left-open) and staleness: a marker ends the series until its next sample.
 */
import { Failure } from '../../../errors/failure.ts';
import { Labels } from '../../../model/labels.ts';
import { isStaleNaN } from '../../../model/stale.ts';
import type { SampleColumns } from '../../../series/sample-columns.ts';
import type { VectorSelectorNode } from '../../plan/logical-plan.ts';
import { type ExecutionContext, histogramSamples, pointSamples } from '../execution-context.ts';
import type { Grid } from '../grid.ts';
import type { OutputSeries, VectorOperator } from '../operator.ts';
import { formatLabels } from '../series-labels.ts';
import type { StepColumn } from '../step-column.ts';
import { instantSelectQuery } from './select-queries.ts';
import { OpenSelection, outputSeries } from './selection.ts';

/** What of the sample found is given: its value, when it was taken, or since when it counts. An info sample must be a float. */
type SampleAspect = 'value' | 'timestampMs' | 'startTimestampMs' | 'infoTimestampMs';

export class VectorSelectorScan implements VectorOperator {
  readonly #context: ExecutionContext;
  readonly #node: VectorSelectorNode;
  readonly #grid: Grid;
  readonly #aspect: SampleAspect;
  readonly #lookbackMs: number;
  #selection: OpenSelection | undefined;
  #held = 0;
  #nextSeries = 0;

  /** @param lookbackMs how far back it looks, unless it is as far as the query does */
  constructor(
    context: ExecutionContext,
    node: VectorSelectorNode,
    grid: Grid,
    aspect: SampleAspect = 'value',
    lookbackMs: number = context.lookbackMs,
  ) {
    this.#context = context;
    this.#node = node;
    this.#grid = grid;
    this.#aspect = aspect;
    this.#lookbackMs = lookbackMs;
  }

  series(): readonly OutputSeries[] {
    const query = instantSelectQuery(this.#node, this.#grid, this.#lookbackMs);
    this.#selection = new OpenSelection(this.#context, query, this.#node);
    return outputSeries(this.#context, this.#selection.labels, false);
  }

  next(out: StepColumn): void {
    const columns = this.#selection?.next();
    if (columns === undefined) return;
    this.#nextSeries++;
    const samples = this.#pick(columns, out);
    this.#context.worked(this.#grid.stepCount);
    this.#context.counts.addColumn(out, samples, pointSamples);
    this.#context.holdSamples(samples);
    this.#held += samples;
  }

  done(): void {
    this.#selection?.done();
    this.#context.releaseSamples(this.#held);
  }

  /** Returns how many samples the points count for. */
  #pick(columns: SampleColumns, out: StepColumn): number {
    const { t, v, vBits, st, h, packed = null, length } = columns;
    const { startMs, stepMs, stepCount } = this.#grid;
    const { atMs, offsetMs } = this.#node;
    const lookbackMs = this.#lookbackMs;
    const aspect = this.#aspect;
    let samples = 0;
    // One past the last sample that is not after the time looked at.
    let after = 0;
    for (let step = 0; step < stepCount; step++) {
      const time = (atMs ?? startMs + step * stepMs) - offsetMs;
      while (after < length && t[after] <= time) after++;
      const row = after - 1;
      if (row < 0 || t[row] <= time - lookbackMs) continue;
      const histogram = packed?.has(row) === true ? packed.at(row) : h === null ? null : (h[row] ?? null);
      if (histogram === null ? isStaleNaN(vBits[2 * row + 1], vBits[2 * row]) : histogram.stale) continue;
      if (aspect !== 'value') {
        if (aspect === 'infoTimestampMs' && histogram !== null) throw this.#noInfo();
        out.setFloat(step, aspect === 'startTimestampMs' ? (st?.[row] ?? 0) : t[row]);
        samples++;
      } else if (histogram === null) {
        out.setFloat(step, v[row]);
        samples++;
      } else {
        out.setHistogram(step, histogram);
        samples += histogramSamples(histogram);
      }
    }
    return samples;
  }

  #noInfo(): Failure {
    const labels = this.#selection?.labels[this.#nextSeries - 1] ?? Labels.empty;
    return new Failure('execution', `this should be an info metric, with float samples: ${formatLabels(labels)}`);
  }
}
