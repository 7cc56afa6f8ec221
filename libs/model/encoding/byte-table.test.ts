import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type ByteBudget, ByteTable } from './byte-table.ts';
import { viewOf } from './bytes.ts';
import { CountingView, sameHash } from './same-hash.testing.ts';

const keys = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 400 });

function joined(parts: readonly Uint8Array[]): { view: DataView; begins: number[] } {
  const begins = [0];
  for (const part of parts) begins.push((begins.at(-1) ?? 0) + part.length);
  const bytes = new Uint8Array(begins.at(-1) ?? 0);
  parts.forEach((part, i) => {
    bytes.set(part, begins[i]);
  });
  return { view: viewOf(bytes), begins };
}

describe('ByteTable', () => {
  it('gives equal bytes one number and other bytes another, as a Map does', () => {
    fc.assert(
      fc.property(keys, (parts) => {
        const { view, begins } = joined(parts);
        const table = new ByteTable({ used: 0, max: 1 << 30 });
        const oracle = new Map<string, number>();
        parts.forEach((part, i) => {
          const key = Buffer.from(part).toString('hex');
          const [begin, end] = [begins[i] ?? 0, begins[i + 1] ?? 0];
          assert.equal(table.find(view, begin, end), oracle.get(key) ?? 0);
          if (!oracle.has(key)) oracle.set(key, oracle.size + 1);
          assert.equal(table.intern(view, begin, end), oracle.get(key));
          assert.equal(table.is(oracle.get(key) ?? 0, view, begin, end), true);
        });
        assert.equal(table.count, oracle.size);
      }),
    );
  });

  it('takes nothing beyond its budget and gives everything back', () => {
    fc.assert(
      fc.property(keys, fc.integer({ min: 0, max: 5000 }), (parts, max) => {
        const { view, begins } = joined(parts);
        const budget: ByteBudget = { used: 7, max };
        const table = new ByteTable(budget);
        parts.forEach((_, i) => {
          const [begin, end] = [begins[i] ?? 0, begins[i + 1] ?? 0];
          const before = budget.used;
          const known = table.find(view, begin, end);
          const id = table.intern(view, begin, end);
          if (id === 0) assert.equal(budget.used, before);
          if (known !== 0) assert.equal(id, known);
          assert.ok(budget.used <= Math.max(max, 7));
        });
        assert.equal(table.bytes, budget.used - 7);
        table.clear();
        assert.equal(budget.used, 7);
        assert.equal(table.count, 0);
        assert.equal(table.find(view, begins[0] ?? 0, begins[1] ?? 0), 0);
      }),
    );
  });

  it('knows some of many with one hash, and looks at few for each', () => {
    const table = new ByteTable({ used: 0, max: 1 << 30 });
    const all = sameHash(new Uint8Array(8), 3_000);
    let known = 0;
    for (const bytes of all) {
      const view = new CountingView(bytes.buffer as ArrayBuffer);
      const id = table.intern(view, 0, bytes.length);
      if (id !== 0) assert.equal(id, ++known);
      assert.equal(table.find(view, 0, bytes.length), id);
      assert.ok(view.looks < 4_000, `${view.looks} looks`);
    }
    assert.ok(known > 0 && table.count === known);
  });

  it('compares long ones of one hash that begin alike with few others', () => {
    const table = new ByteTable({ used: 0, max: 1 << 30 });
    for (const bytes of sameHash(new Uint8Array(2_000).fill(0x61), 100)) {
      const view = new CountingView(bytes.buffer as ArrayBuffer);
      const id = table.intern(view, 0, bytes.length);
      assert.equal(table.find(view, 0, bytes.length), id);
      assert.ok(view.looks < 4_000, `${view.looks} looks`);
    }
  });
});
