import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { freePort } from '../../test/support/free-port.ts';
import { waitFor } from '../../test/support/wait-until.ts';
import { readLog } from './read-log.ts';

/** Where each node is, as the brokers say now. */
type Nodes = Map<number, number>;

describe('a partition whose leader the client does not know where it is', { timeout: 120_000 }, () => {
  for (const { name, before } of [
    { name: 'it came later', before: async () => undefined },
    { name: 'it has moved', before: () => freePort() },
  ]) {
    it(`is read as soon as the brokers tell: ${name}`, async () => {
      const nodes: Nodes = new Map();
      await using first = await startFakeBroker(nodes);
      await using second = await startFakeBroker(nodes);
      nodes.set(1, first.port);
      const elsewhere = await before();
      if (elsewhere !== undefined) nodes.set(2, elsewhere);
      const end = new AbortController();
      const reasons: (string | undefined)[] = [];
      const reading = readLog({
        connection: {
          ...{ clientId: 'test', retries: 0, retryDelay: 1, requestTimeout: 30_000, timeout: 30_000 },
          bootstrapBrokers: [`127.0.0.1:${first.port}`],
        },
        topic: {
          ...{ name: 'log', problem: undefined, loss: undefined, look: async () => undefined },
          check: () => ({ id: 'a', leaders: [2], batchBytesMax: 1000 }),
        },
        offsets: { bounds: async () => ({ begin: 0, end: 0 }) },
        ...{ partition: 0, offset: 0, leaderEpoch: -1, apply: () => undefined, onPosition: () => undefined },
        onAway: (reason) => reasons.push(reason),
        signal: end.signal,
      });
      await waitFor('it cannot be read', () => reasons[0]);
      nodes.set(2, second.port);
      try {
        await waitFor('it is read again', () => {
          if (reasons.at(-1) !== undefined) throw new Error(reasons.at(-1));
          return true;
        });
        assert.equal(first.fetches, 0);
        assert.ok(second.fetches > 0);
      } finally {
        end.abort();
        await reading;
      }
    });
  }
});

/** Knows nothing but who the brokers are; what it is asked to be read of a log is empty. */
async function startFakeBroker(nodes: Nodes): Promise<AsyncDisposable & { readonly port: number; fetches: number }> {
  const [fetch, metadata, apiVersions] = [1, 3, 18];
  const sockets: Socket[] = [];
  const i16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
  const i32 = (value: number): Buffer => Buffer.concat([i16(value >> 16), i16(value & 0xffff)]);
  const text = (value: string): Buffer => Buffer.concat([i16(value.length), Buffer.from(value)]);
  const answers: Readonly<Record<number, () => Buffer[]>> = {
    // The oldest versions, for they are the shortest.
    [apiVersions]: () => [
      ...[i16(0), Buffer.from([3 + 1])],
      ...[fetch, 4, 4, metadata, 1, 1, apiVersions, 3, 3].flatMap((value, i) =>
        i % 3 === 2 ? [i16(value), Buffer.from([0])] : [i16(value)],
      ),
      ...[i32(0), Buffer.from([0])],
    ],
    [metadata]: () => [
      i32(nodes.size),
      ...[...nodes].flatMap(([id, port]) => [i32(id), text('127.0.0.1'), i32(port), i16(-1)]),
      ...[i32(1), i32(0)],
    ],
    [fetch]: () => [i32(0), i32(0)],
  };
  const broker = { port: 0, fetches: 0 };
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => undefined));
    let unread = Buffer.alloc(0);
    socket.on('data', (bytes) => {
      unread = Buffer.concat([unread, bytes]);
      while (unread.length >= 4 && unread.length >= 4 + unread.readInt32BE(0)) {
        const api = unread.readInt16BE(4);
        const correlation = unread.subarray(8, 12);
        unread = unread.subarray(4 + unread.readInt32BE(0));
        if (api === fetch) broker.fetches++;
        const body = Buffer.concat([correlation, ...(answers[api]?.() ?? [])]);
        // A moment, as a log gives that has nothing new.
        setTimeout(() => socket.write(Buffer.concat([i32(body.length), body])), 1);
      }
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  broker.port = (server.address() as AddressInfo).port;
  return Object.assign(broker, {
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((closed) => server.close(closed));
    },
  });
}
