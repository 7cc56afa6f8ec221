/**
 * Real Prometheus servers send to one Maru process, each as a tenant, and afterwards both are asked the same.
 * Prometheus 3.15 in both protocols is the reference of every answer; Debian's 2.42 is only a sender, so only its raw
 * samples are compared. Maru is killed in the middle and once more at the end: no hole may remain.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeEachCarrier } from '../support/carriers.ts';
import type { Agreement } from '../support/compare-answers.ts';
import { compareAnswers } from '../support/compare-answers.ts';
import { skipWithout } from '../support/find-server.ts';
import type { Protocol } from '../support/push-client.ts';
import type { QueryData, QueryTarget } from '../support/query-client.ts';
import { ask } from '../support/query-client.ts';
import type { Maru } from '../support/start-maru.ts';
import type { NodeExporter } from '../support/start-node-exporter.ts';
import { startNodeExporter } from '../support/start-node-exporter.ts';
import type { PrometheusServer } from '../support/start-prometheus.ts';
import { startPrometheus } from '../support/start-prometheus.ts';
import type { ScrapeTarget } from '../support/start-scrape-target.ts';
import { startScrapeTarget } from '../support/start-scrape-target.ts';
import { agreedExpressions, refusedExpressions } from './agreed-expressions.ts';

const senders = [
  { name: 'Prometheus 3.15, remote_write 1.0', tenant: 'three-one', version: 3, protocol: 'v1' },
  { name: 'Prometheus 3.15, remote_write 2.0', tenant: 'three-two', version: 3, protocol: 'v2' },
  // Debian's build does not send the `headers` of its remote_write: it writes as whom Maru takes it for without one.
  { name: 'Prometheus 2.42, remote_write 1.0', tenant: undefined, version: 2, protocol: 'v1' },
] as const satisfies readonly { name: string; tenant: string | undefined; version: 2 | 3; protocol: Protocol }[];

/** Long enough for windows of 15 s before and after the kill. */
const scrapeMs = 12_000;
const downMs = 3_000;
const staleMs = 4_000;

interface Pair {
  readonly target: ScrapeTarget;
  readonly prometheus: PrometheusServer;
  readonly asked: { readonly prometheus: QueryTarget; readonly maru: QueryTarget };
}

const skip = skipWithout('prometheus', 'prometheus-2', 'node-exporter');

describeEachCarrier('real Prometheus servers send', { skip, timeout: 240_000 }, (startMaru) => {
  let maru: Maru;
  let nodeExporter: NodeExporter;
  const pairs: Pair[] = [];
  /** Seconds: the history begins, Maru is killed, the target goes away, the history ends. */
  const times = { begin: 0, kill: 0, stop: 0, end: 0 };

  before(async () => {
    maru = await startMaru();
    nodeExporter = await startNodeExporter();
    for (const { tenant, version, protocol } of senders) {
      const asTenant = tenant === undefined ? {} : { tenant };
      const target = await startScrapeTarget();
      const prometheus = await startPrometheus({
        version,
        scrape: { self: '', node: nodeExporter.address, target: target.address },
        remoteWrite: { url: `${maru.baseUrl}/api/v1/push`, protocol, ...asTenant },
      });
      const asked = { prometheus: { baseUrl: prometheus.baseUrl }, maru: { baseUrl: maru.queryUrl, ...asTenant } };
      pairs.push({ target, prometheus, asked });
    }
    times.begin = wholeSecond() + 2;
    await sleep(scrapeMs);
    times.kill = wholeSecond();
    await maru.kill();
    await sleep(downMs);
    maru.launch();
    await maru.ready();
    await sleep(scrapeMs);
    times.stop = wholeSecond();
    for (const { target } of pairs) await target.stop();
    times.end = times.stop + staleMs / 1000;
    await sleep(staleMs + 1_500);
  });

  after(async () => {
    for (const { target, prometheus } of pairs) {
      await target[Symbol.asyncDispose]();
      await prometheus[Symbol.asyncDispose]();
    }
    await nodeExporter?.[Symbol.asyncDispose]();
    await maru?.[Symbol.asyncDispose]();
  });

  for (const [index, { name, version, protocol }] of senders.entries()) {
    describe(name, () => {
      it('left no hole: every raw sample is there, bit for bit', () => rawSamplesAgree(pairs[index], times));

      if (version === 2) return;

      it('instant queries agree', async () => {
        const instants = [times.begin + 8, times.kill + 1.5, times.stop - 0.3, times.end];
        await allAgree(
          pairs[index],
          agreedExpressions(times.kill).flatMap(({ query, agreement }) =>
            instants.map((time): Question => ({ path: 'query', parameters: { query, time }, agreement })),
          ),
        );
      });

      it('range queries agree', async () => {
        const range = { start: times.begin, end: times.end, step: '0.7' };
        await allAgree(
          pairs[index],
          agreedExpressions(times.kill).map(({ query, agreement }) => ({
            path: 'query_range',
            parameters: { query, ...range },
            agreement,
          })),
        );
      });

      it('refusals agree, word for word', async () => {
        const range = { start: times.begin, end: times.stop - 1, step: 5 };
        const up = { ...range, query: 'up' };
        await allAgree(pairs[index], [
          ...refusedExpressions.flatMap((query): Question[] => [
            { path: 'query', parameters: { query, time: times.stop - 1 }, agreement: 'bits' },
            { path: 'query_range', parameters: { query, ...range }, agreement: 'bits' },
          ]),
          { path: 'query', parameters: { query: 'up', time: 'now' }, agreement: 'bits' },
          ...[
            { ...up, start: times.end, end: times.begin },
            { ...up, step: 0 },
            { ...up, step: -1 },
            { ...up, step: 'x' },
            { ...up, start: 'yesterday' },
            { ...up, start: 0, step: 1 },
            { ...up, query: 'up[5s]' },
          ].map((parameters): Question => ({ path: 'query_range', parameters, agreement: 'bits' })),
        ]);
      });

      it('series, labels and label values agree', async () => {
        const { asked } = pairs[index];
        const range = { start: times.begin, end: times.end };
        for (const [path, parameters] of [
          ['labels', range],
          ['labels', { ...range, 'match[]': ['target_requests_total', 'node_load1'] }],
          ['label/__name__/values', range],
          ['label/__name__/values', { ...range, 'match[]': ['{job="target"}'] }],
          ['label/path/values', range],
          ['label/emoji/values', range],
          ['label/no_such_label/values', range],
        ] as const) {
          const [expected, actual] = [
            await ask(asked.prometheus, path, parameters),
            await ask(asked.maru, path, parameters),
          ];
          assert.deepEqual(actual, expected, `${path} ${JSON.stringify(parameters)}`);
        }
        const matchers = { ...range, 'match[]': ['{job="target"}', 'up', '{__name__=~"node_cpu.*",cpu="0"}'] };
        const [expected, actual] = [
          await ask(asked.prometheus, 'series', matchers),
          await ask(asked.maru, 'series', matchers),
        ];
        assert.deepEqual(asSet(actual.data), asSet(expected.data));
      });

      it('metadata agrees', async () => {
        const { asked } = pairs[index];
        const metadataOf = async (target: QueryTarget) =>
          (await ask(target, 'metadata')).data as Record<string, unknown[]>;
        const [expected, actual] = [await metadataOf(asked.prometheus), await metadataOf(asked.maru)];
        if (protocol === 'v2') {
          // Prometheus 3.15 sends an empty message with every series of 2.0: nothing was said, so nothing is known.
          assert.deepEqual(Object.keys(actual).slice(0, 5), []);
          return;
        }
        assert.ok(Object.keys(expected).length > 200, 'Prometheus knows its metadata');
        for (const [metric, entries] of Object.entries(expected)) {
          assert.deepEqual(asSet(actual[metric]), asSet(entries), metric);
        }
      });

      it('exemplars agree', async () => {
        const { asked } = pairs[index];
        const exemplars = { query: 'target_latency_seconds_bucket', start: times.begin, end: times.end };
        const [left, right] = [
          await ask(asked.prometheus, 'query_exemplars', exemplars),
          await ask(asked.maru, 'query_exemplars', exemplars),
        ];
        assert.ok(JSON.stringify(left.data).includes('trace_id'), 'Prometheus has exemplars');
        assert.deepEqual(asSet(right.data), asSet(left.data));
      });
    });
  }

  it('all of it is there after another kill', async () => {
    await maru.kill();
    maru.launch();
    await maru.ready();
    for (const pair of pairs) await rawSamplesAgree(pair, times);
  });
});

/** The senders may still be catching up after the kill: asked again until the answers agree, or for thirty seconds. */
async function rawSamplesAgree(pair: Pair, times: { begin: number; end: number }): Promise<void> {
  const query = `{job=~"self|node|target"}[${times.end - times.begin}s]`;
  const expected = await ask(pair.asked.prometheus, 'query', { query, time: times.end }, 'POST');
  const sampleCount = (expected.data as QueryData).result.reduce(
    (sum, series) => sum + (series.values?.length ?? 0),
    0,
  );
  assert.ok(sampleCount > 10_000, `Prometheus answers ${sampleCount} samples`);
  let differences: string[] = [];
  for (let attempt = 0; attempt < 30; attempt++) {
    const actual = await ask(pair.asked.maru, 'query', { query, time: times.end }, 'POST');
    differences = compareAnswers(expected, actual, 'bits');
    if (differences.length === 0) return;
    await sleep(1000);
  }
  assert.fail(differences.join('\n'));
}

interface Question {
  readonly path: 'query' | 'query_range';
  readonly parameters: Readonly<Record<string, string | number>>;
  readonly agreement: Agreement;
}

/** Asks all before it fails, so that one run shows every disagreement. */
async function allAgree(pair: Pair, questions: readonly Question[]): Promise<void> {
  const failures: string[] = [];
  for (const { path, parameters, agreement } of questions) {
    const [expected, actual] = await Promise.all([
      ask(pair.asked.prometheus, path, parameters, 'POST'),
      ask(pair.asked.maru, path, parameters, 'POST'),
    ]);
    const differences = compareAnswers(expected, actual, agreement);
    if (differences.length > 0) {
      failures.push(`${path} ${JSON.stringify(parameters)}\n    ${differences.slice(0, 3).join('\n    ')}`);
    }
  }
  assert.ok(failures.length === 0, `${failures.length} of ${questions.length} differ:\n  ${failures.join('\n  ')}`);
}

const wholeSecond = (): number => Math.floor(Date.now() / 1000);

const asSet = (data: unknown): string[] =>
  ((data ?? []) as unknown[]).map((one) => JSON.stringify(sortKeys(one))).sort();

/** With object keys in order, so that equal values are equal texts. */
function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sortKeys(inner)]),
  );
}
