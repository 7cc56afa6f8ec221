import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { freeBytesOf } from './free-bytes.ts';

describe('what a disk has left', () => {
  it('is a number', async () => {
    assert.ok(Number.isFinite(await freeBytesOf(tmpdir())));
  });

  it('is no less than anybody needs where nobody can say it', async () => {
    assert.equal(await freeBytesOf(join(tmpdir(), 'none', 'such')), Number.POSITIVE_INFINITY);
  });

  // As some file systems of FUSE do, this one says that it has no blocks at all.
  it('is not nothing where the file system does not count', { skip: process.platform !== 'linux' }, async () => {
    assert.equal(await freeBytesOf('/proc'), Number.POSITIVE_INFINITY);
  });
});
