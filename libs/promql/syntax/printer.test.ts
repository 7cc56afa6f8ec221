import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseExpr } from './parser.ts';
import { prettyExpr } from './prettier.ts';
import { formatExpr } from './printer.ts';
import { randomExpression } from './random-expression.testing.ts';

const allOn = { experimentalFunctions: true, extendedRangeSelectors: true, binopFillModifiers: true };

describe('formatExpr', () => {
  for (const [text, printed] of Object.entries({
    '0x1F + 077': '31 + 63',
    '1e-7': '0.0000001',
    '1e21': '1000000000000000000000',
    '-inf': '-Inf',
    '90m': '1h30m',
    '"\\x41\\n\\xff\\u00e9"': '"A\\n\\xffé"',
    'm{b="1",a="2"}': 'm{a="2",b="1"}',
    '{__name__="m"}': '{__name__="m"}',
    'm{"l.l"="1"}': 'm{"l.l"="1"}',
    'm offset 0s': 'm',
    'm offset 0.0001': 'm offset 0s',
    'm offset -1m @ 3': 'm @ 3.000 offset -1m',
    'm[5m] offset 1m smoothed @ end()': 'm[5m] smoothed @ end() offset 1m',
    'm offset 1m smoothed @ end()': 'm @ end() smoothed offset 1m',
    'm[max_of(1m,step())+-(5)]': 'm[max_of(1m, step()) + -(5)]',
    'm[5m:]': 'm[5m:]',
    'm[1h:step()]offset range()': 'm[1h:step()] offset range()',
    'SUM(m)BY(a,"b.b")': 'sum by (a, "b.b") (m)',
    'sum without()(m)': 'sum without () (m)',
    'a+on()b': 'a + on () b',
    'a+ignoring()b': 'a + b',
    'a+ignoring()group_left()b': 'a + ignoring () group_left () b',
    'a>bool on(x)fill(1e6)b': 'a > bool on (x) fill (1e+06) b',
    'a+fill_left(1)fill_right(2)b': 'a + fill_left (1) fill_right (2) b',
  })) {
    it(text, () => assert.equal(formatExpr(parseExpr(text, allOn)), printed));
  }

  it('is read back to the same text, and so is the text over several lines', () => {
    const types = fc.constantFrom('vector', 'matrix', 'scalar', 'string');
    fc.assert(
      fc.property(
        types,
        fc.integer({ min: 0, max: 5 }),
        fc.infiniteStream(fc.integer({ min: 0, max: 999_999 })),
        (type, depth, stream) => {
          const random = (): number => Number(stream.next().value) / 1_000_000;
          const printed = formatExpr(parseExpr(randomExpression(random, type, depth), allOn));
          const again = parseExpr(printed, allOn);
          assert.equal(formatExpr(again), printed);
          assert.equal(formatExpr(parseExpr(prettyExpr(again), allOn)), printed);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('prettyExpr', () => {
  const long = 'a_metric_with_a_long_name_that_needs_space_of_its_own';
  for (const { name, text, lines } of [
    { name: 'what fits stays', text: `sum(${long})`, lines: [`sum(${long})`] },
    {
      name: 'aggregations, operators and calls are taken apart',
      text: `sum by (x) (rate(${long}[5m]) / on (y) rate(${long}[5m])) + topk(3, label_replace(${long}, "a", "b", "c", "${long}"))`,
      lines: [
        '  sum by (x) (',
        `      rate(${long}[5m])`,
        '    / on (y)',
        `      rate(${long}[5m])`,
        '  )',
        '+',
        '  topk(',
        '    3,',
        '    label_replace(',
        `      ${long},`,
        '      "a",',
        '      "b",',
        '      "c",',
        `      "${long}"`,
        '    )',
        '  )',
      ],
    },
    {
      name: 'subqueries, signs and parentheses',
      text: `-max_over_time((sum(${long}) or sum(${long}))[1h:5m] offset 1m)`,
      lines: [
        '-max_over_time(',
        '  (',
        `      sum(${long})`,
        '    or',
        `      sum(${long})`,
        '  )[1h:5m] offset 1m',
        ')',
      ],
    },
  ]) {
    it(name, () => assert.equal(prettyExpr(parseExpr(text)), lines.join('\n')));
  }
  it('spaces and comments do not make a text long', () => {
    assert.equal(prettyExpr(parseExpr(`a +${' '.repeat(50_000)}# no\n b`)), 'a + b');
  });
});
