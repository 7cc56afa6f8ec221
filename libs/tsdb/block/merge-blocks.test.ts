/** Merging against the plain way: all samples of a series from all sources, merged whole. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ChunkEncoding } from '../../model/encoding/chunk.ts';
import { type Histogram, ResetHint, staleHistogram } from '../../model/histogram.ts';
import { Labels } from '../../model/labels.ts';
import { makeColumns, mergeColumns } from '../../series/merge.ts';
import type { SampleColumns } from '../../series/sample-columns.ts';
import type { Disk } from '../../std/disk.ts';
import { Prng } from '../../std/testing/prng.ts';
import { FaultyDisk } from '../wal/faulty-disk.testing.ts';
import {
  columnsOfSamples,
  labelsText,
  readTestBlock,
  rowTexts,
  type TestSample,
  type TestSeries,
  ulidOf,
  writeTestBlock,
} from './block.testing.ts';
import { LabelSharder } from './label-shard.ts';
import { mergeBlocks } from './merge-blocks.ts';
import { type BlockFiles, openBlockFolder, readBlockSeries } from './read-block.ts';
import { SortedSymbols } from './symbols.ts';
import { encodeTombstones } from './tombstones.ts';
import type { Ulid } from './ulid.ts';
import { verifyBlock } from './verify-block.ts';

const signal = new AbortController().signal;
const root = '/blocks';

function randomHistogram(prng: Prng): Histogram {
  if (prng.below(8) === 0) return staleHistogram(prng.below(2) === 0);
  const integer = prng.below(2) === 0;
  const counts = Float64Array.from({ length: 1 + prng.below(3) }, () => prng.below(5) * (integer ? 1 : 0.5));
  const zeroCount = prng.below(3);
  return {
    ...staleHistogram(integer),
    stale: false,
    schema: prng.below(2),
    count: counts.reduce((sum, count) => sum + count, zeroCount),
    sum: prng.below(100),
    zeroThreshold: 1e-9,
    zeroCount,
    positiveSpans: Int32Array.of(prng.below(3), counts.length),
    positiveBuckets: counts,
    resetHint: prng.below(6) === 0 ? ResetHint.gauge : ResetHint.unknown,
  };
}

function randomSamples(prng: Prng, kind: number): TestSample[] {
  const samples: TestSample[] = [];
  // Times that two sources often share.
  let t = prng.below(20) * 10;
  for (let count = 1 + prng.below(25); count > 0; count--) {
    t += 10 * (1 + prng.below(prng.below(5) === 0 ? 40 : 2));
    const isHistogram = kind === 1 || (kind === 2 && prng.below(3) === 0);
    const v = isHistogram ? randomHistogram(prng) : prng.below(6) === 0 ? Number.NaN : prng.below(4) - 1;
    samples.push({ t, v, st: kind === 3 && prng.below(2) === 0 ? t - 5 : 0 });
  }
  return samples;
}

function randomSeries(prng: Prng): TestSeries[] {
  const series: TestSeries[] = [];
  for (let i = 0; i < 8; i++) {
    if (prng.below(3) === 0) continue;
    const labels = Labels.from([
      ['__name__', i < 4 ? 'a' : 'b'],
      ['i', `${i % 4}`],
      ['only', prng.below(4) === 0 ? `x${prng.below(3)}` : ''],
    ]);
    series.push({ labels, samples: randomSamples(prng, i % 4) });
  }
  return series;
}

/** Deletes a part of some series of a block, in the file and in the samples that are expected. */
async function deleteSome(disk: Disk, ulid: Ulid, files: BlockFiles, samples: Map<string, TestSample[]>, prng: Prng) {
  const tombstones = new Map<number, Float64Array>();
  for await (const { labels, place } of readBlockSeries(files, signal)) {
    if (prng.below(3) > 0) continue;
    const intervals: number[] = [];
    for (let t = prng.below(200), n = prng.below(3); n >= 0; n--) {
      intervals.push(t, t + prng.below(200));
      t = (intervals.at(-1) ?? 0) + 2 + prng.below(50);
    }
    tombstones.set(place, Float64Array.from(intervals));
    const key = labelsText(labels);
    const isKept = ({ t }: TestSample) =>
      intervals.every((_, i) => i % 2 === 1 || t < intervals[i] || t > intervals[i + 1]);
    samples.set(key, (samples.get(key) ?? []).filter(isKept));
  }
  const path = join(root, ulid, 'tombstones');
  await disk.remove(path);
  const file = await disk.open(path, 'create');
  await file.write(encodeTombstones(tombstones), 0);
  await file.close();
}

const rewritten = (sources: Map<string, TestSample[]>[]): Map<string, string[]> => {
  const merged = new Map<string, SampleColumns>();
  for (const source of sources) {
    for (const [key, samples] of source) {
      const out = makeColumns(0);
      mergeColumns(merged.get(key) ?? makeColumns(0), columnsOfSamples(samples), out);
      merged.set(key, out);
    }
  }
  const rows = [...merged].map(([key, columns]) => [key, rowTexts(columns)] as const);
  return new Map(rows.filter(([, texts]) => texts.length > 0).sort());
};

describe('mergeBlocks', () => {
  it('keeps every timestamp of every series once, with the sample that counts', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const prng = new Prng(seed);
        const disk = new FaultyDisk();
        const expected: Map<string, TestSample[]>[] = [];
        const sources: (BlockFiles & AsyncDisposable)[] = [];
        const previous: TestSeries[][] = [];
        for (let i = 1 + prng.below(4); i > 0; i--) {
          // Sometimes a replica: the same samples, perhaps in other chunks.
          const isReplica = previous.length > 0 && prng.below(3) === 0;
          const series = isReplica ? previous[prng.below(previous.length)] : randomSeries(prng);
          if (series.length === 0) continue;
          previous.push(series);
          const ulid = ulidOf(prng);
          const samplesPerChunk = isReplica && prng.below(2) === 0 ? 7 : 1 + prng.below(9);
          await writeTestBlock({
            disk,
            directory: root,
            ulid,
            series,
            samplesPerChunk,
            segmentBytes: 300 + prng.below(900),
          });
          const samples = new Map(series.map(({ labels, samples }) => [labelsText(labels), [...samples]]));
          if (prng.below(3) === 0) {
            await using files = await openBlockFolder(disk, join(root, ulid));
            await deleteSome(disk, ulid, files, samples, prng);
          }
          expected.push(samples);
          sources.push(await openBlockFolder(disk, join(root, ulid)));
        }
        if (sources.length === 0) return;
        const outputs = Array.from({ length: 1 + prng.below(3) }, () => ulidOf(prng, 1_800_000_000_000));
        const { metas, counts } = await mergeBlocks(
          { disk, directory: root, sources, outputs, segmentBytes: 700 },
          signal,
        );
        const found = new Map<string, string[]>();
        let samples = 0;
        for (const meta of metas) {
          await using files = await openBlockFolder(disk, join(root, meta.ulid));
          assert.deepEqual(await verifyBlock(files, { deep: true }, signal), meta.stats);
          assert.deepEqual(
            meta.jobOutputs,
            metas.map(({ ulid }) => ulid),
          );
          for (const [key, rows] of await readTestBlock(files)) {
            assert.ok(!found.has(key), 'a series is in one output');
            found.set(key, rows);
          }
          samples += meta.stats.numSamples;
        }
        assert.deepEqual(new Map([...found].sort()), rewritten(expected));
        assert.equal(counts.samplesOut, samples);
        assert.equal(counts.samplesIn - counts.duplicates - counts.deleted, samples);
        assert.ok(counts.conflicts <= counts.duplicates);
        assert.deepEqual(
          [...disk.files.keys()].filter((path) => path.includes('.tmp')),
          [],
        );
      }),
      { numRuns: 150 },
    );
  });

  it('copies chunks that no other source overlaps, byte for byte', async () => {
    const disk = new FaultyDisk();
    const prng = new Prng(3);
    const sources: (BlockFiles & AsyncDisposable)[] = [];
    const chunksOf = async (files: BlockFiles) => {
      const found: string[] = [];
      for await (const series of readBlockSeries(files, signal)) {
        for (let i = 0; i < series.chunkCount; i++) {
          const bytes = Buffer.from(series.bytes.subarray(series.byteBegin[i], series.byteEnd[i]));
          found.push(
            `${labelsText(series.labels)} ${series.minT[i]} ${series.encoding[i] satisfies number as ChunkEncoding} ${bytes.toString('hex')}`,
          );
        }
      }
      return found;
    };
    const chunks: string[] = [];
    for (let i = 0; i < 3; i++) {
      const samples = Array.from({ length: 300 }, (_, j) => ({ t: (i * 300 + j) * 15_000, v: prng.next() }));
      const series = ['x', 'y'].map((name) => ({ labels: Labels.from([['__name__', name]]), samples }));
      const ulid = ulidOf(prng);
      await writeTestBlock({ disk, directory: root, ulid, series });
      const files = await openBlockFolder(disk, join(root, ulid));
      chunks.push(...(await chunksOf(files)));
      sources.push(files);
    }
    const { metas, counts } = await mergeBlocks({ disk, directory: root, sources, outputs: [ulidOf(prng)] }, signal);
    await using files = await openBlockFolder(disk, join(root, metas[0].ulid));
    assert.deepEqual((await chunksOf(files)).sort(), chunks.sort());
    assert.equal(counts.chunksEncoded, 0);
    assert.equal(metas[0].compaction.level, 2);
    assert.equal(metas[0].compaction.sources.length, 3);
    assert.equal(metas[0].compaction.parents.length, 3);
  });

  it('shards as labels.StableHash of Prometheus does', () => {
    // Hashes as model/labels/sharding_test.go of Prometheus states them; the shard is the hash modulo the number of shards.
    for (const { texts, hash } of [
      { texts: [], hash: 0xef46db3751d8e999n },
      { texts: ['hello', 'world'], hash: 0x347c8ee7a9e29708n },
      { texts: ['__name__', 'metric', 'label', 'value'], hash: 0xcbab40540f26097dn },
    ]) {
      const symbols = new SortedSymbols();
      const encoder = new TextEncoder();
      for (const text of texts) symbols.append(encoder.encode(text), 0, text.length);
      const refs = Uint32Array.from(texts, (_, i) => i + 1);
      for (const count of [2, 7, 1_000_003]) {
        assert.equal(new LabelSharder(symbols, count).shardOf(refs, refs.length), Number(hash % BigInt(count)));
      }
    }
  });
});
