/**
 * The checker beside a Maru that lies: a proxy before a real one acknowledges what it does not pass on, or alters answers. Each lie is named.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { type Maru, startMaru } from '../../support/start-maru.ts';
import { waitFor } from '../../support/wait-until.ts';
import { Checker } from './checker.ts';

interface Answer {
  status: number;
  headers: Record<string, string>;
  text: string;
}

interface Lie {
  /** Instead of passing a write on. */
  readonly write?: (number: number) => Answer | undefined;
  readonly read?: (series: SeriesAnswer[], answer: Answer) => SeriesAnswer[];
}

interface SeriesAnswer {
  metric: Record<string, string>;
  values: [number, string][];
}

async function startLiar(maru: Maru, { write, read }: Lie): Promise<AsyncDisposable & { url: string }> {
  let writes = 0;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const isWrite = request.method === 'POST';
    let answer = isWrite ? write?.(writes++) : undefined;
    if (answer === undefined) {
      const headers = Object.fromEntries(
        ['content-type', 'content-encoding'].flatMap((name) =>
          request.headers[name] === undefined ? [] : [[name, String(request.headers[name])]],
        ),
      );
      const body = isWrite ? Buffer.concat(chunks) : null;
      const real = await fetch(`${maru.baseUrl}${request.url}`, { method: request.method ?? 'GET', headers, body });
      answer = { status: real.status, headers: {}, text: await real.text() };
      if (!isWrite && read !== undefined && real.status === 200) {
        const parsed = JSON.parse(answer.text) as { data: { result: SeriesAnswer[] } };
        parsed.data.result = read(parsed.data.result, answer);
        answer.text = JSON.stringify({ ...parsed, ...answer.headers });
        answer.headers = {};
      }
    }
    response.writeHead(answer.status, answer.headers).end(answer.text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no address');
  return {
    url: `http://127.0.0.1:${address.port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const withLast = (series: SeriesAnswer[], change: (one: SeriesAnswer) => SeriesAnswer): SeriesAnswer[] =>
  series.map((one, i) => (i === 0 ? change(one) : one));

describe('the checker of failures', { timeout: 120_000 }, () => {
  let maru: Maru;
  before(async () => {
    maru = await startMaru({ args: ['--self-metrics.tenant=none'] });
  });
  after(() => maru?.[Symbol.asyncDispose]());

  const lies: readonly (Lie & {
    name: string;
    found: 'nothing' | 'partial' | 'wrong' | 'strange';
    words?: RegExp;
    isLost?: true;
  })[] = [
    { name: 'tells the truth', found: 'nothing' },
    {
      name: 'acknowledges a write and forgets it',
      write: (number) => (number === 5 ? { status: 204, headers: {}, text: '' } : undefined),
      found: 'partial',
      words: /steady-0 of write \d+/,
      isLost: true,
    },
    {
      name: 'leaves a series out',
      read: (series) => series.slice(1),
      found: 'partial',
      words: /of write 0 at/,
      isLost: true,
    },
    {
      name: 'leaves the newest sample out and warns of it',
      read: (series, answer) => {
        Object.assign(answer.headers, { warnings: ['some may be missing'] });
        return withLast(series, (one) => ({ ...one, values: one.values.slice(0, -1) }));
      },
      found: 'nothing',
    },
    {
      name: 'answers another value',
      read: (series) => withLast(series, (one) => ({ ...one, values: one.values.map(([t]) => [t, '7']) })),
      found: 'wrong',
      words: /sent \d+, answered 7/,
    },
    {
      name: 'answers a sample twice',
      read: (series) => withLast(series, (one) => ({ ...one, values: [...one.values, ...one.values.slice(-1)] })),
      found: 'wrong',
      words: /is there twice/,
    },
    {
      name: 'answers what was never sent',
      read: (series) => withLast(series, (one) => ({ ...one, values: [...one.values, [1, '1']] })),
      found: 'wrong',
      words: /never sent/,
    },
    {
      name: 'refuses for good',
      write: (number) => (number % 2 === 1 ? { status: 400, headers: {}, text: 'no' } : undefined),
      found: 'strange',
      words: /a write was answered 400: no/,
    },
    {
      name: 'refuses and does not say when to come again',
      write: (number) => (number % 2 === 1 ? { status: 503, headers: {}, text: 'later' } : undefined),
      found: 'strange',
      words: /503 without Retry-After/,
    },
  ];
  for (const [i, { name, found, words, isLost, ...lie }] of lies.entries()) {
    it(`one that ${name}`, async () => {
      await using liar = await startLiar(maru, lie);
      const checker = new Checker({ writes: [liar.url], reads: [`${liar.url}/prometheus`] }, `lie_${i}`);
      checker.start();
      await waitFor('some writes and reads', () => {
        const [writes, recent, stored] = (['writes', 'recent', 'stored'] as const).map((kind) => checker.total(kind));
        return [writes, recent, stored].every((one) => one !== undefined && one.good + one.warned >= 8) || undefined;
      });
      await checker.stop();
      for (const kind of ['partial', 'wrong', 'strange'] as const) {
        const texts = checker.findings[kind];
        if (kind === found) assert.match(texts.join('\n'), words ?? /^$/);
        else if (kind !== 'partial' || found === 'nothing') assert.deepEqual(texts, []);
      }
      if (isLost === true) assert.ok((await checker.lost()).count > 0);
      if (name === 'tells the truth') assert.equal((await checker.lost()).count, 0);
    });
  }
});
