/**
 * Federation: the newest sample of every series that a selector matches, in the form in which targets are scraped.
 * Owns the parameters. Reading and writing is a query worker's (execute-federate.ts). Facts: Prometheus 3.15 web/federate.go.
 */
import { Failure } from '../../libs/errors/failure.ts';
import type { ApiAnswer } from '../../libs/query-api/api-answer.ts';
import type { ApiCall } from '../../libs/query-api/api-call.ts';
import type { ApiDeps } from './endpoint.ts';
import { expositionFormOf } from './exposition-form.ts';
import { readMatches } from './read-selectors.ts';

/** @throws Failure `bad_data` in Prometheus' words, and those of a query */
export async function federate(call: ApiCall, deps: ApiDeps): Promise<ApiAnswer> {
  const { form, tenant, signal, accept, gzip } = call;
  if (form.error !== undefined) throw new Failure('bad_data', `error parsing form values: ${form.error}`);
  const exposition = expositionFormOf(accept);
  const maxT = deps.nowMs();
  const minT = maxT - deps.lookbackMs;
  const selectors = await readMatches(call, deps, { startMs: minT, endMs: maxT });
  const { chunks } = await deps.pool.run({
    tenant,
    request: { kind: 'federate', selectors, minT, maxT, form: exposition },
    gzip,
    source: deps.sourceOf(tenant),
    signal,
    timeoutMs: deps.timeoutMs,
  });
  const type =
    exposition.kind === 'text'
      ? 'text/plain; version=0.0.4; charset=utf-8'
      : 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited';
  return { httpStatus: 200, contentType: `${type}; escaping=${exposition.escaping}`, gzip, body: chunks };
}
