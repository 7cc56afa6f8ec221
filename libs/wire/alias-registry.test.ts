import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTenantId } from '../model/tenant-id.ts';
import { AliasRegistry } from './alias-registry.ts';

describe('AliasRegistry', () => {
  it('remembers the tenants heard of last, however many names are made up', () => {
    const registry = new AliasRegistry(1 << 24, () => 0);
    const steady = parseTenantId('steady');
    const gone = parseTenantId('gone');
    const ofSteady = registry.of(steady);
    const ofGone = registry.of(gone);
    const labels = new DataView(new ArrayBuffer(100));
    ofGone.internV1(labels, 0, 100);
    const { generation } = ofGone;
    for (let i = 0; i < 12_000; i++) {
      registry.of(parseTenantId(`made-up-${i}`));
      if (i % 1000 === 0) assert.equal(registry.of(steady), ofSteady);
    }
    assert.equal(registry.bytes, 0, 'what a forgotten tenant held is given back');
    assert.notEqual(ofGone.generation, generation, 'a write under way does not use its numbers');
    assert.notEqual(registry.of(gone), ofGone);
    assert.equal(registry.of(steady), ofSteady);
  });

  it('keeps for no tenant what its largest request needed', () => {
    const registry = new AliasRegistry(1 << 24, () => 0);
    const references = 1 << 20;
    const before = process.memoryUsage().arrayBuffers;
    const refs = new Uint32Array(references);
    const [symbolBegin, symbolEnd, row] = [new Uint32Array(1), Uint32Array.of(1), new Uint32Array(1)];
    const bytes = new DataView(new ArrayBuffer(1));
    for (let i = 0; i < 40; i++) {
      const aliases = registry.of(parseTenantId(`tenant-${i}`));
      const begins = Uint32Array.of(0, references);
      assert.equal(aliases.resolveV2(bytes, symbolBegin, symbolEnd, 1, refs, begins, 1, row, row.slice()), 1);
    }
    const grown = process.memoryUsage().arrayBuffers - before;
    assert.ok(grown < 10 * references * 4, `${grown} bytes more`);
  });
});
