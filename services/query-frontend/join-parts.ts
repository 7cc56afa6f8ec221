/**
 * The answers to the parts of a range query put together into that of the whole.
 * Owns that the joined answer is the one that the whole would have had: points one behind the other, series in the order of labels,
 * each annotation once. Where that cannot be said it gives nothing, and the whole is asked. All in steps, as there may be many series.
 */
import { Failure } from '../../libs/errors/failure.ts';
import type { Histogram } from '../../libs/model/histogram.ts';
import { compareLabels } from '../../libs/model/labels.ts';
import type { ResultSeries } from '../../libs/promql/engine.ts';
import { Annotations, isCounted } from '../../libs/promql/execute/annotations.ts';
import { type Steps, sortInSteps } from '../../libs/std/steps.ts';
import type { PartAnswer } from '../../libs/wire/peer/part-message.ts';

/** So much is joined in a step. */
const joinedPerStep = 256;
const pointsPerStep = 1 << 15;

export interface Joined {
  readonly series: readonly ResultSeries[];
  readonly warnings: readonly string[];
  readonly infos: readonly string[];
}

/**
 * Joins the answers of parts in order of time.
 * @param text of the query, into which annotations point
 * @param samplesMax most points that the answer may have, 0 for any number
 * @throws Failure `execution` where there are more
 * @returns undefined where only the whole can be asked
 */
export function* joinParts(parts: readonly PartAnswer[], text: string, samplesMax: number): Steps<Joined | undefined> {
  const annotations = yield* joinAnnotations(parts);
  if (annotations === undefined) return undefined;
  checkSamples(parts, samplesMax);
  const { warnings, infos } = annotations.texts(text);
  const sourceWarnings = new Set(parts.flatMap((part) => part.sourceWarnings));
  return { series: yield* joinSeries(parts), warnings: [...sourceWarnings, ...warnings], infos };
}

/** Undefined where something was counted: the whole may count otherwise. */
function* joinAnnotations(parts: readonly PartAnswer[]): Steps<Annotations | undefined> {
  const joined = new Annotations();
  let count = 0;
  for (const part of parts) {
    for (const { level, text, detail, start, order } of part.annotations) {
      if (detail !== '' || isCounted(text)) return undefined;
      joined.add(level, text, { start, order });
      if (++count % joinedPerStep === 0) yield;
    }
  }
  return joined;
}

function checkSamples(parts: readonly PartAnswer[], samplesMax: number): void {
  let samples = 0;
  for (const { series } of parts) for (const { t } of series) samples += t.length;
  if (samplesMax > 0 && samples > samplesMax) {
    throw new Failure('execution', 'query processing would load too many samples into memory in query execution');
  }
}

function* joinSeries(parts: readonly PartAnswer[]): Steps<readonly ResultSeries[]> {
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only.series;
  const byLabels = new Map<string, ResultSeries[]>();
  let count = 0;
  for (const { series } of parts) {
    for (const one of series) {
      if (++count % joinedPerStep === 0) yield;
      if (one.t.length === 0) continue;
      const known = byLabels.get(one.labels.key);
      if (known === undefined) byLabels.set(one.labels.key, [one]);
      else known.push(one);
    }
  }
  const times = new SharedTimes();
  const joined: ResultSeries[] = [];
  let points = 0;
  for (const pieces of byLabels.values()) {
    const one = joinPieces(pieces, times);
    points += one.t.length;
    if (joined.push(one) % joinedPerStep !== 0 && points < pointsPerStep) continue;
    points = 0;
    yield;
  }
  return yield* sortInSteps(joined, (a, b) => compareLabels(a.labels, b.labels));
}

function joinPieces(pieces: readonly ResultSeries[], times: SharedTimes): ResultSeries {
  const [first] = pieces as readonly [ResultSeries];
  if (pieces.length === 1) return first;
  let length = 0;
  for (const { t } of pieces) length += t.length;
  const v = new Float64Array(length);
  const h: (Histogram | null)[] | null = pieces.some((piece) => piece.h !== null) ? [] : null;
  let at = 0;
  for (const piece of pieces) {
    v.set(piece.v, at);
    at += piece.t.length;
    if (h === null) continue;
    for (let row = 0; row < piece.t.length; row++) h.push(piece.h?.[row] ?? null);
  }
  return { labels: first.labels, t: times.of(pieces, length), v, h };
}

/** Most series have a point at every step: their times are one column, which is then written once. */
class SharedTimes {
  #pieces: readonly Float64Array[] = [];
  #joined: Float64Array = new Float64Array(0);

  of(pieces: readonly ResultSeries[], length: number): Float64Array {
    const isSame = pieces.length === this.#pieces.length && pieces.every(({ t }, i) => t === this.#pieces[i]);
    if (isSame) return this.#joined;
    this.#pieces = pieces.map(({ t }) => t);
    this.#joined = new Float64Array(length);
    let at = 0;
    for (const piece of this.#pieces) {
      this.#joined.set(piece, at);
      at += piece.length;
    }
    return this.#joined;
  }
}
