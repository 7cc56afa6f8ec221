/**
 * Series whose every sample is known from the number of the write that brought it: what is written, what is asked for, and the verdict on
 * an answer. Owns times and values. Does not own who was acknowledged when (checker.ts).
 */
const hourMs = 3_600_000;
/** Series that each write has a sample of; one more is new with it. */
const steadyCount = 10;
/** Samples of one write. */
export const samplesPerWrite = steadyCount + 1;
/** Writes go to one time, then to the next: each is left alone for a while. */
const writesInTurn = 60;

interface KnownSample {
  readonly labels: readonly [readonly ['__name__', string], readonly ['series', string]];
  readonly samples: readonly [{ readonly t: number; readonly v: number }];
}

export interface Question {
  readonly path: 'query' | 'query_range';
  readonly parameters: Readonly<Record<string, string | number>>;
  /** Whether a write is to be in the answer with its steady series; and with the one that was new. */
  readonly has: (write: number) => 'all' | 'steady' | 'nothing';
}

export interface SeriesValues {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [number, string])[];
}

export interface Verdict {
  /** Acknowledged samples that the answer lacks, the first few named. */
  readonly missing: readonly string[];
  readonly missingCount: number;
  /** What it has and should not: a sample that was never sent, another value, one twice. */
  readonly wrong: readonly string[];
}

interface Times {
  /** Where samples begin. */
  readonly beginsMs: readonly number[];
  readonly stepMs: number;
  /** Most samples of a series behind each begin. */
  readonly samplesMax: number;
}

/** In memory for hours to come. */
export const recentTimes = (nowMs: number): Times => ({
  beginsMs: [Math.floor(nowMs / 1000) * 1000 - 600_000],
  stepMs: 100,
  samplesMax: 10_000,
});

/** Three hours, each in a range of two hours of its own that is cut and shipped while the others are written to; whole cells of the cache. */
export const oldTimes = (nowMs: number): Times => ({
  beginsMs: [5, 7, 9].map((hours) => (Math.floor(nowMs / hourMs) - hours) * hourMs),
  stepMs: 1_000,
  samplesMax: 3_600,
});

/** Older than anything that is accepted: in a block of the bucket. */
export const ancientTimes = (nowMs: number): Times => ({
  beginsMs: [(Math.floor(nowMs / (24 * hourMs)) - 1) * 24 * hourMs],
  stepMs: 1_000,
  samplesMax: 3_600,
});

export class KnownSeries {
  readonly name: string;
  readonly #times: Times;

  constructor(name: string, times: Times) {
    this.name = name;
    this.#times = times;
  }

  /** What the write of this number has. */
  series(write: number): KnownSample[] {
    const names = [...Array.from({ length: steadyCount }, (_, i) => `steady-${i}`), `new-${write}`];
    const t = this.#timeOf(write);
    return names.map((series, i) => ({
      labels: [
        ['__name__', this.name],
        ['series', series],
      ],
      samples: [{ t, v: sampleValue(write, i) }],
    }));
  }

  /** Another question with each `turn`: all samples as they lie there, or steps of a range query, which may come from a cache. */
  question(turn: number): Question {
    const { beginsMs, stepMs, samplesMax } = this.#times;
    if (turn % 2 === 0) {
      const first = Math.min(...beginsMs) / 1000;
      const last = (Math.max(...beginsMs) + samplesMax * stepMs) / 1000;
      return this.#raw(last, last - first + 1);
    }
    const part = Math.floor(turn / 2) % beginsMs.length;
    const start = (beginsMs[part] as number) / 1000;
    const range = { start, end: start + ((samplesMax - 1) * stepMs) / 1000, step: stepMs / 1000 };
    return this.#steps(range, `${stepMs}ms`, (write) => this.#partOf(write) === part);
  }

  #raw(time: number, seconds: number): Question {
    const parameters = { query: `${this.name}[${seconds}s]`, time };
    return { path: 'query', parameters, has: () => 'all' };
  }

  #steps(
    range: { readonly start: number; readonly end: number; readonly step: number },
    window: string,
    isIn: (write: number) => boolean,
  ): Question {
    const query = `last_over_time(${this.name}{series=~"steady-.*"}[${window}])`;
    return { path: 'query_range', parameters: { query, ...range }, has: (one) => (isIn(one) ? 'steady' : 'nothing') };
  }

  /**
   * @param acknowledged writes that were acknowledged before the question
   * @param sent all writes below this number were begun
   */
  judge({ has }: Question, answer: readonly SeriesValues[], acknowledged: readonly number[], sent: number): Verdict {
    const wrong: string[] = [];
    const found = new Map<string, Uint8Array>();
    for (const { metric, values } of answer) {
      const name = metric['series'] ?? '';
      const [kind, number] = name.split('-');
      const index = kind === 'steady' ? Number(number) : steadyCount;
      if (found.has(name)) wrong.push(`${this.name} ${name} is there twice`);
      const writes = new Uint8Array(sent);
      found.set(name, writes);
      for (const [t, v] of values) {
        const write = this.#writeAt(Math.round(t * 1000), sent);
        const isSent = write !== undefined && (kind === 'steady' || write === Number(number));
        if (!isSent) wrong.push(`${this.name} ${name} at ${t}: never sent, answered ${v}`);
        else if (Number(v) !== sampleValue(write, index))
          wrong.push(`${this.name} ${name} at ${t}: sent ${sampleValue(write, index)}, answered ${v}`);
        else if (writes[write] === 1) wrong.push(`${this.name} ${name} at ${t} is there twice`);
        else writes[write] = 1;
      }
    }
    const missing: string[] = [];
    let missingCount = 0;
    for (const write of acknowledged) {
      const what = has(write);
      if (what === 'nothing') continue;
      const count = what === 'all' ? steadyCount + 1 : steadyCount;
      for (let i = 0; i < count; i++) {
        const name = i === steadyCount ? `new-${write}` : `steady-${i}`;
        if (found.get(name)?.[write] === 1) continue;
        missingCount++;
        if (missing.length < 5) missing.push(`${this.name} ${name} of write ${write} at ${this.#timeOf(write) / 1000}`);
      }
    }
    return { missing, missingCount, wrong: wrong.slice(0, 5) };
  }

  #partOf(write: number): number {
    return Math.floor(write / writesInTurn) % this.#times.beginsMs.length;
  }

  #timeOf(write: number): number {
    const { beginsMs, stepMs } = this.#times;
    const round = Math.floor(write / (writesInTurn * beginsMs.length));
    return (beginsMs[this.#partOf(write)] as number) + (round * writesInTurn + (write % writesInTurn)) * stepMs;
  }

  /** The write that had a sample at this time; undefined where none was begun. */
  #writeAt(t: number, sent: number): number | undefined {
    const { beginsMs, stepMs, samplesMax } = this.#times;
    const part = beginsMs.findIndex((beginMs) => t >= beginMs && t < beginMs + samplesMax * stepMs);
    const index = (t - (beginsMs[part] ?? 0)) / stepMs;
    const round = Math.floor(index / writesInTurn);
    const write = (round * beginsMs.length + part) * writesInTurn + (index % writesInTurn);
    return Number.isInteger(write) && write >= 0 && write < sent ? write : undefined;
  }
}

const sampleValue = (write: number, index: number): number => write * 100 + index;
