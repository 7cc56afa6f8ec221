/**
 * The limits of each tenant: what its overrides say, else the defaults.
 * Owns the file of overrides while the process runs: it is read again every so often, and a new content takes effect as a
 * whole, without a restart. Surprising: a file that cannot be read or understood changes nothing after the start (the last good
 * one goes on, the log and a metric say so); at the start it ends the process, so that nobody runs without their limits.
 */
import { ConfigError } from '../config/config-error.ts';
import { readSections } from '../config/read-config.ts';
import { parseTenantId, type TenantId } from '../model/tenant-id.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { type Limits, limitKeys } from './limits.ts';

/** Limits of any tenant, asked at the moment of use. */
export interface TenantLimits {
  of(tenant: TenantId): Limits;
}

export interface WatchedLimits extends TenantLimits {
  /** How far in the future a sample may be that is accepted, of any tenant. */
  creationGraceMsMax(): number;
  /** Reads the file now, where there is one; the timer calls it. */
  reload(): void;
  stop(): void;
}

export interface OverridesConfig {
  /** '' for none. */
  readonly file: string;
  /** Milliseconds between two looks at the file. */
  readonly reloadPeriod: number;
}

/**
 * Reads the overrides and keeps reading them.
 * @throws ConfigError when the file cannot be read or understood now
 */
export function watchTenantLimits(
  config: OverridesConfig,
  defaults: Limits,
  { log, metrics }: { readonly log: Logger; readonly metrics: Metrics },
): WatchedLimits {
  let limits: ReadonlyMap<TenantId, Limits> = new Map();
  let failure: string | undefined;
  const reload = (): void => {
    if (config.file === '') return;
    const before = failure;
    failure = undefined;
    try {
      limits = readLimits(config.file, defaults);
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
      if (failure !== before) log.error({ error: failure }, 'the overrides of limits stay as they were');
      return;
    }
    if (before !== undefined) log.info({ tenants: limits.size }, 'the overrides of limits are understood again');
  };
  let timer: NodeJS.Timeout | undefined;
  if (config.file !== '') {
    limits = readLimits(config.file, defaults);
    timer = setInterval(reload, config.reloadPeriod).unref();
    metrics.gaugeOf(
      'maru_runtime_config_last_reload_successful',
      'Whether the file of overrides was understood when it was last read.',
      [],
      () => [{ value: failure === undefined ? 1 : 0 }],
    );
  }
  return {
    of: (tenant) => limits.get(tenant) ?? defaults,
    creationGraceMsMax: () =>
      [...limits.values()].reduce((most, one) => Math.max(most, one.creationGracePeriod), defaults.creationGracePeriod),
    reload,
    stop: () => clearInterval(timer),
  };
}

function readLimits(path: string, defaults: Limits): ReadonlyMap<TenantId, Limits> {
  const limits = new Map<TenantId, Limits>();
  for (const [name, { where, values }] of readSections(path, 'overrides', limitKeys)) {
    try {
      limits.set(parseTenantId(name), { ...defaults, ...values });
    } catch (error) {
      throw new ConfigError(`${where}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return limits;
}
