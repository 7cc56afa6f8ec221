import assert from 'node:assert/strict';
import { mkdir, readdir } from 'node:fs/promises';
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

  it('a folder without objects is not listed', async () => {
    await using folder = await tempFolder('bucket');
    await mkdir(join(folder.path, 'a/b/c'), { recursive: true });
    for await (const entry of new FilesystemBucket(folder.path).list('', { delimiter: true, signal })) {
      assert.fail(`${entry.kind} is listed`);
    }
  });
});
