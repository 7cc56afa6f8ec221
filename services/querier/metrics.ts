/** What the querier reports about itself: how many questions, how they ended, how long they took, what waits. */
import type { CallReport } from '../../libs/query-api/api-routes.ts';
import { createCallMetrics } from '../../libs/query-api/call-metrics.ts';
import type { Metrics } from '../../libs/telemetry/metrics.ts';
import type { QueryPool } from './query-pool.ts';

/** Registers the metrics of the room; what it returns counts a call whose answer has begun. */
export function createQuerierMetrics(metrics: Metrics, pool: QueryPool): (call: CallReport) => void {
  const now = (name: string, help: string, read: () => number) =>
    metrics.gaugeOf(name, help, [], () => [{ value: read() }]);
  const total = (name: string, help: string, read: () => number) =>
    metrics.counterOf(name, help, [], () => [{ value: read() }]);
  now('maru_querier_queued', 'Queries that wait for a worker.', () => pool.queued);
  now('maru_querier_running', 'Queries that have a worker.', () => pool.running);
  now('maru_querier_workers', 'Worker threads that are alive.', () => pool.workers);
  total('maru_querier_samples_total', 'Samples that queries have read.', () => pool.samplesRead);
  total('maru_querier_worker_deaths_total', 'Workers that died or were killed.', () => pool.deaths);
  return createCallMetrics(metrics, 'querier', 'a worker');
}
