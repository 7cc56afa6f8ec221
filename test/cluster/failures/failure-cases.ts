/**
 * The cases of failure, by the rows of the table of what a lost part may cost: what is done, how it is mended, and what is allowed meanwhile.
 * What is not allowed in any case (checker.ts): an acknowledged sample that is lost, or that an answer lacks without saying so.
 */
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { healed } from '../../support/cluster-ledger.ts';
import { drain, partitionStates } from '../../support/drain-ingester.ts';
import type { Maru } from '../../support/start-maru.ts';
import { waitFor } from '../../support/wait-until.ts';
import type { Kind, Mode, Scene, Shape } from './scene.ts';

/**
 * `go on`: every request that is answered is answered well. `warned`: with a warning, which must come. `refused`: an error, which must come.
 * `may fail`: an error may come.
 */
type Allowance = 'go on' | 'warned' | 'refused' | 'may fail';

export interface Allowed {
  readonly writes: Allowance;
  /** Of the newest samples. */
  readonly recent: Allowance;
  /** Of what is in the bucket, or on its way there. */
  readonly stored: Allowance;
}

export interface FailureCase {
  readonly name: string;
  /** What of the table is lost; '' where it names no such thing. */
  readonly row: string;
  readonly shape: Shape;
  /** In which modes it is run, and what is allowed in each. */
  readonly allowed: Readonly<Partial<Record<Mode, Allowed>>>;
  /** Whether a process that clients speak to goes away: then connections break. */
  readonly losesConnections?: boolean;
  /** One of the few that every run of all tests has. */
  readonly isShort?: boolean;
  /** Why it cannot be run there. */
  readonly impossible?: (scene: Scene) => string | undefined;
  readonly hurt: (scene: Scene) => Promise<void>;
  readonly mend: (scene: Scene) => Promise<void>;
}

const nothingFails: Allowed = { writes: 'go on', recent: 'go on', stored: 'go on' };
const everywhere = { replicas: nothingFails, kafka: nothingFails };

const first = (scene: Scene, kind: Kind): Maru => nth(scene, kind, 0);

function nth(scene: Scene, kind: Kind, i: number): Maru {
  const found = scene.all(kind)[i];
  if (found === undefined) throw new Error(`there is no ${kind} ${i}`);
  return found;
}

async function relaunch(...marus: readonly Maru[]): Promise<void> {
  for (const maru of marus) maru.launch();
  await Promise.all(marus.map((maru) => maru.ready()));
}

const killAll = async (marus: readonly Maru[]): Promise<void> => {
  await Promise.all(marus.map((maru) => maru.kill()));
};

/** Clients speak to these. */
const isDoor = (kind: Kind): boolean => kind === 'distributor' || kind === 'query-frontend';

/** The row that speaks of one process of this kind. */
const rowOf = (kind: Kind): string =>
  kind === 'ingester' ? 'one owner of RF 3, or one zone' : kind === 'compactor' ? 'compactor' : '';

/** One of each kind: `kill -9`, frozen, restarted. */
const singleProcesses = (
  ['ingester', 'distributor', 'querier', 'query-frontend', 'store-gateway', 'compactor'] as const
).flatMap((kind): FailureCase[] => {
  const shared = {
    row: rowOf(kind),
    shape: 'three zones',
    allowed: everywhere,
    losesConnections: isDoor(kind),
  } as const;
  return [
    {
      ...shared,
      name: `a ${kind} is killed`.replace('a ingester', 'an ingester'),
      isShort: kind === 'compactor',
      hurt: (scene) => first(scene, kind).kill(),
      mend: (scene) => relaunch(first(scene, kind)),
    },
    {
      ...shared,
      name: `a ${kind} is frozen`.replace('a ingester', 'an ingester'),
      isShort: kind === 'ingester',
      hurt: async (scene) => first(scene, kind).signal('SIGSTOP'),
      mend: async (scene) => first(scene, kind).signal('SIGCONT'),
    },
    {
      ...shared,
      name: `a ${kind} is restarted`.replace('a ingester', 'an ingester'),
      hurt: async (scene) => void (await first(scene, kind).stop()),
      mend: (scene) => relaunch(first(scene, kind)),
    },
  ];
});

export const failureCases: readonly FailureCase[] = [
  ...singleProcesses,
  {
    name: 'an ingester is killed, comes back, and another one is killed',
    row: rowOf('ingester'),
    shape: 'three zones',
    allowed: everywhere,
    isShort: true,
    hurt: async (scene) => {
      await nth(scene, 'ingester', 0).kill();
      await sleep(1_000);
      await relaunch(nth(scene, 'ingester', 0));
      await healed(scene.cluster);
      await nth(scene, 'ingester', 1).kill();
    },
    mend: (scene) => relaunch(nth(scene, 'ingester', 1)),
  },
  {
    name: 'all processes of a zone are killed',
    row: rowOf('ingester'),
    shape: 'three zones',
    allowed: everywhere,
    losesConnections: true,
    isShort: true,
    hurt: (scene) => killAll(scene.zone('a')),
    mend: (scene) => relaunch(...scene.zone('a')),
  },
  {
    name: 'two of three ingesters are killed',
    row: '',
    shape: 'three zones',
    allowed: { replicas: { writes: 'refused', recent: 'refused', stored: 'refused' }, kafka: nothingFails },
    hurt: (scene) => killAll(scene.all('ingester').slice(0, 2)),
    mend: (scene) => relaunch(...scene.all('ingester').slice(0, 2)),
  },
  {
    name: 'all processes are restarted in turn',
    row: '',
    shape: 'three zones',
    allowed: everywhere,
    losesConnections: true,
    hurt: async (scene) => {
      for (const kind of [
        'ingester',
        'store-gateway',
        'querier',
        'query-frontend',
        'distributor',
        'compactor',
      ] as const) {
        for (const maru of scene.all(kind)) {
          await maru.stop();
          await relaunch(maru);
          await healed(scene.cluster);
        }
      }
    },
    mend: async () => undefined,
  },
  ...(['silent', 'refusing'] as const).map(
    (kind): FailureCase => ({
      name: `the network between two zones is cut, ${kind}`,
      row: '',
      shape: 'three zones',
      allowed: everywhere,
      isShort: kind === 'silent',
      hurt: async ({ network }) => network.cut(kind),
      mend: async ({ network }) => network.mend(),
    }),
  ),
  {
    name: 'clocks of one zone are a minute ahead, of another a minute behind',
    row: '',
    shape: 'three zones',
    allowed: everywhere,
    isShort: true,
    hurt: async (scene) => shiftClocks(scene, 60_000),
    mend: async (scene) => shiftClocks(scene, 0),
  },
  {
    name: 'one of two ingesters is killed',
    row: 'one owner of RF 2',
    shape: 'two zones',
    allowed: { replicas: { ...nothingFails, writes: 'refused' }, kafka: nothingFails },
    isShort: true,
    hurt: (scene) => first(scene, 'ingester').kill(),
    mend: (scene) => relaunch(first(scene, 'ingester')),
  },
  {
    name: 'the only ingester is killed',
    row: 'one owner of RF 1',
    shape: 'one zone',
    allowed: {
      replicas: { writes: 'refused', recent: 'refused', stored: 'refused' },
      kafka: { writes: 'go on', recent: 'refused', stored: 'refused' },
    },
    isShort: true,
    hurt: (scene) => first(scene, 'ingester').kill(),
    mend: (scene) => relaunch(first(scene, 'ingester')),
  },
  ...(['killed', 'frozen'] as const).map(
    (how): FailureCase => ({
      name: `the Kafka broker is ${how}`,
      row: 'Kafka',
      shape: 'three zones',
      allowed: { kafka: { writes: 'refused', recent: 'warned', stored: 'warned' } },
      isShort: how === 'killed',
      hurt: async ({ broker }) => (how === 'killed' ? broker.kill() : broker.signal('SIGSTOP')),
      mend: async ({ broker }) => (how === 'killed' ? broker.launch() : broker.signal('SIGCONT')),
    }),
  ),
  ...(['killed', 'frozen'] as const).map(
    (how): FailureCase => ({
      name: `the S3 server is ${how}`,
      row: 'bucket',
      shape: 'three zones',
      allowed: {
        replicas: { ...nothingFails, stored: 'may fail' },
        kafka: { ...nothingFails, stored: 'may fail' },
      },
      isShort: how === 'killed',
      hurt: async ({ s3 }) => (how === 'killed' ? s3.kill() : s3.signal('SIGSTOP')),
      mend: async ({ s3 }) => (how === 'killed' ? s3.launch() : s3.signal('SIGCONT')),
    }),
  ),
  ...(['killed', 'frozen'] as const).map(
    (how): FailureCase => ({
      name: how === 'killed' ? 'Redis is killed and comes back empty' : 'Redis is frozen',
      row: 'Redis',
      shape: 'three zones',
      allowed: everywhere,
      isShort: how === 'killed',
      hurt: async ({ redis }) => (how === 'killed' ? redis.kill() : redis.signal('SIGSTOP')),
      mend: async ({ redis }) => (how === 'killed' ? redis.launch() : redis.signal('SIGCONT')),
    }),
  ),
  {
    name: 'the disk of an ingester is full',
    row: 'disk of one owner full',
    shape: 'three zones',
    allowed: everywhere,
    isShort: true,
    impossible: ({ smallDisk }) => (typeof smallDisk === 'string' ? smallDisk : undefined),
    hurt: async ({ smallDisk }) => {
      if (typeof smallDisk !== 'string') smallDisk.fill();
    },
    mend: async ({ smallDisk }) => {
      if (typeof smallDisk !== 'string') smallDisk.clear();
    },
  },
  {
    name: 'from three ingesters to six and back',
    row: '',
    shape: 'three zones, growing',
    allowed: everywhere,
    hurt: async ({ cluster }) => {
      const joined = await Promise.all(['a', 'b', 'c'].map((zone) => cluster.join(zone, 1)));
      await waitFor('the second partition is active', async () =>
        (await partitionStates(cluster.querier)) === '0 active, 1 active' ? true : undefined,
      );
      await sleep(2_000);
      for (const one of joined) await drain(one, 'POST');
      for (const one of joined) {
        await waitFor('drained', async () => ((await drain(one, 'GET')).state === 'drained' ? true : undefined), {
          deadlineMs: 180_000,
          everyMs: 250,
        });
      }
      for (const one of joined) await one.stop();
      await Promise.all(joined.map((one) => rm(one.dataDir, { recursive: true })));
    },
    mend: async () => undefined,
  },
];

function shiftClocks({ clocks }: Scene, offsetMs: number): void {
  // By name: processes of zone a, and of zone b.
  for (const [i, sign] of [1, -1].entries()) {
    const zone = ['a', 'b'][i];
    clocks.set(`ingester-${zone}-0`, sign * offsetMs);
    for (const kind of ['query-frontend', 'store-gateway', 'compactor']) clocks.set(`${kind}-${i}`, sign * offsetMs);
    for (const kind of ['distributor', 'querier']) clocks.set(i === 0 ? kind : `${kind}-${i}`, sign * offsetMs);
  }
}
