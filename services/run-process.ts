/**
 * One process, from its arguments to its exit code: config → lock → listen → rooms in order → signal → rooms in reverse.
 * Owns the exit code: 0 after a signal, 1 when something broke, 2 for a mistake in the configuration.
 */
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { ConfigError } from '../libs/config/config-error.ts';
import { readFeatures } from '../libs/config/features.ts';
import { printReference } from '../libs/config/print-reference.ts';
import { readConfig } from '../libs/config/read-config.ts';
import { Failure } from '../libs/errors/failure.ts';
import { createHttpServer } from '../libs/http/server.ts';
import { anonymousTenant, tenantReader } from '../libs/http/tenant-header.ts';
import { DataFolderInUse, lockDataFolder } from '../libs/lifecycle/data-folder-lock.ts';
import { type StartedModules, startModules } from '../libs/lifecycle/start-modules.ts';
import { watchTenantLimits } from '../libs/limits/tenant-limits.ts';
import { parseTenantId, type TenantId } from '../libs/model/tenant-id.ts';
import { openBucket } from '../libs/object-store/open-bucket.ts';
import { refuseBadLabel } from '../libs/query-api/api-routes.ts';
import { ListMemory } from '../libs/series/list-memory.ts';
import { startTraceExport } from '../libs/telemetry/export-traces.ts';
import { createLogger } from '../libs/telemetry/log.ts';
import { Metrics } from '../libs/telemetry/metrics.ts';
import { version } from '../libs/telemetry/version.ts';
import { type Config, configKeys } from './config.ts';
import { type House, modulesOf, targets } from './modules.ts';
import { startSelfMetrics } from './self-metrics.ts';

/** A stop that takes longer is given up. */
const stopTimeoutMs = 30_000;
/**
 * A supervisor that signals a whole control group reaches npm, the launcher and this process, and the first two pass it on: what
 * comes within this is the same wish. Later it is an impatient operator.
 */
const sameSignalMs = 2_000;
const reservedSelfTenant = 'maru-self';

const usage = `Maru ${version}: a horizontally scalable, multi-tenant, long-term Prometheus backend

usage: npm start -- [--key=value ...]

Every key can stand in a YAML file (--config.file; server: { http_port: 9009 }), in the environment
(MARU_SERVER_HTTP_PORT=9009) or on the command line (--server.http-port=9009); the later wins.
`;

async function main(args: readonly string[]): Promise<void> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(`${usage}${printReference(configKeys)}\n`);
    return;
  }
  if (args.includes('--version')) {
    process.stdout.write(`${version}\n`);
    return;
  }
  const config = readConfig(configKeys, { args, env: process.env }, '--config.file');
  await run(config);
}

async function run(config: Config): Promise<void> {
  const stranger = config.target.find((target) => !targets.includes(target));
  if (stranger !== undefined || config.target.length === 0) {
    throw new ConfigError(
      `flag --target: there is no room ${JSON.stringify(stranger ?? '')}; there are ${targets.join(', ')}`,
    );
  }
  if (config.target.includes('all') && new Set(config.target).size > 1) {
    throw new ConfigError(
      'flag --target: all is one process that runs alone and has all rooms that it needs: it stands beside no other',
    );
  }
  if (config.dataDir === '') throw new ConfigError('flag --data-dir: a folder is wanted, not an empty text');
  const log = createLogger(config.log);
  const { enabled, warnings } = readFeatures(config.enableFeature);
  for (const warning of warnings) log.warn(warning);
  const dataDir = resolve(config.dataDir);

  const isAll = config.target.includes('all');
  const missingHeader =
    config.tenancy.missingHeader === 'auto' ? (isAll ? 'anonymous' : 'reject') : config.tenancy.missingHeader;
  const selfTenant = selfTenantOf(config.selfMetrics.tenant, isAll);
  const metrics = new Metrics(version);
  const { bucket, identity, awayReason } = await openBucket(
    config.bucket,
    dataDir,
    metrics,
    join(dataDir, 'bucket-id'),
  );
  const limits = watchTenantLimits(config.runtimeConfig, config.limits, {
    log: log.child({ component: 'limits' }),
    metrics,
  });
  const traces = await startTraceExport(process.env, version, config.target);
  const lock = await lockDataFolder(dataDir);
  let started: StartedModules | undefined;
  let isGreeted = false;
  const notReady = (): string[] => {
    const reason = identity?.notReadyReason();
    return [...(started?.notReady() ?? []), ...(reason === undefined ? [] : [`bucket: ${reason}`])];
  };
  await identity?.check().catch((error: unknown) => log.error({ error: String(error) }, 'the bucket is not there'));
  const http = createHttpServer(config.server, {
    metrics,
    log: log.child({ component: 'http' }),
    tenantOf: tenantReader(missingHeader),
    refuse: refuseBadLabel,
    notReady: () => {
      const reasons = notReady();
      return reasons.length === 0 && !isGreeted ? ['the process is starting'] : reasons;
    },
    // Writes and reads of what is recent go on without a bucket, reads on a full disk: whoever routes by /ready must not leave.
    amiss: () => {
      const reason = awayReason();
      return [...(started?.amiss() ?? []), ...(reason === undefined ? [] : [`bucket: ${reason}`])];
    },
  });

  let selfMetrics: { stop(): Promise<void> } | undefined;
  let ending: Promise<void> | undefined;
  const end = (code: number): void => {
    if (ending !== undefined) process.exit(code === 0 ? 1 : code);
    const giveUp = setTimeout(() => {
      log.error('the stop took too long: giving up');
      process.exit(1);
    }, stopTimeoutMs);
    giveUp.unref();
    ending = (async () => {
      await selfMetrics?.stop();
      await http.close();
      await started?.stop();
      limits.stop();
      await traces?.stop();
      await lock.release();
      log.info('stopped');
      process.exit(code);
    })().catch((error: unknown) => {
      log.error({ error: String(error) }, 'the stop failed');
      process.exit(1);
    });
  };
  const onFatal = (error: unknown): void => {
    log.fatal(
      { error: String(error), stack: error instanceof Error ? error.stack : undefined },
      'a fatal failure: the process ends',
    );
    process.exitCode = 1;
    // Nothing may be acknowledged any more, so there is nothing to finish.
    setImmediate(() => process.exit(1));
  };
  // The greeting may go where nothing can be written: see libs/telemetry/log.ts.
  process.stdout.on('error', () => undefined);
  process.on('uncaughtException', onFatal);
  process.on('unhandledRejection', onFatal);
  let signalledAtMs: number | undefined;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (signalledAtMs !== undefined && performance.now() - signalledAtMs < sameSignalMs) return;
      signalledAtMs ??= performance.now();
      log.info({ signal }, 'stopping');
      end(0);
    });
  }

  // As Prometheus does, which reads its files again and goes on.
  process.on('SIGHUP', () => {
    log.info({ signal: 'SIGHUP' }, 'reading the overrides of limits again');
    limits.reload();
  });

  const house: House = {
    config: { ...config, dataDir },
    app: http.app,
    log,
    metrics,
    bucket,
    limits,
    tenantOf: tenantReader(missingHeader),
    features: enabled,
    reservedTenant: selfTenant === anonymousTenant ? undefined : selfTenant,
    nowMs: Date.now,
    onFatal,
    listMemory: new ListMemory(),
  };
  const rooms = await startModules(modulesOf(isAll, config.ingest.log), config.target, house);
  const url = await http.listen();
  started = rooms;
  await whenReady(notReady);
  // A stop that came first has emptied the house.
  if (ending !== undefined) return;
  if (selfTenant !== undefined && house.ingester !== undefined) {
    const selfLog = log.child({ component: 'self-metrics' });
    selfMetrics = startSelfMetrics(house.ingester, {
      tenant: selfTenant,
      instance: house.cluster?.identity.instance ?? hostname(),
      registry: metrics.registry,
      intervalMs: config.selfMetrics.interval,
      log: selfLog,
    });
  }
  process.stdout.write(
    [
      `Maru ${version} is ready`,
      ...(rooms.names.includes('distributor') ? [`  write to    ${url}/api/v1/push`] : []),
      ...(rooms.names.includes('querier') ? [`  Grafana     ${url}/prometheus`] : []),
      `  data folder ${dataDir}\n`,
    ].join('\n'),
  );
  isGreeted = true; // whoever sees /ready turn has been told the rest
}

/** Tenant of the process' own metrics; undefined for none. */
function selfTenantOf(value: string, isAll: boolean): TenantId | undefined {
  if (value === 'none') return undefined;
  if (value === 'auto') return isAll ? anonymousTenant : parseTenantId(reservedSelfTenant);
  try {
    return parseTenantId(value);
  } catch (error) {
    throw new ConfigError(
      `key self-metrics.tenant: ${JSON.stringify(value)}: ${error instanceof Error ? error.message : error}`,
    );
  }
}

async function whenReady(notReady: () => readonly string[]): Promise<void> {
  while (notReady().length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Runs the process with these arguments; resolves when it is ready. Mistakes of the operator end it with a sentence. */
export async function runProcess(args: readonly string[]): Promise<void> {
  try {
    await main(args);
  } catch (error) {
    if (error instanceof ConfigError) {
      process.stderr.write(`maru: ${error.message}\n`);
      process.exit(2);
    }
    // What the operator can read and mend needs no stack: a folder in use, a port that is taken, a folder that cannot be written.
    const isTold =
      error instanceof DataFolderInUse || error instanceof Failure || (error instanceof Error && 'syscall' in error);
    const text = error instanceof Error ? (isTold ? error.message : (error.stack ?? error.message)) : String(error);
    process.stderr.write(`maru: ${text}\n`);
    process.exit(1);
  }
}
