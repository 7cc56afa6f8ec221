/**
 * Queries as load: one after the other, until told to stop, or each of a list a number of times.
 */
import { request } from 'node:http';
import type { RunningServer } from './servers.ts';

export interface QueryCase {
  readonly name: string;
  readonly query: string;
  /** Seconds; an instant query at the end of the data where it is 0. */
  readonly stepSeconds: number;
}

/** What dashboards and alerts ask of the series of label-recipe.ts. */
export const queryCases: readonly QueryCase[] = [
  { name: 'one series', query: 'container_cpu_usage_seconds_total{pod=~"checkout-9e3779b.*"}', stepSeconds: 15 },
  { name: 'rate of one app', query: 'rate(container_cpu_usage_seconds_total{container="cart"}[2m])', stepSeconds: 0 },
  {
    name: 'sum of rates by namespace',
    query: 'sum by (namespace) (rate(container_network_receive_bytes_total[2m]))',
    stepSeconds: 15,
  },
  { name: 'top 10 of memory', query: 'topk(10, container_memory_working_set_bytes)', stepSeconds: 0 },
  {
    name: 'ratio of two metrics',
    query:
      'sum by (container) (container_memory_working_set_bytes) / sum by (container) (container_spec_memory_limit_bytes)',
    stepSeconds: 15,
  },
  {
    name: 'maximum over time',
    query: 'max by (node) (max_over_time(process_resident_memory_bytes[5m]))',
    stepSeconds: 60,
  },
  { name: 'count of all', query: 'count({job="kubelet"})', stepSeconds: 0 },
];

/** Heavy: half of all series, a long window at every step. `stepSeconds` sets how long it takes. */
export function heavyQuery(stepSeconds: number): QueryCase {
  const counters = [
    'container_cpu_usage_seconds_total',
    'container_network_receive_bytes_total',
    'container_network_transmit_packets_total',
    'container_fs_reads_bytes_total',
    'http_request_duration_seconds_count',
  ];
  return { name: 'heavy', query: counters.map((name) => `sum by (node) (rate(${name}[5m]))`).join(' + '), stepSeconds };
}

export interface QueryResult {
  readonly milliseconds: number;
  readonly series: number;
  readonly error: string | undefined;
}

/** Asks one query over [beginMs, endMs]. */
export async function ask(server: RunningServer, one: QueryCase, beginMs: number, endMs: number): Promise<QueryResult> {
  const { url, form } = requestOf(server, one, beginMs, endMs);
  const begin = performance.now();
  const response = await fetch(url, { method: 'POST', body: form });
  const text = await response.text();
  const milliseconds = performance.now() - begin;
  if (response.status !== 200) return { milliseconds, series: 0, error: `${response.status}: ${text.slice(0, 300)}` };
  const answer: unknown = JSON.parse(text);
  const result = (answer as { data?: { result?: readonly unknown[] } }).data?.result;
  return { milliseconds, series: result?.length ?? 0, error: undefined };
}

/**
 * Asks `one` again and again until `signal`; @returns the duration of each that ended.
 * Answers are counted and thrown away: whoever measures pushes in this thread must not wait for a parser of megabytes.
 */
export async function askUntil(
  server: RunningServer,
  one: QueryCase,
  beginMs: number,
  endMs: number,
  signal: AbortSignal,
): Promise<{ milliseconds: number[]; errors: string[] }> {
  const milliseconds: number[] = [];
  const errors: string[] = [];
  const { url, form } = requestOf(server, one, beginMs, endMs);
  while (!signal.aborted) {
    const begin = performance.now();
    try {
      const error = await drain(url, form.toString(), signal);
      if (error === undefined) {
        milliseconds.push(performance.now() - begin);
      } else {
        errors.push(error);
        // A server that refuses at once must not be asked in a busy loop.
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
  return { milliseconds, errors };
}

/** Posts a form and lets the answer go by. @returns the refusal, undefined for 200 */
function drain(url: string, form: string, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(form) };
    const sent = request(url, { method: 'POST', headers, signal }, (response) => {
      let refusal = '';
      response.on('data', (bytes: Buffer) => {
        if (response.statusCode !== 200) refusal = (refusal + bytes.toString()).slice(0, 300);
      });
      response.on('end', () => resolve(response.statusCode === 200 ? undefined : `${response.statusCode}: ${refusal}`));
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(form);
  });
}

function requestOf(server: RunningServer, one: QueryCase, beginMs: number, endMs: number) {
  const form = new URLSearchParams({ query: one.query });
  if (one.stepSeconds === 0) {
    form.set('time', String(endMs / 1000));
  } else {
    form.set('start', String(beginMs / 1000));
    form.set('end', String(endMs / 1000));
    form.set('step', String(one.stepSeconds));
  }
  const path = one.stepSeconds === 0 ? 'query' : 'query_range';
  return { url: `${server.baseUrl}${server.kind.queryPath}/api/v1/${path}`, form };
}
