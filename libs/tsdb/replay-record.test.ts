/** Records applied at a restart, in states that only a restart can come to. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTenantId } from '../model/tenant-id.ts';
import { ByteSink } from '../std/byte-sink.ts';
import { runInSlices } from '../std/steps.ts';
import { rebuildSeries } from './head/drop-series.ts';
import { HeadSource } from './head/head-source.ts';
import { TenantHead } from './head/tenant-head.ts';
import { batch } from './ledger.testing.ts';
import { RecordApplier } from './replay-record.ts';

const tenant = parseTenantId('a');
const { signal } = new AbortController();
/** Far from the others, where the new table has no memory. */
const farId = 1_000_000;

describe('records of a restart', () => {
  it('a series goes although an exemplar is here again that had left when it went: the next snapshot does without it', async () => {
    const head = new TenantHead({ exemplarsMax: 10 });
    const records = new RecordApplier(() => head, new Map());
    const sent = batch(tenant, [
      ['stays', 1000, 1],
      ['gone', 1000, 1],
    ]);
    const exemplar = (series: number) => ({ series, t: 1000, value: 1, labels: new Uint8Array(0) });
    records.apply(
      {
        kind: 'push',
        batch: { ...sent, refs: Uint32Array.of(1, farId), exemplars: [exemplar(0), exemplar(1)] },
        newIds: Uint32Array.of(1, farId),
        newLabelsBegin: sent.labelsBegin,
        newLabelsEnd: sent.labelsEnd,
      },
      1,
    );
    records.apply({ kind: 'freeze', tenant, range: 0 }, 2);
    records.apply({ kind: 'drop', tenant, generation: 2, block: '' }, 3);
    records.apply({ kind: 'gone', tenant, ids: Uint32Array.of(farId) }, 4);
    await runInSlices(rebuildSeries(head), signal);
    const extras = new ByteSink();
    head.writeExtras(extras);
    const again = new TenantHead({ exemplarsMax: 10 });
    const labels = new ByteSink();
    head.series.writeLabels(1, labels);
    again.seriesIdOf(labels.bytes, 0, labels.length);
    again.readExtras(extras.bytes, 0, extras.length);
    for (const one of [head, again]) {
      const query = { selectors: [[]], minT: 0, maxT: 1e12, limit: 0 };
      const { values } = await new HeadSource(one).exemplars(query, signal);
      assert.deepEqual(
        values.map((found) => found.labels.get('__name__')),
        ['stays'],
      );
    }
  });
});
