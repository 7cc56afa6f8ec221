/**
 * The body of a request, whole, within two maxima: of this body, and of all bodies that are in the process at once.
 * A body that would go over is refused before its memory is taken.
 */
import type { IncomingMessage } from 'node:http';
import { Failure } from '../errors/failure.ts';
import type { ByteAllowance } from '../std/inflight-bytes.ts';

/** A body, held against the maximum until `release`. */
export interface HeldBody {
  readonly bytes: Uint8Array<ArrayBuffer>;
  release(): void;
}

export interface BodyLimits {
  /** Most bytes of one body. */
  readonly bytesMax: number;
  /** What a sender of more is told. */
  readonly tooLargeText: (bytesMax: number) => string;
  /** A body must come at a pace that would have it here within this many milliseconds. */
  readonly arrivalMs: number;
}

/** Counted for a body beyond its bytes: buffers of the socket, the objects of a request. */
const overheadBytes = 16 << 10;
/** A body's pace is looked at this often while it arrives, and the first look is free: a sender may have to wait for its data. */
const looksPerArrival = 12;
/** Room for a body of this length is made at once; for a longer one as it comes. */
const wholeBytes = 1 << 20;
const noBytes = new Uint8Array(0);

/**
 * Reads a body. Its memory is taken as a whole if its length is known, so that what is begun can be finished; a sender that
 * holds it and hardly sends is cut off, long before the time for a whole request is over.
 * @throws Failure `too_large` over bytesMax; `unavailable` when all bodies together are too much; `bad_data` if it is cut off
 */
export async function readBody(
  request: IncomingMessage,
  { bytesMax, tooLargeText, arrivalMs }: BodyLimits,
  inflight: ByteAllowance,
): Promise<HeldBody> {
  const declared = request.headers['content-length'];
  const length = declared === undefined ? undefined : Number(declared);
  if (length !== undefined && length > bytesMax) throw new Failure('too_large', tooLargeText(bytesMax));
  let held = overheadBytes + (length ?? 0);
  inflight.take(held);
  const release = (): void => {
    inflight.give(held);
    held = 0;
  };
  let total = 0;
  let looks = 0;
  const pace = setInterval(() => {
    if (total < ((length ?? 0) * looks++) / looksPerArrival) request.destroy();
  }, arrivalMs / looksPerArrival);
  try {
    let body: Uint8Array<ArrayBuffer> = noBytes;
    // Whoever is refused while he sends is to read why: the rest of what he sends is left to the connection.
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array<ArrayBuffer>>) {
      const before = total;
      total += chunk.length;
      if (total > bytesMax) throw new Failure('too_large', tooLargeText(bytesMax));
      if (length === undefined) {
        inflight.take(chunk.length);
        held += chunk.length;
      }
      // Most come in one piece. Of those that come byte by byte each piece would cost hundreds of bytes until all are there.
      if (before === 0) body = chunk;
      else {
        if (total > body.length) body = grown(body, total, length);
        body.set(chunk, before);
      }
    }
    if (!request.complete) throw new Failure('bad_data', `the body is cut off after ${total} bytes`);
    return { bytes: body.subarray(0, total), release };
  } catch (error) {
    release();
    // Else it would stay in the way: of a sender that reads no answer before all is sent, and of the next request.
    request.resume();
    if (error instanceof Failure) throw error;
    throw new Failure('bad_data', 'the body is cut off: the sender has left, or hardly sent', { cause: error });
  } finally {
    clearInterval(pace);
  }
}

/** The same bytes with room for `needed`; for all of a body whose length is known, where that is not much. */
function grown(bytes: Uint8Array, needed: number, length: number | undefined): Uint8Array<ArrayBuffer> {
  const roomy = Math.max(bytes.length * 2, wholeBytes);
  const larger = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(length ?? bytes.length * 2, roomy)));
  larger.set(bytes);
  return larger;
}
