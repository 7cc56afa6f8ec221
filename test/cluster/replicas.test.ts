/**
 * Three ingesters in three zones hold every sample, as real processes: what happens when one or two of them are killed, frozen or
 * come back with an empty disk. Acknowledged means there, and an answer is complete or an error that names what is missing.
 */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { freePort } from '../support/free-port.ts';
import { type PushAnswer, push } from '../support/push-client.ts';
import { type Cluster, startCluster } from '../support/start-cluster.ts';
import { type Maru, startMaru } from '../support/start-maru.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { waitFor } from '../support/wait-until.ts';

/** Series of each write: some are there from the beginning, one is new. */
const steadySeries = 20;

/** Writes numbered samples to a cluster and remembers which were acknowledged. */
class Ledger {
  readonly #cluster: Cluster;
  readonly #name: string;
  /** Beginning of the test, whole seconds. */
  readonly #beginMs = Math.floor(Date.now() / 1000) * 1000 - 600_000;
  /** Acknowledged samples: series and number. */
  readonly acknowledged = new Set<string>();
  #writes = 0;

  constructor(cluster: Cluster, name: string) {
    this.#cluster = cluster;
    this.#name = name;
  }

  async write(): Promise<PushAnswer> {
    const number = this.#writes++;
    const t = this.#beginMs + number * 1000;
    const names = [...Array.from({ length: steadySeries }, (_, i) => `steady-${i}`), `new-${number}`];
    const series = names.map((one) => ({
      labels: [
        ['__name__', this.#name],
        ['series', one],
      ] as const,
      samples: [{ t, v: number }],
    }));
    const answer = await push(this.#cluster.distributor.baseUrl, series, { protocol: 'v1' });
    if (answer.status === 204) for (const one of names) this.acknowledged.add(`${one} ${t} ${number}`);
    return answer;
  }

  /** A write that must succeed. */
  async mustWrite(count = 1): Promise<void> {
    for (let i = 0; i < count; i++) {
      const { status, text } = await this.write();
      assert.equal(status, 204, text);
    }
  }

  /** Writes until one succeeds. */
  writeUntilTaken(): Promise<true> {
    return waitFor('a write is taken', async () => ((await this.write()).status === 204 ? true : undefined), {
      deadlineMs: 20_000,
    });
  }

  /** Everything that was written, as the querier answers it; or its error. */
  async read(): Promise<{ status: number; samples: Set<string>; text: string; headers: Headers }> {
    const seconds = Math.ceil((this.#writes * 1000 + 60_000) / 1000);
    const form = new URLSearchParams({
      query: `${this.#name}[${seconds}s]`,
      time: String(this.#beginMs / 1000 + seconds - 30),
    });
    const response = await fetch(`${this.#cluster.querier.queryUrl}/api/v1/query?${form}`, {
      signal: AbortSignal.timeout(30_000),
    });
    const text = await response.text();
    const samples = new Set<string>();
    if (response.status === 200) {
      const { data } = JSON.parse(text) as {
        data: { result: { metric: Record<string, string>; values: [number, string][] }[] };
      };
      for (const { metric, values } of data.result) {
        for (const [t, v] of values) samples.add(`${metric['series']} ${Math.round(t * 1000)} ${v}`);
      }
    }
    return { status: response.status, samples, text, headers: response.headers };
  }

  /** Reads, and every sample that was acknowledged before is there. */
  async check(): Promise<void> {
    const acknowledged = [...this.acknowledged];
    const { status, samples, text } = await this.read();
    assert.equal(status, 200, text.slice(0, 500));
    const missing = acknowledged.filter((one) => !samples.has(one));
    assert.deepEqual(missing.slice(0, 5), [], `${missing.length} of ${acknowledged.length} acknowledged are missing`);
  }
}

const ingester = (cluster: Cluster, name: string): Maru => {
  const found = cluster.ingesters.get(name);
  if (found === undefined) throw new Error(`there is no ingester ${name}`);
  return found;
};

/** The cluster sees all its ingesters again. */
async function healed(cluster: Cluster): Promise<void> {
  for (const maru of [...cluster.ingesters.values(), cluster.distributor, cluster.querier]) await maru.ready();
  for (const { baseUrl } of [cluster.distributor, cluster.querier]) {
    await waitFor('all ingesters answer', async () => {
      const page = (await (await fetch(`${baseUrl}/ingester/partition-ring`)).json()) as {
        epoch: number;
        partitions: { owners: { answers: boolean | null; knownEpoch: number }[] }[];
      };
      const owners = page.partitions.flatMap((one) => one.owners);
      return owners.every((owner) => owner.answers === true && owner.knownEpoch === page.epoch) ? true : undefined;
    });
  }
}

async function relaunch(maru: Maru): Promise<void> {
  maru.launch();
  await maru.ready();
}

describe('three replicas in three zones', { timeout: 240_000 }, () => {
  let cluster: Cluster;
  before(async () => {
    cluster = await startCluster({ zones: ['a', 'b', 'c'], partitions: 1, replicationFactor: 3 });
  });
  after(() => cluster?.[Symbol.asyncDispose]());

  it('the ring shows its members', async () => {
    await healed(cluster);
    const html = await fetch(`${cluster.querier.baseUrl}/ingester/partition-ring`, {
      headers: { accept: 'text/html' },
    });
    assert.match(await html.text(), /ingester-b-0/);
    const ledger = new Ledger(cluster, 'plain');
    await ledger.mustWrite(3);
    await ledger.check();
  });

  for (const lost of ['a-0', 'b-0', 'c-0']) {
    it(`${lost} is killed: writes and reads go on; it comes back and another one is killed: nothing is missing`, async () => {
      await healed(cluster);
      const ledger = new Ledger(cluster, `killed_${lost.replace('-', '_')}`);
      await ledger.mustWrite(3);
      await ingester(cluster, lost).kill();
      await ledger.mustWrite(5);
      await ledger.check();
      await relaunch(ingester(cluster, lost));
      await ledger.mustWrite(2);
      await healed(cluster);
      await ledger.mustWrite(2);
      const other = lost === 'c-0' ? 'a-0' : 'c-0';
      await ingester(cluster, other).kill();
      await ledger.check();
      // The owner that was away must have learned the series that were new meanwhile.
      await ledger.writeUntilTaken();
      await ledger.mustWrite(2);
      await ledger.check();
      await relaunch(ingester(cluster, other));
    });
  }

  it('one is killed and another frozen while reads are under way: each of them is complete', async () => {
    await healed(cluster);
    const ledger = new Ledger(cluster, 'under_way');
    await ledger.mustWrite(10);
    const until = async (stop: Promise<unknown>): Promise<void> => {
      let isOver = false;
      void stop.then(() => {
        isOver = true;
      });
      while (!isOver) await ledger.check();
    };
    const killing = (async () => {
      await ingester(cluster, 'a-0').kill();
      await relaunch(ingester(cluster, 'a-0'));
      await healed(cluster);
      ingester(cluster, 'c-0').signal('SIGSTOP');
      await ledger.mustWrite(3);
      ingester(cluster, 'c-0').signal('SIGCONT');
    })();
    await Promise.all([killing, until(killing), until(killing), until(killing)]);
  });

  it('one is frozen: writes and reads go on; when it goes on nothing is missing, also without another one', async () => {
    await healed(cluster);
    const ledger = new Ledger(cluster, 'frozen');
    await ledger.mustWrite(3);
    const frozen = ingester(cluster, 'a-0');
    frozen.signal('SIGSTOP');
    try {
      await ledger.mustWrite(10);
      await ledger.check();
    } finally {
      frozen.signal('SIGCONT');
    }
    await healed(cluster);
    await ledger.mustWrite(2);
    await ingester(cluster, 'b-0').kill();
    await ledger.check();
    await ledger.writeUntilTaken();
    await ledger.check();
    await relaunch(ingester(cluster, 'b-0'));
  });

  it('two are killed: 503 with Retry-After that names them; afterwards everything that was acknowledged is there', async () => {
    await healed(cluster);
    const ledger = new Ledger(cluster, 'two');
    await ledger.mustWrite(3);
    await ingester(cluster, 'b-0').kill();
    await ingester(cluster, 'c-0').kill();
    const answer = await ledger.write();
    assert.equal(answer.status, 503, answer.text);
    assert.match(answer.text, /partition 0: .*ingester-b-0/);
    assert.match(answer.text, /ingester-c-0/);
    assert.match(answer.headers.get('retry-after') ?? '', /^[1-9]/);
    const read = await ledger.read();
    assert.equal(read.status, 503, read.text);
    assert.match(read.text, /partition 0: .*ingester-b-0/);
    await relaunch(ingester(cluster, 'b-0'));
    await ledger.writeUntilTaken();
    await ledger.mustWrite(2);
    await ledger.check();
    await relaunch(ingester(cluster, 'c-0'));
    await ledger.check();
  });

  it('one comes back with an empty disk: its answer about the time before never counts', async () => {
    await healed(cluster);
    const ledger = new Ledger(cluster, 'emptied');
    await ledger.mustWrite(5);
    const emptied = ingester(cluster, 'a-0');
    await emptied.kill();
    await rm(emptied.dataDir, { recursive: true, force: true });
    await relaunch(emptied);
    await healed(cluster);
    await ledger.mustWrite(3);
    await ledger.check();
    await ingester(cluster, 'b-0').kill();
    await waitFor('the read is refused', async () => ((await ledger.read()).status === 503 ? true : undefined));
    const read = await ledger.read();
    assert.match(read.text, /ingester-a-0 \(zone a\) lacks what came before/);
    // Writes need two owners, whatever they held before.
    await ledger.writeUntilTaken();
    await relaunch(ingester(cluster, 'b-0'));
    await healed(cluster);
    await ledger.check();
  });
});

describe('several partitions without replicas', { timeout: 120_000 }, () => {
  it('spreads the series, answers with all of them, and names the one that is away', async () => {
    await using cluster = await startCluster({ zones: ['a'], partitions: 3, replicationFactor: 1 });
    const ledger = new Ledger(cluster, 'spread');
    await healed(cluster);
    await ledger.mustWrite(5);
    await ledger.check();
    const counts = await Promise.all(
      [...cluster.ingesters.values()].map(async ({ baseUrl }) =>
        Number(
          /^maru_ingester_series\{tenant="anonymous"\} (\d+)/m.exec(
            await (await fetch(`${baseUrl}/metrics`)).text(),
          )?.[1] ?? 0,
        ),
      ),
    );
    assert.equal(
      counts.reduce((a, b) => a + b, 0),
      steadySeries + 5,
    );
    assert.ok(
      counts.every((count) => count > 0),
      `series of each: ${counts}`,
    );
    await ingester(cluster, 'a-1').kill();
    const answer = await ledger.write();
    assert.equal(answer.status, 503);
    assert.match(answer.text, /partition 1: .*ingester-a-1/);
    assert.equal((await ledger.read()).status, 503);
    await relaunch(ingester(cluster, 'a-1'));
    await healed(cluster);
    await ledger.writeUntilTaken();
    await ledger.check();
  });
});

describe('a cluster that grows', { timeout: 120_000 }, () => {
  it('a second partition joins under load: every read is complete, and it takes its share', async () => {
    await using cluster = await startCluster({ zones: ['a'], partitions: 1, replicationFactor: 1 });
    await using folder = await tempFolder('grown');
    const ledger = new Ledger(cluster, 'grown');
    await ledger.mustWrite(3);
    let isOver = false;
    const reading = (async () => {
      while (!isOver) await ledger.check();
    })();
    const writing = (async () => {
      while (!isOver) await ledger.mustWrite();
    })();
    try {
      await using second = await startMaru({
        args: [...cluster.flags('ingester', 'ingester-a-1', 'a'), `--server.grpc-port=${await freePort()}`],
        dataDir: join(folder.path, 'data'),
      });
      await waitFor('the second partition is active', async () => {
        const page = (await (await fetch(`${second.baseUrl}/ingester/partition-ring`)).json()) as {
          partitions: { state: string }[];
        };
        return page.partitions.length === 2 && page.partitions.every(({ state }) => state === 'active')
          ? true
          : undefined;
      });
      await waitFor('it has series', async () =>
        /^maru_ingester_series\{tenant="anonymous"\} [1-9]/m.test(
          await (await fetch(`${second.baseUrl}/metrics`)).text(),
        )
          ? true
          : undefined,
      );
      isOver = true;
      await Promise.all([reading, writing]);
      await ledger.check();
    } finally {
      isOver = true;
    }
  });
});
