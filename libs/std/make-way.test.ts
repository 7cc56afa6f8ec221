import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { arrivals, noteArrival, Pauses } from './make-way.ts';

describe('making way', () => {
  it('lowers the priority of the thread that asks, from that of its process', {
    skip: process.platform === 'linux' ? false : 'threads have a priority of their own on Linux alone',
  }, () => {
    const module = pathToFileURL(join(import.meta.dirname, 'make-way.ts')).href;
    const worker = `
      const { readlinkSync } = require('node:fs');
      const { getPriority } = require('node:os');
      const { parentPort } = require('node:worker_threads');
      import(${JSON.stringify(module)}).then(({ lowerPriority }) => {
        lowerPriority(5);
        parentPort.postMessage(getPriority(Number(readlinkSync('/proc/thread-self').split('/').pop())));
      });`;
    const script = `
      const { getPriority, setPriority } = require('node:os');
      const { Worker } = require('node:worker_threads');
      setPriority(Math.min(10, getPriority() + 3));
      new Worker(${JSON.stringify(worker)}, { eval: true }).on('message', (ofWorker) => {
        console.log(JSON.stringify([getPriority(), ofWorker]));
      });`;
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    const [ofProcess, ofWorker] = JSON.parse(stdout || stderr) as [number, number];
    assert.equal(ofWorker, ofProcess + 5);
  });

  it('pauses every millisecond of long work, not at every piece of it, and not in short work', () => {
    const { pauses, pausedAtMs, workUntil } = workOf();
    for (const end of [109, 122.5]) {
      pauses.begin();
      noteArrival();
      workUntil(end);
    }
    assert.deepEqual(pausedAtMs, [119, 120.25, 121.5]);
  });

  it('does not pause where nobody comes but who asked for the work', () => {
    const { pauses, pausedAtMs, workUntil } = workOf();
    noteArrival();
    pauses.begin();
    workUntil(5_000);
    assert.deepEqual(pausedAtMs, []);
    noteArrival();
    workUntil(12_000);
    assert.ok(pausedAtMs.length > 0);
    assert.ok(pausedAtMs.every((ms) => ms >= 5_000 && ms < 6_002));
  });
});

/** Work in parts of a quarter of a millisecond, by a clock of its own; a pause takes as long. */
function workOf() {
  let nowMs = 100;
  const pausedAtMs: number[] = [];
  const pauses = new Pauses(
    arrivals,
    () => nowMs,
    () => {
      pausedAtMs.push(nowMs);
      nowMs += 0.25;
    },
  );
  const workUntil = (endMs: number): void => {
    for (; nowMs < endMs; nowMs += 0.25) pauses.takeIfDue();
  };
  return { pauses, pausedAtMs, workUntil };
}
