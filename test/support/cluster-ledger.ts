/**
 * What a test of a cluster asks again and again: known samples are written through the distributor and asked back from the querier.
 * Owns what was acknowledged, and that an answer has all of it. Does not own what happens to the cluster meanwhile.
 */
import assert from 'node:assert/strict';
import { type PushAnswer, push } from './push-client.ts';
import type { Cluster } from './start-cluster.ts';
import type { Maru } from './start-maru.ts';
import { waitFor } from './wait-until.ts';

/** Series of each write that are there from the beginning; one more is new. */
export const steadySeries = 20;

/** Where writes and reads go. */
export type LedgerCluster = { readonly [K in 'distributor' | 'querier']: Pick<Maru, 'baseUrl' | 'queryUrl'> };

/** Writes numbered samples to a cluster and remembers which were acknowledged. */
export class Ledger {
  #cluster: LedgerCluster;
  readonly #name: string;
  /** Beginning of the test, whole seconds. */
  readonly #beginMs: number;
  /** Acknowledged samples: series and number. */
  readonly acknowledged = new Set<string>();
  #writes = 0;

  /** @param ageMs the first write is of so long ago, each next one a second later */
  constructor(cluster: LedgerCluster, name: string, ageMs = 600_000) {
    this.#cluster = cluster;
    this.#name = name;
    this.#beginMs = Math.floor((Date.now() - ageMs) / 1000) * 1000;
  }

  /** Goes on there. */
  moveTo(cluster: LedgerCluster): void {
    this.#cluster = cluster;
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

  /** Reads until it is no error; every sample that was acknowledged before is there. */
  async checkOnceAnswered(): Promise<void> {
    await waitFor('the read is answered', async () => ((await this.read()).status === 200 ? true : undefined));
    await this.check();
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

export const ingesterOf = (cluster: Cluster, name: string): Maru => {
  const found = cluster.ingesters.get(name);
  if (found === undefined) throw new Error(`there is no ingester ${name}`);
  return found;
};

interface RingPage {
  readonly epoch: number;
  readonly partitions: readonly {
    readonly state: string;
    readonly owners: readonly {
      readonly instance: string;
      readonly answers: boolean | null;
      readonly knownEpoch: number;
    }[];
  }[];
  readonly storeGateways: readonly { readonly answers: boolean | null }[];
}

/**
 * Every process knows the newest table, and its ingesters that run answer in that of distributors and queriers; so do all store-gateways, where
 * they run. Before that a link may still be to what an ingester was before its restart, and break when the new table comes.
 */
export async function healed({ ingesters, distributors, queriers, storeGateways }: Cluster): Promise<void> {
  const running = [...ingesters].filter(([, maru]) => maru.isRunning());
  const names = new Set(running.map(([name]) => `ingester-${name}`));
  const owners = running.map(([, maru]) => maru);
  for (const maru of [...owners, ...distributors, ...queriers]) await maru.ready();
  const areGatewaysThere = storeGateways.every((maru) => maru.isRunning());
  await waitFor(
    'all ingesters answer',
    async () => {
      const [writers, readers] = [
        await Promise.all(distributors.map(ringPage)),
        await Promise.all(queriers.map(ringPage)),
      ];
      const seen = [...writers, ...readers];
      const epochs = [...seen, ...(await Promise.all(owners.map(ringPage)))].map(({ epoch }) => epoch);
      const isWhole = ({ epoch, partitions }: RingPage): boolean =>
        partitions.every(
          (partition) =>
            partition.state === 'active' &&
            partition.owners.every(
              ({ instance, answers, knownEpoch }) => !names.has(instance) || (answers === true && knownEpoch === epoch),
            ),
        );
      const reachesGateways = ({ storeGateways: all }: RingPage): boolean =>
        !areGatewaysThere || all.every(({ answers }) => answers === true);
      const isHealed = new Set(epochs).size === 1 && seen.every(isWhole) && readers.every(reachesGateways);
      return isHealed ? true : undefined;
    },
    { deadlineMs: 120_000 },
  );
}

async function ringPage({ baseUrl }: Maru): Promise<RingPage> {
  return (await (await fetch(`${baseUrl}/ingester/partition-ring`)).json()) as RingPage;
}

export async function relaunch(maru: Maru): Promise<void> {
  maru.launch();
  await maru.ready();
}
