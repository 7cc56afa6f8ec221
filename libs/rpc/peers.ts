/**
 * Processes that the ring's table names, each reached over links of its own that come and go with the table.
 * Owns links and what is known of each process: whether it answers, which epoch it knows. Does not own who is asked for what.
 */
import { Failure } from '../errors/failure.ts';
import { decodeRingEpochReply } from '../wire/peer/ring-messages.ts';
import type { Channel } from './channel.ts';
import type { Identity } from './greeting.ts';
import { dialGrpc, type TlsFiles } from './grpc-pipe.ts';
import { ringEpochCall, ringTableCall } from './ingester-calls.ts';
import { PeerLink } from './peer-link.ts';

/** A look at a process that takes longer counts as no answer. */
const lookMs = 1_000;

interface Member {
  readonly instance: string;
  readonly zone: string;
  readonly address: string;
}

export interface PeersOptions<M extends Member, C> {
  readonly identity: Identity;
  readonly tls: TlsFiles | undefined;
  /** What they are, for logs: `an ingester`. */
  readonly what: string;
  /** What the links are for, one each: long reads do not hold up writes. */
  readonly purposes: readonly string[];
  /** What is asked of a process, over its links in the order of `purposes`. */
  readonly clientOf: (channels: readonly Channel[]) => C;
  /** A process of another key is another process. */
  readonly keyOf: (member: M) => string;
  readonly tableEpoch: () => number;
  readonly onTableEpoch: (epoch: number) => void;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
}

class MemberPeer<M extends Member, C> {
  readonly member: M;
  readonly client: C;
  readonly #links: readonly PeerLink[];
  readonly #stopDialling: readonly (() => void)[];
  readonly #returned = new Set<() => void>();
  /** Epoch of the table that it said last; 0 before it said any. */
  knownEpoch = 0;
  /** It knew that epoch then, and has answered since: when it was asked, by performance.now(). */
  heardAtMs: number = Number.NEGATIVE_INFINITY;
  /** What it said of itself then: what it holds is not older; 0 where it did not say. */
  heldFromMs = 0;
  /** Whether it answered when it was last looked at; one that does not is asked last. */
  answers = false;
  #isLossTold = false;

  constructor(member: M, options: PeersOptions<M, C>) {
    this.member = member;
    const { instance, zone, address } = member;
    const dials: (() => void)[] = [];
    this.#links = options.purposes.map((purpose) => {
      const { open, stop } = dialGrpc(address, options.tls);
      dials.push(stop);
      return new PeerLink({
        identity: options.identity,
        name: `${instance} (zone ${zone}, ${address})`,
        open,
        // What another one stores or lacks says nothing of this member.
        expected: { instance, zone },
        tableEpoch: options.tableEpoch,
        onTableEpoch: (epoch) => {
          this.knownEpoch = epoch;
          options.onTableEpoch(epoch);
        },
        onState: (isOpen, reason) => {
          const fields = { peer: instance, zone, address, purpose, reason };
          if (isOpen) {
            options.log.info(fields, `connected to ${options.what}`);
            this.answers = true;
            this.#isLossTold = false;
            this.came();
            return;
          }
          this.answers = false;
          if (!this.#isLossTold) options.log.warn(fields, `${options.what} cannot be reached`);
          this.#isLossTold = true;
        },
        random: Math.random,
      });
    });
    this.#stopDialling = dials;
    this.client = options.clientOf(this.#links);
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
    const beginMs = performance.now();
    try {
      const reply = await this.#links[0]?.ask(ringEpochCall, [], { timeoutMs: lookMs });
      if (reply === undefined) return;
      this.heldFromMs = decodeRingEpochReply(reply);
      this.answers = true;
      this.heardAtMs = beginMs;
    } catch {
      this.answers = false;
    }
  }

  /** The newest table of the ring that it knows. @throws Failure */
  async table(): Promise<Uint8Array> {
    const [link] = this.#links;
    if (link === undefined) throw new Failure('unavailable', 'there is no link');
    return await link.ask(ringTableCall, [], { timeoutMs: lookMs });
  }

  stop(): void {
    for (const link of this.#links) link.stop();
    for (const stop of this.#stopDialling) stop();
  }
}

export class Peers<M extends Member, C> {
  readonly #options: PeersOptions<M, C>;
  readonly #byKey = new Map<string, MemberPeer<M, C>>();

  constructor(options: PeersOptions<M, C>) {
    this.#options = options;
  }

  /** Opens links to processes that are new, or that were started anew; lets go of those that are gone. */
  follow(members: readonly M[]): void {
    const { keyOf } = this.#options;
    const wanted = new Map(members.map((member) => [keyOf(member), member] as const));
    for (const [key, peer] of this.#byKey) {
      if (wanted.has(key)) continue;
      peer.stop();
      this.#byKey.delete(key);
    }
    for (const [key, member] of wanted) {
      if (!this.#byKey.has(key)) this.#byKey.set(key, new MemberPeer(member, this.#options));
    }
  }

  /** The peer of a member that was followed last. */
  of(member: M): MemberPeer<M, C> | undefined {
    return this.#byKey.get(this.#options.keyOf(member));
  }

  /** A table beyond an epoch from whoever is known to know one, the first that answers; undefined where nobody does. */
  async tableBeyond(epoch: number): Promise<Uint8Array | undefined> {
    for (const peer of this.#byKey.values()) {
      if (peer.knownEpoch <= epoch || !peer.answers) continue;
      const table = await peer.table().catch(() => undefined);
      if (table !== undefined) return table;
    }
    return undefined;
  }

  async lookAtAll(): Promise<void> {
    await Promise.all([...this.#byKey.values()].map((peer) => peer.look()));
  }

  stop(): void {
    for (const peer of this.#byKey.values()) peer.stop();
    this.#byKey.clear();
  }
}
