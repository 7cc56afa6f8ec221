/** The slice `kafka` of the configuration: which brokers, which topic, and how they are reached. */
import { duration, integer, list, oneOf, text, timer, type ValuesOf } from '../config/config-key.ts';

export const kafkaKeys = {
  brokers: list('', 'Brokers to begin with, host:port between commas.'),
  topic: text('maru-ingest', 'Topic that writes go to; created if it is not there.'),
  partitions: integer(
    16,
    'Partitions that the topic has: at least as many as there are ingesters in a zone. Another number is an error.',
    1,
    10_000,
  ),
  replicationFactor: integer(-1, "Replicas that the topic is created with; -1 is the brokers' default.", -1, 100),
  minInsyncReplicas: integer(
    1,
    'Replicas that must have a write before it is acknowledged; the topic must not ask for fewer. One broker alone loses what a power cut takes from its memory.',
    1,
    100,
  ),
  retention: duration(
    '7d',
    'How long the topic keeps a write, at least: longer than an ingester may be away, and than its samples take to a block in the bucket.',
  ),
  compression: oneOf(['none', 'zstd'], 'none', 'Compression of what is sent.'),
  timeout: timer('10s', 'A call that gets no answer within this is given up.'),
  tls: {
    enabled: oneOf(['false', 'true'], 'false', 'Whether the brokers are spoken to over TLS.'),
    caFile: text('', "PEM file of the authority that signed the brokers' certificates; empty is the system's."),
    certFile: text('', 'PEM file of a certificate of this process, where brokers want one.'),
    keyFile: text('', 'PEM file of its key.'),
    serverName: text('', 'Name that certificates are made out to; empty is the host that is dialled.'),
  },
  sasl: {
    mechanism: oneOf(
      ['none', 'plain', 'scram-sha-256', 'scram-sha-512'],
      'none',
      'How this process says who it is; plain sends the password as it is, so it needs TLS.',
    ),
    username: text('', 'Its name.'),
    password: text('', 'Its password; better given as MARU_KAFKA_SASL_PASSWORD.'),
  },
} as const;

export type KafkaConfig = ValuesOf<typeof kafkaKeys>;

/** What a record takes beside key and value, at most: lengths, offsets, headers of ours. */
export const recordOverheadBytes = 512;

/** What a record takes, in memory and in a batch, at most. */
export function recordBytes({ key, value }: { readonly key: Uint8Array; readonly value: Uint8Array }): number {
  return key.length + value.length + recordOverheadBytes;
}
