/**
 * A scrape target of a test, in this process: metrics with everything that is awkward, and an end that the test chooses.
 * Owns what is exposed: counters that reset, a gauge that is NaN or infinite, a classic histogram with exemplars, series
 * that come and go, label values in need of escapes. Every scrape moves it on by one, so a second scraper would see
 * another history: each Prometheus gets its own target.
 */
import { createServer } from 'node:http';

export interface ScrapeTarget extends AsyncDisposable {
  /** `host:port`, as a scrape configuration has it. */
  readonly address: string;
  /** Refuses every later scrape, as a target that went away. */
  stop(): Promise<void>;
}

export async function startScrapeTarget(): Promise<ScrapeTarget> {
  let scrape = 0;
  const server = createServer((_request, response) => {
    scrape++;
    response.setHeader('content-type', 'application/openmetrics-text; version=1.0.0; charset=utf-8');
    response.end(exposition(scrape));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a numbered address');
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
    return stopped;
  };
  return { address: `127.0.0.1:${address.port}`, stop, [Symbol.asyncDispose]: stop };
}

const bounds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, Number.POSITIVE_INFINITY];
// No -0: the protobuf encoder of Prometheus leaves it out as if it were 0.
const temperatures = [20.5, 21.125, 'NaN', -3.75, '+Inf', 1e-7, 1e22, '-Inf', 0.1, 0];

/** The metrics of scrape number `n`, in OpenMetrics. */
function exposition(n: number): string {
  const lines: string[] = [];
  const family = (name: string, type: string, help: string, unit = '') => {
    lines.push(`# TYPE ${name} ${type}`, `# HELP ${name} ${help}`);
    if (unit !== '') lines.push(`# UNIT ${name} ${unit}`);
  };

  family('target_requests', 'counter', 'Requests, with a reset every eleven scrapes.');
  const sinceReset = n % 11;
  for (const path of ['/a', '/b', '/c']) {
    for (const code of ['200', '500']) {
      const slope = 1 + 0.37 * path.charCodeAt(1) + (code === '500' ? 0.011 : 3);
      lines.push(`target_requests_total{path="${path}",code="${code}"} ${sinceReset * slope + Math.sin(n) ** 2}`);
    }
  }

  family('target_temperature_celsius', 'gauge', 'Not always a number.', 'celsius');
  for (const [offset, room] of ['kitchen', 'bath', 'hall'].entries()) {
    lines.push(`target_temperature_celsius{room="${room}"} ${temperatures[(n + offset) % temperatures.length]}`);
  }

  family('target_weight', 'gauge', 'The one side of a many-to-one match.');
  for (const path of ['/a', '/b'])
    lines.push(`target_weight{path="${path}",team="team of ${path}"} ${path.length + n}`);

  family('target_flapping', 'gauge', 'Here for three scrapes, gone for two.');
  for (let i = 0; i < 5; i++) if ((n + i) % 5 < 3) lines.push(`target_flapping{n="${i}"} ${n * i}`);

  family('target_text', 'gauge', 'Label values in need of care.');
  lines.push(`target_text{emoji="\u{1f30a}",quoted="\\"\\\\\\n",empty="",constructor="x",__proto__="y"} ${n}`);

  family('target_latency_seconds', 'histogram', 'A classic histogram with exemplars.', 'seconds');
  for (const path of ['/a', '/b']) {
    const slope = path === '/a' ? 1 : 2;
    for (const [i, bound] of bounds.entries()) {
      const le = bound === Number.POSITIVE_INFINITY ? '+Inf' : String(bound);
      const exemplar = i === n % bounds.length ? ` # {trace_id="${path}-${n}"} ${Math.min(bound, 9) * 0.9}` : '';
      lines.push(`target_latency_seconds_bucket{path="${path}",le="${le}"} ${n * slope * (i + 1) ** 2}${exemplar}`);
    }
    lines.push(`target_latency_seconds_count{path="${path}"} ${n * slope * bounds.length ** 2}`);
    lines.push(`target_latency_seconds_sum{path="${path}"} ${n * slope * 7.3}`);
  }
  return `${lines.join('\n')}\n# EOF\n`;
}
