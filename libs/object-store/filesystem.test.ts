import assert from 'node:assert/strict';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { tempFolder } from '../../test/support/temp-folder.ts';
import { bucketCases } from './bucket.cases.ts';
import { FilesystemBucket } from './filesystem.ts';

const { signal } = new AbortController();

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
});
