/** What the ingester reports: counters of heads and log, read when somebody scrapes. */
import type { Metrics, Sampled } from '../../libs/telemetry/metrics.ts';
import type { TenantHead } from '../../libs/tsdb/head/tenant-head.ts';
import type { LocalBlocks } from '../../libs/tsdb/local-blocks.ts';
import type { Tsdb } from '../../libs/tsdb/tsdb.ts';
import type { FollowLog } from './follow-log.ts';
import type { IngesterHandler } from './ingester-handler.ts';
import type { BlockShipper } from './ship-blocks.ts';

export function registerIngesterMetrics(metrics: Metrics, handler: IngesterHandler): void {
  const ofTsdb = (read: (tsdb: Tsdb) => number) => (): Sampled[] =>
    handler.tsdb === undefined ? [] : [{ value: read(handler.tsdb) }];
  const ofHeads = (read: (head: TenantHead) => number) => (): Sampled[] =>
    [...(handler.tsdb?.heads ?? [])].map(([tenant, head]) => ({ labels: { tenant }, value: read(head) }));
  metrics.gaugeOf(
    'maru_ingester_series',
    'Series in memory.',
    ['tenant'],
    ofHeads((head) => head.seriesCount),
  );
  metrics.gaugeOf(
    'maru_ingester_head_bytes',
    'Memory of the head outside the JavaScript heap.',
    ['tenant'],
    ofHeads((head) => head.bytes()),
  );
  metrics.counterOf(
    'maru_ingester_samples_total',
    'Samples appended, duplicates not counted.',
    ['tenant'],
    ofHeads((head) => head.counters.samples),
  );
  metrics.counterOf(
    'maru_ingester_duplicate_samples_total',
    'Samples that were there already.',
    ['tenant'],
    ofHeads((head) => head.counters.duplicates),
  );
  metrics.counterOf(
    'maru_ingester_out_of_order_samples_total',
    'Samples older than the newest of their series.',
    ['tenant'],
    ofHeads((head) => head.counters.outOfOrder),
  );
  metrics.counterOf(
    'maru_ingester_conflicting_samples_total',
    'Samples with another value than one known at their time.',
    ['tenant'],
    ofHeads((head) => head.counters.conflicts),
  );
  metrics.counterOf(
    'maru_ingester_wal_bytes_total',
    'Bytes written to the log.',
    [],
    ofTsdb((tsdb) => tsdb.walCounters.bytes),
  );
  metrics.counterOf(
    'maru_ingester_wal_records_total',
    'Records written to the log.',
    [],
    ofTsdb((tsdb) => tsdb.walCounters.records),
  );
  metrics.counterOf(
    'maru_ingester_wal_commits_total',
    'Group commits: one write and one fsync.',
    [],
    ofTsdb((tsdb) => tsdb.walCounters.commits),
  );
  metrics.counterOf(
    'maru_ingester_wal_sync_seconds_total',
    'Time spent in fsync of the log.',
    [],
    ofTsdb((tsdb) => tsdb.walCounters.syncSeconds),
  );
  metrics.gaugeOf(
    'maru_ingester_wal_full',
    'Whether writes are refused because the disk is full.',
    [],
    ofTsdb((tsdb) => (tsdb.walState === 'full' ? 1 : 0)),
  );
  metrics.counterOf(
    'maru_ingester_snapshots_total',
    'Snapshots of the head written.',
    [],
    ofTsdb((tsdb) => tsdb.counters.snapshots),
  );
  metrics.counterOf(
    'maru_ingester_snapshot_failures_total',
    'Snapshots of the head that failed.',
    [],
    ofTsdb((tsdb) => tsdb.counters.snapshotFailures),
  );
  metrics.gaugeOf(
    'maru_ingester_damaged_file_parts',
    'Parts of files that the last start could not read; an error.',
    [],
    ofTsdb((tsdb) => tsdb.counters.damages),
  );
  metrics.gaugeOf('maru_ingester_restore_seconds', 'How long the last start took to restore the head.', [], () =>
    handler.report === undefined ? [] : [{ value: handler.report.seconds }],
  );
}

export function registerBlockMetrics(
  metrics: Metrics,
  handler: IngesterHandler,
  blocks: LocalBlocks,
  shipper: BlockShipper,
): void {
  const count = (name: string, help: string, read: () => number) =>
    metrics.counterOf(name, help, [], () => [{ value: read() }]);
  const gauge = (name: string, help: string, read: () => number) =>
    metrics.gaugeOf(name, help, [], () => [{ value: read() }]);
  const cuts = () => handler.tsdb?.cutCounters;
  count('maru_ingester_cut_ranges_total', 'Ranges that left the head for a block.', () => cuts()?.ranges ?? 0);
  count('maru_ingester_cut_failures_total', 'Ranges that could not be written.', () => cuts()?.failures ?? 0);
  count('maru_ingester_cut_seconds_total', 'Time spent in writing ranges to blocks.', () => cuts()?.seconds ?? 0);
  gauge('maru_ingester_local_blocks', 'Blocks on the local disk.', () => [...blocks.all()].length);
  gauge('maru_ingester_local_block_bytes', 'Bytes of them.', () =>
    [...blocks.all()].reduce((sum, { bytes }) => sum + bytes, 0),
  );
  gauge('maru_ingester_unshipped_blocks', 'Blocks that are not in the bucket yet.', () => shipper.unshipped);
  gauge(
    'maru_ingester_damaged_blocks',
    'Local folders that were no good blocks and were set aside; an error.',
    () => blocks.damaged,
  );
  count('maru_ingester_shipped_blocks_total', 'Blocks brought to the bucket.', () => shipper.counters.shipped);
  count('maru_ingester_ship_failures_total', 'Failures of it.', () => shipper.counters.failures);
  count(
    'maru_ingester_removed_blocks_total',
    'Blocks that left the disk as the bucket has them.',
    () => shipper.counters.removed,
  );
}

/** What an ingester reports of the log that it follows. @returns takes how long after it was received a write was applied, in seconds */
export function registerLogMetrics(metrics: Metrics, handler: IngesterHandler): (seconds: number) => void {
  const of = (read: (follow: FollowLog) => number | undefined) => (): Sampled[] => {
    const value = handler.follow === undefined ? undefined : read(handler.follow);
    return value === undefined ? [] : [{ value }];
  };
  metrics.gaugeOf(
    'maru_ingester_log_position',
    'Offset of the log below which everything is applied.',
    [],
    of(({ position }) => position),
  );
  metrics.gaugeOf(
    'maru_ingester_log_lag_records',
    'Records of the log that are not applied yet; none while that cannot be known.',
    [],
    of(({ lag }) => lag),
  );
  metrics.gaugeOf(
    'maru_ingester_log_unread_seconds',
    'Time since the brokers answered the last read of the log.',
    [],
    of(({ unreadSeconds }) => unreadSeconds),
  );
  metrics.gaugeOf(
    'maru_ingester_log_floor',
    'Offset of the log below which every sample is in a block of the bucket.',
    [],
    of(({ floor }) => floor),
  );
  metrics.gaugeOf(
    'maru_ingester_log_follows',
    'Whether the log goes on where it was read last; 0: it does not, and /ready says why.',
    [],
    of(({ gap }) => (gap === undefined ? 1 : 0)),
  );
  metrics.counterOf(
    'maru_ingester_log_records_total',
    'Records of the log that were read.',
    [],
    of(({ counters }) => counters.records),
  );
  metrics.counterOf(
    'maru_ingester_log_bytes_total',
    'Bytes of those that are of this cluster.',
    [],
    of(({ counters }) => counters.bytes),
  );
  metrics.counterOf(
    'maru_ingester_log_foreign_records_total',
    'Records that are not of this cluster, and were skipped.',
    [],
    of(({ counters }) => counters.foreign),
  );
  metrics.gaugeOf('maru_ingester_log_damaged_records', 'Records that do not decode and were set aside.', [], () =>
    handler.damagedRecords === undefined ? [] : [{ value: handler.damagedRecords.count }],
  );
  const delay = metrics.seconds(
    'maru_ingester_log_delay_seconds',
    'Time from the receipt of a write to its being applied here.',
    [],
  );
  return (seconds) => delay.observe(seconds);
}
