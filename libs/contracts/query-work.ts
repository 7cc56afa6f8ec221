/**
 * What a query-frontend has for queriers to do, and how they take it: they pull, so that a querier that is slow or gone is
 * given nothing. Carried in process or over gRPC (libs/rpc/query-work-server.ts).
 */
import { Failure } from '../errors/failure.ts';
import type { TenantId } from '../model/tenant-id.ts';
import type { SeriesShard, ShardLabels } from '../series/series-shard.ts';
import type { ReadConsistency } from './ingester.ts';

/** A call of the read API, as it was asked. */
export interface CallWork {
  readonly kind: 'call';
  readonly tenant: TenantId;
  /** In the spelling of libs/query-api/api-paths.ts. */
  readonly path: string;
  /** Parameters, application/x-www-form-urlencoded, those of a body first. */
  readonly form: string;
  /** The label name in the path of `label/<name>/values`, else ''. */
  readonly labelName: string;
  /** A body that is no form. */
  readonly body: Uint8Array;
  /** The header `Accept`. */
  readonly accept: string;
  /** Whether the answer is wanted compressed. */
  readonly gzip: boolean;
  /** What the answer may miss of what was written last. */
  readonly consistency: ReadConsistency;
}

/** Some steps of a range query, answered as columns (libs/wire/peer/part-message.ts). */
export interface PartWork {
  readonly kind: 'part';
  readonly tenant: TenantId;
  readonly query: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number;
  /** The times of the whole query. */
  readonly wholeStartMs: number;
  readonly wholeEndMs: number;
  /** 0 for the querier's own. */
  readonly lookbackMs: number;
  /** Of the series of every selection; undefined for all. */
  readonly shard?: SeriesShard | undefined;
  /** Where a selection is heavier than this, nothing is evaluated and the answer says so. */
  readonly weighing?: Weighing | undefined;
  /** Series that do not come in the order of their labels are an error: in that of all series they do, and the order may show. */
  readonly sorted: boolean;
}

/** What is asked first, where a part may be asked in shards. */
export interface Weighing extends ShardLabels {
  readonly weightMax: number;
}

/** A selection that is worth asking in shards. */
export interface HeavySelection {
  /** As so many series that are read for an hour. */
  readonly weight: number;
  readonly series: number;
  /** How many of them are in the largest of the groups that are equal in the labels of the weighing; 0: it is not known. */
  readonly largestGroup: number;
  /** They come in the order of their labels. */
  readonly sorted: boolean;
}

/** Whether answers that were kept are still what they were: answered by a JSON array of booleans. */
export interface CheckWork {
  readonly kind: 'check';
  readonly tenant: TenantId;
  /** What came with the answers. */
  readonly witnesses: readonly string[];
}

export type QueryWork = CallWork | PartWork | CheckWork;

/** What stands before the bytes of an answer. */
export interface WorkHead {
  readonly httpStatus: number;
  /** JSON where it is ''. */
  readonly contentType: string;
  /** Further headers: name, value, name, value. */
  readonly headers: readonly string[];
  readonly gzip: boolean;
  /** False: an answer without content. */
  readonly hasBody: boolean;
  /** 0 where nothing is said. */
  readonly retryAfterSeconds: number;
}

/** A querier is gone with the work that it had in hand: by chance, or because of it. */
export class QuerierLost extends Failure {}

/** Work in the hands of one querier, which answers it: a head, pieces, and an end or a failure. */
export interface TakenWork {
  readonly work: QueryWork;
  /** The trace that it belongs to (W3C traceparent); '' for none. */
  readonly traceparent: string;
  /** So much of the query's time is left. */
  readonly timeoutMs: number;
  /** Aborts when nobody wants the answer any more. */
  readonly signal: AbortSignal;
  /** Resolves when there is room for more. After the last piece, or a rejection, it is over. */
  give(part: { readonly head?: WorkHead; readonly piece: Uint8Array; readonly last: boolean }): Promise<void>;
  fail(failure: Failure): Promise<void>;
}

/** Evaluations take a core for a while; lists (labels, series, status) do not and never wait for them. */
export type WorkLane = 'evaluations' | 'lists';
export const workLanes: readonly WorkLane[] = ['evaluations', 'lists'];

/** What a querier waits for. */
export interface WorkWish {
  readonly lane: WorkLane;
  /** Of what this querier waits for in the lane, so many are only for tenants of whom it has nothing there: one who asks long questions waits behind himself. */
  readonly spares: number;
}

export interface QueryWorkContract {
  /**
   * Waits for work.
   * @param querier who asks: what failed there is given to another one first
   * @throws Failure `unavailable` where there will be none; what `signal` was aborted with
   */
  take(wish: WorkWish, querier: string, signal: AbortSignal): Promise<TakenWork>;
}
