import assert from 'node:assert/strict';
import { it } from 'node:test';
import { canonicalizeLabels } from '../../libs/model/canonical-labels.ts';
import { viewOf } from '../../libs/model/encoding/bytes.ts';
import { Labels } from '../../libs/model/labels.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { ByteSink } from '../../libs/std/byte-sink.ts';
import { LoggedSeries } from './logged-series.ts';

const tenant = parseTenantId('team-a');

// Where the limit of label names is off.
it('a series of very many labels has all of them, and is found again', () => {
  const series = new LoggedSeries(1 << 30);
  const handles = [32_767, 32_768, 70_000].map((count) => {
    const labels = new ByteSink(64);
    canonicalizeLabels(Labels.from(Array.from({ length: count }, (_, i) => [`name_${i}`, `${count}`])), labels);
    const { bytes, length } = labels;
    const handle = series.add(tenant, bytes, viewOf(bytes), 0, length);
    assert.equal(series.of(tenant).textsOf(handle), count * 2);
    assert.equal(series.find(tenant, bytes, viewOf(bytes), 0, length), handle);
    return handle;
  });
  assert.deepEqual(handles, [1, 2, 3]);
});
