/** What the compactor reports. */
import type { Counter, Histogram } from 'prom-client';
import type { Metrics, Sampled } from '../../libs/telemetry/metrics.ts';

export interface TenantState {
  readonly blocks: number;
  readonly marked: number;
  readonly partials: number;
  readonly broken: number;
  readonly held: number;
  /** What of its folder is not understood. */
  readonly problems: number;
  readonly indexUpdatedAtMs: number;
}

export interface CompactorMetrics {
  readonly jobs: Counter;
  readonly jobSeconds: Histogram;
  readonly samples: Counter;
  readonly blocksWritten: Counter;
  readonly blocksMarked: Counter;
  readonly blocksDeleted: Counter;
  readonly cleanups: Counter;
}

export interface CompactorState {
  readonly tenants: ReadonlyMap<string, TenantState>;
  /** What lies at the top of the bucket and is no tenant's. */
  readonly foreign: () => number;
  readonly failedJobs: () => number;
  readonly plannedJobs: () => number;
  /** From 0 to 1; undefined when no job runs. */
  readonly progress: () => number | undefined;
}

export function registerCompactorMetrics(metrics: Metrics, state: CompactorState): CompactorMetrics {
  const perTenant = (read: (tenant: TenantState) => number) => (): Sampled[] =>
    [...state.tenants].map(([tenant, one]) => ({ labels: { tenant }, value: read(one) }));
  const gauges = [
    ['maru_compactor_blocks', 'Blocks in the bucket index.', perTenant(({ blocks }) => blocks)],
    ['maru_compactor_blocks_marked', 'Blocks that wait for their deletion.', perTenant(({ marked }) => marked)],
    ['maru_compactor_blocks_partial', 'Uploads without a meta.json.', perTenant(({ partials }) => partials)],
    [
      'maru_compactor_blocks_broken',
      'Blocks that cannot be understood, or lack some of their bytes; an error.',
      perTenant(({ broken }) => broken),
    ],
    [
      'maru_compactor_deletions_held',
      'Blocks that are due, but what they were merged into is not there; an error.',
      perTenant(({ held }) => held),
    ],
    [
      'maru_compactor_problems',
      "What of a tenant's folder is not understood, or not what it must be: the log names it.",
      perTenant(({ problems }) => problems),
    ],
    [
      'maru_compactor_index_updated_timestamp_seconds',
      'When the bucket index was written last.',
      perTenant(({ indexUpdatedAtMs }) => indexUpdatedAtMs / 1000),
    ],
  ] as const;
  for (const [name, help, read] of gauges) metrics.gaugeOf(name, help, ['tenant'], read);
  metrics.gaugeOf(
    'maru_compactor_foreign_objects',
    "What lies at the top of the bucket and is no tenant's.",
    [],
    () => [{ value: state.foreign() }],
  );
  metrics.gaugeOf('maru_compactor_jobs_planned', 'Jobs of all tenants that are planned.', [], () => [
    { value: state.plannedJobs() },
  ]);
  metrics.gaugeOf('maru_compactor_jobs_set_aside', 'Jobs that failed and wait for another attempt.', [], () => [
    { value: state.failedJobs() },
  ]);
  metrics.gaugeOf('maru_compactor_job_progress', 'How far the job under way is, from 0 to 1.', [], () => {
    const value = state.progress();
    return value === undefined ? [] : [{ value }];
  });
  return {
    jobs: metrics.counter('maru_compactor_jobs_total', 'Jobs that ended.', ['outcome']),
    jobSeconds: metrics.seconds('maru_compactor_job_seconds', 'How long jobs take.', []),
    samples: metrics.counter('maru_compactor_samples_total', 'Samples of merged blocks, by what became of them.', [
      'outcome',
    ]),
    blocksWritten: metrics.counter('maru_compactor_blocks_written_total', 'Blocks that jobs have made.', []),
    blocksMarked: metrics.counter('maru_compactor_blocks_marked_total', 'Blocks marked for deletion.', ['reason']),
    blocksDeleted: metrics.counter('maru_compactor_blocks_deleted_total', 'Blocks deleted.', ['reason']),
    cleanups: metrics.counter('maru_compactor_cleanups_total', 'Cleanups of a tenant.', ['outcome']),
  };
}
