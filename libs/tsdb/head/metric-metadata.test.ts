import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MetadataShare, MetadataStore } from './metric-metadata.ts';

describe('metadata of a tenant', () => {
  it('takes no more than its share of the heap, whatever is sent, and the newest stays', () => {
    const store = new MetadataStore();
    const text = 'x'.repeat(1000);
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 20_000; i++) {
        store.add({ metric: `metric_${i}`, type: 'counter', help: `${text} ${round}`, unit: `${text} ${i}` });
        assert.ok(store.characters <= 16 << 20);
      }
    }
    const all = store.list(undefined, 0, 0);
    const held = all.reduce((sum, { metric, help, unit }) => sum + metric.length + help.length + unit.length, 0);
    assert.ok(held > 8 << 20 && held <= 16 << 20, `${held} characters in ${all.length} entries`);
    assert.equal(store.list('metric_19999', 0, 0).at(-1)?.help, `${text} 3`);
  });

  it('one that is larger than the whole share is not kept', () => {
    const store = new MetadataStore();
    store.add({ metric: 'small', type: 'gauge', help: 'kept until then', unit: '' });
    store.add({ metric: 'huge', type: 'gauge', help: 'x'.repeat(17 << 20), unit: '' });
    assert.deepEqual(store.list(undefined, 0, 0), []);
    store.add({ metric: 'small', type: 'gauge', help: 'again', unit: '' });
    assert.equal(store.list('small', 0, 0).length, 1);
  });

  it('all tenants together take no more than there is for them: who holds most gives', () => {
    const share = new MetadataShare(1 << 20);
    const small = new MetadataStore(share);
    small.add({ metric: 'up', type: 'gauge', help: 'kept', unit: '' });
    const stores = Array.from({ length: 300 }, () => new MetadataStore(share));
    for (const [tenant, store] of stores.entries()) {
      for (let i = 0; i < 50; i++) {
        store.add({ metric: `metric_${i}`, type: 'counter', help: 'x'.repeat(1000), unit: String(tenant) });
        assert.ok(share.characters <= 1 << 20);
      }
      assert.ok(store.list('metric_49', 0, 0).length === 1, 'the newest is kept');
    }
    assert.equal(small.list('up', 0, 0)[0]?.help, 'kept');
    const held = [small, ...stores].reduce((sum, { characters }) => sum + characters, 0);
    assert.equal(held, share.characters);
    assert.ok(held > 1 << 19);
    for (const store of stores) store.clear();
    assert.equal(share.characters, small.characters);
    assert.deepEqual(stores[0]?.list(undefined, 0, 0), []);
    stores[0]?.add({ metric: 'up', type: 'gauge', help: 'anew', unit: '' });
    assert.equal(stores[0]?.list('up', 0, 0).length, 1);
  });

  it('of a metric the newest ten entries stay', () => {
    const store = new MetadataStore();
    for (let i = 0; i < 25; i++) store.add({ metric: 'm', type: 'gauge', help: String(i), unit: '' });
    assert.deepEqual(
      store.list('m', 0, 0).map(({ help }) => help),
      Array.from({ length: 10 }, (_, i) => String(15 + i)),
    );
  });

  it('a flood of made-up metrics is as quick as the first ones', { timeout: 30_000 }, async () => {
    const store = new MetadataStore();
    for (let i = 0; i < 500_000; i++) {
      store.add({ metric: String(i), type: 'gauge', help: '', unit: '' });
      if (i % 10_000 === 0) await new Promise(setImmediate);
    }
    assert.equal(store.list('499999', 0, 0).length, 1);
    assert.equal(store.list('0', 0, 0).length, 0);
  });
});
