/** What the tests of histogram encodings share: histograms as text with exact bits, and chunks made of many of them. */
import { type Histogram, ResetHint } from '../histogram.ts';
import { appendHistogram, beginHistogramChunk, type OpenHistogramChunk } from './histogram-chunk.ts';

export interface HistogramSample {
  readonly st: number;
  readonly t: number;
  readonly h: Histogram;
}

function parseFloatBits(text: string): number {
  return Buffer.from(text, 'hex').readDoubleBE();
}

function parseFloats(text: string): Float64Array {
  return text === '' ? new Float64Array(0) : Float64Array.from(text.split(' '), parseFloatBits);
}

function parseSpans(text: string): Int32Array {
  return Int32Array.from(text === '' ? [] : text.split(/[ /]/).map(Number));
}

/** Parses "st,t,hint,schema,zero threshold,zero count,count,sum,spans,spans,buckets,buckets,bounds;...", floats as hex bits. */
export function parseHistogramSamples(text: string, integer: boolean): HistogramSample[] {
  return text.split(';').map((line) => {
    const parts = line.split(',');
    const part = (i: number): string => parts[i] ?? '';
    const h: Histogram = {
      integer,
      resetHint: Object.values(ResetHint).find((hint) => hint === Number(part(2))) ?? ResetHint.unknown,
      schema: Number(part(3)),
      zeroThreshold: parseFloatBits(part(4)),
      zeroCount: parseFloatBits(part(5)),
      count: parseFloatBits(part(6)),
      sum: parseFloatBits(part(7)),
      positiveSpans: parseSpans(part(8)),
      negativeSpans: parseSpans(part(9)),
      positiveBuckets: parseFloats(part(10)),
      negativeBuckets: parseFloats(part(11)),
      customValues: parseFloats(part(12)),
      stale: part(7) === '7ff0000000000002',
    };
    return { st: Number(part(0)), t: Number(part(1)), h };
  });
}

/** All samples in chunks of at most `samplesMax`, as the head would cut them. */
export function chunksOf(samples: readonly HistogramSample[], samplesMax: number): OpenHistogramChunk[] {
  const chunks: OpenHistogramChunk[] = [];
  let open: OpenHistogramChunk | null = null;
  for (const { st, t, h } of samples) {
    const next: OpenHistogramChunk =
      open === null || open.count >= samplesMax ? beginHistogramChunk(open, st, t, h) : appendHistogram(open, st, t, h);
    if (next !== open) chunks.push(next);
    open = next;
  }
  return chunks;
}
