/**
 * The store-gateways of the cluster as one: each block is read by one of them, by rendezvous hashing, in the own zone where there is a choice.
 * Owns who is asked for which block, and that a gateway that fails, is frozen or goes away while it is read is replaced by another, from
 * the series on that has not come yet. Any of them can read any block, so an answer is complete whoever gives it. Does not own
 * the links (libs/rpc) nor which blocks a query needs (block-source.ts).
 */
import {
  type BlockReads,
  type BlocksSource,
  type StoreGatewayContract,
  sumOfReads,
} from '../../libs/contracts/store-gateway.ts';
import { Failure } from '../../libs/errors/failure.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import { rankInZones } from '../../libs/ring/rank-members.ts';
import type { Gateway } from '../../libs/ring/table.ts';
import { mergeSources } from '../../libs/series/merge-sources.ts';
import { resumedChunks } from '../../libs/series/resume-chunks.ts';
import type { SelectedSeries, SelectQuery, SeriesSource } from '../../libs/series/series-source.ts';
import { TakenMemory } from '../../libs/series/taken-memory.ts';

/** Gateways that are asked for one block, one after the other. */
const attemptsMax = 3;
/** How often it is looked whether a gateway that has not answered yet is still there. */
const lookEveryMs = 200;

/** A store-gateway that can be asked. */
export interface GatewayPeer {
  /** One that does not answer is asked last. */
  answers: boolean;
  readonly gateway: StoreGatewayContract;
}

export interface ShardedGatewayDeps {
  readonly gateways: () => readonly Gateway[];
  readonly peerOf: (gateway: Gateway) => GatewayPeer | undefined;
  /** Gateways that keep what they need of a block at hand. */
  readonly replicationFactor: number;
  /** Zone of this process. */
  readonly zone: string;
  /** A gateway failed, and another is asked. */
  readonly onRetry: (gateway: Gateway, reason: string) => void;
}

export class ShardedGateway implements StoreGatewayContract {
  readonly #deps: ShardedGatewayDeps;

  constructor(deps: ShardedGatewayDeps) {
    this.#deps = deps;
  }

  source(tenant: TenantId, blocks: readonly string[]): BlocksSource {
    const shares = this.#shares(blocks).map(
      ({ gateways, names }) => new BlockShare(this.#deps, tenant, names, gateways),
    );
    return {
      source: mergeSources(shares.map((share) => share.source())),
      reads: () => sumOfReads(shares.map((share) => share.reads())),
    };
  }

  /** Blocks by who is asked for them first, and who after that. */
  #shares(blocks: readonly string[]): { readonly gateways: readonly Gateway[]; readonly names: readonly string[] }[] {
    const { replicationFactor, zone } = this.#deps;
    const gateways = this.#deps.gateways();
    const shares = new Map<Gateway | undefined, { gateways: readonly Gateway[]; names: string[] }>();
    for (const name of new Set(blocks)) {
      const ranked = rankInZones(name, gateways, replicationFactor);
      const cost = (gateway: Gateway): number => {
        const rank = ranked.indexOf(gateway);
        const isAway = this.#deps.peerOf(gateway)?.answers !== true;
        return (isAway ? 4e6 : 0) + (rank < replicationFactor ? 0 : 2e6) + (gateway.zone === zone ? 0 : 1e6) + rank;
      };
      const order = [...ranked].sort((a, b) => cost(a) - cost(b));
      const share = shares.get(order[0]);
      if (share === undefined) shares.set(order[0], { gateways: order.slice(0, attemptsMax), names: [name] });
      else share.names.push(name);
    }
    return [...shares.values()];
  }
}

/** The blocks of a question that one gateway is asked for, and another one where that fails. */
class BlockShare {
  readonly #deps: ShardedGatewayDeps;
  readonly #tenant: TenantId;
  readonly #blocks: readonly string[];
  readonly #gateways: readonly Gateway[];
  /** What each question has cost, of those whose answer counts. */
  readonly #reads: (() => BlockReads)[] = [];

  constructor(deps: ShardedGatewayDeps, tenant: TenantId, blocks: readonly string[], gateways: readonly Gateway[]) {
    this.#deps = deps;
    this.#tenant = tenant;
    this.#blocks = blocks;
    this.#gateways = gateways;
  }

  reads(): BlockReads {
    return sumOfReads(this.#reads.map((read) => read()));
  }

  source(): SeriesSource {
    return {
      select: (query, signal) => this.#select(query, signal),
      labelNames: (query, signal) => this.#ask(signal, (source, stop) => source.labelNames(query, stop)),
      labelValues: (name, query, signal) => this.#ask(signal, (source, stop) => source.labelValues(name, query, stop)),
      series: (query, signal) => this.#ask(signal, (source, stop) => source.series(query, stop)),
      exemplars: async () => ({ values: [], warnings: [] }),
      metadata: async () => ({ values: [], warnings: [] }),
    };
  }

  async #select(query: SelectQuery, signal: AbortSignal): Promise<SelectedSeries> {
    const attempts = new Attempts(this.#gateways);
    const select = (memory = query.memory) =>
      this.#attempt(attempts, signal, (source, stop) => source.select({ ...query, memory }, stop));
    const first = await select();
    let resumed: TakenMemory | undefined;
    const again = (error: unknown): Promise<SelectedSeries> => {
      if (!this.#failed(attempts, error)) throw error;
      // The labels of the first remain; those of one that was gone on with and broke off as well do not.
      resumed?.release();
      resumed = new TakenMemory(query.memory);
      return select(resumed);
    };
    return { ...first, chunks: (stop) => resumedChunks(first, again, stop) };
  }

  #ask<T>(signal: AbortSignal, act: (source: SeriesSource, stop: AbortSignal) => Promise<T>): Promise<T> {
    return this.#attempt(new Attempts(this.#gateways), signal, act);
  }

  /** Asks the gateways that were not asked yet, one after the other, until one answers. */
  async #attempt<T>(
    attempts: Attempts,
    signal: AbortSignal,
    act: (source: SeriesSource, stop: AbortSignal) => Promise<T>,
  ): Promise<T> {
    for (;;) {
      signal.throwIfAborted();
      const gateway = attempts.next();
      if (gateway === undefined) throw this.#notRead(attempts);
      const peer = this.#deps.peerOf(gateway);
      if (peer === undefined) {
        attempts.failures.push(new Failure('unavailable', `${nameOf(gateway)} is not connected`));
        continue;
      }
      const asked = peer.gateway.source(this.#tenant, this.#blocks);
      const leaving = new AbortController();
      const look = setInterval(() => {
        // A frozen process says nothing: it is given up where there is another.
        if (
          this.#deps.peerOf(gateway)?.answers !== true &&
          attempts.others.some((other) => this.#deps.peerOf(other)?.answers === true)
        ) {
          leaving.abort(new Failure('unavailable', `${nameOf(gateway)} does not answer`));
        }
      }, lookEveryMs);
      try {
        const answer = await act(asked.source, AbortSignal.any([signal, leaving.signal]));
        this.#reads.push(asked.reads);
        return answer;
      } catch (error) {
        signal.throwIfAborted();
        if (!this.#failed(attempts, leaving.signal.aborted ? leaving.signal.reason : error)) throw error;
      } finally {
        clearInterval(look);
      }
    }
  }

  /** Notes why the gateway that was asked last failed. @returns whether another may do better */
  #failed(attempts: Attempts, error: unknown): boolean {
    if (!(error instanceof Failure) || !isOfGateway(error)) return false;
    attempts.failures.push(error);
    if (attempts.current !== undefined) this.#deps.onRetry(attempts.current, error.message);
    return true;
  }

  #notRead({ failures }: Attempts): Failure {
    const [name] = this.#blocks;
    const more = this.#blocks.length > 1 ? ` and ${this.#blocks.length - 1} more` : '';
    const why =
      failures.length === 0
        ? 'no store-gateway has joined the ring'
        : failures.map(({ message }) => message).join('; ');
    const text = `block ${name}${more} of tenant ${this.#tenant} cannot be read: ${why}`;
    // Damage that each of them finds is no matter of waiting.
    const isDamaged = failures.length > 0 && failures.every(({ kind }) => kind === 'internal');
    return isDamaged ? new Failure('internal', text) : new Failure('unavailable', text, { retryAfterSeconds: 1 });
  }
}

/** Whom a question was put to, and what came of it. */
class Attempts {
  readonly failures: Failure[] = [];
  readonly #gateways: readonly Gateway[];
  #next = 0;

  constructor(gateways: readonly Gateway[]) {
    this.#gateways = gateways;
  }

  get current(): Gateway | undefined {
    return this.#gateways[this.#next - 1];
  }

  /** Those who were not asked yet. */
  get others(): readonly Gateway[] {
    return this.#gateways.slice(this.#next);
  }

  next(): Gateway | undefined {
    return this.#gateways[this.#next++];
  }
}

/** Whether another gateway may do better: a block that one of them finds damaged may be so on its own disk alone. */
const isOfGateway = ({ kind }: Failure): boolean => kind === 'unavailable' || kind === 'timeout' || kind === 'internal';

const nameOf = ({ instance, zone }: Gateway): string => `${instance} (zone ${zone})`;
