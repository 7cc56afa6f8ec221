/**
 * A selector's series, opened: labels as label sets, samples decoded in turn.
 * Owns what all scans share: asking the reader, warnings of the source, letting go.
 */
import { Failure } from '../../../errors/failure.ts';
import { Labels } from '../../../model/labels.ts';
import { SeriesDecoder } from '../../../series/decode-series.ts';
import type { SampleColumns } from '../../../series/sample-columns.ts';
import type { SeriesSelection } from '../../../series/series-reader.ts';
import type { LabelTable, SelectQuery } from '../../../series/series-source.ts';
import type { VectorSelectorNode } from '../../plan/logical-plan.ts';
import type { ExecutionContext } from '../execution-context.ts';
import type { OutputSeries } from '../operator.ts';
import { HistogramStatistics } from './histogram-statistics.ts';

const bytesPerLabelRef = 8;
const bytesPerSeries = 100;

export class OpenSelection {
  readonly labels: readonly Labels[];
  readonly #context: ExecutionContext;
  readonly #selection: SeriesSelection;
  readonly #decoder: SeriesDecoder;
  readonly #statistics: HistogramStatistics | null;
  readonly #memoryBytes: number;
  #read = 0;

  /** Asks for series with samples in the query's time. */
  constructor(context: ExecutionContext, query: SelectQuery, { skipBuckets }: Pick<VectorSelectorNode, 'skipBuckets'>) {
    const { minT, maxT } = query;
    this.#context = context;
    this.#selection = select(context, query);
    for (const warning of this.#selection.warnings) context.sourceWarnings.add(warning);
    const table = this.#selection.labels;
    this.#memoryBytes = table.refs.length * bytesPerLabelRef + table.begin.length * bytesPerSeries;
    context.takeMemory(this.#memoryBytes);
    this.labels = labelsOfTable(context, table);
    this.#decoder = new SeriesDecoder(this.#selection, minT, maxT);
    this.#statistics = skipBuckets ? new HistogramStatistics(minT) : null;
  }

  /** Samples of the next series, valid until the next call. */
  next(): SampleColumns {
    const columns = this.#decoder.next();
    this.#read++;
    this.#context.worked(columns.length + 10);
    if (this.#statistics !== null) this.#statistics.reduce(columns);
    return columns;
  }

  done(): void {
    if (this.#read < this.labels.length) this.#selection.close();
    this.#context.giveMemory(this.#memoryBytes);
  }
}

function select(context: ExecutionContext, query: SelectQuery): SeriesSelection {
  try {
    return context.reader.select(query);
  } catch (error) {
    if (!(error instanceof Failure) || error.kind !== 'execution') throw error;
    throw new Failure('execution', `expanding series: ${error.message}`, { cause: error });
  }
}

function labelsOfTable(context: ExecutionContext, { strings, begin, refs }: LabelTable): Labels[] {
  const labels: Labels[] = [];
  for (let i = 0; i + 1 < begin.length; i++) {
    const pairs: string[] = [];
    for (let j = begin[i]; j < begin[i + 1]; j++) pairs.push(strings[refs[j]] as string);
    labels.push(new Labels(pairs));
    context.worked(pairs.length);
  }
  return labels;
}

/** The label sets of a selection, of which no two are equal, as output series. */
export function outputSeries(context: ExecutionContext, labels: readonly Labels[]): readonly OutputSeries[] {
  return context.distinct(labels.map((one) => ({ labels: one, dropName: false })));
}
