/**
 * docker-compose.yml as it is shipped, started by a real Docker engine: every profile comes up healthy, its Prometheus' samples are
 * answered through the one door as that Prometheus answers them, with what Grafana asks, and losing one of each does no harm.
 * Images that cannot be pulled are built (stand-ins.ts); Grafana's cannot be had, so it is left out of the run.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { compareAnswers } from '../support/compare-answers.ts';
import { skipUnlessRoot, skipWithout } from '../support/find-server.ts';
import { freePort } from '../support/free-port.ts';
import { push } from '../support/push-client.ts';
import { ask, queryAt } from '../support/query-client.ts';
import { type Docker, startDocker } from '../support/start-docker.ts';
import { GiveUp, waitFor } from '../support/wait-until.ts';
import { baseImages, buildStandIns } from './stand-ins.ts';

const absentServices = ['grafana'];

const clusterMembers = [
  'compactor',
  'distributor-1',
  'distributor-2',
  'ingester-a-0',
  'ingester-b-0',
  'ingester-c-0',
  'querier-1',
  'querier-2',
  'query-frontend',
  'store-gateway-1',
  'store-gateway-2',
];

/** Each profile, how many targets its Prometheus scrapes, the processes of Maru in its cluster, and which containers may be lost at once. */
const profiles: readonly {
  readonly name: string;
  readonly targets: number;
  readonly members: readonly string[];
  readonly lose: readonly string[];
}[] = [
  {
    name: 'kafka',
    targets: 13,
    members: clusterMembers,
    lose: ['distributor-1', 'ingester-b-0', 'querier-2', 'store-gateway-1'],
  },
  {
    name: 'grpc',
    targets: 13,
    members: clusterMembers,
    lose: ['distributor-1-grpc', 'ingester-b-0-grpc', 'querier-2-grpc', 'store-gateway-1-grpc'],
  },
  { name: 'all', targets: 3, members: [], lose: [] },
];

/** What Grafana asks its Prometheus data source, and how the answer must look. */
const grafanaCalls: readonly {
  readonly what: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly form: (nowS: number) => Readonly<Record<string, string | number | readonly string[]>>;
  readonly shows: (data: never) => boolean;
}[] = [
  {
    what: 'which server this is',
    method: 'GET',
    path: 'status/buildinfo',
    form: () => ({}),
    shows: (data: { version: string }) => /^\d+\.\d+/.test(data.version),
  },
  {
    what: 'Save & test',
    method: 'POST',
    path: 'query',
    form: (nowS) => ({ query: '1+1', time: nowS }),
    shows: (data: { result: [number, string] }) => data.result[1] === '2',
  },
  {
    what: 'a panel',
    method: 'POST',
    path: 'query_range',
    form: (nowS) => ({
      query: 'sum by (job) (rate(process_cpu_seconds_total[1m]))',
      start: nowS - 300,
      end: nowS,
      step: 15,
    }),
    shows: (data: { result: unknown[] }) => data.result.length > 0,
  },
  {
    what: 'names of metrics',
    method: 'GET',
    path: 'label/__name__/values',
    form: (nowS) => ({ start: nowS - 300, end: nowS }),
    shows: (data: string[]) => data.includes('maru_build_info'),
  },
  {
    what: 'a variable: label_values(maru_build_info, instance)',
    method: 'GET',
    path: 'label/instance/values',
    form: (nowS) => ({ 'match[]': ['maru_build_info'], start: nowS - 300, end: nowS }),
    shows: (data: string[]) => data.length > 0,
  },
  {
    what: 'labels of a metric',
    method: 'POST',
    path: 'labels',
    form: (nowS) => ({ 'match[]': ['{__name__="up"}'], start: nowS - 300, end: nowS }),
    shows: (data: string[]) => ['__name__', 'instance', 'job'].every((name) => data.includes(name)),
  },
  {
    what: 'series of a metric',
    method: 'POST',
    path: 'series',
    form: (nowS) => ({ 'match[]': ['up{job="node"}'], start: nowS - 300, end: nowS }),
    shows: (data: unknown[]) => data.length === 1,
  },
  {
    what: 'help texts',
    method: 'GET',
    path: 'metadata',
    form: () => ({ limit: 5000 }),
    shows: (data: Record<string, { type: string; help: string }[]>) =>
      data.node_cpu_seconds_total?.[0]?.type === 'counter',
  },
  {
    what: 'rules',
    method: 'GET',
    path: 'rules',
    form: () => ({}),
    shows: (data: { groups: unknown[] }) => Array.isArray(data.groups),
  },
  {
    what: 'exemplars',
    method: 'POST',
    path: 'query_exemplars',
    form: (nowS) => ({ query: 'rate(pushed_total[5m])', start: nowS - 1200, end: nowS }),
    shows: (data: { exemplars: { labels: { trace_id?: string } }[] }[]) =>
      data[0]?.exemplars[0]?.labels.trace_id === 'abc',
  },
];

const skip = skipUnlessRoot() || skipWithout('dockerd', 'docker-compose', 'prometheus', 'versitygw', 'kafka');

describe('docker-compose.yml', { skip, timeout: 1_200_000 }, () => {
  let engine: Docker;

  before(async () => {
    engine = await startDocker();
    const everyProfile = profiles.flatMap(({ name }) => ['--profile', name]);
    const images = (await engine.compose([...everyProfile, 'config', '--images'])).trim().split('\n');
    const wanted = [...new Set([...(await baseImages()), ...images])].filter((image) => image !== 'maru:local');
    const absent = await buildStandIns(engine, wanted);
    assert.deepEqual(
      absent.map((image) => image.split(':')[0]),
      ['grafana/grafana'],
    );
    // The stage with the packages gets a name, so that it outlasts the images that a change of the sources orphans.
    for (const more of [['--target=build', '--tag=maru-stand-in/build'], ['--tag=maru:local']]) {
      await engine.docker('build', '--quiet', '--network=host', '--file=deploy/Dockerfile', ...more, '.');
    }
    await engine.docker('image', 'prune', '--force');
  });

  after(() => engine?.[Symbol.asyncDispose]());

  for (const { name, targets, members, lose } of profiles) {
    describe(`--profile ${name}`, () => {
      let door: string;
      let prometheus: string;
      let compose: (...args: readonly string[]) => Promise<string>;
      /** Starts what does not run, and waits until all is healthy. */
      let up: () => Promise<string>;
      /** Begin of what the test itself writes. */
      let pushedAtMs: number;

      const write = (v: number) =>
        push(
          door,
          [
            {
              labels: [
                ['__name__', 'pushed_total'],
                ['profile', name],
              ],
              samples: [{ t: pushedAtMs + v * 1000, v }],
              exemplars: [{ labels: [['trace_id', 'abc']], t: pushedAtMs + v * 1000, v }],
            },
          ],
          { protocol: 'v2' },
        );

      before(async () => {
        pushedAtMs = Date.now();
        const [doorPort, prometheusPort] = [await freePort(), await freePort()];
        door = `http://127.0.0.1:${doorPort}`;
        prometheus = `http://127.0.0.1:${prometheusPort}`;
        const env = { MARU_DOOR_PORT: String(doorPort), MARU_PROMETHEUS_PORT: String(prometheusPort) };
        compose = (...args) => engine.compose(['--project-name=maru-test', '--profile', name, ...args], env);
        const services = (await compose('config', '--services')).trim().split('\n');
        const started = services.filter((service) => !absentServices.includes(service));
        up = () =>
          compose('up', '--no-build', '--pull=never', '--wait', '--wait-timeout=240', ...started).catch(
            async (cause) => {
              const ids = (await compose('ps', '--all', '--quiet')).trim().split('\n');
              const health = await engine.docker('inspect', '--format={{.Name}} {{json .State.Health}}', ...ids);
              throw new Error(health + (await compose('logs', '--tail=20')), { cause });
            },
          );
        await up();
      });

      // Nothing of it is wanted any more.
      after(() => compose?.('down', '--volumes', '--timeout=0'));

      it('every process writes to its volumes only, and has a maximum of memory', async () => {
        const ids = (await compose('ps', '--quiet')).trim().split('\n');
        const found = JSON.parse(await engine.docker('inspect', ...ids)) as {
          Name: string;
          Config: { Image: string; User: string };
          HostConfig: { ReadonlyRootfs: boolean; Memory: number };
        }[];
        for (const { Name, Config, HostConfig } of found) {
          assert.ok(HostConfig.Memory > 0, Name);
          if (Config.Image !== 'maru:local') continue;
          assert.equal(Config.User, '65532:65532', Name);
          assert.equal(HostConfig.ReadonlyRootfs, true, Name);
        }
      });

      if (members.length > 0) {
        it('every process of Maru keeps its lease in Redis', async () => {
          const keys = await compose('exec', '-T', 'redis', 'redis-cli', 'keys', '*:members}:*');
          const held = keys.split('\n').flatMap((key) => key.trim().split(':').slice(3));
          assert.deepEqual(held.toSorted(), members);
        });
      }

      it('everything is scraped, and arrives through the door', async () => {
        await waitFor(
          `${targets} targets are up`,
          async () => {
            const { result } = await queryAt({ baseUrl: `${door}/prometheus` }, 'sum(up)', Date.now() / 1000);
            return result[0]?.value?.[1] === String(targets) ? true : undefined;
          },
          { deadlineMs: 60_000, everyMs: 500 },
        );
      });

      it('answers as its Prometheus does', async () => {
        for (const query of [
          'up',
          'node_memory_MemTotal_bytes',
          'sum by (job) (rate(process_cpu_seconds_total[30s]))',
          'count by (__name__, job) ({__name__=~"maru_.+|node_.+"})',
        ]) {
          const answerOf = (baseUrl: string, end: number) =>
            ask({ baseUrl }, 'query_range', { query, start: end - 60, end, step: 5 }, 'POST');
          const end = await waitFor(
            `Prometheus answers ${query}`,
            async () => {
              const now = Math.floor(Date.now() / 1000);
              const { data } = await answerOf(prometheus, now);
              return (data as { result: unknown[] }).result.length > 0 ? now : undefined;
            },
            { deadlineMs: 60_000, everyMs: 1_000 },
          );
          // Prometheus sends its series side by side, each within seconds of its scrape.
          await waitFor(
            `the same answer to ${query}`,
            async () => {
              const [expected, actual] = [await answerOf(prometheus, end), await answerOf(`${door}/prometheus`, end)];
              assert.equal(expected.status, 'success');
              assert.deepEqual(compareAnswers(expected, actual, 'close'), []);
              return true as const;
            },
            { deadlineMs: 60_000, everyMs: 1_000 },
          );
        }
      });

      it('lets only the API through the door', async () => {
        for (const path of [
          '/',
          '/metrics',
          '/ready',
          '/ingester/partition-ring',
          '/compactor/delete_tenant',
          '/api/v1/pushes/',
        ]) {
          const status = (await fetch(door + path, { method: path.startsWith('/compactor') ? 'POST' : 'GET' })).status;
          assert.equal(status, 404, path);
        }
      });

      it('takes a write', async () => {
        assert.equal((await write(1)).status, 204);
      });

      for (const { what, method, path, form, shows } of grafanaCalls) {
        it(`answers Grafana: ${what}`, async () => {
          const target = { baseUrl: `${door}/prometheus` };
          await waitFor(`an answer that shows ${what}`, async () => {
            const answer = await ask(target, path, form(Math.ceil(Date.now() / 1000) + 5), method);
            if (answer.status !== 'success') throw new GiveUp(JSON.stringify(answer));
            return shows(answer.data as never) || undefined;
          });
        });
      }

      if (lose.length > 0) {
        const valuesOfWrites = async () => {
          const { result } = await queryAt(
            { baseUrl: `${door}/prometheus` },
            'pushed_total[1m]',
            pushedAtMs / 1000 + 30,
          );
          return result[0]?.values?.map(([, value]) => value);
        };

        it(`loses ${lose.join(', ')}, and goes on`, async () => {
          await compose('kill', ...lose);
          for (let v = 2; v < 6; v++) assert.equal((await write(v)).status, 204);
          assert.deepEqual(await valuesOfWrites(), ['1', '2', '3', '4', '5']);
        });

        it('takes them back, at whatever address they have then', async () => {
          await up();
          assert.equal((await write(6)).status, 204);
          assert.deepEqual(await valuesOfWrites(), ['1', '2', '3', '4', '5', '6']);
        });
      }
    });
  }
});
