/** What a read of owners counts of their label tables: those of the answers that it is made of, once. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Failure } from '../../libs/errors/failure.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import type { RingTable } from '../../libs/ring/table.ts';
import type { Channel } from '../../libs/rpc/channel.ts';
import { ingesterSource } from '../../libs/rpc/source-calls.ts';
import { RemoteSource } from '../../libs/rpc/source-client.ts';
import { encodeLabelPieces } from '../../libs/wire/peer/select-message.ts';
import { LabelMemory } from './label-memory.ts';
import { QuorumSource, type ReadPeer } from './quorum-source.ts';

const tenant = parseTenantId('t');
const request = { kind: 'syntax', wanted: 'text', query: 'm' } as const;
const labels = {
  strings: ['a', 'x'.repeat(300_000), 'b', 'y'],
  begin: Uint32Array.of(0, 4),
  refs: Uint32Array.of(0, 1, 2, 3),
};
const pieces = [...encodeLabelPieces(labels, [])];
const { signal } = new AbortController();

type Answer = (owner: string) => AsyncGenerator<Uint8Array>;

async function* whole(): AsyncGenerator<Uint8Array> {
  yield* pieces;
}

function open(partitions: number, replicationFactor: number, answer: Answer) {
  const ring = { epoch: 1, heard: 1 };
  const owners = (id: number) =>
    Array.from({ length: replicationFactor }, (_, i) => {
      return { instance: `i-${id}-${i}`, zone: 'a', address: '', incarnation: '', starts: 1, completeFromMs: 0 };
    });
  const table = () =>
    ({
      ...{ version: 1, clusterId: 'c', epoch: ring.epoch, replicationFactor, gateways: [] },
      partitions: Array.from({ length: partitions }, (_, id) => {
        return { id, state: 'active', stateSinceMs: 0, owners: owners(id) };
      }),
    }) as unknown as RingTable;
  const refresh = async (): Promise<void> => {
    ring.epoch = ring.heard;
  };
  const peerOf = ({ instance }: { readonly instance: string }): ReadPeer => {
    const channel = { stream: () => answer(instance) } satisfies Partial<Channel> as unknown as Channel;
    const source = () => new RemoteSource({ channel, calls: ingesterSource, tenant });
    return { answers: true, durableBeforeMs: 0, source } as unknown as ReadPeer;
  };
  const deps = { table, heardEpoch: () => ring.heard, refresh, peerOf, zone: 'a', freshness: undefined };
  const memory = new LabelMemory(0, 100 << 20);
  const source = new QuorumSource({ ...deps, onRead: undefined });
  const select = () => source.select({ matchers: [], minT: 0, maxT: 1, memory: memory.hold(tenant, request) }, signal);
  return { ring, memory, select };
}

/** Of one answer. */
const one = await (async () => {
  const { memory, select } = open(1, 1, whole);
  await select();
  return memory.used;
})();

it('answers by an older table are not counted', async () => {
  let asked = 0;
  const { ring, memory, select } = open(2, 1, () => {
    if (++asked <= 6 && asked % 2 === 0) ring.heard++;
    return whole();
  });
  await select();
  assert.equal(asked, 8);
  assert.equal(memory.used, 2 * one);
});

it('nor is what came of an owner that dies, or of one that comes too late', async () => {
  let goOn = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  let ended = (): void => undefined;
  const end = new Promise<void>((resolve) => {
    ended = resolve;
  });
  const dying = open(1, 3, async function* (owner) {
    yield pieces[0] as Uint8Array;
    if (owner === 'i-0-0') throw new Failure('unavailable', 'it died');
    yield* pieces.slice(1);
  });
  await dying.select();
  assert.equal(dying.memory.used, 2 * one);
  const late = open(1, 3, async function* (owner) {
    try {
      yield pieces[0] as Uint8Array;
      if (owner === 'i-0-0') await held;
      yield* pieces.slice(1);
    } finally {
      if (owner === 'i-0-0') ended();
    }
  });
  await late.select();
  assert.equal(late.memory.used, 2 * one);
  goOn();
  await end;
  assert.equal(late.memory.used, 2 * one);
});

it('nor is anything of a read that fails', async () => {
  const { memory, select } = open(1, 3, async function* (owner) {
    yield pieces[0] as Uint8Array;
    if (owner !== 'i-0-0') throw new Failure('unavailable', 'it died');
    yield* pieces.slice(1);
  });
  await assert.rejects(select(), { kind: 'unavailable' });
  assert.equal(memory.used, 0);
});
