/** What the ingester reports: counters of heads and log, read when somebody scrapes. */
import type { Metrics, Sampled } from '../../libs/telemetry/metrics.ts';
import type { TenantHead } from '../../libs/tsdb/head/tenant-head.ts';
import type { Tsdb } from '../../libs/tsdb/tsdb.ts';
import type { IngesterHandler } from './ingester-handler.ts';

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
