/**
 * What the write endpoint takes: every kind of sample in both protocols, in any order, twice, in conflict, under any name;
 * the `Written` headers of 2.0 are exact, and every case reads back what was stored.
 * Checklist: the issue's tables, the remote_write 1.0 and 2.0 specifications.
 */
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { describeEachCarrier } from '../support/carriers.ts';
import type { Protocol, PushAnswer } from '../support/push-client.ts';
import { pushBody, pushBytes } from '../support/push-client.ts';
import { ask, queryAt } from '../support/query-client.ts';
import type { SentHistogram, SentLabels, SentSample, SentSeries } from '../support/remote-write-messages.ts';
import { staleMarker } from '../support/remote-write-messages.ts';
import { floatHistogram, integerHistogram, metric, samplesAt } from '../support/sent-series.ts';
import type { WriteSession } from '../support/write-session.ts';
import { startWriteSession } from '../support/write-session.ts';

const protocols = ['v1', 'v2'] as const satisfies Protocol[];
const second = 1000;
const hour = 3600 * second;
const now = Math.floor(Date.now() / second) * second;
const at = (...samples: readonly (readonly [number, number])[]) => samplesAt(now, ...samples);

describeEachCarrier('the write endpoint accepts', { timeout: 120_000 }, (startMaru) => {
  let session: WriteSession;
  before(async () => {
    session = await startWriteSession(now, [], startMaru);
  });
  after(() => session?.[Symbol.asyncDispose]());

  for (const protocol of protocols) {
    it(`${protocol}: floats, histograms, exemplars, metadata, with exact counts`, async () => {
      const name = `accepted_${protocol}`;
      const answer = await session.write(protocol, [
        {
          labels: metric(name, ['a', '1']),
          samples: at([-2, 1.5], [-1, 0.1 + 0.2], [0, 1e300]),
          exemplars: [
            { labels: [['trace_id', 'new']], t: now, v: 1 },
            { labels: [['trace_id', 'old']], t: now - hour, v: 2 },
          ],
          metadata: { type: 1, help: 'What it is.', unit: 'things' },
        },
        { labels: metric(`${name}_h`), histograms: [integerHistogram(now, 3), floatHistogram(now + second, 4.5)] },
      ]);
      accepted(answer, protocol, { samples: 3, histograms: 2, exemplars: 2 });
      assert.deepEqual(await session.values(name), [
        [-2000, '1.5'],
        [-1000, '0.30000000000000004'],
        [0, '1e+300'],
      ]);
      const [{ histograms = [] }] = await session.raw(`${name}_h`);
      assert.deepEqual(
        histograms.map(([t, { count }]) => [t * second - now, count]),
        [
          [0, '3'],
          [1000, '4.5'],
        ],
      );
      const metadata = await ask({ baseUrl: session.maru.queryUrl }, 'metadata', { metric: name });
      assert.deepEqual(metadata.data, { [name]: [{ type: 'counter', help: 'What it is.', unit: 'things' }] });
      const exemplars = await ask({ baseUrl: session.maru.queryUrl }, 'query_exemplars', {
        query: name,
        start: now / second - 7200,
        end: now / second + 1,
      });
      assert.deepEqual(exemplars.data, [
        {
          seriesLabels: { __name__: name, a: '1' },
          exemplars: [
            { labels: { trace_id: 'old' }, value: '2', timestamp: now / second - 3600 },
            { labels: { trace_id: 'new' }, value: '1', timestamp: now / second },
          ],
        },
      ]);
    });

    it(`${protocol}: an empty request`, async () => {
      accepted(await session.write(protocol, []), protocol, { samples: 0, histograms: 0, exemplars: 0 });
    });

    it(`${protocol}: every kind of native histogram`, async () => {
      const name = `histograms_${protocol}`;
      const kinds: SentHistogram[] = [
        integerHistogram(now, 7),
        { ...integerHistogram(now, 7), resetHint: 3 },
        floatHistogram(now, 2.25),
        { ...floatHistogram(now, 2.25), resetHint: 3 },
        {
          t: now,
          kind: 'integer',
          count: 6,
          sum: -3,
          schema: 2,
          zeroThreshold: 0.001,
          zeroCount: 2,
          negativeSpans: [[1, 2]],
          negative: [1, 0],
          positiveSpans: [
            [-3, 1],
            [2, 1],
          ],
          positive: [1, 0],
        },
        {
          t: now,
          kind: 'integer',
          count: 3,
          sum: 7,
          schema: -53,
          positiveSpans: [[0, 3]],
          positive: [1, 0, 0],
          customValues: [1, 2.5],
        },
        {
          t: now,
          kind: 'float',
          count: 3,
          sum: 7,
          schema: -53,
          positiveSpans: [[0, 3]],
          positive: [0.5, 1, 1.5],
          customValues: [1, 2.5],
        },
        { t: now, kind: 'integer', count: 0, sum: staleMarker, schema: 0 },
      ];
      const answer = await session.write(
        protocol,
        kinds.map((histogram, i) => ({ labels: metric(name, ['kind', String(i)]), histograms: [histogram] })),
      );
      accepted(answer, protocol, { samples: 0, histograms: kinds.length, exemplars: 0 });
      const answered = await session.raw(name);
      assert.equal(answered.length, kinds.length - 1, 'all but the stale one');
      const custom = answered.find(({ metric: labels }) => labels.kind === '5');
      assert.deepEqual(custom?.histograms?.[0][1], {
        count: '3',
        sum: '7',
        buckets: [
          [3, '-Inf', '1', '1'],
          [0, '1', '2.5', '1'],
          [0, '2.5', '+Inf', '1'],
        ],
      });
    });

    it(`${protocol}: any order, across requests, chunks and two-hour ranges`, async () => {
      const name = `shuffled_${protocol}`;
      const count = 600;
      // 7 is coprime to 600: every minute once, in leaps.
      const offsets = Array.from({ length: count }, (_, i) => 0 - ((i * 7) % count) * 60);
      for (let i = 0; i < count; i += 50) {
        const samples = at(...offsets.slice(i, i + 50).map((offset) => [offset, offset] as const));
        accepted(await session.write(protocol, [{ labels: metric(name), samples }]), protocol, {
          samples: 50,
          histograms: 0,
          exemplars: 0,
        });
      }
      const expected = offsets
        .sort((a, b) => a - b)
        .map((offset) => [offset * second, String(offset === 0 ? 0 : offset)]);
      assert.deepEqual(await session.values(name), expected);
    });

    it(`${protocol}: a duplicate counts as written and is there once`, async () => {
      const name = `duplicate_${protocol}`;
      const series = [{ labels: metric(name), samples: at([0, 5]) }];
      for (let i = 0; i < 2; i++)
        accepted(await session.write(protocol, series), protocol, { samples: 1, histograms: 0, exemplars: 0 });
      const twice = [{ labels: metric(name), samples: at([0, 5], [0, 5]) }, ...series];
      accepted(await session.write(protocol, twice), protocol, { samples: 3, histograms: 0, exemplars: 0 });
      assert.deepEqual(await session.values(name), [[0, '5']]);
    });

    it(`${protocol}: of two values at one time the same one wins in either order`, async () => {
      const name = `conflict_${protocol}`;
      const pairs: readonly (readonly [string, SentSample['v'], SentSample['v'], string | undefined])[] = [
        ['larger', 1, 2, '2'],
        ['number-over-nan', Number.NaN, -5, '-5'],
        ['number-over-stale', staleMarker, -5, '-5'],
        ['nan-over-stale', staleMarker, Number.NaN, 'NaN'],
        ['infinite', Number.POSITIVE_INFINITY, 1, '+Inf'],
        ['negative-infinite', Number.NEGATIVE_INFINITY, -1, '-1'],
      ];
      for (const [what, a, b, winner] of pairs) {
        for (const [order, both] of [
          ['ab', [a, b]],
          ['ba', [b, a]],
        ] as const) {
          const labels = metric(name, ['order', order], ['what', what]);
          for (const v of both) {
            const answer = await session.write(protocol, [{ labels, samples: [{ t: now, v }] }]);
            accepted(answer, protocol, { samples: 1, histograms: 0, exemplars: 0 });
          }
          const found = await session.values(`${name}{order="${order}",what="${what}"}`);
          assert.deepEqual(found, [[0, winner]], `${what} ${order}`);
        }
      }
    });

    it(`${protocol}: a histogram wins over a float at the same time`, async () => {
      const name = `conflict_kinds_${protocol}`;
      const float: SentSeries = { labels: metric(name), samples: at([0, 1e9]) };
      const histogram: SentSeries = { labels: metric(name), histograms: [integerHistogram(now, 3)] };
      for (const [order, both] of [
        ['fh', [float, histogram]],
        ['hf', [histogram, float]],
      ] as const) {
        for (const one of both) {
          const answer = await session.write(protocol, [{ ...one, labels: metric(name, ['order', order]) }]);
          assert.equal(answer.status, 204, answer.text);
        }
        const [answered] = await session.raw(`${name}{order="${order}"}`);
        assert.equal(answered.values, undefined, order);
        assert.equal(answered.histograms?.[0][1].count, '3', order);
      }
    });

    it(`${protocol}: a staleness marker ends a series at once`, async () => {
      const name = `stale_${protocol}`;
      const samples = [...at([-10, 1]), { t: now, v: staleMarker }];
      accepted(await session.write(protocol, [{ labels: metric(name), samples }]), protocol, {
        samples: 2,
        histograms: 0,
        exemplars: 0,
      });
      const atTime = async (time: number) =>
        (await queryAt({ baseUrl: session.maru.queryUrl }, name, time)).result.length;
      assert.equal(await atTime(now / second - 1), 1);
      assert.equal(await atTime(now / second), 0);
      assert.deepEqual(await session.values(name), [[-10_000, '1']]);
    });

    it(`${protocol}: unsorted labels and empty values are one series with the sorted`, async () => {
      const name = `sorted_${protocol}`;
      const spellings: SentLabels[] = [
        [
          ['__name__', name],
          ['a', '1'],
          ['b', '2'],
        ],
        [
          ['b', '2'],
          ['__name__', name],
          ['a', '1'],
        ],
        [
          ['a', '1'],
          ['b', '2'],
          ['empty', ''],
          ['__name__', name],
        ],
      ];
      for (const [i, labels] of spellings.entries()) {
        accepted(await session.write(protocol, [{ labels, samples: at([i, i]) }]), protocol, {
          samples: 1,
          histograms: 0,
          exemplars: 0,
        });
      }
      const answered = await session.raw(name);
      assert.equal(answered.length, 1);
      assert.deepEqual(answered[0].metric, { __name__: name, a: '1', b: '2' });
      assert.equal(answered[0].values?.length, 3);
    });

    it(`${protocol}: names and values that are traps elsewhere`, async () => {
      const name = `__proto__`;
      const labels: SentLabels = [
        ['__name__', name],
        ['__proto__', 'constructor'],
        ['constructor', '__proto__'],
        ['emoji \u{1f30a}', '\u{10ffff}\u{0}\n"\\'],
        ['protocol', protocol],
        ['toString', 'hasOwnProperty'],
      ];
      accepted(await session.write(protocol, [{ labels, samples: at([0, 1]) }]), protocol, {
        samples: 1,
        histograms: 0,
        exemplars: 0,
      });
      // Read as text: JSON.parse would keep __proto__, but an object literal would not.
      const url = `${session.maru.queryUrl}/api/v1/query?${new URLSearchParams({ query: `{__name__="__proto__",protocol="${protocol}"}`, time: String(now / second) })}`;
      const text = await (await fetch(url)).text();
      const found = (JSON.parse(text) as { data: { result: { metric: object }[] } }).data.result;
      assert.equal(found.length, 1, text);
      assert.deepEqual(Object.entries(found[0].metric).sort(), labels.map(([k, v]) => [k, v]).sort());
      const grouped = await queryAt(
        { baseUrl: session.maru.queryUrl },
        `sum by (constructor, __proto__) ({"__proto__",protocol="${protocol}"})`,
        now / second,
      );
      assert.deepEqual(Object.entries(grouped.result[0].metric).sort(), [
        ['__proto__', 'constructor'],
        ['constructor', '__proto__'],
      ]);
      const names = (await ask({ baseUrl: session.maru.queryUrl }, 'labels')).data as string[];
      assert.ok(names.includes('__proto__') && names.includes('constructor'));
    });
  }

  it('2.0: start timestamps, of floats and of histograms', async () => {
    const answer = await session.write('v2', [
      { labels: metric('started'), samples: [{ t: now, v: 1, st: now - hour }] },
      { labels: metric('started_h'), histograms: [{ ...integerHistogram(now, 3), st: now - hour }] },
    ]);
    accepted(answer, 'v2', { samples: 1, histograms: 1, exemplars: 0 });
  });

  for (const { name, headers } of [
    { name: 'no content type and no encoding', headers: { 'content-type': null, 'content-encoding': null } },
    { name: 'an empty content type and encoding', headers: { 'content-type': '', 'content-encoding': '' } },
    { name: 'no version', headers: { 'x-prometheus-remote-write-version': null } },
    {
      name: 'the message named',
      headers: { 'content-type': 'application/x-protobuf;proto=prometheus.WriteRequest' },
    },
    {
      name: 'a space and capitals',
      headers: { 'content-type': 'Application/X-Protobuf; proto=prometheus.WriteRequest' },
    },
  ] as const) {
    it(`1.0 with ${name}, on both paths`, async () => {
      for (const [i, path] of ['/api/v1/push', '/api/v1/write'].entries()) {
        const series = [{ labels: metric('headers', ['case', name]), samples: at([i, i]) }];
        const answer = await pushBytes(session.maru.baseUrl, pushBody('v1', series), { protocol: 'v1', path, headers });
        assert.equal(answer.status, 204, answer.text);
      }
      assert.deepEqual(await session.values(`headers{case="${name}"}`), [
        [0, '0'],
        [1000, '1'],
      ]);
    });
  }

  it('any age where limits.past-grace-period is 0, also after a restart', async () => {
    await using any = await startWriteSession(now, ['--limits.past-grace-period=0'], startMaru);
    const times = [1, 86_400 * second, now - 800 * 24 * hour, now - 13 * hour, now, now + 599 * second];
    for (const [i, t] of times.entries()) {
      const protocol = protocols[i % 2];
      const answer = await any.write(protocol, [{ labels: metric('aged'), samples: [{ t, v: i }] }]);
      accepted(answer, protocol, { samples: 1, histograms: 0, exemplars: 0 });
    }
    const found = async () => {
      const target = { baseUrl: any.maru.queryUrl };
      const { result } = await queryAt(target, 'aged[100y]', now / second + 600);
      return result[0].values?.map(([t, v]) => [Math.round(t * second), v]);
    };
    const expected = times.map((t, i) => [t, String(i)]);
    assert.deepEqual(await found(), expected);
    await any.maru.kill();
    any.maru.launch();
    await any.maru.ready();
    assert.deepEqual(await found(), expected);
  });

  it('and what it accepted is seen by the next query', async () => {
    for (let i = 0; i < 50; i++) {
      assert.equal((await session.write('v1', [{ labels: metric('visible'), samples: at([i, i]) }])).status, 204);
      const { result } = await queryAt({ baseUrl: session.maru.queryUrl }, 'visible', now / second + i);
      assert.equal(result[0].value?.[1], String(i));
    }
  });
});

function accepted(answer: PushAnswer, protocol: Protocol, written: PushAnswer['written']): void {
  assert.equal(answer.status, 204, answer.text);
  if (protocol === 'v2') assert.deepEqual(answer.written, written);
}
