import assert from 'node:assert/strict';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { it } from 'node:test';
import { LogOffsets } from './end-offsets.ts';

const connection = { clientId: 'test', retries: 0, retryDelay: 1 };
const view = { id: 'a', leaders: [1], batchBytesMax: 1000 };

it('brokers that did not answer a moment ago are asked again, and not waited for long', {
  timeout: 60_000,
}, async () => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => sockets.push(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as AddressInfo;
  const topic = { name: 'log', problem: 'it is away', check: () => view };
  const times = { requestTimeout: 600_000, timeout: 600_000 };
  const frozen = new LogOffsets({ ...connection, ...times, bootstrapBrokers: [`127.0.0.1:${port}`] }, topic);
  const away = { kind: 'unavailable', message: /it is away/ };
  await Promise.all([assert.rejects(frozen.ends(), away), assert.rejects(frozen.ends(), away)]);
  assert.ok(sockets.length > 0);
  for (const socket of sockets) socket.destroy();
  silent.close();
  await frozen.stop();
  // None is there: that is known at once.
  const gone = new LogOffsets({ ...connection, bootstrapBrokers: ['127.0.0.1:1'] }, topic);
  await assert.rejects(gone.ends(), { kind: 'unavailable', message: /the offsets of the log cannot be had/ });
  await gone.stop();
});
