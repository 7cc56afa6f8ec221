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

describe('whoever is asked what concerns all brokers', () => {
  /** @param ports of the brokers, in the order in which they are asked */
  const asking = (ports: readonly number[], known = {}) => {
    const given: number[] = [];
    const broken = new Set<number>();
    const client = passingFrozen(
      {
        [kGetBootstrapConnection]: (callback, turn = 0) => {
          const port = ports[turn % ports.length] ?? 0;
          callback(null, { host: 'a', port, isConnected: () => !broken.has(port) } as never);
        },
      },
      known,
    );
    const ask = (attempt?: number): void =>
      client[kGetBootstrapConnection]((_, connection) => given.push(connection?.port ?? 0), attempt);
    return { given, broken, ask };
  };

  it('is gone on with while it answers: one whose host is gone is not waited for each time', () => {
    const { given, broken, ask } = asking([1, 2]);
    ask();
    ask();
    broken.add(1);
    ask();
    ask();
    assert.deepEqual(given, [1, 1, 2, 2]);
  });

  it('is not the frozen one of two again with the next attempt, nor with that of a call that waited for another', () => {
    const { given, broken, ask } = asking([1, 2]);
    ask(0);
    broken.add(1);
    ask(1);
    ask(1);
    ask(2);
    assert.deepEqual(given, [1, 2, 2, 2]);
  });

  it('is not the one again that let it wait, where the list names that twice', () => {
    const { given, broken, ask } = asking([2, 1, 1, 2]);
    ask();
    broken.add(2);
    ask();
    broken.delete(2);
    broken.add(1);
    ask();
    broken.delete(1);
    broken.add(2);
    ask();
    assert.deepEqual(given, [2, 1, 2, 1]);
  });

  it('is not the one that let another client wait', () => {
    const known = {};
    const [one, other] = [asking([1, 2], known), asking([1, 2], known)];
    one.ask();
    one.broken.add(1);
    one.ask();
    other.ask();
    assert.deepEqual([one.given, other.given], [[1, 2], [2]]);
  });

  it('is the only one', () => {
    const { given, broken, ask } = asking([1]);
    broken.add(1);
    ask();
    ask();
    assert.deepEqual(given, [1, 1]);
  });
});
