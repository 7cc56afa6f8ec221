import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ByteSink } from '../std/byte-sink.ts';
import {
  canonicalizeExemplar,
  canonicalizeLabels,
  canonicalizeV1,
  canonicalizeV2,
  type LabelLimits,
  type LabelScan,
  LabelScratch,
  labelFaultId,
  labelFaultText,
  labelsOfCanonical,
} from './canonical-labels.ts';
import { hashBytes, viewOf } from './encoding/bytes.ts';
import { compareUtf8, Labels } from './labels.ts';

type Pair = readonly [name: string | Uint8Array, value: string | Uint8Array];

const noLimits: LabelLimits = {
  labelNameLengthMax: 0,
  labelValueLengthMax: 0,
  labelNamesPerSeriesMax: 0,
  labelNamesPerInfoSeriesMax: 0,
};
const bytesOf = (text: string | Uint8Array): Uint8Array =>
  typeof text === 'string' ? new TextEncoder().encode(text) : text;
const none = new Uint32Array(0);

function varint(value: number, padding: number): number[] {
  const out: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    out.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  out.push(rest);
  for (let i = 0; i < padding; i++) {
    out[out.length - 1] = (out[out.length - 1] as number) | 0x80;
    out.push(0);
  }
  return out;
}

/** The labels as fields of a 1.0 series, with `odd` choosing paddings, orders and repetitions. */
function scanV1(pairs: readonly Pair[], odd: (max: number) => number = () => 0): LabelScan {
  const out: number[] = [7, 7];
  for (const [name, value] of pairs) {
    const [n, v] = [bytesOf(name), bytesOf(value)];
    const nameField = [0x0a, ...varint(n.length, odd(2)), ...n];
    const valueField = [0x12, ...varint(v.length, odd(2)), ...v];
    const unknown = odd(3) === 1 ? [0x38, 1] : [];
    const earlier = odd(3) === 1 ? [0x0a, 1, 0x78] : [];
    const fields =
      odd(1) === 1 ? [...valueField, ...earlier, ...nameField] : [...earlier, ...nameField, ...unknown, ...valueField];
    out.push(...(odd(3) === 1 ? [0x8a, 0x00] : [0x0a]), ...varint(fields.length, odd(2)), ...fields);
  }
  const bytes = Uint8Array.from([...out, 7, 7]);
  return {
    version: 1,
    bytes,
    view: viewOf(bytes),
    labelsBegin: Uint32Array.of(2),
    labelsEnd: Uint32Array.of(out.length),
    symbolBegin: none,
    symbolEnd: none,
    symbolText: new Uint8Array(0),
    refs: none,
    refsBegin: none,
    exemplarRefs: none,
    labelScratch: new LabelScratch(),
  };
}

/** The labels as references of a 2.0 series. */
function scanV2(pairs: readonly Pair[]): LabelScan {
  const symbols = pairs.flat().map(bytesOf);
  const bytes = new Uint8Array(Buffer.concat(symbols));
  const symbolEnd = new Uint32Array(symbols.length);
  const symbolBegin = new Uint32Array(symbols.length);
  let at = 0;
  for (const [i, symbol] of symbols.entries()) {
    symbolBegin[i] = at;
    at += symbol.length;
    symbolEnd[i] = at;
  }
  const refs = Uint32Array.from(symbols.keys());
  return {
    version: 2,
    bytes,
    view: viewOf(bytes),
    labelsBegin: none,
    labelsEnd: none,
    symbolBegin,
    symbolEnd,
    symbolText: new Uint8Array(symbols.length),
    refs,
    refsBegin: Uint32Array.of(0, refs.length),
    exemplarRefs: refs,
    labelScratch: new LabelScratch(),
  };
}

function canonical(scan: LabelScan, limits: LabelLimits = noLimits): string {
  const out = new ByteSink(4);
  const fault = scan.version === 1 ? canonicalizeV1(scan, 0, out, limits) : canonicalizeV2(scan, 0, out, limits);
  if (fault !== 0) {
    assert.equal(out.length, 0, 'a refused series writes nothing');
    return labelFaultId(fault);
  }
  return Buffer.from(out.written()).toString('hex');
}

function ofLabels(labels: Labels): string {
  const out = new ByteSink(4);
  canonicalizeLabels(labels, out);
  return Buffer.from(out.written()).toString('hex');
}

function seeded(seed: number): (max: number) => number {
  let state = seed;
  return (max) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 8) % (max + 1);
  };
}

const labelText = fc.oneof(
  fc.constantFrom('', 'le', 'job', '__proto__', 'constructor', '\u{1f600}', '\ue000'),
  fc.string({ unit: 'grapheme', maxLength: 10 }),
  fc.string({ maxLength: 300 }),
);
const pairsWithName = fc
  .tuple(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
    fc.uniqueArray(fc.tuple(labelText, labelText), { maxLength: 70, selector: ([name]) => name }),
  )
  .map(([metric, others]): Pair[] => [
    ['__name__', metric],
    ...others.filter(([name]) => name !== '' && name !== '__name__' && name.isWellFormed()),
  ]);

describe('canonical labels', () => {
  it('are the same for one series in every order, protocol and padding', () =>
    fc.assert(
      fc.property(pairsWithName, fc.integer(), (pairs, seed) => {
        const odd = seeded(seed);
        const shuffled = pairs.toSorted(() => odd(2) - 1);
        const expected = ofLabels(Labels.from(pairs as [string, string][]));
        assert.equal(canonical(scanV1(pairs)), expected);
        assert.equal(canonical(scanV1(shuffled, odd)), expected);
        assert.equal(canonical(scanV2(shuffled)), expected);
      }),
    ));

  it('come back as the labels they were made of, sorted by bytes', () =>
    fc.assert(
      fc.property(pairsWithName, (pairs) => {
        const labels = Labels.from(pairs as [string, string][]);
        const out = new ByteSink(4);
        out.writeUint8(9);
        canonicalizeLabels(labels, out);
        const read = labelsOfCanonical(out.bytes, 1, out.length);
        assert.deepEqual(read.pairs, labels.pairs);
        const names = read.pairs.filter((_, i) => i % 2 === 0);
        assert.deepEqual(names, names.toSorted(compareUtf8));
      }),
    ));

  it('differ for series that differ, whatever their text imitates', () => {
    const all = [
      [['__name__', 'a']],
      [['__name__', 'a\u0003job\u0001b']],
      [
        ['__name__', 'a'],
        ['job', 'b'],
      ],
      [
        ['__name__', 'a'],
        ['jo', 'bb'],
      ],
      [
        ['__name__', 'a'],
        ['__proto__', 'b'],
      ],
    ] satisfies Pair[][];
    const texts = all.map((pairs) => canonical(scanV1(pairs)));
    assert.equal(new Set(texts).size, all.length);
    const hashes = texts.map((text) => hashBytes(viewOf(Buffer.from(text, 'hex')), 0, text.length / 2));
    assert.equal(new Set(hashes).size, all.length);
  });

  it('are in order whatever order they come in, where long names begin alike', () => {
    const odd = seeded(7);
    const names = Array.from({ length: 40 }, (_, i) => `${'p'.repeat(60 + i)}${String.fromCharCode(122 - odd(20))}`);
    const pairs: Pair[] = [['__name__', 'up'], ...names.map((name): Pair => [`${'q'.repeat(70)}${name}`, 'v'])];
    const sorted = pairs.toSorted(([a], [b]) => compareUtf8(String(a), String(b)));
    for (const make of [scanV1, scanV2]) {
      for (const order of [sorted, sorted.toReversed(), sorted.toSorted(() => odd(1) - 0.5)]) {
        assert.equal(canonical(make(order)), ofLabels(Labels.from(pairs as [string, string][])));
      }
    }
  });

  it('keep 10,000 labels where no limit stands', () => {
    const pairs: Pair[] = [['__name__', 'wide']];
    for (let i = 0; i < 10_000; i++) pairs.push([`label_${i}`, String(i)]);
    assert.equal(canonical(scanV1(pairs)), ofLabels(Labels.from(pairs as [string, string][])));
  });
});

const badUtf8 = Uint8Array.of(0x61, 0xc0, 0x80);
const limits: LabelLimits = {
  labelNameLengthMax: 8,
  labelValueLengthMax: 10,
  labelNamesPerSeriesMax: 3,
  labelNamesPerInfoSeriesMax: 4,
};
const up: Pair = ['__name__', 'up'];

describe('label sets that are refused', () => {
  for (const { name, pairs, id, text } of [
    {
      name: 'none at all',
      pairs: [],
      id: 'missing-metric-name',
      text: 'received series has no metric name (err-mimir-missing-metric-name)',
    },
    {
      name: 'an empty metric name',
      pairs: [
        ['__name__', ''],
        ['job', 'a'],
      ],
      id: 'missing-metric-name',
      text: 'received series has no metric name (err-mimir-missing-metric-name)',
    },
    {
      name: 'a metric name that is not UTF-8',
      pairs: [['__name__', badUtf8]],
      id: 'metric-name-invalid',
      text: "received a series with invalid metric name: 'a\ufffd\ufffd' (err-mimir-metric-name-invalid)",
    },
    {
      name: 'a label name that is not UTF-8',
      pairs: [up, [badUtf8, 'x']],
      id: 'label-invalid',
      text:
        "received a series with an invalid label: 'a\ufffd\ufffd' series: " +
        '\'{__name__="up", a\ufffd\ufffd="x"}\' (err-mimir-label-invalid)',
    },
    {
      name: 'an empty label name',
      pairs: [['', 'x'], up],
      id: 'label-invalid',
      text: 'received a series with an invalid label: \'\' series: \'{="x", __name__="up"}\' (err-mimir-label-invalid)',
    },
    {
      name: 'a label value that is not UTF-8',
      pairs: [up, ['job', badUtf8]],
      id: 'label-value-invalid',
      text:
        "received a series with invalid value in label 'job': 'a\ufffd\ufffd' series: " +
        '\'{__name__="up", job="a\ufffd\ufffd"}\' (err-mimir-label-value-invalid)',
    },
    {
      name: 'a name twice',
      pairs: [['job', 'b'], up, ['job', 'a']],
      id: 'duplicate-label-names',
      text: /^received a series with duplicate label name, label: 'job' series: .*\(err-mimir-duplicate-label-names\)$/,
    },
    {
      name: 'a name twice, with equal values',
      pairs: [['job', 'a'], up, ['job', 'a']],
      id: 'duplicate-label-names',
      text: /duplicate label name/,
    },
    {
      name: 'a name too long',
      pairs: [up, ['jobjobjob', 'a']],
      id: 'label-name-too-long',
      text:
        "received a series whose label name length exceeds the limit, label: 'jobjobjob' series: " +
        '\'{__name__="up", jobjobjob="a"}\' (err-mimir-label-name-too-long). To adjust the related per-tenant limit, ' +
        'configure limits.max-label-name-length, or contact your service administrator.',
    },
    {
      name: 'a value too long',
      pairs: [up, ['job', '12345678901']],
      id: 'label-value-too-long',
      text: /configure limits\.max-label-value-length,/,
    },
    {
      name: 'too many labels',
      pairs: [up, ['a', '1'], ['b', '1'], ['c', '1']],
      id: 'max-label-names-per-series',
      text: /\(actual: 4, limit: 3\) series: .*configure limits\.max-label-names-per-series,/,
    },
    {
      name: 'too many labels of an info series',
      pairs: [
        ['__name__', 'kube_info'],
        ['a', '1'],
        ['b', '1'],
        ['c', '1'],
        ['d', '1'],
      ],
      id: 'max-label-names-per-info-series',
      text: /\(actual: 5, limit: 4\) series: .*configure limits\.max-label-names-per-info-series,/,
    },
  ] satisfies { name: string; pairs: Pair[]; id: string; text: string | RegExp }[]) {
    it(name, () => {
      for (const scan of [scanV1(pairs), scanV1(pairs.toReversed()), scanV2(pairs), scanV2(pairs.toReversed())]) {
        const fault =
          scan.version === 1
            ? canonicalizeV1(scan, 0, new ByteSink(4), limits)
            : canonicalizeV2(scan, 0, new ByteSink(4), limits);
        assert.equal(labelFaultId(fault), id);
        const sentence = labelFaultText(fault, scan, 0, limits);
        if (typeof text === 'string') assert.equal(sentence, text);
        else assert.match(sentence, text);
      }
    });
  }

  for (const { name, pairs } of [
    {
      name: 'at the limits',
      pairs: [
        ['__name__', '0123456789'],
        ['12345678', '0123456789'],
        ['b', '1'],
      ],
    },
    {
      name: 'an info series above the limit of others',
      pairs: [
        ['__name__', 'a_info'],
        ['a', '1'],
        ['b', '1'],
        ['c', '1'],
      ],
    },
    { name: 'empty values do not count', pairs: [up, ['a', ''], ['b', ''], ['c', ''], [badUtf8, ''], ['', '']] },
    { name: 'a name twice, once empty', pairs: [up, ['job', ''], ['job', 'x']] },
  ] satisfies { name: string; pairs: Pair[] }[]) {
    it(`are not: ${name}`, () => {
      for (const scan of [scanV1(pairs), scanV2(pairs)]) assert.match(canonical(scan, limits), /^([0-9a-f]{2})+$/);
    });
  }

  it('never throws and never disagrees between protocols, whatever the bytes', () => {
    const anyText = fc.oneof(labelText, fc.uint8Array({ maxLength: 6 }), fc.constant('__name__'));
    fc.assert(
      fc.property(fc.array(fc.tuple(anyText, anyText), { maxLength: 8 }), (pairs) => {
        assert.equal(canonical(scanV1(pairs), limits), canonical(scanV2(pairs), limits));
      }),
      { numRuns: 500 },
    );
  });

  it('refuses a label that is no protobuf by its byte', () => {
    const scan = scanV1([up]);
    scan.bytes[5] = 0x70;
    assert.throws(() => canonical(scan), /the length of a label name at byte 5 reaches past its message|cut off/);
  });
});

describe('labels of exemplars', () => {
  const exemplarOf = (scan: LabelScan): string | undefined => {
    const out = new ByteSink(4);
    const range =
      scan.version === 1
        ? { labelsBegin: scan.labelsBegin[0] as number, labelsEnd: scan.labelsEnd[0] as number }
        : { labelsBegin: 0, labelsEnd: scan.exemplarRefs.length };
    return canonicalizeExemplar(scan, range, out) ? Buffer.from(out.written()).toString('hex') : undefined;
  };
  for (const { name, pairs, accepted } of [
    { name: 'a trace id', pairs: [['trace_id', 'abc']], accepted: true },
    { name: 'none', pairs: [], accepted: true },
    { name: '128 code points, in more bytes', pairs: [['id', '\u{1f600}'.repeat(126)]], accepted: true },
    { name: '129 code points', pairs: [['id', 'x'.repeat(127)]], accepted: false },
    {
      name: 'a name twice',
      pairs: [
        ['a', '1'],
        ['a', '2'],
      ],
      accepted: false,
    },
    { name: 'no UTF-8', pairs: [['a', badUtf8]], accepted: false },
  ] satisfies { name: string; pairs: Pair[]; accepted: boolean }[]) {
    it(name, () => {
      const expected = accepted ? ofLabels(Labels.from(pairs as [string, string][])) : undefined;
      for (const scan of [scanV1(pairs), scanV2(pairs)]) assert.equal(exemplarOf(scan), expected);
    });
  }
});

it('of a series with more labels than there may be each is counted, none is sorted and not all are kept', () => {
  const count = 300_000;
  const pairs: Pair[] = Array.from({ length: count }, (_, i) => [`n${count - i}`, 'v']);
  for (const make of [scanV1, scanV2]) {
    for (const limits of [{ ...noLimits, labelNamesPerSeriesMax: 30 }, noLimits]) {
      const scan = make([['__name__', 'up'], ...pairs]);
      const out = new ByteSink();
      const fault = (make === scanV1 ? canonicalizeV1 : canonicalizeV2)(scan, 0, out, limits);
      assert.equal(labelFaultId(fault), 'max-label-names-per-series');
      assert.equal(out.length, 0);
      const { order } = scan.labelScratch;
      assert.ok(order.length < count / 2, `room for ${order.length} labels`);
      for (let i = 0; i < 1_000; i++) assert.equal(order[i], i);
      const most = limits.labelNamesPerSeriesMax || 131_072;
      assert.match(labelFaultText(fault, scan, 0, limits), new RegExp(`\\(actual: ${count + 1}, limit: ${most}\\)`));
    }
  }
});

it('labels whose names of a kilobyte begin alike, and that come in no order, cost little', () => {
  const names = Array.from({ length: 46 }, (_, i) => `${'p'.repeat(1000)}${99 - i}`);
  const scan = scanV2([['__name__', 'up'], ...names.map((name): Pair => [name, 'v'])]);
  const out = new ByteSink(1 << 16);
  const begin = process.cpuUsage();
  for (let i = 0; i < 2_000; i++) {
    out.reset();
    assert.equal(canonicalizeV2(scan, 0, out, noLimits), 0);
  }
  const ms = process.cpuUsage(begin).user / 1_000;
  assert.ok(ms < 1_500, `2,000 series took ${ms} ms`);
});

describe('a symbol of megabytes that every series and exemplar names', () => {
  const calls = 1_000;
  const limits = { ...noLimits, labelNameLengthMax: 1024, labelValueLengthMax: 2048 };
  const large = 'x'.repeat(4 << 20);
  const notText = Uint8Array.of(0xff);
  for (const { name, pairs, fault } of [
    { name: 'as a value', pairs: [['a', large]], fault: 'label-value-too-long' },
    { name: 'as a name', pairs: [[large, 'a']], fault: 'label-name-too-long' },
    {
      name: 'beside what is not UTF-8',
      pairs: [
        ['a', large],
        ['b', notText],
      ],
      fault: 'label-value-too-long',
    },
    {
      name: 'as names that begin alike',
      pairs: [
        [`${large}b`, 'a'],
        [`${large}a`, 'a'],
      ],
      fault: 'label-name-too-long',
    },
  ] as { name: string; pairs: Pair[]; fault: string }[]) {
    it(`is looked at once: ${name}`, () => {
      const scan = scanV2([['__name__', 'up'], ...pairs]);
      const out = new ByteSink();
      const exemplar = { labelsBegin: 2, labelsEnd: scan.refs.length };
      const begin = process.cpuUsage();
      for (let i = 0; i < calls; i++) {
        assert.equal(labelFaultId(canonicalizeV2(scan, 0, out, limits)), fault);
        assert.equal(canonicalizeExemplar(scan, exemplar, out), false);
      }
      const ms = process.cpuUsage(begin).user / 1_000;
      assert.ok(ms < 1_500, `${calls} series and exemplars took ${ms} ms`);
    });
  }
});
