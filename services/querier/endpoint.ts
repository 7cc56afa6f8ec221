/**
 * What an endpoint of the read API is: a function from a call to an answer, and how that answer is dressed as HTTP.
 * Owns the shapes between routes (prometheus-routes.ts), the table (endpoints.ts) and the endpoints themselves.
 */
import type { IngesterStatusContract } from '../../libs/contracts/ingester.ts';
import type { Failure } from '../../libs/errors/failure.ts';
import type { Matcher } from '../../libs/model/matcher.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import type { SeriesSource } from '../../libs/series/series-source.ts';
import { type ApiAnswer, failureAnswer, plainFailureAnswer } from './api-answer.ts';
import type { QueryPool } from './query-pool.ts';
import type { RequestForm } from './request-form.ts';

/** What the API asks of the language; its errors are Failures of kind `bad_data`. */
export interface SelectorSyntax {
  /** Matchers of one metric selector such as a `match[]`. */
  parseSelector(text: string): readonly Matcher[];
  /** Matchers of every selector in an expression. */
  selectorsOf(query: string): readonly (readonly Matcher[])[];
  /** Whether the matcher lets an absent label pass. */
  matchesEmpty(matcher: Matcher): boolean;
}

export interface ApiDeps {
  /** Everything there is of a tenant. */
  readonly sourceOf: (tenant: TenantId) => SeriesSource;
  readonly ingester: IngesterStatusContract;
  readonly pool: QueryPool;
  readonly syntax: SelectorSyntax;
  readonly timeoutMs: number;
  /** How far back an instant selector looks, and /federate. */
  readonly lookbackMs: number;
  /** Most results that a search may ask for; 0 is no limit. */
  readonly searchLimitMax: number;
  /** Names of `--enable-feature`. */
  readonly features: ReadonlySet<string>;
  /** When the process started. */
  readonly startMs: number;
  readonly nowMs: () => number;
}

export interface ApiCall {
  readonly tenant: TenantId;
  readonly form: RequestForm;
  /** Aborts when the client has left. */
  readonly signal: AbortSignal;
  /** The label name in the path of `label/<name>/values`, else ''. */
  readonly labelName: string;
  /** A body that is no form. */
  readonly body: Uint8Array;
  /** The header `Accept`. */
  readonly accept: string;
  /** Whether whoever writes the answer should compress it; it then says so. */
  readonly gzip: boolean;
}

export type Endpoint = (call: ApiCall, deps: ApiDeps) => Promise<ApiAnswer>;

/** How the answers of an endpoint look as HTTP: not all of Prometheus' handlers stand behind the same wrappers. */
export interface Dress {
  readonly cors: boolean;
  readonly compresses: boolean;
  readonly failure: (failure: Failure) => ApiAnswer;
}

/** Most of the API. */
export const apiDress: Dress = { cors: true, compresses: true, failure: failureAnswer };
/** What streams or is small. */
export const uncompressedDress: Dress = { cors: true, compresses: false, failure: failureAnswer };
/** What browsers do not ask for: errors are a line of text. */
export const plainDress: Dress = { cors: false, compresses: false, failure: plainFailureAnswer };
/** Of /federate. */
export const federateDress: Dress = { cors: false, compresses: true, failure: plainFailureAnswer };

export interface EndpointRow {
  /** Below the prefix of all (`/prometheus` or nothing), in fastify's syntax. */
  readonly path: string;
  readonly methods: readonly ('GET' | 'POST' | 'PUT')[];
  readonly endpoint: Endpoint;
  readonly dress: Dress;
  /** Says nothing about a tenant and is answered to anybody, as in Mimir. */
  readonly isOpen?: boolean;
}
