import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Service } from './service.ts';
import { type ModuleRow, startModules } from './start-modules.ts';

/** A room that writes down what happens to it. */
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

type Rows = Record<string, ModuleRow<string[]>>;

describe('the order of rooms', () => {
  const rowsOf = (needs: Record<string, string[]>): Rows =>
    Object.fromEntries(
      Object.entries(needs).map(([name, list]) => [name, { needs: list, build: (log) => room(name, log) }]),
    );

  for (const { name, needs, targets, order } of [
    {
      name: 'what a room needs comes before it, once',
      needs: { edge: ['store'], reader: ['store'], store: [], all: ['edge', 'reader'] },
      targets: ['all'],
      order: 'store edge reader all',
    },
    { name: 'only what is asked for', needs: { edge: [], store: [] }, targets: ['store'], order: 'store' },
    { name: 'a chain', needs: { a: ['b'], b: ['c'], c: [] }, targets: ['a', 'c'], order: 'c b a' },
  ]) {
    it(name, async () => {
      const events: string[] = [];
      await startModules(rowsOf(needs), targets, events);
      assert.equal(events.join(' ').replaceAll('start ', ''), order);
    });
  }

  it('a circle is named', async () => {
    await assert.rejects(startModules(rowsOf({ a: ['b'], b: ['a'] }), ['a'], []), /a → b → a/);
  });

  it('a name that has no row is named, and nothing is started', async () => {
    const events: string[] = [];
    await assert.rejects(startModules(rowsOf({ a: [], b: ['c'] }), ['a', 'b'], events), /no row for "c"/);
    assert.deepEqual(events, []);
  });
});

describe('starting rooms', () => {
  it('stops them in reverse', async () => {
    const events: string[] = [];
    const rows: Rows = {
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
    const rows: Rows = {
      store: { needs: [], build: (log) => room('store', log) },
      edge: { needs: ['store'], build: (log) => room('edge', log, true) },
    };
    await assert.rejects(startModules(rows, ['edge'], events), /edge is broken/);
    assert.deepEqual(events, ['start store', 'start edge', 'stop edge', 'stop store']);
  });
});
