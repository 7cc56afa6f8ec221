/**
 * Which queries that failed are worth a line, and what it says.
 * A mistake of the client's is told to the client; what the server could not do is told to its operator.
 */
import type { Logger } from '../telemetry/log.ts';
import type { CallReport } from './api-routes.ts';

const queryLengthMax = 1000;

/** Writes a line for a call that failed. */
export function logFailure(log: Logger, { tenant, path, form, seconds, failure }: CallReport): void {
  if (failure === undefined) return;
  const { kind, message } = failure;
  const level = kind === 'internal' ? 'error' : kind === 'bad_data' || kind === 'canceled' ? 'debug' : 'warn';
  if (!log.isLevelEnabled(level)) return;
  const query = form.get('query');
  log[level](
    {
      tenant,
      endpoint: path,
      query: query.length > queryLengthMax ? `${query.slice(0, queryLengthMax)}…` : query,
      start: form.get('start') || form.get('time'),
      end: form.get('end'),
      step: form.get('step'),
      seconds,
      kind,
      error: message,
    },
    'a query failed',
  );
}
