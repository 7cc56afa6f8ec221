/**
 * A range vector selector: the samples of each series that any window needs, with the places of the windows.
 */
import type { MatrixSelectorNode } from '../../plan/logical-plan.ts';
import type { ExecutionContext } from '../execution-context.ts';
import { type Grid, gridEndMs } from '../grid.ts';
import type { OutputSeries, RangeOperator, RangeWindows } from '../operator.ts';
import { emptyRangeSamples, type RangeSamples, splitSamples } from './range-samples.ts';
import { OpenSelection, referenceMs } from './selection.ts';

export class RangeSelectorScan implements RangeOperator {
  readonly windows: RangeWindows;
  readonly #context: ExecutionContext;
  readonly #node: MatrixSelectorNode;
  readonly #samples = emptyRangeSamples();
  #selection: OpenSelection | undefined;

  constructor(context: ExecutionContext, node: MatrixSelectorNode, grid: Grid) {
    this.#context = context;
    this.#node = node;
    const { atMs, offsetMs, anchored, smoothed } = node.selector;
    this.windows = {
      grid,
      rangeMs: node.rangeMs,
      offsetMs,
      fixedEndMs: atMs === undefined ? undefined : atMs - offsetMs,
      beforeMs: anchored || smoothed ? context.lookbackMs : 0,
      afterMs: smoothed ? context.lookbackMs : 0,
    };
  }

  series(): readonly OutputSeries[] {
    const { grid, rangeMs, beforeMs, afterMs } = this.windows;
    const { selector } = this.#node;
    const minT = referenceMs(selector, grid.startMs) - rangeMs - beforeMs + 1;
    const maxT = referenceMs(selector, gridEndMs(grid)) + afterMs;
    this.#selection = new OpenSelection(this.#context, selector, minT, maxT);
    return this.#selection.labels.map((labels) => ({ labels, dropName: false }));
  }

  next(): RangeSamples {
    const columns = this.#selection?.next();
    if (columns !== undefined) splitSamples(columns, this.#context.flags.startTimestamps, this.#samples);
    return this.#samples;
  }

  done(): void {
    this.#selection?.done();
  }
}
