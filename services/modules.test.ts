import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startModules } from '../libs/lifecycle/start-modules.ts';
import { modulesOf, targets } from './modules.ts';

/** Rooms that a process of these targets would build, without building them. */
async function roomsOf(target: string, log: 'local' | 'kafka'): Promise<string[]> {
  const names: string[] = [];
  const rows = Object.entries(modulesOf(target === 'all', log)).map(([name, { needs }]) => {
    const build = () => {
      names.push(name);
      return { start: async () => undefined, stop: async () => undefined, notReadyReason: () => undefined };
    };
    return [name, { needs, build }] as const;
  });
  await startModules(Object.fromEntries(rows), [target], undefined);
  return names;
}

describe('the table of rooms', () => {
  for (const { target, isThere } of [
    { target: 'all', isThere: true },
    { target: 'distributor', isThere: true },
    { target: 'ingester', isThere: true },
    { target: 'querier', isThere: true },
    { target: 'query-frontend', isThere: false },
    { target: 'store-gateway', isThere: false },
    { target: 'compactor', isThere: false },
  ]) {
    it(`behind Kafka: a process of target ${target} ${isThere ? 'knows the log' : 'has nothing to do with it'}`, async () => {
      const rooms = await roomsOf(target, 'kafka');
      assert.equal(rooms.includes('kafka'), isThere, rooms.join(' '));
      if (isThere && target !== 'all') assert.ok(rooms.indexOf('kafka') < rooms.indexOf(target), rooms.join(' '));
    });
  }

  for (const target of targets) {
    it(`without Kafka: target ${target} has no log of others`, async () => {
      const rooms = await roomsOf(target, 'local');
      assert.ok(rooms.includes(target) && !rooms.includes('kafka'), rooms.join(' '));
    });
  }
});
