import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { realDisk } from '../../libs/std/disk.ts';
import { Prng } from '../../libs/std/testing/prng.ts';
import { ulidOf } from '../../libs/tsdb/block/block.testing.ts';
import { HeaderFiles } from './header-files.ts';

it('the headers of one tenant are listed without a look at those of others', (test) => {
  const headers = new HeaderFiles(realDisk, '/nowhere', 1 << 30, () => 0);
  const prng = new Prng(1);
  const tenants = Array.from({ length: 200 }, (_, i) => parseTenantId(`tenant-${i}`));
  const ulids = Array.from({ length: 10 }, () => ulidOf(prng));
  for (const tenant of tenants) for (const ulid of ulids) headers.keep(tenant, ulid, 7);
  assert.deepEqual([headers.count, headers.bytes], [2000, 14_000]);
  // Each round of keeping up asks this for every tenant.
  let looks = 0;
  const values = Map.prototype.values;
  test.mock.method(Map.prototype, 'values', function* (this: Map<unknown, unknown>) {
    for (const value of values.call(this)) {
      looks++;
      yield value;
    }
  });
  for (const tenant of tenants) assert.deepEqual(headers.ulids(tenant), ulids);
  assert.deepEqual(headers.tenants(), tenants);
  assert.ok(looks <= 2000, `${looks} looks at 2000 headers`);
});
