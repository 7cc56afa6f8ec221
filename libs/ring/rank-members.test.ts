import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { rankInZones, rankMembers } from './rank-members.ts';

const upTo = (count: number): string[] => Array.from({ length: count }, (_, i) => `store-gateway-${i}`);
const keys = Array.from({ length: 4_000 }, (_, i) => `01JDKQ0000000000000000${String(i).padStart(4, '0')}`);
const same = (name: string): string => name;

describe('who is responsible', () => {
  it('is spread evenly', () => {
    for (const count of [2, 3, 7]) {
      const of = new Map<string, number>();
      for (const key of keys) {
        const first = rankMembers(key, upTo(count), same)[0] as string;
        of.set(first, (of.get(first) ?? 0) + 1);
      }
      for (const name of upTo(count)) {
        const share = (of.get(name) ?? 0) / (keys.length / count);
        assert.ok(share > 0.85 && share < 1.15, `${name} of ${count} has ${share} of its share`);
      }
    }
  });

  it('one member more takes its share and moves nothing else; one that goes leaves its own to all others', () => {
    const before = upTo(5);
    const after = upTo(6);
    let moved = 0;
    const heirs = new Set<string | undefined>();
    for (const key of keys) {
      const [first, second] = rankMembers(key, after, same);
      if (first === rankMembers(key, before, same)[0]) continue;
      assert.equal(first, 'store-gateway-5');
      assert.equal(second, rankMembers(key, before, same)[0]);
      heirs.add(second);
      moved++;
    }
    assert.ok(Math.abs(moved - keys.length / 6) < keys.length / 30, String(moved));
    assert.equal(heirs.size, 5);
  });

  it('does not depend on the order of the members', () => {
    for (const key of keys.slice(0, 50)) {
      assert.deepEqual(rankMembers(key, upTo(6), same), rankMembers(key, upTo(6).toReversed(), same));
    }
  });

  it('the first ones stand in different zones where there are so many, and nobody is left out', () => {
    const members = ['a', 'b', 'c'].flatMap((zone) => [0, 1, 2].map((i) => ({ instance: `g-${i}`, zone })));
    for (const key of keys.slice(0, 200)) {
      const ranked = rankInZones(key, members, 3);
      assert.equal(new Set(ranked.slice(0, 3).map(({ zone }) => zone)).size, 3);
      assert.equal(new Set(ranked).size, members.length);
      const oneZone = members.filter(({ zone }) => zone === 'a');
      assert.deepEqual(
        rankInZones(key, oneZone, 2),
        rankMembers(key, oneZone, ({ instance, zone }) => `${zone}/${instance}`),
      );
    }
  });
});
