/**
 * The thread of merges: merges blocks that lie on the local disk, then reads every output again from its first byte to its last.
 * Owns nothing: it is told all and tells all by message. Speaks with merge-thread.ts.
 */
import { join } from 'node:path';
import { parentPort } from 'node:worker_threads';
import { assert } from '../../libs/std/assert.ts';
import { realDisk } from '../../libs/std/disk.ts';
import { lowerPriority } from '../../libs/std/make-way.ts';
import { CorruptBlock } from '../../libs/tsdb/block/corrupt-block.ts';
import { mergeBlocks } from '../../libs/tsdb/block/merge-blocks.ts';
import { type BlockFiles, openBlockFolder } from '../../libs/tsdb/block/read-block.ts';
import { verifyBlock } from '../../libs/tsdb/block/verify-block.ts';
import type { MergeAnswer, MergeOrder } from './merge-thread.ts';

const niceness = 10;

const { signal } = new AbortController();
const port = parentPort;
assert(port !== null, 'this runs in a worker');
const tell = (answer: MergeAnswer): void => port.postMessage(answer);

async function run({ sourceDirectories, outputDirectory, outputs }: MergeOrder): Promise<void> {
  await using opened = new AsyncDisposableStack();
  const sources: BlockFiles[] = [];
  for (const directory of sourceDirectories) sources.push(opened.use(await openBlockFolder(realDisk, directory)));
  try {
    const { metas, counts } = await mergeBlocks(
      {
        disk: realDisk,
        directory: outputDirectory,
        sources,
        outputs,
        onProgress: ({ series, samples }) => tell({ kind: 'progress', series, samples }),
      },
      signal,
    );
    let verified = 0;
    for (const { ulid } of metas) verified += await verify(join(outputDirectory, ulid));
    assert(verified === counts.samplesOut, 'the outputs hold what was merged');
    tell({ kind: 'done', outputs: metas.map(({ ulid }) => ulid), counts });
  } catch (error) {
    // Records are copied with their checksums: what does not verify was damaged before. Whose it was?
    for (const [i, source] of sources.entries()) {
      const cause = await damageOf(source);
      if (cause !== undefined) return tell({ kind: 'failed', reason: cause, corrupt: sources[i]?.meta.ulid });
    }
    tell({ kind: 'failed', reason: error instanceof Error ? error.message : String(error), corrupt: undefined });
  }
}

async function verify(directory: string): Promise<number> {
  await using files = await openBlockFolder(realDisk, directory);
  return (await verifyBlock(files, { deep: false }, signal)).numSamples;
}

/** What is wrong with a block; undefined if nothing is, or it cannot be said. */
async function damageOf(source: BlockFiles): Promise<string | undefined> {
  try {
    await verifyBlock(source, { deep: true }, signal);
  } catch (error) {
    if (error instanceof CorruptBlock) return error.message;
  }
  return undefined;
}

port.on('message', (order: MergeOrder) => {
  run(order).catch((error: unknown) => {
    tell({ kind: 'failed', reason: error instanceof Error ? error.message : String(error), corrupt: undefined });
  });
});
lowerPriority(niceness);
tell({ kind: 'ready' });
