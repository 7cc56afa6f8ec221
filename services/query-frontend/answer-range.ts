/**
 * A range query answered in parts: cut by days, each part evaluated by whichever querier has time, joined.
 * Owns how many parts are under way at once, and that whatever goes wrong in a way that the whole might tell otherwise is asked
 * again as a whole.
 */
import { Failure } from '../../libs/errors/failure.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import { mapBounded } from '../../libs/std/bounded.ts';
import { decodePart, type PartAnswer } from '../../libs/wire/peer/part-message.ts';
import { type Joined, joinParts } from './join-parts.ts';
import type { RangeQuestion } from './rewritable.ts';
import type { WorkRunner } from './run-work.ts';
import { type Steps, splitSteps } from './split-steps.ts';

/** Parts of one query that queriers have, or that wait, at once. */
const partsAtOnceMax = 16;

export interface RangeDeps {
  readonly runner: WorkRunner;
  /** Most points that an answer may have, 0 for any number. */
  readonly samplesMax: number;
  readonly counts: RewriteCounts;
}

export interface RewriteCounts {
  /** Parts that were asked for. */
  parts: number;
  /** Queries that were answered in parts, and those that had to be asked as a whole after all. */
  split: number;
  undone: number;
}

export interface RangeCall {
  readonly tenant: TenantId;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** @returns undefined where the whole is to be asked. @throws Failure */
export async function answerRange(
  question: RangeQuestion,
  call: RangeCall,
  deps: RangeDeps,
): Promise<Joined | undefined> {
  const parts = splitSteps(question);
  if (parts.length === 1) return undefined;
  const { counts, samplesMax } = deps;
  const deadline = performance.now() + call.timeoutMs;
  const stop = new AbortController();
  const signal = AbortSignal.any([call.signal, stop.signal]);
  let joined: Joined | undefined;
  try {
    const answers = await mapBounded(parts, partsAtOnceMax, async (steps, index) => {
      counts.parts++;
      try {
        const timeoutMs = deadline - performance.now();
        return await evaluatePart(question, steps, { ...call, signal, timeoutMs }, deps.runner, index > 0);
      } catch (error) {
        stop.abort(error);
        throw error;
      }
    });
    joined = joinParts(answers, question.query, samplesMax);
  } catch (error) {
    // Which of several mistakes is told of is the whole's to say.
    if (!isOfTheQuestion(stop.signal.aborted ? stop.signal.reason : error)) throw stop.signal.reason ?? error;
  }
  if (joined === undefined) counts.undone++;
  else counts.split++;
  return joined;
}

const isOfTheQuestion = (error: unknown): boolean =>
  error instanceof Failure && ['bad_data', 'execution', 'query_limit', 'not_acceptable'].includes(error.kind);

async function evaluatePart(
  { query, lookbackMs, startMs: wholeStartMs, endMs: wholeEndMs }: RangeQuestion,
  steps: Steps,
  { tenant, timeoutMs, signal }: RangeCall,
  runner: WorkRunner,
  isLetIn: boolean,
): Promise<PartAnswer> {
  const work = { kind: 'part', tenant, query, ...steps, wholeStartMs, wholeEndMs, lookbackMs } as const;
  const { pieces } = await runner.run(work, { timeoutMs, signal, isLetIn });
  const gathered: Uint8Array[] = [];
  for await (const piece of pieces) gathered.push(piece);
  return decodePart(Buffer.concat(gathered), steps);
}
