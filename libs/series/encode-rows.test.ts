import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ChunkEncoding } from '../model/encoding/chunk.ts';
import { decodeChunk } from '../model/encoding/decode-chunk.ts';
import { type Histogram, staleHistogram } from '../model/histogram.ts';
import { EncodedRows } from './encode-rows.ts';
import { makeColumns } from './merge.ts';
import type { SampleColumns } from './sample-columns.ts';

const histogram = (count: number, integer = true): Histogram => ({
  ...staleHistogram(integer),
  stale: false,
  sum: count,
  count,
  zeroCount: count,
});

/** Values in order of time, one a millisecond. */
function columnsOf(values: readonly (number | Histogram)[]): SampleColumns {
  const columns = makeColumns(values.length);
  columns.length = values.length;
  if (values.some((value) => typeof value === 'object')) columns.h = values.map(() => null);
  values.forEach((value, i) => {
    columns.t[i] = i;
    if (typeof value === 'number') columns.v[i] = value;
    else if (columns.h !== null) columns.h[i] = value;
  });
  return columns;
}

function decoded(rows: EncodedRows): { chunks: string[]; values: (number | string)[] } {
  const columns = makeColumns(0);
  const values: (number | string)[] = [];
  const chunks = rows.encoding.map((encoding, i) => {
    columns.h = null;
    const end = decodeChunk(
      encoding as ChunkEncoding,
      rows.bytes,
      rows.byteBegin[i] as number,
      rows.byteBegin[i + 1] as number,
      columns,
      0,
    );
    for (let row = 0; row < end; row++) {
      const h = (columns.h as SampleColumns['h'])?.[row] ?? null;
      values.push(h === null ? (columns.v[row] as number) : `h${h.count}`);
    }
    return `${encoding}: ${rows.minT[i]}-${rows.maxT[i]}`;
  });
  return { chunks, values };
}

describe('EncodedRows', () => {
  it('begin a chunk after 120 samples', () => {
    const values = Array.from({ length: 250 }, (_, i) => i * 1.5);
    assert.deepEqual(decoded(new EncodedRows(columnsOf(values), 0, 250)), {
      chunks: ['1: 0-119', '1: 120-239', '1: 240-249'],
      values,
    });
  });

  it('begin one where floats and histograms meet, and where histograms change kind', () => {
    const values = [1, 2, histogram(1), histogram(2), histogram(3, false), 4];
    const { xor, histogram: integers, floatHistogram } = ChunkEncoding;
    assert.deepEqual(decoded(new EncodedRows(columnsOf(values), 0, 6)), {
      chunks: [`${xor}: 0-1`, `${integers}: 2-3`, `${floatHistogram}: 4-4`, `${xor}: 5-5`],
      values: [1, 2, 'h1', 'h2', 'h3', 4],
    });
  });

  it('are of the rows that are asked for', () => {
    assert.deepEqual(decoded(new EncodedRows(columnsOf([1, 2, 3, 4]), 1, 3)).values, [2, 3]);
    assert.deepEqual(decoded(new EncodedRows(columnsOf([1]), 1, 1)).chunks, []);
  });
});
