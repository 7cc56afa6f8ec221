/**
 * What a part of a query reads: its selects are counted for the witness, made of one shard of the series where the part is one, and refused
 * where the part is worth asking in shards.
 * Owns that no series of another shard gets in: who is asked may be of a release that knows no shards.
 */
import type { HeavySelection, PartWork } from '../../libs/contracts/query-work.ts';
import { Failure } from '../../libs/errors/failure.ts';
import { projectLabels } from '../../libs/series/project-labels.ts';
import { isSorted, largestGroup, type SeriesShard, seriesOfShard } from '../../libs/series/series-shard.ts';
import {
  type LabelTable,
  type SelectedSeries,
  type SelectQuery,
  type SeriesSource,
  seriesCountOf,
} from '../../libs/series/series-source.ts';
import type { ReadWitness } from './read-witness.ts';

const hourMs = 3_600_000;
/** Of more labels than the query may hold: it is asked in as many shards as there may be. */
const uncounted: HeavySelection = { weight: 2 ** 31, series: 2 ** 31, largestGroup: 0, sorted: false };

export interface PartSourceOptions extends Pick<PartWork, 'shard' | 'weighing' | 'sorted'> {
  readonly witness: ReadWitness;
  /** Is told of the selection for which nothing is evaluated; that select fails. */
  readonly onHeavy: (heavy: HeavySelection) => void;
}

export function partSource(source: SeriesSource, options: PartSourceOptions): SeriesSource {
  const { witness, shard, weighing, sorted, onHeavy } = options;
  const select = async (query: SelectQuery, signal: AbortSignal): Promise<SelectedSeries> => {
    witness.selects++;
    const selecting = source.select(shard === undefined ? query : { ...query, shard }, signal);
    const selected = await selecting.catch((error: unknown) => {
      // Those of one shard may be few enough.
      if (weighing !== undefined && error instanceof Failure && error.kind === 'query_limit') onHeavy(uncounted);
      throw error;
    });
    if (shard !== undefined) checkShard(selected.labels, shard);
    // Of several sources one alone has series of the shard, and has them in an order of its own.
    if (sorted && !isSorted(selected.labels)) throw new Failure('not_acceptable', 'series come in another order');
    if (weighing !== undefined) {
      const series = seriesCountOf(selected.labels);
      const weight = (series * (1 + (query.maxT - query.minT) / hourMs)) / 2;
      if (weight > weighing.weightMax) {
        const { labels } = selected;
        onHeavy({ weight, series, largestGroup: largestGroup(labels, weighing), sorted: isSorted(labels) });
        throw new Failure('query_limit', 'the part is to be asked in shards');
      }
    }
    return selected;
  };
  /** Whatever else is asked of it has no witness. */
  const unwitnessed = (): SeriesSource => {
    witness.isWhole = false;
    return source;
  };
  return {
    select,
    selectProjected: async (query, names, signal) => {
      // Nothing is asked of the labels that may be left out.
      if (source.selectProjected !== undefined && shard === undefined && weighing === undefined && !sorted) {
        witness.selects++;
        return source.selectProjected(query, names, signal);
      }
      const selected = await select(query, signal);
      return { ...selected, labels: await projectLabels(selected.labels, names, signal) };
    },
    labelNames: (query, signal) => unwitnessed().labelNames(query, signal),
    labelValues: (name, query, signal) => unwitnessed().labelValues(name, query, signal),
    series: (query, signal) => unwitnessed().series(query, signal),
    exemplars: (query, signal) => unwitnessed().exemplars(query, signal),
    metadata: (metric, limit, limitPerMetric) => unwitnessed().metadata(metric, limit, limitPerMetric),
  };
}

/** @throws Failure where a series of another shard is among them */
function checkShard(labels: LabelTable, shard: SeriesShard): void {
  if (seriesOfShard(labels, shard).length === seriesCountOf(labels)) return;
  throw new Failure('not_acceptable', 'who was asked for a shard of the series gave others, too');
}
