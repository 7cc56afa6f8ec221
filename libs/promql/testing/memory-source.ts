/**
 * The storage behind test scripts: loaded samples as the real chunks that a head would hold, read as the engine reads any source.
 * Owns when a chunk ends, because scripts see it: the first histogram of a chunk does not know whether the counter was reset.
 * Facts: Prometheus tsdb/head_append.go (chunks of at most 120 floats, or about 1 KiB of histograms, within one day).
 */
import { Failure } from '../../errors/failure.ts';
import { ChunkEncoding } from '../../model/encoding/chunk.ts';
import {
  appendXor2,
  beginXor2Chunk,
  Xor2State,
  xor2HeaderBytes,
  xor2SampleBytesMax,
} from '../../model/encoding/float-st-chunk.ts';
import { appendHistogram, beginHistogramChunk, type OpenHistogramChunk } from '../../model/encoding/histogram-chunk.ts';
import { type Histogram, staleHistogram } from '../../model/histogram.ts';
import { validateHistogram } from '../../model/histogram-validate.ts';
import { compareLabels, Labels } from '../../model/labels.ts';
import { compileMatcher } from '../../model/matcher-predicate.ts';
import { normalNaNHi, normalNaNLo, staleNaNHi, staleNaNLo } from '../../model/stale.ts';
import type { ReadQuery, SeriesReader, SeriesSelection } from '../../series/series-reader.ts';
import { seriesOfShard } from '../../series/series-shard.ts';
import type { ChunkBatch, LabelTable } from '../../series/series-source.ts';
import type { SequenceValue } from '../syntax/series-description.ts';
import { convertClassicHistograms } from './classic-to-custom.ts';
import type { LoadCommand } from './parse-script.ts';

const floatsPerChunk = 120;
const histogramBytesTarget = 1024;
const histogramsPerChunkMin = 10;
const chunkRangeMs = 86_400_000;
/** Few, so that reading meets more than one batch. */
const seriesPerBatch = 3;

interface ClosedChunk {
  readonly encoding: ChunkEncoding;
  readonly minT: number;
  readonly maxT: number;
  readonly bytes: Uint8Array;
}

const scratch = new Float64Array(1);
const scratchBits = new Int32Array(scratch.buffer);

/** The chunks of one series, the last of which may still take samples. */
class StoredSeries {
  readonly labels: Labels;
  readonly #closed: ClosedChunk[] = [];
  readonly #floats = new Xor2State();
  #histograms: OpenHistogramChunk | null = null;
  #open: 'none' | 'floats' | 'histograms' = 'none';
  #openMinT = 0;
  #lastT = Number.NEGATIVE_INFINITY;
  #lastWasHistogram = false;
  #endMs = 0;
  #endComputed = false;

  constructor(labels: Labels) {
    this.labels = labels;
  }

  /** @throws Failure bad_data for what a head would refuse */
  append(t: number, st: number, value: SequenceValue): void {
    if (value.kind === 'omitted') return;
    if (t <= this.#lastT) throw new Failure('bad_data', 'out of order sample');
    this.#lastT = t;
    if (value.kind === 'histogram') {
      const problem = validateHistogram(value.histogram);
      if (problem !== null) throw new Failure('bad_data', problem);
      this.#appendHistogram(t, st, value.histogram);
    } else if (value.stale && this.#lastWasHistogram) {
      this.#appendHistogram(t, st, staleHistogram(false));
    } else {
      this.#appendFloat(t, st, value.value, value.stale);
    }
  }

  #appendFloat(t: number, st: number, value: number, stale: boolean): void {
    const state = this.#floats;
    this.#lastWasHistogram = false;
    if (this.#open !== 'floats' || state.count >= floatsPerChunk || t >= this.#endMs) {
      this.#close();
      beginXor2Chunk(state, new Uint8Array(xor2HeaderBytes + floatsPerChunk * xor2SampleBytesMax), 0);
      this.#begin('floats', t);
    }
    scratch[0] = value;
    if (stale) appendXor2(state, st, t, staleNaNHi, staleNaNLo);
    else if (Number.isNaN(value)) appendXor2(state, st, t, normalNaNHi, normalNaNLo);
    else appendXor2(state, st, t, scratchBits[1], scratchBits[0]);
  }

  #appendHistogram(t: number, st: number, h: Histogram): void {
    this.#lastWasHistogram = true;
    const open = this.#open === 'histograms' ? this.#histograms : null;
    if (open === null || this.#isFull(open, t)) {
      this.#close();
      this.#histograms = beginHistogramChunk(open, st, t, h);
      this.#begin('histograms', t);
      return;
    }
    const holder = appendHistogram(open, st, t, h);
    if (holder === open) return;
    // Only now is it known that the sample does not fit.
    this.#closeHistograms(open);
    this.#histograms = holder;
    this.#begin('histograms', t);
  }

  #isFull(open: OpenHistogramChunk, t: number): boolean {
    const byteLength = open.bytes().length;
    const rangeEndMs = this.#endComputed ? rangeEnd(this.#openMinT) : this.#endMs;
    if (!this.#endComputed && byteLength >= histogramBytesTarget / 4) {
      const chunks =
        (this.#endMs - this.#openMinT) / ((open.t - this.#openMinT + 1) * (histogramBytesTarget / byteLength));
      if (chunks > 1) {
        this.#endMs = Math.trunc(this.#openMinT + (this.#endMs - this.#openMinT) / Math.floor(chunks));
      }
      this.#endComputed = true;
    }
    const wantsEnd = t >= this.#endMs || byteLength >= histogramBytesTarget * 2;
    return wantsEnd && (open.count >= histogramsPerChunkMin || t >= rangeEndMs);
  }

  #begin(open: 'floats' | 'histograms', t: number): void {
    this.#open = open;
    this.#openMinT = t;
    this.#endMs = rangeEnd(t);
    this.#endComputed = false;
  }

  #close(): void {
    if (this.#open === 'floats') this.#closed.push(this.#floatChunk());
    else if (this.#open === 'histograms' && this.#histograms !== null) this.#closeHistograms(this.#histograms);
    this.#open = 'none';
  }

  #closeHistograms(open: OpenHistogramChunk): void {
    this.#closed.push(this.#histogramChunk(open));
  }

  #floatChunk(): ClosedChunk {
    const { buffer, bitPosition, t } = this.#floats;
    const bytes = buffer.slice(0, Math.ceil(bitPosition / 8));
    return { encoding: ChunkEncoding.xor2, minT: this.#openMinT, maxT: t, bytes };
  }

  #histogramChunk(open: OpenHistogramChunk): ClosedChunk {
    return { encoding: open.encoding, minT: this.#openMinT, maxT: open.t, bytes: open.bytes().slice() };
  }

  /** Chunks with a part in [minT, maxT]. */
  chunks(minT: number, maxT: number): ClosedChunk[] {
    const all = [...this.#closed];
    if (this.#open === 'floats') all.push(this.#floatChunk());
    else if (this.#open === 'histograms' && this.#histograms !== null) all.push(this.#histogramChunk(this.#histograms));
    return all.filter((chunk) => chunk.minT <= maxT && chunk.maxT >= minT);
  }
}

function rangeEnd(t: number): number {
  return Math.trunc(t / chunkRangeMs) * chunkRangeMs + chunkRangeMs;
}

export class MemorySource implements SeriesReader {
  readonly #byKey = new Map<string, StoredSeries>();

  /** Adds the samples of a load command. @throws Failure bad_data for what a head would refuse */
  load(command: LoadCommand): void {
    for (const { labels, values, startOffsetsMs } of command.series) {
      const series = this.#series(labels);
      values.forEach((value, i) => {
        const t = i * command.stepMs;
        const offset = startOffsetsMs?.[i];
        series.append(t, offset === undefined ? 0 : t + offset, value);
      });
    }
    if (!command.withCustomBuckets) return;
    for (const { labels, samples } of convertClassicHistograms(command.series, command.stepMs)) {
      const series = this.#series(labels);
      for (const { t, histogram } of samples)
        series.append(t, 0, { kind: 'histogram', histogram, resetHintSet: false });
    }
  }

  #series(labels: Labels): StoredSeries {
    const known = this.#byKey.get(labels.key);
    if (known !== undefined) return known;
    const series = new StoredSeries(labels);
    this.#byKey.set(labels.key, series);
    return series;
  }

  clear(): void {
    this.#byKey.clear();
  }

  select({ matchers, minT, maxT, labels, shard }: ReadQuery): SeriesSelection {
    const predicates = matchers.map((matcher) => ({ name: matcher.name, predicate: compileMatcher(matcher) }));
    let found: { labels: Labels; chunks: ClosedChunk[] }[] = [];
    for (const series of this.#byKey.values()) {
      const { labels } = series;
      if (!predicates.every(({ name, predicate }) => predicate.matches(labels.get(name)))) continue;
      const chunks = series.chunks(minT, maxT);
      if (chunks.length > 0) found.push({ labels, chunks });
    }
    found.sort((a, b) => compareLabels(a.labels, b.labels));
    if (shard !== undefined) {
      const kept = new Set(seriesOfShard(labelTable(found.map((series) => series.labels)), shard));
      found = found.filter((_, i) => kept.has(i));
    }
    let first = 0;
    return {
      labels: projected(
        found.map((series) => series.labels),
        labels,
      ),
      warnings: [],
      next() {
        if (first >= found.length) return undefined;
        const batch = chunkBatch(
          first,
          found.slice(first, first + seriesPerBatch).map(({ chunks }) => chunks),
        );
        first += seriesPerBatch;
        return batch;
      },
      close() {
        first = found.length;
      },
    };
  }
}

/** With the labels of these names alone, each set once, unless a series has a type or a unit. */
function projected(series: readonly Labels[], names: readonly string[] | undefined): LabelTable {
  const hasMetadata = series.some((labels) => labels.get('__type__') !== '' || labels.get('__unit__') !== '');
  if (names === undefined || hasMetadata) return labelTable(series);
  const sets: Labels[] = [];
  const numbers = new Map<string, number>();
  const setOf = series.map((labels) => {
    const set = Labels.from(names.map((name) => [name, labels.get(name)]));
    const number = numbers.get(set.key) ?? sets.length;
    if (number === sets.length) sets.push(set);
    numbers.set(set.key, number);
    return number;
  });
  return { ...labelTable(sets), setOf: Uint32Array.from(setOf) };
}

function labelTable(series: readonly Labels[]): LabelTable {
  const numbers = new Map<string, number>();
  const begin = [0];
  const refs: number[] = [];
  for (const { pairs } of series) {
    for (const text of pairs) {
      const number = numbers.get(text) ?? numbers.size;
      numbers.set(text, number);
      refs.push(number);
    }
    begin.push(refs.length);
  }
  return { strings: [...numbers.keys()], begin: Uint32Array.from(begin), refs: Uint32Array.from(refs) };
}

function chunkBatch(firstSeries: number, series: readonly (readonly ClosedChunk[])[]): ChunkBatch {
  const chunks = series.flat();
  const chunkBegin = [0];
  for (const own of series) chunkBegin.push((chunkBegin.at(-1) ?? 0) + own.length);
  const byteBegin = [0];
  for (const { bytes } of chunks) byteBegin.push((byteBegin.at(-1) ?? 0) + bytes.length);
  const bytes = new Uint8Array(byteBegin.at(-1) ?? 0);
  chunks.forEach((chunk, i) => {
    bytes.set(chunk.bytes, byteBegin[i]);
  });
  return {
    firstSeries,
    chunkBegin: Uint32Array.from(chunkBegin),
    encoding: Uint8Array.from(chunks, ({ encoding }) => encoding),
    minT: Float64Array.from(chunks, ({ minT }) => minT),
    maxT: Float64Array.from(chunks, ({ maxT }) => maxT),
    byteBegin: Uint32Array.from(byteBegin),
    bytes,
  };
}
