/**
 * The worker's end of the bridge: reads of series that block until the main thread has answered.
 * Owns the waiting. Does not own what is read (serve-reads.ts answers) nor what becomes of it (libs/promql).
 * The worker sleeps in Atomics.wait while it waits, so that a client who leaves wakes it at once: whoever stops a job counts
 * up the same word as a reply does.
 */
import type { MessagePort } from 'node:worker_threads';
import { receiveMessageOnPort } from 'node:worker_threads';
import { Failure } from '../../libs/errors/failure.ts';
import type { SeriesReader, SeriesSelection } from '../../libs/series/series-reader.ts';
import type { ChunkBatch, SelectQuery } from '../../libs/series/series-source.ts';
import type { ReadReply, ReadRequest } from './worker-protocol.ts';
import { ControlWord, StopReason } from './worker-protocol.ts';

/** Stops the job if its client has left or its time is over. @throws Failure `canceled` or `timeout`. */
export function checkStopped(control: Int32Array): void {
  const reason = Atomics.load(control, ControlWord.stop);
  if (reason === StopReason.none) return;
  if (reason === StopReason.timeout) throw new Failure('timeout', 'query timed out in expression evaluation');
  throw new Failure('canceled', 'query was canceled in expression evaluation');
}

export class BridgeReader implements SeriesReader {
  readonly #port: MessagePort;
  readonly #control: Int32Array;
  readonly #job: number;
  #selections = 0;

  constructor(port: MessagePort, control: Int32Array, job: number) {
    this.#port = port;
    this.#control = control;
    this.#job = job;
  }

  /** Asks for the series of a selector and blocks until their labels are here. */
  select(query: SelectQuery): SeriesSelection {
    const selection = ++this.#selections;
    const job = this.#job;
    this.#ask({ kind: 'select', job, selection, query });
    const slices: (readonly string[])[] = [];
    for (;;) {
      const reply = this.#receive();
      if (reply.kind === 'strings') {
        slices.push(reply.strings);
        continue;
      }
      if (reply.kind !== 'selected') throw new Failure('internal', `a select was answered with ${reply.kind}`);
      const strings = slices.length === 1 ? (slices[0] as readonly string[]) : slices.flat();
      return {
        labels: { strings, begin: reply.begin, refs: reply.refs },
        warnings: reply.warnings,
        next: () => this.#next(selection),
        close: () => this.#ask({ kind: 'close', job, selection }),
      };
    }
  }

  #next(selection: number): ChunkBatch | undefined {
    this.#ask({ kind: 'next', job: this.#job, selection });
    const reply = this.#receive();
    if (reply.kind !== 'batch') throw new Failure('internal', `a read was answered with ${reply.kind}`);
    return reply.batch;
  }

  #ask(request: ReadRequest): void {
    this.#port.postMessage(request);
  }

  /** The next reply of this job. */
  #receive(): Exclude<ReadReply, { kind: 'failed' }> {
    for (;;) {
      const before = Atomics.load(this.#control, ControlWord.news);
      checkStopped(this.#control);
      const received = receiveMessageOnPort(this.#port) as { message: ReadReply } | undefined;
      if (received === undefined) {
        Atomics.wait(this.#control, ControlWord.news, before);
        continue;
      }
      const reply = received.message;
      // The rest of what an earlier job had asked for.
      if (reply.job !== this.#job) continue;
      if (reply.kind === 'failed') throw new Failure(reply.failure.kind, reply.failure.message);
      return reply;
    }
  }
}
