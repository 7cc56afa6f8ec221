/**
 * One disk, many tenants: heads in memory, one log under all of them.
 * Owns the order of things: restore, then take writes; apply a write and log it in the same turn; snapshot, then drop the
 * log behind it. Does not own what a head is (head/), nor bytes on disk (wal/). Comes from services/ingester; goes to
 * head/tenant-head.ts and wal/writer.ts.
 */
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { HeadStatus, PushOutcome, RejectedSeries } from '../contracts/ingester.ts';
import { keepRows } from '../contracts/keep-rows.ts';
import type { WriteBatch } from '../contracts/write-batch.ts';
import { Failure } from '../errors/failure.ts';
import { tenantsLimitText } from '../limits/limits.ts';
import type { TenantId } from '../model/tenant-id.ts';
import type { SeriesSource } from '../series/series-source.ts';
import { assert } from '../std/assert.ts';
import { type Disk, isDiskFull } from '../std/disk.ts';
import { runInSlices } from '../std/steps.ts';
import { untilAborted } from '../std/until-aborted.ts';
import { type CutOptions, RangeCutter } from './cut-ranges.ts';
import { dropEmptySeries, rebuildSeries } from './head/drop-series.ts';
import type { HeadRange } from './head/head-range.ts';
import { HeadSource } from './head/head-source.ts';
import { headStatusOf } from './head/head-status.ts';
import { seriesNumberMax } from './head/series-table.ts';
import { TenantHead, type TenantHeadOptions } from './head/tenant-head.ts';
import { ValueLists } from './head/value-lists.ts';
import { type AcceptedAges, LostRecords, withLossWarning } from './lost-records.ts';
import type { HeadLog, OutsideLog } from './outside-log.ts';
import { RecordApplier } from './replay-record.ts';
import type { Damage } from './wal/frame.ts';
import { encodeDrop, encodeFreeze, encodeGone } from './wal/range-record.ts';
import { encodePushRecord } from './wal/record.ts';
import { type ReplayResult, replayWal } from './wal/replay.ts';
import type { RestoredIds } from './wal/restored-ids.ts';
import { listSegments, segmentPath } from './wal/segment.ts';
import { listSnapshots, loadSnapshot, removeUnfinishedSnapshots, snapshotPath, writeSnapshot } from './wal/snapshot.ts';
import { type WalState, WalWriter } from './wal/writer.ts';
import { WriteMarks } from './write-marks.ts';

export interface TsdbLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface TsdbOptions {
  readonly disk: Disk;
  /** Holds `wal/`, `snapshots/` and, after damage, `damaged/`. */
  readonly directory: string;
  readonly segmentBytes: number;
  /** A snapshot is written when the log has grown by this and by the size of the snapshot before. */
  readonly snapshotBytes: number;
  readonly fullRetryMs: number;
  readonly log: TsdbLog;
  /** Durability is gone: stop the process, exit non-zero. */
  readonly onFatal: (error: unknown) => void;
  /** Most tenants that may have a head: a write that would begin one more is refused. Those that a restart finds are all restored. */
  readonly tenantsMax?: number;
  /** Most series that a tenant may have; 0 is no limit. Asked when a series is new. */
  readonly seriesMax: (tenant: TenantId) => number;
  /** Why a new series was refused, for the sender. */
  readonly seriesRefusal: (tenant: TenantId) => string;
  readonly headOptions: (tenant: TenantId) => TenantHeadOptions;
  /** With it, questions over a time of which damage may have taken samples are answered with a warning, in later runs as well. */
  readonly lossWarning?: { readonly nowMs: () => number; readonly acceptedAges: (tenant: TenantId) => AcceptedAges };
  /** Where ranges go; undefined: they stay in the head for good. */
  readonly cut?: CutOptions;
  /** The log is kept elsewhere, and this stands for it; undefined: it is the WAL below `directory`. */
  readonly outside?: OutsideLog;
}

/** Where a restart stands, for logs and /ready. */
export interface RestoreProgress {
  readonly phase: 'snapshot' | 'log';
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

/** What a restart found; for logs and metrics. */
export interface RestoreReport {
  readonly snapshotBytes: number;
  readonly replay: ReplayResult;
  readonly damages: readonly Damage[];
  /** Rows of the log whose series was lost with a damaged file. */
  readonly orphanRows: number;
  /** Sequence number of the newest record that was found; only ever rises on one data folder. */
  readonly lastSeq: number;
  readonly seconds: number;
}

/** Open and frozen ranges of one tenant: a backfill that goes through them without order must wait until some are written. */
const rangesMax = 4096;
/** Tenants whose head is gone of whom the last number is remembered. */
const tenantsGoneMax = 100_000;
/** Of so many it is known when they wrote, where nothing says how many there may be; twice that many, as those who leave may come back. */
const tenantsMarkedMax = 10_000;
/** Log records in memory that wait for the disk; one more may come on top. */
const pendingBytesMax = 256 << 20;
/** Values of labels that are kept in order, of all heads: some 60 bytes a value. */
const valueListBytesMax = 32 << 20;

export class Tsdb {
  readonly #options: TsdbOptions;
  readonly #heads = new Map<TenantId, TenantHead>();
  /** Whether a head may have lost its last range since it was looked for one. */
  #mayHaveIdleHeads = true;
  /** The greatest series number of tenants whose head is gone, and of all those that had to be forgotten here: none is given twice. */
  readonly #lastIdOfGone = new Map<TenantId, number>();
  #lastIdOfForgotten = 0;
  readonly #valueLists = new ValueLists(valueListBytesMax);
  /** Series that a push made before it failed to be logged (memory ran out, say). */
  readonly #unlogged = new Map<TenantHead, Set<number>>();
  readonly #cutter: RangeCutter | undefined;
  #lost: LostRecords | undefined;
  /** Undefined while a new process finds no room on its disk. */
  #writer: HeadLog | undefined;
  /** Open, and not to be used before a snapshot is written. */
  #writerToBe: HeadLog | undefined;
  #waitingForRoom: Promise<void> | undefined;
  #snapshotRunning: Promise<void> | undefined;
  #snapshotBytesLast = 0;
  /** Log bytes that a restart would have to replay beyond what the writer counted itself. */
  #replayBytes = 0;
  #writerBytesAtSnapshot = 0;
  #damagedPaths = new Set<string>();
  #closing = false;
  readonly #abort = new AbortController();
  /** What each tenant has from a snapshot, while records come that it may hold already: only of a log that is kept elsewhere. */
  #held = new Map<TenantId, RestoredIds>();
  /** Counters for metrics. */
  readonly counters = { snapshots: 0, snapshotFailures: 0, snapshotSeconds: 0, walFull: 0, damages: 0 };

  private constructor(options: TsdbOptions) {
    this.#options = options;
    this.writeMarks = new WriteMarks(2 * (options.tenantsMax ?? tenantsMarkedMax));
    if (options.cut !== undefined) this.#cutter = new RangeCutter(options.cut, this, options.log);
  }

  /**
   * Restores everything from disk and opens the log for writing.
   * @throws UnknownVersionError for files of another version; errors of the disk
   */
  static async open(
    options: TsdbOptions,
    progress: (state: RestoreProgress) => void,
  ): Promise<{ tsdb: Tsdb; report: RestoreReport }> {
    const tsdb = new Tsdb(options);
    const report = await tsdb.#restore(progress);
    return { tsdb, report };
  }

  /** When samples of a time were last written. */
  readonly writeMarks: WriteMarks;

  get cutCounters(): RangeCutter['counters'] | undefined {
    return this.#cutter?.counters;
  }

  /** `full` as well while the log of a new process finds no room. */
  get walState(): WalState {
    return this.#writer?.state ?? 'full';
  }

  get walCounters(): WalWriter['counters'] {
    return this.#writer?.counters ?? { bytes: 0, records: 0, commits: 0, syncSeconds: 0 };
  }

  /** Sequence number of the newest record that is on stable storage; undefined while the log is not open. */
  get durableSeq(): number | undefined {
    return this.#writer?.durableSeq;
  }

  get heads(): ReadonlyMap<TenantId, TenantHead> {
    return this.#heads;
  }

  /**
   * Applies a batch and resolves when it is durable. A series begins with its first sample: a row that brings none makes none.
   * @throws Failure `unavailable` when it could not be made durable: it was not acknowledged, a retry is no harm
   */
  async push(batch: WriteBatch): Promise<PushOutcome> {
    const writer = this.#writer;
    if (writer === undefined) {
      throw new Failure('unavailable', 'the disk is full: writes are refused until there is room', {
        retryAfterSeconds: 5,
      });
    }
    writer.checkOpen();
    // A tenant of whom nothing was ever kept leaves nothing behind.
    const known = this.#heads.get(batch.tenant);
    if (known === undefined) this.#checkTenants();
    const head = known ?? this.#newHead(batch.tenant);
    if (hasManyRanges(head)) {
      throw new Failure(
        'unavailable',
        `samples of more than ${rangesMax} ranges of two hours wait to be written to blocks`,
        {
          retryAfterSeconds: 10,
        },
      );
    }
    const lastIdBefore = head.lastId;
    let applied: { outcome: PushOutcome; durable: Promise<void> | undefined };
    try {
      applied = this.#apply(batch, head, writer);
    } catch (error) {
      if (head.lastId > lastIdBefore) {
        this.#heads.set(batch.tenant, head);
        this.#noteUnlogged(head, lastIdBefore + 1);
      }
      throw error;
    }
    if (known === undefined && applied.durable !== undefined) this.#keepHead(batch.tenant, head);
    await applied.durable;
    this.#snapshotIfDue();
    return applied.outcome;
  }

  /** @throws Failure `unavailable` when there is no room for one more tenant */
  #checkTenants(): void {
    if (this.#hasRoomForTenant()) return;
    throw new Failure('unavailable', tenantsLimitText(this.#options.tenantsMax ?? 0), { retryAfterSeconds: 30 });
  }

  #hasRoomForTenant(): boolean {
    const { tenantsMax = Number.POSITIVE_INFINITY } = this.#options;
    if (this.#heads.size >= tenantsMax) this.#dropIdleHeads();
    return this.#heads.size < tenantsMax;
  }

  #keepHead(tenant: TenantId, head: TenantHead): void {
    this.#heads.set(tenant, head);
    this.#mayHaveIdleHeads ||= head.openRanges.size === 0;
  }

  /** Tenants without samples make room for others, else names that were made up once would keep it for good. Their exemplars and metadata go. */
  #dropIdleHeads(): void {
    if (!this.#mayHaveIdleHeads) return;
    this.#mayHaveIdleHeads = false;
    for (const [tenant, head] of this.#heads) {
      if (head.openRanges.size + head.frozenRanges.size > 0) continue;
      this.#heads.delete(tenant);
      this.#unlogged.delete(head);
      head.metadata.clear();
      this.#lastIdOfGone.set(tenant, head.lastId);
    }
    if (this.#lastIdOfGone.size <= tenantsGoneMax) return;
    for (const lastId of this.#lastIdOfGone.values()) {
      this.#lastIdOfForgotten = Math.max(this.#lastIdOfForgotten, lastId);
    }
    this.#lastIdOfGone.clear();
  }

  /** Senders may hold numbers of a head that the tenant had before. */
  #newHead(tenant: TenantId): TenantHead {
    const head = new TenantHead(this.#options.headOptions(tenant));
    const lastId = Math.max(this.#lastIdOfForgotten, this.#lastIdOfGone.get(tenant) ?? 0);
    if (lastId > 0) {
      head.startAfter(lastId);
      head.hasDroppedSeries = true;
    }
    return head;
  }

  /**
   * Before a record of the log that is kept elsewhere is applied: resolves when ranges of the tenant have gone to blocks of which thousands
   * wait for that; undefined where there are not so many. @throws what `signal` was aborted with
   */
  roomFor(tenant: TenantId, signal: AbortSignal): Promise<void> | undefined {
    return hasManyRanges(this.#heads.get(tenant)) ? this.#waitForBlocks(tenant, signal) : undefined;
  }

  async #waitForBlocks(tenant: TenantId, signal: AbortSignal): Promise<void> {
    const { log, fullRetryMs } = this.#options;
    log.warn({ tenant }, `the log waits: more than ${rangesMax} ranges of two hours go to blocks`);
    for (;;) {
      await untilAborted(this.cutDue(), signal);
      if (!hasManyRanges(this.#heads.get(tenant))) return;
      await setTimeout(fullRetryMs, undefined, { signal });
    }
  }

  /**
   * Applies a record of the log that is kept elsewhere: nothing is refused, and what a snapshot brought back is not applied twice.
   * @returns the number of every series of the batch, 0 where it has none
   */
  applyLogged(batch: WriteBatch, offset: number): Uint32Array {
    const { rest, ids } = this.#withoutHeld(batch, offset + 1);
    const refs = this.#applyRecord(rest, offset);
    if (ids === undefined) return refs;
    for (let row = 0, i = 0; row < ids.length; row++) if (ids[row] === 0) ids[row] = refs[i++] as number;
    return ids;
  }

  /** The same for a record that was set aside when its turn came: no snapshot holds it, whatever it holds of the records around it. */
  applyLate(batch: WriteBatch, offset: number): void {
    this.#applyRecord(batch, offset);
    for (const range of this.#heads.get(batch.tenant)?.openRanges.values() ?? []) {
      range.loggedFrom = Math.min(range.loggedFrom, offset);
    }
  }

  #applyRecord(batch: WriteBatch, offset: number): Uint32Array {
    const log = this.#options.outside;
    assert(log !== undefined, 'the log is kept elsewhere');
    const known = this.#heads.get(batch.tenant);
    // Whoever wrote to the log has seen to it that there is: here it is taken in any case.
    if (known === undefined) this.#hasRoomForTenant();
    const head = known ?? this.#newHead(batch.tenant);
    head.logOffset = offset;
    const { outcome, durable } = this.#apply(batch, head, log);
    if (known === undefined && durable !== undefined) this.#keepHead(batch.tenant, head);
    return outcome.refs;
  }

  /**
   * The record at an offset of the log that is kept elsewhere is done with.
   * @param bytes what replaying it costs, for when the next snapshot is due
   */
  advance(offset: number, leaderEpoch: number, bytes: number): void {
    this.#options.outside?.applied(offset, leaderEpoch, bytes);
    this.#snapshotIfDue();
  }

  /** The rows of a batch that no snapshot brought back, and the numbers of the others; undefined where there are none. */
  #withoutHeld(batch: WriteBatch, seq: number): { rest: WriteBatch; ids: Uint32Array<ArrayBuffer> | undefined } {
    const head = this.#heads.get(batch.tenant);
    const held = this.#held.get(batch.tenant);
    if (head === undefined || held === undefined || seq > held.seqMax) return { rest: batch, ids: undefined };
    const ids = new Uint32Array(batch.seriesCount);
    const keep = new Uint8Array(batch.seriesCount).fill(1);
    for (let row = 0; row < batch.seriesCount; row++) {
      const id =
        batch.refs[row] ||
        head.findSeries(batch.labelBytes, batch.labelsBegin[row] as number, batch.labelsEnd[row] as number);
      if (id === 0 || seq > held.seqOf(id)) continue;
      ids[row] = id;
      keep[row] = 0;
    }
    return { rest: keepRows(batch, keep), ids };
  }

  /** The lowest offset of a record of the log with a sample that is still in a head; undefined where there is none. */
  loggedFrom(): number | undefined {
    let lowest: number | undefined;
    for (const head of this.#heads.values()) {
      for (const ranges of [head.openRanges, head.frozenRanges]) {
        for (const { loggedFrom } of ranges.values()) {
          if (lowest === undefined || loggedFrom < lowest) lowest = loggedFrom;
        }
      }
    }
    return lowest;
  }

  /** Begin of the oldest range that is still in a head; Infinity where there is none. */
  heldFromMs(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const head of this.#heads.values()) {
      for (const ranges of [head.openRanges, head.frozenRanges]) {
        for (const { begin } of ranges.values()) if (begin < oldest) oldest = begin;
      }
    }
    return oldest;
  }

  /** Everything of a push that happens in one turn. */
  #apply(
    batch: WriteBatch,
    head: TenantHead,
    writer: HeadLog,
  ): { outcome: PushOutcome; durable: Promise<void> | undefined } {
    const { seriesCount, sampleBegin } = batch;
    const ids = new Uint32Array(seriesCount);
    const unlogged = this.#unlogged.get(head);
    const seriesMax = this.#options.seriesMax(batch.tenant);
    let newRows: number[] = [];
    const refused: number[] = [];
    let left = seriesCount;
    let histogramsOf: Uint32Array | undefined;
    for (let i = 0; i < seriesCount; i++) {
      const ref = batch.refs[i] as number;
      if (ref !== 0) {
        assert(head.series.has(ref), 'a sender uses numbers of this epoch only, and none that were dropped');
        ids[i] = ref;
        continue;
      }
      const begin = batch.labelsBegin[i] as number;
      const end = batch.labelsEnd[i] as number;
      let hasSamples = sampleBegin[i] !== sampleBegin[i + 1];
      if (!hasSamples && batch.histograms.length > 0) {
        histogramsOf ??= countByRow(batch.histograms, seriesCount);
        hasSamples = histogramsOf[i] !== 0;
      }
      const isFull = (seriesMax > 0 && head.seriesCount >= seriesMax) || !head.hasNumbers || !head.hasRoom;
      if (!hasSamples || isFull) {
        ids[i] = head.findSeries(batch.labelBytes, begin, end);
        if (ids[i] === 0) {
          left--;
          if (hasSamples) refused.push(i);
        }
      } else {
        const before = head.lastId;
        ids[i] = head.seriesIdOf(batch.labelBytes, begin, end);
        if (head.lastId > before) newRows.push(i);
      }
      if (unlogged?.has(ids[i] as number) === true) newRows.push(i);
    }
    let stored = batch;
    let storedIds: Uint32Array = ids;
    let exemplarsDropped = 0;
    const rejected: RejectedSeries[] = [];
    if (left < seriesCount) {
      const exemplarsOf = countByRow(batch.exemplars, seriesCount);
      histogramsOf ??= countByRow(batch.histograms, seriesCount);
      const reason = cannotTakeSeries(head, batch.tenant) ?? this.#options.seriesRefusal(batch.tenant);
      for (const series of refused) {
        rejected.push({
          series,
          reason,
          samples: (sampleBegin[series + 1] as number) - (sampleBegin[series] as number),
          histograms: histogramsOf[series] as number,
          exemplars: exemplarsOf[series] as number,
        });
        exemplarsOf[series] = 0;
      }
      const keep = new Uint8Array(seriesCount);
      const rowNow = new Uint32Array(seriesCount);
      for (let i = 0, row = 0; i < seriesCount; i++) {
        rowNow[i] = row;
        if (ids[i] !== 0) {
          keep[i] = 1;
          row++;
        } else {
          exemplarsDropped += exemplarsOf[i] as number;
        }
      }
      stored = keepRows({ ...batch, refs: ids }, keep);
      storedIds = stored.refs;
      newRows = newRows.map((row) => rowNow[row] as number);
    }
    const outcome: PushOutcome = { refs: ids, rejected, exemplarsDropped };
    if (left === 0 && batch.metadata.length === 0) return { outcome, durable: undefined };
    const durable = writer.append((out) => encodePushRecord(stored, storedIds, newRows, out));
    if (unlogged !== undefined) for (const row of newRows) unlogged.delete(storedIds[row] as number);
    this.writeMarks.note(stored);
    head.append(stored, storedIds);
    return { outcome, durable };
  }

  /** Series from `fromId` on are in the head and in no record: the next record that uses one brings its labels. */
  #noteUnlogged(head: TenantHead, fromId: number): void {
    const unlogged = this.#unlogged.get(head) ?? new Set();
    this.#unlogged.set(head, unlogged);
    for (let id = fromId; id <= head.lastId; id++) unlogged.add(id);
  }

  /** Recent samples of a tenant; a tenant that never wrote is empty and costs nothing. */
  source(tenant: TenantId): SeriesSource {
    const known = this.#heads.get(tenant) ?? new TenantHead(this.#options.headOptions(tenant));
    const head = new HeadSource(known, this.#valueLists);
    const { lossWarning } = this.#options;
    const lost = this.#lost;
    if (lost === undefined || lost.isEmpty || lossWarning === undefined) return head;
    return withLossWarning(head, (minT, maxT) => lost.warningOver(minT, maxT, lossWarning.acceptedAges(tenant)));
  }

  /**
   * Numbers of a tenant's series in refs[0, count) that mean nothing any more become 0: ask before a batch is made of them, in the
   * same turn in which it is pushed.
   * @returns how many
   */
  clearDropped(tenant: TenantId, refs: Uint32Array, count: number): number {
    const head = this.#heads.get(tenant);
    if (head?.hasDroppedSeries === false) return 0;
    let cleared = 0;
    for (let i = 0; i < count; i++) {
      if (refs[i] === 0 || head?.series.has(refs[i] as number) === true) continue;
      refs[i] = 0;
      cleared++;
    }
    return cleared;
  }

  /** Writes the ranges whose time has come to blocks and lets go of them; one call at a time goes on, others join it. */
  async cutDue(): Promise<void> {
    // While there is no room for the log there is none for blocks.
    if (this.walState === 'open') await this.#cutter?.cutDue();
  }

  /**
   * Writes every range to a block and lets go of it. @returns whether all that the heads held at the call is in blocks
   * @throws Failure `unavailable` while the disk is full
   */
  async cutAll(): Promise<boolean> {
    if (this.walState !== 'open') throw new Failure('unavailable', 'the disk is full: no block can be written');
    return (await this.#cutter?.cutAll()) ?? false;
  }

  /** A range takes no more samples; resolves when the log says so. Never while a snapshot is written: a slice is of before or after. */
  async freeze(tenant: TenantId, index: number): Promise<HeadRange | undefined> {
    while (this.#snapshotRunning !== undefined) await this.#snapshotRunning;
    const head = this.#heads.get(tenant);
    if (head?.openRanges.has(index) !== true || this.#closing) return undefined;
    const writer = this.#wal();
    writer.checkOpen();
    const durable = writer.append((out) => encodeFreeze(tenant, index, out));
    const range = head.freeze(index, writer.takeGeneration());
    await durable;
    return range;
  }

  /** Lets go of a frozen range, of which `block` ('' for none) answers from now on. */
  async dropFrozen(tenant: TenantId, generation: number, block: string): Promise<void> {
    // Nothing but a snapshot says what was dropped: it holds all of a range or nothing.
    while (this.#options.outside !== undefined && this.#snapshotRunning !== undefined) await this.#snapshotRunning;
    const writer = this.#wal();
    writer.checkOpen();
    const durable = writer.append((out) => encodeDrop(tenant, generation, block, out));
    this.#heads.get(tenant)?.drop(generation);
    this.#mayHaveIdleHeads = true;
    await durable;
  }

  /** Series without samples leave. Never while a range is being dropped. @returns whether it is done */
  async dropEmptySeries(tenant: TenantId): Promise<boolean> {
    const head = this.#heads.get(tenant);
    if (head?.mayHaveEmptySeries !== true) return true;
    const steps = dropEmptySeries(head, (ids) => {
      const unlogged = this.#unlogged.get(head);
      if (unlogged !== undefined) for (const id of ids) unlogged.delete(id);
      const writer = this.#writer;
      // A log that takes nothing now loses no more than the knowledge that labels could go.
      if (writer?.state === 'open') void writer.append((out) => encodeGone(tenant, ids, out)).catch(() => undefined);
    });
    return await runInSlices(steps, this.#abort.signal);
  }

  /** What the log holds of ranges that were let go needs no replay any more. */
  snapshotSoon(): void {
    this.#snapshotBytesLast = 0;
    this.#snapshotIfDue();
  }

  /** How large the head of a tenant is. @throws what `signal` was aborted with */
  headStatus(tenant: TenantId, countMax: number, signal: AbortSignal): Promise<HeadStatus> {
    const head = this.#heads.get(tenant) ?? new TenantHead(this.#options.headOptions(tenant));
    return runInSlices(headStatusOf(head, countMax), signal);
  }

  /** Stops taking writes, makes durable what was taken. A snapshot under way is finished first. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#abort.abort(new Failure('unavailable', 'the process is stopping'));
    await this.#cutter?.stop();
    await this.#waitingForRoom;
    await this.#snapshotRunning;
    await (this.#writer ?? this.#writerToBe)?.close();
  }

  #wal(): HeadLog {
    const writer = this.#writer;
    assert(writer !== undefined, 'the log is open once restore is done');
    return writer;
  }

  #headOf(tenant: TenantId): TenantHead {
    let head = this.#heads.get(tenant);
    if (head === undefined) {
      head = new TenantHead(this.#options.headOptions(tenant));
      this.#heads.set(tenant, head);
    }
    return head;
  }

  async #restore(progress: (state: RestoreProgress) => void): Promise<RestoreReport> {
    const begin = performance.now();
    const { disk, directory, outside } = this.#options;
    if (outside !== undefined) return this.#restoreOutside(outside, progress);
    const walDirectory = join(directory, 'wal');
    const snapshotDirectory = join(directory, 'snapshots');
    await removeUnfinishedSnapshots(disk, snapshotDirectory);
    const { lossWarning } = this.#options;
    if (lossWarning !== undefined) this.#lost = await LostRecords.open(disk, join(directory, 'damaged'));
    const newest = (await listSnapshots(disk, snapshotDirectory)).at(-1);
    const restored = new Map<TenantId, RestoredIds>();
    const damages: Damage[] = [];
    let seqOfSnapshot = 0;
    let snapshotBytes = 0;
    if (newest !== undefined) {
      const loaded = await loadSnapshot(
        disk,
        snapshotDirectory,
        newest,
        (tenant) => this.#headOf(tenant),
        (bytesDone, bytesTotal) => progress({ phase: 'snapshot', bytesDone, bytesTotal }),
      );
      for (const [tenant, ids] of loaded.restored) restored.set(tenant, ids);
      damages.push(...loaded.damages);
      seqOfSnapshot = loaded.lastSeq;
      snapshotBytes = loaded.bytes;
      this.#snapshotBytesLast = loaded.bytes;
    }
    const records = new RecordApplier((tenant) => this.#headOf(tenant), restored);
    const replay = await replayWal(
      disk,
      walDirectory,
      newest ?? 0,
      (record, seq) => records.apply(record, seq),
      ({ bytesDone, bytesTotal }) => progress({ phase: 'log', bytesDone, bytesTotal }),
    );
    damages.push(...replay.damages);
    for (const head of this.#heads.values()) {
      if (records.forgot.has(head)) await runInSlices(rebuildSeries(head), this.#abort.signal);
    }
    this.#replayBytes = replay.bytes;
    const openWriter = () =>
      WalWriter.open({
        disk,
        directory: walDirectory,
        segmentBytes: this.#options.segmentBytes,
        fullRetryMs: this.#options.fullRetryMs,
        pendingBytesMax,
        tail: replay.tail,
        nextSegment: Math.max(replay.lastSegment, newest ?? 0) + 1,
        nextSeq: Math.max(replay.lastSeq, seqOfSnapshot) + 1,
        onFatal: this.#options.onFatal,
        onFull: (full) => {
          if (full) {
            this.counters.walFull++;
            this.#options.log.error({}, 'disk full: writes are refused until there is room');
          } else {
            this.#options.log.warn({}, 'there is room on the disk again: writes are taken');
          }
        },
      });
    this.counters.damages += damages.length;
    if (damages.length > 0 && lossWarning !== undefined) {
      const isOfSnapshot = damages.length > replay.damages.length;
      // Rows that came later may have been of series that were lost.
      const isOpenEnded = isOfSnapshot || records.orphanRows > 0;
      const { afterMs, beforeMs } = replay.lost ?? { afterMs: -Infinity, beforeMs: Infinity };
      this.#lost?.add({
        files: [...new Set(damages.map(({ path }) => path))],
        receivedFromMs: isOfSnapshot ? -Infinity : afterMs,
        receivedToMs: isOpenEnded ? lossWarning.nowMs() : Math.min(beforeMs, lossWarning.nowMs()),
      });
    }
    for (const damage of damages) this.#damagedPaths.add(damage.path);
    // After damage numbers of series may differ from those in the files: nothing may be logged beside them.
    const snapshotFirst = damages.length > 0 || records.renumbered;
    await this.#cutter?.load();
    const tryOnce = () => this.#beginToWrite(openWriter, snapshotFirst);
    if (await tryOnce()) await this.#cutter?.complete();
    else this.#waitingForRoom = this.#waitForRoom(tryOnce).catch(this.#options.onFatal);
    const { orphanRows } = records;
    const lastSeq = Math.max(replay.lastSeq, seqOfSnapshot);
    return { snapshotBytes, replay, damages, orphanRows, lastSeq, seconds: (performance.now() - begin) / 1000 };
  }

  /** Restores the last snapshot; whoever reads the log goes on at its position. One that is damaged is set aside, and all comes from the log. */
  async #restoreOutside(outside: OutsideLog, progress: (state: RestoreProgress) => void): Promise<RestoreReport> {
    const begin = performance.now();
    const { disk, log } = this.#options;
    await removeUnfinishedSnapshots(disk, outside.directory);
    const newest = (await listSnapshots(disk, outside.directory)).at(-1);
    let snapshotBytes = 0;
    if (newest !== undefined) {
      const loaded = await loadSnapshot(
        disk,
        outside.directory,
        newest,
        (tenant) => this.#headOf(tenant),
        (bytesDone, bytesTotal) => progress({ phase: 'snapshot', bytesDone, bytesTotal }),
      );
      this.counters.damages += loaded.damages.length;
      for (const damage of loaded.damages) {
        log.error({ file: damage.path, offset: damage.offset, bytes: damage.bytes }, 'a snapshot is damaged');
      }
      if (loaded.damages.length > 0) {
        for (const head of this.#heads.values()) head.metadata.clear();
        this.#heads.clear();
        await this.#setAside(loaded.path);
      } else {
        snapshotBytes = loaded.bytes;
        this.#snapshotBytesLast = loaded.bytes;
        this.#held = new Map(loaded.restored);
        outside.startAt(newest, loaded.leaderEpoch);
      }
    }
    for (const head of this.#heads.values()) {
      for (const generation of head.frozenRanges.keys()) outside.startAfter(generation);
      // Opened while the snapshot was written.
      for (const range of head.openRanges.values()) if (range.loggedFrom < 0) range.loggedFrom = newest ?? 0;
    }
    await this.#cutter?.load();
    outside.startAfter(this.#cutter?.lastGeneration ?? 0);
    this.#writer = outside;
    await this.#cutter?.complete();
    const replay = {
      tail: undefined,
      lastSeq: outside.lastSeq,
      lastSegment: 0,
      torn: undefined,
      damages: [],
      undecodable: 0,
      records: 0,
      bytes: 0,
      lost: undefined,
    };
    return {
      snapshotBytes,
      replay,
      damages: [],
      orphanRows: 0,
      lastSeq: outside.lastSeq,
      seconds: (performance.now() - begin) / 1000,
    };
  }

  /** Opens the log for writing. @returns false where the disk has no room for it: nothing was changed */
  async #beginToWrite(openWriter: () => Promise<WalWriter>, snapshotFirst: boolean): Promise<boolean> {
    try {
      const writer = (this.#writerToBe ??= await openWriter());
      if (snapshotFirst) {
        await this.#lost?.write();
        await this.#snapshot(writer);
      }
      this.#writer = writer;
      return true;
    } catch (error) {
      if (isDiskFull(error) || (error instanceof Failure && isDiskFull(error.cause))) return false;
      throw error;
    }
  }

  /** Reads are answered meanwhile, writes are refused. */
  async #waitForRoom(tryOnce: () => Promise<boolean>): Promise<void> {
    const { log, fullRetryMs } = this.#options;
    this.counters.walFull++;
    log.error({}, 'disk full: writes are refused until there is room');
    const { signal } = this.#abort;
    do {
      await setTimeout(fullRetryMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
    } while (!(await tryOnce()));
    log.warn({}, 'there is room on the disk again: writes are taken');
  }

  #snapshotIfDue(): void {
    if (this.#snapshotRunning !== undefined || this.#closing) return;
    const { snapshotBytes, log } = this.#options;
    const grown = this.#replayBytes + this.#wal().counters.bytes - this.#writerBytesAtSnapshot;
    if (grown < Math.max(snapshotBytes, this.#snapshotBytesLast)) return;
    this.#snapshotRunning = this.#snapshot(this.#wal())
      .catch((error: unknown) => {
        this.counters.snapshotFailures++;
        // Wait for as much log again before the next try.
        this.#writerBytesAtSnapshot = this.#wal().counters.bytes + this.#replayBytes;
        const message = isDiskFull(error)
          ? 'no room for a snapshot: the log is kept'
          : 'snapshot failed: the log is kept';
        log.error({ error: String(error) }, message);
      })
      .finally(() => {
        this.#snapshotRunning = undefined;
      });
  }

  /** Writes a snapshot of all heads and drops the log and the snapshots before it. */
  async #snapshot(writer: HeadLog): Promise<void> {
    const { disk, log, outside } = this.#options;
    const begin = performance.now();
    const segment = await writer.roll();
    const bytesAtRoll = writer.counters.bytes;
    let loggedMs = begin;
    const written = await writeSnapshot(
      disk,
      this.#snapshotDirectory,
      segment,
      this.#heads,
      () => writer.lastSeq,
      outside?.leaderEpoch,
      (seriesDone, seriesTotal) => {
        if (performance.now() - loggedMs < 5000) return;
        loggedMs = performance.now();
        log.info({ seriesDone, seriesTotal }, 'writing a snapshot of the head');
      },
    );
    this.#snapshotBytesLast = written.bytes;
    this.#writerBytesAtSnapshot = bytesAtRoll;
    this.#replayBytes = 0;
    await this.#dropBefore(segment);
    const seconds = (performance.now() - begin) / 1000;
    this.counters.snapshots++;
    this.counters.snapshotSeconds += seconds;
    log.info({ series: written.series, bytes: written.bytes, seconds }, 'snapshot of the head written');
  }

  get #snapshotDirectory(): string {
    const { directory, outside } = this.#options;
    return outside?.directory ?? join(directory, 'snapshots');
  }

  async #dropBefore(segment: number): Promise<void> {
    const { disk, directory, outside } = this.#options;
    const walDirectory = join(directory, 'wal');
    const snapshotDirectory = this.#snapshotDirectory;
    const segments = outside === undefined ? await listSegments(disk, walDirectory) : [];
    const old = [
      ...(await listSnapshots(disk, snapshotDirectory))
        .filter((number) => number < segment)
        .map((number) => snapshotPath(snapshotDirectory, number)),
      ...segments.filter((number) => number < segment).map((number) => segmentPath(walDirectory, number)),
    ];
    for (const path of old) {
      if (this.#damagedPaths.delete(path)) await this.#setAside(path);
      else await disk.remove(path);
    }
    if (outside === undefined) await disk.syncDirectory(walDirectory);
    await disk.syncDirectory(snapshotDirectory);
  }

  /** Keeps a damaged file for whoever wants to look, out of the way of the next start. */
  async #setAside(path: string): Promise<void> {
    const { disk, directory, log } = this.#options;
    const damagedDirectory = join(directory, 'damaged');
    await disk.makeDirectory(damagedDirectory);
    const name = path.slice(path.lastIndexOf('/') + 1);
    const to = join(damagedDirectory, name);
    await disk.rename(path, to);
    log.error({ file: path, now: to }, 'a damaged file was set aside; what could be read of it was kept');
  }
}

function hasManyRanges(head: TenantHead | undefined): boolean {
  return head !== undefined && head.openRanges.size + head.frozenRanges.size > rangesMax;
}

/** Why a head can have no new series, whatever the limits are. */
function cannotTakeSeries(head: TenantHead, tenant: TenantId): string | undefined {
  if (!head.hasNumbers) {
    return `no new series: this ingester has given all of its ${seriesNumberMax} series numbers to tenant ${tenant}; one with an empty data folder begins anew`;
  }
  if (head.hasRoom) return undefined;
  return `no new series: there is no room for their labels, of which this ingester can hold 4 GiB for a tenant, until some of tenant ${tenant} have left it`;
}

/** How many of `samples` each row has. */
function countByRow(samples: readonly { readonly series: number }[], rows: number): Uint32Array {
  const counts = new Uint32Array(rows);
  for (const { series } of samples) counts[series] = (counts[series] as number) + 1;
  return counts;
}
