/** What tests of the Tsdb write and read: batches by series name, everything that a source has, and what was acknowledged. */
import assert from 'node:assert/strict';
import type { WriteBatch } from '../contracts/write-batch.ts';
import { canonicalizeLabels } from '../model/canonical-labels.ts';
import type { ChunkEncoding } from '../model/encoding/chunk.ts';
import { decodeChunk } from '../model/encoding/decode-chunk.ts';
import { Labels } from '../model/labels.ts';
import type { TenantId } from '../model/tenant-id.ts';
import { makeColumns } from '../series/merge.ts';
import type { SeriesSource } from '../series/series-source.ts';
import { ByteSink } from '../std/byte-sink.ts';

/** A batch of float samples: [series name, time, value]. */
export function batch(tenant: TenantId, rows: readonly (readonly [string, number, number])[]): WriteBatch {
  const sink = new ByteSink();
  const begins: number[] = [];
  const ends: number[] = [];
  for (const [name] of rows) {
    begins.push(sink.length);
    canonicalizeLabels(
      Labels.from([
        ['__name__', name],
        ['job', 'test'],
      ]),
      sink,
    );
    ends.push(sink.length);
  }
  return {
    tenant,
    receiveTimeMs: Math.max(0, ...rows.map(([, t]) => t)),
    seriesCount: rows.length,
    refs: new Uint32Array(rows.length),
    labelBytes: sink.bytes,
    labelsBegin: Uint32Array.from(begins),
    labelsEnd: Uint32Array.from(ends),
    sampleBegin: Uint32Array.from({ length: rows.length + 1 }, (_, i) => i),
    sampleT: Float64Array.from(rows, ([, t]) => t),
    sampleV: Float64Array.from(rows, ([, , v]) => v),
    sampleST: null,
    histograms: [],
    exemplars: [],
    metadata: [],
  };
}

/** Everything in a source: series name → time → the values at that time, as stored. */
export async function contentsOf(source: SeriesSource): Promise<Map<string, Map<number, number[]>>> {
  const signal = new AbortController().signal;
  const selected = await source.select(
    { matchers: [{ type: '!=', name: '__name__', value: '' }], minT: 0, maxT: 2 ** 52 },
    signal,
  );
  const { labels } = selected;
  const found = new Map<string, Map<number, number[]>>();
  for await (const chunks of selected.chunks(signal)) {
    for (let i = 0; i + 1 < chunks.chunkBegin.length; i++) {
      const series = chunks.firstSeries + i;
      let name = '';
      for (let j = labels.begin[series] as number; j < (labels.begin[series + 1] as number); j += 2) {
        if (labels.strings[labels.refs[j] as number] === '__name__')
          name = labels.strings[labels.refs[j + 1] as number] ?? '';
      }
      const samples = found.get(name) ?? new Map<number, number[]>();
      found.set(name, samples);
      for (let c = chunks.chunkBegin[i] as number; c < (chunks.chunkBegin[i + 1] as number); c++) {
        const columns = makeColumns(0);
        const rows = decodeChunk(
          chunks.encoding[c] as ChunkEncoding,
          chunks.bytes,
          chunks.byteBegin[c] as number,
          chunks.byteBegin[c + 1] as number,
          columns,
          0,
        );
        for (let row = 0; row < rows; row++) {
          const t = columns.t[row] as number;
          samples.set(t, [...(samples.get(t) ?? []), columns.v[row] as number]);
        }
      }
    }
  }
  return found;
}

/** What a test has written and whether it was acknowledged. */
export class Ledger {
  readonly acknowledged = new Map<string, Map<number, number>>();
  readonly sent = new Map<string, Set<string>>();

  send(name: string, t: number, v: number): void {
    const all = this.sent.get(name) ?? new Set();
    this.sent.set(name, all.add(`${t} ${v}`));
  }

  acknowledge(rows: readonly (readonly [string, number, number])[]): void {
    for (const [name, t, v] of rows) {
      const samples = this.acknowledged.get(name) ?? new Map<number, number>();
      this.acknowledged.set(name, samples.set(t, v));
    }
  }

  /** Every acknowledged sample is there once; nothing is there that was not sent. */
  check(found: Map<string, Map<number, number[]>>): void {
    for (const [name, samples] of this.acknowledged) {
      for (const [t, v] of samples) assert.deepEqual(found.get(name)?.get(t), [v], `${name} at ${t}`);
    }
    for (const [name, samples] of found) {
      for (const [t, values] of samples) {
        assert.equal(values.length, 1, `${name} at ${t} stands once`);
        assert.ok(this.sent.get(name)?.has(`${t} ${values[0]}`), `${name} at ${t} was sent`);
      }
    }
  }
}
