/**
 * The thread that writes ranges to blocks. Owns the worker's end of the port; what is written is write-range.ts'.
 * Surprising: it lowers its own priority where the system knows such a thing for threads (Linux): nobody waits for a block.
 */
import { type MessagePort, parentPort } from 'node:worker_threads';
import { assert } from '../std/assert.ts';
import { realDisk } from '../std/disk.ts';
import { lowerPriority } from '../std/make-way.ts';
import type { CutReply, CutRequest } from './cut-protocol.ts';
import type { RangeFeed } from './range-feed.ts';
import { writeRange } from './write-range.ts';

const niceness = 10;

function run(port: MessagePort): void {
  const send = (reply: CutReply) => port.postMessage(reply);
  let pieces: Pieces<unknown> | undefined;
  const ask = <T>(request: CutReply): AsyncIterable<T> => {
    const asked = new Pieces<T>(() => send({ kind: 'more' }));
    pieces = asked as Pieces<unknown>;
    send(request);
    return asked;
  };
  const feed: RangeFeed = {
    labels: () => ask({ kind: 'wantLabels' }),
    chunks: (places) => ask({ kind: 'wantChunks', places: places.slice() }),
  };
  port.on('message', (request: CutRequest) => {
    switch (request.kind) {
      case 'write': {
        const { directory, ulid, cutFrom, withStartTimes } = request;
        writeRange(
          feed,
          { disk: realDisk, directory, ulid, cutFrom, withStartTimes },
          new AbortController().signal,
        ).then(
          (meta) => send({ kind: 'written', meta }),
          (error: unknown) => send({ kind: 'failed', message: String(error), code: codeOf(error) }),
        );
        return;
      }
      case 'labels':
        pieces?.push(request.slice);
        return;
      case 'chunks':
        pieces?.push(request.batch);
    }
  });
}

/** What was asked for, piece by piece, as it comes. */
class Pieces<T> implements AsyncIterable<T> {
  readonly #more: () => void;
  readonly #waiting: (T | undefined)[] = [];
  #wake: (() => void) | undefined;

  constructor(more: () => void) {
    this.#more = more;
  }

  push(piece: T | undefined): void {
    this.#waiting.push(piece);
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      if (this.#waiting.length === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
      const piece = this.#waiting.shift();
      if (piece === undefined) return;
      this.#more();
      yield piece;
    }
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

assert(parentPort !== null, 'this module runs in a worker thread');
lowerPriority(niceness);
run(parentPort);
