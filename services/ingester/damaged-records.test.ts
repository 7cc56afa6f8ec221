import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { FaultyDisk } from '../../libs/tsdb/wal/faulty-disk.testing.ts';
import { DamagedRecords } from './damaged-records.ts';

const tenant = parseTenantId('team-a');

describe('records of the log that do not decode', () => {
  it('are those whose files are there; one that is added during a look is not forgotten', async () => {
    const disk = new FaultyDisk();
    const records = new DamagedRecords(disk, '/damaged', 'topic');
    const first = await records.add(tenant, 3, 17, Uint8Array.of(1));
    const list = disk.list.bind(disk);
    const added = Promise.withResolvers<void>();
    disk.list = async (directory) => {
      const names = await list(directory);
      await added.promise;
      return names;
    };
    await disk.remove(first.path);
    const looking = records.load();
    await records.add(tenant, 3, 18, Uint8Array.of(2));
    added.resolve();
    await looking;
    assert.deepEqual(
      [...records.all].map(({ offset }) => offset),
      [18],
    );
    assert.equal(records.of(tenant)?.offset, 18);
    const again = new DamagedRecords(disk, '/damaged', 'topic');
    await again.load();
    assert.deepEqual([...again.all], [...records.all]);
    const another = new DamagedRecords(disk, '/damaged', 'another');
    await another.load();
    assert.deepEqual([...another.all], []);
  });

  it('hold the floor of the log at the first of them until a snapshot has what was taken in', async () => {
    const records = new DamagedRecords(new FaultyDisk(), '/damaged', 'topic');
    assert.equal(records.lowestOffset(), undefined);
    await records.add(tenant, 3, 18, Uint8Array.of(2));
    const first = await records.add(tenant, 3, 17, Uint8Array.of(1));
    assert.equal(records.lowestOffset(), 17);
    records.isTakenIn(first);
    assert.equal(records.of(tenant)?.offset, 18, 'its samples are in the head');
    assert.equal(records.lowestOffset(), 17);
    await records.removeTaken();
    assert.equal(records.lowestOffset(), 18);
  });
});
