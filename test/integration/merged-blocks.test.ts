/**
 * Blocks of two real Prometheus servers, each with half of the samples, one of them in the encodings with start timestamps and with
 * samples that came out of order: merged by us, and opened by a third. It answers as a fourth does that was sent everything.
 */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { realDisk } from '../../libs/std/disk.ts';
import { mergeBlocks } from '../../libs/tsdb/block/merge-blocks.ts';
import { openBlockFolder, readBlockSeries } from '../../libs/tsdb/block/read-block.ts';
import { isUlid, makeUlid } from '../../libs/tsdb/block/ulid.ts';
import { verifyBlock } from '../../libs/tsdb/block/verify-block.ts';
import { compareAnswers } from '../support/compare-answers.ts';
import { skipWithout } from '../support/find-server.ts';
import { mixedQueries, mixedScrape } from '../support/mixed-scrape.ts';
import { pushBody } from '../support/push-client.ts';
import { ask } from '../support/query-client.ts';
import type { SentSeries } from '../support/remote-write-messages.ts';
import { type PrometheusServer, startPrometheus } from '../support/start-prometheus.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { waitFor } from '../support/wait-until.ts';

const signal = AbortSignal.timeout(170_000);
const minute = 60_000;
const stepMs = 10_000;
const blockFlags = ['--storage.tsdb.min-block-duration=30m', '--storage.tsdb.max-block-duration=30m'];
const startFeatures = ['st-storage', 'xor2-encoding', 'histograms-st-encoding'];

async function send(server: PrometheusServer, series: readonly SentSeries[]): Promise<void> {
  const answer = await fetch(`${server.baseUrl}/api/v1/write`, {
    method: 'POST',
    body: new Uint8Array(pushBody('v2', series)),
    headers: {
      'content-type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
      'content-encoding': 'snappy',
      'x-prometheus-remote-write-version': '2.0.0',
    },
    signal,
  });
  assert.ok(answer.ok, await answer.text());
}

/** Folders of the blocks that end before a time, once there are any; the server is left as it is. */
async function blocksOf(server: PrometheusServer, count: number): Promise<string[]> {
  return waitFor(`${count} blocks in ${server.dataDir}`, async () => {
    const names = (await readdir(server.dataDir)).filter(isUlid);
    return names.length >= count ? names.map((name) => join(server.dataDir, name)) : undefined;
  });
}

describe('merged blocks', { skip: skipWithout('prometheus'), timeout: 180_000 }, () => {
  it('of two servers are one history to a third', async () => {
    await using folder = await tempFolder('merged');
    await using early = await startPrometheus({ version: 3, scrape: {}, flags: blockFlags, features: startFeatures });
    await using late = await startPrometheus({ version: 3, scrape: {}, flags: blockFlags });
    await using whole = await startPrometheus({ version: 3, scrape: {}, flags: blockFlags, features: startFeatures });
    // Whole blocks of half an hour: 0 to 2 are compared, what follows makes the servers cut them.
    const begin = Math.floor((Date.now() - 150 * minute) / (30 * minute)) * 30 * minute;
    const end = begin + 90 * minute;
    const steps = (Date.now() - begin) / stepMs;
    const held: SentSeries[] = [];
    for (let i = 0; i < steps; i++) {
      const t = begin + i * stepMs;
      const st = begin - minute;
      const sent = mixedScrape(t, i, st);
      await send(whole, sent);
      if (i % 2 === 1) await send(late, mixedScrape(t, i, 0));
      else if (t > begin + 40 * minute && t < begin + 50 * minute) held.push(...sent);
      else await send(early, sent);
      // What the first server did not get in its time comes after its next half hour.
      if (t === begin + 70 * minute) for (const one of held) await send(early, [one]);
    }
    const sources = [...(await blocksOf(early, 3)), ...(await blocksOf(late, 3))];
    await blocksOf(whole, 3);

    await using opened = new AsyncDisposableStack();
    const files = [];
    const encodings = new Set<number>();
    for (const source of sources) {
      const block = opened.use(await openBlockFolder(realDisk, source));
      await verifyBlock(block, { deep: true }, signal);
      for await (const { encoding, chunkCount } of readBlockSeries(block, signal)) {
        for (const one of encoding.subarray(0, chunkCount)) encodings.add(one);
      }
      files.push(block);
    }
    assert.deepEqual([...encodings].sort(), [1, 2, 3, 4, 5, 6]);
    const output = makeUlid(Date.now(), new Uint8Array(10));
    const { metas, counts } = await mergeBlocks(
      { disk: realDisk, directory: folder.path, sources: files, outputs: [output] },
      signal,
    );
    assert.ok(counts.chunksEncoded > 0);
    await using merged = await openBlockFolder(realDisk, join(folder.path, output));
    assert.deepEqual(await verifyBlock(merged, { deep: true }, signal), metas[0]?.stats);

    await using reader = await startPrometheus({
      version: 3,
      scrape: {},
      features: startFeatures,
      blocks: [join(folder.path, output)],
    });
    const failures: string[] = [];
    for (const query of mixedQueries) {
      const parameters = { query, start: begin / 1000, end: (end - 1) / 1000, step: '37' };
      const expected = await ask(whole, 'query_range', parameters);
      const actual = await ask(reader, 'query_range', parameters);
      assert.equal(expected.status, 'success');
      for (const difference of compareAnswers(expected, actual, 'bits')) failures.push(`${query}: ${difference}`);
    }
    assert.deepEqual(failures, []);
  });
});
