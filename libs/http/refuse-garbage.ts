/**
 * What is sent that is no request: node's parser has given up, and no route will ever see it.
 * Owns status and words of the answer, in a line as other answers that are no JSON. Surprising: a URL with characters that are
 * not ASCII is such a one, though Go takes it.
 */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';

/** Room for the long URLs of queries that are asked by GET; Node's own maximum is 16 KiB, Go's 1 MiB. */
export const headerBytesMax = 128 << 10;

/** Answers and ends the connection: where the next request would begin nobody knows. */
export function refuseGarbage(error: NodeJS.ErrnoException & { reason?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  if (socket.writable) {
    const { status, words } = refusalOf(error);
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      'content-type: text/plain; charset=utf-8',
      `content-length: ${Buffer.byteLength(words) + 1}`,
      'connection: close',
    ];
    socket.write(`${head.join('\r\n')}\r\n\r\n${words}\n`);
  }
  socket.destroy(error);
}

function refusalOf({ code, reason }: NodeJS.ErrnoException & { reason?: string }): { status: number; words: string } {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { status: 408, words: 'the request did not come in time' };
    case 'HPE_HEADER_OVERFLOW':
      return { status: 431, words: `URL and headers are larger than ${headerBytesMax} bytes: ask by POST` };
    case 'HPE_INVALID_URL':
      return { status: 400, words: 'the URL has characters that must be percent-encoded' };
    default:
      return { status: 400, words: `no HTTP request: ${reason ?? 'unknown'}` };
  }
}
