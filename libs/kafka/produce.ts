/**
 * Records into the log: acknowledged when all replicas in sync have them, in the order in which they were given to a partition.
 * Owns the batches: what comes while a request is under way goes with the next one, so a request is as large as it must be and no
 * record waits for others. One request at a time to a leader, by an idempotent producer: one that is repeated is stored once.
 */
import { type MessageToProduce, Producer } from '@platformatic/kafka';
import { Failure } from '../errors/failure.ts';
import { type ByteAllowance, InflightBytes } from '../std/inflight-bytes.ts';
import { recordBytes } from './config.ts';
import { type Connection, kafkaAway, passingFrozen } from './connect.ts';
import type { KafkaTopic } from './topic.ts';

export interface LogRecord {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A record and where it goes. */
export interface PlacedRecord {
  readonly partition: number;
  readonly record: LogRecord;
}

export interface ProducerOptions {
  readonly connection: Connection;
  readonly topic: Pick<KafkaTopic, 'name' | 'problem' | 'check' | 'look'>;
  readonly compression: 'none' | 'zstd';
  /** A record that was not acknowledged within this is given up; the client repeats its requests for longer. */
  readonly timeoutMs: number;
  /** Records that are not acknowledged yet may take this much memory, all together; beyond it none is taken. */
  readonly waitingBytesMax: number;
}

/** Of a request over all of its partitions. */
const requestBytesMax = 16 << 20;
const retriesInside = 2;

interface Waiting {
  readonly partition: number;
  readonly record: LogRecord;
  readonly bytes: number;
  /** Where they are given back. */
  readonly share: ByteAllowance;
  readonly resolve: () => void;
  readonly reject: (failure: Failure) => void;
}

/** What goes to one leader. */
class Lane {
  readonly producer: Producer<Buffer, Buffer, Buffer, Buffer>;
  waiting: Waiting[] = [];
  isSending = false;

  constructor(connection: Connection) {
    this.producer = passingFrozen(
      new Producer({ ...connection, idempotent: true, retries: retriesInside }),
      connection.known,
    );
  }
}

export class LogProducer {
  readonly #options: ProducerOptions;
  readonly #lanes = new Map<number, Lane>();
  readonly #waitingBytes: InflightBytes;
  #stopped = false;
  /** Counters for metrics. */
  readonly counters = { records: 0, bytes: 0, requests: 0, failures: 0, seconds: 0 };

  constructor(options: ProducerOptions) {
    this.#options = options;
    this.#waitingBytes = new InflightBytes(options.waitingBytesMax, 'writes that wait for Kafka');
  }

  /** Most bytes of records that one call of append may bring, whatever waits: one tenant holds no more than he leaves for all others. */
  get appendBytesMax(): number {
    return Math.floor(this.#options.waitingBytesMax / 2);
  }

  /**
   * Appends records of one tenant, to each partition in their order; resolves when all are acknowledged. Where there is no room for all of
   * them none is taken.
   * @throws Failure `unavailable` when one was not acknowledged: any of them may be in the log all the same; `too_large` for more than
   * there would be room for at any time
   */
  async append(tenant: string, records: readonly PlacedRecord[]): Promise<void> {
    const { topic } = this.#options;
    const { leaders } = topic.check();
    const stranger = records.find(({ partition }) => leaders[partition] === undefined);
    if (stranger !== undefined) {
      throw new Failure('unavailable', `topic ${topic.name} has no partition ${stranger.partition}`);
    }
    if (this.#stopped) throw new Failure('unavailable', 'the process is stopping', { retryAfterSeconds: 1 });
    // The brokers did not answer when they were asked last.
    if (topic.problem !== undefined) throw kafkaAway(topic.problem, undefined);
    const bytes = records.reduce((sum, { record }) => sum + recordBytes(record), 0);
    if (bytes > this.appendBytesMax) {
      throw new Failure('too_large', `${bytes} bytes of records, ${this.appendBytesMax} at most may wait for Kafka`);
    }
    const share = this.#waitingBytes.shareOf(tenant);
    share.take(bytes);
    await Promise.all(
      records.map(({ partition, record }) => this.#append(leaders[partition] as number, partition, record, share)),
    );
  }

  async #append(leader: number, partition: number, record: LogRecord, share: ByteAllowance): Promise<void> {
    let lane = this.#lanes.get(leader);
    if (lane === undefined) {
      lane = new Lane(this.#options.connection);
      this.#lanes.set(leader, lane);
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const one: Waiting = { partition, record, bytes: recordBytes(record), share, resolve, reject };
    lane.waiting.push(one);
    if (!lane.isSending) void this.#run(lane);
    const timer = setTimeout(() => this.#giveUp(lane, one), this.#options.timeoutMs);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Records that no request has taken yet. */
  get waitingRecords(): number {
    let count = 0;
    for (const { waiting } of this.#lanes.values()) count += waiting.length;
    return count;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#lanes.values()].map(({ producer }) => producer.close(true).catch(() => undefined)));
  }

  /** One that waits is not sent any more; one that was sent may come into the log all the same. */
  #giveUp(lane: Lane, one: Waiting): void {
    const words = `Kafka: a write was not acknowledged within ${this.#options.timeoutMs} ms`;
    const failure = new Failure('unavailable', words, { retryAfterSeconds: 1 });
    const place = lane.waiting.indexOf(one);
    if (place === -1) one.reject(failure);
    else this.#settle(lane.waiting.splice(place, 1), failure);
  }

  async #run(lane: Lane): Promise<void> {
    lane.isSending = true;
    // What comes in the same turn goes with the first request.
    await new Promise((resolve) => setImmediate(resolve));
    while (lane.waiting.length > 0) {
      let batchBytesMax: number;
      try {
        ({ batchBytesMax } = this.#options.topic.check());
      } catch (error) {
        // It is not the topic that it was: nothing that waits goes into it.
        this.#settle(lane.waiting.splice(0), error as Failure);
        break;
      }
      await this.#send(lane, this.#take(lane, batchBytesMax));
    }
    lane.isSending = false;
  }

  /** What the next request takes: of each partition as much as a batch of it may hold, in order. */
  #take(lane: Lane, batchBytesMax: number): Waiting[] {
    const taken: Waiting[] = [];
    const left: Waiting[] = [];
    const bytesOf = new Map<number, number>();
    let total = 0;
    for (const one of lane.waiting) {
      const before = bytesOf.get(one.partition) ?? 0;
      const fits = before === 0 || before + one.bytes <= batchBytesMax;
      if (fits && (total === 0 || total + one.bytes <= requestBytesMax)) {
        taken.push(one);
        bytesOf.set(one.partition, before + one.bytes);
        total += one.bytes;
      } else {
        left.push(one);
        // Nothing of this partition may overtake it.
        bytesOf.set(one.partition, Number.POSITIVE_INFINITY);
      }
    }
    lane.waiting = left;
    return taken;
  }

  async #send(lane: Lane, taken: readonly Waiting[]): Promise<void> {
    const { topic, compression } = this.#options;
    const begin = performance.now();
    const messages = taken.map(({ partition, record }) => ({
      topic: topic.name,
      partition,
      key: record.key,
      value: record.value,
      ...(record.headers === undefined ? {} : { headers: headersOf(record.headers) }),
    })) satisfies MessageToProduce<Buffer, Buffer, Buffer, Buffer>[];
    let failure: Failure | undefined;
    try {
      await lane.producer.send({ messages, compression });
      this.counters.records += taken.length;
    } catch (error) {
      failure = kafkaAway('a write was not acknowledged', error);
      this.counters.failures++;
      void topic.look();
    }
    this.counters.requests++;
    this.counters.seconds += (performance.now() - begin) / 1000;
    this.#settle(taken, failure);
  }

  #settle(taken: readonly Waiting[], failure: Failure | undefined): void {
    for (const { bytes, share, resolve, reject } of taken) {
      share.give(bytes);
      if (failure === undefined) {
        this.counters.bytes += bytes;
        resolve();
      } else reject(failure);
    }
  }
}

function headersOf(headers: Readonly<Record<string, string>>): Map<Buffer, Buffer> {
  return new Map(Object.entries(headers).map(([name, value]) => [Buffer.from(name), Buffer.from(value)]));
}
