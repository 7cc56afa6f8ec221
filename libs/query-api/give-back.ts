/**
 * Memory of what was answered, given back when it is out, not when V8 comes round to it: that marks the whole heap after every 10 MB of
 * buffers, for some tens of milliseconds.
 */
import type { ServerResponse } from 'node:http';

/** Smaller pieces may lie in the memory that node's buffers share (`Buffer.poolSize`), and cost V8 little. */
const pieceBytesMin = Math.max(64 << 10, Buffer.poolSize);
/** Of an answer: the pieces of a larger one are not held until its end, none of them. */
const answerBytesMax = 4 << 20;

/**
 * Whoever sends a piece that nobody else has tells it to what this returns, and neither reads nor keeps it then: its buffer is detached.
 * @param response to which nothing was written yet
 */
export function giveBackWhenSent(response: ServerResponse): (piece: Uint8Array) => void {
  const { socket } = response;
  const buffers: ArrayBuffer[] = [];
  let bytes = 0;
  response.once('finish', () => {
    // Of a connection that broke there may be something under way.
    if (socket?.destroyed === false) for (const buffer of buffers) buffer.transfer(0);
  });
  return ({ buffer, length }) => {
    bytes += buffer.byteLength;
    if (bytes > answerBytesMax) buffers.length = 0;
    else if (length >= pieceBytesMin && buffer instanceof ArrayBuffer) buffers.push(buffer);
  };
}
