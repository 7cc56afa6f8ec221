import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { jsonElements, jsonMembers, parseJson, shownJson } from './json-pieces.ts';

const max = { bytes: 1 << 20, values: 10_000, depth: 100 };
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const whole = (bytes: Uint8Array) => ({ begin: 0, end: bytes.length });
const spaced = fc.jsonValue().chain((value) => fc.constantFrom(JSON.stringify(value), JSON.stringify(value, null, 2)));

describe('pieces of JSON', () => {
  it('are what JSON.parse finds', () => {
    fc.assert(
      fc.property(spaced, (text) => {
        const bytes = bytesOf(` ${text}\n`);
        const value: unknown = JSON.parse(text);
        const said = (piece: { begin: number; end: number }): unknown => parseJson(bytes, piece, max);
        assert.deepEqual(said(whole(bytes)), value);
        if (Array.isArray(value)) {
          assert.deepEqual([...jsonElements(bytes, whole(bytes))].map(said), value);
          assert.throws(() => [...jsonMembers(bytes, whole(bytes))], SyntaxError);
        } else if (typeof value === 'object' && value !== null) {
          const members = [...jsonMembers(bytes, whole(bytes))];
          // The last of a name wins, as everywhere.
          const object = Object.fromEntries(members.map(({ name, value: of }) => [String(said(name)), said(of)]));
          assert.deepEqual(object, { ...value });
          assert.throws(() => [...jsonElements(bytes, whole(bytes))], SyntaxError);
        } else {
          assert.throws(() => [...jsonElements(bytes, whole(bytes))], SyntaxError);
        }
      }),
    );
  });

  it('end, whatever the bytes are', () => {
    const texts = fc.oneof(
      spaced.chain((text) => fc.nat(text.length).map((length) => text.slice(0, length))),
      fc.array(fc.constantFrom(...'{}[],:"\\ 1a'), { maxLength: 30 }).map((characters) => characters.join('')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const bytes = bytesOf(text);
        for (const split of [jsonElements, jsonMembers]) {
          try {
            assert.ok([...split(bytes, whole(bytes))].length <= bytes.length);
          } catch (error) {
            assert.ok(error instanceof SyntaxError, String(error));
          }
        }
      }),
    );
  });

  for (const [name, text] of [
    ['longer', `"${'x'.repeat(1 << 20)}"`],
    ['richer', `[${'0,'.repeat(10_000)}0]`],
    ['deeper', '['.repeat(101) + ']'.repeat(101)],
    ['no JSON', '{"a":}'],
    ['broken off', '{"a":"b'],
  ] as const) {
    it(`are not parsed where they are ${name}`, () => {
      const bytes = bytesOf(text);
      assert.throws(() => parseJson(bytes, whole(bytes), max), SyntaxError);
    });
  }

  it('are shown in a few letters', () => {
    const deep = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000));
    assert.deepEqual([deep, { a: 1 }, 'x'.repeat(1000), 7, null, undefined].map(shownJson), [
      'a list',
      'an object',
      `"${'x'.repeat(64)}"`,
      '7',
      'null',
      'undefined',
    ]);
  });
});
