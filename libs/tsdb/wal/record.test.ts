import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { WriteBatch } from '../../contracts/write-batch.ts';
import type { Histogram, ResetHint } from '../../model/histogram.ts';
import { metricTypes } from '../../model/metadata.ts';
import { parseTenantId } from '../../model/tenant-id.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import { ByteSourceError } from '../../std/byte-source.ts';
import { decodePushRecord, encodePushRecord } from './record.ts';

const bits = fc.tuple(fc.integer(), fc.integer());
const anyTime = fc.oneof(fc.constant(1_700_000_000_000), fc.integer({ min: 0, max: 2 ** 40 }), fc.maxSafeInteger());
const row = fc.record({
  id: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2 ** 32 - 1 })),
  samples: fc.array(fc.record({ t: anyTime, v: bits, st: fc.oneof(fc.constant(0), anyTime) }), { maxLength: 3 }),
});
const histogram: fc.Arbitrary<Histogram> = fc.record(
  {
    integer: fc.boolean(),
    stale: fc.boolean(),
    resetHint: fc.integer({ min: 0, max: 3 }).map((hint) => hint as ResetHint),
    schema: fc.oneof(fc.integer({ min: -4, max: 8 }), fc.constant(-53)),
    zeroThreshold: fc.double(),
    zeroCount: fc.double(),
    count: fc.double(),
    sum: fc.double(),
    positiveSpans: fc.int32Array({ maxLength: 6 }),
    negativeSpans: fc.int32Array({ maxLength: 6 }),
    positiveBuckets: fc.float64Array({ maxLength: 6 }),
    negativeBuckets: fc.float64Array({ maxLength: 6 }),
    customValues: fc.float64Array({ maxLength: 6 }),
  },
  { noNullPrototype: true },
);

interface Made {
  batch: WriteBatch;
  ids: Uint32Array;
  newRows: number[];
}

const made: fc.Arbitrary<Made> = fc
  .tuple(
    fc.array(row, { minLength: 1, maxLength: 20 }),
    fc.array(histogram, { maxLength: 3 }),
    fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 3 }),
    fc.array(fc.tuple(fc.string(), fc.integer({ min: 0, max: metricTypes.length - 1 }), fc.string()), { maxLength: 3 }),
    fc.boolean(),
  )
  .map(([rows, histograms, labels, metadata, withStart]) => {
    const samples = rows.flatMap((entry) => entry.samples);
    const sampleBegin = new Uint32Array(rows.length + 1);
    rows.forEach((entry, i) => {
      sampleBegin[i + 1] = (sampleBegin[i] as number) + entry.samples.length;
    });
    const labelBytes = new Uint8Array(labels.reduce((sum, bytes) => sum + bytes.length, 0));
    const labelsBegin = new Uint32Array(rows.length);
    const labelsEnd = new Uint32Array(rows.length);
    const newRows: number[] = [];
    let at = 0;
    for (const [i, bytes] of labels.slice(0, rows.length).entries()) {
      labelBytes.set(bytes, at);
      labelsBegin[i] = at;
      labelsEnd[i] = at += bytes.length;
      newRows.push(i);
    }
    const words = Int32Array.from(samples.flatMap((sample) => sample.v));
    return {
      ids: Uint32Array.from(rows, (entry) => entry.id),
      newRows,
      batch: {
        tenant: parseTenantId("a-tenant!_.*'()"),
        receiveTimeMs: 1_700_000_000_123,
        seriesCount: rows.length,
        refs: new Uint32Array(rows.length),
        labelBytes,
        labelsBegin,
        labelsEnd,
        sampleBegin,
        sampleT: Float64Array.from(samples, (sample) => sample.t),
        sampleV: new Float64Array(words.buffer),
        sampleST: withStart ? Float64Array.from(samples, (sample) => sample.st) : null,
        histograms: histograms.map((value, i) => ({ series: i % rows.length, t: 5 + i, st: i, histogram: value })),
        exemplars: labels.map((bytes, i) => ({ series: i % rows.length, t: i, value: i / 3, labels: bytes })),
        metadata: metadata.map(([metric, type, help]) => ({
          metric,
          type: metricTypes[type] ?? 'unknown',
          help,
          unit: metric,
        })),
      },
    };
  });

function encoded({ batch, ids, newRows }: Made): Uint8Array {
  const sink = new ByteSink();
  encodePushRecord(batch, ids, newRows, sink);
  return sink.written().slice();
}

const bytesOf = (column: Float64Array | null) =>
  column === null ? null : Buffer.from(column.buffer, column.byteOffset, column.byteLength).toString('hex');

describe('push record', () => {
  it('comes back as it was, bit for bit', () => {
    fc.assert(
      fc.property(made, (value) => {
        const bytes = encoded(value);
        const { batch, newIds, newLabelsBegin, newLabelsEnd } = decodePushRecord(bytes, 0, bytes.length);
        const { batch: before, ids, newRows } = value;
        assert.deepEqual([...batch.refs], [...ids]);
        assert.deepEqual(
          [...newIds],
          newRows.map((i) => ids[i]),
        );
        newRows.forEach((i, j) => {
          assert.deepEqual(
            batch.labelBytes.slice(newLabelsBegin[j], newLabelsEnd[j]),
            before.labelBytes.slice(before.labelsBegin[i], before.labelsEnd[i]),
          );
        });
        assert.deepEqual([...batch.sampleBegin], [...before.sampleBegin]);
        assert.deepEqual([...batch.sampleT], [...before.sampleT]);
        assert.equal(bytesOf(batch.sampleV), bytesOf(before.sampleV));
        assert.equal(bytesOf(batch.sampleST), bytesOf(before.sampleST));
        assert.equal(batch.tenant, before.tenant);
        assert.equal(batch.receiveTimeMs, before.receiveTimeMs);
        assert.deepEqual(batch.histograms, before.histograms);
        assert.deepEqual(
          batch.exemplars.map((exemplar) => ({ ...exemplar, labels: [...exemplar.labels] })),
          before.exemplars.map((exemplar) => ({ ...exemplar, labels: [...exemplar.labels] })),
        );
        assert.deepEqual(batch.metadata, before.metadata);
      }),
    );
  });

  it('names what is wrong with any other bytes, and takes no memory for counts that lie', () => {
    fc.assert(
      fc.property(made, fc.nat(), fc.integer({ min: 1, max: 255 }), fc.boolean(), (value, where, flip, cut) => {
        const bytes = encoded(value);
        const at = where % bytes.length;
        bytes[at] = (bytes[at] as number) ^ flip;
        try {
          decodePushRecord(bytes, 0, cut ? at : bytes.length);
        } catch (error) {
          assert.ok(error instanceof ByteSourceError, String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});
