/**
 * The head lets go: ranges whose time has come are frozen, written to blocks on the local disk, and dropped.
 * Owns when a range is cut and the order of steps: freeze (in the log) → block written, synced, verified, answering →
 * drop (in the log) → memory. A crash between any two of them is completed by the next start: what is frozen and in no block is
 * written again, what is in a block and not dropped is dropped. Does not own how a block is written (its `BlockKeeper`).
 * Comes from services/ingester's timer through tsdb.ts; goes to local-blocks.ts.
 */
import { Failure } from '../errors/failure.ts';
import type { TenantId } from '../model/tenant-id.ts';
import { isDiskFull } from '../std/disk.ts';
import { type HeadRange, rangeMs } from './head/head-range.ts';
import type { TenantHead } from './head/tenant-head.ts';

/** A block that was cut from a head of this data folder. */
export interface CutBlock {
  readonly tenant: TenantId;
  readonly block: string;
  readonly range: number;
  readonly generation: number;
  readonly seriesCount: number;
}

/** Where the samples of a range are from the moment on at which the head drops it. */
export interface BlockKeeper {
  /** The blocks that are there already. Asked once, before a range is written. */
  recover(): Promise<readonly CutBlock[]>;
  /** Whether a block that was there already is whole. One that is not is gone afterwards. */
  verify(tenant: TenantId, block: string): Promise<boolean>;
  /**
   * Writes a frozen range as a block; resolves with its name when it is on stable storage, was read back, and answers queries.
   * Empty if there was nothing to be written.
   */
  write(tenant: TenantId, head: TenantHead, range: HeadRange, signal: AbortSignal): Promise<string>;
}

export interface CutOptions {
  readonly blocks: BlockKeeper;
  readonly nowMs: () => number;
  /** How long after its end a range is cut. */
  readonly cutDelayMs: number;
  /** A range that was opened after its time had come is cut when nothing came for so long. */
  readonly idleMs: number;
}

/** What the cutter does to the heads and the log. */
export interface CutTarget {
  readonly heads: ReadonlyMap<TenantId, TenantHead>;
  freeze(tenant: TenantId, index: number): Promise<HeadRange | undefined>;
  dropFrozen(tenant: TenantId, generation: number, block: string): Promise<void>;
  dropEmptySeries(tenant: TenantId): Promise<boolean>;
  snapshotSoon(): void;
}

interface CutLog {
  info(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Or when it is so old. */
const reopenedMsMax = 60 * 60_000;
/** Open ranges of one tenant; beyond it those are cut early in which nothing happened for longest. */
const openRangesMax = 64;
/** A tenant whose range could not be written is left alone for so long. */
const retryMs = 30_000;
/** Series may wake up while they are dropped: so often in a row it is tried again. */
const dropTriesMax = 3;

export class RangeCutter {
  readonly #options: CutOptions;
  readonly #target: CutTarget;
  readonly #log: CutLog;
  readonly #abort = new AbortController();
  readonly #retryAtMs = new Map<TenantId, number>();
  #running: Promise<void> | undefined;
  /** Blocks from before the start, until it is known of each that its range is dropped. */
  #found: readonly CutBlock[] = [];
  /** Counters for metrics. */
  readonly counters = { ranges: 0, failures: 0, seconds: 0 };

  constructor(options: CutOptions, target: CutTarget, log: CutLog) {
    this.#options = options;
    this.#target = target;
    this.#log = log;
  }

  /** Finds the blocks that are there: they answer from now on. */
  async load(): Promise<void> {
    this.#found = await this.#options.blocks.recover();
  }

  /** The greatest generation that a block which was there already has. */
  get lastGeneration(): number {
    return this.#found.reduce((last, { generation }) => Math.max(last, generation), 0);
  }

  /** One look at all ranges. While one goes on, others join it. */
  cutDue(): Promise<void> {
    return this.#begin((head) => dueRanges(head, this.#options.nowMs(), this.#options));
  }

  /** Cuts every range, whether or not its time has come. @returns whether all that the heads held at the call is in blocks */
  async cutAll(): Promise<boolean> {
    const held = new Set(this.#ranges());
    await this.#running;
    await this.#begin((head) => [...head.openRanges.keys()]);
    for (const range of this.#ranges()) if (held.has(range)) return false;
    return true;
  }

  *#ranges(): Generator<HeadRange> {
    for (const { openRanges, frozenRanges } of this.#target.heads.values()) {
      yield* openRanges.values();
      yield* frozenRanges.values();
    }
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  #begin(indexesOf: (head: TenantHead) => number[]): Promise<void> {
    this.#running ??= this.#cut(indexesOf).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #cut(indexesOf: (head: TenantHead) => number[]): Promise<void> {
    await this.complete();
    let dropped = 0;
    for (const tenant of [...this.#target.heads.keys()]) {
      if (this.#abort.signal.aborted) return;
      const retryInMs = (this.#retryAtMs.get(tenant) ?? Number.NEGATIVE_INFINITY) - this.#options.nowMs();
      // A clock that was set back makes nobody wait longer.
      if (retryInMs > 0 && retryInMs <= retryMs) continue;
      const failures = this.counters.failures;
      dropped += await this.#cutTenant(tenant, indexesOf);
      if (this.counters.failures === failures) this.#retryAtMs.delete(tenant);
      else this.#retryAtMs.set(tenant, this.#options.nowMs() + retryMs);
    }
    if (dropped > 0) this.#target.snapshotSoon();
  }

  /** Completes what a crash interrupted behind the block; what cannot be completed is tried again with the next look. */
  async complete(): Promise<void> {
    const left: CutBlock[] = [];
    for (const found of this.#found) {
      try {
        await this.#completeOne(found);
      } catch (error) {
        const { tenant, block } = found;
        this.#log.error({ tenant, block, error: String(error) }, 'a range that is in a block could not leave the head');
        left.push(found);
      }
    }
    this.#found = left;
  }

  async #completeOne({ tenant, generation, block, range, seriesCount }: CutBlock): Promise<void> {
    const frozen = this.#target.heads.get(tenant)?.frozenRanges.get(generation);
    // Numbers begin anew where a log was lost: the same number alone is no proof.
    if (frozen === undefined || frozen.begin !== range * rangeMs || frozen.seriesCount !== seriesCount) return;
    if (await this.#options.blocks.verify(tenant, block)) await this.#target.dropFrozen(tenant, generation, block);
  }

  /** Ranges that cannot be written stay; the others go. @returns how many went */
  async #cutTenant(tenant: TenantId, indexesOf: (head: TenantHead) => number[]): Promise<number> {
    const head = this.#target.heads.get(tenant);
    if (head === undefined) return 0;
    let dropped = 0;
    const frozen = [...head.frozenRanges.values()];
    for (const cut of [...frozen, ...indexesOf(head)]) {
      if (this.#abort.signal.aborted) return dropped;
      try {
        const range = typeof cut === 'number' ? await this.#target.freeze(tenant, cut) : cut;
        if (range === undefined) continue;
        await this.#finish(tenant, head, range);
        dropped++;
      } catch (error) {
        if (this.#abort.signal.aborted) return dropped;
        this.counters.failures++;
        const from = new Date(typeof cut === 'number' ? cut * rangeMs : cut.begin).toISOString();
        this.#log.error(
          { tenant, from, error: String(error) },
          'a range could not be written to a block: it stays in the head',
        );
        // No other one would find room, or a log that takes its records.
        if (isDiskFull(error) || (error instanceof Failure && error.kind === 'unavailable')) return dropped;
      }
    }
    try {
      for (let tries = 0; tries < dropTriesMax && !(await this.#target.dropEmptySeries(tenant)); tries++);
    } catch (error) {
      if (this.#abort.signal.aborted) return dropped;
      this.counters.failures++;
      this.#log.error({ tenant, error: String(error) }, 'series without samples could not leave the head');
    }
    return dropped;
  }

  async #finish(tenant: TenantId, head: TenantHead, range: HeadRange): Promise<void> {
    const begin = performance.now();
    const block = await this.#options.blocks.write(tenant, head, range, this.#abort.signal);
    await this.#target.dropFrozen(tenant, range.generation, block);
    const seconds = (performance.now() - begin) / 1000;
    this.counters.ranges++;
    this.counters.seconds += seconds;
    this.#log.info(
      { tenant, block, from: new Date(range.begin).toISOString(), series: range.seriesCount, seconds },
      'a range has left the head',
    );
  }
}

/** Open ranges whose time has come, the oldest first. */
function dueRanges(head: TenantHead, nowMs: number, { cutDelayMs, idleMs }: CutOptions): number[] {
  const due: number[] = [];
  const others: number[] = [];
  for (const [index, range] of head.openRanges) {
    // Where a clock was set back nothing waits until it is as late again.
    range.openedAtMs = Math.min(range.openedAtMs, nowMs);
    range.appendedAtMs = Math.min(range.appendedAtMs, nowMs);
    const { end, openedAtMs, appendedAtMs } = range;
    const dueAtMs = end + cutDelayMs;
    const wasThere = openedAtMs < dueAtMs;
    const isDue =
      nowMs >= dueAtMs && (wasThere || nowMs - appendedAtMs >= idleMs || nowMs - openedAtMs >= reopenedMsMax);
    (isDue ? due : others).push(index);
  }
  if (others.length > openRangesMax) {
    const appendedAt = (index: number) => head.openRanges.get(index)?.appendedAtMs ?? 0;
    others.sort((a, b) => appendedAt(a) - appendedAt(b));
    due.push(...others.slice(0, others.length - openRangesMax));
  }
  return due.sort((a, b) => a - b);
}
