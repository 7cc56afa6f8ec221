/**
 * One merge exactly as the compactor does it, in a thread, verification of the output included: the counterpart of leveled-compactor.go.
 * `node merge-once.ts <folder> <block>...`; prints a line of JSON. The start of the process is not in it: a compactor runs already; so does
 * its thread, with cold code.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { makeUlid } from '../../libs/tsdb/block/ulid.ts';
import { MergeThread } from '../../services/compactor/merge-thread.ts';

const [outputDirectory = '', ...sourceDirectories] = process.argv.slice(2);
const { signal } = new AbortController();
await using thread = new MergeThread();
await thread.start();
const idleBytes = process.memoryUsage.rss();
const idleCpu = process.cpuUsage();
const beginMs = performance.now();
const order = { sourceDirectories, outputDirectory, outputs: [makeUlid(Date.now(), randomBytes(10))] };
const { outputs, counts } = await thread.run(order, () => {}, signal);
const { user, system } = process.cpuUsage(idleCpu);
console.log(
  JSON.stringify({
    block: join(outputDirectory, outputs[0] ?? ''),
    samples: counts.samplesOut,
    seconds: (performance.now() - beginMs) / 1000,
    cpuSeconds: (user + system) / 1e6,
    peakBytes: process.resourceUsage().maxRSS * 1024,
    idleBytes,
  }),
);
