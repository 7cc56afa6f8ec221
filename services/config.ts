/**
 * The one configuration tree: the slices of the rooms and what belongs to the process.
 */

import { bytes, integer, list, oneOf, text, timer, type ValuesOf } from '../libs/config/config-key.ts';
import { featureNames } from '../libs/config/features.ts';
import { missingHeaderWords } from '../libs/http/tenant-header.ts';
import { kafkaKeys } from '../libs/kafka/config.ts';
import { limitKeys } from '../libs/limits/limits.ts';
import { bucketKeys } from '../libs/object-store/config.ts';
import { logFormats, logLevels } from '../libs/telemetry/log.ts';
import { clusterKeys, redisKeys } from './cluster/config.ts';
import { compactorKeys } from './compactor/config.ts';
import { distributorKeys } from './distributor/config.ts';
import { headKeys, ingesterKeys } from './ingester/config.ts';
import { querierKeys } from './querier/config.ts';
import { queryFrontendKeys } from './query-frontend/service.ts';
import { storeGatewayKeys } from './store-gateway/config.ts';

export const configKeys = {
  target: list(
    'all',
    'Rooms that run in this process: all, which runs alone, or some of distributor, ingester, store-gateway, querier, query-frontend, compactor.',
  ),
  dataDir: text('./data', 'Folder that holds everything this process keeps.'),
  enableFeature: list('', `Features to switch on, by Prometheus' names: ${featureNames.join(', ')}.`),
  config: { file: text('', 'YAML file with any of these keys; environment and flags win over it.') },
  server: {
    httpAddress: text('127.0.0.1', 'Address to listen on.'),
    httpPort: integer(9009, 'Port to listen on; 0 picks a free one.', 0, 65_535),
    grpcAddress: text('127.0.0.1', 'Address on which other processes of the cluster are listened to.'),
    grpcPort: integer(9095, 'Port for them; 0 picks a free one. Not opened by --target=all.', 0, 65_535),
    maxBodyBytes: bytes('100MB', 'Most bytes of a write request as received; more are answered 413.'),
    readTimeout: timer(
      '60s',
      'A request that has not arrived whole within this is closed, and so is one of whose answer nothing is taken for so long.',
    ),
  },
  log: {
    level: oneOf(logLevels, 'info', 'Least level that is logged.'),
    format: oneOf(logFormats, 'auto', 'Form of a log line; auto is logfmt on a terminal, else json.'),
  },
  tenancy: {
    missingHeader: oneOf(
      missingHeaderWords,
      'auto',
      'A request without X-Scope-OrgID: tenant anonymous, or 401; auto is anonymous for --target=all, else reject.',
    ),
  },
  selfMetrics: {
    tenant: text(
      'auto',
      "Tenant that this process' own metrics are written to, none for nowhere; auto is anonymous for --target=all, else maru-self.",
    ),
    interval: timer('15s', 'How often they are written.'),
  },
  ingest: {
    log: oneOf(
      ['local', 'kafka'],
      'local',
      'What makes a write durable: the log of each ingester on its disk, or a topic of Kafka that ingesters follow. The same in all processes.',
    ),
  },
  kafka: kafkaKeys,
  bucket: bucketKeys,
  cluster: clusterKeys,
  redis: redisKeys,
  runtimeConfig: {
    file: text(
      '',
      'YAML file with limits of single tenants, under overrides: and the name of the tenant; taken over without a restart.',
    ),
    reloadPeriod: timer('10s', 'How often that file is read again.'),
  },
  distributor: distributorKeys,
  head: headKeys,
  ingester: ingesterKeys,
  storeGateway: storeGatewayKeys,
  query: querierKeys,
  queryFrontend: queryFrontendKeys,
  compactor: compactorKeys,
  limits: limitKeys,
} as const;

export type Config = ValuesOf<typeof configKeys>;
