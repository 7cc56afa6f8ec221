/**
 * The Helm chart: in every mode and size it renders to objects that Kubernetes takes, and to arguments and settings that Maru takes.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { readConfig } from '../libs/config/read-config.ts';
import { configKeys } from '../services/config.ts';
import { targets } from '../services/modules.ts';
import { serverPath, skipWithout } from './support/find-server.ts';
import { runProcess } from './support/run-process.ts';
import { tempFolder } from './support/temp-folder.ts';

const chart = join(import.meta.dirname, '../deploy/helm/maru');
/** The oldest one that the chart is for. */
const kubernetes = '1.30';

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly replicas?: number;
    readonly template?: {
      readonly spec: {
        readonly containers: readonly Container[];
        readonly volumes: readonly { readonly name: string }[];
      };
    };
    readonly selector?: unknown;
  };
}

interface Container {
  readonly args: readonly string[];
  readonly volumeMounts: readonly { readonly name: string }[];
  readonly env: readonly { readonly name: string; readonly value?: string }[];
}

/** Everything that a values file may switch on. */
const everything = [
  's3.bucketName=metrics',
  's3.existingSecret=s3',
  'redis.existingSecret=redis',
  'kafka.brokers={kafka-0:9092,kafka-1:9092}',
  'kafka.saslMechanism=scram-sha-512',
  'kafka.existingSecret=kafka',
  'ingress.enabled=true',
  'ingress.tlsSecret=tls',
  'config.query.max_samples=1000000',
  'extraEnv[0].name=OTEL_EXPORTER_OTLP_ENDPOINT',
  'extraEnv[0].value=http://collector:4318',
  'extraVolumes[0].name=tls',
  'extraVolumes[0].secret.secretName=tls',
  'extraVolumeMounts[0].name=tls',
  'extraVolumeMounts[0].mountPath=/tls',
  'overrides.team-a.ingestion_rate=50000',
  'serviceMonitor.enabled=true',
  ...['a', 'b', 'c'].flatMap((name, i) => [`zones[${i}].name=${name}`, `zones[${i}].topologyZone=zone-${i}`]),
];
/** What the chart needs at least. */
const least = ['s3.bucketName=metrics', 'kafka.brokers={kafka-0:9092}', 'serviceMonitor.enabled=false'];

async function run(
  name: 'helm' | 'kubectl-validate',
  args: readonly string[],
): Promise<{ code: number | null; output: string }> {
  const child = runProcess(serverPath(name), args);
  const { code } = await child.exited;
  return { code, output: child.output() };
}

async function render(values: readonly string[]): Promise<{ code: number | null; output: string }> {
  return run('helm', ['template', 'maru', chart, `--kube-version=${kubernetes}.0`, ...values]);
}

describe('Helm chart', { skip: skipWithout('helm', 'kubectl-validate'), timeout: 300_000 }, () => {
  it('has nothing that helm lint finds', async () => {
    const { code, output } = await run('helm', ['lint', '--strict', chart, '--set', 's3.bucketName=metrics']);
    assert.equal(code, 0, output);
  });

  for (const mode of ['all', 'grpc', 'kafka']) {
    for (const size of ['small', 'medium', 'large']) {
      for (const [what, values] of [
        ['everything on', everything],
        ['the least', least],
      ] as const) {
        describe(`mode ${mode}, ${size}, ${what}`, () => {
          let text: string;
          let manifests: readonly Manifest[];

          before(async () => {
            const sets = [`mode=${mode}`, ...values].flatMap((value) => ['--set', value]);
            const { code, output } = await render([`--values=${join(chart, 'sizes', `${size}.yaml`)}`, ...sets]);
            assert.equal(code, 0, output);
            text = output;
            manifests = parseAllDocuments(text)
              .map((document) => document.toJS() as Manifest | null)
              .filter((one) => one !== null);
          });

          it('Kubernetes takes it', async () => {
            await using folder = await tempFolder('helm');
            // What the Prometheus operator adds is not Kubernetes'.
            for (const [i, one] of manifests.filter(({ kind }) => kind !== 'ServiceMonitor').entries()) {
              writeFileSync(join(folder.path, `${i}.json`), JSON.stringify(one));
            }
            const { code, output } = await run('kubectl-validate', [folder.path, `--version=${kubernetes}`]);
            assert.equal(code, 0, output);
          });

          it('every pod has what was added', () => {
            for (const { spec, metadata } of manifests) {
              const { containers, volumes } = spec?.template?.spec ?? {};
              const [container] = containers ?? [];
              if (container === undefined) continue;
              const isAdded = values === everything;
              const has = (list: readonly { readonly name: string }[] | undefined, name: string) =>
                assert.equal(list?.some((one) => one.name === name) ?? false, isAdded, `${name} of ${metadata.name}`);
              has(container.env, 'OTEL_EXPORTER_OTLP_ENDPOINT');
              has(container.volumeMounts, 'tls');
              has(volumes, 'tls');
            }
          });

          it('Maru takes its settings', async () => {
            await using folder = await tempFolder('helm');
            const { data } = manifests.find(({ kind }) => kind === 'ConfigMap') ?? assert.fail('no settings');
            const file = join(folder.path, 'config.yaml');
            writeFileSync(file, data?.['config.yaml'] ?? '');
            const rooms = new Set<string>();
            for (const { spec, metadata } of manifests) {
              const [container] = spec?.template?.spec.containers ?? [];
              if (container === undefined) continue;
              const args = container.args.map((arg) => arg.replace('/etc/maru/config.yaml', file));
              const env = Object.fromEntries(container.env.map(({ name, value }) => [name, value ?? 'from-elsewhere']));
              const config = readConfig(configKeys, { args, env }, '--config.file');
              assert.ok(
                config.target.every((room) => targets.includes(room)),
                metadata.name,
              );
              for (const room of config.target) rooms.add(room);
            }
            assert.deepEqual(rooms, new Set(mode === 'all' ? ['all'] : targets.filter((room) => room !== 'all')));
            assert.equal(typeof (parse(data?.['runtime.yaml'] ?? '') as { overrides: unknown }).overrides, 'object');
          });
        });
      }
    }
  }

  for (const [value, words] of [
    ['mode=two', /mode/],
    ['ingester.replicas=3', /additional properties 'replicas' not allowed/],
    ['cluster.replicationFactor=4', /replicationFactor/],
    ['cluster.replicationFactor=2', /replicationFactor is not the number of zones/],
    ['cluster.existingSecret=', /existingSecret/],
    ['s3.bucketName=', /s3\.bucketName is wanted/],
    ['mode=kafka', /kafka\.brokers is wanted/],
    ['mode=kafka,kafka.brokers={k:9092},ingester.replicasPerZone=17', /kafka\.partitions/],
    ['zones=null', /replicationFactor|zones/],
    ['mode=kafka,kafka.brokers={k:9092},kafka.saslMechanism=plain', /kafka\.existingSecret is wanted/],
  ] as const) {
    it(`refuses ${value}`, async () => {
      const { code, output } = await render(['--set', 's3.bucketName=metrics', '--set', value]);
      assert.notEqual(code, 0);
      assert.match(output, words);
    });
  }

  it('refuses names that Kubernetes makes no pods of', async () => {
    const zones = ['europe-central2-a', 'b', 'c'].map((name, i) => `zones[${i}].name=${name}`);
    const sets = ['s3.bucketName=metrics', ...zones].flatMap((value) => ['--set', value]);
    const release = 'observability-maru-production';
    const { code, output } = await run('helm', ['template', release, chart, `--kube-version=${kubernetes}.0`, ...sets]);
    assert.notEqual(code, 0);
    assert.match(output, /-ingester-europe-central2-a has more than the 52 characters/);
  });

  for (const [redis, replicas] of [
    ['', 1],
    ['redis', 2],
  ] as const) {
    it(`starts ${replicas} of 2 compactors with redis.existingSecret=${redis}`, async () => {
      const sets = ['s3.bucketName=metrics', 'compactor.replicas=2', `redis.existingSecret=${redis}`];
      const { output } = await render(sets.flatMap((value) => ['--set', value]));
      const manifests = parseAllDocuments(output).map((document) => document.toJS() as Manifest | null);
      const compactor = manifests.find((one) => one?.kind === 'StatefulSet' && /compactor/.test(one.metadata.name));
      assert.equal(compactor?.spec?.replicas, replicas);
    });
  }

  it('is of the version of Maru that it starts', () => {
    const { appVersion } = parse(readFileSync(join(chart, 'Chart.yaml'), 'utf8')) as { appVersion: string };
    const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as {
      version: string;
    };
    assert.equal(appVersion, version);
  });
});
