import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Failure } from '../errors/failure.ts';
import { Labels } from '../model/labels.ts';
import { bytesOfLabels, bytesOfSets, type HeldList, ListMemory } from './list-memory.ts';

const KiB = 1 << 10;
const failsAs = (kind: string) => (error: unknown) => error instanceof Failure && error.kind === kind;

describe('what lists hold', () => {
  it('counts until it is released, in grains', () => {
    const memory = new ListMemory(1024 * KiB);
    const list = memory.hold('a');
    assert.equal(memory.used, 0);
    for (let i = 0; i < 3; i++) list.take(20);
    assert.equal(memory.used, 64 * KiB);
    list.take(100 * KiB);
    assert.equal(memory.used, 128 * KiB);
    list.give(90 * KiB);
    assert.ok(memory.used <= 80 * KiB, `${memory.used} bytes`);
    list.release();
    assert.equal(memory.used, 0);
    list.take(100 * KiB);
    list.give(100 * KiB);
    list.release();
    assert.equal(memory.used, 0);
  });

  it('has a maximum for one, which is refused for good, and one for all, of whom others may end', () => {
    const memory = new ListMemory(1024 * KiB);
    const one = memory.hold('a');
    one.take(512 * KiB);
    assert.throws(() => memory.hold('a').take(100), failsAs('unavailable'));
    // What one tenant leaves is another's.
    const other = memory.hold('b');
    other.take(200 * KiB);
    assert.throws(() => other.take(200 * KiB), failsAs('unavailable'));
    assert.throws(() => one.take(1), failsAs('query_limit'));
    assert.equal(memory.used, 0);
    const again = memory.hold('b');
    again.take(400 * KiB);
    again.release();
    assert.equal(memory.used, 0);
  });

  it('leaves those to go on that there is room for, of many that are gathered beside one another', () => {
    const memory = new ListMemory(1024 * KiB);
    const lists = Array.from({ length: 16 }, () => memory.hold('a'));
    const refused = new Set<HeldList>();
    for (let step = 0; step < 10; step++) {
      for (const list of lists) {
        try {
          list.take(10 * KiB);
        } catch (error) {
          assert.ok(failsAs('unavailable')(error));
          refused.add(list);
        }
      }
    }
    // Half of all is left to others, and each has 100 KiB in grains of 64.
    assert.equal(lists.length - refused.size, 4);
    for (const list of refused) assert.throws(() => list.take(1), failsAs('unavailable'));
    for (const list of lists) list.release();
    assert.equal(memory.used, 0);
  });

  it('is less for label sets that share their texts', () => {
    const [a, b] = ['1', '2'].map((pod) =>
      Labels.from([
        ['job', 'x'.repeat(100)],
        ['pod', pod],
      ]),
    ) as [Labels, Labels];
    assert.equal(bytesOfLabels(a), bytesOfLabels(b, Labels.empty));
    assert.equal(bytesOfLabels(a) - bytesOfLabels(b, a), 24 + 3 + 24 + 100 + 24 + 3);
    assert.equal(bytesOfLabels(Labels.empty, a), bytesOfSets(1, 0));
  });
});
