import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Service } from './service.ts';
import { type ModuleRow, orderModules, startModules } from './start-modules.ts';

const needs = (...names: string[]): ModuleRow<unknown> => ({ needs: names });

describe('the order of rooms', () => {
  for (const { name, rows, targets, order } of [
    {
      name: 'what a room needs comes before it, once',
      rows: { edge: needs('store'), reader: needs('store'), store: needs(), all: needs('edge', 'reader') },
      targets: ['all'],
      order: ['store', 'edge', 'reader', 'all'],
    },
    { name: 'only what is asked for', rows: { edge: needs(), store: needs() }, targets: ['store'], order: ['store'] },
    {
      name: 'a chain',
      rows: { a: needs('b'), b: needs('c'), c: needs() },
      targets: ['a', 'c'],
      order: ['c', 'b', 'a'],
    },
  ]) {
    it(name, () => assert.deepEqual(orderModules(rows, targets), order));
  }

  it('a circle is named', () => {
    assert.throws(() => orderModules({ a: needs('b'), b: needs('a') }, ['a']), /a → b → a/);
  });
});

describe('starting rooms', () => {
  /** Rooms that write down what happens to them. */
  function room(name: string, events: string[], failsToStart = false): Service {
    return {
      start: async () => {
        events.push(`start ${name}`);
        if (failsToStart) throw new Error(`${name} is broken`);
      },
      stop: async () => void events.push(`stop ${name}`),
      notReadyReason: () => (name === 'store' ? 'replaying' : undefined),
    };
  }

  it('stops them in reverse', async () => {
    const events: string[] = [];
    const rows: Record<string, ModuleRow<string[]>> = {
      edge: { needs: ['store'], build: (log) => room('edge', log) },
      store: { needs: [], build: (log) => room('store', log) },
      all: { needs: ['edge'] },
    };
    const started = await startModules(rows, ['all'], events);
    assert.deepEqual(started.notReady(), ['store: replaying']);
    await started.stop();
    assert.deepEqual(events, ['start store', 'start edge', 'stop edge', 'stop store']);
  });

  it('stops those that run when one does not start', async () => {
    const events: string[] = [];
    const rows: Record<string, ModuleRow<string[]>> = {
      store: { needs: [], build: (log) => room('store', log) },
      edge: { needs: ['store'], build: (log) => room('edge', log, true) },
    };
    await assert.rejects(startModules(rows, ['edge'], events), /edge is broken/);
    assert.deepEqual(events, ['start store', 'start edge', 'stop edge', 'stop store']);
  });
});
