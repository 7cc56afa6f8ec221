/** What the querier reports about itself: how many questions, how they ended, how long they took, what waits. */

import type { CallReport } from '../../libs/query-api/api-routes.ts';
import type { Metrics } from '../../libs/telemetry/metrics.ts';
import type { QueryPool } from './query-pool.ts';

/** Registers the metrics of the room; what it returns counts a call whose answer has begun. */
export function createQuerierMetrics(metrics: Metrics, pool: QueryPool): (call: CallReport) => void {
  const requests = metrics.counter(
    'maru_querier_requests_total',
    'Requests to the query API by endpoint and outcome: success, or the kind of failure (canceled: the client left).',
    ['endpoint', 'outcome'],
  );
  const seconds = metrics.seconds(
    'maru_querier_request_seconds',
    'Time until the first bytes of the answer, waiting for a worker included.',
    ['endpoint'],
  );
  const now = (name: string, help: string, read: () => number) =>
    metrics.gaugeOf(name, help, [], () => [{ value: read() }]);
  const total = (name: string, help: string, read: () => number) =>
    metrics.counterOf(name, help, [], () => [{ value: read() }]);
  now('maru_querier_queued', 'Queries that wait for a worker.', () => pool.queued);
  now('maru_querier_running', 'Queries that have a worker.', () => pool.running);
  now('maru_querier_workers', 'Worker threads that are alive.', () => pool.workers);
  total('maru_querier_samples_total', 'Samples that queries have read.', () => pool.samplesRead);
  total('maru_querier_worker_deaths_total', 'Workers that died or were killed.', () => pool.deaths);
  return ({ path, seconds: elapsed, failure }) => {
    requests.inc({ endpoint: path, outcome: failure?.kind ?? 'success' });
    seconds.observe({ endpoint: path }, elapsed);
  };
}
