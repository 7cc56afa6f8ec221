import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Matcher, MatcherType } from '../../libs/model/matcher.ts';
import { compileMatcher } from '../../libs/model/matcher-predicate.ts';
import { hasCostlyPattern, mayBeCostly, PatternBudget, resolvePatterns } from './resolve-patterns.ts';

const costly = '(a?){200}a{200}';
const matcher = (type: MatcherType, value: string): Matcher => ({ type, name: 'x', value });
const resolve = (matchers: readonly Matcher[], values: readonly string[] = []) =>
  resolvePatterns(
    matchers,
    () => values,
    () => {},
  );

describe('matchers of a job', () => {
  it('are so many that the main thread has its time', () => {
    const budget = new PatternBudget();
    const some = Array.from({ length: 15_000 }, (_, i) => matcher('!=', `${i}`));
    const none = (): readonly string[] => [];
    assert.equal(
      resolvePatterns(some, none, () => {}, budget),
      some,
    );
    assert.equal(
      resolvePatterns(some, none, () => {}, budget),
      some,
    );
    assert.throws(() => resolvePatterns([matcher('=', 'a')], none, () => {}, budget), {
      kind: 'query_limit',
      message: 'too many matchers in all selectors: at most 30000 are allowed',
    });
  });
});

describe('patterns that are too costly', () => {
  it('become the values that they match', () => {
    const others = [matcher('=', 'b'), matcher('=~', 'c.*[0-9]')];
    const asked: unknown[] = [];
    const resolved = resolvePatterns(
      [...others, { type: '!~', name: 'y', value: costly }],
      (name, among) => {
        asked.push([name, among]);
        return ['a'.repeat(200), 'b', 'a'.repeat(401)];
      },
      () => {},
    );
    assert.deepEqual(asked, [['y', others]]);
    assert.deepEqual(resolved, [...others, { type: '!~', name: 'y', value: '', values: ['a'.repeat(200)] }]);
  });

  it('match an absent label if they did', () => {
    for (const type of ['=~', '!~'] as const) {
      for (const pattern of [costly, `(${costly})?`]) {
        const [resolved] = resolve([matcher(type, pattern)], ['a'.repeat(300)]);
        assert.ok(resolved?.values !== undefined);
        const before = compileMatcher(matcher(type, pattern));
        const after = compileMatcher(resolved);
        for (const text of ['', 'a'.repeat(300), 'b']) assert.equal(after.matches(text), before.matches(text), text);
        assert.equal(after.matchesEmpty, before.matchesEmpty);
      }
    }
  });

  it('that are lists of words need no values', () => {
    const words = Array.from({ length: 5_000 }, (_, i) => `word-${i}`);
    const [resolved] = resolvePatterns(
      [matcher('=~', words.join('|'))],
      () => assert.fail('asked'),
      () => {},
    );
    assert.deepEqual(resolved?.values, words);
  });

  it('are the only ones that are touched', () => {
    const hosts = Array.from({ length: 100 }, (_, i) => `host-${i}\\.example\\.com:9100`).join('|');
    const cheap = [matcher('=~', 'a.*[bc]+'), matcher('!=', 'x'.repeat(5_000)), matcher('=~', hosts)];
    assert.ok(!hasCostlyPattern(cheap));
    assert.equal(resolve(cheap), cheap);
  });

  it('may match so many values and no more', () => {
    const long = 'a'.repeat(2_000);
    const values = Array.from({ length: 3_000 }, () => long);
    const pattern = matcher('=~', `${'a'.repeat(400)}.*[a]`);
    assert.throws(() => resolve([pattern], values), /too many values of the label x/);
  });

  it('are those that many cheap ones leave no room for, in all selectors of a job', () => {
    const budget = new PatternBudget();
    const resolved = Array.from({ length: 100 }, (_, i) => {
      const pattern = matcher('=~', `${i}(${'a|'.repeat(60)}b)+`);
      return resolvePatterns(
        [pattern],
        () => [`${i}b`, 'c'],
        () => {},
        budget,
      )[0];
    });
    const left = resolved.filter((one) => one?.values === undefined);
    assert.ok(left.length > 10 && left.length < 50, `${left.length} are left to the main thread`);
    assert.deepEqual(resolved.at(-1)?.values, ['99b']);
    const lists = Array.from({ length: 3 }, () =>
      matcher('=~', Array.from({ length: 99_999 }, (_, i) => `word-of-a-list-${i}`).join('|')),
    );
    assert.throws(() => resolve(lists), /too many values of the label x/);
  });

  it('stop when they must', () => {
    const stop = new Error('stopped');
    assert.throws(
      () =>
        resolvePatterns(
          [matcher('=~', costly)],
          () => ['a'],
          () => {
            throw stop;
          },
        ),
      stop,
    );
  });
});

describe('a text that may hold one', () => {
  for (const [text, expected] of [
    ['up{job=~"a.*|b[0-9]+"}', false],
    ['sum by (job) (rate(x{a=~"b"}[5m]))', false],
    ['x{a=~"b{10}"}', true],
    ['x{a=~"\\\\pL"}', true],
    ['x'.repeat(1001), true],
    ['{a=~"(b|c)\\x7b500}"}', true],
    ['{a=~"\\160{5}|\\u007b5}"}', true],
    ['{a=~"(?i)[B-\u{1e942}]"}', true],
    ['{a=~"(?i)[a-z]+"} or b{c="\\n"}', false],
    ['{a=~"[B-\u{1e942}]"}', false],
  ] as const) {
    it(text.slice(0, 40), () => assert.equal(mayBeCostly(text), expected));
  }
});
