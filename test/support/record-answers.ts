/**
 * Asks a real Prometheus 3.15 and Maru the same requests over the same samples, and counts what is different.
 * Owns what "the same" means for an answer of the HTTP API: status, headers that matter, and the bytes of the body, up to the
 * order of series and of lines where Prometheus fixes none, and up to times that passed while it was answered. `wanted` lists
 * where Maru differs on purpose. What is asked is api-requests.ts.
 */
import { type ApiRequest, apiRequests, apiSeries } from './api-requests.ts';
import { push } from './push-client.ts';
import { startMaru } from './start-maru.ts';
import { startPrometheus } from './start-prometheus.ts';

/** Not the one that Maru writes its own metrics to. Prometheus knows no tenants. */
const tenant = 'recorder';
const features = ['search-api', 'promql-per-step-stats'];

interface Seen {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | null>>;
  readonly text: string;
}

interface Wanted {
  readonly path: RegExp;
  readonly method?: string;
  readonly why: string;
}

/** Where Maru's answer is another one on purpose. */
const wanted: readonly Wanted[] = [
  { path: /^\/api\/v1\/status\/(config|flags)/, why: 'empty: tenants do not see the settings of the server' },
  { path: /^\/api\/v1\/status\/buildinfo/, why: 'says who answers, and has the features that Grafana asks of Mimir' },
  { path: /^\/api\/v1\/openapi\.yaml/, why: 'describes this API' },
  {
    path: /^\/api\/v1\/features/,
    why: 'a backend has other features; services/querier/features-json.test.ts holds the list',
  },
  {
    path: /^\/api\/v1\/targets\?state=(Active|x)$/,
    why: 'Prometheus has null for counts that were not asked for, which its own document does not have',
  },
  { path: /^\/api\/v1\/nothing$/, why: 'the line of text names the endpoint' },
  { path: /^\/api\/v1\/read/, method: 'POST', why: 'says what is wrong with the snappy block' },
  { path: /=(%2B|-)?(nan|inf|infinity|1e18)(&|$)/i, why: 'no time: Prometheus takes what int64 overflows to' },
];

/** Answers that hold numbers of the server itself are compared by their shape. */
const ofTheServer = /^\/api\/v1\/status\/(runtimeinfo|walreplay)/;

const headersThatMatter = [
  'content-type',
  'content-encoding',
  'cache-control',
  'vary',
  'allow',
  'access-control-allow-origin',
  'access-control-allow-methods',
  'access-control-allow-headers',
  'access-control-expose-headers',
];

async function see(baseUrl: string, request: ApiRequest): Promise<Seen> {
  const url = `${baseUrl}${request.path}`;
  const answer = await fetch(url, {
    method: request.method,
    headers: {
      origin: 'http://grafana',
      'x-scope-orgid': tenant,
      'accept-encoding': 'identity',
      ...request.headers,
    },
    ...(request.body === undefined ? {} : { body: request.body }),
    signal: AbortSignal.timeout(20_000),
  }).catch((cause) => {
    throw new Error(`${request.method} ${url} has no answer`, { cause });
  });
  const text = await answer.text();
  return {
    status: answer.status,
    headers: Object.fromEntries(headersThatMatter.map((name) => [name, answer.headers.get(name)])),
    text: ofTheServer.test(request.path) ? shapeOf(JSON.parse(text)) : comparable(request.path, text),
  };
}

/** The text with what is not fixed in a fixed form. Numbers are not touched: the text is cut, not parsed. */
function comparable(path: string, text: string): string {
  if (path.startsWith('/federate')) return text.split('\n').sort().join('\n');
  // Peaks are those of each engine.
  const timeless = text.replace(/"timings":\{[^}]*\}/, '"timings":{}').replace(/"peakSamples":\d+/, '"peakSamples":0');
  if (path.startsWith('/api/v1/status/tsdb')) return sortedRankings(timeless);
  const list =
    /^(\{"status":"success","data":(?:\{"resultType":"(?:vector|matrix)","result":)?)\[(\{.*\})\]((?:,"stats":.*)?\}?(?:,"warnings":.*)?\}?)$/s;
  const parts = list.exec(timeless);
  if (parts === null) return timeless;
  const items = (parts[2] ?? '').split(/(?<=\}),(?=\{"(?:metric"|__name__"))/);
  return `${parts[1]}[${items.sort().join(',')}]${parts[3]}`;
}

/** Entries of a ranking with the same count are in no order. */
function sortedRankings(text: string): string {
  return text.replace(
    /\[(\{"name".*?\})\]/g,
    (_all, entries: string) =>
      `[${entries
        .split(/(?<=\}),/)
        .sort()
        .join(',')}]`,
  );
}

function shapeOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return typeof value;
  if (Array.isArray(value)) return `[${value.map(shapeOf).join(',')}]`;
  return `{${Object.entries(value)
    .map(([key, inner]) => `${key}:${shapeOf(inner)}`)
    .join(',')}}`;
}

export interface EndpointCount {
  readonly endpoint: string;
  asked: number;
  same: number;
  wanted: number;
  different: number;
}

export interface Recording {
  readonly endpoints: readonly EndpointCount[];
  /** One text a request whose answers differ. */
  readonly differences: readonly string[];
}

/** Starts both servers, gives them the same samples and asks everything. @param start how Maru is put together */
export async function recordAnswers(start = startMaru): Promise<Recording> {
  await using maru = await start({ args: [`--enable-feature=${features.join(',')}`] });
  await using prometheus = await startPrometheus({ version: 3, scrape: {}, features });
  for (const [baseUrl, path] of [
    [maru.baseUrl, '/api/v1/push'],
    [prometheus.baseUrl, '/api/v1/write'],
  ] as const) {
    const { status, text } = await push(baseUrl, apiSeries(), { protocol: 'v1', path, tenant });
    if (status !== 204) throw new Error(`${baseUrl} refused the samples: ${status} ${text}`);
  }
  const counts = new Map<string, EndpointCount>();
  const differences: string[] = [];
  for (const request of apiRequests()) {
    const endpoint = endpointOf(request);
    const count = counts.get(endpoint) ?? { endpoint, asked: 0, same: 0, wanted: 0, different: 0 };
    counts.set(endpoint, count);
    count.asked++;
    const [expected, actual] = await Promise.all([see(prometheus.baseUrl, request), see(maru.queryUrl, request)]);
    const [left, right] = [JSON.stringify(expected), JSON.stringify(actual)];
    if (left === right) count.same++;
    else if (isWanted(request)) count.wanted++;
    else {
      count.different++;
      const { method, path, headers = {}, body = '' } = request;
      differences.push(
        `${method} ${path} ${JSON.stringify(headers)} ${body}\n  Prometheus ${left}\n  Maru       ${right}`,
      );
    }
  }
  return { endpoints: [...counts.values()], differences };
}

function isWanted({ path, method }: ApiRequest): boolean {
  return wanted.some((one) => one.path.test(path) && (one.method ?? method) === method);
}

function endpointOf({ path }: ApiRequest): string {
  const [plain = ''] = path.split('?');
  return plain.replace('/api/v1/', '').replace(/^label\/.*\/values$/, 'label/<name>/values');
}

/** The counts as a table for people. */
export function recordingTable({ endpoints }: Recording): string {
  const rows = endpoints.map(({ endpoint, asked, same, wanted: meant, different }) =>
    [endpoint, asked, same, meant, different].map(String),
  );
  const sum = (index: number) => String(rows.reduce((all, row) => all + Number(row[index]), 0));
  rows.push(['all', sum(1), sum(2), sum(3), sum(4)]);
  const head = ['endpoint', 'asked', 'same', 'wanted', 'different'];
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] ?? '').length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(' | ')} |`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  const reasons = wanted.map(({ path, why }) => `wanted: ${path.source.replaceAll('\\', '')}: ${why}`);
  return [line(head), rule, ...rows.map(line), '', ...reasons].join('\n');
}
