/** Brokers that take connections and say nothing, as frozen ones do. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { kGetBootstrapConnection } from '@platformatic/kafka';
import { type Connection, passingFrozen } from './connect.ts';
import { LogOffsets } from './end-offsets.ts';
import { readLog } from './read-log.ts';
import { KafkaTopic } from './topic.ts';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const topic = {
  ...{ name: 'log', problem: undefined, loss: undefined, look: async () => undefined },
  check: () => ({ id: 'a', leaders: [1], batchBytesMax: 1000 }),
};

/** Asks the brokers until `signal` aborts. */
const askers: Readonly<Record<string, (connection: Connection, signal: AbortSignal) => Promise<void>>> = {
  'who looks at the topic': async (connection, signal) => {
    const { name } = topic;
    const watched = new KafkaTopic({
      ...{ config: { topic: name } as never, connection, log: silent, noteName: '' },
      ...{ knownId: async () => undefined, noteId: async (id) => id },
    });
    while (!signal.aborted) await watched.look();
    await watched.stop();
  },
  'who wants to know where the log ends': async (connection, signal) => {
    const offsets = new LogOffsets(connection, topic);
    while (!signal.aborted) await offsets.ends().catch(() => undefined);
    await offsets.stop();
  },
  'who reads a partition': async (connection, signal) => {
    const told = { apply: () => undefined, onPosition: () => undefined, onAway: () => undefined };
    const bounds = async () => ({ begin: 0, end: 0 });
    await readLog({
      ...{ connection, topic, offsets: { bounds }, partition: 0, offset: 0, leaderEpoch: -1 },
      ...{ ...told, signal },
    });
  },
};

describe('a broker that is frozen', { timeout: 60_000 }, () => {
  for (const [who, ask] of Object.entries(askers)) {
    it(`is not asked again and again while there are others: ${who}`, async () => {
      const sockets: Socket[] = [];
      let settle: (wasAsked: boolean) => void = () => undefined;
      const isAsked = new Promise<boolean>((resolve) => (settle = resolve));
      const listen = async (onAsked: () => void) => {
        const server = createServer((socket) => {
          sockets.push(socket.on('error', () => undefined).on('data', onAsked));
        });
        await once(server.listen(0, '127.0.0.1'), 'listening');
        return server;
      };
      let askedInVain = 0;
      const frozen = await listen(() => ++askedInVain > 3 && settle(false));
      const other = await listen(() => settle(true));
      const end = new AbortController();
      const asking = ask(
        {
          ...{ clientId: 'test', retries: 0, retryDelay: 1, requestTimeout: 100, timeout: 100 },
          bootstrapBrokers: [frozen, other].map((server) => `127.0.0.1:${(server.address() as AddressInfo).port}`),
        },
        end.signal,
      );
      const wasAsked = await isAsked;
      end.abort();
      await asking;
      for (const socket of sockets) socket.destroy();
      frozen.close();
      other.close();
      assert.ok(wasAsked);
    });
  }
});

it('a broker that answers is gone on with: one whose host is gone is not waited for each time', () => {
  const asked: number[] = [];
  let isConnected = true;
  const client = passingFrozen({
    [kGetBootstrapConnection]: (callback, attempt) => {
      asked.push(attempt ?? 0);
      callback(null, { isConnected: () => isConnected } as never);
    },
  });
  const ask = (attempt?: number) => client[kGetBootstrapConnection](() => undefined, attempt);
  ask();
  ask();
  assert.deepEqual(asked, [0]);
  isConnected = false;
  ask();
  ask(1);
  assert.deepEqual(asked, [0, 1, 3]);
});
