/**
 * Questions that no honest client asks: each has a clear error, and the process goes on answering and storing.
 */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { describeEachCarrier } from '../support/carriers.ts';
import { push } from '../support/push-client.ts';
import { rawConnection } from '../support/raw-http.ts';
import { residentBytes } from '../support/resident-bytes.ts';
import type { Maru } from '../support/start-maru.ts';
import { waitFor } from '../support/wait-until.ts';

const tenant = 'hostile';
const formType = 'application/x-www-form-urlencoded';
const seriesCount = 2_000;
/** Points of a query that takes seconds. */
const longSteps = 10_000;
/** As bin/maru.js and deploy/Dockerfile have it. */
const allocator = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '65536' };

interface Told {
  readonly status: number;
  readonly text: string;
}

describeEachCarrier('hostile queries', { timeout: 120_000 }, (startMaru) => {
  let maru: Maru;
  const now = Math.floor(Date.now() / 1000);
  const long = `query_range?query=${encodeURIComponent('sum(rate(hostile[1h]) * on(i) rate(hostile[2h]))')}&start=${now - longSteps}&end=${now}&step=1`;

  before(async () => {
    maru = await startMaru({ args: ['--enable-feature=search-api'] });
    await pushHostile(maru);
  });
  after(() => maru?.[Symbol.asyncDispose]());

  async function pushHostile({ baseUrl }: Maru): Promise<void> {
    const series = Array.from({ length: seriesCount }, (_, i) => ({
      labels: [
        ['__name__', 'hostile'],
        ['i', String(i)],
      ] as const,
      samples: Array.from({ length: 30 }, (_, j) => ({ t: (now - 300 + j * 10) * 1000, v: i * j })),
    }));
    assert.equal((await push(baseUrl, series, { protocol: 'v1', tenant })).status, 204);
  }

  async function ask(path: string, init: RequestInit = {}, { queryUrl }: Pick<Maru, 'queryUrl'> = maru): Promise<Told> {
    const headers = { 'x-scope-orgid': tenant, ...(init.body === undefined ? {} : { 'content-type': formType }) };
    const answer = await fetch(`${queryUrl}/api/v1/${path}`, { ...init, headers });
    return { status: answer.status, text: await answer.text() };
  }

  const post = (path: string, body: string) => ask(path, { method: 'POST', body });

  /** A new sample can be stored and is answered. */
  async function isAlive(): Promise<void> {
    const t = Date.now();
    const series = [{ labels: [['__name__', 'alive']] as const, samples: [{ t, v: t }] }];
    assert.equal((await push(maru.baseUrl, series, { protocol: 'v1', tenant })).status, 204);
    const { text } = await ask(`query?query=alive&time=${t / 1000}`);
    assert.ok(text.includes(`"${t}"`), text);
  }

  for (const { name, path, body, status, words } of [
    {
      name: 'a body of 100 MB',
      path: 'query',
      body: () => `query=${'x'.repeat(100e6)}`,
      status: 413,
      words: /too large/,
    },
    {
      name: 'a million parentheses',
      path: 'query',
      body: () => `query=${'('.repeat(1e6)}`,
      status: 400,
      words: /nested more than/,
    },
    {
      name: 'a hundred thousand parentheses that close',
      path: 'query',
      body: () => `query=${'('.repeat(1e5)}1${')'.repeat(1e5)}`,
      status: 400,
      words: /nested more than/,
    },
    {
      name: 'more points than may be asked for',
      path: 'query_range',
      body: () => 'query=1&start=0&end=11001&step=1',
      status: 400,
      words: /exceeded maximum resolution of 11,000 points/,
    },
    {
      name: 'a time in a zone that is none',
      path: 'query',
      body: () => 'query=1&time=2024-01-01T00:00:00%2B99:00',
      status: 400,
      words: /cannot parse/,
    },
    {
      name: 'a selector of nothing',
      path: 'series',
      body: () => 'match[]=',
      status: 400,
      words: /unexpected end of input/,
    },
    {
      name: 'an expression of a megabyte',
      path: 'query',
      body: () => `query=${encodeURIComponent(Array.from({ length: 50_000 }, (_, i) => `up{a="${i}"}`).join(' or '))}`,
      status: 400,
      words: /levels high/,
    },
    {
      name: 'a selector of a hundred thousand matchers',
      path: 'query',
      body: () => `query=hostile{${'i!="x",'.repeat(100_000)}}`,
      status: 422,
      words: /too many matchers/,
    },
    {
      name: 'selectors of lists that have as many',
      path: 'series',
      body: () => Array.from({ length: 1_000 }, (_, i) => `match[]=m${i}{${'i!="x",'.repeat(100)}}`).join('&'),
      status: 422,
      words: /too many matchers/,
    },
    {
      name: 'an expression of as many selectors, whose exemplars are wanted',
      path: 'query_exemplars',
      body: () => {
        const tree = (levels: number): string =>
          levels === 0 ? 'a' : `(${tree(levels - 1)}${levels % 2 === 0 ? '/' : '*'}${tree(levels - 1)})`;
        return `query=${encodeURIComponent(tree(16))}`;
      },
      status: 422,
      words: /too many matchers/,
    },
    {
      name: 'a group by a hundred thousand labels',
      path: 'query',
      body: () => `query=count by (${Array.from({ length: 100_000 }, (_, i) => `l${i}`).join(',')}) (hostile)`,
      status: 200,
      words: /"metric":\{\}/,
    },
    {
      name: 'a name of a megabyte',
      path: 'query',
      body: () => `query=${'a'.repeat(1e6)}`,
      status: 200,
      words: /"result":\[\]/,
    },
    {
      name: 'a regular expression of exponential shape',
      path: 'series',
      body: () => `match[]=${encodeURIComponent('hostile{i=~"(([0-9]+)+)+x"}')}`,
      status: 200,
      words: /"data":\[\]/,
    },
    {
      name: 'a label that would be as long as the memory',
      path: 'query',
      body: () => {
        const begin = 'label_replace(vector(1),"z","aaaaaaaaaaaaaaaa","","")';
        const joined = Array.from({ length: 12 }).reduce(
          (text: string) => `label_join(${text},"z","","z","z","z","z","z","z","z","z")`,
          begin,
        );
        return `query=${encodeURIComponent(joined)}`;
      },
      status: 422,
      words: /labels of a series would be longer/,
    },
    {
      name: 'names of Object',
      path: 'query?__proto__=1&constructor=2',
      body: () => 'query=__proto__',
      status: 200,
      words: /\[\]/,
    },
    {
      name: 'a time that is no number',
      path: 'query',
      body: () => 'query=1&time=NaN',
      status: 400,
      words: /cannot parse/,
    },
    {
      name: 'a time beyond all numbers',
      path: 'query',
      body: () => 'query=1&time=1e400',
      status: 400,
      words: /cannot parse/,
    },
    {
      name: 'a negative limit',
      path: 'query',
      body: () => 'query=1&limit=-1',
      status: 400,
      words: /must be non-negative/,
    },
    {
      name: 'no step',
      path: 'query_range',
      body: () => 'query=1&start=0&end=1&step=0',
      status: 400,
      words: /zero or negative/,
    },
  ]) {
    it(name, async () => {
      const told = await post(path, body());
      assert.equal(told.status, status, told.text.slice(0, 200));
      assert.match(told.text, words);
      await isAlive();
    });
  }

  const large = Array.from({ length: 9_000 }, (_, i) => `h[ab]-${i}`).join('|');
  for (const { name, pattern, status, words } of [
    { name: 'of 100 KB', pattern: large, status: 200, words: /"(results?|data)":\[\]/ },
    { name: 'of a list of 100 KB', pattern: large.replaceAll('[ab]', ''), status: 200, words: /\[\]/ },
    {
      name: 'of a hundred thousand groups',
      pattern: '('.repeat(1e5),
      status: 400,
      words: /missing closing|too deeply/,
    },
    {
      name: 'with repetitions in one another',
      pattern: '((a{1,30}){1,30}){1,30}',
      status: 400,
      words: /invalid repeat count/,
    },
    { name: 'with a thousand choices', pattern: '(a?){1000}a{1000}', status: 200, words: /\[\]/ },
    { name: 'with classes of all letters', pattern: '(\\pL\\pN){200}'.repeat(5), status: 200, words: /\[\]/ },
    { name: 'of exponential shape', pattern: '(([0-9]+)+)+x', status: 200, words: /\[\]/ },
    { name: 'of a megabyte', pattern: '(a|b)*'.repeat(150_000), status: 400, words: /too large/ },
  ]) {
    for (const path of [
      'query',
      'series',
      'labels',
      'label/i/values',
      'query_exemplars',
      'rules',
      'search/label_names',
    ]) {
      if (path !== 'query' && pattern.length > 50_000 && path.startsWith('label/')) continue;
      it(`a regular expression ${name}, at ${path}`, async () => {
        const selector = `hostile{i=~${JSON.stringify(pattern)}}`;
        const parameter = /^query/.test(path) ? 'query' : 'match[]';
        const form = `${encodeURIComponent(parameter)}=${encodeURIComponent(selector)}`;
        const getOnly = path === 'rules' || path.startsWith('label/');
        const asked = getOnly ? ask(`${path}?${form}`) : post(path, form);
        // Whatever it takes, writes go on meanwhile.
        await isAliveWhileBusy();
        const told = await asked;
        // The longest do not fit into a URL.
        if (getOnly && told.status === 431) return;
        assert.equal(told.status, status, told.text.slice(0, 300));
        assert.match(told.text, words);
      });
    }
  }

  it('a regular expression that is costly and right', async () => {
    const pattern = `(${Array.from({ length: 300 }, (_, i) => `[${i % 10}]${i}`).join('|')})`;
    const selector = encodeURIComponent(`hostile{i=~"${pattern}"}`);
    const expected = Array.from({ length: 300 }, (_, i) => `${i % 10}${i}`).filter(
      (text, i, all) => Number(text) < seriesCount && String(Number(text)) === text && all.indexOf(text) === i,
    );
    const { data } = JSON.parse((await ask(`label/i/values?match[]=${selector}`)).text) as { data: string[] };
    assert.deepEqual(data, expected.sort());
    const { text } = await ask(`query?query=${encodeURIComponent('count')}(${selector})`);
    assert.ok(text.includes(`"${expected.length}"]`), text);
    const others = encodeURIComponent(`hostile{i!~"${pattern}"}`);
    const rest = await ask(`query?query=${encodeURIComponent('count')}(${others})`);
    assert.ok(rest.text.includes(`"${seriesCount - expected.length}"]`), rest.text);
  });

  it('a body over the maximum is answered while it comes, and the connection goes on', async () => {
    const { socket, received } = await rawConnection(Number(new URL(maru.queryUrl).port));
    const bytes = 30e6;
    const head = (length: number) =>
      `POST /api/v1/query HTTP/1.1\r\nhost: x\r\nx-scope-orgid: ${tenant}\r\ncontent-type: ${formType}\r\ncontent-length: ${length}\r\n\r\n`;
    socket.write(head(bytes));
    await waitFor('the refusal', () => received().includes('413') || undefined);
    const piece = Buffer.alloc(1e6, 'x');
    for (let sent = 0; sent < bytes; sent += piece.length) socket.write(piece);
    socket.write(`${head(7)}query=1`);
    await waitFor('the next answer', () => received().includes('"status":"success"') || undefined);
    socket.destroy();
  });

  it('a thousand at once', async () => {
    const asked = Array.from({ length: 1000 }, (_, i) =>
      ask(`query?query=${encodeURIComponent(`hostile{i="${i}"} * 2`)}`),
    );
    const statuses = new Set((await Promise.all(asked)).map(({ status }) => status));
    statuses.delete(429);
    assert.deepEqual([...statuses], [200]);
    await isAlive();
  });

  it('a client that asks for much and leaves', async () => {
    const clients = Array.from({ length: 10 }, () => new AbortController());
    const asked = clients.map(({ signal }) => ask(long, { signal }).catch(() => 'left'));
    const running = async () =>
      Number(/maru_(?:querier_running|query_frontend_in_hand) (\d+)/.exec(await metrics())?.[1]);
    await waitFor('queries that run', async () => ((await running()) > 0 ? true : undefined));
    await isAliveWhileBusy();
    for (const client of clients) client.abort();
    await Promise.all(asked);
    await waitFor('no query that runs', async () => ((await running()) === 0 ? true : undefined));
    await isAlive();
  });

  async function metrics(): Promise<string> {
    return (await fetch(new URL('/metrics', maru.queryUrl))).text();
  }

  /** Writes go on while every worker is taken. */
  async function isAliveWhileBusy(): Promise<void> {
    const series = [{ labels: [['__name__', 'busy']] as const, samples: [{ t: Date.now(), v: 1 }] }];
    assert.equal((await push(maru.baseUrl, series, { protocol: 'v1', tenant })).status, 204);
  }

  it('leaves no memory behind', async () => {
    await using own = await startMaru({ args: ['--query.max-samples=12000000'], env: allocator });
    const bytes = () => own.pids().map(residentBytes);
    await pushHostile(own);
    const form = (path: string, body: string, signal: AbortSignal | null = null) =>
      ask(path, { method: 'POST', body, signal }, own);
    // A point at every step, each column as much as the allocator keeps in its heap.
    const range = (query: string) =>
      `query=${encodeURIComponent(query)}&start=${now - 300}&end=${now + 250}&step=${550 / 7_500}`;
    assert.equal((await form('query_range', `query=sum(hostile)&start=${now - 300}&end=${now}&step=1`)).status, 200);
    const before = bytes();
    for (let round = 0; round < 3; round++) {
      for (const query of ['hostile', 'quantile(0.5, hostile)']) {
        const told = await form('query_range', range(query));
        assert.match(told.text, /too many samples/, told.text.slice(0, 300));
      }
      const late = await ask(`${long}&timeout=200ms`, {}, own);
      assert.match(late.text, /query timed out/, late.text.slice(0, 300));
      await form('query_range', range('quantile(0.5, hostile)'), AbortSignal.timeout(500)).catch(() => undefined);
      // What succeeds, compressed as fetch asks for it.
      const whole = await form('query_range', `query=hostile&start=${now - 300}&end=${now}&step=1`);
      assert.equal(whole.status, 200, whole.text.slice(0, 300));
      await Promise.all([
        ...Array.from({ length: 50 }, () => form('query', `query=${'('.repeat(1e5)}`)),
        ...Array.from({ length: 4 }, () => form('query', `query=${'x'.repeat(20e6)}`).catch(() => undefined)),
      ]);
    }
    // A few small ones keep nothing from coming back.
    const hasComeBack = async () => {
      assert.equal((await form('query', 'query=count(hostile)')).status, 200);
      return bytes().every((now, i) => now < (before[i] ?? 0) + 150e6) ? true : undefined;
    };
    await waitFor('memory that comes back', hasComeBack, { everyMs: 300 }).catch((cause) =>
      assert.fail(`${cause.message}; before and now: ${before}; ${bytes()}`),
    );
  });

  it('times out when asked to', async () => {
    const told = await ask(`${long}&timeout=100ms`);
    assert.deepEqual(told, {
      status: 503,
      text: '{"status":"error","errorType":"timeout","error":"query timed out in expression evaluation"}',
    });
    await isAlive();
  });
});
