/**
 * A real Prometheus of a test: its own port of the loopback, its own folder, ended by its pid.
 * Owns the configuration file and the flags of both versions. Does not own what it is asked (query-client.ts). Version 2
 * is Debian's 2.42, which is only ever a sender.
 */
import { cp, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { serverPath } from './find-server.ts';
import { freePort } from './free-port.ts';
import type { Protocol } from './push-client.ts';
import { runProcess } from './run-process.ts';
import { tempFolder } from './temp-folder.ts';
import { GiveUp, waitFor } from './wait-until.ts';

export interface PrometheusOptions {
  readonly version: 2 | 3;
  /** Job name to `host:port`; a job called `self` with an empty address is Prometheus itself. */
  readonly scrape: Readonly<Record<string, string>>;
  /** Where it scrapes the newest samples of these selectors from, besides. */
  readonly federate?: {
    readonly address: string;
    readonly path: string;
    readonly match: string;
    readonly tenant: string;
  };
  /** Where it reads what it does not have itself. */
  readonly remoteRead?: { readonly url: string; readonly tenant: string };
  /** Further names of `--enable-feature`; version 3 only. */
  readonly features?: readonly string[];
  /** Further flags. */
  readonly flags?: readonly string[];
  /** Folders of blocks that it begins with: they are copied. */
  readonly blocks?: readonly string[];
  readonly remoteWrite?: { readonly url: string; readonly protocol: Protocol; readonly tenant?: string };
}

export interface PrometheusServer extends AsyncDisposable {
  readonly baseUrl: string;
  /** Where its blocks lie, and snapshots of its head. */
  readonly dataDir: string;
  output(): string;
  pid(): number;
}

/** Starts Prometheus and waits until it is ready. Disposing ends it and removes its folder. */
export async function startPrometheus(options: PrometheusOptions): Promise<PrometheusServer> {
  const folder = await tempFolder('prometheus');
  const port = await freePort();
  const baseUrl = `http://127.0.0.1:${port}`;
  const configFile = join(folder.path, 'prometheus.yml');
  // JSON is YAML, and needs no quoting rules.
  await writeFile(configFile, JSON.stringify(configuration(options, port)));
  const dataDir = join(folder.path, 'data');
  for (const block of options.blocks ?? []) await cp(block, join(dataDir, basename(block)), { recursive: true });
  const child = runProcess(
    serverPath(options.version === 3 ? 'prometheus' : 'prometheus-2'),
    [
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${dataDir}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--web.enable-remote-write-receiver',
      ...(options.flags ?? []),
      ...(options.version === 3
        ? [
            '--web.remote-write-receiver.accepted-protobuf-messages=prometheus.WriteRequest',
            '--web.remote-write-receiver.accepted-protobuf-messages=io.prometheus.write.v2.Request',
            `--enable-feature=${['exemplar-storage', ...(options.features ?? [])].join(',')}`,
          ]
        : ['--enable-feature=exemplar-storage,native-histograms']),
    ],
    { cwd: folder.path },
  );
  const stop = async () => {
    child.signal('SIGTERM');
    const force = setTimeout(() => child.signal('SIGKILL'), 10_000);
    await child.exited;
    clearTimeout(force);
    await folder[Symbol.asyncDispose]();
  };
  try {
    await waitFor(`Prometheus ready on ${baseUrl}`, async () => {
      if (!child.isRunning()) throw new GiveUp(`Prometheus ended at once:\n${child.output()}`);
      return (await fetch(`${baseUrl}/-/ready`)).ok ? true : undefined;
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { baseUrl, dataDir, output: child.output, pid: () => child.pid, [Symbol.asyncDispose]: stop };
}

function configuration(options: PrometheusOptions, port: number): unknown {
  return {
    global: {
      scrape_interval: '1s',
      scrape_timeout: '1s',
      ...(options.version === 3 ? { scrape_native_histograms: true, always_scrape_classic_histograms: true } : {}),
    },
    storage: { tsdb: { out_of_order_time_window: '1h' }, exemplars: { max_exemplars: 10_000 } },
    scrape_configs: [
      ...Object.entries(options.scrape).map(([job, address]) => ({
        job_name: job,
        static_configs: [{ targets: [job === 'self' ? `127.0.0.1:${port}` : address] }],
      })),
      ...(options.federate === undefined ? [] : [federation(options.federate)]),
    ],
    ...(options.remoteRead === undefined
      ? {}
      : {
          remote_read: [
            {
              url: options.remoteRead.url,
              read_recent: true,
              headers: { 'X-Scope-OrgID': options.remoteRead.tenant },
            },
          ],
        }),
    ...(options.remoteWrite === undefined ? {} : { remote_write: [remoteWrite(options, options.remoteWrite)] }),
  };
}

function federation({ address, path, match, tenant }: NonNullable<PrometheusOptions['federate']>): unknown {
  return {
    job_name: 'federate',
    metrics_path: path,
    params: { 'match[]': [match] },
    honor_labels: true,
    http_headers: { 'X-Scope-OrgID': { values: [tenant] } },
    static_configs: [{ targets: [address] }],
  };
}

/** Quick to send and quick to retry: a test has no minutes to wait. */
function remoteWrite(options: PrometheusOptions, target: NonNullable<PrometheusOptions['remoteWrite']>): unknown {
  return {
    url: target.url,
    send_exemplars: true,
    send_native_histograms: true,
    queue_config: { batch_send_deadline: '500ms', min_backoff: '30ms', max_backoff: '500ms' },
    metadata_config: { send: true, send_interval: '2s' },
    ...(target.tenant === undefined ? {} : { headers: { 'X-Scope-OrgID': target.tenant } }),
    ...(options.version === 3 && target.protocol === 'v2'
      ? { protobuf_message: 'io.prometheus.write.v2.Request' }
      : {}),
  };
}
