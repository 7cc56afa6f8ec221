/**
 * The ingester follows its partition of the log: record by record into the head, in the order of the log.
 * Owns where reading begins, what has been applied (the low-water mark) and who waits for it, and what is said when the log does
 * not go on where it must. One record after the other, whoever's they are: so the order of every series is that of the log, and
 * a tenant waits for others no longer than their records take, or than a head takes that has thousands of ranges to let go of.
 */
import type { WriteBatch } from '../../libs/contracts/write-batch.ts';
import { Failure } from '../../libs/errors/failure.ts';
import type { Connection } from '../../libs/kafka/connect.ts';
import type { LogOffsets } from '../../libs/kafka/end-offsets.ts';
import { checkRange, LogCut, LogGap, type ReadRecord, readLog } from '../../libs/kafka/read-log.ts';
import type { KafkaTopic } from '../../libs/kafka/topic.ts';
import { parseTenantId, type TenantId } from '../../libs/model/tenant-id.ts';
import type { Bucket } from '../../libs/object-store/bucket.ts';
import { type Floor, readFloor, writeFloor } from '../../libs/ring/log-floor.ts';
import type { Logger } from '../../libs/telemetry/log.ts';
import { tracedBelow } from '../../libs/telemetry/trace.ts';
import type { OutsideLog } from '../../libs/tsdb/outside-log.ts';
import type { Tsdb } from '../../libs/tsdb/tsdb.ts';
import { AliasRegistry } from '../../libs/wire/alias-registry.ts';
import { clusterHeader, decodeLogRecord, traceHeader } from '../../libs/wire/log-record.ts';
import type { DamagedRecords } from './damaged-records.ts';
import type { FollowedMark } from './followed-mark.ts';
import { LoggedBatches } from './logged-batch.ts';

export interface FollowLogDeps {
  readonly connection: Connection;
  readonly topic: KafkaTopic;
  readonly topicId: string;
  readonly offsets: LogOffsets;
  readonly partition: number;
  readonly zone: string;
  readonly clusterId: string;
  readonly bucket: Bucket;
  readonly tsdb: Tsdb;
  readonly log: OutsideLog;
  readonly damaged: DamagedRecords;
  readonly mark: FollowedMark;
  readonly logger: Logger;
  /** Nothing was acknowledged of this partition that is in no block yet: it is new, or had left. */
  readonly isUnwritten: boolean;
  readonly nowMs: () => number;
  /** Told how long after it was received a write was applied. */
  readonly onDelay: (seconds: number) => void;
  /** A mistake of ours, or memory that ran out: the process must end. */
  readonly onFatal: (error: unknown) => void;
}

const aliasBytesMax = 512 << 20;
const retryMs = 1_000;
/** Foreign records are told of at most so often. */
const foreignToldMs = 60_000;

interface Waiter {
  readonly offset: number;
  readonly resolve: () => void;
}

export class FollowLog {
  readonly #deps: FollowLogDeps;
  readonly #batches = new LoggedBatches(new AliasRegistry(aliasBytesMax, () => performance.now()));
  readonly #abort = new AbortController();
  readonly #waiters = new Set<Waiter>();
  #running: Promise<void> | undefined;
  #gap: string | undefined;
  #away: string | undefined;
  #answeredAtMs = performance.now();
  #hasStarted = false;
  #knowsDamaged = false;
  /** End of the log when reading began: until then the past is replayed. */
  #replayEnd: number | undefined;
  #floor: number | undefined;
  #raising: Promise<void> | undefined;
  /** Snapshots that had been written when what was set aside before was taken in: the next one has it. */
  #snapshotsWhenTaken = 0;
  #foreignToldAtMs = Number.NEGATIVE_INFINITY;
  /** End of the log as it was heard of last. */
  end = 0;
  /** Counters for metrics. */
  readonly counters = { records: 0, bytes: 0, foreign: 0, damaged: 0 };

  constructor(deps: FollowLogDeps) {
    this.#deps = deps;
  }

  /** Everything below this offset is in the head, or set aside. */
  get position(): number {
    return this.#deps.log.position ?? 0;
  }

  get floor(): number | undefined {
    return this.#floor;
  }

  start(): void {
    this.#running = this.#run().catch((error: unknown) => {
      if (!this.#abort.signal.aborted) this.#deps.onFatal(error);
    });
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
    if (this.#hasStarted && this.#gap === undefined) await this.#deps.mark.write(this.position);
  }

  /** Why reads from here lack something, or will be late; undefined when it follows. */
  notReadyReason(): string | undefined {
    if (this.#gap !== undefined) return this.#gap;
    const away = this.#away === undefined ? '' : `: ${this.#away}`;
    if (!this.#hasStarted) return `the ingester looks for its place in the log${away}`;
    const end = this.#replayEnd;
    if (end !== undefined && this.position < end) {
      return `the ingester is replaying the log: offset ${this.position} of ${end}${away}`;
    }
    return undefined;
  }

  /** Why it lacks what is written from now on although reads from here go on. */
  amissReason(): string | undefined {
    return this.#away === undefined ? undefined : `the ingester cannot read the log: ${this.#away}`;
  }

  /** Records that are not applied yet; undefined where that cannot be known. */
  get lag(): number | undefined {
    return this.#isFollowing ? Math.max(0, this.end - this.position) : undefined;
  }

  /** How long ago the brokers answered, at least; undefined where they are not asked any more. */
  get unreadSeconds(): number | undefined {
    return this.#gap === undefined ? (performance.now() - this.#answeredAtMs) / 1000 : undefined;
  }

  get #isFollowing(): boolean {
    return this.#hasStarted && this.#gap === undefined && this.#away === undefined;
  }

  /** Whether the log may hold something that is not in the head, nor was on its way to the log a moment ago. */
  get isBehind(): boolean {
    return !this.#isFollowing || this.position < this.end || this.#deps.damaged.count > 0;
  }

  /** Whether it has looked for records that were set aside before it was started. */
  get knowsDamaged(): boolean {
    return this.#knowsDamaged;
  }

  /** Why nothing that is asked of it can be complete, whatever time passes. */
  get gap(): string | undefined {
    return this.#gap;
  }

  /** Behind the last record that the log holds now. @throws Failure while the log cannot be asked */
  async endNow(): Promise<number> {
    return (await this.#deps.offsets.bounds(this.#deps.partition)).end;
  }

  /** The record that was set aside first; the floor is not above it. */
  get damagedAt(): number | undefined {
    return this.#deps.damaged.lowestOffset();
  }

  /** Resolves when everything below `offset` is applied, or time is up. @returns below which offset everything is, as far as that is known */
  async applied(offset: number, timeoutMs: number, signal: AbortSignal): Promise<number> {
    if (this.#reached(offset) >= offset || timeoutMs <= 0) return this.#reached(offset);
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter: Waiter = { offset, resolve };
    this.#waiters.add(waiter);
    const timer = setTimeout(resolve, timeoutMs);
    signal.addEventListener('abort', () => resolve(), { once: true });
    await promise;
    clearTimeout(timer);
    this.#waiters.delete(waiter);
    return this.#reached(offset);
  }

  /** Until it is known that the log goes on where a snapshot ends, that says nothing of what the log holds: it may have been cut short. */
  #reached(offset: number): number {
    return this.#hasStarted || offset === 0 ? this.position : Math.min(this.position, offset - 1);
  }

  #wake(position: number): void {
    for (const waiter of this.#waiters) if (waiter.offset <= position) waiter.resolve();
  }

  async #run(): Promise<void> {
    const { log, logger, topic, offsets, partition, connection } = this.#deps;
    try {
      await this.#takeInDamaged();
      this.#knowsDamaged = true;
      if (!(await this.#findStart())) return;
      const { signal } = this.#abort;
      this.#hasStarted = true;
      this.#wake(this.position);
      logger.info({ partition, offset: log.position, end: this.#replayEnd }, 'following the log');
      await readLog({
        connection,
        topic,
        offsets,
        partition,
        offset: this.position,
        leaderEpoch: log.leaderEpoch,
        apply: (record) => this.#apply(record),
        onPosition: (position, end) => this.#moved(position, end),
        onAway: (reason) => {
          if (reason !== undefined && this.#away === undefined) logger.warn({ reason }, 'the log cannot be read');
          if (reason === undefined && this.#away !== undefined) logger.info({}, 'the log is read again');
          if (reason === undefined) this.#answeredAtMs = performance.now();
          this.#away = reason;
        },
        signal,
      });
    } catch (error) {
      if (!(error instanceof LogGap)) throw error;
      this.#gap = error.message;
      this.#wake(Number.POSITIVE_INFINITY);
      if (error instanceof LogCut) {
        const { mark } = this.#deps;
        this.#gap += `. To go on without what it lacks remove the folder ${mark.folder} and start again`;
        const { position } = await mark.read();
        await mark.write(Math.max(position, this.position), error.message);
      }
      logger.error(
        { partition, offset: this.position, reason: this.#gap },
        'the log does not go on: nothing is skipped',
      );
    }
  }

  /** Finds where reading begins, however long the brokers and the bucket are away. @returns false when stopped @throws LogGap */
  async #findStart(): Promise<boolean> {
    const { log, bucket, topicId, partition, offsets, logger, topic, isUnwritten, mark } = this.#deps;
    const { signal } = this.#abort;
    const before = await mark.read();
    if (before.cut !== undefined) throw new LogCut(before.cut);
    for (;;) {
      if (signal.aborted) return false;
      if (topic.loss !== undefined) throw new LogGap(topic.loss);
      try {
        const { begin, end } = await offsets.bounds(partition);
        const floor = (await readFloor(bucket, topicId, partition)) ?? (await this.#firstFloor(begin));
        this.#floor = floor.offset;
        this.#replayEnd = end;
        this.end = end;
        const known = log.position;
        // What lies below the floor is in blocks: an ingester that was away longer than the log reaches goes on from there.
        if (known === undefined || (known < begin && floor.offset >= begin)) {
          log.startAt(floor.offset, floor.leaderEpoch);
        }
        // Of a partition that had left the log may hold what came too late to be acknowledged, or held it once.
        if (isUnwritten && this.position < begin) log.startAt(begin, -1);
        const name = `partition ${partition} of topic ${topic.name}`;
        checkRange(name, this.position, begin, end);
        checkRange(name, Math.max(this.position, before.position), begin, end);
        return true;
      } catch (error) {
        if (error instanceof LogGap) throw error;
        if (!(error instanceof Failure)) throw error;
        if (this.#away === undefined)
          logger.warn({ reason: error.message }, 'the place in the log cannot be found yet');
        this.#away = error.message;
      }
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }

  /** Nothing was written to the partition by this cluster yet: it counts from where the log is now. */
  async #firstFloor(begin: number): Promise<Floor> {
    const { bucket, topicId, partition, zone } = this.#deps;
    const floor: Floor = { version: 1, topicId, offset: begin, leaderEpoch: -1 };
    await writeFloor(bucket, partition, zone, floor);
    return floor;
  }

  #apply(record: ReadRecord): void | Promise<void> {
    const { headers, offset } = record;
    // Most have the header of the cluster alone.
    const parent = headers.length > 1 ? headers.find(([name]) => name.toString() === traceHeader)?.[1].toString() : '';
    if (parent === undefined || parent === '') return this.#applyOne(record);
    const attributes = { 'maru.partition': this.#deps.partition, 'maru.offset': offset };
    return tracedBelow(parent, 'ingester.apply', 'consumer', attributes, () => this.#applyOne(record));
  }

  #applyOne({ offset, leaderEpoch, key, value, headers }: ReadRecord): void | Promise<void> {
    const { clusterId } = this.#deps;
    this.counters.records++;
    const cluster = headers.find(([name]) => name.toString() === clusterHeader)?.[1].toString();
    if (cluster !== clusterId) {
      this.#foreign(offset, cluster);
      this.#deps.tsdb.advance(offset, leaderEpoch, 0);
      return;
    }
    this.counters.bytes += value?.length ?? 0;
    let batch: WriteBatch;
    try {
      batch = this.#read(value);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return this.#setAside(offset, leaderEpoch, key, value, error);
    }
    const bytes = value?.length ?? 0;
    const room = this.#deps.tsdb.roomFor(batch.tenant, this.#abort.signal);
    if (room === undefined) return this.#take(batch, offset, leaderEpoch, bytes);
    // Numbers of series may mean nothing any more by then.
    return room.then(() => this.#take(this.#read(value), offset, leaderEpoch, bytes));
  }

  #read(value: Uint8Array | null): WriteBatch {
    if (value === null) throw new Failure('bad_data', 'a record without a value');
    const envelope = decodeLogRecord(value);
    return this.#batches.read(envelope, (refs, count) => this.#deps.tsdb.clearDropped(envelope.tenant, refs, count));
  }

  #take(batch: WriteBatch, offset: number, leaderEpoch: number, bytes: number): void {
    const { tsdb } = this.#deps;
    this.#batches.learn(tsdb.applyLogged(batch, offset));
    tsdb.advance(offset, leaderEpoch, bytes);
    this.#deps.onDelay((this.#deps.nowMs() - batch.receiveTimeMs) / 1000);
  }

  #foreign(offset: number, cluster: string | undefined): void {
    const { logger, partition } = this.#deps;
    this.counters.foreign++;
    if (performance.now() - this.#foreignToldAtMs < foreignToldMs) return;
    this.#foreignToldAtMs = performance.now();
    logger.warn({ partition, offset, cluster }, 'the log has records that are not of this cluster: they are skipped');
  }

  async #setAside(
    offset: number,
    leaderEpoch: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    error: Failure,
  ): Promise<void> {
    const { damaged, partition, logger, tsdb } = this.#deps;
    this.counters.damaged++;
    const record = await damaged.add(tenantOfKey(key), partition, offset, value ?? new Uint8Array(0));
    tsdb.advance(offset, leaderEpoch, 0);
    logger.error(
      { tenant: record.tenant, partition, offset, file: record.path, reason: error.message },
      'a record of the log does not decode: it was set aside, and reads of its tenant fail here',
    );
  }

  /** A release that knows more may read what one before could not. */
  async #takeInDamaged(): Promise<void> {
    const { damaged, partition, logger, tsdb } = this.#deps;
    await damaged.load();
    for (const record of [...damaged.all]) {
      if (record.partition !== partition) continue;
      const value = await damaged.read(record);
      try {
        tsdb.applyLate(this.#read(value ?? null), record.offset);
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        logger.error(
          { tenant: record.tenant, partition, offset: record.offset, file: record.path, reason: error.message },
          'a record of the log that was set aside does not decode still: reads of its tenant fail here',
        );
        continue;
      }
      damaged.isTakenIn(record);
      this.#snapshotsWhenTaken = tsdb.counters.snapshots;
      logger.info({ partition, offset: record.offset }, 'a record that was set aside was taken in');
    }
  }

  #moved(position: number, end: number): void {
    const { log, mark } = this.#deps;
    this.end = end;
    // What ends a transaction of somebody else has an offset, and is no record.
    if (position > this.position) log.startAt(position, log.leaderEpoch);
    mark.passed(position);
    this.#wake(position);
  }

  /**
   * Raises the floor in the bucket to what is safe there, once at a time: it must never be written lower than it was.
   * @param blocksFrom tells the lowest offset of a record with a sample in a block that some reader may not have heard of; undefined where there
   * is none. Asked in one turn with the head: a range that leaves it is in a block by then
   * @throws Failure when the bucket cannot be written
   */
  raiseFloor(blocksFrom: () => number | undefined): Promise<void> {
    this.#raising ??= this.#raiseFloor(blocksFrom).finally(() => {
      this.#raising = undefined;
    });
    return this.#raising;
  }

  async #raiseFloor(blocksFrom: () => number | undefined): Promise<void> {
    const { tsdb, damaged, bucket, partition, zone, topicId, log } = this.#deps;
    if (!this.#hasStarted || this.#gap !== undefined) return;
    await damaged.load();
    if (tsdb.counters.snapshots > this.#snapshotsWhenTaken) await damaged.removeTaken();
    const held = [tsdb.loggedFrom(), blocksFrom(), damaged.lowestOffset()].filter((offset) => offset !== undefined);
    const offset = Math.min(this.position, ...held);
    if (offset <= (this.#floor ?? 0)) return;
    await writeFloor(bucket, partition, zone, { version: 1, topicId, offset, leaderEpoch: log.leaderEpoch });
    this.#floor = offset;
  }
}

function tenantOfKey(key: Uint8Array | null): TenantId | undefined {
  if (key === null) return undefined;
  try {
    return parseTenantId(Buffer.from(key).toString('utf8'));
  } catch {
    return undefined;
  }
}
