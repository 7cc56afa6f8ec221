/**
 * A range query answered in parts: cells that are kept and still true, and the rest cut by days, each part evaluated by whichever
 * querier has time, or by several where it is heavy, each a shard of the series; joined.
 * Owns what is asked for, in which order: what is kept is checked first, by a querier, who asks the ingesters; an evaluation is kept in
 * cells with what it rests on. Whatever goes wrong in a way that the whole might tell otherwise is asked again as a whole.
 */
import type { HeavySelection, PartWork } from '../../libs/contracts/query-work.ts';
import { Failure } from '../../libs/errors/failure.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import { mapBounded } from '../../libs/std/bounded.ts';
import { runInSlices } from '../../libs/std/steps.ts';
import { decodePart, type PartAnswer } from '../../libs/wire/peer/part-message.ts';
import { type Cell, cellsOf } from './cells.ts';
import { chooseShards, type Unjoinable, weighingFor } from './choose-shards.ts';
import type { HeldParts } from './held-memory.ts';
import { type Joined, joinParts } from './join-parts.ts';
import { joinShards } from './join-shards.ts';
import { type ResultsCache, sliceAnswer } from './results-cache.ts';
import type { RangeQuestion } from './rewritable.ts';
import type { WorkAnswer, WorkRunner } from './run-work.ts';
import { type Steps, splitSteps } from './split-steps.ts';

/** Parts of one query that queriers have, or that wait, at once. */
const partsAtOnceMax = 16;
/** A check of what is kept that takes longer is not waited for. */
const checkMs = 5_000;
/** An answer to it has a word for each of what is kept. */
const checkBytesMax = 1 << 20;

export interface RangeDeps {
  readonly runner: WorkRunner;
  /** Undefined where nothing is kept. */
  readonly cache: ResultsCache | undefined;
  /** Most points that an answer may have, 0 for any number. */
  readonly samplesMax: number;
  /** Most shards that a tenant's queries are asked in; less than two is none. */
  readonly shardsMaxOf: (tenant: TenantId) => number;
  /** Weight of a shard: series of an hour. */
  readonly shardWeight: number;
  readonly unjoinable: Unjoinable;
  readonly counts: RewriteCounts;
  readonly nowMs: () => number;
}

export interface RewriteCounts {
  /** Parts that were asked for. */
  parts: number;
  /** Parts that were heavy and asked in shards, and the shards. */
  sharded: number;
  shards: number;
  /** Queries that were answered in parts, and those that had to be asked as a whole after all. */
  split: number;
  undone: number;
  /** Cells that were looked for: found and true, found and changed since, not found. */
  hits: number;
  stale: number;
  misses: number;
}

export interface RangeCall {
  readonly tenant: TenantId;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Nothing that was computed before, and nothing is kept. */
  readonly noStore: boolean;
}

/** @param held what it takes is counted there @returns undefined where the whole is to be asked. @throws Failure */
export async function answerRange(
  question: RangeQuestion,
  call: RangeCall,
  deps: RangeDeps,
  held: HeldParts,
): Promise<Joined | undefined> {
  const { counts, samplesMax, cache, runner, unjoinable, shardWeight } = deps;
  const keeps = cache !== undefined && !call.noStore && question.isIndependent;
  const cells = cellsOf(question, deps.nowMs(), keeps ? call.tenant : undefined);
  const known = keeps ? await keptAnswers(cells, call, cache, deps, held) : cells.map(() => undefined);
  const parts = question.hasSteps ? partsOf(cells, known) : [{ steps: question, cells: [], known: undefined }];
  // More of them than queries can be evaluated at once would only wait for each other.
  const shardsMax = Math.min(deps.shardsMaxOf(call.tenant), runner.queue.evaluators);
  const name = JSON.stringify([call.tenant, question.query]);
  const weighing = unjoinable.has(name) ? undefined : weighingFor(question.split, shardsMax, shardWeight);
  const isWhole = parts.length === 1 && parts[0]?.known === undefined;
  if (isWhole && weighing === undefined && parts[0]?.cells.every(({ key }) => key === undefined)) return undefined;
  const deadline = performance.now() + call.timeoutMs;
  const stop = new AbortController();
  const signal = AbortSignal.any([call.signal, stop.signal]);
  let joined: Joined | undefined;
  let isSharded = false;
  /** Others take the room: that says nothing of the expression. */
  let isCrowded = false;
  const hold = (bytes: number): void => {
    if (held.take(bytes)) return;
    isCrowded ||= !held.isTooLarge();
    stop.abort(noRoom());
    throw stop.signal.reason;
  };
  try {
    for (const { known } of parts) if (known !== undefined) hold(bytesOf(known));
    let asked = 0;
    const ask = async ({ steps }: Part, what: HowAsked): Promise<PartAnswer> => {
      try {
        const options = { timeoutMs: deadline - performance.now(), signal, isLetIn: asked++ > 0 };
        return await evaluatePart(question, steps, what, call.tenant, deps, options, hold);
      } catch (error) {
        stop.abort(error);
        throw error;
      }
    };
    const answers = await mapBounded(parts, partsAtOnceMax, async (part) => {
      if (part.known !== undefined) return part.known;
      counts.parts++;
      const answer = await ask(part, { weighing, sorted: false });
      if (keeps && answer.heavy === undefined) await keep(cache, part.cells, answer, signal);
      return answer;
    });
    const heavies = parts.flatMap((part, i) => {
      const heavy = answers[i]?.heavy;
      return heavy === undefined ? [] : [{ part, i, heavy }];
    });
    isSharded = heavies.length > 0;
    const wholes = isSharded ? await askHeavy(question, heavies, shardsMax, ask, deps, signal) : [];
    for (const [at, { part, i }] of heavies.entries()) {
      const whole = wholes[at];
      if (whole === undefined) continue;
      answers[i] = whole;
      if (keeps) await keep(cache, part.cells, whole, signal);
    }
    if (answers.every(({ heavy }) => heavy === undefined)) {
      joined = await runInSlices(joinParts(answers, question.query, samplesMax), signal);
    }
  } catch (error) {
    // Which of several mistakes is told of is the whole's to say.
    const first = stop.signal.aborted ? stop.signal.reason : error;
    if (!isOfTheQuestion(first)) throw first;
    // What is too large now, or for this time, says nothing of the expression either.
    if (first instanceof Failure && first.kind === 'query_limit') isCrowded = true;
  }
  if (joined === undefined && isSharded && !isCrowded) unjoinable.add(name);
  if (joined === undefined) counts.undone++;
  else counts.split++;
  return joined;
}

/** What an answer takes, roughly: a time and a value a point, and an object for each histogram. */
function bytesOf({ series }: PartAnswer): number {
  let bytes = 0;
  for (const { t, h } of series) bytes += 500 + t.length * (h === null ? 16 : 500);
  return bytes;
}

/** The answers of parts that were found heavy, from those of their shards; undefined where these cannot be put together. */
async function askHeavy(
  { split }: RangeQuestion,
  heavies: readonly { readonly part: Part; readonly heavy: HeavySelection }[],
  shardsMax: number,
  ask: (part: Part, what: HowAsked) => Promise<PartAnswer>,
  { counts, shardWeight }: RangeDeps,
  signal: AbortSignal,
): Promise<(PartAnswer | undefined)[]> {
  const shardings = heavies.map(({ heavy }) => split && chooseShards(split, heavy, shardsMax, shardWeight));
  const pieces = heavies.flatMap(({ part, heavy }, i) => {
    const shards = shardings[i]?.shards ?? [undefined];
    return shards.map((shard) => ({ i, part, shard, sorted: shard !== undefined && heavy.sorted }));
  });
  for (const sharding of shardings) if (sharding !== undefined) counts.sharded++;
  counts.shards += pieces.length;
  const found = await mapBounded(pieces, partsAtOnceMax, ({ part, shard, sorted }) => ask(part, { shard, sorted }));
  const joined: (PartAnswer | undefined)[] = [];
  for (const [i, { part }] of heavies.entries()) {
    const own = found.filter((_, at) => pieces[at]?.i === i);
    const sharding = shardings[i];
    joined.push(
      sharding === undefined ? own[0] : await runInSlices(joinShards(own, sharding.join, part.steps), signal),
    );
  }
  return joined;
}

const isOfTheQuestion = (error: unknown): boolean =>
  error instanceof Failure && ['bad_data', 'execution', 'query_limit', 'not_acceptable'].includes(error.kind);

type HowAsked = Pick<PartWork, 'shard' | 'weighing' | 'sorted'>;

interface Part {
  readonly steps: Steps;
  readonly cells: readonly Cell[];
  readonly known: PartAnswer | undefined;
}

/** Cells that are known each by itself; between them what is to be evaluated, cut by days, what is kept apart from what is not. */
function partsOf(cells: readonly Cell[], known: readonly (PartAnswer | undefined)[]): Part[] {
  const parts: Part[] = [];
  let run: Cell[] = [];
  const endRun = (): void => {
    const [first] = run;
    const last = run.at(-1);
    if (first === undefined || last === undefined) return;
    for (const steps of splitSteps({ startMs: first.startMs, endMs: last.endMs, stepMs: first.stepMs })) {
      const within = run.filter(({ startMs, endMs }) => startMs >= steps.startMs && endMs <= steps.endMs);
      parts.push({ steps, cells: within, known: undefined });
    }
    run = [];
  };
  for (const [i, cell] of cells.entries()) {
    const answer = known[i];
    const before = run.at(-1);
    if (answer !== undefined || (before !== undefined && (before.key === undefined) !== (cell.key === undefined)))
      endRun();
    if (answer !== undefined) parts.push({ steps: cell, cells: [], known: answer });
    else run.push(cell);
  }
  endRun();
  return parts;
}

/** Of each cell the kept answer, if a querier says that nothing has changed since. Until that is said what was found is held. */
async function keptAnswers(
  cells: readonly Cell[],
  { tenant, signal }: RangeCall,
  cache: ResultsCache,
  { counts, runner }: RangeDeps,
  held: HeldParts,
): Promise<(PartAnswer | undefined)[]> {
  let bytes = 0;
  const hasRoom = (more: number): boolean => {
    bytes += more;
    return held.take(more);
  };
  const keys = cells.flatMap(({ key }) => (key === undefined ? [] : [key]));
  const found = await cache.get(keys, hasRoom, signal);
  const witnesses = [...new Set(found.flatMap((one) => (one === undefined ? [] : [one.witness])))];
  const stillTrue = witnesses.length === 0 ? new Set<string>() : await check(tenant, witnesses, signal, runner);
  held.take(-bytes);
  let next = 0;
  const answers: (PartAnswer | undefined)[] = [];
  for (const cell of cells) {
    const kept = cell.key === undefined ? undefined : found[next++];
    if (cell.key === undefined) answers.push(undefined);
    else if (kept !== undefined && stillTrue.has(kept.witness)) {
      counts.hits++;
      answers.push(await runInSlices(sliceAnswer(kept, cell), signal));
    } else {
      if (kept === undefined) counts.misses++;
      else counts.stale++;
      answers.push(undefined);
    }
  }
  return answers;
}

/** Those of the witnesses that still hold; none where nobody can say. */
async function check(
  tenant: TenantId,
  witnesses: readonly string[],
  signal: AbortSignal,
  runner: WorkRunner,
): Promise<ReadonlySet<string>> {
  try {
    const answer = await runner.run({ kind: 'check', tenant, witnesses }, { timeoutMs: checkMs, signal });
    let left = checkBytesMax;
    const count = (bytes: number): void => {
      left -= bytes;
      if (left < 0) throw noRoom();
    };
    const outcomes = JSON.parse((await gathered(answer, count)).toString()) as readonly boolean[];
    return new Set(witnesses.filter((_, i) => outcomes[i] === true));
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Failure) return new Set();
    throw error;
  }
}

/** Keeps the whole cells of an answer. */
async function keep(
  cache: ResultsCache,
  cells: readonly Cell[],
  answer: PartAnswer,
  signal: AbortSignal,
): Promise<void> {
  for (const cell of cells) {
    if (cell.key === undefined || !cell.isWhole) continue;
    await cache.put(cell.key, await runInSlices(sliceAnswer(answer, cell), signal), cell, signal);
  }
}

async function evaluatePart(
  { query, lookbackMs, startMs: wholeStartMs, endMs: wholeEndMs }: RangeQuestion,
  { startMs, endMs, stepMs }: Steps,
  what: HowAsked,
  tenant: TenantId,
  { runner }: RangeDeps,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal; readonly isLetIn: boolean },
  hold: (bytes: number) => void,
): Promise<PartAnswer> {
  const steps = { startMs, endMs, stepMs };
  const work = { kind: 'part', tenant, query, ...steps, wholeStartMs, wholeEndMs, lookbackMs, ...what } as const;
  const bytes = await gathered(await runner.run(work, options), hold);
  const answer = await runInSlices(decodePart(bytes, steps), options.signal);
  hold(bytesOf(answer) - bytes.length);
  if (what.shard === undefined || answer.sharded === true) return answer;
  throw new Failure('not_acceptable', 'a querier of another release knows no shards');
}

/** @param hold is told of every piece, and throws where there is no room for it */
async function gathered({ pieces, release }: WorkAnswer, hold: (bytes: number) => void): Promise<Buffer> {
  const all: Uint8Array[] = [];
  try {
    for await (const piece of pieces) {
      hold(piece.length);
      all.push(piece);
    }
  } finally {
    release();
  }
  return Buffer.concat(all);
}

const noRoom = (): Failure => new Failure('not_acceptable', 'there is no memory for all parts of an answer');
