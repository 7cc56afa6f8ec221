import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseTenantId } from '../model/tenant-id.ts';
import type { SeriesSource } from '../series/series-source.ts';
import { encodeLabelQuery, textList } from '../wire/peer/source-messages.ts';
import { ingesterSource } from './source-calls.ts';
import { sourceStreams } from './source-server.ts';

it('long values of a list go in messages that others can wait for', async () => {
  const values = Array.from({ length: 2_100 }, (_, i) => String(i).padEnd(8_192, 'x'));
  const listed = async () => ({ values, warnings: ['once'] });
  const source = { labelValues: listed } satisfies Partial<SeriesSource> as unknown as SeriesSource;
  const streams = sourceStreams(ingesterSource, () => ({ source }));
  const query = { selectors: [], minT: 0, maxT: 1, limit: 0 };
  const request = encodeLabelQuery(parseTenantId('t'), 'name', query, []);
  const context = { peer: { instance: 'q', zone: 'a' }, signal: new AbortController().signal };
  const found: string[] = [];
  const warnings: string[] = [];
  for await (const piece of streams.get(ingesterSource.labelValues)?.(request, context) ?? []) {
    assert.ok(piece.length <= 4 << 20, `${piece.length} bytes`);
    const part = textList.decode(piece);
    found.push(...part.values);
    warnings.push(...part.warnings);
  }
  assert.deepEqual(found, values);
  assert.deepEqual(warnings, ['once']);
});
