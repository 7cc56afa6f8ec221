/**
 * A real Prometheus and a Maru that hold the same samples and are asked the same questions.
 * Owns what "the same answer" means beyond compare-answers.ts: the order of series; lists of annotations that were cut;
 * and answers that Prometheus itself gives differently from time to time, since it walks through maps. Each dataset has a Prometheus of
 * its own and a tenant of its own in a Maru that lives as long as its features are asked for.
 */
import { Failure } from '../../libs/errors/failure.ts';
import type { Expr } from '../../libs/promql/syntax/ast.ts';
import { parseExpr } from '../../libs/promql/syntax/parser.ts';
import { formatExpr } from '../../libs/promql/syntax/printer.ts';
import { type Agreement, compareAnswers } from '../support/compare-answers.ts';
import { type PushAnswer, push } from '../support/push-client.ts';
import { type Answer, ask, type QueryData, type QueryTarget } from '../support/query-client.ts';
import { requestsOfLoad } from '../support/sent-load.ts';
import { type Maru, startMaru } from '../support/start-maru.ts';
import { type PrometheusServer, startPrometheus } from '../support/start-prometheus.ts';
import { agreementOf } from './agreement.ts';
import { partsOf } from './parts.ts';
import type { Dataset } from './random-data.ts';
import type { Question } from './random-question.ts';

/** What is switched on in both. */
export interface Profile {
  readonly name: string;
  readonly features: readonly string[];
}

const syntaxFeatures = [
  'promql-experimental-functions',
  'promql-extended-range-selectors',
  'promql-binop-fill-modifiers',
];

/** As Prometheus comes, and with what changes the meaning of expressions. */
export const profiles: readonly Profile[] = [
  { name: 'plain', features: syntaxFeatures },
  {
    name: 'delayed names',
    features: [...syntaxFeatures, 'promql-delayed-name-removal', 'st-storage', 'use-start-timestamps'],
  },
  { name: 'type and unit labels', features: [...syntaxFeatures, 'type-and-unit-labels', 'st-storage'] },
];

const syntax = { experimentalFunctions: true, extendedRangeSelectors: true, binopFillModifiers: true };
/** How often Prometheus is asked again when it does not agree. */
const askedAgainMax = 6;
const conflictingResets = /conflicting counter resets/;
const cutAnnotations = /^(\d+) more (warning|info) annotations omitted$/;

/** The expression's tree; undefined if it is none. */
export function treeOf(text: string): Expr | undefined {
  try {
    return parseExpr(text, syntax);
  } catch (error) {
    if (error instanceof Failure) return undefined;
    throw error;
  }
}

export type Outcome =
  | { readonly kind: 'same'; readonly hasData: boolean; readonly failed: boolean }
  /** Prometheus does not agree with itself. */
  | { readonly kind: 'unsettled' }
  | { readonly kind: 'different'; readonly differences: readonly string[] };

/** Maru processes by profile, started when first needed. */
export class MaruFleet implements AsyncDisposable {
  readonly #started = new Map<string, Maru>();
  #tenants = 0;

  async of({ name, features }: Profile): Promise<Maru> {
    const known = this.#started.get(name);
    if (known !== undefined) return known;
    const maru = await startMaru({
      args: [
        `--enable-feature=${features.join(',')}`,
        '--limits.past-grace-period=0',
        '--self-metrics.tenant=none',
        '--query.timeout=30s',
      ],
    });
    this.#started.set(name, maru);
    return maru;
  }

  nextTenant(): string {
    return `fuzz-${++this.#tenants}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const maru of this.#started.values()) await maru[Symbol.asyncDispose]();
  }
}

/** One dataset in both servers. */
export class TwoServers implements AsyncDisposable {
  readonly #prometheus: PrometheusServer;
  readonly #maru: QueryTarget;
  readonly #inOrder: boolean;

  private constructor(prometheus: PrometheusServer, maru: QueryTarget, inOrder: boolean) {
    this.#prometheus = prometheus;
    this.#maru = maru;
    this.#inOrder = inOrder;
  }

  /** @throws Error where one of them does not take all samples */
  static async load(fleet: MaruFleet, profile: Profile, dataset: Dataset): Promise<TwoServers> {
    try {
      return await TwoServers.#loadOnce(fleet, profile, dataset);
    } catch {
      // On a busy machine another process may have taken the port meanwhile.
      return TwoServers.#loadOnce(fleet, profile, dataset);
    }
  }

  static async #loadOnce(fleet: MaruFleet, profile: Profile, dataset: Dataset): Promise<TwoServers> {
    const [prometheus, maru] = await Promise.all([
      startPrometheus({ version: 3, scrape: {}, features: profile.features }),
      fleet.of(profile),
    ]);
    try {
      const tenant = fleet.nextTenant();
      for (const series of dataset.loads.flatMap(requestsOfLoad)) {
        taken('Prometheus', await push(prometheus.baseUrl, series, { protocol: 'v2', path: '/api/v1/write' }));
        taken('Maru', await push(maru.baseUrl, series, { protocol: 'v2', tenant }));
      }
      return new TwoServers(prometheus, { baseUrl: maru.queryUrl, tenant }, dataset.loads.length === 1);
    } catch (error) {
      await prometheus[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** @throws Error for a question that nothing can be demanded of: see agreement.ts */
  async compare(question: Question): Promise<Outcome> {
    const expr = treeOf(question.expr);
    const agreement: Agreement | undefined = expr === undefined ? 'bits' : agreementOf(expr);
    if (agreement === undefined) throw new Error(`not comparable: ${question.expr}`);
    const [first, actual] = await Promise.all([this.#askPrometheus(question), askOne(this.#maru, question)]);
    let expected = first;
    const difference = () => this.#differences(expected, actual, agreement);
    const differences = difference();
    if (differences.length === 0) {
      const result = (expected.data as QueryData | undefined)?.result ?? [];
      return { kind: 'same', hasData: result.length > 0, failed: expected.status === 'error' };
    }
    if (expr !== undefined && (await this.#failsTwice(expr, question.when, expected, actual))) {
      return { kind: 'same', hasData: false, failed: true };
    }
    for (let i = 0; i < askedAgainMax; i++) {
      expected = await this.#askPrometheus(question);
      if (difference().length === 0 || this.#differences(first, expected, 'bits').length > 0) {
        return { kind: 'unsettled' };
      }
    }
    return { kind: 'different', differences };
  }

  /** Whether two parts of the expression are wrong, and each server tells of another one. */
  async #failsTwice(expr: Expr, when: Question['when'], expected: Answer, actual: Answer): Promise<boolean> {
    if (expected.errorType === undefined || expected.errorType !== actual.errorType) return false;
    for (const part of partsOf(expr)) {
      if (part.type === 'string' || (part.type === 'matrix' && when.kind === 'range')) continue;
      const question = { expr: formatExpr(part), when };
      const [theirs, ours] = await Promise.all([this.#askPrometheus(question), askOne(this.#maru, question)]);
      if (theirs.error === actual.error || ours.error === expected.error) return true;
    }
    return false;
  }

  #askPrometheus(question: Question): Promise<Answer> {
    return askOne({ baseUrl: this.#prometheus.baseUrl }, question);
  }

  #differences(expected: Answer, actual: Answer, agreement: Agreement): string[] {
    const [a, b] = [expected, actual].map((answer) => this.#comparable(answer)) as [Answer, Answer];
    const differences = compareAnswers(a, b, agreement);
    if (differences.length === 0) {
      const [left, right] = [a, b].map(labelsInOrder);
      if (left !== right) return [`expected the order ${left}`, `got ${right}`];
    }
    return differences;
  }

  /** Without what is not fixed: which annotations of many are shown, and counter resets known from out-of-order chunks. */
  #comparable(answer: Answer): Answer {
    const lists = (['warnings', 'infos'] as const).map((kind) => {
      const texts = answer[kind]?.filter((text) => this.#inOrder || !conflictingResets.test(text)) ?? [];
      const cut = texts.map((text) => cutAnnotations.exec(text)).find((match) => match !== null);
      return [kind, cut === undefined ? texts : [`${texts.length - 1 + Number(cut[1])} in all`]] as const;
    });
    return { ...answer, ...Object.fromEntries(lists) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#prometheus[Symbol.asyncDispose]();
  }
}

function taken(who: string, { status, text }: PushAnswer): void {
  if (status !== 204) throw new Error(`${who} answered ${status}: ${text}`);
}

function askOne(target: QueryTarget, { expr, when }: Question): Promise<Answer> {
  if (when.kind === 'instant') return ask(target, 'query', { query: expr, time: when.time }, 'POST');
  return ask(target, 'query_range', { query: expr, start: when.start, end: when.end, step: when.step }, 'POST');
}

function labelsInOrder({ data }: Answer): string {
  const result = (data as QueryData | undefined)?.result ?? [];
  if (!Array.isArray(result)) return '';
  return JSON.stringify(result.map(({ metric }) => (metric === undefined ? '' : Object.entries(metric).sort())));
}
