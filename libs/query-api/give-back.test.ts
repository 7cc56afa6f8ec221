import assert from 'node:assert/strict';
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { giveBackWhenSent } from './give-back.ts';

const pieceBytes = 256 << 10;

function pieces(count: number): Uint8Array<ArrayBuffer>[] {
  return Array.from({ length: count }, (_, i) => new Uint8Array(pieceBytes).fill(i + 1));
}

/** Answers one request with `send`, and gives the answer to `take`. */
async function answered(
  send: (response: ServerResponse) => void,
  take: (answer: IncomingMessage) => Promise<void>,
): Promise<void> {
  const server = createServer((_request, response) => send(response)).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    const answer = await new Promise<IncomingMessage>((resolve, reject) =>
      get({ port, host: '127.0.0.1' }, resolve).on('error', reject),
    );
    await take(answer);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** All of an answer, read with pauses: for longer than the sockets hold it. */
async function read(answer: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of answer) {
    parts.push(part);
    if (parts.length % 8 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return Buffer.concat(parts);
}

describe('memory of an answer', () => {
  for (const [count, isGiven] of [
    [1, true],
    [16, true],
    [40, false],
  ] as const) {
    it(`of ${count} pieces is ${isGiven ? '' : 'not '}given back when it is out, whole`, async () => {
      const sent = pieces(count);
      const right = Buffer.concat(sent);
      const finished = Promise.withResolvers<void>();
      await answered(
        (response) => {
          const note = giveBackWhenSent(response);
          response.once('finish', finished.resolve);
          for (const piece of sent) {
            note(piece);
            response.write(piece);
          }
          response.end();
        },
        async (answer) => {
          assert.ok((await read(answer)).equals(right));
          await finished.promise;
        },
      );
      for (const { length } of sent) assert.equal(length, isGiven ? 0 : pieceBytes);
    });
  }

  it('of small pieces, which may be shared, stays', async () => {
    const own = Buffer.allocUnsafe(Buffer.poolSize / 2 - 1);
    assert.ok(own.buffer.byteLength > own.length, 'it lies among others');
    const finished = Promise.withResolvers<void>();
    await answered(
      (response) => {
        giveBackWhenSent(response)(own);
        response.once('finish', finished.resolve).end(own);
      },
      async (answer) => {
        await read(answer);
        await finished.promise;
      },
    );
    assert.equal(own.length, Buffer.poolSize / 2 - 1);
  });

  it('stays where the connection breaks before the end', async () => {
    const sent = pieces(4);
    const closed = Promise.withResolvers<void>();
    await answered(
      (response) => {
        const note = giveBackWhenSent(response);
        response.once('close', closed.resolve);
        for (const piece of sent) {
          note(piece);
          response.write(piece);
        }
        response.socket?.destroy();
        response.end();
      },
      async (answer) => {
        await assert.rejects(read(answer));
      },
    ).catch((error: unknown) => assert.match(String(error), /socket hang up|ECONNRESET/));
    await closed.promise;
    assert.ok(sent.every(({ length }) => length === pieceBytes));
  });
});
