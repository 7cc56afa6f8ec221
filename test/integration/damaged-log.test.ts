/**
 * What a crash or a bad disk does to files between two runs: a torn tail is cut off and said, damage in the middle costs
 * what it hit and no more, the bad file is set aside and named, and the process starts.
 */
import assert from 'node:assert/strict';
import { appendFileSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import { push } from '../support/push-client.ts';
import { queryAt } from '../support/query-client.ts';
import { seededRandom } from '../support/seeded-random.ts';
import type { Maru } from '../support/start-maru.ts';
import { startMaru } from '../support/start-maru.ts';

const pushCount = 40;

describe('a damaged log', { timeout: 180_000 }, () => {
  for (const { name, tear } of [
    { name: 'noise after the end', tear: (path: string) => appendFileSync(path, noise(777)) },
    { name: 'zeros after the end', tear: (path: string) => appendFileSync(path, new Uint8Array(4096)) },
    {
      name: 'half a record after the end',
      tear: (path: string) => appendFileSync(path, readFileSync(path).subarray(-200, -100)),
    },
    { name: 'an empty next segment', tear: (path: string) => writeFileSync(nextSegment(path), '') },
    {
      name: 'half a header in the next segment',
      tear: (path: string) => writeFileSync(nextSegment(path), readFileSync(path).subarray(0, 5)),
    },
  ]) {
    it(`${name}: nothing acknowledged is lost, and it says what it cut off`, async () => {
      await using maru = await startMaru();
      const t0 = await writeNumbers(maru);
      await maru.kill();
      tear(lastSegment(maru));
      maru.launch();
      await maru.ready();
      assert.deepEqual(
        await numbers(maru, t0),
        Array.from({ length: pushCount }, (_, i) => i),
      );
      if (!name.includes('next segment')) assert.match(maru.log(), /torn|cut/i);
      await goesOn(maru, t0);
    });
  }

  it('a tail cut short costs the last records only', async (t) => {
    const random = seededRandom();
    t.diagnostic(`MARU_TEST_SEED=${random.seed}`);
    await using maru = await startMaru();
    const t0 = await writeNumbers(maru);
    await maru.kill();
    const path = lastSegment(maru);
    truncateSync(path, statSync(path).size - random.between(1, 400));
    maru.launch();
    await maru.ready();
    const kept = await numbers(maru, t0);
    assert.ok(kept.length < pushCount && kept.length > pushCount - 10, `${kept.length} of ${pushCount}`);
    assert.deepEqual(
      kept,
      Array.from({ length: kept.length }, (_, i) => i),
      'what is before the cut',
    );
    assert.match(maru.log(), /torn|cut/i);
    await goesOn(maru, t0);
  });

  it('a flipped bit in the middle costs one record; the file is set aside and named; a metric says so', async (t) => {
    const random = seededRandom();
    t.diagnostic(`MARU_TEST_SEED=${random.seed}`);
    await using maru = await startMaru();
    const t0 = await writeNumbers(maru);
    await maru.kill();
    const path = lastSegment(maru);
    const bytes = readFileSync(path);
    const at = Math.floor(bytes.length / 2) + random.between(-100, 100);
    bytes[at] ^= 1 << random.between(0, 8);
    writeFileSync(path, bytes);
    maru.launch();
    await maru.ready();
    const kept = await numbers(maru, t0);
    assert.ok(kept.length >= pushCount - 2, `${kept.length} of ${pushCount} after a bit at ${at}`);
    assert.ok(maru.log().includes(basename(path)), `the log names ${basename(path)}:\n${maru.log()}`);
    const metrics = await (await fetch(`${maru.baseUrl}/metrics`)).text();
    assert.match(metrics, /^maru_\w*(damage|corrupt)\w*(\{[^}]*\})? [1-9]/m);
    const warnings = async (time: number): Promise<readonly string[]> => {
      const answer = await fetch(`${maru.queryUrl}/api/v1/query?query=numbers&time=${time}`);
      return ((await answer.json()) as { warnings?: string[] }).warnings ?? [];
    };
    const ofItsTime = await warnings(t0 / 1000 + 1);
    assert.ok(ofItsTime.length === 1 && ofItsTime[0]?.includes(basename(path)), `warnings: ${ofItsTime}`);
    await goesOn(maru, t0);
    assert.equal((await warnings(t0 / 1000 + 1)).length, 1, 'the start after knows it as well');
    const everywhere = readdirSync(maru.dataDir, { recursive: true }).map(String);
    assert.ok(
      everywhere.some((file) => /damaged/.test(file) && file.includes(basename(path))),
      `set aside: ${everywhere}`,
    );
  });

  it('a whole segment of noise is named, and the rest is kept', async () => {
    await using maru = await startMaru({ args: ['--ingester.wal-segment-bytes=2KiB'] });
    const t0 = await writeNumbers(maru);
    await maru.kill();
    const segments = segmentsOf(maru);
    assert.ok(segments.length >= 3, `segments: ${segments}`);
    writeFileSync(segments[1], noise(statSync(segments[1]).size));
    maru.launch();
    await maru.ready();
    const kept = await numbers(maru, t0);
    assert.ok(kept.includes(pushCount - 1), 'the newest is kept');
    assert.ok(maru.log().includes(basename(segments[1])), maru.log());
    await goesOn(maru, t0);
  });
});

/** One push a number, each its own series and sample: what is lost shows as a missing number. */
async function writeNumbers(maru: Maru): Promise<number> {
  const t0 = Date.now() - 60_000;
  for (let i = 0; i < pushCount; i++) await pushNumber(maru, t0, i);
  return t0;
}

async function pushNumber(maru: Maru, t0: number, i: number): Promise<void> {
  const series = [
    {
      labels: [
        ['__name__', 'numbers'],
        ['n', String(i)],
      ] as const,
      samples: [{ t: t0 + i, v: i }],
    },
  ];
  const answer = await push(maru.baseUrl, series, { protocol: i % 2 === 0 ? 'v1' : 'v2' });
  assert.equal(answer.status, 204, answer.text);
}

async function numbers(maru: Maru, t0: number): Promise<number[]> {
  const { result } = await queryAt({ baseUrl: maru.queryUrl }, 'numbers[1h]', t0 / 1000 + 60);
  const all = result.flatMap(({ metric, values = [] }) =>
    values.map(([, v]) => ({ n: Number(metric.n), v: Number(v) })),
  );
  for (const { n, v } of all) assert.equal(v, n);
  return all.map(({ n }) => n).sort((a, b) => a - b);
}

/** After the repair it takes writes, and another restart finds them and nothing new to complain of. */
async function goesOn(maru: Maru, t0: number): Promise<void> {
  const before = await numbers(maru, t0);
  await pushNumber(maru, t0, 1000);
  await maru.kill();
  maru.launch();
  await maru.ready();
  assert.deepEqual(await numbers(maru, t0), [...before, 1000]);
}

const segmentsOf = (maru: Maru): string[] =>
  readdirSync(join(maru.dataDir, 'wal'))
    .filter((name) => name.endsWith('.wal'))
    .sort()
    .map((name) => join(maru.dataDir, 'wal', name));

function lastSegment(maru: Maru): string {
  const path = segmentsOf(maru).at(-1);
  assert.ok(path !== undefined, 'there is a segment');
  return path;
}

function nextSegment(path: string): string {
  const number = Number(/(\d+)\.wal$/.exec(path)?.[1]) + 1;
  return join(path, '..', `${String(number).padStart(8, '0')}.wal`);
}

function noise(length: number): Uint8Array {
  const random = seededRandom(7);
  return Uint8Array.from({ length }, () => random.between(0, 256));
}
