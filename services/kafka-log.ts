/**
 * The log that writes go through, in Kafka, as one room of the process: which topic, and what every other room needs of it.
 * Owns the clients that rooms share and what is reported of them. Not there where `ingest.log` is local.
 */
import type { KafkaConfig } from '../libs/kafka/config.ts';
import { type Connection, connectionOf } from '../libs/kafka/connect.ts';
import { LogOffsets } from '../libs/kafka/end-offsets.ts';
import { LogProducer } from '../libs/kafka/produce.ts';
import { KafkaTopic } from '../libs/kafka/topic.ts';
import type { Service } from '../libs/lifecycle/service.ts';
import type { Bucket } from '../libs/object-store/bucket.ts';
import { notedTopicId, noteTopicId, topicNote } from '../libs/ring/log-floor.ts';
import { usableMemoryBytes } from '../libs/std/usable-memory.ts';
import type { Logger } from '../libs/telemetry/log.ts';
import type { Metrics } from '../libs/telemetry/metrics.ts';

/** What records may take that are not acknowledged yet, of the memory. */
const waitingShare = 1 / 8;
const waitingBytesMax = 128 << 20;

export interface KafkaLogDeps {
  readonly clusterId: string;
  readonly instance: string;
  readonly bucket: Bucket;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export class KafkaLog {
  readonly connection: Connection;
  readonly topic: KafkaTopic;
  readonly offsets: LogOffsets;
  readonly producer: LogProducer;

  /** @throws ConfigError */
  constructor(config: KafkaConfig, { clusterId, instance, bucket, log, metrics }: KafkaLogDeps) {
    this.connection = connectionOf(config, `maru-${instance}`);
    this.topic = new KafkaTopic({
      config,
      connection: this.connection,
      knownId: () => notedTopicId(bucket, clusterId),
      noteId: (id) => noteTopicId(bucket, clusterId, config.topic, id),
      noteName: `${bucket.name}/${topicNote}`,
      log,
    });
    this.offsets = new LogOffsets(this.connection, this.topic);
    this.producer = new LogProducer({
      connection: this.connection,
      topic: this.topic,
      compression: config.compression,
      timeoutMs: config.timeout,
      waitingBytesMax: Math.floor(Math.min(usableMemoryBytes() * waitingShare, waitingBytesMax)),
    });
    this.#register(metrics);
  }

  async start(): Promise<void> {
    await this.topic.start();
  }

  async stop(): Promise<void> {
    await this.producer.stop();
    await this.offsets.stop();
    await this.topic.stop();
  }

  /** Why nothing can be written. Brokers that go away later are no unreadiness: writes are refused, and come again. */
  notReadyReason(): string | undefined {
    return this.topic.view === undefined ? this.topic.problem : this.topic.fault;
  }

  amissReason(): string | undefined {
    return this.topic.problem;
  }

  #register(metrics: Metrics): void {
    const { topic, producer } = this;
    const { counters } = producer;
    metrics.gaugeOf('maru_log_available', 'Whether the topic of the log is there as it must be.', [], () => [
      { value: topic.problem === undefined ? 1 : 0 },
    ]);
    metrics.gaugeOf('maru_log_waiting_records', 'Records of the log that no request has taken yet.', [], () => [
      { value: producer.waitingRecords },
    ]);
    metrics.counterOf('maru_log_written_records_total', 'Records of the log that were acknowledged.', [], () => [
      { value: counters.records },
    ]);
    metrics.counterOf('maru_log_written_bytes_total', 'Bytes of them, before compression.', [], () => [
      { value: counters.bytes },
    ]);
    metrics.counterOf('maru_log_write_requests_total', 'Requests by which records were written.', [], () => [
      { value: counters.requests },
    ]);
    metrics.counterOf('maru_log_write_failures_total', 'Requests that were not acknowledged.', [], () => [
      { value: counters.failures },
    ]);
    metrics.counterOf('maru_log_write_seconds_total', 'Time that requests took.', [], () => [
      { value: counters.seconds },
    ]);
  }
}

/**
 * The log as a room of the process. Only who writes needs it to be ready: reads go on with a warning, and an ingester says by itself
 * what it lacks.
 */
export function kafkaLogService(log: KafkaLog, isWritten: boolean): Service {
  return {
    start: () => log.start(),
    stop: () => log.stop(),
    notReadyReason: () => (isWritten ? log.notReadyReason() : undefined),
    amissReason: () => log.amissReason(),
  };
}
