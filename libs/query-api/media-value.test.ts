import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseMediaValue } from './media-value.ts';

const invalid = 'mime: invalid media parameter';
const duplicate = 'mime: duplicate parameter name';

/** What Go 1.26 makes of them. */
describe('what a header says', () => {
  for (const { text, type = 'form-data', parameters = {}, error } of [
    { text: 'form-data' },
    { text: ' Form-Data ; NAME=A;x = "b;c" ', parameters: { name: 'A', x: 'b;c' } },
    { text: 'a/b;', type: 'a/b' },
    { text: 'a/b; ;', type: 'a/b', error: invalid },
    { text: '', type: '', error: 'mime: no media type' },
    { text: ';a=b', type: '', error: 'mime: no media type' },
    { text: 'a b', type: '', error: 'mime: expected slash after first token' },
    { text: 'a/', type: '', error: 'mime: expected token after slash' },
    { text: 'a/b/c', type: '', error: 'mime: unexpected content after media subtype' },
    { text: 'form-data; a', error: invalid },
    { text: 'form-data; a=', error: invalid },
    { text: 'form-data; a=b c', error: invalid },
    { text: 'form-data; a="b', error: invalid },
    { text: 'form-data; a=""', parameters: { a: '' } },
    { text: 'form-data; a=b; A=b', parameters: { a: 'b' } },
    { text: 'form-data; a=b; a=c', type: '', error: duplicate },
    { text: 'form-data; a="\\"\\\\\\x"', parameters: { a: '"\\\\x' } },
    { text: "form-data; a*=utf-8''b%20%c3%BC", parameters: { a: 'b \xc3\xbc' } },
    { text: "form-data; a*=US-ASCII'en'b'c", parameters: { a: "b'c" } },
    { text: "form-data; a=x; a*=utf-8''b", parameters: { a: 'b' } },
    { text: "form-data; a=x; a*=iso-8859-1''b", parameters: { a: 'x' } },
    { text: "form-data; a*=utf-8'b" },
    { text: "form-data; a*=utf-8''b%4" },
    { text: 'form-data; a*1=c; a*0=b; a*3=d', parameters: { a: 'bc' } },
    { text: "form-data; a*0*=utf-8''b%20; a*1*=%20c; a*2=%20", parameters: { a: 'b  c%20' } },
    { text: 'form-data; a*0*=x; a*1*=%; a*2=b; a*1=c', parameters: { a: 'cb' } },
    { text: 'form-data; a*1=b' },
  ])
    it(JSON.stringify(text), () => {
      const found = parseMediaValue(text);
      const expected = { type, parameters: new Map(Object.entries(parameters)), error };
      assert.deepEqual(found, expected);
    });

  it('is told of any text', () => {
    const pieces = ['a', '*', '0', '=', ';', ' ', '"', '\\', "utf-8''", '%41', '%', '/', '\xe9'];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 30 }), (some) => {
        const { parameters, error } = parseMediaValue(some.join(''));
        if (error !== undefined) assert.equal(parameters.size, 0);
      }),
      { numRuns: 1_000 },
    );
  });
});
