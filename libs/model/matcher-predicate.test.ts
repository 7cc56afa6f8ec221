import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { Failure } from '../errors/failure.ts';
import { compileMatcher } from './matcher-predicate.ts';

describe('a matcher', () => {
  for (const { type, value, yes, no } of [
    { type: '=', value: 'a', yes: ['a'], no: ['', 'b', 'aa'] },
    { type: '=', value: '', yes: [''], no: ['a'] },
    { type: '!=', value: 'a', yes: ['', 'b'], no: ['a'] },
    { type: '=~', value: '', yes: [''], no: ['a'] },
    { type: '=~', value: 'a|bc', yes: ['a', 'bc'], no: ['', 'abc', 'b'] },
    { type: '=~', value: '(a|bc)', yes: ['a', 'bc'], no: ['', 'abc', '(a'] },
    { type: '=~', value: '(?:a|b.*)', yes: ['a', 'bc', 'b\n'], no: ['', 'ab'] },
    { type: '=~', value: '.*', yes: ['', 'a', '\n'], no: [] },
    { type: '=~', value: '.+', yes: ['a', '\n'], no: [''] },
    { type: '=~', value: 'a.*b', yes: ['ab', 'a\nb', 'abab'], no: ['a', 'b', 'aba'] },
    { type: '=~', value: 'a.+b', yes: ['acb', 'abb'], no: ['ab'] },
    { type: '=~', value: 'a.+b.*c', yes: ['abbc', 'axbxc'], no: ['abc'] },
    { type: '=~', value: 'aba.*aba', yes: ['abaaba', 'abaxaba'], no: ['aba', 'ababa'] },
    { type: '=~', value: '1\\.2', yes: ['1.2'], no: ['1x2'] },
    { type: '=~', value: 'a+', yes: ['a', 'aa'], no: ['', 'a+'] },
    { type: '=~', value: '(?i)ab', yes: ['ab', 'AB', 'aB'], no: ['abc'] },
    { type: '=~', value: '[0-9]{2}', yes: ['42'], no: ['4', '421'] },
    { type: '=~', value: '(a|b)-(?:c|d.*)', yes: ['a-c', 'b-dx'], no: ['a-', 'a-cx', 'ab-c'] },
    { type: '=~', value: 'x(a|)y', yes: ['xy', 'xay'], no: ['xaay', 'x'] },
    { type: '=~', value: '((a|b)c|d)e', yes: ['ace', 'bce', 'de'], no: ['ae', 'cde'] },
    { type: '=~', value: '(?:a|b.*)(.*c)', yes: ['ac', 'axc', 'bc'], no: ['a', 'b'] },
    { type: '=~', value: '\\bab\\B.|^x$|(?m:^y$)', yes: ['abc', 'x', 'y'], no: ['ab', 'ab-', 'y\n'] },
    { type: '=~', value: '[[:upper:]]\\pN|(?i)straße', yes: ['STRAßE', 'X٣'], no: ['x1', 'strasse'] },
    { type: '=~', value: 'a.', yes: ['ab', 'a🌊'], no: ['a', 'abc'] },
    { type: '!~', value: 'a|b', yes: ['', 'c'], no: ['a', 'b'] },
    { type: '!~', value: 'x.*', yes: ['', 'a'], no: ['x'] },
    { type: '!~', value: '.+', yes: [''], no: ['x'] },
  ] as const) {
    it(`${type}"${value}"`, () => {
      const matcher = compileMatcher({ type, name: 'n', value });
      for (const text of yes) assert.ok(matcher.matches(text), `matches ${JSON.stringify(text)}`);
      for (const text of no) assert.ok(!matcher.matches(text), `does not match ${JSON.stringify(text)}`);
      assert.equal(matcher.matchesEmpty, matcher.matches(''));
    });
  }

  it('lists the values that it can list', () => {
    const valuesOf = (type: '=' | '=~' | '!=', value: string) => compileMatcher({ type, name: 'n', value }).values;
    assert.deepEqual(valuesOf('=', 'a'), ['a']);
    assert.deepEqual(valuesOf('=~', 'a|b|a'), ['a', 'b']);
    assert.deepEqual(valuesOf('=~', '10\\.0\\.0\\.1|'), ['10.0.0.1', '']);
    assert.deepEqual(valuesOf('=~', '(a|b)-(c|d)?e'.replace('?', '')), ['a-ce', 'a-de', 'b-ce', 'b-de']);
    assert.equal(valuesOf('=~', 'a|b.*'), undefined);
    assert.equal(valuesOf('!=', 'a'), undefined);
  });

  it('agrees with RE2 on patterns of every make', () => {
    const part = fc.constantFrom(
      'a',
      'b',
      'ab',
      '.*',
      '.+',
      '|',
      '.',
      '\\.',
      '(',
      ')',
      '(?:',
      '*',
      '+',
      '?',
      '[ab]',
      '\\',
      '-',
      '{2}',
      '^',
      '$',
      '\\b',
      '\\B',
      '(?i)',
      '[^a]',
    );
    const text = fc
      .array(fc.constantFrom('a', 'b', '.', '-', '\n', '🌊'), { maxLength: 6 })
      .map((parts) => parts.join(''));
    let sound = 0;
    fc.assert(
      fc.property(fc.array(part, { maxLength: 7 }), fc.array(text, { minLength: 1, maxLength: 8 }), (parts, texts) => {
        const pattern = parts.join('');
        let oracle: RE2JS;
        try {
          oracle = RE2JS.compile(pattern, RE2JS.DOTALL);
        } catch {
          assert.throws(() => compileMatcher({ type: '=~', name: 'n', value: pattern }), Failure);
          return;
        }
        sound++;
        const matcher = compileMatcher({ type: '=~', name: 'n', value: pattern });
        for (const one of ['', ...texts])
          assert.equal(matcher.matches(one), oracle.matches(one), JSON.stringify([pattern, one]));
      }),
      { numRuns: 3000 },
    );
    assert.ok(sound > 500);
  });

  it('a pattern may not be too large, nor take too long with one value', () => {
    const compile = (value: string) => compileMatcher({ type: '=~', name: 'n', value });
    for (const value of ['(a{0,99}){0,99}'.repeat(30), '[a-z]{1000}'.repeat(300)]) {
      assert.throws(() => compile(value), { kind: 'bad_data', message: /too large/ });
    }
    // As long as that, but no work.
    const long = Array.from({ length: 20_000 }, (_, i) => `(pod-${i}|x)`).join('|');
    assert.ok(compile(long).matches('pod-19999'));
    assert.ok(compile(`${'.*a'.repeat(30_000)}`).matches('a'.repeat(40_000)));
    assert.ok(!compile('(a|b)*a(a|b){200}').matches('ab'.repeat(1000) + 'b'.repeat(201)));
    const slow = compile('a*b*'.repeat(15_000));
    assert.throws(() => slow.matches('ab'.repeat(1024)), { kind: 'bad_data', message: /takes too long/ });
    assert.ok(slow.isSlow);
  });

  for (const [pattern, message] of [
    ['a(b', 'error parsing regexp: missing closing ): `a(b`'],
    ['a)', 'error parsing regexp: unexpected ): `a)`'],
    ['*a', 'error parsing regexp: missing argument to repetition operator: `*`'],
    ['[z-a]', 'error parsing regexp: invalid character class range: `z-a`'],
    ['a(?=b)', 'error parsing regexp: invalid or unsupported Perl syntax: `(?=`'],
    ['a\\', 'error parsing regexp: trailing backslash at end of expression: ``'],
  ] as const) {
    it(`says what is wrong with ${pattern}`, () => {
      assert.throws(() => compileMatcher({ type: '!~', name: 'n', value: pattern }), { kind: 'bad_data', message });
    });
  }
});
