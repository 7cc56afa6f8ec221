import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type IngesterContract, type PushOutcome, SeriesForgotten } from '../../libs/contracts/ingester.ts';
import type { WriteBatch } from '../../libs/contracts/write-batch.ts';
import { Failure } from '../../libs/errors/failure.ts';
import { labelsOfCanonical } from '../../libs/model/canonical-labels.ts';
import type { MetricMetadata } from '../../libs/model/metadata.ts';
import { parseTenantId, type TenantId } from '../../libs/model/tenant-id.ts';
import { heldBytes } from '../../libs/std/testing/held-bytes.ts';
import { createLogger } from '../../libs/telemetry/log.ts';
import { rangeMs } from '../../libs/tsdb/head/head-range.ts';
import { AliasRegistry } from '../../libs/wire/alias-registry.ts';
import { WriteScan } from '../../libs/wire/write-scan.ts';
import { contentTypes, type Protocol, pushBody } from '../../test/support/push-client.ts';
import type { SentSeries } from '../../test/support/remote-write-messages.ts';
import { IngestionRate } from './ingestion-rate.ts';
import type { PushLimits } from './push.ts';
import { handlePush, type PushResponse, type PushRouteDeps } from './push-route.ts';
import { ResolvedSeries } from './resolve-series.ts';

const now = 1_700_000_000_000;
const tenant = parseTenantId('team-a');

/** An ingester that remembers, by canonical labels, what it was given. */
class MemoryIngester implements IngesterContract {
  readonly ids = new Map<string, number>();
  readonly samples: { key: string; t: number; v: number; st: number }[] = [];
  readonly histogramStarts: number[] = [];
  readonly metadata: MetricMetadata[] = [];
  readonly batches: { rows: number; known: number; metadata: number; histograms: number; exemplars: number }[] = [];
  epoch = 1;
  /** Numbers that it has dropped. */
  readonly dropped = new Set<number>();
  seriesMax = Number.POSITIVE_INFINITY;
  failure: Failure | undefined;

  clearDropped(_tenant: string, refs: Uint32Array, count: number): number {
    let cleared = 0;
    for (let i = 0; i < count; i++) {
      if (!this.dropped.has(refs[i] as number)) continue;
      refs[i] = 0;
      cleared++;
    }
    return cleared;
  }

  refEpoch(): number {
    return this.epoch;
  }

  async push(batch: WriteBatch): Promise<PushOutcome> {
    if (this.failure !== undefined) throw this.failure;
    const refs = new Uint32Array(batch.seriesCount);
    const rejected: { series: number; reason: string; samples: number; histograms: number; exemplars: number }[] = [];
    let known = 0;
    for (let i = 0; i < batch.seriesCount; i++) {
      let id = batch.refs[i] as number;
      let key = '';
      if (id !== 0) {
        known++;
        key = [...this.ids].find(([, number]) => number === id)?.[0] ?? assert.fail(`number ${id} was never given`);
      } else {
        key = `${batch.tenant} ${JSON.stringify(
          labelsOfCanonical(batch.labelBytes, batch.labelsBegin[i] as number, batch.labelsEnd[i] as number).pairs,
        )}`;
        id = this.ids.get(key) ?? 0;
        if (id === 0 && this.ids.size >= this.seriesMax) {
          const samples = (batch.sampleBegin[i + 1] as number) - (batch.sampleBegin[i] as number);
          rejected.push({ series: i, reason: 'too many series', samples, histograms: 0, exemplars: 0 });
          continue;
        }
        if (id === 0) this.ids.set(key, (id = this.ids.size + 1));
      }
      refs[i] = id;
      for (let j = batch.sampleBegin[i] as number; j < (batch.sampleBegin[i + 1] as number); j++) {
        this.samples.push({
          key,
          t: batch.sampleT[j] as number,
          v: batch.sampleV[j] as number,
          st: batch.sampleST?.[j] ?? 0,
        });
      }
    }
    this.metadata.push(...batch.metadata);
    this.histogramStarts.push(...batch.histograms.map(({ st }) => st));
    this.batches.push({
      rows: batch.seriesCount,
      known,
      metadata: batch.metadata.length,
      histograms: batch.histograms.length,
      exemplars: batch.exemplars.length,
    });
    return { refs, rejected, exemplarsDropped: 0 };
  }

  source(): never {
    throw new Error('this ingester is only written');
  }
}

const limits: PushLimits = {
  requestRate: 0,
  requestBurstSize: 0,
  ingestionRate: 0,
  ingestionBurstSize: 0,
  labelNameLengthMax: 64,
  labelValueLengthMax: 64,
  labelNamesPerSeriesMax: 10,
  labelNamesPerInfoSeriesMax: 20,
  pastGraceMs: 3_600_000,
  creationGraceMs: 600_000,
  metadataLengthMax: 100,
  exemplarsMax: 10,
};

function room(
  changes: Partial<PushLimits> = {},
  { keepsStartTimes = true } = {},
): { ingester: MemoryIngester; deps: PushRouteDeps } {
  const ingester = new MemoryIngester();
  const registry = new AliasRegistry(1 << 24, () => 0);
  const deps: PushRouteDeps = {
    ingester,
    aliasesOf: (of) => registry.of(of),
    limitsOf: () => ({ ...limits, ...changes }),
    rate: new IngestionRate(
      () => 0,
      () => 1,
    ),
    resolved: new ResolvedSeries(1 << 16),
    keepsStartTimes,
    scan: new WriteScan(),
    decompressedBytesMax: 1 << 24,
    counters: { wireBytes: 0, rawBytes: 0, samples: 0, histograms: 0, exemplars: 0, refused: () => undefined },
    log: createLogger({ level: 'error', format: 'json' }).child({}, { level: 'silent' }),
  };
  return { ingester, deps };
}

function send(
  deps: PushRouteDeps,
  protocol: Protocol,
  series: readonly SentSeries[],
  of: TenantId = tenant,
): Promise<PushResponse> {
  const body = pushBody(protocol, series);
  return handlePush(
    of,
    { contentType: contentTypes[protocol], contentEncoding: 'snappy', body, receiveTimeMs: now },
    deps,
  );
}

function written(response: PushResponse): number {
  return Number(response.headers['x-prometheus-remote-write-samples-written']);
}

const up = (instance: string, value: number, t = now): SentSeries => ({
  labels: [
    ['__name__', 'up'],
    ['instance', instance],
  ],
  samples: [{ t, v: value }],
});

describe('push', () => {
  it('comes again by itself, with labels, when numbers are not known any more', async () => {
    const { ingester, deps } = room();
    const series = [up('a', 1), up('b', 2)];
    await send(deps, 'v2', series);
    ingester.failure = new SeriesForgotten('unavailable', 'numbers are not known', { retryAfterSeconds: 1 });
    const again = send(deps, 'v2', series);
    // Its columns are another request's by the time it comes again.
    ingester.failure = undefined;
    ingester.epoch++;
    await send(deps, 'v2', [up('c', 3)]);
    const response = await again;
    assert.deepEqual([response.status, written(response)], [204, 2]);
    assert.deepEqual(
      ingester.batches.map(({ rows, known }) => ({ rows, known })),
      [
        { rows: 2, known: 0 },
        { rows: 1, known: 0 },
        { rows: 2, known: 0 },
      ],
    );
    ingester.failure = new SeriesForgotten('unavailable', 'numbers are not known', { retryAfterSeconds: 1 });
    assert.equal((await send(deps, 'v2', series)).status, 503, 'not for ever');
  });

  for (const protocol of ['v1', 'v2'] as const) {
    it(`${protocol}: knows a series by its bytes from the second time on`, async () => {
      const { ingester, deps } = room();
      const series = Array.from({ length: 50 }, (_, i) => up(`host-${i}`, i));
      assert.equal((await send(deps, protocol, series)).status, 204);
      assert.equal((await send(deps, protocol, series)).status, 204);
      assert.deepEqual(
        ingester.batches.map(({ rows, known }) => ({ rows, known })),
        [
          { rows: 50, known: 0 },
          { rows: 50, known: 50 },
        ],
      );
      assert.equal(ingester.ids.size, 50);
      assert.deepEqual(
        ingester.samples.slice(50).map(({ key, v }) => [key, v]),
        ingester.samples.slice(0, 50).map(({ key, v }) => [key, v]),
      );
    });

    it(`${protocol}: stores the neighbours of what it refuses, and counts exactly`, async () => {
      const { ingester, deps } = room();
      const nameless: SentSeries = { labels: [['instance', 'a']], samples: [{ t: now, v: 1 }] };
      const long: SentSeries = {
        labels: [
          ['__name__', 'm'],
          ['x'.repeat(65), 'y'],
        ],
        samples: [
          { t: now, v: 1 },
          { t: now + 1, v: 2 },
        ],
      };
      const late: SentSeries = {
        labels: [['__name__', 'late']],
        samples: [
          { t: now - 3_600_001, v: 1 },
          { t: now - 3_600_000, v: 2 },
          { t: now + 600_001, v: 3 },
        ],
      };
      const response = await send(deps, protocol, [up('a', 1), nameless, up('b', 2), long, late, up('c', 3)]);
      assert.equal(response.status, 400);
      assert.match(response.text, /^4 series or samples were refused, the rest is stored; the first: /);
      assert.match(response.text, /err-mimir-missing-metric-name/);
      if (protocol === 'v2') assert.equal(written(response), 4);
      assert.deepEqual(
        ingester.samples.map(({ v }) => v),
        [1, 2, 2, 3],
      );
      const again = await send(deps, protocol, [up('a', 5), nameless, up('c', 6)]);
      assert.equal(again.status, 400);
      assert.deepEqual(
        ingester.samples.slice(4).map(({ key, v }) => [key.includes('"c"') ? 'c' : 'a', v]),
        [
          ['a', 5],
          ['c', 6],
        ],
      );
    });

    it(`${protocol}: asks again with labels when the receiver's numbers are of another epoch`, async () => {
      const { ingester, deps } = room();
      await send(deps, protocol, [up('a', 1), up('b', 2)]);
      ingester.epoch = 2;
      ingester.ids.clear();
      await send(deps, protocol, [up('b', 3), up('a', 4)]);
      assert.equal(ingester.batches.at(-1)?.known, 0);
      await send(deps, protocol, [up('b', 5), up('a', 6)]);
      assert.equal(ingester.batches.at(-1)?.known, 2);
      assert.deepEqual(
        ingester.samples.slice(-2).map(({ key, v }) => [key.includes('"b"') ? 'b' : 'a', v]),
        [
          ['b', 5],
          ['a', 6],
        ],
      );
    });

    it(`${protocol}: brings the labels again of a series that the receiver has dropped`, async () => {
      const { ingester, deps } = room();
      await send(deps, protocol, [up('a', 1), up('b', 2), up('c', 3)]);
      const [, key = ''] = [...ingester.ids.keys()];
      ingester.dropped.add(ingester.ids.get(key) as number);
      ingester.ids.delete(key);
      ingester.ids.set('nobody', 99);
      ingester.ids.set('nobody either', 2);
      await send(deps, protocol, [up('a', 4), up('b', 5), up('c', 6)]);
      assert.equal(ingester.batches.at(-1)?.known, 2);
      assert.equal(ingester.ids.get(key), 5);
      await send(deps, protocol, [up('a', 7), up('b', 8), up('c', 9)]);
      assert.equal(ingester.batches.at(-1)?.known, 3);
      assert.deepEqual(
        ingester.samples.filter((sample) => sample.key === key).map(({ v }) => v),
        [2, 5, 8],
      );
    });

    it(`${protocol}: counts what the receiver refused`, async () => {
      const { ingester, deps } = room();
      ingester.seriesMax = 2;
      const response = await send(deps, protocol, [up('a', 1), up('b', 2), up('c', 3), up('d', 4)]);
      assert.equal(response.status, 400);
      assert.match(response.text, /^2 series or samples were refused.*too many series/);
      if (protocol === 'v2') assert.equal(written(response), 2);
      await send(deps, protocol, [up('d', 4), up('b', 2)]);
      assert.equal(ingester.batches.at(-1)?.known, 1);
    });

    it(`${protocol}: answers 503 and forgets nothing when the receiver could not store`, async () => {
      const { ingester, deps } = room();
      ingester.failure = new Failure('unavailable', 'the disk is full', { retryAfterSeconds: 5 });
      const response = await send(deps, protocol, [up('a', 1)]);
      assert.equal(response.status, 503);
      assert.equal(response.headers['retry-after'], '5');
      if (protocol === 'v2') assert.equal(written(response), 0);
      ingester.failure = undefined;
      assert.equal((await send(deps, protocol, [up('a', 1)])).status, 204);
      assert.equal(ingester.samples.length, 1);
    });

    it(`${protocol}: keeps tenants apart though they send the same bytes`, async () => {
      const { ingester, deps } = room();
      await send(deps, protocol, [up('a', 1)]);
      await send(deps, protocol, [up('a', 2)], parseTenantId('team-b'));
      assert.deepEqual(
        [...ingester.ids.keys()].map((key) => key.split(' ')[0]),
        ['team-a', 'team-b'],
      );
    });
  }

  it('is one series in every order and both protocols', async () => {
    const value = fc.string({ unit: 'grapheme', maxLength: 10 }).filter(
      (text) => Buffer.byteLength(text) <= limits.labelValueLengthMax, // one grapheme may be many code points
    );
    const label = fc.tuple(fc.stringMatching(/^[a-z_]{1,6}$/), value);
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(label, { selector: ([name]) => name, maxLength: 8 }),
        fc.array(fc.tuple(fc.infiniteStream(fc.nat()), fc.constantFrom<Protocol>('v1', 'v2')), {
          minLength: 2,
          maxLength: 4,
        }),
        async (labels, orders) => {
          const { ingester, deps } = room();
          const all: [string, string][] = [['__name__', 'm'], ...labels];
          for (const [[...keys], protocol] of orders.map(
            ([stream, protocol]) => [[...stream.take(all.length)], protocol] as const,
          )) {
            const shuffled = all.map((pair, i) => ({ pair, key: keys[i] ?? 0 })).sort((a, b) => a.key - b.key);
            const response = await send(deps, protocol, [
              { labels: shuffled.map(({ pair }) => pair), samples: [{ t: now, v: 1 }] },
            ]);
            assert.equal(response.status, 204, response.text);
          }
          assert.equal(ingester.ids.size, 1);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('stores metadata that came with a write that could not be stored, when the sender comes again', async () => {
    const { ingester, deps } = room();
    const told = { ...up('a', 1), metadata: { type: 2, help: 'Whether it is up.', unit: '' } };
    await send(deps, 'v2', [told]);
    await send(deps, 'v2', [told]);
    assert.deepEqual(
      ingester.batches.map(({ metadata }) => metadata),
      [1, 0],
      'once told it is known',
    );
    const other = { ...told, metadata: { ...told.metadata, help: 'Something else.' } };
    ingester.failure = new Failure('unavailable', 'the disk is full');
    assert.equal((await send(deps, 'v2', [other])).status, 503);
    ingester.failure = undefined;
    assert.equal((await send(deps, 'v2', [other])).status, 204);
    assert.equal(ingester.batches.at(-1)?.metadata, 1);
  });

  it('refuses a request whose samples would open more ranges of two hours than a head can have', async () => {
    const spread = (count: number): SentSeries => ({
      labels: [['__name__', 'old']],
      samples: Array.from({ length: count }, (_, i) => ({ t: now - i * rangeMs, v: i })),
    });
    const { ingester, deps } = room({ pastGraceMs: 0 });
    const tooMany = await send(deps, 'v1', [spread(4097)]);
    assert.equal(tooMany.status, 413, tooMany.text);
    assert.match(tooMany.text, /more than 4096 ranges of two hours/);
    assert.equal(ingester.batches.length, 0, 'nothing is stored');
    assert.equal((await send(deps, 'v1', [spread(4096)])).status, 204);
    const dense = Array.from({ length: 5000 }, (_, i) => ({ t: now - i * 60_000, v: i }));
    const sparse = [{ t: now - 10_000 * rangeMs, v: 1 }];
    const far = await send(deps, 'v2', [{ labels: [['__name__', 'few']], samples: [...sparse, ...dense] }]);
    assert.equal(far.status, 204, 'few ranges that lie far apart');
    const refused = room();
    const outside = await send(refused.deps, 'v1', [spread(4097)]);
    assert.equal(outside.status, 400, 'what is too old opens none');
  });

  it('tells the metadata of no series again, however many there are', async () => {
    const { ingester, deps } = room();
    const metrics = Array.from({ length: 1000 }, (_, i) => ({
      ...up('a', 1),
      labels: [['__name__', `metric_${i}`]] as [string, string][],
      metadata: { type: 2, help: `What ${i} is.`, unit: '' },
    }));
    for (const count of [30, 100, 1000]) {
      await send(deps, 'v2', metrics.slice(0, count));
      await send(deps, 'v2', metrics.slice(0, count));
    }
    assert.deepEqual(
      ingester.batches.map(({ metadata }) => metadata),
      [30, 0, 70, 0, 900, 0],
    );
  });

  it('tells the metadata of a metric once, not for each of its new series', async () => {
    const { ingester, deps } = room();
    const metadata = { type: 2, help: 'Whether it is up.', unit: '' };
    await send(
      deps,
      'v2',
      ['a', 'b', 'c'].map((instance) => ({ ...up(instance, 1), metadata })),
    );
    assert.equal(ingester.batches[0]?.metadata, 1);
  });

  it('cuts a help text to its length, and keeps nothing of what was cut off', async () => {
    const { ingester, deps } = room();
    const before = await heldBytes();
    const texts = ['x', '\u00e9', '\u4e00', '\u{1f30a}', 'ab\u{1f30a}'].map((text) => text.repeat(2 << 20));
    const telling = (help: string, i: number): SentSeries => ({
      labels: [['__name__', `m${i}`]],
      samples: [{ t: now, v: 1 }],
      metadata: { type: 2, help, unit: '' },
    });
    for (const [i, protocol] of (['v1', 'v2'] as const).entries()) {
      for (const [j, text] of texts.entries()) {
        assert.equal((await send(deps, protocol, [telling(text, i * 10 + j)])).status, 204);
        const cut = ingester.metadata.at(-1)?.help ?? '';
        assert.equal(cut, text.slice(0, 100).replace(/[\ud800-\udbff]$/, ''));
      }
      const kept = ingester.metadata.length;
      const long = telling('short', 0);
      const bad = [
        { ...long, labels: [['__name__', 'm'.repeat(300)]] },
        { ...long, metadata: { type: 2, help: 'short', unit: 'u'.repeat(101) } },
      ] as SentSeries[];
      await send(deps, protocol, bad);
      assert.equal(ingester.metadata.length, kept, 'names and units that are too long are left out');
    }
    texts.length = 0;
    const grown = (await heldBytes()) - before;
    assert.ok(grown < 48 << 20, `${grown} bytes are held`);
  });

  it('refuses a small 2.0 request whose symbols make huge labels, or huge metadata', async () => {
    const { ingester, deps } = room();
    const wide = up('x'.repeat(64), 1);
    const labels = await send(
      deps,
      'v2',
      Array.from({ length: 1000 }, () => wide),
    );
    assert.equal(labels.status, 413);
    const twice = ['n'.repeat(64), 'x'] as const;
    const refused = await send(
      deps,
      'v2',
      Array.from({ length: 600 }, () => ({ labels: [['__name__', 'up'], twice, twice] as const })),
    );
    assert.equal(refused.status, 413, 'what is refused has been compared as well');
    const metadata = { type: 2, help: 'x'.repeat(100), unit: 'y'.repeat(100) };
    const texts = await send(
      deps,
      'v2',
      Array.from({ length: 600 }, (_, i) => ({
        labels: [
          ['__name__', `m${i % 2}`],
          ['n', `${i}`],
        ] as const,
        samples: [{ t: now, v: 1 }],
        metadata,
      })),
    );
    assert.equal(texts.status, 413);
    assert.equal(ingester.batches.length, 0);
    assert.equal((await send(deps, 'v2', [wide])).status, 204, 'its neighbours go on');
  });

  it('counts a refused series and its late sample once', async () => {
    const { deps } = room();
    const bad: SentSeries = { labels: [['instance', 'no name']], samples: [{ t: now - 7_200_000, v: 1 }] };
    const response = await send(deps, 'v1', [bad, up('a', 1, now - 7_200_000), up('b', 1)]);
    assert.equal(response.status, 400);
    assert.match(response.text, /^2 series or samples were refused/);
    const alone = await send(deps, 'v1', [bad, up('b', 1)]);
    assert.match(alone.text, /^1 series or sample was refused, the rest is stored; the first: .*missing-metric-name/);
  });

  it('spends no scan on a request that is certainly over the rate, and none for ever on a guess', async () => {
    let nowMs = 0;
    const { deps } = room({ ingestionRate: 1, ingestionBurstSize: 100 });
    const rated = {
      ...deps,
      rate: new IngestionRate(
        () => nowMs,
        () => 1,
      ),
    };
    const series = Array.from({ length: 90 }, (_, i) => up(`host-${i}`, i));
    assert.equal((await send(rated, 'v1', series)).status, 204);
    const { rawBytes } = deps.counters;
    assert.equal((await send(rated, 'v1', series)).status, 429);
    assert.equal(deps.counters.rawBytes, rawBytes, 'it was not even decompressed');
    nowMs = 90_000;
    assert.equal((await send(rated, 'v1', series)).status, 204);
    // As many bytes and hardly a sample: a full bucket is not refused unread.
    nowMs = 300_000;
    const long: SentSeries = { labels: [['__name__', 'a'.repeat(20_000)]], samples: [{ t: now, v: 1 }] };
    assert.equal((await send(rated, 'v1', [long])).status, 400);
    assert.equal((await send(rated, 'v1', [up('a', 1)])).status, 204);
  });

  it('a rate is divided among the distributors that share the writes', async () => {
    let nowMs = 0;
    const { deps } = room({ ingestionRate: 3, ingestionBurstSize: 30 });
    const clock = () => nowMs;
    const rated = { ...deps, rate: new IngestionRate(clock, () => 3) };
    const series = Array.from({ length: 30 }, (_, i) => up(`host-${i}`, i));
    assert.equal((await send(rated, 'v1', series)).status, 204);
    nowMs = 29_000;
    const refused = await send(rated, 'v1', series);
    assert.equal(refused.status, 429);
    assert.match(refused.text, /ingestion rate limit, set to 3 items/);
    nowMs = 30_000;
    assert.equal((await send(rated, 'v1', series)).status, 204);
  });

  it('metadata of 1.0 counts as well: a flood of it alone is one', async () => {
    const { ingester, deps } = room({ ingestionRate: 1, ingestionBurstSize: 3 });
    const told = (name: string): SentSeries => ({
      labels: [['__name__', name]],
      metadata: { type: 1, help: name, unit: '' },
    });
    assert.equal((await send(deps, 'v1', [told('a'), told('b')])).status, 204);
    assert.equal((await send(deps, 'v1', [told('c'), told('d')])).status, 429);
    assert.equal(ingester.batches.length, 1);
  });

  it('refuses a request over the rate before anything is stored', async () => {
    const { ingester, deps } = room({ ingestionRate: 1, ingestionBurstSize: 3 });
    assert.equal((await send(deps, 'v1', [up('a', 1), up('b', 2)])).status, 204);
    const response = await send(deps, 'v1', [up('a', 1), up('b', 2)]);
    assert.equal(response.status, 429);
    assert.match(response.text, /err-mimir-tenant-max-ingestion-rate/);
    assert.equal(ingester.batches.length, 1);
  });

  for (const { name, contentType, contentEncoding, status } of [
    { name: 'no headers are 1.0 and snappy', contentType: undefined, contentEncoding: undefined, status: 204 },
    {
      name: 'any case of the media type',
      contentType: 'Application/X-Protobuf',
      contentEncoding: 'Snappy',
      status: 204,
    },
    {
      name: 'proto=prometheus.WriteRequest',
      contentType: `application/x-protobuf; proto=prometheus.WriteRequest`,
      contentEncoding: 'snappy',
      status: 204,
    },
    { name: 'json', contentType: 'application/json', contentEncoding: 'snappy', status: 415 },
    {
      name: 'an unknown message',
      contentType: 'application/x-protobuf;proto=prometheus.Nothing',
      contentEncoding: 'snappy',
      status: 415,
    },
    { name: 'gzip', contentType: 'application/x-protobuf', contentEncoding: 'gzip', status: 415 },
  ]) {
    it(`headers: ${name} -> ${status}`, async () => {
      const { ingester, deps } = room();
      const response = await handlePush(
        tenant,
        { contentType, contentEncoding, body: pushBody('v1', [up('a', 1)]), receiveTimeMs: now },
        deps,
      );
      assert.equal(response.status, status, response.text);
      assert.equal(ingester.batches.length, status === 204 ? 1 : 0);
      if (status === 415) assert.match(response.text, /prometheus\.WriteRequest.*io\.prometheus\.write\.v2\.Request/);
    });
  }

  for (const keepsStartTimes of [true, false]) {
    it(`start timestamps ${keepsStartTimes ? 'are kept' : 'are taken and forgotten'}`, async () => {
      const { ingester, deps } = room({}, { keepsStartTimes });
      const histogram = { t: now, st: now - 5, kind: 'integer', count: 0, sum: 0, schema: 0 } as const;
      const series: SentSeries[] = [
        { ...up('a', 1), samples: [{ t: now, v: 1, st: now - 5 }] },
        { labels: up('b', 1).labels, histograms: [histogram] },
      ];
      const response = await send(deps, 'v2', series);
      assert.equal(response.status, 204, response.text);
      assert.equal(written(response), 1);
      assert.deepEqual(
        ingester.samples.map(({ st }) => st),
        [keepsStartTimes ? now - 5 : 0],
      );
      assert.deepEqual(ingester.histogramStarts, [keepsStartTimes ? now - 5 : 0]);
    });
  }
});
