/**
 * How an ingester leaves the ring: its partition takes no writes (all owners of it leave together), writers learn of it, each owner drains
 * into the bucket, and when the last one has, the partition is out of the table.
 * Owns the order. Nothing rests on writers having learned: an owner that drains refuses writes, and who was refused looks for a newer table.
 * It goes on after a restart, as the table says that the partition is inactive. Does not own the rules (libs/ring/table.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { DrainState } from '../../libs/contracts/ingester.ts';
import { Failure } from '../../libs/errors/failure.ts';
import { deactivated, drained, keepsPartition, type Partition, type RingTable } from '../../libs/ring/table.ts';
import type { Logger } from '../../libs/telemetry/log.ts';

/** What empties the ingester of this process. */
export interface RoomDrain {
  readonly state: DrainState;
  /** Resolves when all is in the bucket, or when the process stops: `state` says which. */
  run(): Promise<void>;
}

export interface RingLeaveDeps {
  readonly own: { readonly instance: string; readonly zone: string };
  readonly drain: RoomDrain;
  readonly table: () => RingTable | undefined;
  /** Publishes what `change` makes of the newest table. @throws Failure */
  readonly publish: (change: (table: RingTable) => RingTable) => Promise<RingTable>;
  /** How long everybody needs at most to learn of a table, where nothing is wrong. */
  readonly learnMs: number;
  readonly nowMs: () => number;
  readonly log: Logger;
}

const retryMs = 1_000;

export class RingLeave {
  readonly #deps: RingLeaveDeps;
  #isJoined = false;
  #isStopped = false;
  #running: Promise<void> | undefined;
  #isOver = false;
  #failure: string | undefined;

  constructor(deps: RingLeaveDeps) {
    this.#deps = deps;
  }

  /** The ingester has its place in the table. */
  joined(): void {
    this.#isJoined = true;
    this.look();
  }

  /** The table may be another one. */
  look(): void {
    if (!this.#isJoined || this.#ownPartition()?.state === 'active' || this.#ownPartition()?.state === 'pending')
      return;
    this.#running ??= this.#leave();
  }

  /** Begins. @throws Failure where the partition cannot leave, or the bucket is away */
  async begin(): Promise<void> {
    const partition = this.#ownPartition();
    if (!this.#isJoined) throw new Failure('unavailable', 'this ingester has not joined the ring yet');
    // It is gone already.
    if (partition === undefined) return;
    const { publish, nowMs, log } = this.#deps;
    const table = await publish((current) => deactivated(current, partition.id, nowMs()));
    log.info(
      { epoch: table.epoch, partition: partition.id },
      'the partition of this ingester takes no writes any more',
    );
    this.look();
  }

  state(): DrainState {
    if (this.#running === undefined) return { state: 'none', waitsFor: undefined };
    if (this.#isOver) return { state: 'drained', waitsFor: undefined };
    const { drain, table } = this.#deps;
    return { state: 'draining', waitsFor: this.#failure ?? drain.state.waitsFor ?? this.#otherOwners(table()) };
  }

  /** Whether this ingester has no place in the ring any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #leave(): Promise<void> {
    const { drain, publish, learnMs, own, log } = this.#deps;
    await sleep(learnMs, undefined, { ref: false });
    await drain.run();
    if (drain.state.state !== 'drained') return;
    while (!this.#isStopped && this.#ownPartition() !== undefined) {
      try {
        await publish((table) => drained(table, own));
        this.#failure = undefined;
      } catch (error) {
        this.#failure = String(error);
      }
      await sleep(retryMs, undefined, { ref: false });
    }
    // Readers that go by an older table still ask.
    await sleep(learnMs, undefined, { ref: false });
    this.#isOver = this.#ownPartition() === undefined;
    if (this.#isOver) log.info({}, 'this ingester has left the ring and may be stopped for good');
  }

  #ownPartition(): Partition | undefined {
    const { table, own } = this.#deps;
    return table()?.partitions.find(({ owners }) =>
      owners.some(({ instance, zone }) => instance === own.instance && zone === own.zone),
    );
  }

  #otherOwners(table: RingTable | undefined): string {
    const partition = this.#ownPartition();
    const reason =
      table === undefined || partition === undefined
        ? undefined
        : keepsPartition(partition.owners, table.replicationFactor);
    return reason ?? 'everybody to learn of it';
  }
}
