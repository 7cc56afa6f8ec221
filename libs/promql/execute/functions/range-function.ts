/**
 * A function over range vectors: one kernel call per series, for all steps of it.
 * Owns the loop over series, the labels of the result, the scalar arguments and the annotations that rate and increase add. What a
 * window comes to is the kernel's. Facts: Prometheus promql/engine.go (eval of a Call with a matrix argument).
 */

import type { Labels } from '../../../model/labels.ts';
import { metricName } from '../../../model/labels.ts';
import { type Annotations, type HistogramOperation, type Place, words } from '../annotations.ts';
import { type ExecutionContext, histogramSamples, packedSamples } from '../execution-context.ts';
import type { OutputSeries, RangeOperator, RangeWindows, ScalarOperator, VectorOperator } from '../operator.ts';
import { type RangeSamples, unpackSamples, WindowBounds } from '../scan/range-samples.ts';
import { dropMetadata } from '../series-labels.ts';
import { withoutNames } from '../series-map.ts';
import { PointKind, type StepColumn } from '../step-column.ts';

/** What a kernel works on: one series, all steps. */
export interface KernelInput {
  readonly samples: RangeSamples;
  /** The samples of each step's window; windows without any sample give no point. */
  readonly bounds: WindowBounds;
  readonly windows: RangeWindows;
  /** Scalar arguments in order, one value per step. */
  readonly scalars: readonly Float64Array[];
  readonly notes: KernelNotes;
  /** To be told how many samples were looked at, by kernels that look at them more than once; may throw to end it. */
  worked(samples: number): void;
}

/** Computes the points of all steps. */
export type RangeKernel = (input: KernelInput, out: StepColumn) => void;

/** What a kernel has to say about the series at hand; each thing is passed on once a series. */
export class KernelNotes {
  readonly #annotations: Annotations;
  readonly #place: Place;
  #said = new Set<string>();
  metric = '';

  constructor(annotations: Annotations, place: Place) {
    this.#annotations = annotations;
    this.#place = place;
  }

  beginSeries(metric: string): void {
    this.metric = metric;
    if (this.#said.size > 0) this.#said = new Set();
  }

  mixedFloatsHistograms(): void {
    this.#warnOnce('mixed', () => words.mixedFloatsHistograms(this.metric));
  }

  mixedExponentialCustom(): void {
    this.#warnOnce('schemas', () => words.mixedExponentialCustom(this.metric));
  }

  notCounter(): void {
    this.#warnOnce('counter', () => words.notCounter(this.metric));
  }

  notGauge(): void {
    this.#warnOnce('gauge', () => words.notGauge(this.metric));
  }

  resetCollision(operation: HistogramOperation): void {
    this.#warnOnce(`collision ${operation}`, () => words.resetCollision(operation));
  }

  reconciledBuckets(operation: HistogramOperation): void {
    this.#infoOnce(`reconciled ${operation}`, () => words.reconciledBuckets(operation));
  }

  ignoredHistograms(): void {
    this.#infoOnce('ignored', () => words.ignoredInMixedRange(this.metric));
  }

  invalidQuantile(q: number): void {
    this.#warnOnce(`quantile ${q}`, () => words.invalidQuantile(q));
  }

  /** Counts every window in which it is seen. */
  startTimeOverlap(): void {
    this.#annotations.warnOfOverlap(this.metric, this.#place);
  }

  possibleNonCounter(labels: Labels, typeAndUnitLabels: boolean): void {
    if (this.metric === '') return;
    if (typeAndUnitLabels) {
      const type = labels.get('__type__');
      if (type === 'counter' || type === 'histogram') return;
      this.#annotations.info(words.possibleNonCounterLabel(this.metric, type), this.#place);
      return;
    }
    if (/_(?:total|sum|count|bucket)$/.test(this.metric)) return;
    this.#annotations.info(words.possibleNonCounter(this.metric), this.#place);
  }

  #warnOnce(key: string, text: () => string): void {
    if (this.#said.has(key)) return;
    this.#said.add(key);
    this.#annotations.warn(text(), this.#place);
  }

  #infoOnce(key: string, text: () => string): void {
    if (this.#said.has(key)) return;
    this.#said.add(key);
    this.#annotations.info(text(), this.#place);
  }
}

interface RangeFunctionCall {
  readonly name: string;
  readonly kernel: RangeKernel;
  /** Whether the kernel takes packed histograms. */
  readonly takesPacked: boolean;
  readonly scalars: readonly ScalarOperator[];
  /** Where annotations point: the first argument. */
  readonly place: Place;
  /** Whether the range vector is a subquery. */
  readonly ofSubquery: boolean;
}

/** last_over_time and first_over_time are like an offset: the metric stays what it was. */
const nameKeepers: ReadonlySet<string> = new Set(['last_over_time', 'first_over_time']);

export class RangeFunction implements VectorOperator {
  readonly #context: ExecutionContext;
  readonly #source: RangeOperator;
  readonly #call: RangeFunctionCall;
  readonly #bounds: WindowBounds;
  readonly #boundsBytes: number;
  readonly #notes: KernelNotes;
  /** Samples that the histograms up to each count for together. */
  #sizes = new Float64Array(0);
  #inputs: readonly OutputSeries[] = [];
  /** Of all inputs, where they come without. */
  #name: string | undefined;
  #scalars: readonly Float64Array[] = [];
  #input: (KernelInput & { samples: RangeSamples }) | undefined;
  #nextSeries = 0;
  #held = 0;

  constructor(context: ExecutionContext, source: RangeOperator, call: RangeFunctionCall) {
    this.#context = context;
    this.#source = source;
    this.#call = call;
    const { stepCount } = source.windows.grid;
    this.#boundsBytes = WindowBounds.stepBytes * stepCount;
    context.takeMemory(this.#boundsBytes);
    this.#bounds = new WindowBounds(stepCount);
    this.#notes = new KernelNotes(context.annotations, call.place);
  }

  series(): readonly OutputSeries[] {
    const { delayedNameRemoval } = this.#context.flags;
    const keepsNames = nameKeepers.has(this.#call.name);
    const nameless = keepsNames || delayedNameRemoval ? undefined : this.#source.seriesWithoutNames?.();
    this.#name = nameless?.name;
    this.#inputs = nameless?.series ?? this.#source.series();
    this.#scalars = this.#call.scalars.map((scalar) => scalar.values());
    if (nameless !== undefined) return nameless.series;
    if (!keepsNames) return withoutNames(this.#context, this.#inputs);
    if (!this.#inputs.some(({ dropName }) => dropName)) return this.#inputs;
    return this.#inputs.map(({ labels, dropName }) => ({
      labels: dropName && !delayedNameRemoval ? dropMetadata(labels) : labels,
      dropName,
    }));
  }

  next(out: StepColumn): void {
    const series = this.#inputs[this.#nextSeries++] as OutputSeries;
    const samples = this.#source.next();
    if (!this.#call.takesPacked) unpackSamples(samples);
    const { windows } = this.#source;
    this.#notes.beginSeries(this.#name ?? series.labels.get(metricName));
    this.#bounds.place(samples, windows);
    this.#input ??= {
      samples,
      bounds: this.#bounds,
      windows,
      scalars: this.#scalars,
      notes: this.#notes,
      worked: (amount) => this.#context.worked(amount),
    };
    this.#input.samples = samples;
    if (samples.floatCount + samples.histogramCount > 0) this.#call.kernel(this.#input, out);
    this.#count(samples, out);
    const { name } = this.#call;
    if ((name === 'rate' || name === 'increase') && hasFloats(out)) {
      this.#notes.possibleNonCounter(series.labels, this.#context.flags.typeAndUnitLabels);
    }
  }

  done(): void {
    this.#source.done();
    this.#context.giveMemory(this.#boundsBytes);
    this.#context.releaseSamples(this.#held);
  }

  #sizesOf({ histograms, histogramCount, packed, packedRow }: RangeSamples): Float64Array {
    if (this.#sizes.length <= histogramCount) this.#sizes = new Float64Array(histogramCount + 1);
    const sizes = this.#sizes;
    for (let i = 0; i < histogramCount; i++) {
      const size = packed === null ? histogramSamples(histograms[i]) : packedSamples(packed.shapeAt(packedRow[i]));
      sizes[i + 1] = sizes[i] + size;
    }
    return sizes;
  }

  #count(samples: RangeSamples, out: StepColumn): void {
    const { floatBegin, floatEnd, histogramBegin, histogramEnd } = this.#bounds;
    const { counts } = this.#context;
    // What is in a subquery was counted as read there.
    const { ofSubquery } = this.#call;
    const { isByStep } = counts;
    const sizes = samples.histogramCount > 0 ? this.#sizesOf(samples) : undefined;
    let queried = 0;
    let read = 0;
    for (let step = 0, floatsBefore = 0, histogramsBefore = 0; step < floatBegin.length; step++) {
      let own = floatEnd[step] - floatBegin[step];
      let fresh = Math.max(0, floatEnd[step] - Math.max(floatBegin[step], floatsBefore));
      floatsBefore = Math.max(floatsBefore, floatEnd[step]);
      if (sizes !== undefined) {
        const end = histogramEnd[step];
        own += sizes[end] - sizes[histogramBegin[step]];
        fresh += sizes[end] - sizes[Math.min(end, Math.max(histogramBegin[step], histogramsBefore))];
        histogramsBefore = Math.max(histogramsBefore, end);
      }
      queried += own;
      read += fresh;
      if (isByStep) counts.addAt(step, own, ofSubquery ? 0 : fresh);
    }
    if (!isByStep) counts.add(queried, ofSubquery ? 0 : read);
    this.#context.worked(floatBegin.length);
    let held = 0;
    for (let step = 0; step < out.stepCount; step++) {
      if (out.kinds[step] === PointKind.float) held++;
      else if (out.kinds[step] === PointKind.histogram) held += histogramSamples(out.histogramAt(step));
    }
    // The samples of the series are held beside its points while it is worked on.
    const windowSamples = samples.floatCount + samples.histogramCount;
    this.#context.holdSamples(windowSamples);
    this.#context.releaseSamples(windowSamples);
    this.#context.holdSamples(held);
    this.#held += held;
  }
}

function hasFloats(column: StepColumn): boolean {
  for (let step = 0; step < column.stepCount; step++) if (column.kinds[step] === PointKind.float) return true;
  return false;
}
