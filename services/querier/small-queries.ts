/**
 * Queries so small that waking a worker, and telling it what was selected, costs the main thread more than the answer does: a few series
 * at a few steps. The main thread answers them itself.
 * Owns what is small: known in part before anything is read, in full when the series are. What proves to be more after all is given up,
 * and a worker answers it.
 */
import { Failure } from '../../libs/errors/failure.ts';
import { ChunkEncoding } from '../../libs/model/encoding/chunk.ts';
import { createEngine, type Engine, type QueryOutline } from '../../libs/promql/engine.ts';
import { JsonBytes } from '../../libs/query-api/json-bytes.ts';
import type { ReadQuery, SeriesSelection } from '../../libs/series/series-reader.ts';
import {
  addCosts,
  type ChunkBatch,
  noCosts,
  type ReadCosts,
  type SelectedSeries,
  seriesCountOf,
} from '../../libs/series/series-source.ts';
import { RecentlyUsed } from '../../libs/std/recently-used.ts';
import { type CountedReader, type EvaluationOptions, evaluateQuery } from './evaluate-query.ts';
import { GzipPieces } from './gzip-pieces.ts';
import type { EvaluationRequest } from './query-request.ts';
import { readKey } from './read-key.ts';
import type { JobStats } from './worker-protocol.ts';

const selectsMax = 8;
const seriesMax = 128;
/** Series times steps, of all parts of a query together: each takes some tens of nanoseconds. */
const workMax = 8_192;
/** Chunks in files, and bytes of all chunks: float samples take a few bits to a few bytes. */
const locatedChunksMax = 256;
const chunkBytesMax = 128 << 10;
/** A byte of histograms is so much more work. */
const histogramWeight = 8;
/** Labels can be made that are longer than those that were read. */
const answerBytesMax = 1 << 20;
/** What is made of them and held: work that is one call of a few characters' cost each cannot be given up half-way. */
const memoryBytesMax = 1 << 20;
/** A query that takes longer than it should is given up. Of this thread's own time: a machine that is busy makes no query large. */
const answerMsMax = 5;

/** What texts of queries may take that proved to be no small ones. */
const largeBytesMax = 256 << 10;

export interface SmallAnswer {
  readonly bytes: Uint8Array;
  readonly stats: JobStats;
}

/** What was asked turns out to be more than was thought. Made once: it is caught where it is thrown. */
const notSmall = new Failure('internal', 'the query is not small');

export class SmallQueries {
  readonly #options: EvaluationOptions;
  readonly #engine: Engine;
  readonly #nowMs: () => number;
  readonly #large = new RecentlyUsed<true>(largeBytesMax);

  /** @param nowMs how long this thread has worked */
  constructor(options: EvaluationOptions, nowMs = () => process.threadCpuUsage().user / 1000) {
    this.#nowMs = nowMs;
    const { samplesMax, memoryBytesMax: own } = options.limits;
    const limits = { samplesMax, memoryBytesMax: own === 0 ? memoryBytesMax : Math.min(own, memoryBytesMax) };
    this.#options = { ...options, limits };
    this.#engine = createEngine(options.engine);
  }

  /** Whether a query may be small, as far as that is known before its series are: what proved to be more is so the next time, too. */
  mayBe(query: string, { selects, steps }: QueryOutline): boolean {
    return selects.length <= selectsMax && steps <= workMax && !this.#large.get(`${steps} ${query}`);
  }

  /** Whether it is, now that they are: nothing was read of their chunks. */
  is(query: string, outline: QueryOutline, selected: readonly SelectedSeries[]): boolean {
    const { steps } = outline;
    let series = 0;
    let chunks = 0;
    for (const one of selected) {
      series += seriesCountOf(one.labels);
      for (const { located } of one.parts?.selections ?? [one]) chunks += located?.ref.length ?? 0;
    }
    if (series <= seriesMax && chunks <= locatedChunksMax && steps * Math.max(1, series) <= workMax) return true;
    this.#noteLarge(query, outline);
    return false;
  }

  /**
   * The answer from what was selected; undefined where it is no small one after all: then its chunks have been read.
   * @param selected of the outline's selects
   * @throws Failure
   */
  async answer(
    request: EvaluationRequest,
    outline: QueryOutline,
    selected: readonly SelectedSeries[],
    { gzip, queuedSeconds, signal }: { gzip: boolean; queuedSeconds: number; signal: AbortSignal },
  ): Promise<SmallAnswer | undefined> {
    const { selects } = outline;
    const read: ChunkBatch[][] = [];
    let bytes = 0;
    for (const one of selected) {
      const batches: ChunkBatch[] = [];
      for await (const batch of one.chunks(signal)) {
        bytes += weightOf(batch);
        if (bytes > chunkBytesMax) {
          this.#noteLarge(request.query, outline);
          return undefined;
        }
        batches.push(batch);
      }
      read.push(batches);
    }
    const giveUpAtMs = this.#nowMs() + answerMsMax;
    const pieces: Uint8Array[] = [];
    let answerBytes = 0;
    const output = new JsonBytes((piece) => {
      answerBytes += piece.length;
      if (answerBytes > answerBytesMax) throw notSmall;
      pieces.push(piece);
    });
    try {
      const stats = evaluateQuery(request, {
        engine: this.#engine,
        options: this.#options,
        reader: new HeldReader(selects, selected, read),
        output,
        queuedSeconds,
        checkStopped: () => {
          if (this.#nowMs() > giveUpAtMs) throw notSmall;
        },
      });
      output.finish();
      const [only] = pieces;
      const answer = pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces);
      return { bytes: gzip ? new GzipPieces().next(answer, true) : answer, stats };
    } catch (error) {
      // What is no failure of the query's own (a stack that is too short, say) a worker will find, or not; it has another maximum, too.
      if (error instanceof Failure && error !== notSmall && error.kind !== 'query_limit') throw error;
      if (error instanceof Failure && error !== notSmall) this.#noteLarge(request.query, outline);
      return undefined;
    }
  }

  /** A dashboard that asks it again and again does not wait for its series before a worker begins. That it took long tells nothing: code was cold. */
  #noteLarge(query: string, { steps }: QueryOutline): void {
    this.#large.set(`${steps} ${query}`, true, 2 * query.length);
  }
}

/** Bytes of a batch, those that are more work as so many more. */
function weightOf({ encoding, byteBegin }: ChunkBatch): number {
  let weight = 0;
  for (let i = 0; i < encoding.length; i++) {
    const isFloat = encoding[i] === ChunkEncoding.xor || encoding[i] === ChunkEncoding.xor2;
    weight += (byteBegin[i + 1] - byteBegin[i]) * (isFloat ? 1 : histogramWeight);
  }
  return weight;
}

/** Reads what is there already. */
class HeldReader implements CountedReader {
  readonly #selected: readonly SelectedSeries[];
  readonly #selections = new Map<string, SeriesSelection[]>();

  constructor(
    selects: readonly ReadQuery[],
    selected: readonly SelectedSeries[],
    read: readonly (readonly ChunkBatch[])[],
  ) {
    this.#selected = selected;
    selected.forEach(({ labels, warnings }, i) => {
      const key = readKey(selects[i]);
      let next = 0;
      const selection = { labels, warnings, next: () => read[i][next++], close: () => undefined };
      const others = this.#selections.get(key);
      if (others === undefined) this.#selections.set(key, [selection]);
      else others.push(selection);
    });
  }

  select(query: ReadQuery): SeriesSelection {
    const selection = this.#selections.get(readKey(query))?.shift();
    // It depends on data: only info() asks so.
    if (selection === undefined) throw notSmall;
    return selection;
  }

  costs(): ReadCosts {
    return this.#selected.reduce((sum, { costs }) => addCosts(sum, costs?.() ?? noCosts), noCosts);
  }
}
