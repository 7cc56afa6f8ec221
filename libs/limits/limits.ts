/**
 * Limits per tenant: one type, every key with Mimir's name, a default and a sentence; grouped by who enforces it.
 * Owns what may be limited. Enforcing is the room's work; what a tenant has instead of the defaults is tenant-limits.ts. Ask
 * `limits.of(tenant)` at the moment of use.
 */
import { duration, integer, type ValuesOf } from '../config/config-key.ts';

/** Slice `limits` of the configuration. */
export const limitKeys = {
  // distributor
  ingestionRate: integer(
    0,
    'Items (samples, histograms, exemplars, metadata of 1.0) a tenant may send per second; 0 is no limit.',
  ),
  ingestionBurstSize: integer(200_000, 'Items a tenant may send at once beyond its ingestion rate.'),
  requestRate: integer(0, 'Write requests a tenant may send per second; 0 is no limit.'),
  requestBurstSize: integer(100, 'Write requests a tenant may send at once beyond its request rate.'),
  maxLabelNamesPerSeries: integer(30, 'Most labels of a series; 0 is no limit.'),
  maxLabelNamesPerInfoSeries: integer(80, 'Most labels of a series whose metric name ends in _info; 0 is no limit.'),
  maxLabelNameLength: integer(1024, 'Most bytes of a label name; 0 is no limit.'),
  maxLabelValueLength: integer(2048, 'Most bytes of a label value; 0 is no limit.'),
  maxMetadataLength: integer(
    1024,
    'Most characters of a metric name, unit or help text in metadata; a longer help is cut.',
  ),
  pastGracePeriod: duration('12h', 'How old a sample may be when it is received; 0 is any age.'),
  creationGracePeriod: duration('10m', 'How far in the future a sample may be when it is received.'),
  ingestionPartitionsTenantShardSize: integer(
    0,
    'Partitions that the series of a tenant are spread over; 0 is all. Only in a cluster.',
  ),
  // ingester
  maxGlobalSeriesPerUser: integer(
    0,
    'Most series a tenant may have in memory; 0 is no limit. With ingest.log=kafka each distributor counts those that it writes, and anew after an hour at the limit.',
  ),
  maxGlobalExemplarsPerUser: integer(100_000, 'Exemplars kept for a tenant, the newest; 0 stores none.'),
  // query-frontend
  queryShardingTotalShards: integer(
    16,
    'Most shards of its series in which a heavy query is given to several queriers; 0 is none. Only with a query-frontend.',
    0,
    128,
  ),
  // compactor
  compactorBlocksRetentionPeriod: duration(
    '0',
    'Blocks whose last sample is older than this are deleted; 0 keeps them.',
  ),
  compactorSplitAndMergeShards: integer(
    0,
    'Shards into which blocks are split when they are merged; 0 or 1 is none.',
    0,
    1024,
  ),
} as const;

export type Limits = ValuesOf<typeof limitKeys>;

/** Why a series is refused, in Mimir's words and with its id. @param max series that the tenant may have */
export function seriesLimitText(max: number): string {
  return (
    `per-user series limit of ${max} exceeded (err-mimir-max-series-per-user). To adjust the related per-tenant ` +
    'limit, configure limits.max-global-series-per-user, or contact your service administrator.'
  );
}

/** Why a write was refused that would begin one more tenant than an ingester may have, for the sender. */
export function tenantsLimitText(max: number): string {
  return (
    `the write request was refused: its tenant would be one more than the ${max} that an ingester may have ` +
    '(err-mimir-ingester-max-tenants). To adjust the limit, configure ingester.instance-limits.max-tenants.'
  );
}
