/**
 * The ingesters that the ring's table names, each reached over links of its own that come and go with the table.
 * Owns links and what is known of each ingester: whether it answers, which epoch it knows. Does not own who is asked for what.
 */
import type { Owner, RingTable } from '../ring/table.ts';
import type { Identity } from './greeting.ts';
import { dialGrpc, type TlsFiles } from './grpc-pipe.ts';
import { ringEpochCall } from './ingester-calls.ts';
import { IngesterClient } from './ingester-client.ts';
import { PeerLink } from './peer-link.ts';

/** A look at an ingester that takes longer counts as no answer. */
const lookMs = 1_000;

export interface IngesterPeersOptions {
  readonly identity: Identity;
  readonly tls: TlsFiles | undefined;
  /** Which links this process needs. */
  readonly writes: boolean;
  readonly reads: boolean;
  readonly tableEpoch: () => number;
  readonly onTableEpoch: (epoch: number) => void;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
}

class IngesterPeer {
  readonly owner: Owner;
  readonly client: IngesterClient;
  readonly #links: readonly PeerLink[];
  readonly #stopDialling: readonly (() => void)[];
  readonly #returned = new Set<() => void>();
  /** Epoch of the table that it said last; 0 before it said any. */
  knownEpoch = 0;
  /** Whether it answered when it was last looked at; one that does not is asked last. */
  answers = false;
  #isLossTold = false;

  constructor(owner: Owner, options: IngesterPeersOptions) {
    this.owner = owner;
    const dials: (() => void)[] = [];
    const link = (purpose: string): PeerLink => {
      const { open, stop } = dialGrpc(owner.address, options.tls);
      dials.push(stop);
      return new PeerLink({
        identity: options.identity,
        name: `${owner.instance} (zone ${owner.zone}, ${owner.address})`,
        open,
        tableEpoch: options.tableEpoch,
        onTableEpoch: (epoch) => {
          this.knownEpoch = epoch;
          options.onTableEpoch(epoch);
        },
        onState: (isOpen, reason) => {
          const fields = { peer: owner.instance, zone: owner.zone, address: owner.address, purpose, reason };
          if (isOpen) {
            options.log.info(fields, 'connected to an ingester');
            this.answers = true;
            this.#isLossTold = false;
            this.came();
            return;
          }
          this.answers = false;
          if (!this.#isLossTold) options.log.warn(fields, 'an ingester cannot be reached');
          this.#isLossTold = true;
        },
        random: Math.random,
      });
    };
    const writes = options.writes ? link('writes') : undefined;
    const reads = options.reads ? link('reads') : undefined;
    this.#links = [writes, reads].filter((one) => one !== undefined);
    this.#stopDialling = dials;
    const any = writes ?? reads;
    if (any === undefined) throw new Error('a process without writes and reads needs no ingesters');
    this.client = new IngesterClient(writes ?? any, reads ?? any);
  }

  /** Calls back whenever it is there again after it was not. */
  onReturn(listener: () => void): void {
    this.#returned.add(listener);
  }

  /** It was heard of. */
  came(): void {
    for (const listener of this.#returned) listener();
  }

  /** Asks whether it is there; its reply brings the epoch that it knows. */
  async look(): Promise<void> {
    try {
      await this.#links[0]?.ask(ringEpochCall, [], { timeoutMs: lookMs });
      this.answers = true;
    } catch {
      this.answers = false;
    }
  }

  stop(): void {
    for (const link of this.#links) link.stop();
    for (const stop of this.#stopDialling) stop();
  }
}

export class IngesterPeers {
  readonly #options: IngesterPeersOptions;
  readonly #byName = new Map<string, IngesterPeer>();

  constructor(options: IngesterPeersOptions) {
    this.#options = options;
  }

  /** Opens links to owners that are new, or that were started anew; lets go of those that are gone. */
  follow(table: RingTable): void {
    const wanted = new Map(
      table.partitions.flatMap(({ owners }) => owners).map((owner) => [nameOf(owner), owner] as const),
    );
    for (const [name, peer] of this.#byName) {
      if (wanted.has(name)) continue;
      peer.stop();
      this.#byName.delete(name);
    }
    for (const [name, owner] of wanted) {
      if (!this.#byName.has(name)) this.#byName.set(name, new IngesterPeer(owner, this.#options));
    }
  }

  /** The peer of an owner of the table that was followed last. */
  of(owner: Owner): IngesterPeer | undefined {
    return this.#byName.get(nameOf(owner));
  }

  async lookAtAll(): Promise<void> {
    await Promise.all([...this.#byName.values()].map((peer) => peer.look()));
  }

  stop(): void {
    for (const peer of this.#byName.values()) peer.stop();
    this.#byName.clear();
  }
}

const nameOf = (owner: Owner): string =>
  JSON.stringify([owner.instance, owner.zone, owner.address, owner.incarnation, owner.starts]);
