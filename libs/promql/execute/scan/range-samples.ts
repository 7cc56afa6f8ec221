/**
 * The samples of one series as range functions read them: floats and histograms apart, staleness markers gone.
 * Owns the split and the walk of the windows over the samples: begin and end of the window of every step, each sample passed once.
 */

import type { PackedHistograms } from '../../../model/encoding/packed-histograms.ts';
import type { Histogram } from '../../../model/histogram.ts';
import { isStaleNaN } from '../../../model/stale.ts';
import { hasHistograms, type SampleColumns } from '../../../series/sample-columns.ts';
import type { ExecutionContext } from '../execution-context.ts';
import type { Grid } from '../grid.ts';
import { type RangeWindows, windowEndMs } from '../operator.ts';
import type { StepColumn } from '../step-column.ts';
import { PointKind } from '../step-column.ts';

export interface RangeSamples {
  floatCount: number;
  /** Milliseconds. These two are columns of whoever decoded them, where nothing had to be left out. */
  floatT: Float64Array;
  floatV: Float64Array;
  /** Start timestamps, 0 unknown; null where none is known or none is wanted. */
  floatSt: Float64Array | null;
  histogramCount: number;
  histogramT: Float64Array;
  /** Empty where they are packed: then histogram i is row packedRow[i] of `packed`. */
  histograms: Histogram[];
  packed: PackedHistograms | null;
  packedRow: Int32Array;
  histogramSt: Float64Array | null;
  /** Columns of its own, for what had to be copied. */
  ownT: Float64Array;
  ownV: Float64Array;
}

/** Samples without any memory yet. */
export function emptyRangeSamples(): RangeSamples {
  const none = new Float64Array(0);
  return {
    floatCount: 0,
    floatT: none,
    floatV: none,
    floatSt: null,
    histogramCount: 0,
    histogramT: none,
    histograms: [],
    packed: null,
    packedRow: new Int32Array(0),
    histogramSt: null,
    ownT: none,
    ownV: none,
  };
}

/**
 * Makes `out` hold the samples of `columns` that are no staleness markers, as long as the columns stay what they are. Packed histograms
 * stay packed: see unpackSamples.
 */
export function splitSamples(columns: SampleColumns, withStarts: boolean, out: RangeSamples): void {
  const withHistograms = hasHistograms(columns);
  out.packed = null;
  if (!withHistograms && !(withStarts && columns.st !== null) && !hasMarkers(columns)) {
    out.floatCount = columns.length;
    out.floatT = columns.t;
    out.floatV = columns.v;
    out.floatSt = null;
    out.histogramCount = 0;
    out.histograms.length = 0;
    return;
  }
  reserve(out, columns.length, withStarts && columns.st !== null, withHistograms);
  out.histograms.length = 0;
  if (!withHistograms) {
    out.histogramCount = 0;
    out.floatCount = copyFloats(columns, out);
    return;
  }
  const { t, v, vBits, st, h, packed = null } = columns;
  out.packed = packed;
  let floats = 0;
  let histograms = 0;
  for (let i = 0; i < columns.length; i++) {
    const histogram = h === null ? null : (h[i] ?? null);
    const isPacked = packed?.has(i) === true;
    if (histogram !== null || isPacked) {
      if (isPacked ? packed.isStale(i) : histogram?.stale === true) continue;
      out.histogramT[histograms] = t[i];
      if (out.histogramSt !== null) out.histogramSt[histograms] = st?.[i] ?? 0;
      if (isPacked) out.packedRow[histograms] = i;
      else if (histogram !== null) out.histograms.push(histogram);
      histograms++;
      continue;
    }
    if (isStaleNaN(vBits[2 * i + 1], vBits[2 * i])) continue;
    out.floatT[floats] = t[i];
    out.floatV[floats] = v[i];
    if (out.floatSt !== null) out.floatSt[floats] = st?.[i] ?? 0;
    floats++;
  }
  out.floatCount = floats;
  out.histogramCount = histograms;
}

/** Makes objects of histograms that are packed. */
export function unpackSamples(samples: RangeSamples): void {
  const { packed, packedRow, histogramCount } = samples;
  if (packed === null) return;
  samples.packed = null;
  for (let i = 0; i < histogramCount; i++) samples.histograms.push(packed.at(packedRow[i]));
}

function hasMarkers({ vBits, length }: SampleColumns): boolean {
  for (let i = 0; i < length; i++) if (isStaleNaN(vBits[2 * i + 1], vBits[2 * i])) return true;
  return false;
}

function copyFloats(columns: SampleColumns, out: RangeSamples): number {
  const { t, v, vBits, st } = columns;
  const { floatT, floatV, floatSt } = out;
  let count = 0;
  for (let i = 0; i < columns.length; i++) {
    if (isStaleNaN(vBits[2 * i + 1], vBits[2 * i])) continue;
    floatT[count] = t[i];
    floatV[count] = v[i];
    if (floatSt !== null && st !== null) floatSt[count] = st[i];
    count++;
  }
  return count;
}

/** Makes `out` hold the points of a column over the steps of `grid`. */
export function samplesOfColumn(
  context: Pick<ExecutionContext, 'inParts'>,
  column: StepColumn,
  grid: Grid,
  out: RangeSamples,
): void {
  out.packed = null;
  reserve(out, column.stepCount, false, column.hasHistograms);
  out.histograms.length = 0;
  let floats = 0;
  let histograms = 0;
  context.inParts(column.stepCount, 1, (begin, end) => {
    for (let step = begin; step < end; step++) {
      const kind = column.kinds[step];
      if (kind === PointKind.none) continue;
      const t = grid.startMs + step * grid.stepMs;
      if (kind === PointKind.float) {
        out.floatT[floats] = t;
        out.floatV[floats] = column.values[step];
        floats++;
      } else {
        out.histogramT[histograms] = t;
        out.histograms.push(column.histogramAt(step));
        histograms++;
      }
    }
  });
  out.floatCount = floats;
  out.histogramCount = histograms;
}

function reserve(out: RangeSamples, rows: number, withStarts: boolean, withHistograms: boolean): void {
  if (out.ownT.length < rows) {
    const capacity = Math.max(rows, out.ownT.length * 2);
    out.ownT = new Float64Array(capacity);
    out.ownV = new Float64Array(capacity);
  }
  out.floatT = out.ownT;
  out.floatV = out.ownV;
  if (out.floatSt !== null && out.floatSt.length < out.ownT.length) out.floatSt = null;
  if (withHistograms && out.histogramT.length < rows) {
    out.histogramT = new Float64Array(Math.max(rows, out.histogramT.length * 2));
    out.packedRow = new Int32Array(out.histogramT.length);
    out.histogramSt = null;
  }
  out.floatSt = withStarts ? (out.floatSt ?? new Float64Array(out.floatT.length)) : null;
  out.histogramSt = withStarts && withHistograms ? (out.histogramSt ?? new Float64Array(out.histogramT.length)) : null;
}

/** First and last + 1 sample of the window of each step, floats and histograms apart. */
export class WindowBounds {
  /** Bytes of a step. */
  static readonly stepBytes = 4 * Int32Array.BYTES_PER_ELEMENT;
  readonly floatBegin: Int32Array;
  readonly floatEnd: Int32Array;
  readonly histogramBegin: Int32Array;
  readonly histogramEnd: Int32Array;
  #hadHistograms = false;

  constructor(stepCount: number) {
    this.floatBegin = new Int32Array(stepCount);
    this.floatEnd = new Int32Array(stepCount);
    this.histogramBegin = new Int32Array(stepCount);
    this.histogramEnd = new Int32Array(stepCount);
  }

  /** Walks the windows over the samples of a series. */
  place(samples: RangeSamples, windows: RangeWindows): void {
    walk(samples.floatT, samples.floatCount, windows, this.floatBegin, this.floatEnd);
    if (samples.histogramCount > 0 || this.#hadHistograms) {
      walk(samples.histogramT, samples.histogramCount, windows, this.histogramBegin, this.histogramEnd);
      this.#hadHistograms = true;
    }
  }
}

/** A window is open at its begin; one without length is empty. */
function walk(t: Float64Array, count: number, windows: RangeWindows, begins: Int32Array, ends: Int32Array): void {
  let begin = 0;
  let end = 0;
  const spanMs = windows.rangeMs + windows.beforeMs + windows.afterMs;
  for (let step = 0; step < begins.length; step++) {
    const maxT = windowEndMs(windows, step) + windows.afterMs;
    const minT = maxT - spanMs;
    while (end < count && t[end] <= maxT) end++;
    while (begin < end && t[begin] <= minT) begin++;
    begins[step] = begin;
    ends[step] = spanMs === 0 ? begin : end;
  }
}
