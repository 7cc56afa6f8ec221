/**
 * Writers whose every push is a pure function of its number, and the ledger of what became of each push.
 * Owns what is sent, what was acknowledged, and the verdict on an answer: every acknowledged sample is there with its
 * value, nothing is there that was never sent, nothing is there twice. Does not own when the server dies.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Protocol } from './push-client.ts';
import { push } from './push-client.ts';
import type { QueryTarget } from './query-client.ts';
import { ask, queryAt } from './query-client.ts';
import type { SentLabels, SentSeries } from './remote-write-messages.ts';
import type { SeededRandom } from './seeded-random.ts';

export interface WriterPlan {
  readonly name: string;
  readonly protocol: Protocol;
  readonly seriesCount: number;
  /** A native histogram and an exemplar beside each push. */
  readonly histograms: boolean;
  /** Every push brings series that no push before had. */
  readonly newSeries: boolean;
}

/** What became of a push: `unknown` until it is acknowledged. */
type Fate = 'acknowledged' | 'unknown';

const samplesPerSeries = 3;
const stepMs = 10;

export class WriteLedger {
  readonly #plan: WriterPlan;
  readonly #baseMs: number;
  readonly #fates: Fate[] = [];
  #refused = 0;

  /** @param baseMs times of samples begin an hour before it, in the past, and rise with the number of the push */
  constructor(plan: WriterPlan, baseMs: number) {
    this.#plan = plan;
    this.#baseMs = baseMs;
  }

  get name(): string {
    return this.#plan.name;
  }

  get acknowledgedPushes(): number {
    return this.#fates.filter((fate) => fate === 'acknowledged').length;
  }

  /** How often the server said 503: such a push is sent again until it is acknowledged. */
  get refusedPushes(): number {
    return this.#refused;
  }

  /**
   * Pushes one after the other until the signal, or the server's death. As Prometheus does, a push that the server
   * refused for now is sent again; one whose fate is unknown sometimes: it must not appear twice.
   */
  async writeUntil(baseUrl: string, signal: AbortSignal, random: SeededRandom): Promise<void> {
    const last = this.#fates.length - 1;
    let number = this.#fates[last] === 'unknown' && random.next() < 0.5 ? last : last + 1;
    while (!signal.aborted) {
      const answer = await this.#pushOne(baseUrl, number);
      if (answer === 'dead') return;
      if (answer === 'acknowledged') number = this.#fates.length;
      await sleep(answer === 'refused' ? 100 : random.between(0, 8));
    }
  }

  async #pushOne(baseUrl: string, number: number): Promise<'acknowledged' | 'refused' | 'dead'> {
    this.#fates[number] ??= 'unknown';
    const answer = await push(baseUrl, this.#seriesOf(number), { protocol: this.#plan.protocol }).catch(
      () => undefined,
    );
    if (answer === undefined) return 'dead';
    if (answer.status === 503) {
      this.#refused++;
      return 'refused';
    }
    assert.equal(answer.status, 204, `push ${number} of ${this.name}: ${answer.text}`);
    this.#fates[number] = 'acknowledged';
    return 'acknowledged';
  }

  #seriesOf(number: number): SentSeries[] {
    const { seriesCount, histograms, newSeries } = this.#plan;
    const series = Array.from(
      { length: seriesCount },
      (_, i): SentSeries => ({
        labels: this.#labels(`kill_${newSeries ? number : 0}`, i),
        samples: Array.from({ length: samplesPerSeries }, (_, j) => ({
          t: this.#time(number, j),
          v: sampleValue(number, i, j),
        })),
      }),
    );
    if (!histograms) return series;
    const t = this.#time(number, 0);
    return [
      ...series,
      {
        labels: this.#labels('kill_histogram', 0),
        histograms: [
          {
            t,
            kind: 'integer',
            count: number + 2,
            sum: number / 4,
            schema: 1,
            positiveSpans: [
              [0, 1],
              [number % 7, 1],
            ],
            positive: [1, number],
          },
        ],
        exemplars: [{ labels: [['trace_id', `${this.name}-${number}`]], t, v: number }],
      },
    ];
  }

  #labels(metric: string, index: number): SentLabels {
    return [
      ['__name__', metric],
      ['index', String(index)],
      ['writer', this.name],
    ];
  }

  /** Every fourth push is far in the past: out of order, and in another two-hour range. */
  #time(number: number, j: number): number {
    const past = number % 4 === 1 ? 3 * 3600_000 : 3600_000;
    return this.#baseMs - past + (number * samplesPerSeries + j) * stepMs;
  }

  /**
   * Asks for everything this writer ever sent and compares. It may go on writing meanwhile: what it is asked to show is what
   * was acknowledged before the question.
   */
  async verify(target: QueryTarget): Promise<void> {
    const time = this.#baseMs / 1000;
    const acknowledged = this.#acknowledgedNow();
    const { result } = await queryAt(target, `{writer="${this.name}"}[6h]`, time);
    const answered = new Map<string, Map<number, string>>();
    for (const { metric, values = [], histograms = [] } of result) {
      const points = new Map<number, string>();
      const all = [...values, ...histograms.map(([t, { count, sum }]) => [t, `${count}/${sum}`] as const)];
      for (const [t, value] of all) {
        const ms = Math.round(t * 1000);
        assert.ok(!points.has(ms), `${this.name}: ${JSON.stringify(metric)} has ${ms} twice`);
        points.set(ms, value);
      }
      const key = `${metric.__name__}/${metric.index}`;
      assert.ok(!answered.has(key), `${this.name}: series ${key} twice`);
      answered.set(key, points);
    }

    for (const number of this.#fates.keys()) {
      for (const { labels, samples = [], histograms = [] } of this.#seriesOf(number)) {
        const key = `${labels[0][1]}/${labels[1][1]}`;
        const points = answered.get(key);
        const sent = [
          ...samples.map(({ t, v }) => [t, String(v)] as const),
          ...histograms.map(({ t, count, sum }) => [t, `${count}/${sum}`] as const),
        ];
        for (const [t, value] of sent) {
          const found = points?.get(t);
          if (found === undefined && !acknowledged.has(number)) continue;
          assert.equal(found, value, `${this.name}: push ${number}, ${key} at ${t}`);
          points?.delete(t);
        }
      }
    }
    for (const [key, points] of answered) {
      assert.deepEqual([...points], [], `${this.name}: ${key} answers what was never sent`);
    }
    if (this.#plan.histograms) await this.#verifyExemplars(target);
  }

  async #verifyExemplars(target: QueryTarget): Promise<void> {
    const acknowledged = this.#acknowledgedNow();
    const answer = await ask(target, 'query_exemplars', {
      query: `kill_histogram{writer="${this.name}"}`,
      start: this.#baseMs / 1000 - 6 * 3600,
      end: this.#baseMs / 1000,
    });
    const found = (answer.data as { exemplars: { labels: { trace_id: string }; value: string }[] }[])
      .flatMap(({ exemplars }) => exemplars)
      .map(({ labels, value }) => `${labels.trace_id} ${value}`);
    assert.equal(new Set(found).size, found.length, `${this.name}: an exemplar is there twice`);
    for (const number of acknowledged) {
      assert.ok(found.includes(`${this.name}-${number} ${number}`), `${this.name}: exemplar ${number} is lost`);
    }
  }

  #acknowledgedNow(): ReadonlySet<number> {
    return new Set(this.#fates.keys().filter((number) => this.#fates[number] === 'acknowledged'));
  }
}

const sampleValue = (number: number, i: number, j: number): number => number * 1000 + i + j / 4;
