/**
 * Work that waits for a querier, and queriers that wait for work.
 * Owns order: tenants in turn, what failed elsewhere first, and each piece to the querier that has the least in hand. Owns the
 * maxima too. Does not own what becomes of work that was taken (run-work.ts). Surprising: a querier may wait while work does: what is left
 * of it is for tenants of whom it has nothing.
 */
import { type WorkLane, type WorkWish, workLanes } from '../../libs/contracts/query-work.ts';
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
  readonly name: WorkLane;
  readonly queue: TenantQueue<T>;
  /** What comes back after it failed, with the time from which on anybody may take it. */
  readonly again: { readonly item: T; readonly anybodyAt: number }[];
  readonly takers: Set<Taker<T>>;
}

/** What a querier waits for in one lane, and what it does. */
class Places {
  waits = 0;
  has = 0;
  /** Of those in which it waits, so many are only for tenants of whom it has nothing. As it said last. */
  spares = 0;
  /** How much it has of each tenant. */
  readonly #ofTenants = new Map<TenantId, number>();

  accepts(tenant: TenantId): boolean {
    return this.waits > this.spares || !this.#ofTenants.has(tenant);
  }

  hasBy(tenant: TenantId, by: number): void {
    this.has += by;
    const count = (this.#ofTenants.get(tenant) ?? 0) + by;
    if (count === 0) this.#ofTenants.delete(tenant);
    else this.#ofTenants.set(tenant, count);
  }
}

/** One that waits for work or does some. */
class Querier {
  readonly lanes: Readonly<Record<WorkLane, Places>> = { evaluations: new Places(), lists: new Places() };

  get inHand(): number {
    return this.lanes.evaluations.has + this.lanes.lists.has;
  }

  get isGone(): boolean {
    return this.inHand + this.lanes.evaluations.waits + this.lanes.lists.waits === 0;
  }
}

export class WorkQueue<T extends Waiting> {
  readonly #lanes: ReadonlyMap<WorkLane, Lane<T>>;
  readonly #queriers = new Map<string, Querier>();

  constructor(lengthMax: number, perTenantMax: number) {
    this.#lanes = new Map(
      workLanes.map((name) => [
        name,
        { name, queue: new TenantQueue<T>(lengthMax, perTenantMax), again: [], takers: new Set() },
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
    for (const { inHand } of this.#queriers.values()) count += inHand;
    return count;
  }

  /** Evaluations of one tenant that could run at once: those that do, and those that queriers wait for. */
  get evaluators(): number {
    let count = 0;
    for (const { lanes } of this.#queriers.values()) {
      const { waits, has, spares } = lanes.evaluations;
      count += Math.max(0, waits + has - spares);
    }
    return count;
  }

  /** Queriers that wait for work or do some. */
  get queriers(): number {
    return this.#queriers.size;
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
  take({ lane: name, spares }: WorkWish, querier: string, signal: AbortSignal): Promise<T> {
    const lane = this.#laneOf(name);
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        lane.takers.delete(taker);
        this.#change(querier, ({ lanes }) => lanes[name].waits--);
        reject(signal.reason);
      };
      const taker: Taker<T> = {
        querier,
        resolve: (found) => {
          signal.removeEventListener('abort', leave);
          resolve(found);
        },
      };
      signal.addEventListener('abort', leave, { once: true });
      lane.takers.add(taker);
      this.#change(querier, ({ lanes }) => {
        lanes[name].waits++;
        lanes[name].spares = spares;
      });
      const item = this.#next(lane, querier);
      if (item !== undefined) this.#hand(lane, taker, item);
    });
  }

  /** The querier has this piece in hand no longer. */
  done(querier: string, item: T): void {
    this.#change(querier, ({ lanes }) => lanes[item.lane].hasBy(item.tenant, -1));
  }

  #laneOf(name: WorkLane): Lane<T> {
    return this.#lanes.get(name) as Lane<T>;
  }

  #next(lane: Lane<T>, querier: string): T | undefined {
    const now = performance.now();
    const accepts = (tenant: TenantId): boolean =>
      this.#queriers.get(querier)?.lanes[lane.name].accepts(tenant) === true;
    const index = lane.again.findIndex(
      ({ item, anybodyAt }) => accepts(item.tenant) && (anybodyAt <= now || !item.failedAt.has(querier)),
    );
    if (index >= 0) return lane.again.splice(index, 1)[0]?.item;
    return lane.queue.shift(accepts);
  }

  /** What failed long enough ago goes to whoever waits. */
  #handOld(lane: Lane<T>): void {
    for (const taker of lane.takers) {
      const item = this.#next(lane, taker.querier);
      if (item !== undefined) this.#hand(lane, taker, item);
    }
  }

  /** Hands a piece to whoever of those that wait for such a one has the least in hand; false where nobody does. */
  #tryHand(lane: Lane<T>, item: T): boolean {
    let best: Taker<T> | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const taker of lane.takers) {
      const querier = this.#queriers.get(taker.querier);
      const inHand = querier?.inHand ?? 0;
      if (item.failedAt.has(taker.querier) || inHand >= least) continue;
      if (querier?.lanes[lane.name].accepts(item.tenant) !== true) continue;
      best = taker;
      least = inHand;
    }
    if (best !== undefined) this.#hand(lane, best, item);
    return best !== undefined;
  }

  #hand(lane: Lane<T>, taker: Taker<T>, item: T): void {
    lane.takers.delete(taker);
    this.#change(taker.querier, ({ lanes }) => {
      lanes[lane.name].waits--;
      lanes[lane.name].hasBy(item.tenant, 1);
    });
    taker.resolve(item);
  }

  #change(name: string, act: (querier: Querier) => void): void {
    const querier = this.#queriers.get(name) ?? new Querier();
    this.#queriers.set(name, querier);
    act(querier);
    if (querier.isGone) this.#queriers.delete(name);
  }
}
