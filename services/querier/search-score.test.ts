import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type SearchTerms, searchFilter } from './search-score.ts';

function score(name: string, asked: Partial<SearchTerms>): number | undefined {
  return searchFilter({ terms: [], algorithm: 'subsequence', threshold: 0, caseSensitive: true, ...asked })?.(name);
}

describe('subsequences', () => {
  for (const [term, name, expected] of [
    ['abc', 'abc', 1],
    ['abc', 'abcdef', 1],
    // One run of three of three characters, one of four skipped before it.
    ['bcd', 'abcd', ((9 - 1 / 4) / 9) * 0.999],
    // Two runs, what is skipped between them and at the end.
    ['ac', 'xabcx', ((1 + 1 - 1 / 5 - 1 / 5 - 0.5 / 5) / 4) * 0.999],
    // The better of two beginnings.
    ['ab', 'xaxab', ((4 - 3 / 5) / 4) * 0.999],
    ['ba', 'ab', -1],
    ['a', '', -1],
    ['\u{1f30a}', 'x\u{1f30a}', (1 - 1 / 2) * 0.999],
  ] as const) {
    it(`${term} in ${name}`, () => {
      const got = score(name, { terms: [term] });
      assert.ok(got !== undefined && Math.abs(got - expected) < 1e-12, String(got));
    });
  }

  it('are found exactly where their characters stand in order', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '\u{1f30a}'), maxLength: 12 });
    fc.assert(
      fc.property(text, text, (term, name) => {
        fc.pre(term !== '');
        let rest = [...name];
        const isIn = [...term].every((char) => {
          const at = rest.indexOf(char);
          rest = rest.slice(at + 1);
          return at >= 0;
        });
        const got = score(name, { terms: [term] });
        assert.ok(got !== undefined && got <= 1);
        // A score of 0 is none: what is skipped may cost more than what is found.
        if (!isIn) assert.equal(got, -1);
      }),
    );
  });
});

describe('Jaro-Winkler', () => {
  for (const [term, name, threshold, expected] of [
    ['martha', 'marhta', 0.5, 0.9611111111111111],
    ['dwayne', 'duane', 0.5, 0.84],
    ['dixon', 'dicksonx', 0.5, 0.8133333333333332],
    ['abc', 'xyz', 0.1, -1],
    ['martha', 'marhta', 0.97, -1],
    // What contains the term is found by where, from 1 down to 0.1.
    ['ab', 'abxx', 0.5, 1],
    ['ab', 'xxab', 0.5, 0.1],
    ['ab', 'xabx', 0, 0.55],
    ['martha', 'marhta', 0, -1],
  ] as const) {
    it(`${term} and ${name}, ${threshold} wanted`, () => {
      const got = score(name, { terms: [term], algorithm: 'jarowinkler', threshold });
      assert.ok(got !== undefined && Math.abs(got - expected) < 1e-12, String(got));
    });
  }
});

describe('several terms', () => {
  it('the best one counts, empty ones say nothing', () => {
    assert.equal(score('http_total', { terms: ['', 'zzz', 'http'] }), 1);
    assert.equal(score('http_total', { terms: [''] }), undefined);
  });

  it('in any case', () => {
    assert.equal(score('HTTP_total', { terms: ['http'] }), -1);
    assert.equal(score('HTTP_total', { terms: ['Http'], caseSensitive: false }), 1);
  });
});
