/**
 * How the parts of an evaluation talk to each other: an operator says its output series first, then gives them one at a time.
 * Owns the interfaces. The one who asks hands over a cleared column and gets it filled, so that a chain of operators works in one
 * piece of memory and only those that must hold many series hold them. In a grid of one step the order of series is visible (an
 * instant query does not sort), so operators keep the order of their input.
 */
import type { Labels } from '../../model/labels.ts';
import type { Grid } from './grid.ts';
import type { RangeSamples } from './scan/range-samples.ts';
import type { StepColumn } from './step-column.ts';

export interface OutputSeries {
  readonly labels: Labels;
  /** With delayed name removal: the name, type and unit are to be dropped at the end. */
  readonly dropName: boolean;
}

/** An instant vector at every step of a grid. */
export interface VectorOperator {
  /** All series that may have points; some may turn out to have none. Called once, before anything else. */
  series(): readonly OutputSeries[];
  /** Fills `out` (cleared) with the next series' points. Called once for each series, in order. */
  next(out: StepColumn): void;
  /** Nothing more will be asked: lets go of what is held. */
  done(): void;
}

/** A number at every step of a grid. */
export interface ScalarOperator {
  /** One value per step. Called once. */
  values(): Float64Array;
}

export interface NamelessSeries {
  readonly series: readonly OutputSeries[];
  /** The name that all have. */
  readonly name: string;
}

/** A range vector at every step of a grid: the samples of each series, and which of them are in the window of each step. */
export interface RangeOperator {
  readonly windows: RangeWindows;
  series(): readonly OutputSeries[];
  /** Instead of series(), where it can be had: the same without their names, so that these are not built to be dropped. */
  seriesWithoutNames?(): NamelessSeries | undefined;
  /** The samples of the next series; they are valid until the next call. */
  next(): RangeSamples;
  done(): void;
}

/** Where the windows of a range vector lie. The window of step s is (end(s) - rangeMs, end(s)]. */
export interface RangeWindows {
  readonly grid: Grid;
  readonly rangeMs: number;
  /** The end of the window of a step is the time of the step less this; where `fixedEndMs` is defined it is that at every step. */
  readonly offsetMs: number;
  readonly fixedEndMs: number | undefined;
  /** Samples outside of the window that are handed over beside it: anchored and smoothed look there. */
  readonly beforeMs: number;
  readonly afterMs: number;
}

/** End of the window of a step, inclusive. */
export function windowEndMs(windows: RangeWindows, step: number): number {
  return windows.fixedEndMs ?? windows.grid.startMs + step * windows.grid.stepMs - windows.offsetMs;
}
