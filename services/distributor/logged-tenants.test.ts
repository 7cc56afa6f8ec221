import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { LoggedTenants } from './logged-tenants.ts';

const hourMs = 3_600_000;

it('a partition gets no more tenants than its ingesters may have, and one that is silent makes room', () => {
  const tenants = new LoggedTenants(2);
  const write = (name: string, ids: readonly number[], atHours: number) =>
    tenants.note(parseTenantId(name), ids, atHours * hourMs);
  const refused = { kind: 'unavailable', message: /one more than the 2 .*ingester\.instance-limits\.max-tenants/ };
  write('a', [0, 1], 0);
  write('b', [0], 0);
  assert.throws(() => write('c', [0, 1], 1), refused);
  write('c', [1], 1);
  assert.throws(() => write('d', [1, 2], 2), refused);
  write('d', [2], 2);
  write('b', [0], 3);
  // It is spread over others now.
  write('c', [2], 4);
  write('e', [1], 4);
  assert.throws(() => write('f', [0], 4), refused);
  write('f', [0], 4.1);
  write('b', [0], 4.1);
  assert.throws(() => write('a', [0, 1], 7), refused);
});
