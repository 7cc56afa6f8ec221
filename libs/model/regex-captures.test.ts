import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { RegexCaptures } from './regex-captures.ts';

function groupsOf(pattern: string, text: string): (string | null)[] | undefined {
  const places = new RegexCaptures(RE2JS.compile(`^(?s:${pattern})$`)).match(text, () => {});
  if (places === undefined) return undefined;
  return Array.from({ length: places.length / 2 }, (_, group) =>
    places[2 * group] < 0 ? null : text.slice(places[2 * group], places[2 * group + 1]),
  );
}

describe('the groups of a match', () => {
  for (const { pattern, text, groups } of [
    { pattern: '(.*)-(.*)', text: 'a-b-c', groups: ['a-b-c', 'a-b', 'c'] },
    { pattern: '(.*?)-(.*)', text: 'a-b-c', groups: ['a-b-c', 'a', 'b-c'] },
    { pattern: '(a)|(b)', text: 'b', groups: ['b', null, 'b'] },
    { pattern: '(a|ab)(c|bcd)?', text: 'abcd', groups: ['abcd', 'a', 'bcd'] },
    { pattern: '(🌊)(.)', text: '🌊\n', groups: ['🌊\n', '🌊', '\n'] },
    { pattern: '(\\w+)\\b(.*)', text: 'ab cd', groups: ['ab cd', 'ab', ' cd'] },
    { pattern: 'a', text: 'ab', groups: undefined },
    { pattern: '()', text: '', groups: ['', ''] },
  ]) {
    it(`of ${pattern} in ${JSON.stringify(text)}`, () => assert.deepEqual(groupsOf(pattern, text), groups));
  }

  it('are those of RE2', () => {
    const part = fc.constantFrom(
      ...['a', 'b', 'ab', '.', '.*', '.*?', '(', ')', '(', ')', '(?:', '|', '*', '+', '?', '??', '*?', '[ab]', '\\b'],
      ...['\\B', '^', '$', '(?i)', '{2}', '(?m:$)', 'é', '🌊', '\\W'],
    );
    const patterns = fc.array(part, { maxLength: 8 }).map((parts) => parts.join(''));
    const texts = fc
      .array(fc.constantFrom('a', 'b', 'A', '-', '\n', 'é', '🌊'), { maxLength: 8 })
      .map((all) => all.join(''));
    let matched = 0;
    fc.assert(
      fc.property(patterns, texts, (pattern, text) => {
        let regex: RE2JS;
        try {
          // What is no pattern by itself may be one that is not anchored.
          RE2JS.compile(pattern);
          regex = RE2JS.compile(`^(?s:${pattern})$`);
        } catch {
          return;
        }
        const matcher = regex.matcher(text);
        const expected = matcher.find()
          ? Array.from({ length: regex.groupCount() + 1 }, (_, group) => matcher.group(group))
          : undefined;
        if (expected !== undefined) matched++;
        assert.deepEqual(groupsOf(pattern, text), expected);
      }),
      { numRuns: 5_000 },
    );
    assert.ok(matched > 100, `${matched} patterns matched`);
  });

  it('tells of its work while it looks', () => {
    const captures = new RegexCaptures(RE2JS.compile('^(?s:(x{1,200})*)$'));
    let calls = 0;
    const stop = (): void => {
      if (++calls > 1000) throw new Error('stopped');
    };
    assert.throws(() => captures.match('x'.repeat(1_000_000), stop), /stopped/);
  });
});
