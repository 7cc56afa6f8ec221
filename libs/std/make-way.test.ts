import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Pauses } from './make-way.ts';

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
    let nowMs = 100;
    const pausedAtMs: number[] = [];
    const pauses = new Pauses(
      () => nowMs,
      () => {
        pausedAtMs.push(nowMs);
        nowMs += 0.25;
      },
    );
    for (const end of [109, 122.5]) {
      pauses.begin();
      for (; nowMs < end; nowMs += 0.25) pauses.takeIfDue();
    }
    assert.deepEqual(pausedAtMs, [119, 120.25, 121.5]);
  });
});
