import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../errors/failure.ts';
import { canonicalizeExemplar, canonicalizeV1 } from '../model/canonical-labels.ts';
import { ByteSink } from '../std/byte-sink.ts';
import { labelsOf, type OracleMessage, readOracle, readScan } from './read-back.testing.ts';
import { scanWriteRequestV1 } from './remote-write-v1.ts';
import { scanWriteRequestV2 } from './remote-write-v2.ts';
import {
  encodeFields,
  oracleV1,
  oracleV2,
  plainly,
  requestV1,
  requestV2,
  type WireField,
  wildly,
} from './write-request.testing.ts';
import { WriteScan } from './write-scan.ts';

const noLimits = {
  labelNameLengthMax: 0,
  labelValueLengthMax: 0,
  labelNamesPerSeriesMax: 0,
  labelNamesPerInfoSeriesMax: 0,
};
const seriesType = oracleV1.lookupType('TimeSeries');
/** Label fields with their tags are a TimeSeries with nothing else in it. */
const labelsIn = (region: Uint8Array): string[] => labelsOf(decodeOracle(seriesType, region));

function decodeOracle(type: typeof oracleV1, bytes: Uint8Array): OracleMessage {
  return type.decode(bytes) as unknown as OracleMessage;
}

const versions = [
  { version: 1, oracle: oracleV1, scanOf: scanWriteRequestV1, request: requestV1 },
  { version: 2, oracle: oracleV2, scanOf: scanWriteRequestV2, request: requestV2 },
] as const;

/** Whether protobufjs refuses the bytes for nothing but a tag padded to more than 5 bytes, which Go reads. */
function tagIsPadded(oracle: typeof oracleV1, bytes: Uint8Array): boolean {
  try {
    oracle.decode(bytes);
    return false;
  } catch (error) {
    return error instanceof Error && error.message === 'invalid tag encoding';
  }
}

/** The scan steps over labels: what is broken inside of them shows when they are made canonical. */
function lookIntoLabels(scan: WriteScan): void {
  const out = new ByteSink();
  if (scan.version === 2) return;
  for (let i = 0; i < scan.seriesCount; i++) canonicalizeV1(scan, i, out, noLimits);
  for (const exemplar of scan.exemplars) canonicalizeExemplar(scan, exemplar, out);
}

/** Which histograms of each series were refused, by asking how many of the kept and refused match in time and order. */
function refusedIn(scan: WriteScan, request: OracleMessage): (row: number, nth: number) => boolean {
  const kept = new Map<string, number>();
  // A histogram alone in its own request is refused exactly if it is refused here: nothing about it depends on others.
  return (row, nth) => {
    const key = `${row}/${nth}`;
    const known = kept.get(key);
    if (known !== undefined) return known === 1;
    const oracle = scan.version === 1 ? oracleV1 : oracleV2;
    const one = (request.timeseries as readonly OracleMessage[])[row] as OracleMessage;
    const histogram = (one.histograms as readonly OracleMessage[])[nth];
    const alone = oracle.encode(oracle.create({ timeseries: [{ histograms: [histogram] }] })).finish();
    const other = new WriteScan();
    if (scan.version === 1) scanWriteRequestV1(alone, alone.length, other);
    else scanWriteRequestV2(alone, alone.length, other);
    kept.set(key, other.refusedHistograms.length);
    return other.refusedHistograms.length === 1;
  };
}

for (const { version, oracle, scanOf, request } of versions) {
  describe(`the scan of remote_write ${version}.0`, () => {
    const scan = new WriteScan();
    const agrees = (bytes: Uint8Array): void => {
      scanOf(bytes, bytes.length, scan);
      const message = decodeOracle(oracle, bytes);
      const expected = readOracle(version, message, refusedIn(scan, message));
      assert.deepEqual(readScan(scan, labelsIn), expected);
      const histogramCount = ((message.timeseries ?? []) as readonly OracleMessage[])
        .map((one) => ((one.histograms ?? []) as readonly unknown[]).length)
        .reduce((a, b) => a + b, 0);
      assert.equal(scan.histograms.length + scan.refusedHistograms.length, histogramCount);
    };

    it('reads what protobufjs reads', () =>
      fc.assert(
        fc.property(request, (fields) => agrees(Uint8Array.from(encodeFields(fields, plainly)))),
        { numRuns: 300 },
      ));

    it('reads it in every encoding that protobuf allows', () =>
      fc.assert(
        fc.property(request, fc.integer(), (fields, seed) =>
          agrees(Uint8Array.from(encodeFields(fields, wildly(seed)))),
        ),
        { numRuns: 1000 },
      ));

    it('accepts nothing that protobufjs refuses, and reads the same, whatever the bytes', () =>
      fc.assert(
        fc.property(
          request,
          fc.integer(),
          fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
          fc.nat(),
          damaged,
        ),
        { numRuns: 2000 },
      ));

    function damaged(fields: readonly WireField[], seed: number, flips: [number, number][], cut: number): void {
      const whole = Uint8Array.from(encodeFields(fields, wildly(seed)));
      for (const [at, value] of flips) if (whole.length > 0) whole[at % whole.length] = value;
      const bytes = whole.subarray(0, cut % 2 === 0 ? whole.length : cut % (whole.length + 1));
      let refused: Failure | undefined;
      try {
        scanOf(bytes, bytes.length, scan);
        lookIntoLabels(scan);
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        refused = error;
      }
      if (refused !== undefined) {
        assert.equal(refused.kind, 'bad_data');
        assert.match(refused.message, /at byte \d+/);
        // Go's decoders refuse these; protobufjs skips them.
        if (
          /a group|wire type|illegal field number|an unknown field is longer|the Content-Type is that of/.test(
            refused.message,
          )
        )
          return;
        assert.throws(() => decodeOracle(oracle, bytes), Error, refused.message);
      } else if (!tagIsPadded(oracle, bytes)) {
        agrees(bytes);
      }
    }
  });
}

const label = (name: string, value: string): WireField => ({
  number: 1,
  value: { kind: 'message', fields: [text(1, name), text(2, value)] },
});
const text = (number: number, value: string): WireField => ({
  number,
  value: { kind: 'bytes', bytes: new TextEncoder().encode(value) },
});
const varint = (number: number, value: bigint | number): WireField => ({
  number,
  value: { kind: 'varint', value: BigInt(value) },
});
const double = (number: number, bits: bigint): WireField => ({ number, value: { kind: 'double', bits } });
const message = (number: number, ...fields: WireField[]): WireField => ({ number, value: { kind: 'message', fields } });
const encode = (...fields: WireField[]): Uint8Array => Uint8Array.from(encodeFields(fields, plainly));

function failureOf(run: () => void): string {
  try {
    run();
  } catch (error) {
    if (error instanceof Failure) return `${error.kind}: ${error.message}`;
    throw error;
  }
  return 'no failure';
}

describe('values and times', () => {
  const staleBits = 0x7ff0000000000002n;

  it('keeps the bits of the staleness marker', () => {
    const scan = new WriteScan();
    const v1 = encode(message(1, message(2, double(1, staleBits), varint(2, 1_763_700_000_000))));
    scanWriteRequestV1(v1, v1.length, scan);
    assert.deepEqual([...scan.sampleVBits.subarray(0, 2)], [2, 0x7ff00000]);
    const v2 = encode(message(5, message(2, double(1, staleBits), varint(2, 1_763_700_000_000), varint(3, 5))));
    scanWriteRequestV2(v2, v2.length, scan);
    assert.deepEqual([...scan.sampleVBits.subarray(0, 2)], [2, 0x7ff00000]);
    assert.equal(scan.hasStartTimes, true);
  });

  it('knows a stale histogram by the bits of its sum', () => {
    const scan = new WriteScan();
    for (const [bits, stale] of [
      [staleBits, true],
      [0x7ff8000000000001n, false],
    ] as const) {
      const body = encode(message(1, message(4, double(3, bits), varint(15, 1000))));
      scanWriteRequestV1(body, body.length, scan);
      assert.equal(scan.histograms[0]?.histogram.stale, stale);
    }
  });

  it('bounds the times of floats and good histograms', () => {
    const scan = new WriteScan();
    const body = encode(
      message(1, message(2, varint(2, 50)), message(2, varint(2, 20)), message(4, varint(15, 70))),
      message(1, message(4, varint(1, 3), varint(15, 900)), message(2, varint(2, -10))),
    );
    scanWriteRequestV1(body, body.length, scan);
    assert.deepEqual([scan.minT, scan.maxT, scan.refusedHistograms.length], [-10, 70, 1]);
    scanWriteRequestV1(body, 0, scan);
    assert.deepEqual([scan.minT, scan.maxT, scan.seriesCount, scan.sampleCount], [Infinity, -Infinity, 0, 0]);
  });

  for (const [wire, t] of [
    [2n ** 53n - 1n, Number.MAX_SAFE_INTEGER],
    [2n ** 53n, Infinity],
    [2n ** 53n + 1n, Infinity],
    [2n ** 63n - 1n, Infinity],
    [1n - 2n ** 53n, -Number.MAX_SAFE_INTEGER],
    [-(2n ** 53n), -Infinity],
    [-(2n ** 53n) - 1n, -Infinity],
    [-(2n ** 63n), -Infinity],
  ] as const) {
    it(`reads the time ${wire} as ${t}`, () => {
      const scan = new WriteScan();
      const body = encode(message(1, message(2, varint(2, wire))));
      scanWriteRequestV1(body, body.length, scan);
      assert.equal(scan.sampleT[0], t);
    });
  }
});

describe('a request that is broken', () => {
  for (const { name, body, scanOf, failure } of [
    {
      name: 'a series longer than the request',
      body: [0x0a, 5, 0x0a, 0],
      scanOf: scanWriteRequestV1,
      failure: 'bad_data: protobuf: the length of a time series at byte 1 reaches past its message',
    },
    {
      name: 'a label longer than its series',
      body: [0x0a, 2, 0x0a, 3, 1, 1, 1],
      scanOf: scanWriteRequestV1,
      failure: 'bad_data: protobuf: a label is cut off at byte 4',
    },
    {
      name: 'a value cut off',
      body: [0x0a, 5, 0x12, 3, 0x09, 1, 2],
      scanOf: scanWriteRequestV1,
      failure: 'bad_data: protobuf: the value of a sample is cut off at byte 5',
    },
    {
      name: 'a varint of 11 bytes',
      body: [0x0a, 14, 0x12, 12, 0x10, ...Array<number>(10).fill(0xff), 1],
      scanOf: scanWriteRequestV1,
      failure: 'bad_data: protobuf: the varint of the timestamp of a sample is longer than 10 bytes at byte 5',
    },
    {
      name: 'a group',
      body: [0x0a, 1, 0x2b],
      scanOf: scanWriteRequestV1,
      failure: 'bad_data: protobuf: a group at byte 2',
    },
    {
      name: 'field number 0',
      body: [0x02, 0],
      scanOf: scanWriteRequestV2,
      failure: 'bad_data: protobuf: illegal field number at byte 0',
    },
    {
      name: 'a known field in another wire type',
      body: [0x28, 1],
      scanOf: scanWriteRequestV2,
      failure: 'bad_data: protobuf: field 5 of a write request has wire type 0 at byte 1',
    },
    {
      name: 'a symbol cut off',
      body: [0x22, 9, 1],
      scanOf: scanWriteRequestV2,
      failure: 'bad_data: protobuf: the length of a symbol at byte 1 reaches past its message',
    },
  ]) {
    it(`is refused for ${name}`, () => {
      assert.equal(
        failureOf(() => scanOf(Uint8Array.from(body), body.length, new WriteScan())),
        failure,
      );
    });
  }

  it('leaves the scan fit for the next one', () => {
    const scan = new WriteScan();
    const good = encode(message(1, label('__name__', 'up'), message(2, varint(2, 50))));
    const bad = Uint8Array.of(...good, 0x0a, 3, 0x12);
    assert.match(
      failureOf(() => scanWriteRequestV1(bad, bad.length, scan)),
      /reaches past/,
    );
    scanWriteRequestV1(good, good.length, scan);
    assert.deepEqual([scan.seriesCount, scan.sampleCount, scan.sampleT[0]], [1, 1, 50]);
  });

  it('is refused before it takes more memory than the maxima allow', () => {
    const max = {
      series: 300,
      samples: 300,
      histograms: 2,
      histogramNumbers: 40,
      exemplars: 2,
      metadata: 2,
      symbols: 300,
      labelRefs: 1100,
    };
    const of = (count: number, field: WireField): Uint8Array => encode(...Array<WireField>(count).fill(field));
    const inSeries = (number: number, count: number, field: WireField): Uint8Array =>
      encode(message(number, ...Array<WireField>(count).fill(field)));
    const refs: WireField = { number: 1, value: { kind: 'packed', values: [varint(0, 0).value, varint(0, 0).value] } };
    for (const { what, scanOf, bodyOf } of [
      { what: '300 series', scanOf: scanWriteRequestV1, bodyOf: (n: number) => of(n, message(1)) },
      { what: '300 samples', scanOf: scanWriteRequestV1, bodyOf: (n: number) => inSeries(1, n, message(2)) },
      { what: '2 histograms', scanOf: scanWriteRequestV1, bodyOf: (n: number) => inSeries(1, n, message(4)) },
      {
        what: '40 histogram buckets',
        scanOf: scanWriteRequestV1,
        bodyOf: (n: number) => encode(message(1, message(4, ...Array<WireField>(n / 2).fill(message(11))))),
      },
      { what: '2 exemplars', scanOf: scanWriteRequestV1, bodyOf: (n: number) => inSeries(1, n, message(3)) },
      { what: '2 metadata entries', scanOf: scanWriteRequestV1, bodyOf: (n: number) => of(n, message(3)) },
      { what: '300 symbols', scanOf: scanWriteRequestV2, bodyOf: (n: number) => of(n, text(4, '')) },
      { what: '1100 label references', scanOf: scanWriteRequestV2, bodyOf: (n: number) => inSeries(5, n / 2, refs) },
    ]) {
      const most = Number(what.split(' ')[0]);
      const scan = new WriteScan(max);
      const full = bodyOf(most);
      scanOf(full, full.length, scan);
      const over = bodyOf(most + 2);
      assert.equal(
        failureOf(() => scanOf(over, over.length, scan)),
        `too_large: remote write: more than ${what} in one request; send smaller ones`,
      );
    }
  });

  it('of hundreds of thousands of samples or series is refused while it is scanned', () => {
    const scan = new WriteScan();
    const scanOf = (bytes: Uint8Array) => scanWriteRequestV1(bytes, bytes.length, scan);
    const emptyOnes = (tag: number, count: number) => Buffer.alloc(2 * count, Uint8Array.of(tag, 0));
    /** One series with so many samples; its length takes three bytes. */
    const samples = (count: number) => {
      const length = 2 * count;
      return Buffer.concat([
        Uint8Array.of(0x0a, 0x80 | (length & 0x7f), 0x80 | ((length >> 7) & 0x7f), length >> 14),
        emptyOnes(0x12, count),
      ]);
    };
    scanOf(samples(250_000));
    assert.equal(scan.sampleCount, 250_000);
    assert.match(
      failureOf(() => scanOf(samples(250_001))),
      /more than 250000 samples/,
    );
    assert.match(
      failureOf(() => scanOf(emptyOnes(0x0a, 100_001))),
      /more than 100000 series/,
    );
  });
});

describe('histograms that are none', () => {
  const span = (number: number, offset: bigint, length: number): WireField =>
    message(number, { number: 1, value: { kind: 'zigzag', value: offset } }, varint(2, length));
  const zigzags = (number: number, ...values: bigint[]): WireField => ({
    number,
    value: { kind: 'packed', values: values.map((value) => ({ kind: 'zigzag', value })) },
  });
  const bits = (value: number): bigint => new BigUint64Array(new Float64Array([value]).buffer)[0] as bigint;
  const doubles = (number: number, ...values: number[]): WireField => ({
    number,
    value: { kind: 'packed', values: values.map((value) => ({ kind: 'double', bits: bits(value) })) },
  });
  const schema = (value: bigint): WireField => ({ number: 4, value: { kind: 'zigzag', value } });
  for (const { name, fields, reason } of [
    { name: 'a count that is too small', fields: [varint(6, 3), varint(1, 2)], reason: /count-mismatch/ },
    {
      name: 'a count that is too small for a NaN sum',
      fields: [varint(6, 3), varint(1, 2), double(3, 0x7ff8000000000001n)],
      reason: /count-not-big-enough/,
    },
    { name: 'buckets that no span names', fields: [varint(1, 2), zigzags(12, 2n)], reason: /spans-buckets-mismatch/ },
    { name: 'spans without buckets', fields: [span(11, 0n, 0xffffffff)], reason: /spans-buckets-mismatch/ },
    {
      name: 'a bucket below zero',
      fields: [varint(1, 1), span(11, 0n, 2), zigzags(12, 2n, -3n)],
      reason: /negative-bucket-count/,
    },
    {
      name: 'spans that overlap',
      fields: [varint(1, 4), span(11, 0n, 1), span(11, -1n, 1), zigzags(12, 2n, 0n)],
      reason: /span-negative-offset/,
    },
    { name: 'an unknown schema', fields: [schema(53n)], reason: /invalid-native-histogram-schema/ },
    { name: 'a schema below the known ones', fields: [schema(-5n)], reason: /invalid-native-histogram-schema/ },
    { name: 'custom bounds that fall', fields: [schema(-53n), doubles(16, 2, 1)], reason: /custom-buckets-invalid/ },
    {
      name: 'a custom bound of +Inf',
      fields: [schema(-53n), doubles(16, 2, Infinity)],
      reason: /custom-buckets-infinite/,
    },
    { name: 'a custom bound of NaN', fields: [schema(-53n), doubles(16, NaN)], reason: /NaN/ },
    {
      name: 'too few custom bounds',
      fields: [schema(-53n), varint(1, 3), doubles(16, 1), span(11, 0n, 3), zigzags(12, 1n, 0n, 0n)],
      reason: /custom-buckets-mismatch/,
    },
    {
      name: 'custom bounds and a zero bucket',
      fields: [schema(-53n), varint(1, 1), varint(6, 1)],
      reason: /zero count of 0/,
    },
    { name: 'exponential with custom bounds', fields: [doubles(16, 1)], reason: /custom bounds/ },
    { name: 'a float count below zero', fields: [double(2, bits(-1))], reason: /observation count is negative/ },
  ]) {
    it(`refuses ${name}, and keeps its neighbours`, () => {
      const scan = new WriteScan();
      const body = encode(
        message(1, message(2, varint(2, 5)), message(4, ...fields, varint(15, 77)), message(4, varint(15, 78))),
        message(1, message(2, varint(2, 6))),
      );
      scanWriteRequestV1(body, body.length, scan);
      assert.deepEqual([scan.sampleCount, scan.histograms.length, scan.refusedHistograms.length], [2, 1, 1]);
      assert.deepEqual([scan.refusedHistograms[0]?.series, scan.refusedHistograms[0]?.t], [0, 77]);
      assert.match(scan.refusedHistograms[0]?.reason ?? '', reason);
    });
  }

  it('brings a schema above 8 down to it, as Prometheus does', () => {
    const scan = new WriteScan();
    const body = encode(message(1, message(4, schema(9n), varint(1, 6), span(11, 1n, 3), zigzags(12, 1n, 1n, 1n))));
    scanWriteRequestV1(body, body.length, scan);
    const h = scan.histograms[0]?.histogram;
    assert.deepEqual([h?.schema, [...(h?.positiveSpans ?? [])], [...(h?.positiveBuckets ?? [])]], [8, [1, 2], [3, 3]]);
  });

  it('reads custom buckets', () => {
    const scan = new WriteScan();
    const body = encode(
      message(
        5,
        message(3, schema(-53n), varint(1, 3), doubles(16, 1, 2), span(11, 1n, 2), zigzags(12, 1n, 1n), varint(17, 9)),
      ),
    );
    scanWriteRequestV2(body, body.length, scan);
    const [sample] = scan.histograms;
    assert.deepEqual([...(sample?.histogram.customValues ?? [])], [1, 2]);
    assert.deepEqual([...(sample?.histogram.positiveBuckets ?? [])], [1, 2]);
    assert.equal(sample?.st, 9);
  });

  it('refuses series of the other protocol: passed over they would be lost in silence', () => {
    const series = [0x0a, 0x09, 0x0a, 0x07, 0x0a, 0x01, 0x61, 0x12, 0x02, 0x62, 0x63];
    const one = Uint8Array.from(series);
    const two = Uint8Array.of(0x22, 0x00, 0x2a, 0x02, 0x08, 0x00);
    const scan = new WriteScan();
    assert.throws(() => scanWriteRequestV2(one, one.length, scan), {
      kind: 'bad_data',
      message: 'protobuf: a series of remote write 1.0 at byte 1, and the Content-Type is that of 2.0',
    });
    assert.throws(() => scanWriteRequestV1(two, two.length, scan), {
      kind: 'bad_data',
      message: 'protobuf: a series of remote write 2.0 at byte 3, and the Content-Type is that of 1.0',
    });
  });

  it('takes a start time that no chunk could hold for unknown', () => {
    const scan = new WriteScan();
    const starts = [2n ** 62n, -(2n ** 62n), 2n ** 52n + 1n, -(2n ** 52n) - 1n, 2n ** 52n, -(2n ** 52n), 7n];
    const kept = [0, 0, 0, 0, 2 ** 52, -(2 ** 52), 7];
    const body = encode(
      message(
        5,
        ...starts.map((st) => message(2, varint(2, 5), varint(3, BigInt.asUintN(64, st)))),
        ...starts.map((st) => message(3, varint(1, 0), varint(17, BigInt.asUintN(64, st)))),
      ),
    );
    scanWriteRequestV2(body, body.length, scan);
    assert.deepEqual([...scan.sampleST.subarray(0, scan.sampleCount)], kept);
    assert.deepEqual(
      scan.histograms.map(({ st }) => st),
      kept,
    );
  });
});
