/**
 * A SeriesSource over a plain list of float series, for tests of the room: what it answers is meant to be read off the list.
 */
import type { Failure } from '../../libs/errors/failure.ts';
import { ChunkEncoding } from '../../libs/model/encoding/chunk.ts';
import { appendXor, beginXorChunk, XorState, xorSampleBytesMax } from '../../libs/model/encoding/float-chunk.ts';
import { compareLabels, compareUtf8, Labels } from '../../libs/model/labels.ts';
import type { Matcher } from '../../libs/model/matcher.ts';
import { compileMatcher } from '../../libs/model/matcher-predicate.ts';
import type { MetricMetadata } from '../../libs/model/metadata.ts';
import { bytesOfExemplars, bytesOfLabels, bytesOfTexts } from '../../libs/series/list-memory.ts';
import type {
  ChunkBatch,
  ExemplarSeries,
  LabelQuery,
  Listed,
  LocatedChunks,
  SelectedSeries,
  SelectQuery,
  SeriesSource,
} from '../../libs/series/series-source.ts';

export interface MemorySeries {
  readonly labels: Readonly<Record<string, string>>;
  /** Milliseconds and values, in order of time. */
  readonly samples: readonly (readonly [number, number])[];
}

export class MemorySource implements SeriesSource {
  readonly stored: { readonly labels: Labels; readonly samples: MemorySeries['samples'] }[] = [];
  readonly storedMetadata: MetricMetadata[] = [];
  readonly storedExemplars: ExemplarSeries[] = [];
  /** Series in a batch. */
  batchSize = 2;
  /** Said to be where the chunks lie in files, if it is set. There are none. */
  directory: string | undefined;
  /** Batches that have been asked for, over all selections. */
  batchesGiven = 0;
  /** Selections whose reading was given up or came to its end. */
  selectionsClosed = 0;
  /** Where set, every select fails with it. */
  failure: Failure | undefined;
  /** Awaited before each batch. */
  beforeBatch: () => Promise<void> = () => Promise.resolve();

  constructor(series: readonly MemorySeries[]) {
    for (const { labels, samples } of series) {
      this.stored.push({ labels: Labels.from(Object.entries(labels)), samples });
    }
    this.stored.sort((a, b) => compareLabels(a.labels, b.labels));
  }

  add(labels: MemorySeries['labels'], samples: MemorySeries['samples']): void {
    this.stored.push({ labels: Labels.from(Object.entries(labels)), samples });
    this.stored.sort((a, b) => compareLabels(a.labels, b.labels));
  }

  async select(query: SelectQuery): Promise<SelectedSeries> {
    if (this.failure !== undefined) throw this.failure;
    const found = this.stored.filter(({ labels }) => matches(labels, query.matchers));
    const numbers = new Map<string, number>();
    const refs: number[] = [];
    const begin = [0];
    for (const { labels } of found) {
      for (const text of labels.pairs) {
        if (!numbers.has(text)) numbers.set(text, numbers.size);
        refs.push(numbers.get(text) ?? 0);
      }
      begin.push(refs.length);
    }
    const count = found.length;
    const located = (directory: string): LocatedChunks => ({
      directory,
      minT: new Float64Array(count),
      maxT: new Float64Array(count),
      chunkBegin: Uint32Array.from({ length: count + 1 }, (_, i) => i),
      ref: Float64Array.from({ length: count }, (_, i) => 8 + i * 100),
      nextRef: new Float64Array(count),
      recordBytes: 100,
    });
    return {
      ...(this.directory === undefined ? {} : { located: located(this.directory) }),
      labels: { strings: [...numbers.keys()], begin: Uint32Array.from(begin), refs: Uint32Array.from(refs) },
      warnings: [],
      chunks: (signal) => this.#chunks(found, signal),
    };
  }

  async *#chunks(
    found: readonly { samples: MemorySeries['samples'] }[],
    signal: AbortSignal,
  ): AsyncGenerator<ChunkBatch> {
    try {
      for (let first = 0; first < found.length; first += this.batchSize) {
        this.batchesGiven++;
        await this.beforeBatch();
        signal.throwIfAborted();
        yield encodeBatch(first, found.slice(first, first + this.batchSize));
      }
    } finally {
      this.selectionsClosed++;
    }
  }

  async labelNames(query: LabelQuery): Promise<Listed<string>> {
    const names = new Set<string>();
    for (const { pairs } of this.#found(query)) for (let i = 0; i < pairs.length; i += 2) names.add(pairs[i] as string);
    query.memory?.take(bytesOfTexts([...names]));
    return { values: [...names].sort(compareUtf8), warnings: [] };
  }

  async labelValues(name: string, query: LabelQuery): Promise<Listed<string>> {
    const values = new Set(this.#found(query).map((labels) => labels.get(name)));
    values.delete('');
    query.memory?.take(bytesOfTexts([...values]));
    return { values: [...values].sort(compareUtf8), warnings: [] };
  }

  async series(query: LabelQuery): Promise<Listed<Labels>> {
    const values = this.#found(query);
    for (const labels of values) query.memory?.take(bytesOfLabels(labels));
    return { values, warnings: [] };
  }

  async exemplars({ memory }: LabelQuery): Promise<Listed<ExemplarSeries>> {
    for (const one of this.storedExemplars) memory?.take(bytesOfExemplars(one));
    return { values: this.storedExemplars, warnings: [] };
  }

  async metadata(metric: string | undefined): Promise<Listed<MetricMetadata>> {
    return { values: this.storedMetadata.filter((one) => metric === undefined || one.metric === metric), warnings: [] };
  }

  #found(query: LabelQuery): Labels[] {
    const { minT, maxT, selectors } = query;
    return this.stored
      .filter(({ samples }) => samples.some(([t]) => t >= minT && t <= maxT))
      .map(({ labels }) => labels)
      .filter((labels) => selectors.length === 0 || selectors.some((matchers) => matches(labels, matchers)));
  }
}

function matches(labels: Labels, matchers: readonly Matcher[]): boolean {
  return matchers.every((matcher) => compileMatcher(matcher).matches(labels.get(matcher.name)));
}

function encodeBatch(firstSeries: number, found: readonly { samples: MemorySeries['samples'] }[]): ChunkBatch {
  const state = new XorState();
  const buffer = new Uint8Array(
    found.reduce((bytes, { samples }) => bytes + (samples.length + 1) * xorSampleBytesMax, 64),
  );
  const value = new Float64Array(1);
  const words = new Int32Array(value.buffer);
  const byteBegin = [0];
  let at = 0;
  for (const { samples } of found) {
    beginXorChunk(state, buffer, at);
    for (const [t, v] of samples) {
      value[0] = v;
      appendXor(state, t, words[1], words[0]);
    }
    at += Math.ceil(state.bitPosition / 8);
    byteBegin.push(at);
  }
  return {
    firstSeries,
    chunkBegin: Uint32Array.from({ length: found.length + 1 }, (_, i) => i),
    encoding: new Uint8Array(found.length).fill(ChunkEncoding.xor),
    minT: Float64Array.from(found, ({ samples }) => samples[0]?.[0] ?? 0),
    maxT: Float64Array.from(found, ({ samples }) => samples.at(-1)?.[0] ?? 0),
    byteBegin: Uint32Array.from(byteBegin),
    // A view into something larger: the bridge must copy it, not take it away.
    bytes: buffer.subarray(0, at),
  };
}
