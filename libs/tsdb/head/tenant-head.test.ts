/** The head against a naive one: a map from series to samples, and the merge rule applied one by one. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { HistogramSample, WriteBatch } from '../../contracts/write-batch.ts';
import { canonicalizeLabels } from '../../model/canonical-labels.ts';
import type { Histogram } from '../../model/histogram.ts';
import { staleHistogram } from '../../model/histogram.ts';
import { Labels } from '../../model/labels.ts';
import type { Matcher } from '../../model/matcher.ts';
import { staleNaNHi, staleNaNLo } from '../../model/stale.ts';
import { parseTenantId } from '../../model/tenant-id.ts';
import { SeriesDecoder } from '../../series/decode-series.ts';
import { compareFloatBits, compareHistograms } from '../../series/merge.ts';
import type { ChunkBatch } from '../../series/series-source.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import { copyBatch } from './copy-batch.ts';
import { HeadSource } from './head-source.ts';
import { TenantHead } from './tenant-head.ts';

const tenant = parseTenantId('test');
const signal = new AbortController().signal;
const scratch = new Float64Array(1);
const scratchBits = new Int32Array(scratch.buffer);

interface Sample {
  readonly series: number;
  readonly t: number;
  readonly st: number;
  readonly hi: number;
  readonly lo: number;
  readonly h: Histogram | null;
}

const labelSets = Array.from({ length: 6 }, (_, i) =>
  Labels.from([
    ['__name__', `m${i % 3}`],
    ['i', `${i}`],
    ['odd', i % 2 ? 'yes' : ''],
  ]),
);

/** Makes a batch, series found or made by their labels, and applies it. */
function push(head: TenantHead, samples: readonly Sample[]): void {
  const rows = [...new Set(samples.map((sample) => sample.series))];
  const labels = new ByteSink();
  const ids = new Uint32Array(rows.length);
  rows.forEach((series, row) => {
    labels.reset();
    canonicalizeLabels(labelSets[series] as Labels, labels);
    ids[row] = head.seriesIdOf(labels.bytes, 0, labels.length);
  });
  const floats = rows.flatMap((series) => samples.filter((sample) => sample.series === series && sample.h === null));
  const sampleV = new Float64Array(floats.length);
  const bits = new Int32Array(sampleV.buffer);
  floats.forEach(({ hi, lo }, i) => {
    bits[i * 2] = lo;
    bits[i * 2 + 1] = hi;
  });
  const sampleBegin = new Uint32Array(rows.length + 1);
  rows.forEach((series, row) => {
    sampleBegin[row + 1] = (sampleBegin[row] as number) + floats.filter((sample) => sample.series === series).length;
  });
  const histograms: HistogramSample[] = [];
  for (const { series, t, st, h } of samples) {
    if (h !== null) histograms.push({ series: rows.indexOf(series), t, st, histogram: h });
  }
  const none = new Uint32Array(rows.length);
  const batch: WriteBatch = {
    tenant,
    receiveTimeMs: 0,
    seriesCount: rows.length,
    refs: ids,
    labelBytes: labels.bytes,
    labelsBegin: none,
    labelsEnd: none,
    sampleBegin,
    sampleT: Float64Array.from(floats, ({ t }) => t),
    sampleV,
    sampleST: floats.some(({ st }) => st !== 0) ? Float64Array.from(floats, ({ st }) => st) : null,
    histograms,
    exemplars: [],
    metadata: [],
  };
  head.append(batch, ids);
}

/** What a sample says, as text; hints follow from neighbours and start times only break ties. */
function describeSample(t: number, hi: number, lo: number, h: Histogram | null): string {
  if (h === null) return `${t} ${(hi >>> 0).toString(16)}:${(lo >>> 0).toString(16)}`;
  if (h.stale) return `${t} stale histogram`;
  return `${t} ${h.count} ${h.sum} ${h.schema} ${h.zeroCount} ${bucketsOf(h.positiveSpans, h.positiveBuckets)}`;
}

/** Filled buckets: a chunk may hold empty ones that the sample did not have. */
function bucketsOf(spans: Int32Array, counts: Float64Array): string {
  const parts: string[] = [];
  let bucket = 0;
  let at = 0;
  for (let i = 0; i < spans.length; i += 2) {
    bucket += spans[i] as number;
    for (let j = 0; j < (spans[i + 1] as number); j++, bucket++) {
      if (counts[at] !== 0) parts.push(`${bucket}=${counts[at]}`);
      at++;
    }
  }
  return parts.join(',');
}

function wins(a: Sample, b: Sample): boolean {
  if (a.h !== null && b.h !== null) return compareHistograms(a.h, b.h) > 0;
  if (a.h !== null || b.h !== null) return a.h !== null;
  return compareFloatBits(a.hi, a.lo, numberOf(a), b.hi, b.lo, numberOf(b)) > 0;
}

function numberOf({ hi, lo }: Sample): number {
  scratchBits[0] = lo;
  scratchBits[1] = hi;
  return scratch[0] as number;
}

/** All samples by labels, as the naive head has them. */
function expected(samples: readonly Sample[], minT: number, maxT: number): Map<string, string[]> {
  const bySeries = new Map<string, Map<number, Sample>>();
  for (const sample of samples) {
    if (sample.t < minT || sample.t > maxT) continue;
    const key = (labelSets[sample.series] as Labels).key;
    const byTime = bySeries.get(key) ?? new Map<number, Sample>();
    bySeries.set(key, byTime);
    const other = byTime.get(sample.t);
    if (other === undefined || wins(sample, other)) byTime.set(sample.t, sample);
  }
  const all = new Map<string, string[]>();
  for (const [key, byTime] of bySeries) {
    const sorted = [...byTime.values()].sort((a, b) => a.t - b.t);
    all.set(
      key,
      sorted.map(({ t, hi, lo, h }) => describeSample(t, hi, lo, h)),
    );
  }
  return all;
}

/** All samples by labels, as the head answers them. */
async function stored(
  head: TenantHead,
  matchers: readonly Matcher[],
  minT: number,
  maxT: number,
): Promise<Map<string, string[]>> {
  const selected = await new HeadSource(head).select({ matchers, minT, maxT }, signal);
  const batches: ChunkBatch[] = [];
  for await (const batch of selected.chunks(signal)) batches.push(batch);
  const { labels } = selected;
  const decoder = new SeriesDecoder(
    { labels, warnings: [], next: () => batches.shift(), close: () => undefined },
    minT,
    maxT,
  );
  const all = new Map<string, string[]>();
  for (let i = 0; i + 1 < labels.begin.length; i++) {
    const pairs = [...labels.refs.subarray(labels.begin[i], labels.begin[i + 1])].map(
      (ref) => labels.strings[ref] as string,
    );
    const columns = decoder.next();
    const texts: string[] = [];
    for (let row = 0; row < columns.length; row++) {
      const t = columns.t[row] as number;
      if (row > 0) assert.ok(t > (columns.t[row - 1] as number));
      if (t < minT || t > maxT) continue;
      const h = columns.h?.[row] ?? null;
      texts.push(describeSample(t, columns.vBits[row * 2 + 1] as number, columns.vBits[row * 2] as number, h));
    }
    if (texts.length > 0) all.set(new Labels(pairs).key, texts);
  }
  return all;
}

const begin = 1_700_000_000_000;

const bitsOf = (value: number): readonly [number, number] => {
  scratch[0] = value;
  return [scratchBits[1] as number, scratchBits[0] as number];
};

const values = fc.oneof(
  fc.integer({ min: 0, max: 5 }).map(bitsOf),
  fc.double().map(bitsOf),
  fc.constantFrom([staleNaNHi, staleNaNLo] as const, [0x7ff80000, 1] as const, [-0x80000000, 0] as const),
);

const histograms: fc.Arbitrary<Histogram> = fc.oneof(
  { weight: 1, arbitrary: fc.boolean().map(staleHistogram) },
  {
    weight: 8,
    arbitrary: fc
      .record({
        schema: fc.constantFrom(0, 3),
        counts: fc.array(fc.nat(50), { maxLength: 5 }),
        offset: fc.integer({ min: -3, max: 3 }),
        sum: fc.nat(9),
        integer: fc.boolean(),
        gauge: fc.boolean(),
      })
      .map(({ schema, counts, offset, sum, integer, gauge }) => ({
        integer,
        resetHint: gauge ? (3 as const) : (0 as const),
        schema,
        zeroThreshold: 0.001,
        zeroCount: 1,
        count: counts.reduce((a, b) => a + b, 1),
        sum,
        positiveSpans: Int32Array.from(counts.length === 0 ? [] : [offset, counts.length]),
        negativeSpans: new Int32Array(0),
        positiveBuckets: Float64Array.from(counts),
        negativeBuckets: new Float64Array(0),
        customValues: new Float64Array(0),
        stale: false,
      })),
  },
);

function sampleOf(times: fc.Arbitrary<number>, histogramWeight: number): fc.Arbitrary<Sample> {
  const kinds = fc.oneof(
    { weight: 10 - histogramWeight, arbitrary: fc.constant(null) },
    { weight: histogramWeight, arbitrary: histograms },
  );
  return fc
    .record({
      series: fc.nat(5),
      t: times,
      st: fc.constantFrom(0, 0, 0, begin - 1000, begin - 5000),
      value: values,
      h: kinds,
    })
    .map(({ series, t, st, value: [hi, lo], h }) => ({ series, t: begin + t, st, hi, lo, h }));
}

/** Rising, then anywhere: chunks fill up, and late samples come between. */
const workloads: fc.Arbitrary<Sample[]> = fc.oneof(
  fc.array(sampleOf(fc.nat(20), 6), { maxLength: 300 }),
  fc.array(sampleOf(fc.integer({ min: 0, max: 400 }), 2), { maxLength: 400 }),
  fc.array(sampleOf(fc.integer({ min: -10_000_000, max: 20_000_000 }), 5), { maxLength: 200 }),
  fc
    .tuple(
      fc.array(sampleOf(fc.nat(30_000), 0), { minLength: 200, maxLength: 700 }),
      fc.array(sampleOf(fc.nat(9_000_000), 1), { maxLength: 100 }),
    )
    .map(([rising, late]) => {
      let t = begin;
      return [
        ...rising.map((sample) => ({ ...sample, t: (t += sample.t - begin), series: sample.series % 2 })),
        ...late,
      ];
    }),
);

function pushInParts(head: TenantHead, samples: readonly Sample[], size: number): void {
  for (let at = 0; at < samples.length; at += size) push(head, samples.slice(at, at + size));
}

function newHead(): TenantHead {
  return new TenantHead({ exemplarsMax: 10 });
}

/** A head restored from slices of another. */
function restored(head: TenantHead, sliceSeries: number): TenantHead {
  const copy = newHead();
  for (let from = 1; from <= head.seriesCount; from += sliceSeries) {
    const sink = new ByteSink();
    sink.writeUint32(7);
    head.writeSlice(from, Math.min(from + sliceSeries, head.seriesCount + 1), sink);
    copy.readSlice(sink.bytes, 4, sink.length, from, 2);
  }
  const sink = new ByteSink();
  head.writeExtras(sink);
  copy.readExtras(sink.bytes, 0, sink.length);
  return copy;
}

const everything: Matcher[] = [{ type: '!=', name: 'no such label', value: 'x' }];

describe('a head', () => {
  it('answers what a naive one answers, whatever comes in whatever order', async () => {
    await fc.assert(
      fc.asyncProperty(workloads, fc.integer({ min: 1, max: 60 }), async (samples, size) => {
        const head = newHead();
        pushInParts(head, samples, size);
        assert.deepEqual(await stored(head, everything, -1e15, 1e15), expected(samples, -1e15, 1e15));
        const middle = begin + 200;
        assert.deepEqual(
          await stored(head, everything, middle, begin + 4_000_000),
          expected(samples, middle, begin + 4_000_000),
        );
      }),
      { numRuns: 150 },
    );
  });

  it('goes on after a restore as if nothing had been', async () => {
    await fc.assert(
      fc.asyncProperty(workloads, workloads, fc.integer({ min: 1, max: 7 }), async (before, after, sliceSeries) => {
        const head = newHead();
        pushInParts(head, before, 40);
        const copy = restored(head, sliceSeries);
        assert.equal(copy.seriesCount, head.seriesCount);
        pushInParts(head, after, 40);
        pushInParts(copy, after, 40);
        const all = await stored(copy, everything, -1e15, 1e15);
        assert.deepEqual(all, expected([...before, ...after], -1e15, 1e15));
        const middle = begin + 200;
        assert.deepEqual(
          await stored(copy, everything, middle, begin + 40_000),
          expected([...before, ...after], middle, begin + 40_000),
        );
        const floats = [...before, ...after].every(({ h }) => h === null);
        if (floats) assert.deepEqual(chunksOf(copy), chunksOf(head));
      }),
      { numRuns: 100 },
    );
  });

  it('keeps start times, also over a restore', async () => {
    const steps = fc.array(
      fc.record({
        step: fc.integer({ min: 1, max: 20_000 }),
        st: fc.constantFrom(0, 1, 2, 3),
        value: values,
        isHistogram: fc.nat(20).map((n) => n === 0),
      }),
      { minLength: 1, maxLength: 300 },
    );
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(300), async (all, restoreAt) => {
        let t = begin;
        let head = newHead();
        const given: string[] = [];
        for (const [i, { step, st, value, isHistogram }] of all.entries()) {
          t += step;
          const startT = st === 0 ? 0 : begin - st * 1000;
          const [hi, lo] = value;
          push(head, [{ series: 0, t, st: startT, hi, lo, h: isHistogram ? staleHistogram(false) : null }]);
          given.push(`${t} ${startT}`);
          if (i === restoreAt) head = restored(head, 1);
        }
        const batch = copyBatch(Uint32Array.of(1), 0, head.rangesBetween(-1e15, 1e15), -1e15, 1e15);
        const labels = { strings: [], begin: new Uint32Array(2), refs: new Uint32Array(0) };
        const columns = new SeriesDecoder(
          { labels, warnings: [], next: () => batch, close: () => undefined },
          -1e15,
          1e15,
        ).next();
        const found = Array.from({ length: columns.length }, (_, i) => `${columns.t[i]} ${columns.st?.[i] ?? 0}`);
        assert.deepEqual(found, given);
      }),
      { numRuns: 100 },
    );
  });

  it('gives the memory of closed chunks to others', () => {
    const head = newHead();
    const first = Math.ceil(begin / 7_200_000) * 7_200_000;
    for (let i = 0; i < 60_000; i++)
      push(head, [{ series: 0, t: first + i * 100, st: 0, hi: Math.imul(i, 0x9e3779b1), lo: i, h: null }]);
    // 16 bytes a sample at most in closed chunks, in pages of 256 KiB; had open ones kept theirs, it were twice that.
    assert.ok(head.bytes() < 1_300_000, `${head.bytes()} bytes`);
  });

  it('counts duplicates, late samples and conflicts', () => {
    const head = newHead();
    const sample = (t: number, value: number): Sample => {
      const [hi, lo] = bitsOf(value);
      return { series: 0, t: begin + t, st: 0, hi, lo, h: null };
    };
    push(head, [sample(0, 1), sample(10, 2), sample(20, 3)]);
    push(head, [sample(20, 3)]);
    push(head, [sample(20, 4), sample(5, 1)]);
    push(head, [sample(5, 1), sample(5, 9)]);
    assert.deepEqual(head.counters, { samples: 6, duplicates: 2, outOfOrder: 3, conflicts: 2, exemplars: 0 });
  });

  it('drops what a sender repeats', () => {
    const head = newHead();
    const samples = Array.from(
      { length: 100 },
      (_, i): Sample => ({ series: 0, t: begin + i * 1000, st: 0, hi: 0x40000000, lo: i, h: null }),
    );
    for (let i = 0; i < 50; i++) push(head, samples);
    const ids = Uint32Array.of(1);
    const { chunkBegin } = copyBatch(ids, 0, head.rangesBetween(-1e15, 1e15), -1e15, 1e15);
    assert.ok((chunkBegin[1] as number) <= 2, `${chunkBegin[1]} chunks`);
  });

  it('cuts chunks as Prometheus does', () => {
    const head = newHead();
    const first = Math.ceil(begin / 7_200_000) * 7_200_000;
    for (let i = 0; i < 480; i++) push(head, [{ series: 0, t: first + i * 15_000, st: 0, hi: 0, lo: 0, h: null }]);
    const { chunkBegin, maxT } = copyBatch(Uint32Array.of(1), 0, head.rangesBetween(-1e15, 1e15), -1e15, 1e15);
    assert.equal(chunkBegin[1], 4);
    assert.deepEqual(
      [...maxT].map((t) => (t - first) / 15_000),
      [119, 239, 359, 479],
    );
  });
});

function chunksOf(head: TenantHead): object {
  const ids = Uint32Array.from({ length: head.seriesCount }, (_, i) => i + 1);
  return copyBatch(ids, 0, head.rangesBetween(-1e15, 1e15), -1e15, 1e15);
}
