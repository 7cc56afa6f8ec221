/**
 * The ingester behind its contract: one Tsdb that is first restored, then written and read.
 * Owns the time before the Tsdb is there: writes and reads are refused with the reason, never answered from half of the data.
 * Comes from services/distributor and services/querier through libs/contracts; goes to libs/tsdb.
 */
import { randomInt } from 'node:crypto';
import type {
  HeadStatus,
  HeldFromContract,
  IngesterContract,
  IngesterStatusContract,
  LogFollowerContract,
  PushOutcome,
  RecentSource,
  TimeSpan,
  WriteMarksContract,
  WriteMarksOf,
} from '../../libs/contracts/ingester.ts';
import type { WriteBatch } from '../../libs/contracts/write-batch.ts';
import { Failure } from '../../libs/errors/failure.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import { noteArrival } from '../../libs/std/make-way.ts';
import type { RestoreProgress, RestoreReport, Tsdb } from '../../libs/tsdb/tsdb.ts';
import type { DamagedRecords } from './damaged-records.ts';
import type { FollowLog } from './follow-log.ts';
import { type RecentBlocks, recentSource } from './recent-source.ts';

export class IngesterHandler
  implements IngesterContract, IngesterStatusContract, LogFollowerContract, WriteMarksContract, HeldFromContract
{
  readonly #blocks: RecentBlocks;
  readonly #blocksFromMs: () => number;
  readonly #followsLog: boolean;
  #tsdb: Tsdb | undefined;
  #progress: RestoreProgress | undefined;
  #stopping = false;
  #isDraining = false;
  /** Drawn at every start: a distributor elsewhere knows by it that numbers of the process before mean nothing. */
  readonly #refEpoch = randomInt(1, 0xffffffff);

  /**
   * @param blocks cut from the heads and still here
   * @param blocksFromMs the oldest sample in one of them that some reader may not know in the bucket
   * @param followsLog whether a log brings the writes, and `follow` will be there
   */
  constructor(blocks: RecentBlocks, blocksFromMs: () => number, followsLog = false) {
    this.#blocks = blocks;
    this.#blocksFromMs = blocksFromMs;
    this.#followsLog = followsLog;
  }

  /** What there is to know about the restart while it runs. */
  readonly progress = (state: RestoreProgress): void => {
    this.#progress = state;
  };

  get tsdb(): Tsdb | undefined {
    return this.#tsdb;
  }

  /** What the restart found, once it is over. */
  report: RestoreReport | undefined;

  /** What brings the writes, where they come through a log. */
  follow: FollowLog | undefined;
  damagedRecords: DamagedRecords | undefined;

  restored(tsdb: Tsdb, report: RestoreReport): void {
    this.#tsdb = tsdb;
    this.report = report;
  }

  stopping(): void {
    this.#stopping = true;
  }

  /** No write that comes from now on is taken: those that were are in the head. */
  closeWrites(): void {
    this.#isDraining = true;
  }

  /** Why nothing can be asked of it, undefined when it can. */
  notReadyReason(): string | undefined {
    if (this.#stopping) return 'the ingester is stopping';
    const tsdb = this.#tsdb;
    if (tsdb === undefined) {
      const state = this.#progress;
      if (state === undefined) return 'the ingester is opening its data folder';
      const share = state.bytesTotal === 0 ? 100 : Math.floor((state.bytesDone / state.bytesTotal) * 100);
      const what = state.phase === 'snapshot' ? 'loading the snapshot of the head' : 'replaying the write-ahead log';
      return `the ingester is ${what}: ${share} % of ${state.bytesTotal} bytes`;
    }
    if (tsdb.walState === 'failed') return 'the write-ahead log failed: the process is stopping';
    return this.follow?.notReadyReason();
  }

  /** What it cannot do although it can be asked. */
  amissReason(): string | undefined {
    if (this.#tsdb?.walState === 'full') return 'the disk is full: writes are refused until there is room';
    return this.follow?.amissReason();
  }

  /** Series numbers live as long as this process: a distributor in the same process never sees another epoch. */
  refEpoch(): number {
    return this.#refEpoch;
  }

  clearDropped(tenant: TenantId, refs: Uint32Array, count: number): number {
    return this.#open().clearDropped(tenant, refs, count);
  }

  async push(batch: WriteBatch): Promise<PushOutcome> {
    if (this.#isDraining) throw refusal('this ingester is draining and takes no writes');
    // It would be in no log.
    if (this.#followsLog) throw refusal('this ingester takes writes from the log alone (ingest.log=kafka)');
    noteArrival();
    return this.#open().push(batch);
  }

  /** @throws Failure that names a record of the log that is ours and could not be taken in */
  source(tenant: TenantId): RecentSource {
    this.#checkWhole(tenant);
    return recentSource(tenant, this.#open().source(tenant), this.#blocks);
  }

  headStatus(tenant: TenantId, countMax: number, signal: AbortSignal): Promise<HeadStatus> {
    return this.#open().headStatus(tenant, countMax, signal);
  }

  /** @throws Failure `unavailable` where the log does not go on */
  async applied(offset: number, timeoutMs: number, signal: AbortSignal): Promise<number> {
    const { follow } = this;
    if (follow === undefined) throw new Failure('unavailable', 'this ingester does not follow a log yet');
    const reached = follow.gap === undefined ? await follow.applied(offset, timeoutMs, signal) : 0;
    if (follow.gap !== undefined) throw new Failure('unavailable', follow.gap);
    return reached;
  }

  /** @throws Failure as source(): what it cannot answer it cannot vouch for */
  writeMarks(tenant: TenantId, spans: readonly TimeSpan[]): WriteMarksOf {
    this.#checkWhole(tenant);
    const { writeMarks } = this.#open();
    return { run: writeMarks.run, writes: spans.map(({ minT, maxT }) => writeMarks.lastWrite(tenant, minT, maxT)) };
  }

  heldFromMs(): number {
    const tsdb = this.#tsdb;
    if (tsdb === undefined || (this.#followsLog && this.follow?.isBehind !== false)) return 0;
    return Math.min(tsdb.heldFromMs(), this.#blocksFromMs());
  }

  restoreProgress(): { readonly bytesDone: number; readonly bytesTotal: number } {
    const { bytesDone, bytesTotal } = this.#progress ?? { bytesDone: 0, bytesTotal: 0 };
    return { bytesDone: this.#tsdb === undefined ? bytesDone : bytesTotal, bytesTotal };
  }

  #checkWhole(tenant: TenantId): void {
    if (this.#followsLog && this.follow?.knowsDamaged !== true)
      throw refusal('the ingester looks for its place in the log');
    const damaged = this.damagedRecords?.of(tenant);
    if (damaged === undefined) return;
    throw new Failure(
      'internal',
      `the record at offset ${damaged.offset} of partition ${damaged.partition} of the log does not decode: what it holds is missing. ` +
        `It lies in ${damaged.path}: start a release that can read it, or take the file away to give it up`,
    );
  }

  #open(): Tsdb {
    if (this.#tsdb === undefined) {
      throw new Failure('unavailable', this.notReadyReason() ?? 'the ingester is not ready', { retryAfterSeconds: 1 });
    }
    return this.#tsdb;
  }
}

const refusal = (why: string): Failure => new Failure('unavailable', why, { retryAfterSeconds: 1 });

/** What a restart found, as fields of a log line. */
export function reportFields(report: RestoreReport): object {
  return {
    seconds: Math.round(report.seconds * 1000) / 1000,
    snapshotBytes: report.snapshotBytes,
    walBytes: report.replay.bytes,
    walRecords: report.replay.records,
    damages: report.damages.length,
  };
}
