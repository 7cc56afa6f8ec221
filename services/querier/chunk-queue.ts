/**
 * The chunks of one answer between the worker that makes them and the client that takes them.
 * Owns their order, their count in bytes and the end of both sides: a failure, a client that leaves.
 */
import type { Failure } from '../../libs/errors/failure.ts';
import type { JobStats } from './worker-protocol.ts';

/** The chunks that have come and were not yet taken. At most `chunksUnderWayMax` of a job are under way. */
export class ChunkQueue implements AsyncIterableIterator<Uint8Array> {
  readonly #onTaken: () => void;
  readonly #onBytes: (change: number) => void;
  readonly #onReturn: () => void;
  readonly #chunks: Uint8Array[] = [];
  #failure: Failure | undefined;
  #ended = false;
  #wakeReader: (() => void) | undefined;
  stats: JobStats | undefined;
  /** Of the chunks that wait. */
  bytes = 0;

  constructor(onTaken: () => void, onBytes: (change: number) => void, onReturn: () => void) {
    this.#onTaken = onTaken;
    this.#onBytes = onBytes;
    this.#onReturn = onReturn;
  }

  /** `stats` come with the last chunk. */
  push(chunk: Uint8Array, stats: JobStats | undefined): void {
    // Nobody takes what comes after a failure.
    if (this.#failure === undefined) {
      this.#chunks.push(chunk);
      this.#count(chunk.length);
    }
    if (stats !== undefined) {
      this.stats = stats;
      this.#ended = true;
    }
    this.#wake();
  }

  fail(failure: Failure): void {
    this.#failure ??= failure;
    this.#forget();
    this.#wake();
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#count(-chunk.length);
        this.#onTaken();
        return { done: false, value: chunk };
      }
      if (this.#ended) return { done: true, value: undefined };
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    }
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    if (!this.#ended) this.#onReturn();
    this.#ended = true;
    this.#forget();
    return { done: true, value: undefined };
  }

  #count(change: number): void {
    this.bytes += change;
    this.#onBytes(change);
  }

  #forget(): void {
    this.#chunks.length = 0;
    if (this.bytes > 0) this.#count(-this.bytes);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #wake(): void {
    const wakeReader = this.#wakeReader;
    this.#wakeReader = undefined;
    wakeReader?.();
  }
}
