/** Series that leave a head, and those that wake up while they are leaving. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTenantId } from '../../model/tenant-id.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import { batch, contentsOf } from '../ledger.testing.ts';
import { dropEmptySeries } from './drop-series.ts';
import { HeadSource } from './head-source.ts';
import { TenantHead } from './tenant-head.ts';

const tenant = parseTenantId('a');
const rangeMs = 7_200_000;

function push(head: TenantHead, names: readonly string[], t: number): Uint32Array {
  const rows = batch(
    tenant,
    names.map((name) => [name, t, 1] as const),
  );
  const ids = Uint32Array.from(names, (_, i) =>
    head.seriesIdOf(rows.labelBytes, rows.labelsBegin[i] as number, rows.labelsEnd[i] as number),
  );
  head.append(rows, ids);
  return ids;
}

describe('series without samples', () => {
  it('leave, but for those that get one while they are leaving', async () => {
    for (const awoken of [0, 1, 30]) {
      for (let at = 0; at < 6; at++) {
        const head = new TenantHead({ exemplarsMax: 0 });
        const names = Array.from({ length: 300 }, (_, i) => `s${i}`);
        const ids = push(head, names, 1000);
        push(head, names.slice(0, 50), rangeMs + 1000);
        head.freeze(0, 7);
        head.drop(7);
        let dropped: Uint32Array | undefined;
        const steps = dropEmptySeries(head, (gone) => {
          dropped = gone;
        });
        const waking = names.slice(100, 100 + awoken);
        for (let step = 0; ; step++) {
          if (step === at) {
            assert.deepEqual([...push(head, waking, 2 * rangeMs)], [...ids.subarray(100, 100 + awoken)]);
            push(head, ['new'], 2 * rangeMs);
          }
          const { done, value } = steps.next();
          if (done !== true) continue;
          assert.equal(value, true);
          if (step < at) {
            // It was over before anything woke up.
            push(head, [...waking, 'new'], 2 * rangeMs);
          }
          break;
        }
        const left = [...names.slice(0, 50), ...waking, 'new'].sort();
        assert.deepEqual([...(await contentsOf(new HeadSource(head))).keys()].sort(), left);
        assert.equal(head.seriesCount, left.length);
        assert.ok((dropped?.length ?? 0) >= 220);
        for (const id of dropped ?? []) assert.equal(head.series.has(id), false);
        assert.ok(head.lastId >= 301);
        const labels = new ByteSink();
        for (let i = 0; i < 50; i++) {
          labels.reset();
          head.series.writeLabels(ids[i] as number, labels);
          assert.equal(head.findSeries(labels.bytes, 0, labels.length), ids[i]);
        }
      }
    }
  });
});
