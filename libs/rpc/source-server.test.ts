import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseTenantId } from '../model/tenant-id.ts';
import { bytesOfText, ListMemory } from '../series/list-memory.ts';
import type { LabelQuery, SeriesSource } from '../series/series-source.ts';
import { encodeLabelQuery, textList } from '../wire/peer/source-messages.ts';
import { ingesterSource } from './source-calls.ts';
import { sourceStreams } from './source-server.ts';

it('long values of a list go in messages that others can wait for', async () => {
  const values = Array.from({ length: 2_100 }, (_, i) => String(i).padEnd(8_192, 'x'));
  const listed = async () => ({ values, warnings: ['once'] });
  const source = { labelValues: listed } satisfies Partial<SeriesSource> as unknown as SeriesSource;
  const streams = sourceStreams(ingesterSource, () => ({ source }), new ListMemory());
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

it('what a list holds counts until it is sent, or its caller leaves', async () => {
  const values = Array.from({ length: 10_000 }, (_, i) => `value-${i}`);
  const listed = async (_name: string, { memory }: LabelQuery) => {
    for (const value of values) memory?.take(bytesOfText(value));
    return { values, warnings: [] };
  };
  const source = { labelValues: listed } satisfies Partial<SeriesSource> as unknown as SeriesSource;
  const memory = new ListMemory(4 << 20);
  const streams = sourceStreams(ingesterSource, () => ({ source }), memory);
  const request = encodeLabelQuery(parseTenantId('t'), 'name', { selectors: [], minT: 0, maxT: 1, limit: 0 }, []);
  const context = { peer: { instance: 'q', zone: 'a' }, signal: new AbortController().signal };
  const open = () => streams.get(ingesterSource.labelValues)?.(request, context)[Symbol.asyncIterator]();
  const [sent, left] = [open(), open()];
  await Promise.all([sent?.next(), left?.next()]);
  assert.ok(memory.used >= 2 * 10_000 * 30, `${memory.used} bytes`);
  await left?.return?.();
  assert.ok(memory.used < 500_000, `${memory.used} bytes`);
  while ((await sent?.next())?.done !== true);
  assert.equal(memory.used, 0);
});
