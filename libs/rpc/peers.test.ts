/** Processes that a table names, reached where it says that they are. */
import assert from 'node:assert/strict';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { it } from 'node:test';
import { waitFor } from '../../test/support/wait-until.ts';
import { encodeRingEpochReply } from '../wire/peer/ring-messages.ts';
import type { Channel } from './channel.ts';
import type { Identity } from './greeting.ts';
import { listenGrpc } from './grpc-pipe.ts';
import { ringEpochCall } from './ingester-calls.ts';
import { Peers } from './peers.ts';
import { serveLink } from './serve-link.ts';

const identity: Identity = { clusterId: 'c', instance: 'ingester-1', zone: 'b', secret: '' };

it('whoever was given the address of another one is not taken for it', { timeout: 30_000 }, async () => {
  let asked = 0;
  const listener = await listenGrpc('127.0.0.1', 0, undefined, (pipe) =>
    serveLink(pipe, {
      identity,
      handlers: {
        asks: new Map([
          [ringEpochCall, async () => encodeRingEpochReply(5)],
          ['push', async () => Buffer.from(String(++asked))],
        ]),
        streams: new Map(),
      },
      tableEpoch: () => 7,
      onTableEpoch: () => undefined,
      onRefused: () => undefined,
      onMistake: () => undefined,
      onAnswered: () => undefined,
    }),
  );
  const address = `127.0.0.1:${listener.port}`;
  const told: string[] = [];
  const peers = new Peers({
    identity: { ...identity, instance: 'distributor', zone: 'a' },
    tls: undefined,
    what: 'an ingester',
    purposes: ['writes'],
    clientOf: ([channel]) => channel as Channel,
    keyOf: ({ instance }) => instance,
    tableEpoch: () => 7,
    onTableEpoch: () => undefined,
    log: { info: () => undefined, warn: (fields) => told.push((fields as { readonly reason: string }).reason) },
  });
  try {
    const gone = { instance: 'ingester-0', zone: 'a', address };
    const there = { instance: 'ingester-1', zone: 'b', address };
    peers.follow([gone, there]);
    const push = (member: typeof gone): Promise<string> =>
      (peers.of(member) as { client: Channel }).client.ask('push', [], { timeoutMs: 5_000 }).then(String);

    await assert.rejects(push(gone), {
      kind: 'unavailable',
      message: `ingester-0 (zone a, ${address}) cannot be reached: ingester-1 (zone b) answers there instead`,
    });
    assert.equal(await push(there), '1');
    await Promise.all([peers.of(gone)?.look(), peers.of(there)?.look()]);
    assert.deepEqual([peers.of(gone)?.answers, peers.of(gone)?.knownEpoch], [false, 0]);
    assert.deepEqual([peers.of(there)?.answers, peers.of(there)?.knownEpoch], [true, 7]);
    assert.deepEqual(told, ['ingester-1 (zone b) answers there instead']);
  } finally {
    peers.stop();
    await listener.stop();
  }
});

it('whoever is reached by a name that stands for another address now is looked for there', {
  timeout: 30_000,
}, async () => {
  const listen = (instance: string) =>
    listenGrpc('127.0.0.1', 0, undefined, (pipe) =>
      serveLink(pipe, {
        identity: { ...identity, instance },
        handlers: { asks: new Map([['who', async () => Buffer.from(instance)]]), streams: new Map() },
        tableEpoch: () => 1,
        ...{ onTableEpoch: () => undefined, onRefused: () => undefined },
        ...{ onMistake: () => undefined, onAnswered: () => undefined },
      }),
    );
  const [wrong, right] = await Promise.all([listen('ingester-1'), listen('ingester-0')]);
  // The first connection comes out at the one, all others at the other.
  const sockets: Socket[] = [];
  const name = createServer((socket) => {
    const to = connect(sockets.length === 0 ? wrong.port : right.port, '127.0.0.1');
    sockets.push(socket, to);
    for (const one of [socket, to]) one.on('error', () => undefined);
    socket.pipe(to).pipe(socket);
  });
  await new Promise<void>((resolve) => name.listen(0, '127.0.0.1', resolve));
  const peers = new Peers({
    identity: { ...identity, instance: 'distributor', zone: 'a' },
    ...{ tls: undefined, what: 'an ingester', purposes: ['writes'] },
    clientOf: ([channel]) => channel as Channel,
    keyOf: ({ instance }) => instance,
    ...{ tableEpoch: () => 1, onTableEpoch: () => undefined },
    log: { info: () => undefined, warn: () => undefined },
  });
  try {
    const member = { instance: 'ingester-0', zone: 'b', address: `127.0.0.1:${(name.address() as AddressInfo).port}` };
    peers.follow([member]);
    const { client } = peers.of(member) as { client: Channel };
    const who = await waitFor('it is found', async () => String(await client.ask('who', [], { timeoutMs: 1_000 })));
    assert.equal(who, 'ingester-0');
  } finally {
    peers.stop();
    for (const socket of sockets) socket.destroy();
    name.close();
    await Promise.all([wrong.stop(), right.stop()]);
  }
});
