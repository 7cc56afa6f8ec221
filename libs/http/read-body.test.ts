/** Bodies over a real socket: what they hold while they arrive, and that they give it back. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Failure } from '../errors/failure.ts';
import { InflightBytes } from '../std/inflight-bytes.ts';
import { type HeldBody, readBody } from './read-body.ts';

const KiB = 1 << 10;

describe('readBody', { timeout: 60_000 }, () => {
  let server: Server;
  let inflight = new InflightBytes(0, 'write requests');
  let arrivalMs = 0;
  /** What became of each request, in order. */
  let outcomes: (HeldBody | Failure)[] = [];
  let sockets: Socket[] = [];

  beforeEach(async () => {
    inflight = new InflightBytes(100 * KiB, 'write requests');
    arrivalMs = 60_000;
    outcomes = [];
    sockets = [];
    // What a test leaves behind ends in its own list.
    const [room, ends] = [inflight, outcomes];
    server = createServer(async (request, response) => {
      try {
        const body = await readBody(
          request,
          { bytesMax: 80 * KiB, tooLargeText: (max) => `over ${max}`, arrivalMs },
          room,
        );
        ends.push(body);
        response.end(String(body.bytes.length));
      } catch (error) {
        assert.ok(error instanceof Failure);
        ends.push(error);
        response.statusCode = 500;
        response.end(error.kind);
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  /** Sends `parts` on a connection of their own and returns it with all that comes back until the server closes. */
  function send(...parts: readonly (string | Uint8Array)[]): { socket: Socket; closed: Promise<string> } {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    sockets.push(socket);
    let received = '';
    socket.on('data', (data: Buffer) => {
      received += data.toString('latin1');
    });
    socket.on('error', () => undefined); // a reset is a way to close
    for (const part of parts) socket.write(part);
    return { socket, closed: new Promise((resolve) => socket.once('close', () => resolve(received))) };
  }
  const head = (length: number | string) =>
    `POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${length}\r\n\r\n`;
  const chunkedHead = 'POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n';
  const chunk = (bytes: number) => `${bytes.toString(16)}\r\n${'x'.repeat(bytes)}\r\n`;

  async function until(fact: () => boolean): Promise<void> {
    while (!fact()) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  for (const { name, parts, length } of [
    { name: 'in one piece', parts: [head(5), 'hello'], length: 5 },
    {
      name: 'in several',
      parts: [head(50 * KiB), new Uint8Array(20 * KiB), new Uint8Array(30 * KiB)],
      length: 50 * KiB,
    },
    { name: 'in chunks', parts: [chunkedHead, chunk(3), chunk(40), '0\r\n\r\n'], length: 43 },
    { name: 'empty', parts: [head(0)], length: 0 },
  ]) {
    it(`reads a body: ${name}`, async () => {
      assert.match(await send(...parts).closed, new RegExp(`\r\n\r\n${length}$`));
      const [body] = outcomes;
      assert.ok(body !== undefined && 'release' in body);
      assert.ok(inflight.used >= length, 'it is held until it is released');
      body.release();
      body.release();
      assert.equal(inflight.used, 0, 'and given back once');
    });
  }

  for (const headers of [{}, { 'content-length': '2000' }]) {
    it(`keeps no piece of a body that comes byte by byte (${JSON.stringify(headers)})`, async () => {
      setFlagsFromString('--expose-gc');
      const collect = runInNewContext('gc') as () => void;
      const pieces: WeakRef<Uint8Array>[] = [];
      let alive = 0;
      async function* bytes(): AsyncGenerator<Uint8Array> {
        for (let i = 0; i < 2000; i++) {
          const piece = Buffer.of(i);
          pieces.push(new WeakRef(piece));
          yield piece;
        }
        // A reference that was made in a turn holds until its end.
        await new Promise((resolve) => setImmediate(resolve));
        collect();
        alive = pieces.filter((piece) => piece.deref() !== undefined).length;
      }
      const stream = Readable.from(bytes(), { objectMode: false, highWaterMark: 1 });
      const request = Object.assign(stream, { headers, complete: true }) as unknown as IncomingMessage;
      const limits = { bytesMax: 80 * KiB, tooLargeText: String, arrivalMs: 60_000 };
      const body = await readBody(request, limits, inflight);
      assert.deepEqual([...body.bytes], [...Uint8Array.from({ length: 2000 }, (_, i) => i)]);
      assert.ok(alive < 200, `${alive} of ${pieces.length} pieces are kept`);
    });
  }

  it('whoever is refused in the middle can send the rest, and is served after it', async () => {
    const many = Array.from({ length: 128 }, () => chunk(64 * KiB));
    const { closed } = send(chunkedHead.replace('connection: close\r\n', ''), ...many, '0\r\n\r\n', head(5), 'hello');
    assert.match(await closed, /too_large.*\r\n\r\n5$/s);
  });

  it('refuses by the length alone, before anything is taken', async () => {
    const { closed } = send(head(80 * KiB + 1));
    assert.match(await closed, /too_large$/);
    assert.equal(inflight.used, 0);
  });

  it('refuses chunks as soon as they are too many', async () => {
    const { closed } = send(chunkedHead, chunk(50 * KiB), chunk(31 * KiB));
    assert.match(await closed, /too_large$/);
    assert.equal(inflight.used, 0);
  });

  it('refuses what all bodies together have no room for, and has room again later', async () => {
    const first = send(head(60 * KiB));
    await until(() => inflight.used > 0);
    assert.match(await send(head(60 * KiB)).closed, /unavailable$/);
    const [refusal] = outcomes;
    assert.ok(refusal instanceof Failure);
    assert.equal(refusal.retryAfterSeconds, 1);
    first.socket.write(new Uint8Array(60 * KiB));
    await first.closed;
    const body = outcomes[1];
    assert.ok('release' in body);
    body.release();
    assert.match(await send(head(60 * KiB), new Uint8Array(60 * KiB)).closed, new RegExp(`${60 * KiB}$`));
  });

  it('refuses chunks that outgrow the room, and gives back what they had', async () => {
    send(head(60 * KiB));
    await until(() => inflight.used > 0);
    const before = inflight.used;
    assert.match(await send(chunkedHead, chunk(20 * KiB), chunk(20 * KiB)).closed, /unavailable$/);
    assert.equal(inflight.used, before);
  });

  it('leaves room for others, however much one of them sends', () => {
    const [greedy, modest] = [inflight.shareOf('a'), inflight.shareOf('b')];
    for (let i = 0; i < 5; i++) greedy.take(10 * KiB);
    assert.throws(() => greedy.take(10 * KiB), /51200 of 102400 bytes are in use/);
    modest.take(20 * KiB);
    assert.throws(() => greedy.take(1), /too many write requests at once/);
    modest.give(20 * KiB);
    for (let i = 0; i < 5; i++) greedy.give(10 * KiB);
    assert.equal(inflight.used, 0);
    modest.take(50 * KiB);
  });

  it('gives back what a sender held that left half-way', async () => {
    const { socket } = send(head(60 * KiB), 'half');
    await until(() => inflight.used > 0);
    socket.destroy();
    await until(() => outcomes.length === 1);
    assert.equal((outcomes[0] as Failure).kind, 'bad_data');
    assert.equal(inflight.used, 0);
  });

  for (const { name, first, dripEveryMs } of [
    { name: 'is silent after half a body', first: 30 * KiB, dripEveryMs: 0 },
    { name: 'sends a byte now and then', first: 0, dripEveryMs: 10 },
  ]) {
    it(`cuts off a sender that ${name}`, async () => {
      arrivalMs = 600;
      const { socket, closed } = send(head(60 * KiB), new Uint8Array(first));
      const drip = dripEveryMs === 0 ? undefined : setInterval(() => socket.write('x'), dripEveryMs);
      assert.equal(await closed, '');
      clearInterval(drip);
      assert.equal((outcomes[0] as Failure).kind, 'bad_data');
      assert.equal(inflight.used, 0);
    });
  }
});
