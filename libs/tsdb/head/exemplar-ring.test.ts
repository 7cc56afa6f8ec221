/** The ring against a list that forgets from its front. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { sameHash } from '../../model/encoding/same-hash.testing.ts';
import { ExemplarRing } from './exemplar-ring.ts';

/** Counts how often it is compared with others. */
class CountingBytes extends Uint8Array {
  looks = 0;

  override subarray(begin?: number, end?: number): Uint8Array<ArrayBuffer> {
    this.looks++;
    return new Uint8Array(this).subarray(begin, end);
  }
}

function contents(ring: ExemplarRing): string[] {
  return Array.from({ length: ring.count }, (_, i) => {
    const row = ring.row(i);
    return `${ring.series(row)} ${ring.time(row)} ${ring.value(row)} ${[...ring.labels(row)]}`;
  });
}

describe('a ring of exemplars', () => {
  it('holds the newest, each once', () => {
    const exemplar = fc.record({
      series: fc.integer({ min: 1, max: 3 }),
      t: fc.nat(5),
      value: fc.nat(2),
      length: fc.constantFrom(0, 3, 10, 100),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.array(exemplar, { maxLength: 300 }), (max, all) => {
        const ring = new ExemplarRing(max);
        let list: string[] = [];
        for (const { series, t, value, length } of all) {
          const labels = new Uint8Array(length).fill(length);
          const text = `${series} ${t} ${value} ${[...labels]}`;
          assert.equal(ring.add(series, t, value, labels, 0, length), !list.includes(text));
          if (!list.includes(text)) list = [...list, text].slice(-max);
          assert.deepEqual(contents(ring), list);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('holds as many as it may from now on, however often that changes', () => {
    const exemplar = fc.record({ t: fc.nat(30), length: fc.constantFrom(0, 3, 100, 400) });
    const step = fc.oneof({ weight: 5, arbitrary: exemplar }, fc.record({ max: fc.nat(40) }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const ring = new ExemplarRing(5);
        let list: string[] = [];
        let max = 5;
        for (const one of steps) {
          if ('max' in one) {
            ({ max } = one);
            ring.resize(max);
            assert.ok(ring.bytes <= max * (32 + 160) + Math.max(32, 4 * max) * 4);
          } else {
            const { t, length } = one;
            const text = `1 ${t} 0 ${[...new Uint8Array(length).fill(t)]}`;
            const isNew = ring.add(1, t, 0, new Uint8Array(length).fill(t), 0, length);
            assert.equal(isNew, length <= max * 160 && max > 0 && !list.includes(text));
            if (isNew) list.push(text);
          }
          // Long labels may push out more than the number alone would.
          const held = contents(ring);
          assert.ok(held.length <= max);
          list = list.slice(list.length - held.length);
          assert.deepEqual(held, list);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('gives up old ones for long labels, and never takes more than its bytes', () => {
    const ring = new ExemplarRing(10);
    for (let t = 0; t < 100; t++) {
      assert.ok(ring.add(1, t, 0, new Uint8Array(700).fill(t), 0, 700));
      assert.ok(ring.count >= 1 && ring.count <= 2);
      assert.deepEqual(ring.labels(ring.row(ring.count - 1)), new Uint8Array(700).fill(t));
    }
    assert.ok(!ring.add(1, 0, 0, new Uint8Array(2000), 0, 2000));
    assert.ok(!new ExemplarRing(0).add(1, 0, 0, new Uint8Array(1), 0, 1));
  });

  it('of one hash are compared with few others, and the ring stays what it is', () => {
    const ring = new ExemplarRing(2_000);
    const all = sameHash(new Uint8Array(8), 5_000);
    for (const bytes of all) {
      const labels = new CountingBytes(bytes);
      assert.ok(ring.add(1, 1, 0, labels, 0, labels.length));
      assert.ok(labels.looks < 1_000, `${labels.looks} looks`);
    }
    assert.deepEqual(
      contents(ring),
      all.slice(-2_000).map((bytes) => `1 1 0 ${[...bytes]}`),
    );
    for (let t = 2; t < 6_000; t++) {
      assert.ok(ring.add(1, t, 0, new Uint8Array(1), 0, 1));
      // When those of one hash have left all are known again.
      if (t > 2_500) assert.ok(!ring.add(1, t, 0, new Uint8Array(1), 0, 1));
    }
  });
});
