/**
 * The body of a request, whole, within two maxima: of this body, and of all bodies that are in the process at once.
 * Owns the count of bytes in flight. A body that would go over is refused before its memory is taken.
 */
import type { IncomingMessage } from 'node:http';
import { Failure } from '../errors/failure.ts';

/** Bytes that may be taken and are given back. */
export interface ByteAllowance {
  /** @throws Failure `unavailable` when there is no room now */
  take(count: number): void;
  give(count: number): void;
}

export class InflightBytes implements ByteAllowance {
  used = 0;
  readonly max: number;
  readonly #what: string;
  /** Of those who share; one who has nothing under way has no entry. */
  readonly #usedBy = new Map<string, number>();

  /** @param what whose bodies they are, as a refusal says it */
  constructor(max: number, what: string) {
    this.max = max;
    this.#what = what;
  }

  take(count: number): void {
    if (this.used + count > this.max) throw this.#refusal(this.used, this.max);
    this.used += count;
  }

  give(count: number): void {
    this.used -= count;
  }

  /** The same bytes for one of several who share them: he may hold no more than he leaves for all others. */
  shareOf(name: string): ByteAllowance {
    return {
      take: (count) => {
        const own = this.#usedBy.get(name) ?? 0;
        const left = this.max - this.used - count;
        if (own + count > left) throw this.#refusal(own, own + Math.max(0, this.max - this.used));
        this.used += count;
        this.#usedBy.set(name, own + count);
      },
      give: (count) => {
        this.used -= count;
        const own = (this.#usedBy.get(name) ?? 0) - count;
        if (own > 0) this.#usedBy.set(name, own);
        else this.#usedBy.delete(name);
      },
    };
  }

  #refusal(used: number, max: number): Failure {
    return new Failure('unavailable', `too many ${this.#what} at once: ${used} of ${max} bytes are in use`, {
      retryAfterSeconds: 1,
    });
  }
}

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
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    // Whoever is refused while he sends is to read why: the rest of what he sends is left to the connection.
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array<ArrayBuffer>>) {
      total += chunk.length;
      if (total > bytesMax) throw new Failure('too_large', tooLargeText(bytesMax));
      if (length === undefined) {
        inflight.take(chunk.length);
        held += chunk.length;
      }
      chunks.push(chunk);
    }
    if (!request.complete) throw new Failure('bad_data', `the body is cut off after ${total} bytes`);
    const [first] = chunks;
    return { bytes: chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, total), release };
  } catch (error) {
    release();
    if (error instanceof Failure) throw error;
    throw new Failure('bad_data', 'the body is cut off: the sender has left, or hardly sent', { cause: error });
  } finally {
    clearInterval(pace);
  }
}
