import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { canonicalizeLabels } from '../model/canonical-labels.ts';
import { Labels } from '../model/labels.ts';
import { parseTenantId } from '../model/tenant-id.ts';
import { ByteSink } from '../std/byte-sink.ts';
import { hashSeries, hashText, placeOf, subsetOf } from './place-series.ts';

const tenant = parseTenantId('team-a');
const tenantHash = hashText(tenant);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

function hashOf(...pairs: readonly (readonly [string, string])[]): number {
  const out = new ByteSink();
  // Labels never begin at the first byte of a batch alone.
  out.writeUint32(0xdeadbeef);
  canonicalizeLabels(Labels.from(pairs), out);
  return hashSeries(out.bytes, out.view, 4, out.length);
}

const seriesHash = (i: number): number => hashOf(['__name__', 'requests_total'], ['pod', `pod-${i}`]);

describe('the place of a series', () => {
  it('is where it always was: changing this moves every series of every cluster', () => {
    assert.deepEqual(
      upTo(12).map((i) => placeOf(seriesHash(i), tenantHash, upTo(5))),
      goldenPlaces,
    );
    assert.equal(hashOf(['__name__', 'up'], ['job', 'a']), goldenHash);
  });

  it('buckets of a classic histogram stay together, other labels do not matter less', () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ minLength: 1 }), (le, value) => {
        const base = [
          ['__name__', 'x_bucket'],
          ['lf', '1'],
          ['value', value],
        ] as const;
        assert.equal(hashOf(...base, ['le', le]), hashOf(...base));
        assert.notEqual(hashOf(...base, ['lee', `${le}.`]), hashOf(...base));
      }),
    );
  });

  it('is spread evenly, whatever differs: within a few percent of the mean', () => {
    const partitions = upTo(7);
    for (const hash of [seriesHash, (i: number) => hashOf(['__name__', `metric_${i}`])]) {
      const counts = new Float64Array(partitions.length);
      for (let i = 0; i < 70_000; i++) counts[placeOf(hash(i), tenantHash, partitions)]++;
      for (const count of counts) assert.ok(Math.abs(count - 10_000) < 600, `${counts}`);
    }
  });

  it('one partition more takes its share of each and moves nothing else', () => {
    const before = upTo(5);
    const after = upTo(6);
    let moved = 0;
    for (let i = 0; i < 30_000; i++) {
      const place = placeOf(seriesHash(i), tenantHash, after);
      if (place !== placeOf(seriesHash(i), tenantHash, before)) {
        assert.equal(place, 5);
        moved++;
      }
    }
    assert.ok(Math.abs(moved - 5_000) < 500, String(moved));
  });

  it('does not depend on the order of partitions', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(999), { minLength: 1, maxLength: 20 }), fc.nat(0xffffffff), (ids, hash) => {
        assert.equal(placeOf(hash, tenantHash, ids), placeOf(hash, tenantHash, ids.toReversed()));
        assert.ok(ids.includes(placeOf(hash, tenantHash, ids)));
      }),
    );
    assert.equal(placeOf(1, tenantHash, []), -1);
  });
});

describe('the subset of a tenant', () => {
  it('has the asked size, is rising, grows by adding, and is all of them for 0', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(999), { minLength: 1, maxLength: 30 }), fc.nat(31), (ids, size) => {
        const partitions = ids.toSorted((a, b) => a - b);
        const subset = subsetOf(tenant, partitions, size);
        assert.equal(subset.length, size === 0 ? partitions.length : Math.min(size, partitions.length));
        assert.deepEqual(
          [...subset],
          subset.toSorted((a, b) => a - b),
        );
        if (size === 0) return;
        const larger = subsetOf(tenant, partitions, size + 1);
        assert.ok(subset.every((id) => larger.includes(id)));
      }),
    );
  });

  it('changes by one partition at most when one comes', () => {
    for (let t = 0; t < 50; t++) {
      const one = parseTenantId(`tenant-${t}`);
      const before = subsetOf(one, upTo(9), 4);
      const after = subsetOf(one, upTo(10), 4);
      assert.ok(before.filter((id) => !after.includes(id)).length <= 1);
    }
  });

  it('differs between tenants', () => {
    const subsets = new Set(upTo(50).map((i) => subsetOf(parseTenantId(`tenant-${i}`), upTo(12), 3).join()));
    assert.ok(subsets.size > 30, String(subsets.size));
  });
});

const goldenPlaces = [4, 1, 0, 0, 3, 2, 1, 0, 0, 4, 4, 3];
const goldenHash = 1202397455;
