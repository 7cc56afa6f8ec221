import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import { parseMetricSelector } from '../../libs/promql/syntax/parser.ts';
import type { ApiCall } from '../../libs/query-api/api-call.ts';
import { RequestForm } from '../../libs/query-api/request-form.ts';
import type { ApiDeps } from './endpoint.ts';
import type { QueryJob } from './query-pool.ts';
import { readMatches } from './read-selectors.ts';

/** Reads `match[]`; says which texts a worker was given, undefined where none was. */
async function read(encoded: string): Promise<{ found: number; inWorker: readonly string[] | undefined }> {
  const form = new RequestForm();
  form.append(encoded);
  let inWorker: readonly string[] | undefined;
  const run = async ({ request }: QueryJob) => {
    assert.equal(request.kind, 'selectors');
    inWorker = request.texts;
    return { chunks: [Buffer.from(JSON.stringify(request.texts.map((text) => parseMetricSelector(text))))] };
  };
  const deps = {
    pool: { run },
    syntax: { parseSelector: parseMetricSelector },
    sourceOf: () => ({}),
    timeoutMs: 1_000,
  };
  const call = { tenant: 'a' as TenantId, form, signal: new AbortController().signal };
  const found = await readMatches(call as unknown as ApiCall, deps as unknown as ApiDeps, { startMs: 0, endMs: 0 });
  return { found: found.length, inWorker };
}

const many = (count: number): string => Array.from({ length: count }, (_, i) => `match[]=a${i}`).join('&');

describe('selectors of match[]', () => {
  it('are parsed at once where they are few', async () => {
    assert.deepEqual(await read(many(10)), { found: 10, inWorker: undefined });
  });
  it('are parsed by a worker where they are many, or where one may be costly', async () => {
    assert.equal((await read(many(5_000))).inWorker?.length, 5_000);
    assert.equal((await read('match[]=a&match[]={b=~"c{2}"}')).inWorker?.length, 2);
  });
  it('are each looked up once', async () => {
    assert.deepEqual(await read('match[]=a&'.repeat(20_000)), { found: 1, inWorker: undefined });
  });
  it('have a maximum', async () => {
    await assert.rejects(
      read(many(10_001)),
      /^Failure: too many match\[\] parameters: 10001, at most 10000 are allowed$/,
    );
  });
});
