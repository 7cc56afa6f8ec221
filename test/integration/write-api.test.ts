/**
 * The write endpoint over HTTP: what is stored, what is answered, and the `Written` headers of 2.0, exact in all cases.
 * Checklist: the issue's tables, the remote_write 1.0 and 2.0 specifications and the idea (no line) of prometheus/compliance
 * remotewrite/receiver. Unlike the latter every case reads back what was stored.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { compress } from 'snappyjs';
import type { Protocol, PushAnswer } from '../support/push-client.ts';
import { contentTypes, push, pushBody, pushBytes } from '../support/push-client.ts';
import type { SeriesAnswer } from '../support/query-client.ts';
import { ask, queryAt } from '../support/query-client.ts';
import { rawRequest } from '../support/raw-http.ts';
import type { SentHistogram, SentLabels, SentSample, SentSeries } from '../support/remote-write-messages.ts';
import { encodeOne, encodeTwo, staleMarker } from '../support/remote-write-messages.ts';
import { residentBytes } from '../support/resident-bytes.ts';
import type { Maru } from '../support/start-maru.ts';
import { startMaru } from '../support/start-maru.ts';

const protocols = ['v1', 'v2'] as const satisfies Protocol[];
const second = 1000;
const hour = 3600 * second;

describe('the write endpoint', { timeout: 120_000 }, () => {
  let maru: Maru;
  const now = Math.floor(Date.now() / second) * second;
  before(async () => {
    maru = await startMaru({ args: ['--server.max-body-bytes=2000000', '--limits.max-label-names-per-series=30'] });
  });
  after(() => maru?.[Symbol.asyncDispose]());

  const write = (protocol: Protocol, series: readonly SentSeries[]) => push(maru.baseUrl, series, { protocol });
  /** All raw samples of a selector, by time in milliseconds. */
  const raw = async (selector: string): Promise<SeriesAnswer[]> => [
    ...(await queryAt({ baseUrl: maru.queryUrl }, `${selector}[1d]`, now / second + 600)).result,
  ];
  const values = async (selector: string) =>
    (await raw(selector)).flatMap(({ values: pairs = [] }) => pairs.map(([t, v]) => [Math.round(t * second) - now, v]));

  describe('accepts', () => {
    for (const protocol of protocols) {
      it(`${protocol}: floats, histograms, exemplars, metadata, with exact counts`, async () => {
        const name = `accepted_${protocol}`;
        const answer = await write(protocol, [
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
        assert.deepEqual(await values(name), [
          [-2000, '1.5'],
          [-1000, '0.30000000000000004'],
          [0, `1${'0'.repeat(300)}`],
        ]);
        const [{ histograms = [] }] = await raw(`${name}_h`);
        assert.deepEqual(
          histograms.map(([t, { count }]) => [t * second - now, count]),
          [
            [0, '3'],
            [1000, '4.5'],
          ],
        );
        const metadata = await ask({ baseUrl: maru.queryUrl }, 'metadata', { metric: name });
        assert.deepEqual(metadata.data, { [name]: [{ type: 'counter', help: 'What it is.', unit: 'things' }] });
        const exemplars = await ask({ baseUrl: maru.queryUrl }, 'query_exemplars', {
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
        accepted(await write(protocol, []), protocol, { samples: 0, histograms: 0, exemplars: 0 });
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
        const answer = await write(
          protocol,
          kinds.map((histogram, i) => ({ labels: metric(name, ['kind', String(i)]), histograms: [histogram] })),
        );
        accepted(answer, protocol, { samples: 0, histograms: kinds.length, exemplars: 0 });
        const answered = await raw(name);
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
        const offsets = Array.from({ length: count }, (_, i) => -((i * 7) % count) * 60);
        for (let i = 0; i < count; i += 50) {
          const samples = at(...offsets.slice(i, i + 50).map((offset) => [offset, offset] as const));
          accepted(await write(protocol, [{ labels: metric(name), samples }]), protocol, {
            samples: 50,
            histograms: 0,
            exemplars: 0,
          });
        }
        const expected = offsets
          .sort((a, b) => a - b)
          .map((offset) => [offset * second, String(offset === 0 ? 0 : offset)]);
        assert.deepEqual(await values(name), expected);
      });

      it(`${protocol}: a duplicate counts as written and is there once`, async () => {
        const name = `duplicate_${protocol}`;
        const series = [{ labels: metric(name), samples: at([0, 5]) }];
        for (let i = 0; i < 2; i++)
          accepted(await write(protocol, series), protocol, { samples: 1, histograms: 0, exemplars: 0 });
        const twice = [{ labels: metric(name), samples: at([0, 5], [0, 5]) }, ...series];
        accepted(await write(protocol, twice), protocol, { samples: 3, histograms: 0, exemplars: 0 });
        assert.deepEqual(await values(name), [[0, '5']]);
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
              const answer = await write(protocol, [{ labels, samples: [{ t: now, v }] }]);
              accepted(answer, protocol, { samples: 1, histograms: 0, exemplars: 0 });
            }
            const found = await values(`${name}{order="${order}",what="${what}"}`);
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
            const answer = await write(protocol, [{ ...one, labels: metric(name, ['order', order]) }]);
            assert.equal(answer.status, 204, answer.text);
          }
          const [answered] = await raw(`${name}{order="${order}"}`);
          assert.equal(answered.values, undefined, order);
          assert.equal(answered.histograms?.[0][1].count, '3', order);
        }
      });

      it(`${protocol}: a staleness marker ends a series at once`, async () => {
        const name = `stale_${protocol}`;
        const samples = [...at([-10, 1]), { t: now, v: staleMarker }];
        accepted(await write(protocol, [{ labels: metric(name), samples }]), protocol, {
          samples: 2,
          histograms: 0,
          exemplars: 0,
        });
        const atTime = async (time: number) => (await queryAt({ baseUrl: maru.queryUrl }, name, time)).result.length;
        assert.equal(await atTime(now / second - 1), 1);
        assert.equal(await atTime(now / second), 0);
        assert.deepEqual(await values(name), [[-10_000, '1']]);
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
          accepted(await write(protocol, [{ labels, samples: at([i, i]) }]), protocol, {
            samples: 1,
            histograms: 0,
            exemplars: 0,
          });
        }
        const answered = await raw(name);
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
        accepted(await write(protocol, [{ labels, samples: at([0, 1]) }]), protocol, {
          samples: 1,
          histograms: 0,
          exemplars: 0,
        });
        // Read as text: JSON.parse would keep __proto__, but an object literal would not.
        const url = `${maru.queryUrl}/api/v1/query?${new URLSearchParams({ query: `{__name__="__proto__",protocol="${protocol}"}`, time: String(now / second) })}`;
        const text = await (await fetch(url)).text();
        const found = (JSON.parse(text) as { data: { result: { metric: object }[] } }).data.result;
        assert.equal(found.length, 1, text);
        assert.deepEqual(Object.entries(found[0].metric).sort(), labels.map(([k, v]) => [k, v]).sort());
        const grouped = await queryAt(
          { baseUrl: maru.queryUrl },
          `sum by (constructor, __proto__) ({"__proto__",protocol="${protocol}"})`,
          now / second,
        );
        assert.deepEqual(Object.entries(grouped.result[0].metric).sort(), [
          ['__proto__', 'constructor'],
          ['constructor', '__proto__'],
        ]);
        const names = (await ask({ baseUrl: maru.queryUrl }, 'labels')).data as string[];
        assert.ok(names.includes('__proto__') && names.includes('constructor'));
      });
    }

    it('2.0: start timestamps, of floats and of histograms', async () => {
      const answer = await write('v2', [
        { labels: metric('started'), samples: [{ t: now, v: 1, st: now - hour }] },
        { labels: metric('started_h'), histograms: [{ ...integerHistogram(now, 3), st: now - hour }] },
      ]);
      accepted(answer, 'v2', { samples: 1, histograms: 1, exemplars: 0 });
    });

    for (const { name, headers } of [
      { name: 'no content type and no encoding', headers: { 'content-type': null, 'content-encoding': null } },
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
          const answer = await pushBytes(maru.baseUrl, pushBody('v1', series), { protocol: 'v1', path, headers });
          assert.equal(answer.status, 204, answer.text);
        }
        assert.deepEqual(await values(`headers{case="${name}"}`), [
          [0, '0'],
          [1000, '1'],
        ]);
      });
    }

    it('and what it accepted is seen by the next query', async () => {
      for (let i = 0; i < 50; i++) {
        assert.equal((await write('v1', [{ labels: metric('visible'), samples: at([i, i]) }])).status, 204);
        const { result } = await queryAt({ baseUrl: maru.queryUrl }, 'visible', now / second + i);
        assert.equal(result[0].value?.[1], String(i));
      }
    });
  });

  describe('refuses a part, stores the rest and says so', () => {
    const longText = 'x'.repeat(5000);
    const cases: readonly { name: string; bad: SentSeries; id: RegExp; only?: Protocol }[] = [
      {
        name: 'no metric name',
        bad: { labels: [['a', 'b']], samples: at([0, 1]) },
        id: /err-mimir-missing-metric-name/,
      },
      {
        name: 'an empty metric name',
        bad: {
          labels: [
            ['__name__', ''],
            ['a', 'b'],
          ],
          samples: at([0, 1]),
        },
        id: /err-mimir-missing-metric-name/,
      },
      { name: 'no labels', bad: { labels: [], samples: at([0, 1]) }, id: /err-mimir-missing-metric-name/ },
      {
        name: 'a label name twice',
        bad: { labels: metric('bad', ['a', '1'], ['a', '2']), samples: at([0, 1]) },
        id: /err-mimir-duplicate-label-names/,
      },
      {
        name: 'a label twice with the same value',
        bad: { labels: metric('bad', ['a', '1'], ['b', '1'], ['a', '1']), samples: at([0, 1]) },
        id: /err-mimir-duplicate-label-names/,
      },
      {
        name: 'a metric name that is no UTF-8',
        bad: { labels: [['__name__', new Uint8Array([0x62, 0xff])]], samples: at([0, 1]) },
        id: /err-mimir-metric-name-invalid/,
      },
      {
        name: 'a label name that is no UTF-8',
        bad: { labels: metric('bad', [new Uint8Array([0x61, 0xc0, 0x80]), 'b']), samples: at([0, 1]) },
        id: /err-mimir-label-invalid/,
      },
      {
        name: 'a label value that is no UTF-8',
        bad: { labels: metric('bad', ['a', new Uint8Array([0xed, 0xa0, 0x80])]), samples: at([0, 1]) },
        id: /err-mimir-label-value-invalid/,
      },
      {
        name: 'an empty label name',
        bad: { labels: metric('bad', ['', 'b']), samples: at([0, 1]) },
        id: /err-mimir-label-invalid/,
      },
      {
        name: 'a label name that is too long',
        bad: { labels: metric('bad', [longText, 'b']), samples: at([0, 1]) },
        id: /err-mimir-label-name-too-long/,
      },
      {
        name: 'a label value that is too long',
        bad: { labels: metric('bad', ['a', longText]), samples: at([0, 1]) },
        id: /err-mimir-label-value-too-long/,
      },
      {
        name: '10,000 labels',
        bad: {
          labels: metric('bad', ...Array.from({ length: 10_000 }, (_, i) => [`l${i}`, 'v'] as const)),
          samples: at([0, 1]),
        },
        id: /err-mimir-max-label-names-per-series/,
      },
      {
        name: 'a sample in the far future',
        bad: { labels: metric('bad'), samples: at([660, 1]) },
        id: /err-mimir-too-far-in-future/,
      },
      {
        name: 'a sample beyond the past grace period',
        bad: { labels: metric('bad'), samples: at([-13 * 3600, 1]) },
        id: /err-mimir-too-far-in-past/,
      },
      {
        name: 'a sample at the end of int64',
        bad: { labels: metric('bad'), samples: [{ t: 2 ** 62, v: 1 }] },
        id: /err-mimir-too-far-in-future/,
      },
      {
        name: 'a sample at the beginning of int64',
        bad: { labels: metric('bad'), samples: [{ t: -(2 ** 62), v: 1 }] },
        id: /err-mimir-too-far-in-past/,
      },
      {
        name: 'a histogram in the far future',
        bad: { labels: metric('bad'), histograms: [integerHistogram(now + 660 * second, 1)] },
        id: /err-mimir-too-far-in-future/,
      },
      {
        name: 'a histogram whose buckets do not fit its spans',
        bad: { labels: metric('bad'), histograms: [{ ...integerHistogram(now, 3), positiveSpans: [[0, 5]] }] },
        id: /histogram/i,
      },
      {
        name: 'a histogram with a negative bucket',
        bad: { labels: metric('bad'), histograms: [{ ...integerHistogram(now, 3), positive: [1, -2] }] },
        id: /histogram/i,
      },
      {
        name: 'a histogram with an unknown schema',
        bad: { labels: metric('bad'), histograms: [{ ...integerHistogram(now, 3), schema: 60 }] },
        id: /histogram/i,
      },
    ];
    for (const protocol of protocols) {
      for (const [i, { name, bad, id }] of cases.entries()) {
        it(`${protocol}: ${name}`, async () => {
          const good = (which: string): SentSeries => ({
            labels: metric('good', ['case', String(i)], ['protocol', protocol], ['which', which]),
            samples: at([0, i]),
            exemplars: [{ labels: [['trace_id', `${i}`]], t: now, v: 1 }],
          });
          const answer = await write(protocol, [good('before'), bad, good('after')]);
          assert.equal(answer.status, 400, answer.text);
          assert.match(answer.text, id);
          assert.match(answer.text, /\b1\b/, 'the count of what was refused');
          if (protocol === 'v2') assert.deepEqual(answer.written, { samples: 2, histograms: 0, exemplars: 2 });
          assert.equal((await raw(`good{case="${i}",protocol="${protocol}"}`)).length, 2);
          assert.deepEqual(await raw('bad'), []);
        });
      }

      it(`${protocol}: one sample of a series, not its neighbours`, async () => {
        const name = `neighbours_${protocol}`;
        const answer = await write(protocol, [
          { labels: metric(name), samples: at([-20 * 3600, 1], [0, 2], [3600, 3], [1, 4]) },
        ]);
        assert.equal(answer.status, 400, answer.text);
        if (protocol === 'v2') assert.deepEqual(answer.written, { samples: 2, histograms: 0, exemplars: 0 });
        assert.deepEqual(await values(name), [
          [0, '2'],
          [1000, '4'],
        ]);
      });
    }
  });

  describe('refuses whole', () => {
    const series: SentSeries[] = [
      { labels: metric('refused_whole', ['padding', 'p'.repeat(300)]), samples: at([0, 1]) },
    ];
    for (const { name, headers } of [
      { name: 'JSON', headers: { 'content-type': 'application/json' } },
      { name: 'a picture', headers: { 'content-type': 'image/png' } },
      {
        name: 'an unknown message',
        headers: { 'content-type': 'application/x-protobuf;proto=io.prometheus.write.v3.Request' },
      },
      { name: 'gzip', headers: { 'content-encoding': 'gzip' } },
      { name: 'deflate', headers: { 'content-encoding': 'deflate' } },
      { name: 'zstd', headers: { 'content-encoding': 'zstd' } },
    ]) {
      for (const protocol of protocols) {
        it(`${name} instead of ${protocol}: 415 naming what is accepted`, async () => {
          const answer = await pushBytes(maru.baseUrl, pushBody(protocol, series), { protocol, headers });
          assert.equal(answer.status, 415, answer.text);
          assert.match(answer.text, 'content-encoding' in headers ? /snappy/ : /application\/x-protobuf/);
        });
      }
    }

    for (const protocol of protocols) {
      const plain = protocol === 'v1' ? encodeOne(series) : encodeTwo(series);
      const packed = compress(plain);
      const broken: readonly { name: string; body: Uint8Array; says: RegExp }[] = [
        { name: 'not compressed', body: plain, says: /snappy/i },
        { name: 'noise', body: new Uint8Array(Buffer.from('this is no request at all')), says: /snappy/i },
        { name: 'nothing at all', body: new Uint8Array(0), says: /snappy/i },
        { name: 'cut off in the compression', body: packed.slice(0, packed.length - 5), says: /snappy/i },
        {
          name: 'cut off in the message',
          body: compress(plain.slice(0, plain.length - 5)),
          says: /byte|offset|position/i,
        },
        {
          name: 'compressed noise',
          body: compress(new Uint8Array(Buffer.from('\u0007 no message'))),
          says: /byte|offset|position/i,
        },
        { name: 'the length of a field lies', body: compress(lyingLength(plain)), says: /byte|offset|position/i },
        { name: 'an unpacked length that is too small', body: withLength(packed, 5), says: /snappy/i },
        { name: 'an unpacked length that is too large', body: withLength(packed, plain.length + 50), says: /snappy/i },
      ];
      for (const { name, body, says } of broken) {
        it(`${protocol}, ${name}: 400 naming what`, async () => {
          const answer = await pushBytes(maru.baseUrl, body, { protocol });
          assert.equal(answer.status, 400, answer.text);
          assert.match(answer.text, says);
          if (protocol === 'v2') assert.deepEqual(answer.written, { samples: 0, histograms: 0, exemplars: 0 });
          assert.deepEqual(await raw('refused_whole'), []);
        });
      }

      it(`${protocol}, the other protocol's message: nothing is stored`, async () => {
        const other = protocol === 'v1' ? 'v2' : 'v1';
        const answer = await pushBytes(maru.baseUrl, pushBody(other, series), { protocol });
        assert.ok(answer.status === 204 || answer.status === 400, `${answer.status}: unknown fields, or refused`);
        assert.deepEqual(await raw('refused_whole'), []);
      });

      it(`${protocol}: 413 for a body over the maximum, before it is read`, async () => {
        const answer = await pushBytes(maru.baseUrl, new Uint8Array(2_000_001), { protocol }).catch(String);
        if (typeof answer !== 'string') assert.equal(answer.status, 413, answer.text);
        const head = (length: string) => [
          'POST /api/v1/push HTTP/1.1',
          'host: maru',
          `content-type: ${contentTypes[protocol]}`,
          'content-encoding: snappy',
          length,
        ];
        // Nothing is sent after the headers: an answer shows that nothing was waited for.
        assert.match(
          await rawRequest(maru.port, head('content-length: 99999999999'), new Uint8Array(0)),
          /^HTTP\/1\.1 413 /,
        );
        const chunk = new Uint8Array(2_100_000);
        const chunked = Buffer.concat([
          Buffer.from(`${chunk.length.toString(16)}\r\n`),
          chunk,
          Buffer.from('\r\n0\r\n\r\n'),
        ]);
        assert.match(await rawRequest(maru.port, head('transfer-encoding: chunked'), chunked), /^HTTP\/1\.1 413 /);
      });

      it(`${protocol}: 413 for a bomb, before the memory is taken`, async () => {
        const residentBefore = residentBytes(maru.pid());
        // A header that promises 4 GiB over a few bytes, and an honest gigabyte-sized run in a small body.
        for (const body of [withLength(packed, 2 ** 32 - 1), compressedZeros(600_000_000)]) {
          const answer = await pushBytes(maru.baseUrl, body, { protocol });
          assert.equal(answer.status, 413, answer.text);
        }
        assert.ok(residentBytes(maru.pid()) - residentBefore < 300_000_000, 'the memory was not taken');
      });
    }

    for (const { name, edit } of [
      { name: 'a reference beyond the symbols', edit: (refs: number[]) => [...refs.slice(0, -1), 999] },
      { name: 'an odd number of references', edit: (refs: number[]) => refs.slice(0, -1) },
    ]) {
      it(`v2, ${name}: 400, nothing of it stored`, async () => {
        // One series, labels {__name__="refused_whole", a="b"}, a sample: written by hand to break the references.
        const symbols = ['', '__name__', 'refused_whole', 'a', 'b'];
        const refs = edit([1, 2, 3, 4]);
        const body: number[] = [];
        for (const symbol of symbols) body.push(0x22, symbol.length, ...Buffer.from(symbol));
        const packedRefs = refs.flatMap(varint);
        const sample = [0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, ...varint(now)];
        const inner = [0x0a, packedRefs.length, ...packedRefs, 0x12, sample.length, ...sample];
        body.push(0x2a, inner.length, ...inner);
        const answer = await pushBytes(maru.baseUrl, compress(Uint8Array.from(body)), { protocol: 'v2' });
        assert.equal(answer.status, 400, answer.text);
        assert.deepEqual(answer.written, { samples: 0, histograms: 0, exemplars: 0 });
        assert.deepEqual(await raw('refused_whole'), []);
      });
    }

    it('another method', async () => {
      for (const method of ['GET', 'PUT', 'DELETE']) {
        const answer = await fetch(`${maru.baseUrl}/api/v1/push`, { method });
        assert.ok(answer.status === 405 || answer.status === 404, `${method}: ${answer.status}`);
      }
    });
  });

  function at(...samples: readonly (readonly [number, number])[]): SentSample[] {
    return samples.map(([offsetSeconds, v]) => ({ t: now + offsetSeconds * second, v }));
  }
});

function metric(name: string, ...labels: SentLabels): SentLabels {
  return [['__name__', name], ...labels];
}

/** `count` observations in two buckets. */
function integerHistogram(t: number, count: number): SentHistogram {
  return {
    t,
    kind: 'integer',
    count,
    sum: count * 1.5,
    schema: 0,
    positiveSpans: [
      [0, 1],
      [1, 1],
    ],
    positive: [1, count - 2],
  };
}

function floatHistogram(t: number, count: number): SentHistogram {
  return { t, kind: 'float', count, sum: count * 1.5, schema: 3, positiveSpans: [[-2, 1]], positive: [count] };
}

function accepted(answer: PushAnswer, protocol: Protocol, written: PushAnswer['written']): void {
  assert.equal(answer.status, 204, answer.text);
  if (protocol === 'v2') assert.deepEqual(answer.written, written);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return [...bytes, rest];
}

/** A snappy body whose header promises another unpacked length. */
function withLength(packed: Uint8Array, length: number): Uint8Array {
  let headerEnd = 0;
  while (packed[headerEnd] >= 0x80) headerEnd++;
  return Uint8Array.from([...varint(length), ...packed.subarray(headerEnd + 1)]);
}

/** `length` zero bytes in snappy, made without having them: one literal, then copies of 64. */
function compressedZeros(length: number): Uint8Array {
  // A copy of 64 bytes from distance 1 takes 3 bytes; the body stays below the maximum by promising more than it holds.
  const copies = Buffer.alloc(3 * 400_000);
  for (let i = 0; i < copies.length; i += 3) copies.set([(63 << 2) | 2, 1, 0], i);
  return Uint8Array.from(Buffer.concat([Buffer.from(varint(length)), Buffer.from([0, 0]), copies]));
}

/** The first length of a nested field is made to reach beyond the end. */
function lyingLength(plain: Uint8Array): Uint8Array {
  const copy = plain.slice();
  copy[1] |= 0x80;
  copy[2] = 0x7f;
  return copy;
}
