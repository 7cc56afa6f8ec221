/** What the tests of blocks share: series as plain samples, written to a block and read back from one. */
import { canonicalizeLabels } from '../../model/canonical-labels.ts';
import type { ChunkEncoding } from '../../model/encoding/chunk.ts';
import { decodeChunk } from '../../model/encoding/decode-chunk.ts';
import type { Histogram } from '../../model/histogram.ts';
import { compareLabels, type Labels } from '../../model/labels.ts';
import { makeColumns } from '../../series/merge.ts';
import type { SampleColumns } from '../../series/sample-columns.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import type { Disk } from '../../std/disk.ts';
import type { Prng } from '../../std/testing/prng.ts';
import { ChunkColumns, encodeChunks } from './encode-chunks.ts';
import type { BlockMeta, BlockMetaExtras } from './meta.ts';
import { type BlockFiles, readBlockSeries } from './read-block.ts';
import { makeUlid, type Ulid } from './ulid.ts';
import { createBlock } from './write-block.ts';

export interface TestSample {
  readonly t: number;
  readonly v: number | Histogram;
  /** Start time, 0 or absent: none. */
  readonly st?: number;
}

export interface TestSeries {
  readonly labels: Labels;
  readonly samples: readonly TestSample[];
}

export function ulidOf(prng: Prng, timeMs = 1_700_000_000_000): Ulid {
  return makeUlid(
    timeMs,
    Uint8Array.from({ length: 10 }, () => prng.below(256)),
  );
}

export function columnsOfSamples(samples: readonly TestSample[]): SampleColumns {
  const columns = makeColumns(samples.length);
  columns.length = samples.length;
  columns.st = samples.some(({ st = 0 }) => st !== 0) ? new Float64Array(samples.length) : null;
  columns.h = samples.some(({ v }) => typeof v !== 'number') ? new Array(samples.length).fill(null) : null;
  samples.forEach(({ t, v, st = 0 }, row) => {
    columns.t[row] = t;
    if (typeof v === 'number') columns.v[row] = v;
    else if (columns.h !== null) columns.h[row] = v;
    if (columns.st !== null) columns.st[row] = st;
  });
  return columns;
}

function canonicalBytes(labels: Labels): Uint8Array {
  const sink = new ByteSink();
  canonicalizeLabels(labels, sink);
  return sink.bytes.slice(0, sink.length);
}

export interface TestBlock {
  readonly disk: Disk;
  readonly directory: string;
  readonly ulid: Ulid;
  readonly series: readonly TestSeries[];
  readonly samplesPerChunk?: number;
  readonly segmentBytes?: number;
  readonly extras?: Partial<BlockMetaExtras>;
}

/** Writes a block with these series, in whatever order they are given. */
export async function writeTestBlock(block: TestBlock): Promise<BlockMeta> {
  const { disk, directory, ulid, segmentBytes = 512 << 20, samplesPerChunk = 120, extras = {} } = block;
  await using writer = await createBlock({ disk, directory, ulid, segmentBytes });
  const chunks = new ChunkColumns();
  let minT = Number.POSITIVE_INFINITY;
  let maxT = Number.NEGATIVE_INFINITY;
  for (const { labels, samples } of [...block.series].sort((a, b) => compareLabels(a.labels, b.labels))) {
    chunks.reset();
    const columns = columnsOfSamples(samples);
    encodeChunks(columns, 0, columns.length, samplesPerChunk, chunks);
    await writer.addSeries(canonicalBytes(labels), chunks, 0, chunks.count);
    minT = Math.min(minT, columns.t[0]);
    maxT = Math.max(maxT, columns.t[columns.length - 1]);
  }
  return writer.seal({ minTime: minT, maxTime: maxT + 1, ...extras });
}

/** Everything in a block: label key to samples as texts. Floats by their bits. */
export async function readTestBlock(files: BlockFiles): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for await (const series of readBlockSeries(files, new AbortController().signal)) {
    const rows: string[] = [];
    for (let chunk = 0; chunk < series.chunkCount; chunk++) {
      const columns = makeColumns(0);
      columns.length = decodeChunk(
        series.encoding[chunk] as ChunkEncoding,
        series.bytes,
        series.byteBegin[chunk],
        series.byteEnd[chunk],
        columns,
        0,
      );
      rows.push(...rowTexts(columns));
    }
    found.set(labelsText(series.labels), rows);
  }
  return found;
}

/** What readTestBlock should find. */
export function expectedRows(series: readonly TestSeries[]): Map<string, string[]> {
  return new Map(series.map(({ labels, samples }) => [labelsText(labels), rowTexts(columnsOfSamples(samples))]));
}

export function labelsText({ pairs }: Labels): string {
  const parts: string[] = [];
  for (let i = 0; i < pairs.length; i += 2) parts.push(`${pairs[i]}=${JSON.stringify(pairs[i + 1])}`);
  return `{${parts.join(',')}}`;
}

/** Rows as texts: what a sample is, without what is only known of it (reset hints, the kind of its counts). */
export function rowTexts({ length, t, vBits, st, h }: SampleColumns): string[] {
  return Array.from({ length }, (_, i) => {
    const histogram = h?.[i] ?? null;
    const value =
      histogram === null
        ? `${(vBits[2 * i + 1] >>> 0).toString(16)}.${(vBits[2 * i] >>> 0).toString(16)}`
        : histogramText(histogram);
    const start = st?.[i] ?? 0;
    return `${t[i]} ${value}${start === 0 ? '' : ` st ${start}`}`;
  });
}

function histogramText(h: Histogram): string {
  if (h.stale) return 'stale histogram';
  return `histogram ${h.schema} ${h.count} ${h.sum} ${h.zeroCount} [${nonZero(h.positiveSpans, h.positiveBuckets)}] [${nonZero(h.negativeSpans, h.negativeBuckets)}] [${h.customValues}]`;
}

/** Buckets by their index, empty ones left out: spans may be wider than they must. */
function nonZero(spans: Int32Array, buckets: Float64Array): string {
  const parts: string[] = [];
  let index = 0;
  let bucket = 0;
  for (let i = 0; i < spans.length; i += 2) {
    index += spans[i];
    for (let j = 0; j < spans[i + 1]; j++, index++, bucket++) {
      if (buckets[bucket] !== 0) parts.push(`${index}:${buckets[bucket]}`);
    }
  }
  return parts.join(' ');
}
