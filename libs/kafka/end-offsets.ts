/**
 * Where the partitions of the log begin and end, as their leaders say now.
 * Owns that an answer was asked for after the question: questions that come while one is under way share the next one.
 */
import { Consumer } from '@platformatic/kafka';
import { type Connection, kafkaAway, passingFrozen } from './connect.ts';
import type { KafkaTopic } from './topic.ts';

const earliest = -2n;
const latest = -1n;
const readUncommitted = 0;
/** So long is waited for brokers that did not answer a moment ago: each read would wait for its whole time else. */
const awayMs = 500;

type OffsetsTopic = Pick<KafkaTopic, 'name' | 'problem' | 'check'>;

export class LogOffsets {
  readonly #topic: OffsetsTopic;
  readonly #consumer: Consumer;
  #running: Promise<readonly number[]> | undefined;
  #next: Promise<readonly number[]> | undefined;

  constructor(connection: Connection, topic: OffsetsTopic) {
    this.#topic = topic;
    // A name is wanted; no group is ever joined.
    this.#consumer = passingFrozen(new Consumer({ ...connection, groupId: 'maru' }), connection.known);
  }

  /**
   * Behind the last record of every partition, by its number: every record that was acknowledged before this call lies below.
   * @throws Failure `unavailable`
   */
  ends(): Promise<readonly number[]> {
    const ends = this.#ends();
    const { problem } = this.#topic;
    return problem === undefined ? ends : this.#within(awayMs, ends, problem);
  }

  /** Brokers that did not answer when they were asked last may be back. */
  #within(ms: number, ends: Promise<readonly number[]>, problem: string): Promise<readonly number[]> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(kafkaAway(problem, undefined)), ms);
      ends.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }

  #ends(): Promise<readonly number[]> {
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.#start();
      });
    return this.#next;
  }

  /** The first record that is still there and the end of one partition. @throws Failure `unavailable` */
  async bounds(partition: number): Promise<{ readonly begin: number; readonly end: number }> {
    const ask = async (timestamp: bigint): Promise<number> =>
      (await this.#list(timestamp, [partition]))[partition] ?? 0;
    return { begin: await ask(earliest), end: await ask(latest) };
  }

  stop(): Promise<void> {
    return this.#consumer.close().catch(() => undefined);
  }

  #start(): Promise<readonly number[]> {
    const running = this.#list(latest, undefined).finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  async #list(timestamp: bigint, partitions: number[] | undefined): Promise<readonly number[]> {
    const { name } = this.#topic;
    this.#topic.check();
    try {
      const offsets = await this.#consumer.listOffsets({
        topics: [name],
        timestamp,
        isolationLevel: readUncommitted,
        ...(partitions === undefined ? {} : { partitions: { [name]: partitions } }),
      });
      return (offsets.get(name) ?? []).map(Number);
    } catch (error) {
      throw kafkaAway('the offsets of the log cannot be had', error);
    }
  }
}
