/**
 * The read river as a thread that may block sees it: the same shapes as series-source.ts without promises.
 * The query worker is such a thread; whoever makes the reader decides how a call waits, and how it is cancelled (by throwing).
 */
import type { ChunkBatch, LabelTable, SelectQuery } from './series-source.ts';

/** What a blocking select found: labels first, samples after. */
export interface SeriesSelection {
  readonly labels: LabelTable;
  readonly warnings: readonly string[];
  /** The next batch in series order, undefined after the last. Its arrays are valid until it is released. */
  next(): ChunkBatch | undefined;
  /** A batch will not be looked at again: its memory may go at once, as a collector sees late that it is large. */
  release?(batch: ChunkBatch): void;
  /** Lets go of what was not read. */
  close(): void;
}

export interface ReadQuery extends SelectQuery {
  /** Names of the labels that are looked at, sorted: a projection (see series-source.ts). Undefined for all. */
  readonly labels?: readonly string[] | undefined;
}

export interface SeriesReader {
  /** Blocks until the labels of the matching series are here, sorted as series-source.ts says. @throws Failure */
  select(query: ReadQuery): SeriesSelection;
}
