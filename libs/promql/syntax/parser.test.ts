import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Expr } from './ast.ts';
import { functionsTable } from './functions-table.ts';
import { ParseError } from './parse-error.ts';
import { parseExpr, parseMetricSelector } from './parser.ts';
import { formatExpr } from './printer.ts';

const allOn = { experimentalFunctions: true, extendedRangeSelectors: true, binopFillModifiers: true };

/** The message of the ParseError that `act` throws. */
function messageOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof ParseError) return error.message;
    throw error;
  }
  return 'no error';
}

/** The shape of a tree with every operation in brackets. */
function bracketed(expr: Expr): string {
  switch (expr.kind) {
    case 'binary':
      return `[${bracketed(expr.lhs)} ${expr.op} ${bracketed(expr.rhs)}]`;
    case 'unary':
      return `[${expr.op}${bracketed(expr.expr)}]`;
    case 'paren':
      return `(${bracketed(expr.expr)})`;
    default:
      return formatExpr(expr);
  }
}

describe('precedence', () => {
  for (const { text, shape } of [
    { text: 'a + b * c', shape: '[a + [b * c]]' },
    { text: 'a - b - c', shape: '[[a - b] - c]' },
    { text: 'a ^ b ^ c', shape: '[a ^ [b ^ c]]' },
    { text: '-a ^ b', shape: '[-[a ^ b]]' },
    { text: '-a * b', shape: '[[-a] * b]' },
    { text: 'a ^ -b * c', shape: '[[a ^ [-b]] * c]' },
    { text: '-1 ^ 2', shape: '[-[1 ^ 2]]' },
    { text: '-1 + 2', shape: '[-1 + 2]' },
    { text: 'a or b and c unless d', shape: '[a or [[b and c] unless d]]' },
    { text: 'a == b + c atan2 d', shape: '[a == [b + [c atan2 d]]]' },
    { text: 'a </ 1 > b', shape: '[[a </ 1] > b]' },
    { text: 'a + b offset 5m', shape: '[a + b offset 5m]' },
    { text: '-foo @ 5', shape: '[-foo @ 5.000]' },
    { text: 'foo offset -2 ^ 2', shape: '[foo offset -2s ^ 2]' },
    { text: 'foo offset (2 ^ 2) + 1m', shape: 'foo offset (2 ^ 2) + 1m' },
    { text: 'and + or', shape: '[and + or]' },
    { text: 'fill + fill', shape: '[fill + fill]' },
  ]) {
    it(text, () => assert.equal(bracketed(parseExpr(text)), shape));
  }
});

describe('what a selector keeps', () => {
  it('name, matchers in order with the name last, modifiers in milliseconds', () => {
    const expr = parseExpr('m{b="1", a!~"x.+"}[5m] @ 12.3456 offset -1h30m', allOn);
    assert.equal(expr.kind, 'matrixSelector');
    const { selector, rangeMs, start, end } = expr;
    assert.equal(rangeMs, 300_000);
    assert.deepEqual([start, end], [0, 46]);
    assert.deepEqual([selector.name, selector.atMs, selector.originalOffsetMs], ['m', 12_346, -5_400_000]);
    assert.deepEqual(selector.matchers, [
      { type: '=', name: 'b', value: '1' },
      { type: '!~', name: 'a', value: 'x.+' },
      { type: '=', name: '__name__', value: 'm' },
    ]);
  });
  it('a quoted name is a matcher, not a name', () => {
    const expr = parseExpr('{"my.metric", "my.label"="x"}');
    assert.equal(expr.kind, 'vectorSelector');
    assert.equal(expr.name, '');
    assert.deepEqual(expr.matchers, [
      { type: '=', name: '__name__', value: 'my.metric' },
      { type: '=', name: 'my.label', value: 'x' },
    ]);
  });
  it('positions count UTF-8 bytes', () => {
    const expr = parseExpr('{"é😀"} + foo');
    assert.deepEqual([expr.start, expr.end], [0, 16]);
  });
});

describe('matching of binary operators', () => {
  for (const { text, matching } of [
    { text: '1 + a', matching: undefined },
    {
      text: 'a + b',
      matching: { card: 'one-to-one', labels: [], on: false, include: [], fillLhs: undefined, fillRhs: undefined },
    },
    {
      text: 'a and on() b',
      matching: { card: 'many-to-many', labels: [], on: true, include: [], fillLhs: undefined, fillRhs: undefined },
    },
    {
      text: 'a * ignoring(x) group_left(y, "z.z") b',
      matching: {
        card: 'many-to-one',
        labels: ['x'],
        on: false,
        include: ['y', 'z.z'],
        fillLhs: undefined,
        fillRhs: undefined,
      },
    },
    {
      text: 'a == bool on(x) group_right fill_right(-1) fill_left(5m) b',
      matching: { card: 'one-to-many', labels: ['x'], on: true, include: [], fillLhs: 300, fillRhs: -1 },
    },
  ]) {
    it(text, () => {
      const expr = parseExpr(text, allOn);
      assert.equal(expr.kind, 'binary');
      assert.deepEqual(expr.matching, matching);
    });
  }
});

describe('faults, in the words and at the place of Prometheus', () => {
  for (const [text, message] of Object.entries({
    '': 'unknown position: parse error: no expression found in input',
    '# only this\n': '1:1: parse error: no expression found in input',
    '1 +\n  *': '2:3: parse error: unexpected <op:*>',
    'foo bar': '1:5: parse error: unexpected identifier "bar"',
    'sum((foo bar))': '1:10: parse error: unexpected identifier "bar" in aggregation',
    'sum by foo': '1:8: parse error: unexpected identifier "foo" in grouping opts, expected "("',
    'sum by (a b) (x)': '1:11: parse error: unexpected identifier "b" in grouping opts, expected "," or ")"',
    'sum by (without) (x)': '1:9: parse error: unexpected <without> in grouping opts, expected label',
    'sum by ("") (x)': '1:9: parse error: invalid label name for grouping: ""',
    'a + on(x) group_left == b': '1:22: parse error: unexpected <op:==> in grouping opts, expected "("',
    'a * bool on(x) ignoring(y) b': '1:16: parse error: unexpected <ignoring>',
    'foo{a}': '1:6: parse error: unexpected "}" in label matching, expected label matching operator',
    'foo{a=~"("}': '1:5: parse error: error parsing regexp: missing closing ): `(`',
    'foo{"a"=b}': '1:9: parse error: unexpected identifier "b" in label matching, expected string',
    'foo[5m': '1:7: parse error: unclosed left bracket',
    'foo[5m 1m]': '1:8: parse error: unexpected duration "1m" in subquery or range, expected ":" or "]"',
    'foo[5m:1m 1m]': '1:11: parse error: unexpected duration "1m" in subquery selector, expected "]"',
    'foo[:1m]': '1:6: parse error: unexpected colon before duration in duration expression',
    'foo offset bar':
      '1:12: parse error: unexpected identifier "bar" in offset, expected number, duration, step(), or range()',
    'foo @ start(': '1:13: parse error: unclosed left parenthesis',
    'foo @ bar': '1:7: parse error: unexpected identifier "bar" in @, expected timestamp',
    'f(a,)': '1:4: parse error: trailing commas not allowed in function call args',
    'no_such(a)': '1:1: parse error: unknown function with name "no_such"',
    '(a': '1:3: parse error: unclosed left parenthesis',
    'a)': "1:3: parse error: unexpected right parenthesis ')'",
    'sum(a) > bool sum(b) + bool c': '1:22: parse error: bool modifier can only be used on comparison operators',
    'quantile("x", a)': '1:10: parse error: expected type scalar in aggregation parameter, got string',
    é: "1:1: parse error: unexpected character: 'é'",
    '"é" + ü': "1:8: parse error: unexpected character: 'ü'",
    '"é" + "ü"': '1:1: parse error: binary expression must contain only scalar and instant vector types',
    'a + (b +\n sum("é"))': '2:6: parse error: expected type instant vector in aggregation expression, got string',
    '0x': '1:1: parse error: error parsing number: strconv.ParseFloat: parsing "0x": invalid syntax',
    '1e400': '1:1: parse error: error parsing number: strconv.ParseFloat: parsing "1e400": value out of range',
  })) {
    it(JSON.stringify(text), () =>
      assert.equal(
        messageOf(() => parseExpr(text, allOn)),
        message,
      ),
    );
  }
});

describe('what is experimental is off unless asked for', () => {
  for (const [text, message] of Object.entries({
    'mad_over_time(a[5m])': '1:1: parse error: function "mad_over_time" is not enabled',
    'limitk(1, a)':
      '1:1: parse error: limitk() is experimental and must be enabled with --enable-feature=promql-experimental-functions',
    'a[5m] anchored': '1:1: parse error: anchored modifier is experimental and not enabled',
    'a + fill(0) b': '1:1: parse error: binop fill modifiers are experimental and not enabled',
  })) {
    it(text, () => {
      assert.equal(
        messageOf(() => parseExpr(text)),
        message,
      );
      assert.equal(
        messageOf(() => parseExpr(text, allOn)),
        'no error',
      );
    });
  }
  it('durations may be computed', () => assert.equal(formatExpr(parseExpr('a[step() * 2]')), 'a[step() * 2]'));
});

describe('hostile texts', () => {
  const deep = 'expressions nested more than 500 deep';
  for (const { name, text, message } of [
    {
      name: '100,000 parentheses',
      text: `${'('.repeat(100_000)}1${')'.repeat(100_000)}`,
      message: `1:500: parse error: ${deep}`,
    },
    { name: '100,000 signs', text: `${'-'.repeat(100_000)}a`, message: `1:500: parse error: ${deep}` },
    { name: '100,000 powers', text: `${'a^'.repeat(100_000)}a`, message: `1:1001: parse error: ${deep}` },
    { name: '100,000 calls', text: 'abs('.repeat(100_000), message: `1:2001: parse error: ${deep}` },
    {
      name: '50,000 additions',
      text: `${'a+'.repeat(50_000)}a`,
      message: '1:1: parse error: expression is more than 2000 levels high',
    },
    {
      name: '20,000 operators before a fault of typing',
      text: `${'-{}-1'.repeat(20_000)}[1m:]`,
      message: '1:2: parse error: vector selector must contain at least one non-empty matcher',
    },
    {
      name: '10,000 operators in a duration',
      text: `a[${'1m+'.repeat(10_000)}1m]`,
      message: '1:1505: parse error: more than 500 operators in one duration',
    },
  ]) {
    it(name, () =>
      assert.equal(
        messageOf(() => parseExpr(text)),
        message,
      ),
    );
  }
  it('a megabyte that is sound is answered', () => {
    const expr = parseExpr(`a{${'b="c",'.repeat(150_000)}}`);
    assert.equal(expr.kind === 'vectorSelector' && expr.matchers.length, 150_001);
  });
  it('2,000 levels are sound', () => assert.equal(parseExpr(`${'a+'.repeat(1999)}a`).kind, 'binary'));
});

describe('parseMetricSelector', () => {
  it('takes names, braces and both', () => {
    assert.equal(parseMetricSelector('up').length, 1);
    assert.equal(parseMetricSelector('sum{a="b"}').length, 2);
    assert.equal(parseMetricSelector('{a=~".*"}').length, 1);
  });
  it('and nothing else', () => {
    assert.equal(
      messageOf(() => parseMetricSelector('up[5m]')),
      '1:3: parse error: unexpected "["',
    );
    assert.equal(
      messageOf(() => parseMetricSelector('')),
      'unknown position: parse error: unexpected end of input',
    );
  });
});

describe('functionsTable', () => {
  it('holds 73 stable and 17 experimental functions', () => {
    const experimental = [...functionsTable.values()].filter((func) => func.experimental).length;
    assert.deepEqual([functionsTable.size - experimental, experimental], [73, 17]);
  });
});
