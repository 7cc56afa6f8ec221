/**
 * The description of this API in OpenAPI 3.1, for people and for tools that make clients of it.
 * Owns serving it. What it says is open-api.yaml; a test holds it to the table of endpoints.
 */
import { readFileSync } from 'node:fs';
import type { ApiAnswer } from '../../libs/query-api/api-answer.ts';

const document = readFileSync(new URL('./open-api.yaml', import.meta.url));

export async function openApi(): Promise<ApiAnswer> {
  return {
    httpStatus: 200,
    contentType: 'application/yaml; charset=utf-8',
    headers: { 'cache-control': 'no-cache, no-store, must-revalidate' },
    body: document,
  };
}
