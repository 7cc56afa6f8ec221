/**
 * HTTP below fetch: bytes on a socket, for requests that no honest client makes (headers that lie, half a body, a byte a
 * second).
 */
import { connect, type Socket } from 'node:net';

export interface RawConnection {
  readonly socket: Socket;
  /** What the server said so far. */
  received(): string;
  /** Resolves when the server, or this side, has closed the connection. */
  readonly closed: Promise<void>;
}

export async function rawConnection(port: number): Promise<RawConnection> {
  const socket = connect(port, '127.0.0.1');
  let received = '';
  socket.on('data', (bytes: Buffer) => {
    received += bytes.toString('latin1');
  });
  socket.on('error', () => undefined); // a reset by the server is one of the ways to close
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return { socket, received: () => received, closed };
}

/** Sends `head` (a request line and headers, without the empty line) and `body`, and returns all that came back. */
export async function rawRequest(port: number, head: readonly string[], body: Uint8Array): Promise<string> {
  const connection = await rawConnection(port);
  connection.socket.write(`${[...head, 'connection: close'].join('\r\n')}\r\n\r\n`, 'latin1');
  if (body.length > 0) connection.socket.write(body);
  const timer = setTimeout(() => connection.socket.destroy(), 15_000);
  await connection.closed;
  clearTimeout(timer);
  return connection.received();
}
