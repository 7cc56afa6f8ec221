import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatFixedFloat, formatPlainFloat, formatShortFloat, quoteChar, quoteText } from './go-text.ts';
import { msOfSeconds, parseDurationMs, parseNumber, unquote } from './literals.ts';

describe('parseNumber', () => {
  for (const [text, value] of Object.entries({
    '0': 0,
    '08': 8,
    '010': 8,
    '1_000': 1000,
    '0x_ff': 255,
    '9223372036854775807': 2 ** 63,
    '0777777777777777777777': 2 ** 63,
    '07777777777777777777777': 7.777777777777777e21,
    '.5e1': 5,
    '5.': 5,
    '1e-400': 0,
    iNf: Infinity,
  })) {
    it(text, () => assert.equal(parseNumber(text), value));
  }
  it('too large for hexadecimal', () => assert.equal(typeof parseNumber('0xffffffffffffffff'), 'object'));
});

describe('parseDurationMs', () => {
  for (const [text, result] of Object.entries({
    '1y2w3d4h5m6s7ms': 33_019_506_007,
    '0s': 0,
    '292y': 292 * 365 * 86_400_000,
    '293y': 'duration out of range',
    '1m1h': 'not a valid duration string: "1m1h"',
    '1s1s': 'not a valid duration string: "1s1s"',
    '5hs': 'unknown unit "hs" in duration "5hs"',
    '99999999999999999999s': 'not a valid duration string: "99999999999999999999s"',
  })) {
    it(text, () => {
      const parsed = parseDurationMs(text);
      assert.equal(typeof parsed === 'number' ? parsed : parsed.problem, result);
    });
  }
});

describe('msOfSeconds', () => {
  for (const { seconds, ms, isZero } of [
    { seconds: 1.5, ms: 1500, isZero: false },
    { seconds: 0.0019999, ms: 1, isZero: false },
    { seconds: 1e-9, ms: 0, isZero: false },
    { seconds: 1e-10, ms: 0, isZero: true },
    { seconds: -0.0005, ms: -0, isZero: false },
    { seconds: 9e9, ms: 9e12, isZero: false },
  ]) {
    it(`${seconds}`, () => assert.deepEqual(msOfSeconds(seconds), { ms, isZero }));
  }
});

describe('unquote and quoteText', () => {
  for (const { token, value, printed } of [
    { token: '`a\\n`', value: 'a\\n', printed: '"a\\\\n"' },
    { token: "'\\'\"'", value: '\'"', printed: '"\'\\""' },
    { token: '"\\a\\u1234\\U0001F600"', value: '\x07ሴ😀', printed: '"\\aሴ😀"' },
    { token: '"\\xc3\\xa9\\303\\251"', value: 'éé', printed: '"éé"' },
    { token: '"a\\xc5z"', value: 'a\udcc5z', printed: '"a\\xc5z"' },
    { token: '"\u200b\u00a0\x7f"', value: '\u200b\u00a0\x7f', printed: '"\\u200b\\u00a0\\x7f"' },
  ]) {
    it(token, () => {
      assert.equal(unquote(token), value);
      assert.equal(quoteText(value), printed);
    });
  }
  it('single characters', () =>
    assert.deepEqual(["'", '"', '\t', ''].map(quoteChar), ["'\\''", "'\"'", "'\\t'", "'\ufffd'"]));
});

describe('floats as Go prints them', () => {
  it('plain', () => {
    const printed = [1.5e-7, 123e20, -0, 5e-324].map(formatPlainFloat);
    assert.deepEqual(printed, ['0.00000015', '12300000000000000000000', '-0', `0.${'0'.repeat(323)}5`]);
  });
  it('short', () => {
    const printed = [999_999, 1e6, 1234567.5, 0.0001, 0.00001, -1e300].map(formatShortFloat);
    assert.deepEqual(printed, ['999999', '1e+06', '1.2345675e+06', '0.0001', '1e-05', '-1e+300']);
  });
  it('with six decimals', () =>
    assert.deepEqual([1e22, -0.5].map(formatFixedFloat), [`1${'0'.repeat(22)}.000000`, '-0.500000']));
});
