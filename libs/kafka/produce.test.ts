import assert from 'node:assert/strict';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { Failure } from '../errors/failure.ts';
import { recordOverheadBytes } from './config.ts';
import { LogProducer, type PlacedRecord } from './produce.ts';
import type { TopicView } from './topic.ts';

/** A topic that is right until it is made anew. */
class FakeTopic {
  readonly name = 'log';
  problem: string | undefined;

  check(): TopicView {
    if (this.problem !== undefined) throw new Failure('unavailable', this.problem);
    return { id: 'a', leaders: [1], batchBytesMax: 1000 };
  }

  async look(): Promise<void> {}
}

describe('records into the log', () => {
  it('that wait when the topic is found to be another one are refused, and the process goes on', async () => {
    const topic = new FakeTopic();
    const producer = new LogProducer({
      // Nothing is sent: no broker is there.
      connection: { clientId: 'test', bootstrapBrokers: ['127.0.0.1:1'], retries: 0, retryDelay: 1 },
      topic,
      compression: 'none',
      timeoutMs: 10_000,
      waitingBytesMax: 1 << 20,
    });
    const record = { key: Buffer.from('tenant'), value: Buffer.from('value') };
    for (let round = 0; round < 2; round++) {
      const appended = [
        producer.append('tenant', [{ partition: 0, record }]),
        producer.append('tenant', [{ partition: 0, record }]),
      ];
      topic.problem = 'topic log was made anew';
      for (const one of appended)
        await assert.rejects(one, { kind: 'unavailable', message: 'topic log was made anew' });
      topic.problem = undefined;
    }
    await producer.stop();
  });

  it('of one tenant leave room for those of others, and what comes together is taken whole or not at all', async () => {
    const topic = new FakeTopic();
    const producer = new LogProducer({
      // Nothing is sent: no broker is there.
      connection: { clientId: 'test', bootstrapBrokers: ['127.0.0.1:1'], retries: 0, retryDelay: 1 },
      topic,
      compression: 'none',
      timeoutMs: 10_000,
      waitingBytesMax: 100_000,
    });
    const record = { key: Buffer.alloc(0), value: Buffer.alloc(10_000 - recordOverheadBytes) };
    const append = (tenant: string, count: number): Promise<void> =>
      producer.append(tenant, Array<PlacedRecord>(count).fill({ partition: 0, record }));
    const taken = { kind: 'unavailable', message: /not acknowledged/ };
    const noRoom = {
      kind: 'unavailable',
      message: /too many writes that wait for Kafka at once/,
      retryAfterSeconds: 1,
    };
    const tooLarge = { kind: 'too_large', message: /60000 bytes of records, 50000 at most/ };
    for (let round = 0; round < 2; round++) {
      const outcomes = [
        assert.rejects(append('large', 6), tooLarge),
        assert.rejects(append('large', 3), taken),
        assert.rejects(append('large', 3), noRoom),
        assert.rejects(append('small', 3), taken),
        assert.rejects(append('large', 1), noRoom),
        assert.rejects(append('third', 1), taken),
      ];
      assert.equal(producer.waitingRecords, 7);
      await Promise.all(outcomes);
      assert.equal(producer.waitingRecords, 0);
    }
    await producer.stop();
  });

  it('of a broker that takes connections and says nothing are refused in time, also those behind them, and these are not sent later', async () => {
    await using broker = await startSilentBroker();
    const producer = new LogProducer({
      connection: {
        clientId: 'test',
        bootstrapBrokers: [broker.address],
        requestTimeout: 60_000,
        retries: 0,
        retryDelay: 1,
      },
      topic: new FakeTopic(),
      compression: 'none',
      timeoutMs: 50,
      waitingBytesMax: 1 << 20,
    });
    const record = { key: Buffer.from('tenant'), value: Buffer.from('value') };
    const refusal = { kind: 'unavailable', message: /not acknowledged within 50 ms/, retryAfterSeconds: 1 };
    const refused = (): Promise<void> => assert.rejects(producer.append('tenant', [{ partition: 0, record }]), refusal);
    // The connection may take longer than the first one waits.
    const first = refused();
    await broker.connected;
    await Promise.all([first, refused()]);
    assert.equal(producer.waitingRecords, 0);
    await producer.stop();
  });
});

async function startSilentBroker(): Promise<AsyncDisposable & { address: string; connected: Promise<void> }> {
  const sockets: Socket[] = [];
  const { promise: connected, resolve } = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    resolve();
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    connected,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((closed) => server.close(closed));
    },
  };
}
