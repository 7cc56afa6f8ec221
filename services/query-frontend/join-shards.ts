/**
 * The answers to the shards of a part put together into that of the part.
 * Owns that it is the answer which the part would have had, but for the last bits of sums, which are added with compensation: each
 * shard's is rounded once. Where that cannot be said it gives nothing, and all series are asked at once.
 */
import { compareLabels } from '../../libs/model/labels.ts';
import type { ResultSeries } from '../../libs/promql/engine.ts';
import type { ShardJoin } from '../../libs/promql/plan/split-by-series.ts';
import { type Steps, sortInSteps } from '../../libs/std/steps.ts';
import type { PartAnswer } from '../../libs/wire/peer/part-message.ts';
import type { Steps as StepRange } from './split-steps.ts';

/** So much is joined in a step. */
const seriesPerStep = 64;
const pointsPerStep = 1 << 14;

/** @returns undefined where only the part as a whole can be asked */
export function* joinShards(
  shards: readonly PartAnswer[],
  join: ShardJoin,
  steps: StepRange,
): Steps<PartAnswer | undefined> {
  const series = join === 'beside' ? yield* standBeside(shards) : yield* addUp(shards, join, steps);
  if (series === undefined) return undefined;
  return {
    series: yield* sortInSteps(series, (a, b) => compareLabels(a.labels, b.labels)),
    annotations: shards.flatMap(({ annotations }) => annotations),
    sourceWarnings: [...new Set(shards.flatMap(({ sourceWarnings }) => sourceWarnings))],
    witness: shards.some(({ witness }) => witness === '')
      ? ''
      : [...new Set(shards.flatMap(({ witness }) => witness.split('\n')))].join('\n'),
  };
}

/** Undefined where two have the same labels, which would be a mistake of whoever said that they cannot. */
function* standBeside(shards: readonly PartAnswer[]): Steps<ResultSeries[] | undefined> {
  const all = shards.flatMap(({ series }) => series);
  const keys = new Set<string>();
  for (const [i, { labels }] of all.entries()) {
    keys.add(labels.key);
    if (i % seriesPerStep === 0) yield;
  }
  return keys.size === all.length ? all : undefined;
}

function* addUp(shards: readonly PartAnswer[], join: ShardJoin, steps: StepRange): Steps<ResultSeries[] | undefined> {
  // What is said of a step that has no point, such as a mix of floats and histograms, holds for what other shards say of it.
  if (shards.some(({ annotations }) => annotations.some(({ level }) => level === 'warning'))) return undefined;
  const byLabels = new Map<string, ResultSeries[]>();
  let count = 0;
  for (const { series } of shards) {
    for (const one of series) {
      if (one.h !== null) return undefined;
      const known = byLabels.get(one.labels.key);
      if (known === undefined) byLabels.set(one.labels.key, [one]);
      else known.push(one);
      if (++count % seriesPerStep === 0) yield;
    }
  }
  const joined: ResultSeries[] = [];
  let points = 0;
  for (const [first, ...others] of byLabels.values()) {
    if (first === undefined) continue;
    const column = new JoinedColumn(steps, join);
    for (const one of [first, ...others]) {
      if (!column.add(one)) return undefined;
      points += one.t.length;
    }
    joined.push({ labels: first.labels, ...column.points() });
    if (points < pointsPerStep && joined.length % seriesPerStep !== 0) continue;
    points = 0;
    yield;
  }
  return joined;
}

/** Points of one series, as they come from shards. */
class JoinedColumn {
  readonly #steps: StepRange;
  readonly #join: ShardJoin;
  readonly #seen: Uint8Array;
  readonly #values: Float64Array;
  readonly #lost: Float64Array;

  constructor(steps: StepRange, join: ShardJoin) {
    const stepCount = Math.floor((steps.endMs - steps.startMs) / steps.stepMs) + 1;
    this.#steps = steps;
    this.#join = join;
    this.#seen = new Uint8Array(stepCount);
    this.#values = new Float64Array(stepCount);
    this.#lost = new Float64Array(stepCount);
  }

  /** False where the order of the series would show. */
  add({ t, v }: ResultSeries): boolean {
    const { startMs, stepMs } = this.#steps;
    for (let row = 0; row < t.length; row++) {
      const step = Math.round((t[row] - startMs) / stepMs);
      const value = v[row];
      // A sum that has left the numbers on its way might have come back in another order.
      if (this.#join === 'sum' && (value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY))
        return false;
      if (this.#seen[step] === 0) this.#values[step] = value;
      else if (!this.#merge(step, value)) return false;
      this.#seen[step] = 1;
    }
    return true;
  }

  #merge(step: number, value: number): boolean {
    const known = this.#values[step];
    if (this.#join === 'sum') {
      const total = known + value;
      if (total === Number.POSITIVE_INFINITY || total === Number.NEGATIVE_INFINITY) return false;
      this.#lost[step] += Math.abs(known) >= Math.abs(value) ? known - total + value : value - total + known;
      this.#values[step] = total;
    } else if (this.#join !== 'group') {
      // Of 0 and -0 the first is kept.
      if (known === value && !Object.is(known, value)) return false;
      if (Number.isNaN(known) || (this.#join === 'max' ? known < value : known > value)) this.#values[step] = value;
    }
    return true;
  }

  points(): Omit<ResultSeries, 'labels'> {
    const { startMs, stepMs } = this.#steps;
    let count = 0;
    for (let step = 0; step < this.#seen.length; step++) count += this.#seen[step];
    const t = new Float64Array(count);
    const v = new Float64Array(count);
    let row = 0;
    for (let step = 0; step < this.#seen.length; step++) {
      if (this.#seen[step] === 0) continue;
      t[row] = startMs + step * stepMs;
      // Not so an extreme, of which -0 would become 0.
      v[row++] = this.#join === 'sum' ? this.#values[step] + this.#lost[step] : this.#values[step];
    }
    return { t, v, h: null };
  }
}
