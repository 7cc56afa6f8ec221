/**
 * Cells of answers that are kept, with what they rest on.
 * Owns their form and that they take no more memory than they may. Whether one is still true is never decided here: a querier says
 * so each time (answer-range.ts). Two stores: this process' memory, and a Redis that all frontends share; one that is away is passed by.
 */
import { Failure } from '../../libs/errors/failure.ts';
import type { ByteCache } from '../../libs/kv/byte-cache.ts';
import type { ResultSeries } from '../../libs/promql/engine.ts';
import { runInSlices, type Steps } from '../../libs/std/steps.ts';
import { decodePart, encodePart, encodePartEnd, type PartAnswer } from '../../libs/wire/peer/part-message.ts';
import type { Steps as StepRange } from './split-steps.ts';

/** Goes with every name: cells of another form are not found. */
const version = 1;
/** A cell that takes more is not kept. */
const cellBytesMax = 4 << 20;
/** So many cells are asked for at once, and none beyond so many bytes: what comes after is as if it were not there. */
const cellsAtOnce = 16;
const foundBytesMax = 128 << 20;
/** So much is written or cut in a step. */
const seriesPerStep = 64;
const pointsPerStep = 1 << 12;
const slicedPerStep = 512;
/** A store that failed is left alone for so long: one that is frozen would let every query wait. */
const aloneMs = 5_000;

const unending = new AbortController().signal;

export class ResultsCache {
  readonly #store: ByteCache;
  readonly #onProblem: (error: unknown) => void;
  readonly #nowMs: () => number;
  #aloneUntilMs = Number.NEGATIVE_INFINITY;

  /** @param nowMs a monotonic clock */
  constructor(store: ByteCache, onProblem: (error: unknown) => void, nowMs = () => performance.now()) {
    this.#store = store;
    this.#onProblem = onProblem;
    this.#nowMs = nowMs;
  }

  /**
   * What is kept under each key, undefined where nothing is.
   * @param hasRoom whether there is memory for so many bytes more; where there is none, it is as if nothing were kept
   */
  async get(
    keys: readonly string[],
    hasRoom: (bytes: number) => boolean = () => true,
    signal: AbortSignal = unending,
  ): Promise<(PartAnswer | undefined)[]> {
    const none = keys.map(() => undefined);
    if (this.#isLeftAlone) return none;
    try {
      const answers: (PartAnswer | undefined)[] = [];
      let foundBytes = 0;
      while (answers.length < keys.length && foundBytes < foundBytesMax) {
        const some = keys.slice(answers.length, answers.length + cellsAtOnce);
        for (const bytes of await this.#store.get(some.map(nameOf))) {
          foundBytes += bytes?.length ?? 0;
          if (bytes !== undefined && !hasRoom(bytes.length)) return none;
          answers.push(bytes === undefined ? undefined : await runInSlices(decodeCell(bytes), signal));
        }
      }
      return keys.map((_, i) => answers[i]);
    } catch (error) {
      signal.throwIfAborted();
      this.#failed(error);
      return none;
    }
  }

  /** Keeps an answer, if it may be kept: it has a witness and nothing was said beside it. */
  async put(key: string, answer: PartAnswer, steps: StepRange, signal: AbortSignal = unending): Promise<void> {
    if (this.#isLeftAlone || answer.witness === '' || answer.annotations.length > 0 || answer.sourceWarnings.length > 0)
      return;
    const bytes = await runInSlices(encodeCell(answer, steps), signal);
    if (bytes === undefined) return;
    this.#store.put(nameOf(key), bytes).catch((error: unknown) => this.#failed(error));
  }

  get #isLeftAlone(): boolean {
    return this.#nowMs() < this.#aloneUntilMs;
  }

  #failed(error: unknown): void {
    // What is kept and cannot be read says nothing of the store.
    if (error instanceof Failure && error.kind === 'unavailable') this.#aloneUntilMs = this.#nowMs() + aloneMs;
    this.#onProblem(error);
  }
}

const nameOf = (key: string): string => `${version}:${key}`;

/** Start, end and step as doubles, then the answer: messages one behind the other are one. */
const headBytes = 24;

/** Undefined where it would be too much to keep. */
function* encodeCell(answer: PartAnswer, { startMs, endMs, stepMs }: StepRange): Steps<Buffer | undefined> {
  const head = Buffer.alloc(headBytes);
  head.writeDoubleLE(startMs, 0);
  head.writeDoubleLE(endMs, 8);
  head.writeDoubleLE(stepMs, 16);
  const pieces: Uint8Array[] = [head];
  let bytes = 0;
  for (let at = 0; at < answer.series.length; ) {
    const begin = at;
    for (let points = 0; at < answer.series.length && at - begin < seriesPerStep && points < pointsPerStep; at++) {
      points += (answer.series[at] as ResultSeries).t.length;
    }
    const piece = encodePart(
      { series: answer.series.slice(begin, at), annotations: [], sourceWarnings: [] },
      { startMs, endMs, stepMs },
    );
    pieces.push(piece);
    bytes += piece.length;
    if (bytes > cellBytesMax) return undefined;
    yield;
  }
  pieces.push(encodePartEnd({ witness: answer.witness }));
  return Buffer.concat(pieces);
}

function decodeCell(bytes: Uint8Array): Steps<PartAnswer> {
  const head = new DataView(bytes.buffer, bytes.byteOffset, headBytes);
  const steps = {
    startMs: head.getFloat64(0, true),
    endMs: head.getFloat64(8, true),
    stepMs: head.getFloat64(16, true),
  };
  return decodePart(bytes.subarray(headBytes), steps);
}

/** The answer to some of the steps; series without a point there are left out. */
export function* sliceAnswer(answer: PartAnswer, { startMs, endMs }: StepRange): Steps<PartAnswer> {
  const series: ResultSeries[] = [];
  for (const [i, one] of answer.series.entries()) {
    if (i % slicedPerStep === slicedPerStep - 1) yield;
    const { labels, t, v, h } = one;
    const begin = rowsBefore(t, startMs);
    const end = rowsBefore(t, endMs + 1);
    if (begin === end) continue;
    if (begin === 0 && end === t.length) series.push(one);
    else series.push({ labels, t: t.subarray(begin, end), v: v.subarray(begin, end), h: h?.slice(begin, end) ?? null });
  }
  return { ...answer, series };
}

/** How many of the times, which rise and are whole milliseconds, are before one. */
function rowsBefore(t: Float64Array, timeMs: number): number {
  let low = 0;
  let high = t.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((t[middle] as number) < timeMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
