/**
 * Writes known series to a cluster and asks for them back, all the time, whatever happens to the cluster meanwhile.
 * Owns who was acknowledged and what became of each write and each answer: an acknowledged sample that an answer lacks which was no error
 * and carried no warning is named, and so is what was never sent. Does not own what may happen when (failure-cases.ts).
 *
 * A sender keeps a write until it is acknowledged, as Prometheus does; who gets no answer from one door turns to the next.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { push } from '../../support/push-client.ts';
import { waitFor } from '../../support/wait-until.ts';
import {
  KnownSeries,
  oldTimes,
  type Question,
  recentTimes,
  type SeriesValues,
  samplesPerWrite,
} from './known-series.ts';

/** Where is written to and where is read from: each writer and each reader begins with another one. */
export interface Doors {
  readonly writes: readonly string[];
  readonly reads: readonly string[];
}

/** A sender gives a request up after this: longer than a distributor waits for an ingester. */
const writeMs = 12_000;
/** A reader: longer than a query may take. */
const readMs = 20_000;
const betweenWritesMs = 50;
const betweenReadsMs = 100;
/** Findings that are kept, of each kind. */
const findingsMax = 10;

/** What is read: the newest samples, for which ingesters alone are asked, or those that need the bucket's blocks. */
export type Age = 'recent' | 'stored';

/** What became of the requests of one kind. */
export interface Outcomes {
  /** Acknowledged, or answered whole. */
  good: number;
  /** Answered with a warning. */
  warned: number;
  /** An answer that says that it cannot be had now. */
  refused: number;
  /** No answer: the connection broke, was not made, or nothing came in time. */
  unanswered: number;
}

export interface Findings {
  /** Acknowledged and not in an answer that said nothing. */
  readonly partial: string[];
  /** In an answer and never sent. */
  readonly wrong: string[];
  /** Answers that nobody may get: a refusal that sounds final, one that does not say when to come again. */
  readonly strange: string[];
}

/** One loop that asks again and again. */
interface Loop {
  readonly outcomes: Outcomes;
  /** How often each outcome came of a request that was begun since `mark`. */
  since: Outcomes;
  markedAtMs: number;
  lastGoodAtMs: number;
  longestMs: number;
}

export class Checker {
  readonly #doors: Doors;
  readonly #written: readonly KnownSeries[];
  readonly #read: Readonly<Record<Age, readonly KnownSeries[]>>;
  readonly #fixed: KnownSeries | undefined;
  readonly #fixedWrites: readonly number[];
  readonly #acknowledged: number[] = [];
  readonly #loops = { writes: [] as Loop[], recent: [] as Loop[], stored: [] as Loop[] };
  readonly findings: Findings = { partial: [], wrong: [], strange: [] };
  /** The last words of refusals, for whoever reads why. */
  readonly refusals = new Map<string, string>();
  #sent = 0;
  #isOver = false;
  #running: Promise<unknown> = Promise.resolve();

  /**
   * @param name a metric of its own
   * @param fixed what is there from the beginning, in a block, and how many writes of it
   */
  constructor(doors: Doors, name: string, fixed?: { readonly series: KnownSeries; readonly writes: number }) {
    this.#doors = doors;
    const nowMs = Date.now();
    const [recent, old] = [
      new KnownSeries(`${name}_recent`, recentTimes(nowMs)),
      new KnownSeries(`${name}_old`, oldTimes(nowMs)),
    ];
    this.#written = [recent, old];
    this.#fixed = fixed?.series;
    this.#fixedWrites = Array.from({ length: fixed?.writes ?? 0 }, (_, i) => i);
    this.#read = { recent: [recent], stored: fixed === undefined ? [old] : [old, fixed.series] };
  }

  start(): void {
    const { writes, reads } = this.#doors;
    this.#running = Promise.all([
      ...writes.map((_, first) => this.#keepWriting(first, this.#loop('writes'))),
      ...reads.map((_, first) => this.#keepReading('recent', first, this.#loop('recent'))),
      this.#keepReading('stored', 0, this.#loop('stored')),
    ]);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  /** Begins to count anew what `since` tells. */
  mark(): void {
    const nowMs = performance.now();
    for (const loop of Object.values(this.#loops).flat()) {
      loop.since = noOutcomes();
      loop.markedAtMs = nowMs;
    }
  }

  /** Outcomes of requests that were begun after the last mark, of each loop of a kind. */
  since(kind: 'writes' | Age): readonly Outcomes[] {
    return this.#loops[kind].map(({ since }) => since);
  }

  /** All outcomes of a kind. */
  total(kind: 'writes' | Age): Outcomes {
    const sum = noOutcomes();
    for (const { outcomes } of this.#loops[kind]) {
      for (const key of Object.keys(sum) as (keyof Outcomes)[]) sum[key] += outcomes[key];
    }
    return sum;
  }

  /** The longest that one of the writers, or readers, went without: an acknowledgement, an answer. */
  longestMs(kind: 'writes' | Age): number {
    const nowMs = performance.now();
    return Math.max(
      ...this.#loops[kind].map(({ longestMs, lastGoodAtMs }) => Math.max(longestMs, nowMs - lastGoodAtMs)),
    );
  }

  /** Forgets how long anybody went without so far. */
  measureFromNow(): void {
    const nowMs = performance.now();
    for (const loop of Object.values(this.#loops).flat()) {
      loop.longestMs = 0;
      loop.lastGoodAtMs = nowMs;
    }
  }

  get acknowledgedSamples(): number {
    return this.#acknowledged.length * samplesPerWrite * this.#written.length;
  }

  /** Waits until everybody gets what he asks for, several times over, whole and without a warning, on requests begun from now on. */
  async flowing(deadlineMs = 180_000): Promise<void> {
    this.mark();
    await waitFor(
      'everybody is served',
      () =>
        (['writes', 'recent', 'stored'] as const).every((kind) => this.since(kind).every(({ good }) => good >= 2)) ||
        undefined,
      { deadlineMs },
    ).catch((error: unknown) => {
      throw new Error(`not everybody is served: ${JSON.stringify([...this.refusals])}`, { cause: error });
    });
  }

  /** Asks every door for everything that was acknowledged; what is missing for good. */
  async lost(): Promise<{ readonly count: number; readonly examples: readonly string[] }> {
    const examples: string[] = [];
    let count = 0;
    for (const door of this.#doors.reads) {
      for (const series of [...this.#read.recent, ...this.#read.stored]) {
        const answer = await waitFor(
          `${door} answers for ${series.name}`,
          async () => {
            const found = await this.#ask(door, series, 0);
            return found.kind === 'good' ? found : undefined;
          },
          { deadlineMs: 180_000, everyMs: 250 },
        );
        count = Math.max(count, answer.missingCount);
        examples.push(...answer.missing);
      }
    }
    return { count, examples };
  }

  #loop(kind: 'writes' | Age): Loop {
    const nowMs = performance.now();
    const loop = { outcomes: noOutcomes(), since: noOutcomes(), markedAtMs: nowMs, lastGoodAtMs: nowMs, longestMs: 0 };
    this.#loops[kind].push(loop);
    return loop;
  }

  async #keepWriting(first: number, loop: Loop): Promise<void> {
    let door = first;
    while (!this.#isOver) {
      const write = this.#sent++;
      const series = this.#written.flatMap((one) => one.series(write));
      while (!this.#isOver) {
        const begunAtMs = performance.now();
        const kind = await this.#writeOnce(this.#doors.writes[door] as string, series);
        if (kind === 'good') this.#acknowledged.push(write);
        if (kind === 'unanswered') door = (door + 1) % this.#doors.writes.length;
        note(loop, kind, begunAtMs);
        await sleep(betweenWritesMs);
        if (kind === 'good') break;
      }
    }
  }

  async #writeOnce(door: string, series: Parameters<typeof push>[1]): Promise<keyof Outcomes> {
    try {
      const signal = AbortSignal.timeout(writeMs);
      const { status, text, headers } = await push(door, series, { protocol: 'v2', signal });
      if (status === 204) return 'good';
      this.refusals.set('write', text.slice(0, 300));
      if (status !== 503) this.#find('strange', `a write was answered ${status}: ${text.slice(0, 300)}`);
      else if (!/^[1-9]/.test(headers.get('retry-after') ?? ''))
        this.#find('strange', `a write was answered 503 without Retry-After: ${text.slice(0, 300)}`);
      return 'refused';
    } catch {
      return 'unanswered';
    }
  }

  async #keepReading(age: Age, first: number, loop: Loop): Promise<void> {
    let door = first;
    for (let turn = first; !this.#isOver; turn++) {
      const all = this.#read[age];
      for (const series of all) {
        const begunAtMs = performance.now();
        const { kind, missing, wrong } = await this.#ask(this.#doors.reads[door] as string, series, turn);
        if (kind === 'good') for (const one of missing) this.#find('partial', one);
        for (const one of wrong) this.#find('wrong', one);
        if (kind === 'unanswered') door = (door + 1) % this.#doors.reads.length;
        note(loop, kind, begunAtMs);
        await sleep(betweenReadsMs);
      }
    }
  }

  async #ask(door: string, series: KnownSeries, turn: number): Promise<Answer> {
    const question = series.question(turn);
    const isFixed = series === this.#fixed;
    const acknowledged = isFixed ? this.#fixedWrites : [...this.#acknowledged];
    const nothing = { missing: [], missingCount: 0, wrong: [] };
    let status: number;
    let text: string;
    try {
      ({ status, text } = await this.#fetch(door, question));
    } catch {
      return { kind: 'unanswered', ...nothing };
    }
    if (status !== 200) {
      this.refusals.set(series.name, text.slice(0, 300));
      if (status < 500) this.#find('strange', `${question.path} was answered ${status}: ${text.slice(0, 300)}`);
      return { kind: 'refused', ...nothing };
    }
    const { data, warnings = [] } = JSON.parse(text) as { data: { result: SeriesValues[] }; warnings?: string[] };
    const verdict = series.judge(question, data.result, acknowledged, isFixed ? acknowledged.length : this.#sent);
    if (warnings.length > 0) this.refusals.set(`${series.name}, warned`, String(warnings[0]).slice(0, 300));
    return { kind: warnings.length > 0 ? 'warned' : 'good', ...verdict };
  }

  async #fetch(door: string, { path, parameters }: Question): Promise<{ status: number; text: string }> {
    const form = new URLSearchParams();
    for (const [name, value] of Object.entries(parameters)) form.set(name, String(value));
    const response = await fetch(`${door}/api/v1/${path}?${form}`, { signal: AbortSignal.timeout(readMs) });
    return { status: response.status, text: await response.text() };
  }

  #find(kind: keyof Findings, text: string): void {
    if (this.findings[kind].length < findingsMax) this.findings[kind].push(text);
  }
}

interface Answer {
  readonly kind: keyof Outcomes;
  readonly missing: readonly string[];
  readonly missingCount: number;
  readonly wrong: readonly string[];
}

const noOutcomes = (): Outcomes => ({ good: 0, warned: 0, refused: 0, unanswered: 0 });

function note(loop: Loop, kind: keyof Outcomes, begunAtMs: number): void {
  loop.outcomes[kind]++;
  if (begunAtMs >= loop.markedAtMs) loop.since[kind]++;
  if (kind !== 'good' && kind !== 'warned') return;
  const nowMs = performance.now();
  loop.longestMs = Math.max(loop.longestMs, nowMs - loop.lastGoodAtMs);
  loop.lastGoodAtMs = nowMs;
}
