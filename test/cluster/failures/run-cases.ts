/**
 * Runs cases of failure one after the other in one cluster, each of which ends healed, and measures them.
 * Owns what a case comes to: what was allowed and what was not, and its figures.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { healed } from '../../support/cluster-ledger.ts';
import { waitFor } from '../../support/wait-until.ts';
import { type Age, Checker, type Outcomes } from './checker.ts';
import type { Allowed, FailureCase } from './failure-cases.ts';
import { type Mode, openScene, type Scene, type Shape } from './scene.ts';

export interface CaseResult {
  readonly name: string;
  readonly mode: Mode;
  readonly row: string;
  readonly acknowledgedSamples: number;
  /** Acknowledged samples that are not there in the end. */
  readonly lostSamples: number;
  /** Answers that were wrong, or lacked something and did not say so. */
  readonly wrongAnswers: number;
  /** The longest that a sender, or a reader of the newest samples, went without, until all is healed. */
  readonly msWithoutWrites: number;
  readonly msWithoutReads: number;
  /** From the mending until everybody is served again. */
  readonly msToHealed: number;
  /** What was not allowed. */
  readonly faults: readonly string[];
}

export interface RunOptions {
  readonly mode: Mode;
  readonly shape: Shape;
  readonly cases: readonly FailureCase[];
  /** How long the harm is left to work. */
  readonly holdMs: number;
  /** It begins. */
  readonly onCase?: (one: FailureCase) => void;
  readonly onResult: (result: CaseResult) => void;
}

/** Runs the cases of one shape. When all are over, what each of them wrote is asked for once more. */
export async function runCases({ mode, shape, cases, holdMs, onCase, onResult }: RunOptions): Promise<void> {
  await using scene = await openScene(mode, shape);
  await healed(scene.cluster);
  const checkers: Checker[] = [];
  for (const one of cases) {
    const why = one.impossible?.(scene);
    if (why !== undefined) {
      console.log(`${one.name}: not run: ${why}`);
      continue;
    }
    const allowed = one.allowed[mode];
    if (allowed === undefined) continue;
    onCase?.(one);
    const { checker, result } = await runCase(one, allowed, scene, holdMs);
    checkers.push(checker);
    onResult(result);
  }
  for (const checker of checkers) {
    const { count, examples } = await checker.lost();
    if (count > 0) throw new Error(`${count} samples are lost after all cases: ${examples}`);
  }
}

async function runCase(
  one: FailureCase,
  allowed: Allowed,
  scene: Scene,
  holdMs: number,
): Promise<{ checker: Checker; result: CaseResult }> {
  const { cluster } = scene;
  const doors = {
    writes: cluster.distributors.map(({ baseUrl }) => baseUrl),
    reads: cluster.frontends.map(({ queryUrl }) => queryUrl),
  };
  const metric = one.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '_');
  const checker = new Checker(doors, metric, scene.ancient);
  checker.start();
  const faults: string[] = [];
  let msToHealed = 0;
  try {
    await checker.flowing();
    checker.measureFromNow();
    await one.hurt(scene);
    checker.mark();
    await sleep(holdMs);
    await comesAsAllowed(checker, allowed).catch((error: unknown) => faults.push(String(error)));
    await one.mend(scene);
    const mendedAtMs = performance.now();
    await healed(cluster);
    await checker.flowing();
    msToHealed = performance.now() - mendedAtMs;
  } finally {
    await checker.stop();
  }
  const { count, examples } = await checker.lost();
  if (count > 0) faults.push(`${count} acknowledged samples are lost: ${examples.join(', ')}`);
  const { partial, wrong, strange } = checker.findings;
  faults.push(...partial.map((text) => `an answer said nothing and lacked ${text}`), ...wrong, ...strange);
  faults.push(...notAllowed(checker, allowed, one.losesConnections === true));
  const result = {
    name: one.name,
    mode: scene.mode,
    row: one.row,
    acknowledgedSamples: checker.acknowledgedSamples,
    lostSamples: count,
    wrongAnswers: partial.length + wrong.length,
    msWithoutWrites: Math.round(checker.longestMs('writes')),
    msWithoutReads: Math.round(checker.longestMs('recent')),
    msToHealed: Math.round(msToHealed),
    faults,
  };
  return { checker, result };
}

const requests = ['writes', 'recent', 'stored'] as const;

/** Waits until each kind of request has come to what is allowed, while the harm lasts. */
async function comesAsAllowed(checker: Checker, allowed: Allowed): Promise<void> {
  const enough: Record<Allowed['writes'], (outcomes: Outcomes) => boolean> = {
    'go on': ({ good }) => good >= 3,
    warned: ({ warned }) => warned >= 1,
    refused: ({ refused }) => refused >= 1,
    'may fail': ({ good, refused }) => good + refused >= 1,
  };
  for (const kind of requests) {
    await waitFor(
      `${wordOf(kind)}: ${allowed[kind]}`,
      () => checker.since(kind).every(enough[allowed[kind]]) || undefined,
      { deadlineMs: 180_000 },
    );
  }
}

/** Outcomes of the whole case that are not allowed. */
function notAllowed(checker: Checker, allowed: Allowed, losesConnections: boolean): string[] {
  const faults: string[] = [];
  for (const kind of requests) {
    const { refused, warned, unanswered } = checker.total(kind);
    const allowance = allowed[kind];
    const words = `${wordOf(kind)} (${allowance})`;
    const why = JSON.stringify([...checker.refusals]);
    if (refused > 0 && allowance !== 'refused' && allowance !== 'may fail')
      faults.push(`${words}: ${refused} were refused: ${why}`);
    if (warned > 0 && allowance === 'go on') faults.push(`${words}: ${warned} came with a warning: ${why}`);
    if (unanswered > 0 && !losesConnections) faults.push(`${words}: ${unanswered} were not answered`);
  }
  return faults;
}

const wordOf = (kind: 'writes' | Age): string => (kind === 'writes' ? kind : `reads of ${kind} samples`);
