/** The head against a naive one: a map from series to samples, and the merge rule applied one by one. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { staleHistogram } from '../../model/histogram.ts';
import { Labels } from '../../model/labels.ts';
import type { Matcher } from '../../model/matcher.ts';
import { SeriesDecoder } from '../../series/decode-series.ts';
import type { ChunkBatch } from '../../series/series-source.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import { copyBatch } from './copy-batch.ts';
import { HeadSource } from './head-source.ts';
import { TenantHead } from './tenant-head.ts';
import {
  begin,
  bitsOf,
  describeSample,
  expected,
  push,
  pushInParts,
  type Sample,
  values,
  workloads,
} from './workloads.testing.ts';

const signal = new AbortController().signal;

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
    copy.readSlice(sink.bytes, 4, sink.length, from);
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

  it('compares late samples with the newest chunks, not with all that a series has', async () => {
    // A buffer of 32 late samples becomes a chunk. If these lie all over the range, each overlaps all others.
    const head = newHead();
    const first = Math.ceil(begin / 7_200_000) * 7_200_000;
    const lateBuffer = (n: number): Sample[] =>
      Array.from({ length: 32 }, (_, i) => ({ series: 0, t: first + i * 200_000 + n, st: 0, hi: n, lo: i, h: null }));
    const chunks = (): number =>
      copyBatch(Uint32Array.of(1), 0, head.rangesBetween(-1e15, 1e15), -1e15, 1e15).chunkBegin[1] as number;
    push(head, [{ series: 0, t: first + 7_199_999, st: 0, hi: 0, lo: 0, h: null }]);
    for (let n = 0; n < 20; n++) push(head, lateBuffer(n));
    // The buffer that waits is a chunk to readers.
    push(head, lateBuffer(18));
    const before = chunks();
    push(head, lateBuffer(17));
    push(head, lateBuffer(0));
    assert.equal(chunks(), before, 'what was sent last is known when its buffer becomes a chunk');
    push(head, lateBuffer(1));
    assert.equal(chunks(), before + 1, 'what is far behind is not looked for');
    const [texts] = (await stored(head, everything, -1e15, 1e15)).values();
    assert.equal(texts?.length, 20 * 32 + 1, 'and answered once');
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
