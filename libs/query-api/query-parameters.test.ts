import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Failure } from '../errors/failure.ts';
import {
  readInstant,
  readLimit,
  readLookbackMs,
  readOptionalRange,
  readSteps,
  readTimeoutMs,
} from './query-parameters.ts';
import { RequestForm } from './request-form.ts';

function formOf(parameters: Readonly<Record<string, string>>): RequestForm {
  const form = new RequestForm();
  form.append(new URLSearchParams(parameters).toString());
  return form;
}

const badData = (message: string) => (error: unknown) => {
  assert.ok(error instanceof Failure);
  assert.deepEqual([error.kind, error.message], ['bad_data', message]);
  return true;
};

describe('time', () => {
  for (const [text, ms] of [
    ['0', 0],
    ['1.5', 1500],
    ['-1.5', -1500],
    ['1.0004', 1000],
    ['1.0006', 1001],
    // 0.29 s is 289.99.. ms to Prometheus' arithmetic, which rounds it before it cuts it off.
    ['0.29', 290],
    ['1_000', 1_000_000],
    ['0x10p2', 64_000],
    ['1e3', 1_000_000],
    ['.5', 500],
    ['2020-01-01T00:00:00Z', 1_577_836_800_000],
    ['2020-01-01T00:00:00.123456789+01:30', 1_577_831_400_123],
    ['2020-01-01T0:00:00,5Z', 1_577_836_800_500],
    ['0000-01-01T00:00:00Z', -62_167_219_200_000],
    ['1969-12-31T23:59:59.9999Z', 0],
    ['1969-12-31T23:59:59.9985Z', -1],
  ] as const) {
    it(`reads ${text}`, () => assert.equal(readInstant(formOf({ time: text }), 7), ms));
  }

  it('is now where it is absent', () => assert.equal(readInstant(formOf({}), 7), 7));

  for (const text of [
    ...['x', 'NaN', 'inf', '-Inf', '1e400', '1__0', '_1', '1_', '1_e3', '.', '1e', '--5', '0x1', '0b1', '9e15'],
    ...[
      '2020-02-30T00:00:00Z',
      '2020-01-01T24:00:00Z',
      '2020-01-01t00:00:00z',
      '2020-01-01T00:00:00-25:00',
      '2020-01-01',
    ],
    '-292273086-05-16T16:47:06Z',
  ]) {
    it(`refuses ${text}`, () => {
      const reason = `invalid time value for 'time': cannot parse "${text}" to a valid timestamp`;
      assert.throws(() => readInstant(formOf({ time: text }), 7), badData(`invalid parameter "time": ${reason}`));
    });
  }
});

it('a long text that is nearly a number is refused as fast as it is read', () => {
  for (const text of [`${'1'.repeat(30_000)}x`, `0x${'a'.repeat(30_000)}`, `0x${'_'.repeat(30_000)}`]) {
    for (const read of [(form: RequestForm) => readInstant(form, 7), readTimeoutMs, readLookbackMs]) {
      const begin = performance.now();
      assert.throws(() => read(formOf({ time: text, timeout: text, lookback_delta: text })), Failure);
      const took = performance.now() - begin;
      assert.ok(took < 200, `${took} ms`);
    }
  }
});

describe('a range that may be open', () => {
  const everything = { startMs: Number.MIN_SAFE_INTEGER, endMs: Number.MAX_SAFE_INTEGER };
  it('is everything by default', () => assert.deepEqual(readOptionalRange(formOf({})), everything));
  it("knows Prometheus' far ends", () => {
    const form = formOf({ start: '-292273086-05-16T16:47:06Z', end: '292277025-08-18T07:12:54.999999999Z' });
    assert.deepEqual(readOptionalRange(form), everything);
  });
  it('says what is wrong with which end', () => {
    const reason = `invalid time value for 'end': cannot parse "x" to a valid timestamp`;
    assert.throws(() => readOptionalRange(formOf({ end: 'x' })), badData(`invalid parameter "end": ${reason}`));
  });
});

describe('steps', () => {
  for (const [step, stepMs] of [
    ['1', 1000],
    ['0.0015', 1],
    ['1m30s', 90_000],
    ['1y1w1d', 32_227_200_000],
    ['1ms', 1],
  ] as const) {
    it(`reads ${step}`, () => {
      assert.deepEqual(readSteps(formOf({ start: '1', end: '2', step })), { startMs: 1000, endMs: 2000, stepMs });
    });
  }

  it('may be 11,000 more than one', () => {
    assert.equal(readSteps(formOf({ start: '0', end: '11000.9', step: '1' })).endMs, 11_000_900);
  });

  const tooMany =
    'exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)';
  const notPositive =
    'invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer';
  for (const { start = '0', end = '100', step = '1', error } of [
    { start: '', error: 'invalid parameter "start": cannot parse "" to a valid timestamp' },
    { end: '1e400', error: 'invalid parameter "end": cannot parse "1e400" to a valid timestamp' },
    { start: '2', end: '1.999', error: 'invalid parameter "end": end timestamp must not be before start time' },
    { end: '11001', error: tooMany },
    { step: '0', error: notPositive },
    { step: '-1', error: notPositive },
    { step: 'NaN', error: notPositive },
    { step: 'x', error: 'invalid parameter "step": cannot parse "x" to a valid duration' },
    { step: '', error: 'invalid parameter "step": cannot parse "" to a valid duration' },
    { step: '30m1h', error: 'invalid parameter "step": cannot parse "30m1h" to a valid duration' },
    { step: '1m1m', error: 'invalid parameter "step": cannot parse "1m1m" to a valid duration' },
    { step: '1e10', error: 'invalid parameter "step": cannot parse "1e10" to a valid duration. It overflows int64' },
    {
      end: '0.1',
      step: '0.0004',
      error: 'invalid parameter "step": query resolution step widths below one millisecond are not accepted',
    },
  ]) {
    it(`refuses ${start} to ${end} by ${step}`, () => {
      assert.throws(() => readSteps(formOf({ start, end, step })), badData(error));
    });
  }
});

describe('limit, timeout and lookback', () => {
  for (const [text, limit] of [
    ['', 0],
    ['0', 0],
    ['+5', 5],
    ['9223372036854775807', Number.MAX_SAFE_INTEGER],
  ] as const) {
    it(`reads limit ${text}`, () => assert.equal(readLimit(formOf({ limit: text })), limit));
  }
  for (const [text, reason] of [
    ['-1', 'limit must be non-negative'],
    ['x', 'strconv.Atoi: parsing "x": invalid syntax'],
    ['1.5', 'strconv.Atoi: parsing "1.5": invalid syntax'],
    ['9223372036854775808', 'strconv.Atoi: parsing "9223372036854775808": value out of range'],
    ['1'.repeat(30), `strconv.Atoi: parsing "${'1'.repeat(30)}": value out of range`],
  ] as const) {
    it(`refuses limit ${text}`, () => {
      assert.throws(() => readLimit(formOf({ limit: text })), badData(`invalid parameter "limit": ${reason}`));
    });
  }

  it('reads timeouts', () => {
    assert.equal(readTimeoutMs(formOf({})), undefined);
    assert.equal(readTimeoutMs(formOf({ timeout: '1.5' })), 1500);
    assert.equal(readTimeoutMs(formOf({ timeout: '-1' })), -1000);
    const words = 'invalid parameter "timeout": cannot parse "1x" to a valid duration';
    assert.throws(() => readTimeoutMs(formOf({ timeout: '1x' })), badData(words));
  });

  it('reads lookback', () => {
    assert.equal(readLookbackMs(formOf({})), 0);
    assert.equal(readLookbackMs(formOf({ lookback_delta: '1m' })), 60_000);
    assert.equal(readLookbackMs(formOf({ lookback_delta: '-5' })), 0);
    assert.equal(readLookbackMs(formOf({ lookback_delta: '0.0001' })), 0.1);
    const words = 'error parsing lookback delta duration: cannot parse "x" to a valid duration';
    assert.throws(() => readLookbackMs(formOf({ lookback_delta: 'x' })), badData(words));
  });
});

it('an error shows so much of what was given', () => {
  const form = formOf({ time: '\x01'.repeat(100_000), limit: '1'.repeat(100_000) });
  for (const read of [() => readInstant(form, 0), () => readLimit(form)]) {
    assert.throws(read, (error) => error instanceof Failure && error.message.length < 5_000);
  }
});
