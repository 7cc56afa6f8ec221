import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { WriteBatch } from '../../contracts/write-batch.ts';
import { Failure } from '../../errors/failure.ts';
import { canonicalizeLabels } from '../../model/canonical-labels.ts';
import { type Histogram, staleHistogram } from '../../model/histogram.ts';
import { Labels } from '../../model/labels.ts';
import { type MetricMetadata, metricTypes } from '../../model/metadata.ts';
import { parseTenantId } from '../../model/tenant-id.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import { oracleOf } from './peer-proto.testing.ts';
import {
  decodePush,
  decodePushReply,
  encodePushRefs,
  encodePushReply,
  encodePushRows,
  encodeStaleRefs,
  PushScratch,
} from './push-message.ts';

const tenant = parseTenantId('team-a');

interface Row {
  readonly label: string;
  readonly ref: number;
  readonly samples: readonly { readonly t: number; readonly bits: bigint; readonly st: number }[];
  readonly chosen: boolean;
  readonly histogram: boolean;
  readonly exemplar: boolean;
}

const times = fc.oneof(
  fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }),
  fc.integer({ min: -8_000_000_000_000_000, max: 8_000_000_000_000_000 }),
);
const rowArbitrary: fc.Arbitrary<Row> = fc.record({
  label: fc.string({ minLength: 1, unit: 'binary' }),
  ref: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 0xffffffff })),
  samples: fc.array(fc.record({ t: times, bits: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), st: times }), {
    maxLength: 3,
  }),
  chosen: fc.boolean(),
  histogram: fc.boolean(),
  exemplar: fc.boolean(),
});
const metadataArbitrary: fc.Arbitrary<MetricMetadata> = fc.record(
  { metric: fc.string(), type: fc.constantFrom(...metricTypes), help: fc.string(), unit: fc.string() },
  { noNullPrototype: true },
);

const histogram: Histogram = {
  integer: true,
  resetHint: 2,
  schema: -3,
  zeroThreshold: 0.001,
  zeroCount: 2,
  count: 9,
  sum: 12.5,
  positiveSpans: Int32Array.of(-5, 2, 1, 1),
  negativeSpans: Int32Array.of(0, 1),
  positiveBuckets: Float64Array.of(1, 2, 3),
  negativeBuckets: Float64Array.of(1),
  customValues: new Float64Array(0),
  stale: false,
};

function batchOf(rows: readonly Row[], withStarts: boolean): WriteBatch {
  const labels = new ByteSink();
  const begins: number[] = [];
  const ends: number[] = [];
  for (const { label } of rows) {
    begins.push(labels.length);
    canonicalizeLabels(Labels.from([['__name__', label]]), labels);
    ends.push(labels.length);
  }
  const samples = rows.flatMap((row) => row.samples);
  const sampleBegin = new Uint32Array(rows.length + 1);
  rows.forEach((row, i) => {
    sampleBegin[i + 1] = (sampleBegin[i] as number) + row.samples.length;
  });
  const values = new BigUint64Array(samples.map(({ bits }) => bits));
  return {
    tenant,
    receiveTimeMs: 1_700_000_000_123,
    seriesCount: rows.length,
    refs: Uint32Array.from(rows, ({ ref }) => ref),
    labelBytes: labels.bytes,
    labelsBegin: Uint32Array.from(begins),
    labelsEnd: Uint32Array.from(ends),
    sampleBegin,
    sampleT: Float64Array.from(samples, ({ t }) => t),
    sampleV: new Float64Array(values.buffer),
    sampleST: withStarts ? Float64Array.from(samples, ({ st }) => st) : null,
    histograms: rows.flatMap((row, series) =>
      row.histogram
        ? [
            { series, t: 5, st: 1, histogram },
            { series, t: 6, st: 0, histogram: staleHistogram(false) },
          ]
        : [],
    ),
    exemplars: rows.flatMap((row, series) =>
      row.exemplar ? [{ series, t: 7, value: -0.5, labels: Uint8Array.of(1, 97, 1, 98) }] : [],
    ),
    metadata: [],
  };
}

function encode(
  batch: WriteBatch,
  rows: Uint32Array,
  metadata: readonly MetricMetadata[],
  refEpoch: number,
): Uint8Array {
  const out = new ByteSink();
  encodePushRows(batch, { rows, count: rows.length }, metadata, new PushScratch(), out);
  if (refEpoch !== 0)
    encodePushRefs(
      rows.map((row) => batch.refs[row] as number),
      rows.length,
      refEpoch,
      out,
    );
  return out.written();
}

const bitsOf = (column: Float64Array): bigint[] =>
  Array.from(new BigUint64Array(new Uint8Array(column.buffer, column.byteOffset, column.byteLength).slice().buffer));

/** protobufjs holds a double as a number, which may lose which NaN it was. */
function known(bits: bigint, isOurs: boolean): bigint {
  const exponent = 0x7ff0_0000_0000_0000n;
  const noNumber = (bits & exponent) === exponent && (bits & 0xf_ffff_ffff_ffffn) !== 0n;
  return noNumber && !isOurs ? exponent : bits;
}

describe('a push between processes', () => {
  it('is what proto/peer.proto says, and is read back bit by bit: the chosen rows and no others', () => {
    const type = oracleOf('PushRequest');
    fc.assert(
      fc.property(
        fc.array(rowArbitrary, { maxLength: 8 }),
        fc.boolean(),
        fc.array(metadataArbitrary, { maxLength: 2 }),
        (all, withStarts, metadata) => {
          const batch = batchOf(all, withStarts);
          const chosen = Uint32Array.from(all.flatMap((row, i) => (row.chosen ? [i] : [])));
          const rows = Array.from(chosen, (i) => all[i] as Row);
          const hasRefs = rows.some(({ ref }) => ref !== 0);
          const bytes = encode(batch, chosen, metadata, hasRefs ? 77 : 0);
          type.verify(type.toObject(type.decode(bytes)));
          const again = new Uint8Array(type.encode(type.decode(bytes)).finish());
          for (const message of [bytes, again]) {
            const { batch: found, refEpoch } = decodePush(message);
            assert.equal(refEpoch, hasRefs ? 77 : 0);
            assert.equal(found.tenant, tenant);
            assert.equal(found.receiveTimeMs, batch.receiveTimeMs);
            assert.equal(found.seriesCount, rows.length);
            assert.deepEqual(
              Array.from(found.refs),
              rows.map(({ ref }) => ref),
            );
            rows.forEach((row, i) => {
              const from = found.sampleBegin[i] as number;
              const to = found.sampleBegin[i + 1] as number;
              assert.deepEqual(
                Array.from(found.sampleT.subarray(from, to)),
                row.samples.map(({ t }) => t),
              );
              assert.deepEqual(
                bitsOf(found.sampleV.subarray(from, to)).map((bits) => known(bits, message === bytes)),
                row.samples.map(({ bits }) => known(bits, message === bytes)),
              );
              if (withStarts && row.samples.length > 0) {
                assert.deepEqual(
                  Array.from(found.sampleST?.subarray(from, to) ?? []),
                  row.samples.map(({ st }) => st),
                );
              }
              if (row.ref !== 0) return;
              const original = chosen[i] as number;
              assert.deepEqual(
                found.labelBytes.slice(found.labelsBegin[i], found.labelsEnd[i]),
                batch.labelBytes.slice(batch.labelsBegin[original], batch.labelsEnd[original]),
              );
            });
            const wanted = batch.histograms.filter(({ series }) => chosen.includes(series));
            assert.deepEqual(
              found.histograms,
              wanted.map((sample) => ({ ...sample, series: chosen.indexOf(sample.series) })),
            );
            assert.deepEqual(
              found.exemplars,
              batch.exemplars
                .filter(({ series }) => chosen.includes(series))
                .map((sample) => ({ ...sample, series: chosen.indexOf(sample.series) })),
            );
            assert.deepEqual(found.metadata, metadata);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('bytes that are something else are bad data or another push, never anything worse', () => {
    const batch = batchOf(
      Array.from({ length: 5 }, (_, i) => ({
        label: `m${i}`,
        ref: i % 2,
        samples: [{ t: 1000 + i, bits: 5n, st: 0 }],
        chosen: true,
        histogram: i === 0,
        exemplar: i === 1,
      })),
      false,
    );
    const good = encode(batch, Uint32Array.of(0, 1, 2, 3, 4), [{ metric: 'm', type: 'gauge', help: 'h', unit: '' }], 3);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 4 }),
        fc.nat(good.length),
        (edits, cut) => {
          const bytes = good.slice(0, edits.length === 0 ? cut : good.length);
          for (const [at, value] of edits) bytes[at] = value;
          try {
            const { batch: found } = decodePush(bytes);
            assert.equal(found.sampleBegin[found.seriesCount], found.sampleT.length);
          } catch (error) {
            assert.ok(error instanceof Failure, String(error));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('a count that the bytes do not hold takes no memory', () => {
    const out = new ByteSink();
    out.writeUint8(0x18);
    out.writeUvarint(0xffffffff);
    assert.throws(() => decodePush(out.written()), /rows: 0 where 4294967295/);
  });

  it('the reply names numbers of the rows that came without one, and what was refused', () => {
    const rows = [0, 9, 0].map((ref, i) => ({
      label: `m${i}`,
      ref,
      samples: [],
      chosen: true,
      histogram: false,
      exemplar: false,
    }));
    const batch = batchOf(rows, false);
    const rejected = [{ series: 2, reason: 'too many', samples: 1, histograms: 0, exemplars: 3 }];
    const bytes = encodePushReply(batch, { refs: Uint32Array.of(4, 9, 0), rejected, exemplarsDropped: 2 }, 0xfffffff0);
    assert.deepEqual(decodePushReply(bytes), {
      refEpoch: 0xfffffff0,
      refs: Uint32Array.of(4, 0),
      rejected,
      exemplarsDropped: 2,
      staleRefs: false,
    });
    const type = oracleOf('PushReply');
    assert.deepEqual(decodePushReply(type.encode(type.decode(bytes)).finish()), decodePushReply(bytes));
    assert.deepEqual(decodePushReply(encodeStaleRefs(5)), {
      refEpoch: 5,
      refs: new Uint32Array(0),
      rejected: [],
      exemplarsDropped: 0,
      staleRefs: true,
    });
  });
});
