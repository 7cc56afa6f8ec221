import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { tempFolder } from '../../test/support/temp-folder.ts';
import { breakLock } from './break-lock.ts';
import { bucketCases } from './bucket.cases.ts';
import { FilesystemBucket } from './filesystem.ts';
import { whileLocked } from './folder-lock.ts';

const { signal } = new AbortController();
/** In memory: another file system than that of temporary folders. */
const otherDisk = '/dev/shm';

bucketCases('filesystem', async () => {
  const folder = await tempFolder('bucket');
  return {
    bucket: new FilesystemBucket(join(folder.path, 'made', 'late')),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
});

describe('filesystem bucket', () => {
  it('leaves nothing behind, and no key reaches where files are while they are written', async () => {
    await using folder = await tempFolder('bucket');
    const bucket = new FilesystemBucket(folder.path);
    await bucket.put('t/x', new Uint8Array(3), { signal });
    const twice = bucket.put('t/x', new Uint8Array(3), { condition: 'absent', signal });
    await assert.rejects(twice, { kind: 'precondition_failed' });
    await assert.rejects(bucket.put('t/x/y', new Uint8Array(3), { signal }), { kind: 'bad_data' });
    await assert.rejects(bucket.put('t', new Uint8Array(3), { signal }), { kind: 'bad_data' });
    await assert.rejects(bucket.get('~staging/x', { bytesMax: 1, signal }), { kind: 'bad_data' });
    assert.deepEqual(await readdir(join(folder.path, '~staging')), []);
  });

  it('what a process that died left half-written goes with the first put', async () => {
    await using folder = await tempFolder('bucket');
    const staging = join(folder.path, '~staging');
    await mkdir(staging);
    for (const name of ['old', 'new']) await writeFile(join(staging, name), 'x');
    const longAgo = new Date(Date.now() - 48 * 3_600_000);
    await utimes(join(staging, 'old'), longAgo, longAgo);
    await new FilesystemBucket(folder.path).put('k', new Uint8Array(1), { signal });
    assert.deepEqual(await readdir(staging), ['new']);
  });

  it('a folder without objects is not listed', async () => {
    await using folder = await tempFolder('bucket');
    await mkdir(join(folder.path, 'a/b/c'), { recursive: true });
    for await (const entry of new FilesystemBucket(folder.path).list('', { delimiter: true, signal })) {
      assert.fail(`${entry.kind} is listed`);
    }
  });

  it('a tenant may be a link to a folder elsewhere, and a link that leads back is not followed for ever', async () => {
    await using folder = await tempFolder('bucket');
    const root = join(folder.path, 'bucket');
    const elsewhere = join(folder.path, 'other-disk');
    await mkdir(elsewhere);
    await mkdir(root);
    await symlink(elsewhere, join(root, 'linked'));
    await symlink(join(folder.path, 'nowhere'), join(root, 'dangling'));
    await symlink(root, join(elsewhere, 'back'));
    const bucket = new FilesystemBucket(root);
    await bucket.put('linked/x', new Uint8Array(3), { signal });
    await bucket.put('plain/x', new Uint8Array(3), { signal });
    const list = async (prefix: string, delimiter: boolean) => {
      const found: string[] = [];
      for await (const entry of bucket.list(prefix, { delimiter, signal }))
        found.push(entry.kind === 'prefix' ? entry.prefix : entry.key);
      return found;
    };
    assert.deepEqual(await list('', true), ['linked/', 'plain/']);
    assert.deepEqual(await list('linked/', false), ['linked/x']);
    assert.deepEqual(await list('', false), ['linked/x', 'plain/x']);
    await bucket.delete('linked/x', signal);
    assert.deepEqual(await list('', true), ['plain/']);
  });

  it('what was copied here with the time of its source is as young as the copy', async () => {
    await using folder = await tempFolder('bucket');
    const bucket = new FilesystemBucket(folder.path);
    await bucket.put('t/x', new Uint8Array(3), { signal });
    await utimes(join(folder.path, 't', 'x'), 1, 1);
    const hourAgo = Date.now() - 3_600_000;
    assert.ok(((await bucket.stat('t/x', signal))?.modifiedMs ?? 0) > hourAgo);
    for await (const entry of bucket.list('t/', { delimiter: false, signal })) {
      assert.ok(entry.kind === 'object' && entry.modifiedMs > hourAgo);
    }
  });

  it('a tenant whose link leads nowhere is not taken for one without objects', async () => {
    await using folder = await tempFolder('bucket');
    await symlink(join(folder.path, 'not-mounted'), join(folder.path, 'linked'));
    const bucket = new FilesystemBucket(folder.path);
    await bucket.put('plain/x', new Uint8Array(3), { signal });
    const list = async (prefix: string) => {
      for await (const entry of bucket.list(prefix, { delimiter: false, signal })) assert.ok(entry);
    };
    const named = { kind: 'unavailable', message: /linked is a link that leads to no folder/ };
    await assert.rejects(bucket.get('linked/x', { bytesMax: 9, signal }), named);
    await assert.rejects(bucket.getRange('linked/x', 0, 1, signal), named);
    await assert.rejects(bucket.stat('linked/x', signal), named);
    await assert.rejects(list('linked/'), named);
    await assert.rejects(bucket.delete('linked/x', signal), named);
    for (const options of [
      { signal },
      { condition: 'absent', signal },
      { condition: { version: 'a' }, signal },
    ] as const) {
      await assert.rejects(bucket.put('linked/x', new Uint8Array(3), options), named);
    }
    await list('');
    assert.equal(await bucket.stat('plain/y', signal), undefined);
  });

  it('a tenant may lie on another disk', { skip: !existsSync(otherDisk) }, async () => {
    await using folder = await tempFolder('bucket');
    const elsewhere = await mkdtemp(join(otherDisk, 'maru-bucket-'));
    try {
      await symlink(elsewhere, join(folder.path, 'linked'));
      const bucket = new FilesystemBucket(folder.path);
      const { version } = await bucket.put('linked/x', new Uint8Array(3), { signal });
      await bucket.put('linked/x', new Uint8Array(4), { condition: { version }, signal });
      await bucket.put('linked/a/y', new Uint8Array(5), { condition: 'absent', signal });
      const again = bucket.put('linked/a/y', new Uint8Array(5), { condition: 'absent', signal });
      await assert.rejects(again, { kind: 'precondition_failed' });
      await assert.rejects(bucket.put('linked/~staging/x', new Uint8Array(1), { signal }), { kind: 'bad_data' });
      const found: string[] = [];
      for await (const entry of bucket.list('', { delimiter: false, signal })) {
        if (entry.kind === 'object') found.push(`${entry.key} ${entry.bytes}`);
      }
      assert.deepEqual(found, ['linked/a/y 5', 'linked/x 4']);
      await bucket.delete('linked/x', signal);
      await bucket.delete('linked/a/y', signal);
      for await (const entry of bucket.list('', { delimiter: true, signal })) assert.fail(JSON.stringify(entry));
    } finally {
      await rm(elsewhere, { recursive: true });
    }
  });

  it('a lock that was left behind is broken, by whatever clock it was made, and never one that was taken since', async () => {
    await using folder = await tempFolder('bucket');
    const path = join(folder.path, 'lock');
    const held = () => assert.rejects(whileLocked(path, AbortSignal.timeout(60), async () => undefined, 10_000));
    for (const offsetMs of [-3_600_000, 0, 3_600_000]) {
      await writeFile(path, '');
      const madeAt = new Date(Date.now() + offsetMs);
      await utimes(path, madeAt, madeAt);
      await held();
      assert.equal(await whileLocked(path, signal, async (isMine) => isMine(), 50), true);
      assert.deepEqual(await readdir(folder.path), []);
    }
    await writeFile(path, '');
    const { ino, mtimeNs } = await stat(path, { bigint: true });
    // Two saw that it stands too long; the other was faster, and somebody has the lock again.
    await rm(path);
    await whileLocked(path, signal, async (isMine) => {
      await breakLock(path, `${ino}-${mtimeNs}`);
      assert.ok(await isMine());
    });
    // Whoever was stopped for so long that his lock was broken does not write any more.
    await whileLocked(path, signal, async (isMine) => {
      await whileLocked(path, signal, async () => assert.equal(await isMine(), false), 50);
      assert.equal(await isMine(), false);
    });
  });

  it('a folder that is away is not taken for one without objects, nor made anew', async () => {
    await using folder = await tempFolder('bucket');
    const root = join(folder.path, 'mount');
    const away = join(folder.path, 'away');
    const remembered = join(folder.path, 'bucket-id');
    const open = () => new FilesystemBucket(root, remembered);
    const list = async (bucket: FilesystemBucket) => {
      const found: string[] = [];
      for await (const entry of bucket.list('', { delimiter: true, signal }))
        found.push(entry.kind === 'prefix' ? entry.prefix : entry.key);
      return found;
    };
    const first = open();
    assert.deepEqual(await list(first), [], 'a new one is empty');
    await first.put('t/x', new Uint8Array(3), { signal });
    assert.deepEqual(await list(first), ['t/']);
    await rename(root, away);
    for (const bucket of [first, open()]) {
      for (const isMountPoint of [false, true]) {
        if (isMountPoint) await mkdir(root);
        const named = { kind: 'unavailable', message: /mount is not the one that was there before/ };
        await assert.rejects(bucket.get('t/x', { bytesMax: 9, signal }), named);
        await assert.rejects(bucket.getRange('t/x', 0, 1, signal), named);
        await assert.rejects(bucket.stat('t/x', signal), named);
        await assert.rejects(list(bucket), named);
        await assert.rejects(bucket.delete('t/x', signal), named);
        await assert.rejects(bucket.put('t/y', new Uint8Array(3), { signal }), named);
        await rm(root, { recursive: true, force: true });
      }
    }
    const other = new FilesystemBucket(root);
    await other.put('t/x', new Uint8Array(1), { signal });
    await assert.rejects(list(first), { kind: 'unavailable' }, 'one that others wrote there');
    await new FilesystemBucket(root, join(folder.path, 'another-id')).put('t/x', new Uint8Array(1), { signal });
    await assert.rejects(list(open()), { message: /it has another/ });
    await rm(root, { recursive: true });
    await rename(away, root);
    assert.deepEqual(await list(first), ['t/']);
    assert.deepEqual(await list(open()), ['t/']);
  });

  it('which folder it is is kept as soon as there is room for that', async () => {
    await using folder = await tempFolder('bucket');
    const root = join(folder.path, 'mount');
    const remembered = join(folder.path, 'bucket-id');
    const bucket = new FilesystemBucket(root, remembered);
    // Where it is written first.
    await mkdir(`${remembered}.part`);
    await bucket.put('t/x', new Uint8Array(1), { signal });
    assert.deepEqual((await readdir(folder.path)).sort(), ['bucket-id.part', 'mount']);
    await rm(`${remembered}.part`, { recursive: true });
    await bucket.put('t/y', new Uint8Array(1), { signal });
    await rm(root, { recursive: true });
    await assert.rejects(new FilesystemBucket(root, remembered).stat('t/x', signal), { kind: 'unavailable' });
  });

  it('processes that share a folder agree on which it is', async () => {
    await using folder = await tempFolder('bucket');
    const root = join(folder.path, 'shared');
    const buckets = Array.from({ length: 8 }, (_, i) => new FilesystemBucket(root, join(folder.path, `id-${i}`)));
    await Promise.all(buckets.map((bucket, i) => bucket.put(`t/${i}`, new Uint8Array(1), { signal })));
    for (const bucket of buckets) assert.equal((await bucket.stat('t/0', signal))?.bytes, 1);
    assert.deepEqual(await readdir(join(root, '~staging')), ['identity']);
  });
});
