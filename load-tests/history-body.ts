/**
 * Bodies of remote_write with many scrapes of the same series: history is written in fewer and larger requests than a sender would.
 * Owns the bytes of both protocols. Does not own what the samples are (history-recipe.ts). Remote write 1.0 bodies leave native
 * histograms out: they are for a peer that has none.
 */
import { compressSync } from 'snappy';
import type { Protocol } from './encode-body.ts';
import {
  historyLabels,
  historyTime,
  historyValue,
  kindOf,
  nativeBucketCounts,
  nativeBuckets,
  nativeFirstBucket,
  nativeSchema,
} from './history-recipe.ts';
import { ProtobufWriter } from './protobuf-writer.ts';

export interface HistoryPart {
  readonly firstSeries: number;
  readonly seriesCount: number;
  readonly firstScrape: number;
  readonly scrapes: number;
  readonly beginMs: number;
  readonly intervalMs: number;
}

const text = new TextEncoder();
const counts = new Float64Array(nativeBuckets);
const inner = new ProtobufWriter(1 << 16);
const sample = new ProtobufWriter(4096);
const packed = new ProtobufWriter(4096);

/** The compressed body of a part. */
export function historyBody(protocol: Protocol, part: HistoryPart): Buffer {
  const body = new ProtobufWriter(1 << 20);
  const symbols = new Map<string, number>([['', 0]]);
  if (protocol === 'v2') {
    for (let i = 0; i < part.seriesCount; i++) {
      for (const symbol of historyLabels(part.firstSeries + i).flat()) {
        if (!symbols.has(symbol)) symbols.set(symbol, symbols.size);
      }
    }
    for (const symbol of symbols.keys()) body.field(0x22, text.encode(symbol));
  }
  for (let i = 0; i < part.seriesCount; i++) {
    const series = part.firstSeries + i;
    const isHistogram = kindOf(series) === 'native histogram';
    if (isHistogram && protocol === 'v1') continue;
    inner.length = 0;
    if (protocol === 'v1') writeLabels(series);
    else writeRefs(series, symbols);
    for (let scrape = part.firstScrape; scrape < part.firstScrape + part.scrapes; scrape++) {
      const timeMs = historyTime(series, scrape, part.beginMs, part.intervalMs);
      const value = historyValue(series, scrape);
      sample.length = 0;
      if (isHistogram) writeHistogram(value, timeMs);
      else writeSample(value, timeMs);
      inner.field(isHistogram ? 0x1a : 0x12, sample.written());
    }
    body.field(protocol === 'v1' ? 0x0a : 0x2a, inner.written());
  }
  return compressSync(body.written());
}

function writeLabels(series: number): void {
  for (const [name, value] of historyLabels(series)) {
    sample.length = 0;
    sample.field(0x0a, text.encode(name));
    sample.field(0x12, text.encode(value));
    inner.field(0x0a, sample.written());
  }
}

function writeRefs(series: number, symbols: ReadonlyMap<string, number>): void {
  packed.length = 0;
  for (const symbol of historyLabels(series).flat()) packed.varint(symbols.get(symbol) ?? 0);
  inner.field(0x0a, packed.written());
}

function writeSample(value: number, timeMs: number): void {
  sample.double(0x09, value);
  sample.varint(0x10);
  sample.varint(timeMs);
}

/** An integer histogram without a zero bucket; all deltas fit 32 bits. */
function writeHistogram(observations: number, timeMs: number): void {
  sample.varint(0x08);
  sample.varint(nativeBucketCounts(observations, counts));
  sample.double(0x19, observations / 7);
  sample.varint(0x20);
  sample.varint(zigzag(nativeSchema));
  sample.double(0x29, 1e-128);
  sample.varint(0x30);
  sample.varint(0);
  packed.length = 0;
  packed.varint(0x08);
  packed.varint(zigzag(nativeFirstBucket));
  packed.varint(0x10);
  packed.varint(nativeBuckets);
  sample.field(0x5a, packed.written());
  packed.length = 0;
  for (let i = 0; i < nativeBuckets; i++)
    packed.varint(zigzag((counts[i] as number) - (i > 0 ? (counts[i - 1] as number) : 0)));
  sample.field(0x62, packed.written());
  sample.varint(0x78);
  sample.varint(timeMs);
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}
