/**
 * A selector's series, opened: labels as label sets, samples decoded in turn.
 * Owns what all scans share: asking the reader, warnings of the source, letting go.
 */
import { Failure } from '../../../errors/failure.ts';
import { type Labels, metricName } from '../../../model/labels.ts';
import { SeriesDecoder } from '../../../series/decode-series.ts';
import { setAt } from '../../../series/labels-at.ts';
import { hasHistograms, type SampleColumns } from '../../../series/sample-columns.ts';
import type { ReadQuery, SeriesSelection } from '../../../series/series-reader.ts';
import { type LabelTable, seriesCountOf } from '../../../series/series-source.ts';
import type { VectorSelectorNode } from '../../plan/logical-plan.ts';
import type { ExecutionContext } from '../execution-context.ts';
import { mapShared } from '../map-shared.ts';
import type { OutputSeries } from '../operator.ts';
import { HistogramStatistics } from './histogram-statistics.ts';

/** How much more work it is to decode a histogram than a float. */
const workPerHistogram = 50;
const bytesPerLabelRef = 8;
const bytesPerSet = 60;
const bytesPerSeries = 40;
/** Of no series, even: there may be tens of thousands. */
const workPerSelection = 256;

export class OpenSelection {
  readonly #context: ExecutionContext;
  readonly #selection: SeriesSelection;
  readonly #decoder: SeriesDecoder;
  readonly #statistics: HistogramStatistics | null;
  readonly #table: LabelTable;
  readonly #memoryBytes: number;
  #read = 0;

  /** Asks for series with samples in the query's time. */
  constructor(context: ExecutionContext, query: ReadQuery, { skipBuckets }: Pick<VectorSelectorNode, 'skipBuckets'>) {
    const { minT, maxT } = query;
    context.worked(workPerSelection);
    this.#context = context;
    this.#selection = selectApart(context, query);
    for (const warning of this.#selection.warnings) context.sourceWarnings.add(warning);
    const table = this.#selection.labels;
    this.#table = table;
    this.#memoryBytes =
      table.refs.length * bytesPerLabelRef + table.begin.length * bytesPerSet + seriesCountOf(table) * bytesPerSeries;
    context.takeMemory(this.#memoryBytes);
    this.#decoder = new SeriesDecoder(this.#selection, minT, maxT, 'packed');
    this.#statistics = skipBuckets ? new HistogramStatistics(minT) : null;
  }

  get labels(): readonly Labels[] {
    return this.#context.labelsOnce(this.#table, 'whole', () => labelsOfTable(this.#context, this.#table));
  }

  /** The labels without the name, where all have the same one, and neither type nor unit; no two are equal then. */
  get namelessLabels(): { readonly labels: readonly Labels[]; readonly name: string } | undefined {
    const name = onlyName(this.#table);
    if (name === undefined) return undefined;
    const labels = this.#context.labelsOnce(this.#table, 'nameless', () =>
      labelsOfTable(this.#context, this.#table, 2),
    );
    return { labels, name };
  }

  /** Samples of the next series, valid until the next call. */
  next(): SampleColumns {
    const columns = this.#decoder.next();
    this.#read++;
    this.#context.worked((hasHistograms(columns) ? workPerHistogram : 1) * columns.length + 10);
    if (this.#statistics !== null) this.#statistics.reduce(columns);
    return columns;
  }

  done(): void {
    this.#decoder.close();
    if (this.#read < seriesCountOf(this.#table)) this.#selection.close();
    this.#context.giveMemory(this.#memoryBytes);
  }
}

/**
 * Opens the selection, with all labels where series of different types or units would be told apart by these alone: once a function
 * has dropped them, it would find two series alike that are not.
 */
function selectApart(context: ExecutionContext, query: ReadQuery): SeriesSelection {
  const selection = select(context, query);
  if (query.labels === undefined || !differByType(selection.labels)) return selection;
  selection.close();
  return select(context, { ...query, labels: undefined });
}

function differByType({ strings, begin, refs }: LabelTable): boolean {
  return ['__type__', '__unit__'].some((name) => {
    const ref = strings.indexOf(name);
    if (ref < 0) return false;
    const values = new Set<number>();
    for (let i = 0; i + 1 < begin.length; i++) {
      let value = -1;
      for (let j = begin[i]; j < begin[i + 1]; j += 2) if (refs[j] === ref) value = refs[j + 1];
      values.add(value);
    }
    return values.size > 1;
  });
}

function select(context: ExecutionContext, query: ReadQuery): SeriesSelection {
  try {
    return context.reader.select(query);
  } catch (error) {
    if (!(error instanceof Failure) || error.kind !== 'execution') throw error;
    throw new Failure('execution', `expanding series: ${error.message}`, { cause: error });
  }
}

/** The name of all series, which each has in the first place; undefined where there is none such, or types or units. */
function onlyName({ strings, begin, refs, setOf }: LabelTable): string | undefined {
  if (setOf !== undefined || strings.includes('__type__') || strings.includes('__unit__')) return undefined;
  const name = strings.indexOf(metricName);
  const [, value] = refs;
  for (let i = 0; i + 1 < begin.length; i++) {
    const at = begin[i];
    if (at === begin[i + 1] || refs[at] !== name || refs[at + 1] !== value) return undefined;
  }
  return strings[value];
}

/** @param skipped strings at the begin of each set that are left out */
function labelsOfTable(context: ExecutionContext, table: LabelTable, skipped: 0 | 2 = 0): Labels[] {
  const { begin, setOf } = table;
  const labels: Labels[] = [];
  for (let i = 0; i + 1 < begin.length; i++) {
    const set = setAt(table, i, skipped);
    labels.push(set);
    context.worked(set.pairs.length);
  }
  if (setOf === undefined) return labels;
  const own: Labels[] = [];
  for (let i = 0; i < setOf.length; i++) own.push(labels[setOf[i]] as Labels);
  return own;
}

/** The label sets of a selection as output series: no two are equal, or would be if nothing had been left out. */
export function outputSeries(
  context: ExecutionContext,
  labels: readonly Labels[],
  dropName: boolean,
): readonly OutputSeries[] {
  return context.distinct(mapShared(context, labels, (one) => ({ labels: one, dropName })));
}
