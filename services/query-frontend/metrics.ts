/** What the query-frontend reports about itself: questions, what waits and for how long, what had to be tried again. */
import { workLanes } from '../../libs/contracts/query-work.ts';
import type { CallReport } from '../../libs/query-api/api-routes.ts';
import { createCallMetrics } from '../../libs/query-api/call-metrics.ts';
import type { Metrics } from '../../libs/telemetry/metrics.ts';
import type { RewriteCounts } from './answer-range.ts';
import type { WorkCounts } from './run-work.ts';

interface QueueState {
  lengthOf(lane: (typeof workLanes)[number]): number;
  readonly inHand: number;
  readonly queriers: number;
}

export interface FrontendCounts extends WorkCounts, RewriteCounts {
  /** A call whose answer has begun. */
  answered(call: CallReport): void;
}

/** Registers the metrics of the room. */
export function createFrontendMetrics(metrics: Metrics, queue: () => QueueState): FrontendCounts {
  const waits = metrics.seconds(
    'maru_query_frontend_queue_seconds',
    'Time that a piece of work waited for a querier.',
    ['lane'],
  );
  metrics.gaugeOf('maru_query_frontend_queue_length', 'Pieces of work that wait for a querier.', ['lane'], () =>
    workLanes.map((lane) => ({ labels: { lane }, value: queue().lengthOf(lane) })),
  );
  metrics.gaugeOf('maru_query_frontend_queriers', 'Queriers that take work from here.', [], () => [
    { value: queue().queriers },
  ]);
  metrics.gaugeOf('maru_query_frontend_in_hand', 'Pieces of work that queriers have.', [], () => [
    { value: queue().inHand },
  ]);
  const counts: FrontendCounts = {
    ...{ retries: 0, parts: 0, sharded: 0, shards: 0, split: 0, undone: 0, hits: 0, stale: 0, misses: 0 },
    waited: (lane, waited) => waits.observe({ lane }, waited),
    answered: createCallMetrics(metrics, 'query_frontend', 'a querier'),
  };
  metrics.counterOf(
    'maru_query_frontend_retries_total',
    'Pieces of work that were given to another querier after one failed or was lost.',
    [],
    () => [{ value: counts.retries }],
  );
  metrics.counterOf(
    'maru_query_frontend_parts_total',
    'Parts of range queries that queriers were asked for.',
    [],
    () => [{ value: counts.parts }],
  );
  metrics.counterOf(
    'maru_query_frontend_sharded_parts_total',
    'Parts that were so heavy that several queriers were asked for them, each for some of the series.',
    [],
    () => [{ value: counts.sharded }],
  );
  metrics.counterOf(
    'maru_query_frontend_shards_total',
    'Shards of such parts that queriers were asked for.',
    [],
    () => [{ value: counts.shards }],
  );
  metrics.counterOf(
    'maru_query_frontend_split_queries_total',
    'Range queries that were asked in parts: joined, or undone as only the whole could be answered.',
    ['outcome'],
    () => [
      { labels: { outcome: 'joined' }, value: counts.split },
      { labels: { outcome: 'undone' }, value: counts.undone },
    ],
  );
  metrics.counterOf(
    'maru_query_frontend_cache_cells_total',
    'Cells of range queries that were looked for in the results cache: hit, stale (something was written since), miss.',
    ['outcome'],
    () => [
      { labels: { outcome: 'hit' }, value: counts.hits },
      { labels: { outcome: 'stale' }, value: counts.stale },
      { labels: { outcome: 'miss' }, value: counts.misses },
    ],
  );
  return counts;
}
