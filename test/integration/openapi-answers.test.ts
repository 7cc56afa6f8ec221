/**
 * Every answer has the shape that two documents say: Prometheus' own OpenAPI document, read beside the repository where it is,
 * and ours.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { parse } from 'yaml';
import { apiRequests, apiSeries } from '../support/api-requests.ts';
import { describeEachCarrier } from '../support/carriers.ts';
import { answerSchema, type OpenApiDocument, schemaProblems } from '../support/check-schema.ts';
import { push } from '../support/push-client.ts';
import type { Maru } from '../support/start-maru.ts';

const prometheusDocument = join(import.meta.dirname, '../../../shared/prometheus-answers/openapi-3.2.yaml');
const tenant = 'shapes';

interface Answer {
  readonly asked: string;
  readonly path: string;
  readonly method: string;
  readonly status: number;
  readonly json: unknown;
}

/** Where Maru is another server, or the document is wrong about Prometheus' own answers. */
const otherShapes: readonly { readonly path: string; readonly problem: RegExp; readonly why: string }[] = [
  { path: '/status/config', problem: /has no yaml/, why: 'empty by design' },
  { path: '/status/buildinfo', problem: /which is not known/, why: 'names who answers' },
  { path: '/query', problem: /none of the shapes/, why: 'of a string, the document has the time as a string' },
];

describeEachCarrier('the shape of every answer', { timeout: 120_000 }, (startMaru) => {
  let maru: Maru;
  const answers: Answer[] = [];

  before(async () => {
    maru = await startMaru({ args: ['--enable-feature=search-api'] });
    const { status } = await push(maru.baseUrl, apiSeries(), { protocol: 'v1', tenant });
    assert.equal(status, 204);
    for (const { method, path, headers, body } of apiRequests()) {
      if (method !== 'GET' && method !== 'POST') continue;
      const answer = await fetch(`${maru.queryUrl}${path}`, {
        method,
        headers: { 'x-scope-orgid': tenant, ...headers },
        ...(body === undefined ? {} : { body }),
      });
      const text = await answer.text();
      if (answer.headers.get('content-type') !== 'application/json') continue;
      const [plain = ''] = path.replace('/api/v1', '').split('?');
      answers.push({
        asked: `${method} ${path}`,
        path: plain.replace(/^\/label\/.*\/values$/, '/label/{name}/values'),
        method,
        status: answer.status,
        json: JSON.parse(text),
      });
    }
  });
  after(() => maru?.[Symbol.asyncDispose]());

  function problemsIn(document: OpenApiDocument): string[] {
    const problems: string[] = [];
    let checked = 0;
    for (const { asked, path, method, status, json } of answers) {
      const schema = answerSchema(document, path, method, status);
      if (schema === undefined) continue;
      checked++;
      for (const problem of schemaProblems(document, schema, json)) problems.push(`${asked} -> ${path}: ${problem}`);
    }
    assert.ok(checked > 700, `only ${checked} answers are described`);
    return problems;
  }

  it("fits Prometheus' document", (test) => {
    if (!existsSync(prometheusDocument)) {
      test.skip(`${prometheusDocument} is not there`);
      return;
    }
    const document = parse(readFileSync(prometheusDocument, 'utf8')) as OpenApiDocument;
    const unexpected = problemsIn(document).filter(
      (text) => !otherShapes.some(({ path, problem }) => text.includes(`-> ${path}:`) && problem.test(text)),
    );
    assert.deepEqual(unexpected.slice(0, 20), []);
  });

  it('fits our own', async () => {
    const document = parse(await (await fetch(`${maru.queryUrl}/api/v1/openapi.yaml`)).text()) as OpenApiDocument;
    assert.deepEqual(problemsIn(document).slice(0, 20), []);
  });
});
