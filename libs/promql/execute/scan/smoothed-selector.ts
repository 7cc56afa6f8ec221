/**
 * An instant vector selector with `smoothed`: at each step the value on the line between the samples around it, within a lookback
 * both ways; after the last sample its value goes on. Facts: Prometheus promql/engine.go (smoothSeries).
 */
import { type Histogram, ResetHint } from '../../../model/histogram.ts';
import { type Labels, metricName } from '../../../model/labels.ts';
import type { VectorSelectorNode } from '../../plan/logical-plan.ts';
import { type ExecutionContext, pointSamples } from '../execution-context.ts';
import { interpolate } from '../functions/extended-rate.ts';
import { interpolateHistograms } from '../functions/extended-rate-histogram.ts';
import { KernelNotes } from '../functions/range-function.ts';
import { isCustom } from '../functions/rate-histogram.ts';
import type { Grid } from '../grid.ts';
import type { OutputSeries, RangeWindows, VectorOperator } from '../operator.ts';
import type { StepColumn } from '../step-column.ts';
import { emptyRangeSamples, splitSamples, unpackSamples, WindowBounds } from './range-samples.ts';
import { instantSelectQuery } from './select-queries.ts';
import { OpenSelection, outputSeries } from './selection.ts';

/** How much more work it is to find a histogram between two than to pass a sample. */
const workPerHistogram = 100;

export class SmoothedSelectorScan implements VectorOperator {
  readonly #context: ExecutionContext;
  readonly #node: VectorSelectorNode;
  readonly #windows: RangeWindows;
  readonly #bounds: WindowBounds;
  readonly #boundsBytes: number;
  readonly #samples = emptyRangeSamples();
  readonly #notes: KernelNotes;
  #selection: OpenSelection | undefined;
  #nextSeries = 0;
  #held = 0;

  constructor(context: ExecutionContext, node: VectorSelectorNode, grid: Grid) {
    this.#context = context;
    this.#node = node;
    this.#windows = {
      grid,
      rangeMs: context.lookbackMs,
      offsetMs: node.offsetMs,
      fixedEndMs: node.atMs === undefined ? undefined : node.atMs - node.offsetMs,
      beforeMs: 0,
      afterMs: context.lookbackMs,
    };
    this.#boundsBytes = WindowBounds.stepBytes * grid.stepCount;
    context.takeMemory(this.#boundsBytes);
    this.#bounds = new WindowBounds(grid.stepCount);
    this.#notes = new KernelNotes(context.annotations, node);
  }

  series(): readonly OutputSeries[] {
    const query = instantSelectQuery(this.#node, this.#windows.grid, this.#context.lookbackMs);
    this.#selection = new OpenSelection(this.#context, query, this.#node);
    return outputSeries(this.#context, this.#selection.labels, false);
  }

  next(out: StepColumn): void {
    if (this.#selection === undefined) return;
    splitSamples(this.#selection.next(), false, this.#samples);
    unpackSamples(this.#samples);
    this.#bounds.place(this.#samples, this.#windows);
    this.#notes.beginSeries((this.#selection.labels[this.#nextSeries++] as Labels).get(metricName));
    for (let step = 0; step < out.stepCount; step++) this.#point(step, out);
    const points = out.pointCount();
    this.#context.counts.addColumn(out, points, pointSamples);
    this.#context.worked(out.stepCount);
    this.#context.holdSamples(points);
    this.#held += points;
  }

  done(): void {
    this.#selection?.done();
    this.#context.giveMemory(this.#boundsBytes);
    this.#context.releaseSamples(this.#held);
  }

  #point(step: number, out: StepColumn): void {
    const { floatBegin, floatEnd, histogramBegin, histogramEnd } = this.#bounds;
    const { grid, fixedEndMs, offsetMs } = this.#windows;
    const at = fixedEndMs ?? grid.startMs + step * grid.stepMs - offsetMs;
    const hasFloats = floatBegin[step] < floatEnd[step];
    const hasHistograms = histogramBegin[step] < histogramEnd[step];
    if (hasFloats && hasHistograms) {
      this.#notes.mixedFloatsHistograms();
    } else if (hasFloats) {
      const { floatT: t, floatV: v } = this.#samples;
      const i = firstNotBefore(t, floatBegin[step], floatEnd[step], at);
      if (i < floatEnd[step] && t[i] === at) out.setFloat(step, v[i]);
      else if (i > floatBegin[step] && i < floatEnd[step]) {
        out.setFloat(step, interpolate(t[i - 1], v[i - 1], t[i], v[i], at, false));
      } else if (i > floatBegin[step]) out.setFloat(step, v[i - 1]);
    } else if (hasHistograms) {
      this.#context.worked(workPerHistogram);
      const h = this.#histogramAt(histogramBegin[step], histogramEnd[step], at);
      if (h !== undefined) out.setHistogram(step, h);
    }
  }

  #histogramAt(begin: number, end: number, at: number): Histogram | undefined {
    const { histogramT: t, histograms } = this.#samples;
    const i = firstNotBefore(t, begin, end, at);
    if (i < end && t[i] === at) return histograms[i];
    if (i === begin) return undefined;
    const before = histograms[i - 1] as Histogram;
    if (i === end) return { ...before, resetHint: ResetHint.unknown };
    const after = histograms[i] as Histogram;
    if (isCustom(before) !== isCustom(after)) {
      this.#notes.mixedExponentialCustom();
      return undefined;
    }
    const isCounter = before.resetHint !== ResetHint.gauge || after.resetHint !== ResetHint.gauge;
    return interpolateHistograms(t[i - 1], before, t[i], after, at, isCounter, this.#notes);
  }
}

function firstNotBefore(t: Float64Array, begin: number, end: number, at: number): number {
  let i = begin;
  while (i < end && t[i] < at) i++;
  return i;
}
