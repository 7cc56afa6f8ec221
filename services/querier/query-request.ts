/** One piece of work for a query worker, as data: what the HTTP parameters came to. Times are whole milliseconds. */

import type { Matcher } from '../../libs/model/matcher.ts';
import type { WholeRange } from '../../libs/promql/engine.ts';
import type { ReadForm, ReadQuery } from '../../libs/wire/read-request.ts';
import type { ExpositionForm } from './exposition-form.ts';

export type QueryRequest = ExpressionRequest | SelectorsRequest | ReadRequest | FederateRequest;

export type ExpressionRequest = EvaluationRequest | SyntaxRequest;

export interface EvaluationRequest {
  readonly kind: 'evaluate';
  readonly query: string;
  /** Equal for an instant query. */
  readonly startMs: number;
  readonly endMs: number;
  /** 0 for an instant query. */
  readonly stepMs: number;
  /** 0 for the engine's own. */
  readonly lookbackMs: number;
  /** Series that the answer may have, 0 for any number. */
  readonly limit: number;
  /** The `stats` parameter as it was written. */
  readonly stats: string;
  /** Of a part of a query, which is answered as columns: the times of the whole. */
  readonly whole?: WholeRange;
}

export interface SyntaxRequest {
  readonly kind: 'syntax';
  /** The tree as JSON, or the text over as many lines as it needs. */
  readonly wanted: 'tree' | 'text';
  readonly query: string;
}

/** Selectors as JSON, without patterns that would keep the main thread busy. */
export interface SelectorsRequest {
  readonly kind: 'selectors';
  /** Metric selectors, or with `ofExpression` expressions whose selectors are wanted. */
  readonly texts: readonly string[];
  readonly ofExpression: boolean;
  readonly minT: number;
  readonly maxT: number;
}

/** Samples for another server. */
export interface ReadRequest {
  readonly kind: 'read';
  readonly form: ReadForm;
  readonly queries: readonly ReadQuery[];
}

/** The newest samples, for a server that scrapes them. */
export interface FederateRequest {
  readonly kind: 'federate';
  readonly selectors: readonly (readonly Matcher[])[];
  readonly minT: number;
  readonly maxT: number;
  readonly form: ExpositionForm;
}
