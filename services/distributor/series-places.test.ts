import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { SeriesPlaces } from './series-places.ts';

it('many small tenants fit into what they take, and made-up ones do not take memory without end', () => {
  // An eighth of a container of 1 GiB.
  const places = new SeriesPlaces((1 << 30) / 8);
  let tenants = 0;
  for (; !places.isFull; tenants += 500) {
    for (let i = 0; i < 500; i++) places.of(parseTenantId(`team-${tenants + i}`)).add(1);
  }
  // Each takes some two kilobytes.
  assert.ok(tenants > 40_000 && tenants < 100_000, `full of ${tenants} tenants`);
});
