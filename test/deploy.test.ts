/**
 * The dashboards and alerts that ship with Maru: every expression parses and names only metrics that a running Maru has,
 * alone or among others.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { parse } from 'yaml';
import type { Matcher } from '../libs/model/matcher.ts';
import { selectorsOf } from '../services/querier/selector-syntax.ts';
import { freePort } from './support/free-port.ts';
import { runMaru, startMaru } from './support/start-maru.ts';
import { tempFolder } from './support/temp-folder.ts';
import { waitFor } from './support/wait-until.ts';

const deploy = join(import.meta.dirname, '../deploy');
const read = (path: string) => readFileSync(join(deploy, path), 'utf8');

interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
    readonly targets?: readonly { readonly expr: string }[];
  }[];
}

interface Alerts {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert: string;
      readonly expr: string;
      readonly labels: { readonly severity: string };
      readonly annotations: { readonly summary: string; readonly description: string };
    }[];
  }[];
}

const dashboard = JSON.parse(read('dashboards/maru.json')) as Dashboard;
const alerts = (parse(read('alerts/maru.yaml')) as Alerts).groups.flatMap(({ rules }) => rules);

/** An expression as Grafana sends it, its variables filled in. */
const filled = (expr: string) => expr.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*');

function metricOf(matchers: readonly Matcher[]): string {
  return matchers.find(({ name }) => name === '__name__')?.value ?? assert.fail('a selector without a metric');
}

describe('dashboards and alerts', { timeout: 60_000 }, () => {
  let known: ReadonlySet<string>;
  let exposed = '';

  before(async () => {
    await using folder = await tempFolder('deploy');
    const overrides = join(folder.path, 'overrides.yaml');
    writeFileSync(overrides, '');
    const args = [`--runtime-config.file=${overrides}`];
    await using alone = await startMaru({ args });
    await using among = await startMaru({
      args: [
        ...args,
        '--target=distributor,ingester,store-gateway,querier,query-frontend,compactor',
        '--cluster.instance=ingester-0',
        '--cluster.replication-factor=1',
        '--server.grpc-port=0',
      ],
    });
    // Behind a Kafka that is not there: never ready, and it says what it has to say.
    const port = await freePort();
    const behind = runMaru([
      ...[`--data-dir=${join(folder.path, 'behind')}`, `--server.http-port=${port}`],
      ...['--ingest.log=kafka', `--kafka.brokers=127.0.0.1:${await freePort()}`],
    ]);
    const behindUrl = `http://127.0.0.1:${port}`;
    await waitFor('it listens', async () => (await fetch(`${behindUrl}/healthz`)).status === 200 || undefined);
    const texts = [alone.baseUrl, among.baseUrl, behindUrl].map(async (url) => (await fetch(`${url}/metrics`)).text());
    const text = (await Promise.all(texts)).join('\n');
    behind.signal('SIGKILL');
    await behind.exited;
    const names = new Set<string>();
    for (const [, name = '', type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
      if (type === 'histogram') for (const end of ['_bucket', '_sum', '_count']) names.add(name + end);
      else names.add(name);
    }
    known = names;
    exposed = text;
  });

  const expressions = [
    ...alerts.map(({ alert, expr }) => ({ name: `alert ${alert}`, expr })),
    ...dashboard.panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => ({ name: `panel ${title}: ${expr}`, expr })),
    ),
  ];
  for (const { name, expr } of expressions) {
    it(name, () => {
      const selectors = selectorsOf(filled(expr), {});
      assert.notEqual(selectors.length, 0);
      assert.deepEqual(
        selectors.map(metricOf).filter((metric) => !known.has(metric)),
        [],
      );
    });
  }

  it('no metric has a label that whoever scrapes it gives', () => {
    assert.deepEqual(exposed.match(/^.*[{,](?:instance|job)=.*$/gm) ?? [], []);
  });

  it('every alert says what happened and what to do', () => {
    assert.equal(new Set(alerts.map(({ alert }) => alert)).size, alerts.length);
    for (const { alert, labels, annotations } of alerts) {
      assert.match(labels.severity, /^(critical|warning)$/, alert);
      assert.ok(annotations.summary.length > 20 && annotations.description.length > 20, alert);
    }
  });

  it('no panel covers another', () => {
    const taken = new Set<string>();
    for (const { title, gridPos } of dashboard.panels) {
      assert.ok(gridPos.x + gridPos.w <= 24, title);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.ok(!taken.has(`${x} ${y}`), title);
          taken.add(`${x} ${y}`);
        }
      }
    }
  });
});
