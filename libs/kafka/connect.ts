/**
 * How the brokers are reached: the configuration in the words of @platformatic/kafka, and its errors in ours.
 * Owns what makes a configuration whole, and which of the client's errors is which. Retries belong to whoever calls.
 */
import { readFileSync } from 'node:fs';
import {
  type Base,
  type BaseOptions,
  type Connection as BrokerConnection,
  findErrorBy,
  kGetBootstrapConnection,
} from '@platformatic/kafka';
import { ConfigError } from '../config/config-error.ts';
import { Failure } from '../errors/failure.ts';
import type { KafkaConfig } from './config.ts';

export type Connection = Pick<
  BaseOptions,
  'bootstrapBrokers' | 'requestTimeout' | 'connectTimeout' | 'timeout' | 'tls' | 'tlsServerName' | 'sasl'
> & {
  readonly clientId: string;
  readonly retries: number;
  readonly retryDelay: number;
  /** What the clients of this process tell each other; without it each finds out by itself. */
  readonly known?: KnownBrokers;
};

/** Whoever let a client wait last, `host:port`. */
export interface KnownBrokers {
  frozen?: string;
}

const mechanisms = {
  plain: 'PLAIN',
  'scram-sha-256': 'SCRAM-SHA-256',
  'scram-sha-512': 'SCRAM-SHA-512',
} as const;

/** @throws ConfigError for what cannot be connected with */
export function connectionOf(config: KafkaConfig, clientId: string): Connection {
  const { brokers, tls, sasl, timeout } = config;
  if (brokers.length === 0) throw new ConfigError('key kafka.brokers: at least one host:port is wanted');
  for (const broker of brokers) {
    if (!/^[^\s:]+:\d{1,5}$|^\[[0-9a-fA-F:]+\]:\d{1,5}$/.test(broker)) {
      throw new ConfigError(`key kafka.brokers: ${JSON.stringify(broker)} is not host:port`);
    }
  }
  if ((tls.certFile === '') !== (tls.keyFile === '')) {
    throw new ConfigError('keys kafka.tls.cert-file and kafka.tls.key-file: give both or none');
  }
  if (sasl.mechanism !== 'none' && (sasl.username === '' || sasl.password === '')) {
    throw new ConfigError('keys kafka.sasl.username and kafka.sasl.password: kafka.sasl.mechanism wants both');
  }
  return {
    clientId,
    bootstrapBrokers: [...brokers],
    requestTimeout: timeout,
    timeout,
    connectTimeout: Math.min(timeout, 5_000),
    retries: 0,
    retryDelay: 100,
    known: {},
    ...(tls.enabled === 'true' ? { tls: tlsOf(tls), tlsServerName: tls.serverName || true } : {}),
    ...(sasl.mechanism === 'none'
      ? {}
      : { sasl: { mechanism: mechanisms[sasl.mechanism], username: sasl.username, password: sasl.password } }),
  };
}

function tlsOf({ caFile, certFile, keyFile }: KafkaConfig['tls']): NonNullable<BaseOptions['tls']> {
  const read = (key: string, path: string): Buffer => {
    try {
      return readFileSync(path);
    } catch (error) {
      throw new ConfigError(`key kafka.tls.${key}: ${(error as Error).message}`);
    }
  };
  return {
    ...(caFile === '' ? {} : { ca: read('ca-file', caFile) }),
    ...(certFile === '' ? {} : { cert: read('cert-file', certFile), key: read('key-file', keyFile) }),
  };
}

/** So often a client's list of brokers may name one in a row: at the end of `kafka.brokers`, and as the first that it heard of. */
const sameInRowMax = 2;

/**
 * Has a client go on with the broker that answers, and with another one after one that let it wait: by itself it asks the first one of
 * `kafka.brokers` that takes connections whatever concerns all of them, each time anew. One that is frozen takes connections, and one
 * whose host is gone is waited for. Its attempts do not count: of two brokers every other one, turns and attempts together, is the same
 * one again. @returns the client
 */
export function passingFrozen<T extends Pick<Base, typeof kGetBootstrapConnection>>(
  client: T,
  known: KnownBrokers = {},
): T {
  const get = client[kGetBootstrapConnection].bind(client);
  let last: BrokerConnection | undefined;
  let turns = 0;
  client[kGetBootstrapConnection] = (callback) => {
    if (last?.isConnected() === true) return callback(null, last);
    // A call that gets no answer ends its connection.
    if (last !== undefined) {
      known.frozen = addressOf(last);
      turns++;
    }
    last = undefined;
    const take = (sameMax: number): void =>
      get((error, connection) => {
        if (connection !== undefined && sameMax > 0 && addressOf(connection) === known.frozen) {
          turns++;
          return take(sameMax - 1);
        }
        if (error === null || error === undefined) last = connection;
        callback(error, connection);
      }, turns);
    take(sameInRowMax);
  };
  return client;
}

const addressOf = ({ host, port }: BrokerConnection): string => `${host}:${port}`;

/** Whether the brokers answered with this error, such as `OFFSET_OUT_OF_RANGE`. */
export function isKafkaError(error: unknown, id: string): boolean {
  return error instanceof Error && findErrorBy(error, 'apiId', id) !== null;
}

/** What the client says, in one line with all of its causes. */
export function kafkaErrorText(error: unknown): string {
  const texts = new Set<string>();
  const visit = (one: unknown): void => {
    if (!(one instanceof Error)) {
      if (one !== undefined) texts.add(String(one));
      return;
    }
    if (one instanceof AggregateError) for (const inner of one.errors) visit(inner);
    else texts.add(one.message);
    visit(one.cause);
  };
  visit(error);
  return [...texts].join('; ');
}

/** The brokers cannot be asked: try again later. */
export function kafkaAway(what: string, error: unknown): Failure {
  if (error instanceof Failure) return error;
  return new Failure('unavailable', `Kafka: ${what}: ${kafkaErrorText(error)}`, { cause: error, retryAfterSeconds: 1 });
}
