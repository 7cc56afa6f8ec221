/** Random work for a head, and what a naive one makes of it: a map from series to samples, the merge rule applied one by one. */
import fc from 'fast-check';
import type { HistogramSample, WriteBatch } from '../../contracts/write-batch.ts';
import { canonicalizeLabels } from '../../model/canonical-labels.ts';
import type { Histogram } from '../../model/histogram.ts';
import { staleHistogram } from '../../model/histogram.ts';
import { Labels } from '../../model/labels.ts';
import { staleNaNHi, staleNaNLo } from '../../model/stale.ts';
import { parseTenantId } from '../../model/tenant-id.ts';
import { compareFloatBits, compareHistograms } from '../../series/merge.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import type { TenantHead } from './tenant-head.ts';

const tenant = parseTenantId('test');
const scratch = new Float64Array(1);
const scratchBits = new Int32Array(scratch.buffer);

export interface Sample {
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
export function push(head: TenantHead, samples: readonly Sample[]): void {
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
export function describeSample(t: number, hi: number, lo: number, h: Histogram | null): string {
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
export function expected(samples: readonly Sample[], minT: number, maxT: number): Map<string, string[]> {
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

export const begin = 1_700_000_000_000;

export const bitsOf = (value: number): readonly [number, number] => {
  scratch[0] = value;
  return [scratchBits[1] as number, scratchBits[0] as number];
};

export const values = fc.oneof(
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
export const workloads: fc.Arbitrary<Sample[]> = fc.oneof(
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

export function pushInParts(head: TenantHead, samples: readonly Sample[], size: number): void {
  for (let at = 0; at < samples.length; at += size) push(head, samples.slice(at, at + size));
}
