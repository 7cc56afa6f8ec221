/**
 * What an ingester promises its callers, in model terms; carried in process or over gRPC (libs/rpc/ingester-server.ts).
 */
import { Failure } from '../errors/failure.ts';
import type { TenantId } from '../model/tenant-id.ts';
import type { SeriesSource } from '../series/series-source.ts';
import type { WriteBatch } from './write-batch.ts';

export interface RejectedSeries {
  /** Index of the series in the batch: none of its samples were stored. */
  readonly series: number;
  readonly reason: string;
  /** What was lost with it. */
  readonly samples: number;
  readonly histograms: number;
  readonly exemplars: number;
}

export interface PushOutcome {
  /**
   * The receiver's number of every series of the batch, 0 where it has none: rejected, or not known and sent without a sample.
   * A sender may use them from now on.
   */
  readonly refs: Uint32Array;
  readonly rejected: readonly RejectedSeries[];
  /** Exemplars of series that are not known and came without a sample: no error, and not stored. */
  readonly exemplarsDropped: number;
}

/** Too few could take a batch because they do not know the numbers of its series any more: with labels they can, at once. */
export class SeriesForgotten extends Failure {}

/** Samples younger than this are in an ingester, whether or not they are in a block of the bucket as well. */
export const recentBlocksMs = 3 * 3_600_000;

/** Recent samples of one tenant: what is in no block of the bucket, and some of what is. */
export interface RecentSource extends SeriesSource {
  /** Names of blocks that it answers for: whoever reads blocks from the bucket needs not read these. */
  readonly blocks: readonly string[];
}

/** Until when an ingester had been written to when it was read. */
export interface OwnerMark {
  readonly partition: number;
  /** Which ingester, with which disk. */
  readonly owner: string;
  /** Drawn at every start of its process. */
  readonly run: number;
  /** Number of its last write into the time that was read. */
  readonly write: number;
}

/** What the recent part of an answer rests on: nothing changed it as long as every mark is what it was. */
export interface RecentRead {
  readonly minT: number;
  readonly maxT: number;
  readonly marks: readonly OwnerMark[];
}

export interface TimeSpan {
  readonly minT: number;
  readonly maxT: number;
}

/** The numbers of an ingester's last writes into spans of time. */
export interface WriteMarksOf {
  readonly run: number;
  readonly writes: readonly number[];
}

export interface CountedName {
  readonly name: string;
  readonly count: number;
}

/** How large a tenant's head is; the rankings are the largest first. Chunks are those that take no more samples and open ones. */
export interface HeadStatus {
  readonly series: number;
  readonly labelPairs: number;
  readonly chunks: number;
  /** Times of the oldest and the newest sample, undefined where there is none. */
  readonly minT: number | undefined;
  readonly maxT: number | undefined;
  readonly seriesByMetric: readonly CountedName[];
  readonly valuesByLabel: readonly CountedName[];
  /** What the pairs of a label would take if every series had its own copy. */
  readonly bytesByLabel: readonly CountedName[];
  /** Names are `label=value`. */
  readonly seriesByPair: readonly CountedName[];
}

/**
 * What a read may miss where writes go through a log that ingesters follow: nothing that was acknowledged before it came, else it
 * waits, and carries a warning if the log cannot say where it ends (`default`) or fails (`strong`); or whatever is not applied yet
 * (`eventual`).
 */
export type ReadConsistency = (typeof readConsistencies)[number];
export const readConsistencies = ['default', 'eventual', 'strong'] as const;

export interface IngesterContract {
  /**
   * Changes whenever numbers given out before stop being valid (another process, a series table built anew).
   * A sender drops every number it learned under another epoch before it builds a batch.
   */
  refEpoch(): number;
  /**
   * Makes the numbers in refs[0, count) 0 that the receiver dropped within this epoch, as their series had no samples for hours.
   * Whoever sends numbers asks for it in the turn in which he pushes. @returns how many there were
   */
  clearDropped(tenant: TenantId, refs: Uint32Array, count: number): number;
  /**
   * Resolves when the batch is durable (group commit done) and visible to every later read. The receiver is done with the
   * memory of the batch when this call returns, long before the promise resolves: the sender may reuse it at once.
   * @throws Failure `unavailable` when it could not be made durable: nothing of it was acknowledged.
   */
  push(batch: WriteBatch): Promise<PushOutcome>;
  /** Recent samples of one tenant, for one read. A tenant that never wrote is empty, not an error. */
  source(tenant: TenantId, consistency: ReadConsistency): RecentSource;
}

/** An ingester that follows a partition of a log. */
export interface LogFollowerContract {
  /**
   * Resolves with the offset up to which everything is applied, when that is `offset` or more or time is up.
   * @throws Failure `unavailable` that says why it does not follow the log any more
   */
  applied(offset: number, timeoutMs: number, signal: AbortSignal): Promise<number>;
}

export interface HeldFromContract {
  /**
   * Of what was accepted before the call it knows all that reached it, and what of that is in no block which every reader has heard of is not
   * older than this; 0 where that cannot be said.
   */
  heldFromMs(): number;
}

export interface WriteMarksContract {
  /** In the turn in which it is asked: what is read afterwards has every write up to these. */
  writeMarks(tenant: TenantId, spans: readonly TimeSpan[]): WriteMarksOf;
}

/** Where it is known of recent samples whether they have changed. */
export interface RecentChangesContract {
  /** Like source(), and tells what each select rests on, which was noted before anything was read. */
  witnessedSource(tenant: TenantId, onRead: (read: RecentRead) => void): RecentSource;
  /** Whether nothing was accepted since that could change what was read then. False where that cannot be said. */
  isUnchanged(tenant: TenantId, reads: readonly RecentRead[], signal: AbortSignal): Promise<boolean>;
}

/** What an ingester says of itself and of how much it holds. */
export interface IngesterStatusContract {
  /** @param countMax names in each ranking. @throws what `signal` was aborted with */
  headStatus(tenant: TenantId, countMax: number, signal: AbortSignal): Promise<HeadStatus>;
  /** How much of what a restart reads has been read; equal when it is over. */
  restoreProgress(): { readonly bytesDone: number; readonly bytesTotal: number };
}

/** How far an ingester is that gives everything it holds to the bucket and takes no more. */
export interface DrainState {
  readonly state: 'none' | 'draining' | 'drained';
  /** While it goes on, in a sentence. */
  readonly waitsFor: string | undefined;
}

/** What a start of the ingester found in its data folder. */
export interface FoundData {
  /** Something that had been accepted could not be read. */
  readonly hasHole: boolean;
  /** There are samples that are in no block yet. */
  readonly hasSamples: boolean;
  /** Sequence number of the newest record of its log, which only ever rises on one folder. */
  readonly logPosition: number;
}

/** What an ingester finds when it has joined the ring. */
export interface JoinedPlace {
  /** Its partition takes no writes yet, and whatever was acknowledged of it before is in blocks. */
  readonly isUnwritten: boolean;
}
