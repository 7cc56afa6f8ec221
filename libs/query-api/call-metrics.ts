/** What a room that answers the read API reports of its calls: how many, how they ended, how long they took. */
import type { Metrics } from '../telemetry/metrics.ts';
import type { CallReport } from './api-routes.ts';

/**
 * Registers `maru_<room>_requests_total` and `maru_<room>_request_seconds`; what it returns counts a call whose answer has begun.
 * @param waitsFor what is waited for within that time: `a worker`
 */
export function createCallMetrics(metrics: Metrics, room: string, waitsFor: string): (call: CallReport) => void {
  const requests = metrics.counter(
    `maru_${room}_requests_total`,
    'Requests to the query API by endpoint and outcome: success, or the kind of failure (canceled: the client left).',
    ['endpoint', 'outcome'],
  );
  const seconds = metrics.seconds(
    `maru_${room}_request_seconds`,
    `Time until the first bytes of the answer, waiting for ${waitsFor} included.`,
    ['endpoint'],
  );
  return ({ path, seconds: elapsed, failure }) => {
    requests.inc({ endpoint: path, outcome: failure?.kind ?? 'success' });
    seconds.observe({ endpoint: path }, elapsed);
  };
}
