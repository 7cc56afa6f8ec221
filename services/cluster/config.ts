/** The cluster's slice of the configuration: who this process is among others, and how they know each other. */
import { integer, text, timer, type ValuesOf } from '../../libs/config/config-key.ts';

export const clusterKeys = {
  id: text('maru', 'Name of the cluster; processes of another one are refused, and so is their table in the bucket.'),
  instance: text(
    '',
    'Name of this process; empty is the name of the host. An ingester owns the partition of the number at its end.',
  ),
  zone: text('default', 'Failure zone of this process. A partition has one ingester in each zone.'),
  replicationFactor: integer(
    3,
    'Ingesters that hold a sample, one a zone; the same in every process of a cluster.',
    1,
    3,
  ),
  advertiseHost: text('', "Host by which others reach this process; empty is server.grpc-address, or the host's name."),
  secret: text('', 'What every process of the cluster knows; better given as MARU_CLUSTER_SECRET.'),
  tls: {
    caFile: text(
      '',
      'PEM file of the authority that signed the certificates of all processes; with it both ends show one.',
    ),
    certFile: text('', 'PEM file of the certificate of this process.'),
    keyFile: text('', 'PEM file of its key.'),
    serverName: text('', 'Name that all certificates are made out to; empty is the host that is dialled.'),
  },
  leaseDuration: timer('10s', 'A process that has not renewed its lease in Redis for so long is asked last.'),
  writeTimeout: timer('10s', 'An ingester that has not stored a write within this does not count for it.'),
  tablePeriod: timer(
    '1s',
    'How often the bucket is asked for a newer table of the ring, and the ingesters whether they are there; the same in every process.',
  ),
} as const;

/** Slice `redis` of the configuration. */
export const redisKeys = {
  url: text(
    '',
    'Redis that holds leases and kept answers: redis://host:port, redis+sentinel://host:port,host:port/name, redis+cluster://host:port,host:port; rediss for TLS, to sentinels too. A login before the hosts is that of the servers; that of sentinels comes behind the name: ?sentinel-username=…&sentinel-password=…. Empty is none.',
  ),
} as const;

export type ClusterConfig = ValuesOf<typeof clusterKeys>;
