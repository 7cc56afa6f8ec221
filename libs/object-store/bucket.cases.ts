/** What every bucket promises, as one table: memory, filesystem and S3 run it alike. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { tempFolder } from '../../test/support/temp-folder.ts';
import type { Bucket, ListEntry } from './bucket.ts';

const { signal } = new AbortController();
const bytesMax = 1 << 20;
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** @param open a bucket that nobody else uses; called once a case */
export function bucketCases(title: string, open: () => Promise<{ bucket: Bucket } & AsyncDisposable>): void {
  const withBucket = (name: string, run: (bucket: Bucket) => Promise<void>): void => {
    it(name, { timeout: 60_000 }, async () => {
      await using opened = await open();
      await run(opened.bucket);
    });
  };
  const keys = async (bucket: Bucket, prefix: string, delimiter: boolean): Promise<string[]> => {
    const found: string[] = [];
    for await (const entry of bucket.list(prefix, { delimiter, signal })) found.push(nameOf(entry));
    return found;
  };

  describe(`bucket: ${title}`, () => {
    withBucket('gives back what was put, whole and by range', async (bucket) => {
      const body = Uint8Array.from({ length: 1000 }, (_, i) => i * 7);
      const { version } = await bucket.put('a/b/c', body, { signal });
      const got = await bucket.get('a/b/c', { bytesMax: 1000, signal });
      assert.deepEqual(Buffer.from(got.bytes), Buffer.from(body));
      assert.equal(got.version, version);
      for (const [begin, end] of [
        [0, 1],
        [0, 1000],
        [999, 1000],
        [10, 20],
      ] as const) {
        const range = await bucket.getRange('a/b/c', begin, end, signal);
        assert.deepEqual(Buffer.from(range), Buffer.from(body.subarray(begin, end)));
      }
      const info = await bucket.stat('a/b/c', signal);
      assert.equal(info?.bytes, 1000);
      assert.equal(info?.version, version);
      assert.ok(Math.abs((info?.modifiedMs ?? 0) - Date.now()) < 600_000);
    });

    withBucket('an empty object is an object', async (bucket) => {
      await bucket.put('empty', new Uint8Array(0), { signal });
      assert.equal((await bucket.get('empty', { bytesMax, signal })).bytes.length, 0);
      assert.equal((await bucket.stat('empty', signal))?.bytes, 0);
      assert.equal((await bucket.getRange('empty', 0, 0, signal)).length, 0);
    });

    withBucket('what is not there is not_found', async (bucket) => {
      await bucket.put('a/b', text('x'), { signal });
      for (const key of ['none', 'a', 'a/b/c', 'a/none']) {
        await assert.rejects(bucket.get(key, { bytesMax, signal }), { kind: 'not_found' }, key);
        await assert.rejects(bucket.getRange(key, 0, 1, signal), { kind: 'not_found' }, key);
        assert.equal(await bucket.stat(key, signal), undefined, key);
      }
    });

    withBucket('an object over the maximum is too_large, a range past its end bad_data', async (bucket) => {
      await bucket.put('k', text('0123456789'), { signal });
      await assert.rejects(bucket.get('k', { bytesMax: 9, signal }), { kind: 'too_large' });
      await assert.rejects(bucket.getRange('k', 5, 11, signal), { kind: 'bad_data' });
      await assert.rejects(bucket.getRange('k', 50, 60, signal), { kind: 'bad_data' });
      await assert.rejects(bucket.getRange('k', 0, 2 ** 40, signal), { kind: 'bad_data' });
    });

    withBucket('a put replaces, and the version changes', async (bucket) => {
      const first = await bucket.put('k', text('one'), { signal });
      const second = await bucket.put('k', text('two!'), { signal });
      assert.notEqual(first.version, second.version);
      assert.deepEqual(
        await bucket.get('k', { bytesMax, signal }),
        { bytes: text('two!'), version: second.version },
        'second',
      );
    });

    withBucket('put if absent: one of many wins', async (bucket) => {
      const outcomes = await Promise.allSettled(
        Array.from({ length: 8 }, (_, i) => bucket.put('k', text(`writer ${i}`), { condition: 'absent', signal })),
      );
      const winner = outcomes.findIndex(({ status }) => status === 'fulfilled');
      assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') assert.equal(outcome.reason.kind, 'precondition_failed');
      }
      assert.deepEqual((await bucket.get('k', { bytesMax, signal })).bytes, text(`writer ${winner}`));
    });

    withBucket('put if version: only over the one that was read', async (bucket) => {
      const ifNone = bucket.put('k', text('0'), { condition: { version: 'x' }, signal });
      await assert.rejects(ifNone, { kind: 'precondition_failed' });
      const { version } = await bucket.put('k', text('1'), { signal });
      const next = await bucket.put('k', text('2'), { condition: { version }, signal });
      const stale = bucket.put('k', text('3'), { condition: { version }, signal });
      await assert.rejects(stale, { kind: 'precondition_failed' });
      assert.deepEqual(await bucket.get('k', { bytesMax, signal }), { bytes: text('2'), version: next.version });
    });

    withBucket('a counter that many raise with if-version loses nothing', async (bucket) => {
      await bucket.put('n', text('0'), { signal });
      await Promise.all(
        Array.from({ length: 4 }, async () => {
          for (let done = 0; done < 3; ) {
            const { bytes, version } = await bucket.get('n', { bytesMax, signal });
            const next = text(String(Number(new TextDecoder().decode(bytes)) + 1));
            try {
              await bucket.put('n', next, { condition: { version }, signal });
              done++;
            } catch (error) {
              assert.equal((error as { kind?: string }).kind, 'precondition_failed');
            }
          }
        }),
      );
      assert.deepEqual((await bucket.get('n', { bytesMax, signal })).bytes, text('12'));
    });

    withBucket('a body from a file', async (bucket) => {
      await using folder = await tempFolder('bucket-body');
      const path = join(folder.path, 'body');
      const body = Uint8Array.from({ length: 300_000 }, (_, i) => i ^ (i >> 8));
      await writeFile(path, body);
      await bucket.put('f', { path, bytes: body.length }, { signal });
      assert.deepEqual(Buffer.from((await bucket.get('f', { bytesMax, signal })).bytes), Buffer.from(body));
      await assert.rejects(bucket.put('g', { path, bytes: body.length + 1 }, { signal }));
      assert.equal(await bucket.stat('g', signal), undefined);
    });

    withBucket('deletes, and again without an error', async (bucket) => {
      await bucket.put('a/b', text('x'), { signal });
      await bucket.delete('a/b', signal);
      await bucket.delete('a/b', signal);
      await bucket.delete('a', signal);
      assert.equal(await bucket.stat('a/b', signal), undefined);
      assert.deepEqual(await keys(bucket, '', true), []);
      await bucket.put('a/b', text('y'), { signal });
      assert.deepEqual(await keys(bucket, '', false), ['a/b']);
    });

    withBucket('deletes what is called like a folder, and not the object that is called nearly so', async (bucket) => {
      await bucket.put('a/b', text('x'), { signal });
      for (const key of ['a/b/', 'none/']) await bucket.delete(key, signal);
      assert.deepEqual(await keys(bucket, '', false), ['a/b']);
    });

    withBucket('lists by the bytes of the whole key, with and without a delimiter', async (bucket) => {
      const all = ['a', 'b-', 'b/1', 'b/2/x', 'b/2/y', 'b0', 'c/ü', 'c/\u{1f600}', 'c/\uff5e', 'd~/e'];
      for (const key of all.toReversed()) await bucket.put(key, text(key), { signal });
      const sorted = all.toSorted((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)));
      assert.deepEqual(await keys(bucket, '', false), sorted);
      assert.deepEqual(await keys(bucket, '', true), ['a', 'b-', 'b/', 'b0', 'c/', 'd~/']);
      assert.deepEqual(await keys(bucket, 'b', true), ['b-', 'b/', 'b0']);
      assert.deepEqual(await keys(bucket, 'b/', true), ['b/1', 'b/2/']);
      assert.deepEqual(await keys(bucket, 'b/2/', false), ['b/2/x', 'b/2/y']);
      assert.deepEqual(await keys(bucket, 'nothing/', false), []);
      for await (const entry of bucket.list('b0', { delimiter: false, signal })) {
        assert.deepEqual(entry.kind === 'object' && [entry.key, entry.bytes], ['b0', 2]);
      }
    });

    withBucket('refuses keys that are none, before anything happens', async (bucket) => {
      for (const key of [
        '',
        '/',
        '/a',
        'a/',
        'a//b',
        '.',
        '..',
        '../x',
        'a/../../b',
        'a/./b',
        'a\0b',
        'a\\b',
        'a\nb',
      ]) {
        await assert.rejects(bucket.put(key, text('x'), { signal }), { kind: 'bad_data' }, JSON.stringify(key));
        await assert.rejects(bucket.get(key, { bytesMax, signal }), { kind: 'bad_data' }, JSON.stringify(key));
        await assert.rejects(bucket.getRange(key, 0, 1, signal), { kind: 'bad_data' }, JSON.stringify(key));
        await assert.rejects(bucket.stat(key, signal), { kind: 'bad_data' }, JSON.stringify(key));
        if (key !== 'a/') await assert.rejects(bucket.delete(key, signal), { kind: 'bad_data' }, JSON.stringify(key));
      }
      await assert.rejects(keys(bucket, '../', false), { kind: 'bad_data' });
      await bucket.put('..%2f/x', text('x'), { signal });
      assert.deepEqual(await keys(bucket, '', false), ['..%2f/x']);
    });

    withBucket('an aborted call is not done', async (bucket) => {
      const aborted = AbortSignal.abort(new Error('left'));
      await assert.rejects(bucket.put('k', text('x'), { signal: aborted }));
      await assert.rejects(bucket.get('k', { bytesMax, signal: aborted }));
      assert.equal(await bucket.stat('k', signal), undefined);
    });
  });
}

const nameOf = (entry: ListEntry): string => (entry.kind === 'object' ? entry.key : entry.prefix);
