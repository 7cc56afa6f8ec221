/**
 * Work that waits for a querier, and queriers that wait for work.
 * Owns order: tenants in turn, what failed elsewhere first, and each piece to the querier that has the least in hand. Owns the
 * maxima too. Does not own what becomes of work that was taken (run-work.ts).
 */
import { type WorkLane, workLanes } from '../../libs/contracts/query-work.ts';
import { Failure } from '../../libs/errors/failure.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import { TenantQueue } from '../../libs/query-api/tenant-queue.ts';

/** So long another querier is waited for than the one where it failed. */
const elsewhereMs = 1_000;

export interface Waiting {
  readonly tenant: TenantId;
  readonly lane: WorkLane;
  /** Queriers that it failed at. */
  readonly failedAt: ReadonlySet<string>;
}

interface Taker<T> {
  readonly querier: string;
  readonly resolve: (item: T) => void;
}

interface Lane<T> {
  readonly queue: TenantQueue<T>;
  /** What comes back after it failed, with the time from which on anybody may take it. */
  readonly again: { readonly item: T; readonly anybodyAt: number }[];
  readonly takers: Set<Taker<T>>;
}

export class WorkQueue<T extends Waiting> {
  readonly #lanes: ReadonlyMap<WorkLane, Lane<T>>;
  /** How much each querier has in hand. */
  readonly #inHand = new Map<string, number>();

  constructor(lengthMax: number, perTenantMax: number) {
    this.#lanes = new Map(
      workLanes.map((name) => [
        name,
        { queue: new TenantQueue<T>(lengthMax, perTenantMax), again: [], takers: new Set() },
      ]),
    );
  }

  lengthOf(name: WorkLane): number {
    const lane = this.#laneOf(name);
    return lane.queue.length + lane.again.length;
  }

  /** Pieces of work that queriers have. */
  get inHand(): number {
    let count = 0;
    for (const one of this.#inHand.values()) count += one;
    return count;
  }

  /** Evaluations that could run at once: those that do, and those that queriers wait for. */
  get evaluators(): number {
    return this.inHand + this.#laneOf('evaluations').takers.size;
  }

  /** Queriers that wait for work or do some. */
  get queriers(): number {
    const names = new Set(this.#inHand.keys());
    for (const { takers } of this.#lanes.values()) for (const { querier } of takers) names.add(querier);
    return names.size;
  }

  /** @throws Failure `rate_limited` where there is no room */
  push(item: T): void {
    const lane = this.#laneOf(item.lane);
    if (this.#tryHand(lane, item) || lane.queue.push(item.tenant, item)) return;
    throw new Failure('rate_limited', 'too many outstanding requests', { retryAfterSeconds: 1 });
  }

  /** Lets in what belongs to something that was let in already: it waits in its tenant's turn. */
  add(item: T): void {
    const lane = this.#laneOf(item.lane);
    if (!this.#tryHand(lane, item)) lane.queue.add(item.tenant, item);
  }

  /** Puts in front what was taken and failed. */
  pushAgain(item: T): void {
    const lane = this.#laneOf(item.lane);
    if (this.#tryHand(lane, item)) return;
    lane.again.push({ item, anybodyAt: performance.now() + elsewhereMs });
    setTimeout(() => this.#handOld(lane), elsewhereMs + 1).unref();
  }

  /** Takes out what nobody wants any more; false if it is not there. */
  remove(item: T): boolean {
    const lane = this.#laneOf(item.lane);
    const index = lane.again.findIndex((one) => one.item === item);
    if (index >= 0) lane.again.splice(index, 1);
    return index >= 0 || lane.queue.remove(item.tenant, item);
  }

  /** Waits for a piece of work, which is in the querier's hand until `done`. @throws what `signal` was aborted with */
  take(name: WorkLane, querier: string, signal: AbortSignal): Promise<T> {
    const lane = this.#laneOf(name);
    signal.throwIfAborted();
    const item = this.#next(lane, querier);
    if (item !== undefined) {
      this.#count(querier, 1);
      return Promise.resolve(item);
    }
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        lane.takers.delete(taker);
        reject(signal.reason);
      };
      const taker: Taker<T> = {
        querier,
        resolve: (found) => {
          signal.removeEventListener('abort', leave);
          resolve(found);
        },
      };
      lane.takers.add(taker);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  /** The querier has one piece less in hand. */
  done(querier: string): void {
    this.#count(querier, -1);
  }

  #laneOf(name: WorkLane): Lane<T> {
    return this.#lanes.get(name) as Lane<T>;
  }

  #next(lane: Lane<T>, querier: string): T | undefined {
    const now = performance.now();
    const index = lane.again.findIndex(({ item, anybodyAt }) => anybodyAt <= now || !item.failedAt.has(querier));
    if (index >= 0) return lane.again.splice(index, 1)[0]?.item;
    return lane.queue.shift();
  }

  /** What failed long enough ago goes to whoever waits. */
  #handOld(lane: Lane<T>): void {
    for (const taker of lane.takers) {
      const item = this.#next(lane, taker.querier);
      if (item === undefined) return;
      this.#hand(lane, taker, item);
    }
  }

  /** Hands a piece to whoever of those that wait has the least in hand; false where nobody waits for it. */
  #tryHand(lane: Lane<T>, item: T): boolean {
    let best: Taker<T> | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const taker of lane.takers) {
      const inHand = this.#inHand.get(taker.querier) ?? 0;
      if (item.failedAt.has(taker.querier) || inHand >= least) continue;
      best = taker;
      least = inHand;
    }
    if (best !== undefined) this.#hand(lane, best, item);
    return best !== undefined;
  }

  #hand(lane: Lane<T>, taker: Taker<T>, item: T): void {
    lane.takers.delete(taker);
    this.#count(taker.querier, 1);
    taker.resolve(item);
  }

  #count(querier: string, by: number): void {
    const count = (this.#inHand.get(querier) ?? 0) + by;
    if (count === 0) this.#inHand.delete(querier);
    else this.#inHand.set(querier, count);
  }
}
