import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { skipWithout } from '../../test/support/find-server.ts';
import { type S3Server, startVersitygw } from '../../test/support/start-versitygw.ts';
import { tempFolder } from '../../test/support/temp-folder.ts';
import { bucketCases } from './bucket.cases.ts';
import { ObjectDenied } from './bucket.ts';
import { type FaultyS3, startFaultyS3 } from './faulty-s3.testing.ts';
import { S3Bucket, type S3Options } from './s3.ts';

const skip = skipWithout('versitygw');
const { signal } = new AbortController();
const bytesMax = 1 << 24;
let server: S3Server;
let opened = 0;

function open(endpoint: string, options: Partial<S3Options> = {}): S3Bucket & AsyncDisposable {
  const bucket = new S3Bucket({
    bucket: server.bucket,
    prefix: `case-${++opened}/`,
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: server.credentials,
    encryption: 'none',
    kmsKeyId: '',
    attemptsMax: 5,
    timeoutMs: 10_000,
    connectionsMax: 16,
    random: () => 0,
    ...options,
  });
  return Object.assign(bucket, { [Symbol.asyncDispose]: async () => bucket.close() });
}

it('keys that are no UTF-8, or not encoded as the store says, are listed with the others', async () => {
  const keys = ['t/%FF%C3', 't/100%', 't/a%2Bb+c', 't/%C3%BC'].map((key) => `<Contents><Key>${key}</Key></Contents>`);
  const listing = `<ListBucketResult><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType>${keys.join('')}</ListBucketResult>`;
  const store = createServer((_, answer) => answer.writeHead(200, { 'content-type': 'application/xml' }).end(listing));
  await new Promise<void>((resolve) => store.listen(0, '127.0.0.1', resolve));
  const bucket = new S3Bucket({
    ...{ bucket: 'b', prefix: '', region: 'us-east-1', forcePathStyle: true, kmsKeyId: '' },
    ...{ attemptsMax: 1, timeoutMs: 10_000, connectionsMax: 1 },
    encryption: 'none',
    endpoint: `http://127.0.0.1:${(store.address() as AddressInfo).port}`,
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
  });
  const found: string[] = [];
  for await (const entry of bucket.list('t/', { delimiter: false, signal })) {
    if (entry.kind === 'object') found.push(entry.key);
  }
  bucket.close();
  store.closeAllConnections();
  store.close();
  assert.deepEqual(found.sort(), ['t/100%', 't/a+b c', 't/\u00fc', 't/\ufffd\ufffd']);
});

it('whoever waits for a connection does not use up the time of an attempt', async () => {
  const store = createServer((_, answer) => void setTimeout(() => answer.writeHead(200).end('body'), 200));
  await new Promise<void>((resolve) => store.listen(0, '127.0.0.1', resolve));
  const bucket = new S3Bucket({
    ...{ bucket: 'b', prefix: '', region: 'us-east-1', forcePathStyle: true, kmsKeyId: '' },
    ...{ attemptsMax: 1, timeoutMs: 1_000, connectionsMax: 1 },
    encryption: 'none',
    endpoint: `http://127.0.0.1:${(store.address() as AddressInfo).port}`,
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
  });
  const leaving = new AbortController();
  const left = bucket.get('left', { bytesMax, signal: leaving.signal });
  const all = Array.from({ length: 7 }, (_, i) => bucket.get(`key-${i}`, { bytesMax, signal }));
  const waiting = bucket.get('waiting', { bytesMax, signal: leaving.signal });
  const gone = Promise.allSettled([left, waiting]);
  leaving.abort(new Error('left'));
  const answers = await Promise.allSettled(all);
  bucket.close();
  store.closeAllConnections();
  store.close();
  assert.deepEqual(
    (await gone).map((one) => one.status),
    ['rejected', 'rejected'],
  );
  assert.deepEqual(new Set(answers.map((one) => one.status)), new Set(['fulfilled']));
});

describe('s3 against versitygw', { skip }, () => {
  before(async () => {
    server = await startVersitygw();
  });
  after(() => server[Symbol.asyncDispose]());

  bucketCases('s3', async () => {
    const bucket = open(server.endpoint);
    return { bucket, [Symbol.asyncDispose]: async () => bucket.close() };
  });

  it('a large file goes in parts', async () => {
    await using bucket = open(server.endpoint, { partBytes: 5 << 20 });
    await using folder = await tempFolder('s3-parts');
    const path = join(folder.path, 'body');
    const body = Buffer.alloc((11 << 20) + 3, 'maru');
    await writeFile(path, body);
    const { version } = await bucket.put('large', { path, bytes: body.length }, { signal });
    const got = await bucket.get('large', { bytesMax, signal });
    assert.ok(body.equals(got.bytes));
    assert.equal(got.version, version);
    const again = bucket.put('large', { path, bytes: body.length }, { condition: 'absent', signal });
    await assert.rejects(again, { kind: 'precondition_failed' });
  });

  it('the empty objects that consoles take for folders are listed, and can be deleted', async () => {
    await using bucket = open(server.endpoint);
    await bucket.put('t/block/index', new Uint8Array(1), { signal });
    const { credentials, endpoint } = server;
    const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
    const folders = ['t/block/', 't/block/chunks/'];
    for (const key of folders) {
      await client.send(new PutObjectCommand({ Bucket: server.bucket, Key: `case-${opened}/${key}` }));
    }
    client.destroy();
    const listed = async (): Promise<string[]> => {
      const found: string[] = [];
      for await (const entry of bucket.list('t/', { delimiter: false, signal })) {
        if (entry.kind === 'object') found.push(entry.key);
      }
      return found;
    };
    assert.deepEqual(await listed(), ['t/block/', 't/block/chunks/', 't/block/index']);
    for (const key of folders) await bucket.delete(key, signal);
    assert.deepEqual(await listed(), ['t/block/index']);
  });

  it('a listing of many pages is whole', async () => {
    await using bucket = open(server.endpoint);
    const keys = Array.from({ length: 1203 }, (_, i) => `k/${String(i).padStart(5, '0')}`);
    for (let i = 0; i < keys.length; i += 16) {
      await Promise.all(keys.slice(i, i + 16).map((key) => bucket.put(key, new Uint8Array(1), { signal })));
    }
    const found: string[] = [];
    for await (const entry of bucket.list('k/', { delimiter: false, signal })) {
      if (entry.kind === 'object') found.push(entry.key);
    }
    assert.deepEqual(found, keys);
  });

  it('a wrong secret is reported, once and by name', async () => {
    const credentials = { ...server.credentials, secretAccessKey: 'wrong' };
    const retries: string[] = [];
    await using bucket = open(server.endpoint, { credentials, onRetry: (operation) => retries.push(operation) });
    const got = bucket.get('k', { bytesMax, signal });
    await assert.rejects(got, { kind: 'unavailable', message: /s3:\/\/maru\/.*get k: SignatureDoesNotMatch/ });
    assert.deepEqual(retries, []);
  });

  describe('faults', () => {
    let proxy: FaultyS3;
    before(async () => {
      proxy = await startFaultyS3(server.endpoint);
    });
    after(() => proxy[Symbol.asyncDispose]());

    const times = (count: number, method: string, fault: ReturnType<FaultyS3['fault']>): void => {
      let left = count;
      proxy.requests.length = 0;
      proxy.fault = (request) => (request.method === method && left-- > 0 ? fault : undefined);
    };
    const body = new Uint8Array(100_000).fill(7);

    for (const [name, fault] of [
      ['a 500', { kind: 'answer', status: 500, code: 'InternalError' }],
      ['503 SlowDown', { kind: 'answer', status: 503, code: 'SlowDown' }],
      ['429', { kind: 'answer', status: 429, code: 'TooManyRequests' }],
      ['a truncated body', { kind: 'truncated' }],
      ['a cut connection', { kind: 'done-but-cut' }],
      ['silence', { kind: 'silent' }],
    ] as const) {
      it(`reads through ${name}`, async () => {
        proxy.fault = () => undefined;
        await using bucket = open(proxy.endpoint, { timeoutMs: 400 });
        await bucket.put('k', body, { signal });
        times(2, 'GET', fault);
        assert.ok(Buffer.from(body).equals((await bucket.get('k', { bytesMax, signal })).bytes));
        times(2, 'GET', fault);
        assert.equal((await bucket.getRange('k', 10, 60_010, signal)).length, 60_000);
        times(2, 'GET', fault);
        const keys: string[] = [];
        for await (const entry of bucket.list('', { delimiter: true, signal })) {
          if (entry.kind === 'object') keys.push(entry.key);
        }
        assert.deepEqual(keys, ['k']);
      });

      it(`says so when ${name} does not end`, async () => {
        proxy.fault = () => undefined;
        await using bucket = open(proxy.endpoint, { timeoutMs: 100, attemptsMax: 3 });
        await bucket.put('k', body, { signal });
        times(Number.POSITIVE_INFINITY, 'GET', fault);
        await assert.rejects(bucket.get('k', { bytesMax, signal }), { kind: 'unavailable' });
        assert.equal(proxy.requests.length, 3);
        await assert.rejects(bucket.getRange('k', 0, 9, signal), { kind: 'unavailable' });
        const listed = (async () => {
          for await (const _ of bucket.list('', { delimiter: true, signal }));
        })();
        await assert.rejects(listed, { kind: 'unavailable' });
      });
    }

    for (const [name, fault] of [
      ['done but answered 500', { kind: 'done-but-answered', status: 500 }],
      ['done but answered 503', { kind: 'done-but-answered', status: 503 }],
      ['done but cut', { kind: 'done-but-cut' }],
    ] as const) {
      it(`a put if absent that was ${name} is done once, and known as done`, async () => {
        await using bucket = open(proxy.endpoint);
        times(1, 'PUT', fault);
        const { version } = await bucket.put('k', body, { condition: 'absent', signal });
        proxy.fault = () => undefined;
        assert.equal((await bucket.stat('k', signal))?.version, version);
        times(1, 'PUT', fault);
        await assert.rejects(bucket.put('k', body, { condition: 'absent', signal }), { kind: 'precondition_failed' });
        times(1, 'PUT', fault);
        const next = await bucket.put('k', body.subarray(1), { condition: { version }, signal });
        proxy.fault = () => undefined;
        assert.equal((await bucket.stat('k', signal))?.version, next.version);
      });

      it(`an upload in parts whose end was ${name} is known as done`, async () => {
        await using bucket = open(proxy.endpoint, { partBytes: 5 << 20 });
        await using folder = await tempFolder('s3-parts');
        const path = join(folder.path, 'body');
        await writeFile(path, Buffer.alloc(6 << 20, 'maru'));
        let ends = 0;
        proxy.fault = ({ method, url }) =>
          method === 'POST' && url.searchParams.has('uploadId') && ends++ === 0 ? fault : undefined;
        const { version } = await bucket.put('large', { path, bytes: 6 << 20 }, { signal });
        proxy.fault = () => undefined;
        assert.equal((await bucket.stat('large', signal))?.version, version);
      });
    }

    it('a part that fails for good ends the upload, and nothing is there', async () => {
      await using bucket = open(proxy.endpoint, { partBytes: 5 << 20, attemptsMax: 2 });
      await using folder = await tempFolder('s3-parts');
      const path = join(folder.path, 'body');
      await writeFile(path, Buffer.alloc(11 << 20, 'maru'));
      proxy.requests.length = 0;
      proxy.fault = ({ url }) =>
        url.searchParams.get('partNumber') === '2' ? { kind: 'answer', status: 500, code: 'InternalError' } : undefined;
      await assert.rejects(bucket.put('large', { path, bytes: 11 << 20 }, { signal }), { kind: 'unavailable' });
      proxy.fault = () => undefined;
      assert.ok(proxy.requests.some((request) => request.startsWith('DELETE') && request.includes('uploadId')));
      assert.equal(await bucket.stat('large', signal), undefined);
    });

    it('access denied is reported at once', async () => {
      await using bucket = open(proxy.endpoint);
      proxy.requests.length = 0;
      proxy.fault = () => ({ kind: 'answer', status: 403, code: 'AccessDenied' });
      await assert.rejects(bucket.get('k', { bytesMax, signal }), (error) => {
        assert.ok(error instanceof ObjectDenied);
        assert.equal(error.kind, 'unavailable');
        assert.match(error.message, /AccessDenied/);
        return true;
      });
      await assert.rejects(bucket.put('k', body, { signal }), { kind: 'unavailable', message: /AccessDenied/ });
      assert.equal(proxy.requests.length, 2);
      proxy.fault = () => undefined;
    });

    it('a store without conditional writes: looked, written, read back', async () => {
      await using bucket = open(proxy.endpoint);
      proxy.fault = ({ method, headers }) =>
        method === 'PUT' && (headers['if-none-match'] !== undefined || headers['if-match'] !== undefined)
          ? { kind: 'answer', status: 501, code: 'NotImplemented' }
          : undefined;
      const { version } = await bucket.put('k', body, { condition: 'absent', signal });
      await assert.rejects(bucket.put('k', body, { condition: 'absent', signal }), { kind: 'precondition_failed' });
      await bucket.put('k', body.subarray(1), { condition: { version }, signal });
      const stale = bucket.put('k', body, { condition: { version }, signal });
      await assert.rejects(stale, { kind: 'precondition_failed' });
      proxy.fault = () => undefined;
    });

    it('a slow listing is waited for', async () => {
      await using bucket = open(proxy.endpoint, { timeoutMs: 5_000 });
      await bucket.put('k', body, { signal });
      proxy.delayMs = 300;
      const keys: string[] = [];
      for await (const entry of bucket.list('', { delimiter: true, signal })) {
        if (entry.kind === 'object') keys.push(entry.key);
      }
      proxy.delayMs = 0;
      assert.deepEqual(keys, ['k']);
    });

    it('a client that leaves is not waited for', async () => {
      await using bucket = open(proxy.endpoint);
      proxy.fault = () => ({ kind: 'silent' });
      await assert.rejects(bucket.get('k', { bytesMax, signal: AbortSignal.timeout(100) }), { name: 'TimeoutError' });
      proxy.fault = () => undefined;
    });
  });
});
