/**
 * What an endpoint of the read API is here: a function from a call to an answer, and what it needs.
 * Owns the shapes between the table (endpoints.ts) and the endpoints themselves.
 */
import type { BucketIndex } from '../../libs/blocks/bucket-index.ts';
import type { IngesterStatusContract } from '../../libs/contracts/ingester.ts';
import type { Matcher } from '../../libs/model/matcher.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import type { ApiAnswer } from '../../libs/query-api/api-answer.ts';
import type { ApiCall } from '../../libs/query-api/api-call.ts';
import type { SeriesSource } from '../../libs/series/series-source.ts';
import type { QueryPool } from './query-pool.ts';
import type { ReadWitness, WitnessCheck } from './read-witness.ts';

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
  /** Where it is known what an answer rests on, and whether that has changed. */
  readonly witnesses?: WitnessCheck & {
    readonly sourceOf: (tenant: TenantId, witness: ReadWitness) => SeriesSource;
  };
  /** What the bucket holds of a tenant. @throws Failure */
  readonly bucketIndexOf: (tenant: TenantId, signal: AbortSignal) => Promise<BucketIndex>;
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

export type Endpoint = (call: ApiCall, deps: ApiDeps) => Promise<ApiAnswer>;
