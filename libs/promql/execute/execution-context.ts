/**
 * What every operator of one query shares: where series come from, what is switched on, what it may still use.
 * Owns the counting of samples and memory against their maxima. Samples are counted as Prometheus does, as points that are held
 * for the rest of the evaluation or until their user is done; memory is what our columns and buffers take.
 */
import { Failure } from '../../errors/failure.ts';
import type { HistogramLayout } from '../../model/encoding/histogram-layout.ts';
import type { HistogramShape } from '../../model/encoding/packed-histograms.ts';
import type { Histogram } from '../../model/histogram.ts';
import type { Labels } from '../../model/labels.ts';
import type { ReadQuery, SeriesReader } from '../../series/series-reader.ts';
import type { LabelTable } from '../../series/series-source.ts';
import { Slabs } from '../../std/slabs.ts';
import { Annotations } from './annotations.ts';
import type { OutputSeries } from './operator.ts';
import type { SampleCounts } from './sample-counts.ts';
import { SharedReader } from './scan/share-reads.ts';
import type { SharedPart } from './shared-part.ts';
import { PointKind, StepColumn } from './step-column.ts';

/** What a query may use; 0 is no limit. */
export interface QueryLimits {
  readonly samplesMax: number;
  readonly memoryBytesMax: number;
}

/** What of the language's evaluation is switched on. */
export interface EvaluationFlags {
  /** `promql-delayed-name-removal` */
  readonly delayedNameRemoval: boolean;
  /** `type-and-unit-labels` */
  readonly typeAndUnitLabels: boolean;
  /** `use-start-timestamps` */
  readonly startTimestamps: boolean;
}

interface Peaks {
  /** Most samples that were held at once. */
  samplesPeak: number;
  memoryBytesPeak: number;
}

const bytesPerSample = 16;
const bytesPerStep = 9;
const bytesPerColumn = 300;
/** A unit takes some tens of nanoseconds: asking every few tenths of a millisecond costs nothing. */
const workPerCheck = 1 << 13;
/** Items of the slowest kind that take no more than a few milliseconds. */
const itemsPerPart = 1 << 13;
/** How much more work it is to make, find or compare a label set than to pass a sample. */
export const workPerLabels = 32;
/** So much of a query is shown in an error. */
const textShownMax = 200;

/** What numbers the labels of a query's series needs of it. */
export type NumberingContext = Pick<ExecutionContext, 'worked' | 'takeMemory' | 'giveMemory'>;

export class ExecutionContext {
  readonly reader: SharedReader;
  readonly flags: EvaluationFlags;
  readonly lookbackMs: number;
  readonly annotations = new Annotations();
  readonly sourceWarnings = new Set<string>();
  readonly counts: SampleCounts;
  /** For columns of which there is one a series. */
  readonly slabs = new Slabs();
  readonly stats: Peaks = { samplesPeak: 0, memoryBytesPeak: 0 };
  readonly #limits: QueryLimits;
  /** The query as it was written, for errors. */
  readonly #text: string;
  readonly #checkCancelled: () => void;
  #samples = 0;
  #memoryBytes = 0;
  #workSinceCheck = 0;
  readonly #freeColumns = new Map<number, StepColumn[]>();
  readonly #labels = new WeakMap<LabelTable, readonly Labels[]>();
  readonly #namelessLabels = new WeakMap<LabelTable, readonly Labels[]>();
  readonly #sharedParts = new Map<number, SharedPart>();
  readonly #distinct = new WeakSet<readonly OutputSeries[]>();

  constructor(
    reader: SeriesReader,
    flags: EvaluationFlags,
    lookbackMs: number,
    limits: QueryLimits,
    checkCancelled: () => void,
    planned: readonly ReadQuery[],
    text: string,
    counts: SampleCounts,
  ) {
    this.counts = counts;
    this.#text = text;
    this.flags = flags;
    this.lookbackMs = lookbackMs;
    this.#limits = limits;
    this.#checkCancelled = checkCancelled;
    this.reader = new SharedReader(reader, planned, this);
  }

  /** Tells that so much was done (roughly samples or steps); now and then asks whether to go on. @throws Failure */
  worked(amount: number): void {
    this.#workSinceCheck += amount;
    if (this.#workSinceCheck < workPerCheck) return;
    this.#workSinceCheck = 0;
    this.#checkCancelled();
  }

  /**
   * Has `act` done for [0, count) in parts, each told of before it is done: of a subquery there may be millions of steps.
   * @param workPerItem how much more work an item is than to pass a sample
   */
  inParts(count: number, workPerItem: number, act: (begin: number, end: number) => void): void {
    for (let begin = 0; begin < count; begin += itemsPerPart) {
      const end = Math.min(count, begin + itemsPerPart);
      this.worked((end - begin) * workPerItem);
      act(begin, end);
    }
  }

  /** Counts samples as held. @throws Failure when there are too many */
  holdSamples(count: number): void {
    this.#samples += count;
    if (this.#samples > this.stats.samplesPeak) this.stats.samplesPeak = this.#samples;
    if (this.#limits.samplesMax > 0 && this.#samples > this.#limits.samplesMax) {
      throw new Failure('execution', 'query processing would load too many samples into memory in query execution');
    }
  }

  releaseSamples(count: number): void {
    this.#samples -= count;
  }

  /** Counts memory as taken. @throws Failure when it is too much */
  takeMemory(bytes: number): void {
    this.#memoryBytes += bytes;
    if (this.#memoryBytes > this.stats.memoryBytesPeak) this.stats.memoryBytesPeak = this.#memoryBytes;
    const max = this.#limits.memoryBytesMax;
    if (max > 0 && this.#memoryBytes > max) {
      throw new Failure(
        'query_limit',
        `the query needs ${this.#memoryBytes} bytes of memory, more than query.max-memory-bytes allows (${max}): ` +
          `${this.#text.length > textShownMax ? `${this.#text.slice(0, textShownMax)}...` : this.#text}`,
      );
    }
  }

  giveMemory(bytes: number): void {
    this.#memoryBytes -= bytes;
  }

  /** The part of this number, made by the first who asks. */
  sharedPart(number: number, make: () => SharedPart): SharedPart {
    let part = this.#sharedParts.get(number);
    if (part === undefined) {
      part = make();
      this.#sharedParts.set(number, part);
    }
    return part;
  }

  /** The label sets of a table, with or without names, made by the first who asks. */
  labelsOnce(table: LabelTable, form: 'whole' | 'nameless', make: () => readonly Labels[]): readonly Labels[] {
    const known = form === 'whole' ? this.#labels : this.#namelessLabels;
    let labels = known.get(table);
    if (labels === undefined) {
      labels = make();
      known.set(table, labels);
    }
    return labels;
  }

  /** Marks a list of output series as one in which no labels occur twice; returns it. */
  distinct(series: readonly OutputSeries[]): readonly OutputSeries[] {
    this.#distinct.add(series);
    return series;
  }

  /** Whether a list is known to have no labels twice. */
  isDistinct(series: readonly OutputSeries[]): boolean {
    return this.#distinct.has(series);
  }

  /** A cleared column, from earlier use if there is one. */
  takeColumn(stepCount: number): StepColumn {
    this.takeMemory(stepCount * bytesPerStep + bytesPerColumn);
    return this.#freeColumns.get(stepCount)?.pop() ?? new StepColumn(stepCount, this.slabs);
  }

  /** Takes a column back. */
  giveColumn(column: StepColumn): void {
    this.giveMemory(column.stepCount * bytesPerStep + bytesPerColumn);
    column.clear();
    const free = this.#freeColumns.get(column.stepCount);
    if (free === undefined) this.#freeColumns.set(column.stepCount, [column]);
    else if (free.length < 64) free.push(column);
  }
}

/** How many samples a point of a column counts for. */
export function pointSamples(column: StepColumn, step: number): number {
  return column.kinds[step] === PointKind.histogram ? histogramSamples(column.histogramAt(step)) : 1;
}

/** How many samples a histogram counts for: its size in Prometheus' memory, in units of 16 bytes. */
export function histogramSamples(h: Histogram): number {
  return samplesOfSize(h, h.positiveBuckets.length + h.negativeBuckets.length);
}

/** What the histograms among points take as memory. */
export function histogramBytes(histograms: readonly (Histogram | null)[] | null): number {
  let samples = 0;
  for (const h of histograms ?? []) if (h !== null) samples += histogramSamples(h);
  return bytesPerSample * samples;
}

/** As histogramSamples, of what has a shape. */
export function packedSamples(shape: HistogramShape): number {
  return samplesOfSize(shape, shape.bucketCount);
}

function samplesOfSize({ positiveSpans, negativeSpans, customValues }: HistogramLayout, bucketCount: number): number {
  // Two numbers of four bytes a span.
  const spanBytes = 4 * (positiveSpans.length + negativeSpans.length);
  const bucketBytes = 8 * (bucketCount + customValues.length);
  return Math.floor((168 + 8 + spanBytes + bucketBytes) / bytesPerSample);
}
