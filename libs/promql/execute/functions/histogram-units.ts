/**
 * histogram_quantile, histogram_quantiles and histogram_fraction over a vector: which of its series make up one histogram, and the flow.
 * A classic histogram is all series that differ in `le` alone; a native one is a series. Both under the same labels at the same step is
 * a mistake: neither counts there, with a warning. Series are held until the last of their histogram came.
 * Facts: Prometheus promql/engine.go (resetHistograms), functions.go.
 */
import { Failure } from '../../../errors/failure.ts';
import type { Histogram } from '../../../model/histogram.ts';
import { type Labels, metricName } from '../../../model/labels.ts';
import { parseGoFloat } from '../../../model/parse-float.ts';
import { type Annotations, type Place, words } from '../annotations.ts';
import { type ExecutionContext, workPerLabels } from '../execution-context.ts';
import type { Grid } from '../grid.ts';
import type { OutputSeries, VectorOperator } from '../operator.ts';
import { dropMetadata, withLabel } from '../series-labels.ts';
import { withoutNames } from '../series-map.ts';
import { PointKind, type StepColumn } from '../step-column.ts';
import { sameLabelset } from '../unique-series.ts';
import { ClassicBuckets } from './classic-buckets.ts';
import { UnitNumbers } from './unit-numbers.ts';

/** How much more work it is to go through the buckets of a native histogram than to pass a sample. */
const workPerNative = 100;

/** One number of a histogram: a quantile or a fraction. */
export interface HistogramNumber {
  /** Set on the result, where there are several numbers of one histogram. */
  readonly label: { readonly name: string; readonly value: string } | undefined;
  /** Whether there is such a number at a step. */
  isAt(step: number): boolean;
  ofNative(step: number, h: Histogram, notes: HistogramNotes): number;
  ofClassic(step: number, buckets: ClassicBuckets): number;
}

/** What there is to say about one histogram. */
interface HistogramNotes {
  nan(what: 'result' | 'skew' | 'fraction'): void;
}

/** One histogram: its classic buckets, its native samples, or both. */
interface Unit {
  readonly labels: Labels;
  readonly metric: string;
  /** Upper bounds of its buckets, as they were met. */
  readonly bounds: number[];
  /** At one step alone: the counts there, of those buckets that have one. */
  readonly counts: number[];
  /** At several steps. */
  readonly buckets: StepColumn[];
  native: StepColumn | undefined;
  /** Number of the series that is the native histogram, where one is. */
  nativeIndex: number;
  /** Steps at which the buckets had to be mended: said once, however many numbers are asked for. */
  mendedAt: Set<number> | undefined;
  /** Series that have not come yet. */
  pending: number;
  /** Outputs that have not been given yet. */
  unread: number;
}

interface Output {
  readonly unit: Unit;
  readonly number: HistogramNumber;
}

export class HistogramUnits implements VectorOperator {
  readonly #context: ExecutionContext;
  readonly #input: VectorOperator;
  readonly #grid: Grid;
  readonly #prepare: () => readonly HistogramNumber[];
  readonly #place: Place;
  readonly #forced: ForcedNotes;
  #inputs: readonly OutputSeries[] = [];
  #bounds: (number | undefined)[] = [];
  /** Whether there is one step alone: then so many buckets are held that each is a number and no column. */
  readonly #isInstant: boolean;
  #order = new Uint32Array(64);
  #classic = new ClassicBuckets(64);
  #units: Unit[] = [];
  #unitOf = new Int32Array(0);
  /** What each series with an upper bound is, should it turn out to be a native histogram. */
  #ownUnits: (Unit | undefined)[] = [];
  #outputs: Output[] = [];
  #read = 0;
  #given = 0;

  /** @param prepare evaluates the other arguments and says what is wanted of each histogram */
  constructor(
    context: ExecutionContext,
    input: VectorOperator,
    grid: Grid,
    place: Place,
    prepare: () => readonly HistogramNumber[],
  ) {
    this.#context = context;
    this.#input = input;
    this.#grid = grid;
    this.#place = place;
    this.#prepare = prepare;
    this.#isInstant = grid.stepCount === 1;
    this.#forced = new ForcedNotes(context.annotations, place, grid);
  }

  series(): readonly OutputSeries[] {
    const numbers = this.#prepare();
    this.#inputs = this.#input.series();
    this.#findUnits();
    let units = this.#units;
    const perNumber = this.#isInstant;
    if (perNumber) {
      while (this.#read < this.#inputs.length) this.#readOne();
      // An instant query shows the order: native histograms come first.
      const natives = units.filter((unit) => unit.nativeIndex >= 0).sort((a, b) => a.nativeIndex - b.nativeIndex);
      units = [...natives, ...units.filter((unit) => unit.nativeIndex < 0)];
    }
    for (const unit of units) unit.unread = numbers.length;
    this.#outputs = perNumber
      ? numbers.flatMap((number) => units.map((unit) => ({ unit, number })))
      : units.flatMap((unit) => numbers.map((number) => ({ unit, number })));
    const delayed = this.#context.flags.delayedNameRemoval;
    const named = this.#outputs.map(({ unit }) => ({ labels: unit.labels, dropName: false }));
    // Units differ in more than `le`, which they do not have; of one number each, so do their results.
    const only = numbers.length === 1 && numbers[0]?.label === undefined;
    if (only) return withoutNames(this.#context, this.#hasOwnUnits() ? named : this.#context.distinct(named));
    return this.#outputs.map(({ unit, number }) => {
      const labels = delayed ? unit.labels : dropMetadata(unit.labels);
      const { label } = number;
      return { labels: label === undefined ? labels : withLabel(labels, label.name, label.value), dropName: true };
    });
  }

  #hasOwnUnits(): boolean {
    return this.#ownUnits.some((unit) => unit !== undefined);
  }

  next(out: StepColumn): void {
    const { unit, number } = this.#outputs[this.#given++] as Output;
    while (unit.pending > 0) this.#readOne();
    this.#evaluate(unit, number, out);
    unit.unread--;
    if (unit.unread === 0) this.#release(unit);
  }

  done(): void {
    while (this.#read < this.#inputs.length) this.#readOne();
    for (const unit of this.#units) this.#release(unit);
    this.#forced.flush();
    this.#input.done();
  }

  #findUnits(): void {
    const numbers = new UnitNumbers();
    this.#unitOf = new Int32Array(this.#inputs.length);
    this.#bounds = this.#parseBounds();
    this.#inputs.forEach(({ labels }, i) => {
      this.#context.worked(workPerLabels);
      const number = numbers.of(labels, this.#bounds[i] === undefined ? undefined : 'le');
      if (number === this.#units.length) this.#units.push(newUnit(numbers.labels[number] as Labels));
      (this.#units[number] as Unit).pending++;
      this.#unitOf[i] = number;
    });
    this.#ownUnits = new Array<Unit | undefined>(this.#inputs.length).fill(undefined);
    // In an instant query all is read before anything is given: they are made where they are needed.
    if (this.#isInstant) return;
    // Behind all others, so that all is read when their turn comes; nearly always they have nothing to give.
    this.#inputs.forEach(({ labels }, i) => {
      if (this.#bounds[i] !== undefined) this.#ownUnits[i] = this.#newOwnUnit(labels);
    });
  }

  #parseBounds(): (number | undefined)[] {
    // There are few of them, again and again.
    const known = new Map<string, number | undefined>();
    return this.#inputs.map(({ labels }) => {
      const text = labels.get('le');
      let bound = known.get(text);
      if (bound === undefined && !known.has(text)) {
        bound = parseGoFloat(text);
        known.set(text, bound);
      }
      return bound;
    });
  }

  #newOwnUnit(labels: Labels): Unit {
    const unit = newUnit(labels);
    this.#units.push(unit);
    return unit;
  }

  #readOne(): void {
    const index = this.#read++;
    const column = this.#context.takeColumn(this.#grid.stepCount);
    this.#input.next(column);
    const unit = this.#units[this.#unitOf[index]] as Unit;
    unit.pending--;
    const bound = this.#bounds[index];
    const { labels } = this.#inputs[index] as OutputSeries;
    const isNative = column.hasHistograms && column.kinds.includes(PointKind.histogram);
    if (bound === undefined) {
      if (column.kinds.includes(PointKind.float)) this.#badBound(labels);
      if (isNative) unit.nativeIndex = index;
      if (unit.native === undefined) unit.native = column;
      else this.#joinNative(unit.native, column);
      return;
    }
    if (isNative) this.#separateNative(index, column);
    if (!this.#isInstant) {
      unit.bounds.push(bound);
      unit.buckets.push(column);
      return;
    }
    if (column.kinds[0] === PointKind.float) {
      unit.bounds.push(bound);
      unit.counts.push(column.values[0]);
    }
    this.#context.giveColumn(column);
  }

  /** Before names go away two series may have the same labels, as those of `h or rate(h[5m])`: they take turns. */
  #joinNative(native: StepColumn, column: StepColumn): void {
    for (let step = 0; step < column.stepCount; step++) {
      if (column.kinds[step] !== PointKind.histogram) continue;
      if (native.kinds[step] === PointKind.histogram) throw new Failure('execution', sameLabelset);
      native.copyPoint(column, step);
    }
    this.#context.giveColumn(column);
  }

  /** A native histogram that has a label `le` for itself is no bucket, whatever the label says. */
  #separateNative(index: number, column: StepColumn): void {
    const unit = this.#ownUnits[index] ?? this.#newOwnUnit((this.#inputs[index] as OutputSeries).labels);
    this.#ownUnits[index] = unit;
    unit.nativeIndex = index;
    unit.native = this.#context.takeColumn(this.#grid.stepCount);
    for (let step = 0; step < column.stepCount; step++) {
      if (column.kinds[step] === PointKind.histogram) unit.native.copyPoint(column, step);
    }
  }

  #badBound(labels: Labels): void {
    const name = this.#context.flags.delayedNameRemoval ? labels.get(metricName) : '';
    this.#context.annotations.warn(words.badBucketLabel(name, labels.get('le')), this.#place);
  }

  #evaluate(unit: Unit, number: HistogramNumber, out: StepColumn): void {
    const { native } = unit;
    if (native === undefined && unit.bounds.length === 0) {
      this.#context.worked(out.stepCount);
      return;
    }
    const metric = this.#context.flags.delayedNameRemoval ? unit.metric : '';
    const notes: HistogramNotes = { nan: (what) => this.#noteNaN(what, metric) };
    const { bounds, counts, buckets: columns } = unit;
    const order = this.#byBound(bounds);
    const buckets = this.#classic;
    for (let step = 0; step < out.stepCount; step++) {
      // There may be as many buckets as series.
      this.#context.worked(bounds.length + 1);
      if (!number.isAt(step)) continue;
      buckets.clear();
      for (let i = 0; i < bounds.length; i++) {
        const at = order[i];
        if (this.#isInstant) buckets.add(bounds[at] as number, counts[at] as number);
        else if ((columns[at] as StepColumn).kinds[step] === PointKind.float) {
          buckets.add(bounds[at] as number, (columns[at] as StepColumn).values[step]);
        }
      }
      const histogram =
        native !== undefined && native.kinds[step] === PointKind.histogram ? native.histogramAt(step) : null;
      if (histogram !== null && buckets.count > 0) {
        this.#context.annotations.warn(words.mixedClassicNative(metric), this.#place);
      } else if (histogram !== null) {
        this.#context.worked(workPerNative);
        out.setFloat(step, number.ofNative(step, histogram, notes));
      } else if (buckets.count > 0) {
        out.setFloat(step, number.ofClassic(step, buckets));
        if (!buckets.forced || unit.mendedAt?.has(step) === true) continue;
        unit.mendedAt ??= new Set();
        unit.mendedAt.add(step);
        this.#forced.add(metric, step, buckets);
      }
    }
  }

  /** Places of these bounds in rising order, for as many buckets as there is room. */
  #byBound(bounds: readonly number[]): Uint32Array {
    const count = bounds.length;
    if (count > this.#order.length) {
      this.#order = new Uint32Array(count * 2);
      this.#classic = new ClassicBuckets(count * 2);
    }
    const order = this.#order.subarray(0, count);
    for (let i = 0; i < count; i++) order[i] = i;
    return order.sort((a, b) => (bounds[a] as number) - (bounds[b] as number));
  }

  #noteNaN(what: 'result' | 'skew' | 'fraction', metric: string): void {
    const text =
      what === 'result'
        ? words.quantileNaNResult(metric)
        : what === 'skew'
          ? words.quantileNaNSkew(metric)
          : words.fractionNaNs(metric);
    this.#context.annotations.info(text, this.#place);
  }

  #release(unit: Unit): void {
    for (const column of unit.buckets) this.#context.giveColumn(column);
    unit.buckets.length = 0;
    unit.counts.length = 0;
    unit.bounds.length = 0;
    if (unit.native !== undefined) this.#context.giveColumn(unit.native);
    unit.native = undefined;
  }
}

function newUnit(labels: Labels): Unit {
  return {
    labels,
    metric: labels.get(metricName),
    bounds: [],
    counts: [],
    buckets: [],
    native: undefined,
    nativeIndex: -1,
    mendedAt: undefined,
    pending: 0,
    unread: 0,
  };
}

interface Forced {
  readonly occurrences: Uint32Array;
  minBucket: number;
  maxBucket: number;
  maxDiff: number;
}

/** Buckets that had to be made monotonic, by metric name; said at the end, with how often and where. */
class ForcedNotes {
  readonly #annotations: Annotations;
  readonly #place: Place;
  readonly #grid: Grid;
  readonly #byMetric = new Map<string, Forced>();

  constructor(annotations: Annotations, place: Place, grid: Grid) {
    this.#annotations = annotations;
    this.#place = place;
    this.#grid = grid;
  }

  add(metric: string, step: number, { minForced, maxForced, maxDiff }: ClassicBuckets): void {
    let forced = this.#byMetric.get(metric);
    if (forced === undefined) {
      const occurrences = new Uint32Array(this.#grid.stepCount);
      forced = { occurrences, minBucket: minForced, maxBucket: maxForced, maxDiff };
      this.#byMetric.set(metric, forced);
    }
    forced.occurrences[step]++;
    forced.minBucket = Math.min(forced.minBucket, minForced);
    forced.maxBucket = Math.max(forced.maxBucket, maxForced);
    forced.maxDiff = Math.max(forced.maxDiff, maxDiff);
  }

  flush(): void {
    for (const [metric, { occurrences, minBucket, maxBucket, maxDiff }] of this.#byMetric) {
      const first = occurrences.findIndex((count) => count > 0);
      const last = occurrences.findLastIndex((count) => count > 0);
      const { startMs, stepMs } = this.#grid;
      // Prometheus merges the annotation with itself once a step, from the second on: the count it prints is not the true one.
      let shown = 0n;
      for (let step = first; step < occurrences.length; step++) {
        shown += BigInt(occurrences[step]);
        if (step > first) shown = BigInt.asIntN(64, 2n * shown);
      }
      const forced = {
        minBucket,
        maxBucket,
        maxDiff,
        minMs: startMs + first * stepMs,
        maxMs: startMs + last * stepMs,
        occurrences: shown,
      };
      this.#annotations.infoForced(words.forcedMonotonicity(metric), this.#place, forced);
    }
    this.#byMetric.clear();
  }
}
