/**
 * A log that is kept elsewhere (Kafka) in place of the WAL: the head follows it, and only snapshots lie on the local disk.
 * Owns the position: the offset of the record that comes next. Sequence numbers of records are their offsets plus one, so that a
 * slice of a snapshot says which records it holds as it does beside a WAL. What the head lets go of is not logged: a start
 * from a snapshot before it does the same again, and what comes out twice is merged.
 */
import { Failure } from '../errors/failure.ts';
import type { WalState, WalWriter } from './wal/writer.ts';

/** What makes a write durable, as the head sees it. */
export interface HeadLog {
  readonly state: WalState;
  readonly counters: WalWriter['counters'];
  /** Sequence number of the newest record. */
  readonly lastSeq: number;
  /** Of the newest record that is on this disk for good. */
  readonly durableSeq: number;
  /** Name for a range that the record appended last froze: never the same twice. */
  takeGeneration(): number;
  /** @throws Failure `unavailable` when nothing is taken now */
  checkOpen(): void;
  append(encode: Parameters<WalWriter['append']>[0]): Promise<void>;
  /** Number of a snapshot that begins now: from there on the log holds everything that it may lack. */
  roll(): Promise<number>;
  close(): Promise<void>;
}

export class OutsideLog implements HeadLog {
  /** Holds the snapshots: one folder for each log there is, so that none is taken for another's. */
  readonly directory: string;
  readonly counters: WalWriter['counters'] = { bytes: 0, records: 0, commits: 0, syncSeconds: 0 };
  #position: number | undefined;
  #leaderEpoch = -1;
  #generation = 0;
  #isClosed = false;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Offset of the record that comes next; undefined where there is no snapshot to say it. */
  get position(): number | undefined {
    return this.#position;
  }

  /** Leader epoch of the record before it; -1 where that is not known. */
  get leaderEpoch(): number {
    return this.#leaderEpoch;
  }

  /** Where reading begins. */
  startAt(offset: number, leaderEpoch: number): void {
    this.#position = offset;
    this.#leaderEpoch = leaderEpoch;
  }

  /** Generations up to this one are taken. */
  startAfter(generation: number): void {
    if (generation > this.#generation) this.#generation = generation;
  }

  /** The record at an offset is in memory, or is none of ours. */
  applied(offset: number, leaderEpoch: number, bytes: number): void {
    this.#position = offset + 1;
    this.#leaderEpoch = leaderEpoch;
    this.counters.bytes += bytes;
    this.counters.records++;
  }

  get state(): WalState {
    return this.#isClosed ? 'closed' : 'open';
  }

  get lastSeq(): number {
    return this.#position ?? 0;
  }

  /** None: what a disk lacks comes from the log. */
  get durableSeq(): number {
    return 0;
  }

  takeGeneration(): number {
    return ++this.#generation;
  }

  checkOpen(): void {
    if (this.#isClosed) throw new Failure('unavailable', 'the process is stopping');
  }

  /** What is in memory is in the log already. */
  async append(): Promise<void> {}

  async roll(): Promise<number> {
    return this.#position ?? 0;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }
}
