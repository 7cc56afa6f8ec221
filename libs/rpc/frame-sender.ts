/**
 * Frames that are ready in one turn of the event loop leave in one envelope: a message costs its carrier far more than a frame.
 * Owns the envelope under way. Surprising: what is sent is copied at once, so the memory of a payload is free when `send` returns.
 */
import { ByteSink } from '../std/byte-sink.ts';
import type { Pipe } from './channel.ts';
import { type Frame, frameBytesMax, writeFrame } from './frame.ts';

/** An envelope that has grown to this leaves at once. */
const envelopeBytesMax = 1 << 20;

export class FrameSender {
  readonly #pipe: Pipe;
  #envelope: ByteSink | undefined;
  #closed = false;

  constructor(pipe: Pipe) {
    this.#pipe = pipe;
  }

  send(frame: Frame): void {
    if (this.#closed) return;
    const bytes = frameBytesMax(frame);
    if (this.#envelope !== undefined && this.#envelope.length + bytes > envelopeBytesMax) this.flush();
    if (this.#envelope === undefined) {
      this.#envelope = new ByteSink(bytes);
      setImmediate(() => this.flush());
    }
    writeFrame(this.#envelope, frame);
  }

  /** Sends what has gathered. */
  flush(): void {
    const envelope = this.#envelope;
    if (envelope === undefined || this.#closed) return;
    this.#envelope = undefined;
    this.#pipe.send(envelope.written());
  }

  /** Sends what has gathered, then closes the pipe. */
  close(reason: string): void {
    this.flush();
    this.#closed = true;
    this.#pipe.close(reason);
  }

  /** The pipe is gone: nothing is sent any more. */
  abandon(): void {
    this.#closed = true;
    this.#envelope = undefined;
  }
}
