/**
 * A query worker's life: one job after the other, its answer in chunks, its failure as data.
 * Owns the order of things on the worker's thread. Does not own what a job does: that is `execute` (query-worker.ts).
 * The thread makes way for others, because a push that waits for a query costs more than a query that waits for a push. What long jobs
 * have left is collected once none has come for a while: V8 gives nothing back while a thread sleeps, and garbage that nobody collects
 * holds what lies outside of the heap, too. That needs the flag `--expose-gc` (services/main.ts).
 */
import { flushCompileCache } from 'node:module';
import { getHeapStatistics } from 'node:v8';
import type { MessagePort } from 'node:worker_threads';
import { parentPort, workerData } from 'node:worker_threads';
import { Failure } from '../../libs/errors/failure.ts';
import { JsonBytes } from '../../libs/query-api/json-bytes.ts';
import { lowerPriority, Pauses } from '../../libs/std/make-way.ts';
import { BridgeReader, checkStopped } from './bridge-reader.ts';
import { GzipPieces } from './gzip-pieces.ts';
import type { QueryRequest } from './query-request.ts';
import type { CollectedMessage, FailureMessage, JobMessage, JobStats, StartJob } from './worker-protocol.ts';
import { ControlWord, chunksUnderWayMax, failureMessage } from './worker-protocol.ts';

export interface JobContext {
  readonly request: QueryRequest;
  readonly reader: BridgeReader;
  readonly output: JsonBytes;
  readonly queuedSeconds: number;
  /** @throws Failure when the job must stop: call it between pieces of work of a few milliseconds. */
  checkStopped(): void;
}

/** What a worker does. */
export interface WorkerWork {
  readonly execute: (context: JobContext) => JobStats;
  /** Steps of a few milliseconds that make jobs quicker, done while there is none. */
  readonly warmUp?: Iterator<void>;
}

/** What the pool gives each worker; `options` is for `execute` alone. */
interface WorkerData {
  readonly control: Int32Array;
  readonly port: MessagePort;
  readonly arrivals: Int32Array;
  readonly options: unknown;
}

const workerNiceness = 5;
/** Most answers are handed on as one: each message wakes the main thread, which may take the core that this one runs on. */
const firstChunkBytes = 1 << 20;
/** A job that took less leaves no heap behind that is worth looking at. */
const longJobMs = 50;
/** Short jobs do not put it off: who asks little meanwhile waits for the collection at most, some 100 ms. */
const collectAfterMs = 1_000;
/** What less is held than this is not worth collecting: a worker that has warmed up holds half. */
const collectBytesMin = 64 << 20;

/**
 * Runs `execute` for every job that comes. `execute` writes a whole successful answer to the job's output and returns what it
 * cost, or throws a Failure. It may throw after it has begun to write.
 */
export function runWorker(makeWork: (options: unknown) => WorkerWork): void {
  if (parentPort === null) throw new Error('this module runs in a worker thread');
  const jobs = parentPort;
  const { control, port, arrivals, options } = workerData as WorkerData;
  lowerPriority(workerNiceness);
  const pauses = new Pauses(arrivals);
  const { execute, warmUp } = makeWork(options);
  const firstChunk = new ArrayBuffer(firstChunkBytes);
  let collector: NodeJS.Timeout | undefined;
  // Not made by a job, whose memory it would keep.
  const collect = () => {
    if (heldBytes() < collectBytesMin) return;
    // All of it, and its pages go back at once; what is compiled stays.
    globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    jobs.postMessage({ kind: 'collected', heldBytes: heldBytes() } satisfies CollectedMessage);
  };
  jobs.on('message', ({ job, request, gzip, queuedSeconds, early }: StartJob) => {
    const send = (message: JobMessage, transfer: ArrayBuffer[]) => jobs.postMessage(message, transfer);
    const begin = performance.now();
    pauses.begin();
    let sent = 0;
    let lastChunk: Uint8Array<ArrayBuffer> | undefined;
    const ownOf = (bytes: Uint8Array<ArrayBuffer>) => (bytes.buffer === firstChunk ? bytes.slice() : bytes);
    const compressor = gzip ? new GzipPieces() : undefined;
    const output = new JsonBytes((written, last) => {
      const bytes = ownOf(compressor?.next(written, last) ?? written);
      if (last) {
        lastChunk = bytes;
        return;
      }
      waitForRoom(control, sent);
      sent++;
      send({ kind: 'chunk', job, bytes, last }, [bytes.buffer]);
    }, firstChunk);
    try {
      const reader = new BridgeReader(port, control, job, early);
      const stats = execute({
        request,
        reader,
        output,
        queuedSeconds,
        checkStopped: () => {
          pauses.takeIfDue();
          checkStopped(control);
        },
      });
      output.finish();
      if (lastChunk === undefined) throw new Failure('internal', 'the answer has no end');
      send({ kind: 'chunk', job, bytes: lastChunk, last: true, stats }, [lastChunk.buffer]);
    } catch (error) {
      send({ kind: 'failed', job, failure: asFailure(error) }, []);
    }
    if (performance.now() - begin < longJobMs) return;
    clearTimeout(collector);
    collector = setTimeout(collect, collectAfterMs);
  });
  if (warmUp !== undefined) goOn(warmUp);
}

/** What the heap takes, with what it holds outside and with what is not collected yet. */
function heldBytes(): number {
  const { total_heap_size, external_memory } = getHeapStatistics();
  return total_heap_size + external_memory;
}

/** A step a turn of the event loop: a job that has come meanwhile goes first. What was compiled is kept for the next worker. */
function goOn(steps: Iterator<void>): void {
  setImmediate(() => {
    if (steps.next().done !== true) goOn(steps);
    else flushCompileCache();
  });
}

/** Sleeps until the client has taken enough of what was sent. */
function waitForRoom(control: Int32Array, sent: number): void {
  for (;;) {
    const before = Atomics.load(control, ControlWord.news);
    checkStopped(control);
    if (sent - Atomics.load(control, ControlWord.taken) < chunksUnderWayMax) return;
    Atomics.wait(control, ControlWord.news, before);
  }
}

function asFailure(error: unknown): FailureMessage {
  if (error instanceof Failure) return failureMessage(error);
  if (error instanceof RangeError && error.message.startsWith('Maximum call stack')) {
    return { kind: 'execution', message: 'the expression is nested too deeply to be evaluated' };
  }
  if (error instanceof RangeError && error.message.startsWith('Array buffer allocation')) {
    return { kind: 'query_limit', message: 'the query needs more memory than there is' };
  }
  // The stack is for the log: the main thread writes it there and tells the client the first line.
  return { kind: 'internal', message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}
