import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { apiRows } from '../../libs/query-api/api-paths.ts';
import { openApi } from './open-api.ts';

const methods = new Set(['get', 'post', 'put']);

async function document(): Promise<Record<string, unknown>> {
  const { body } = await openApi();
  assert.ok(body instanceof Uint8Array);
  return parse(Buffer.from(body).toString()) as Record<string, unknown>;
}

describe('the OpenAPI document', () => {
  it('has every endpoint of the API with its methods, and no other', async () => {
    const paths = (await document()).paths as Record<string, Record<string, unknown>>;
    const described = Object.entries(paths).map(
      ([path, item]) => `${path} ${Object.keys(item).filter((key) => methods.has(key))}`,
    );
    const served = apiRows
      .filter(({ path }) => path.startsWith('/api/v1/'))
      .map(({ path, methods: known }) => {
        const plain = path.replace('/api/v1', '').replace(':name', '{name}');
        return `${plain} ${known.map((method) => method.toLowerCase())}`;
      });
    assert.deepEqual(described.sort(), served.sort());
  });

  it('refers to nothing that is not in it', async () => {
    const root = await document();
    const absent: string[] = [];
    const visit = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      for (const [key, inner] of Object.entries(value)) {
        if (key === '$ref' && typeof inner === 'string') {
          const found = inner
            .replace('#/', '')
            .split('/')
            .reduce<unknown>((at, name) => (at as Record<string, unknown> | undefined)?.[name], root);
          if (found === undefined) absent.push(inner);
        } else visit(inner);
      }
    };
    visit(root);
    assert.deepEqual(absent, []);
  });
});
