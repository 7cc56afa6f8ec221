/** Blocks written, read back, and shown to Prometheus' own tool. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { serverPath, skipWithout } from '../../../test/support/find-server.ts';
import { tempFolder } from '../../../test/support/temp-folder.ts';
import { type Histogram, ResetHint, staleHistogram } from '../../model/histogram.ts';
import { Labels } from '../../model/labels.ts';
import { realDisk } from '../../std/disk.ts';
import { Prng } from '../../std/testing/prng.ts';
import {
  expectedRows,
  readTestBlock,
  type TestSample,
  type TestSeries,
  ulidOf,
  writeTestBlock,
} from './block.testing.ts';
import { openBlockFolder } from './read-block.ts';
import { verifyBlock } from './verify-block.ts';
import { createBlock } from './write-block.ts';

const run = promisify(execFile);
const begin = 1_700_006_400_000;
const signal = new AbortController().signal;

function histogram(count: number, integer: boolean): Histogram {
  return {
    ...staleHistogram(integer),
    stale: false,
    schema: 1,
    count: 2 * count + 1,
    sum: count / 2,
    zeroThreshold: 1e-9,
    zeroCount: 1,
    positiveSpans: Int32Array.of(0, 1, 2, 1),
    positiveBuckets: Float64Array.of(count, count),
    resetHint: ResetHint.unknown,
  };
}

const stepMs = 15_000;
const valuesOf = (count: number, valueAt: (i: number) => number | Histogram, st = 0): TestSample[] =>
  Array.from({ length: count }, (_, i) => ({ t: begin + i * stepMs, v: valueAt(i), st }));

/** Series of every kind; with `starts` also those whose chunks only new readers know. */
function manySeries(count: number, starts: boolean): TestSeries[] {
  const prng = new Prng(7);
  const kinds: ((i: number) => TestSample[])[] = [
    (i) => valuesOf(480, (j) => j * i),
    () => valuesOf(130, () => prng.next()),
    () => valuesOf(1, () => Number.NaN),
    (i) => valuesOf(50, (j) => histogram(j + i, true)),
    (i) => valuesOf(50, (j) => histogram((j + i) / 4, false)),
  ];
  if (starts) {
    kinds.push((i) => valuesOf(130, (j) => j * i, begin - 1000));
    kinds.push((i) => valuesOf(50, (j) => histogram(j + i, true), begin - 1000));
    kinds.push((i) => valuesOf(50, (j) => histogram((j + i) / 4, false), begin - 1000));
  }
  return Array.from({ length: count }, (_, i) => ({
    labels: Labels.from([
      ['__name__', `metric_${i % 10}`],
      ['instance', `host-${i % 7}:9100`],
      ['id', `${i}`],
      ['방', i % 3 === 0 ? '마루' : ''],
    ]),
    samples: (kinds[i % kinds.length] as (typeof kinds)[0])(i),
  }));
}

describe('a block', () => {
  for (const { name, count, segmentBytes } of [
    { name: 'of one series', count: 1, segmentBytes: 512 << 20 },
    { name: 'of many series in many files', count: 3000, segmentBytes: 100_000 },
  ]) {
    it(`${name} is read back as it was written`, async () => {
      await using folder = await tempFolder('block');
      const series = manySeries(count, true);
      const ulid = ulidOf(new Prng(1));
      const meta = await writeTestBlock({ disk: realDisk, directory: folder.path, ulid, series, segmentBytes });
      assert.deepEqual(await readdir(folder.path), [ulid]);
      await using files = await openBlockFolder(realDisk, join(folder.path, ulid));
      assert.deepEqual(await readTestBlock(files), expectedRows(series));
      assert.deepEqual(await verifyBlock(files, { deep: true }, signal), meta.stats);
      assert.deepEqual({ ...files.meta, unknown: {} }, meta);
      assert.deepEqual(meta.thanos.segmentFiles, (await readdir(join(folder.path, ulid, 'chunks'))).sort());
    });
  }

  it('that is not sealed leaves nothing', async () => {
    await using folder = await tempFolder('block');
    {
      await using writer = await createBlock({ disk: realDisk, directory: folder.path, ulid: ulidOf(new Prng(2)) });
      assert.equal((await readdir(folder.path)).length, 1);
      assert.ok(writer);
    }
    assert.deepEqual(await readdir(folder.path), []);
  });

  it('is accepted by promtool', { skip: skipWithout('promtool') }, async () => {
    await using folder = await tempFolder('block');
    const series = manySeries(500, true);
    const ulid = ulidOf(new Prng(3));
    const meta = await writeTestBlock({ disk: realDisk, directory: folder.path, ulid, series, segmentBytes: 50_000 });
    const promtool = serverPath('promtool');
    const listed = await run(promtool, ['tsdb', 'list', folder.path]);
    assert.match(
      listed.stdout,
      new RegExp(`${ulid} +${begin} +${meta.maxTime} .* ${meta.stats.numSamples} +${meta.stats.numChunks} +500 `),
    );
    const analysed = await run(promtool, ['tsdb', 'analyze', folder.path, ulid]);
    assert.match(analysed.stdout, /Total Series: 500\n/);
    // Without one, dump sees no database.
    await mkdir(join(folder.path, 'wal'));
    const dumped = await run(promtool, ['tsdb', 'dump', folder.path], { maxBuffer: 256 << 20 });
    const lines = dumped.stdout.trimEnd().split('\n');
    assert.equal(lines.length, meta.stats.numSamples);
    const floats = series.flatMap(({ labels, samples }) =>
      samples.filter(({ v }) => typeof v === 'number').map(({ t, v }) => `${labels.get('id')} ${t} ${v}`),
    );
    const dumpedFloats = lines.flatMap((line) => {
      const [, id, value, t] = /id="(\d+)".*\} (\S+) (\d+)$/.exec(line) ?? [];
      return value === undefined || line.includes('count:') ? [] : [`${id} ${t} ${Number(value)}`];
    });
    assert.deepEqual(dumpedFloats.sort(), floats.sort());
    assert.match(await readFile(join(folder.path, ulid, 'meta.json'), 'utf8'), /"version": 1/);
  });
});
