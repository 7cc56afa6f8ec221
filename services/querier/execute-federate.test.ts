import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import protobuf from 'protobufjs';
import { Failure } from '../../libs/errors/failure.ts';
import type { Matcher } from '../../libs/model/matcher.ts';
import { MemorySource } from '../../libs/promql/testing/memory-source.ts';
import { parseScript } from '../../libs/promql/testing/parse-script.ts';
import { JsonBytes } from '../../libs/query-api/json-bytes.ts';
import { executeFederate, type FederateJob } from './execute-federate.ts';
import type { ExpositionForm } from './exposition-form.ts';

const source = new MemorySource();
const script = `load 1m
  up{job="b"} 1 2 3
  up{job="a", instance="own"} -Inf 1e-7 _ _ _ _ _ _ _
  up{"a.b"="\\"q"} 5 1e6
  {"dotted.name"} 0 -0
  gone 1 stale
  old 7
  h{kind="exponential"} {{schema:1 count:6 sum:2.5 z_bucket:1 z_bucket_w:0.01 buckets:[2 3] counter_reset_hint:gauge}}x1
  h{kind="custom"} {{schema:-53 count:6 sum:2.5 custom_values:[0.5 1 2] buckets:[1 0 3 2]}}x1`;
for (const command of parseScript(script)) if (command.kind === 'load') source.load(command);

const everything: Matcher = { type: '=~', name: '__name__', value: '.+' };

function run(
  form: ExpositionForm,
  selectors: readonly (readonly Matcher[])[] = [[everything]],
  other: Partial<FederateJob> = {},
): Buffer {
  const chunks: Uint8Array[] = [];
  const output = new JsonBytes((chunk) => chunks.push(chunk));
  executeFederate({
    selectors,
    minT: 30_000,
    maxT: 90_000,
    form,
    reader: source,
    output,
    limits: { samplesMax: 0, memoryBytesMax: 0 },
    checkStopped: () => {},
    ...other,
  });
  output.finish();
  return Buffer.concat(chunks);
}

const text = (escaping: ExpositionForm['escaping'], selectors?: readonly (readonly Matcher[])[]) =>
  run({ kind: 'text', escaping }, selectors).toString().split('\n');

describe('federation as text', () => {
  it('has the newest sample of each series by name; what is stale, old or exponential is not there', () => {
    assert.deepEqual(text('underscores'), [
      '# TYPE dotted_name untyped',
      'dotted_name{instance=""} 0 60000',
      '# TYPE h histogram',
      'h_bucket{kind="custom",instance="",le="0.5"} 1 60000',
      'h_bucket{kind="custom",instance="",le="1"} 1 60000',
      'h_bucket{kind="custom",instance="",le="2"} 4 60000',
      'h_bucket{kind="custom",instance="",le="+Inf"} 6 60000',
      'h_sum{kind="custom",instance=""} 2.5 60000',
      'h_count{kind="custom",instance=""} 6 60000',
      '# TYPE up untyped',
      'up{a_b="\\"q",instance=""} 1e+06 60000',
      'up{instance="own",job="a"} 1e-07 60000',
      'up{job="b",instance=""} 2 60000',
      '',
    ]);
  });

  it('writes names as they are for whom it may', () => {
    const lines = text('allow-utf-8');
    assert.ok(lines.includes('{"dotted.name",instance=""} 0 60000'), lines.join('\n'));
    assert.ok(lines.includes('# TYPE "dotted.name" untyped'));
    assert.ok(lines.includes('up{"a.b"="\\"q",instance=""} 1e+06 60000'));
  });

  it('has a series once, whichever selectors match it, and nothing where none asks', () => {
    const b: Matcher = { type: '=', name: 'job', value: 'b' };
    assert.deepEqual(text('underscores', [[b], [b, everything]]), [
      '# TYPE up untyped',
      'up{job="b",instance=""} 2 60000',
      '',
    ]);
    assert.deepEqual(text('underscores', []), ['']);
    assert.deepEqual(text('underscores', [[]]), ['']);
  });
});

describe('federation as protobuf', () => {
  const family = protobuf
    .parse(`syntax = "proto2";
message LabelPair { optional string name = 1; optional string value = 2; }
message Untyped { optional double value = 1; }
message Span { optional sint32 offset = 1; optional uint32 length = 2; }
message Bucket { optional double upper_bound = 2; optional double cumulative_count_float = 4; }
message Histogram {
  optional double sample_sum = 2; repeated Bucket bucket = 3; optional double sample_count_float = 4; optional sint32 schema = 5;
  optional double zero_threshold = 6; optional double zero_count_float = 8; repeated Span positive_span = 12;
  repeated double positive_count = 14;
}
message Metric {
  repeated LabelPair label = 1; optional Untyped untyped = 5; optional int64 timestamp_ms = 6; optional Histogram histogram = 7;
}
message MetricFamily { optional string name = 1; optional int32 type = 3; repeated Metric metric = 4; }`)
    .root.lookupType('MetricFamily');

  it('has histograms of every kind, a family a kind', () => {
    const bytes = run({ kind: 'protobuf', escaping: 'allow-utf-8' }, [[{ ...everything, value: 'h|dotted.*' }]]);
    const reader = protobuf.Reader.create(bytes);
    const families: unknown[] = [];
    while (reader.pos < reader.len) families.push(family.toObject(family.decodeDelimited(reader), { longs: Number }));
    const instance = { name: 'instance', value: '' };
    const timestampMs = 60_000;
    assert.deepEqual(families, [
      { name: 'dotted.name', type: 3, metric: [{ label: [instance], untyped: { value: -0 }, timestampMs }] },
      {
        name: 'h',
        type: 4,
        metric: [
          {
            label: [{ name: 'kind', value: 'custom' }, instance],
            timestampMs,
            histogram: {
              sampleSum: 2.5,
              sampleCountFloat: 6,
              bucket: [
                { upperBound: 0.5, cumulativeCountFloat: 1 },
                { upperBound: 1, cumulativeCountFloat: 1 },
                { upperBound: 2, cumulativeCountFloat: 4 },
              ],
            },
          },
        ],
      },
      {
        name: 'h',
        type: 5,
        metric: [
          {
            label: [{ name: 'kind', value: 'exponential' }, instance],
            timestampMs,
            histogram: {
              sampleSum: 2.5,
              sampleCountFloat: 6,
              schema: 1,
              zeroThreshold: 0.01,
              zeroCountFloat: 1,
              positiveSpan: [{ offset: 0, length: 2 }],
              positiveCount: [2, 3],
            },
          },
        ],
      },
    ]);
  });
});

describe('a large federation', () => {
  const many = new MemorySource();
  const lines = Array.from({ length: 3_000 }, (_, i) => `  m{i="${i}"} 1`);
  for (const command of parseScript(`load 1m\n${lines.join('\n')}`)) if (command.kind === 'load') many.load(command);
  const whole = { reader: many, minT: 0 };

  for (const kind of ['text', 'protobuf'] as const) {
    const form: ExpositionForm = { kind, escaping: 'underscores' };

    it(`has a maximum of memory, as ${kind}`, () => {
      const limited = { ...whole, limits: { samplesMax: 0, memoryBytesMax: 500_000 } };
      assert.throws(
        () => run(form, undefined, limited),
        (error) => error instanceof Failure && error.kind === 'query_limit',
      );
    });

    it(`can be stopped within a family, as ${kind}`, () => {
      let checks = 0;
      run(form, undefined, { ...whole, checkStopped: () => void checks++ });
      assert.ok(checks > 24, `${checks} checks`);
    });
  }

  it('has one head for each family', () => {
    const all = run({ kind: 'text', escaping: 'underscores' }, undefined, whole).toString().split('\n');
    assert.equal(all.length, 3_002);
    assert.equal(all.filter((line) => line.startsWith('#')).length, 1);
  });
});
