/**
 * One partition of the log from an offset on, record by record, without a consumer group: who reads keeps the offset.
 * Owns that nothing is ever left out: where the log does not go on at the offset that was asked for, reading ends with a LogGap that
 * says why. Brokers that are away are asked again and again.
 */
import { Consumer } from '@platformatic/kafka';
import { Failure } from '../errors/failure.ts';
import { type Connection, isKafkaError, kafkaErrorText, passingFrozen } from './connect.ts';
import type { LogOffsets } from './end-offsets.ts';
import type { KafkaTopic } from './topic.ts';

export interface ReadRecord {
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [Buffer, Buffer])[];
}

/** The log is not the one that was read so far, or does not have what comes next. */
export class LogGap extends Error {
  override readonly name: string = 'LogGap';
}

/** Records that were read are not in the log any more: what it holds now says nothing of them. */
export class LogCut extends LogGap {
  override readonly name = 'LogCut';
}

export interface ReadLogOptions {
  readonly connection: Connection;
  readonly topic: Pick<KafkaTopic, 'name' | 'problem' | 'loss' | 'check' | 'look'>;
  readonly offsets: Pick<LogOffsets, 'bounds'>;
  readonly partition: number;
  /** Where to begin, and the leader epoch of the record before it, -1 if that is not known. */
  readonly offset: number;
  readonly leaderEpoch: number;
  /** Applies a record; what it throws ends the reading. Awaited where it answers with a promise. */
  readonly apply: (record: ReadRecord) => void | Promise<void>;
  /** Told after each answer: behind the last record that was applied, and the end of the log at that time. */
  readonly onPosition: (position: number, end: number) => void;
  /** Told when the brokers do not answer, and with undefined when they do again. */
  readonly onAway: (reason: string | undefined) => void;
  readonly signal: AbortSignal;
}

type FetchResponsePartition = Awaited<ReturnType<Consumer['fetch']>>['responses'][number]['partitions'][number];

const waitMs = 500;
const fetchBytesMax = 8 << 20;
const pauseMsMin = 50;
const pauseMsMax = 1_000;
/** Applying goes on for so long before others have a turn. */
const turnMs = 5;
const isControl = 0x20;
const readUncommitted = 0;

/** Reads until `signal` aborts. @throws LogGap, and whatever `apply` throws */
export async function readLog(options: ReadLogOptions): Promise<void> {
  const { topic, signal } = options;
  const { connection } = options;
  const consumer = passingFrozen(
    new Consumer({ ...connection, groupId: 'maru', maxWaitTime: waitMs }),
    connection.known,
  );
  const stop = (): void => void consumer.close(true).catch(() => undefined);
  signal.addEventListener('abort', stop, { once: true });
  let position = options.offset;
  let epoch = options.leaderEpoch;
  let pauseMs = pauseMsMin;
  try {
    while (!signal.aborted) {
      let answer: FetchResponsePartition | undefined;
      try {
        answer = await fetchOnce(consumer, options, position, epoch);
        options.onAway(undefined);
        pauseMs = pauseMsMin;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof LogGap) throw error;
        if (isKafkaError(error, 'OFFSET_OUT_OF_RANGE')) await explainRange(options, position);
        // A leader that does not know the epoch, or no longer leads: the next look at the topic tells.
        options.onAway(topic.problem ?? kafkaErrorText(error));
        void topic.look();
        // The client asks once by itself who the brokers are: one that came later, or has moved, it would never find.
        void consumer.metadata({ topics: [], forceUpdate: true }).catch(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
        pauseMs = Math.min(pauseMsMax, pauseMs * 2);
        continue;
      }
      if (answer === undefined) continue;
      let turnEndsMs = performance.now() + turnMs;
      for (const batch of answer.records ?? []) {
        const first = Number(batch.firstOffset);
        if (first > position) {
          throw new LogGap(
            `${nameOf(options)} has no records from ${position} to ${first - 1}: something has deleted them`,
          );
        }
        if ((batch.attributes & isControl) === 0) {
          for (const { offsetDelta, key, value, headers } of batch.records) {
            const offset = first + offsetDelta;
            if (offset < position) continue;
            const leaderEpoch = batch.partitionLeaderEpoch;
            const applied = options.apply({ offset, leaderEpoch, key, value, headers: headers as never });
            if (applied !== undefined) await applied;
            position = offset + 1;
            if (performance.now() < turnEndsMs) continue;
            options.onPosition(position, Number(answer.highWatermark));
            await new Promise((resolve) => setImmediate(resolve));
            if (signal.aborted) return;
            turnEndsMs = performance.now() + turnMs;
          }
        }
        position = Math.max(position, first + batch.lastOffsetDelta + 1);
        epoch = batch.partitionLeaderEpoch;
      }
      options.onPosition(position, Number(answer.highWatermark));
    }
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}

async function fetchOnce(
  consumer: Consumer,
  options: ReadLogOptions,
  position: number,
  lastEpoch: number,
): Promise<FetchResponsePartition | undefined> {
  const { topic, partition } = options;
  if (topic.loss !== undefined) throw new LogGap(topic.loss);
  const { id, leaders } = topic.check();
  const answer = await consumer.fetch({
    node: leaders[partition] as number,
    maxWaitTime: waitMs,
    minBytes: 1,
    maxBytes: fetchBytesMax,
    isolationLevel: readUncommitted,
    topics: [
      {
        topicId: id,
        partitions: [
          {
            partition,
            currentLeaderEpoch: -1,
            fetchOffset: BigInt(position),
            lastFetchedEpoch: lastEpoch,
            partitionMaxBytes: fetchBytesMax,
          },
        ],
      },
    ],
  });
  const found = answer.responses
    .flatMap(({ partitions }) => partitions)
    .find(({ partitionIndex }) => partitionIndex === partition);
  const diverging = found?.divergingEpoch;
  if (diverging !== undefined && diverging.endOffset >= 0n) {
    throw new LogCut(
      `${nameOf(options)} was cut short: it was read up to ${position}, and of leader epoch ${diverging.epoch} it has only what lies before ${diverging.endOffset}`,
    );
  }
  return found;
}

/** @throws LogGap where the log lies elsewhere than its reader; brokers that cannot be asked now are asked again with the next fetch */
async function explainRange(options: ReadLogOptions, position: number): Promise<void> {
  let bounds: { readonly begin: number; readonly end: number };
  try {
    bounds = await options.offsets.bounds(options.partition);
  } catch (error) {
    if (error instanceof Failure) return;
    throw error;
  }
  checkRange(nameOf(options), position, bounds.begin, bounds.end);
}

/** @throws LogGap where the log of this name, from `begin` to `end`, does not go on at `position` */
export function checkRange(name: string, position: number, begin: number, end: number): void {
  if (position < begin) {
    throw new LogGap(
      `${name} begins at offset ${begin}: the records from ${position} on were deleted before they were read. kafka.retention is too short for how long this ingester was away`,
    );
  }
  if (position > end) {
    throw new LogCut(`${name} was cut short: it ends at offset ${end}, and was read up to ${position} before`);
  }
}

const nameOf = ({ topic, partition }: ReadLogOptions): string => `partition ${partition} of topic ${topic.name}`;
