/**
 * A range vector selector: the samples of each series that any window needs, with the places of the windows.
 */
import type { MatrixSelectorNode } from '../../plan/logical-plan.ts';
import type { ExecutionContext } from '../execution-context.ts';
import type { Grid } from '../grid.ts';
import type { NamelessSeries, OutputSeries, RangeOperator, RangeWindows } from '../operator.ts';
import { emptyRangeSamples, type RangeSamples, splitSamples } from './range-samples.ts';
import { rangeSelectQuery, windowMargins } from './select-queries.ts';
import { OpenSelection, outputSeries } from './selection.ts';

export class RangeSelectorScan implements RangeOperator {
  readonly windows: RangeWindows;
  readonly #context: ExecutionContext;
  readonly #node: MatrixSelectorNode;
  readonly #samples = emptyRangeSamples();
  #selection: OpenSelection | undefined;

  constructor(context: ExecutionContext, node: MatrixSelectorNode, grid: Grid) {
    this.#context = context;
    this.#node = node;
    const { atMs, offsetMs } = node.selector;
    this.windows = {
      grid,
      rangeMs: node.rangeMs,
      offsetMs,
      fixedEndMs: atMs === undefined ? undefined : atMs - offsetMs,
      ...windowMargins(node.selector, context.lookbackMs),
    };
  }

  series(): readonly OutputSeries[] {
    return outputSeries(this.#context, this.#open().labels, false);
  }

  seriesWithoutNames(): NamelessSeries | undefined {
    const nameless = this.#open().namelessLabels;
    return nameless && { series: outputSeries(this.#context, nameless.labels, true), name: nameless.name };
  }

  #open(): OpenSelection {
    const query = rangeSelectQuery(this.#node, this.windows.grid, this.#context.lookbackMs);
    this.#selection ??= new OpenSelection(this.#context, query, this.#node.selector);
    return this.#selection;
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
