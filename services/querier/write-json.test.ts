/** Trees of expressions as JSON: what JSON.stringify says but for Go's escapes, in pieces from the begin on. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Json } from '../../libs/promql/syntax/ast-json.ts';
import { JsonBytes } from '../../libs/query-api/json-bytes.ts';
import { writeJson } from './write-json.ts';

function written(value: Json, worked: (amount: number) => void = () => undefined): string[] {
  const pieces: string[] = [];
  const output = new JsonBytes((piece) => pieces.push(Buffer.from(piece).toString()));
  writeJson(output, value, worked);
  output.finish();
  return pieces;
}

describe('a value as JSON', () => {
  for (const value of [
    null,
    true,
    1.5e300,
    -7,
    '',
    'é "quoted"\n',
    [],
    {},
    [1, [2, []], {}],
    { a: { b: [null, 'x'] }, 'c"d': [{}] },
  ] satisfies Json[]) {
    it(JSON.stringify(value), () => assert.equal(written(value).join(''), JSON.stringify(value)));
  }

  it("escapes as Go's", () => {
    assert.equal(written({ '<': '&\u2028' }).join(''), '{"\\u003c":"\\u0026\\u2028"}');
    assert.equal(written('\udcff\ufffd\u{1f30a}x').join(''), '"\\ufffd\ufffd\u{1f30a}x"');
  });

  it('hands on the first piece long before the last value, however deep it lies', () => {
    let tree: Json = 'x';
    for (let depth = 0; depth < 1_000; depth++) tree = { args: ['y'.repeat(2_000), tree] };
    let values = 0;
    let first: number | undefined;
    const output = new JsonBytes(() => {
      first ??= values;
    });
    writeJson(output, tree, () => values++);
    output.finish();
    assert.equal(values, 3_001);
    assert.ok(first !== undefined && first < values / 2, `after ${first} values`);
  });
});
