/**
 * The worker threads that evaluate queries.
 * Owns their life, the queue in front of them and the end of each job: done, failed, client gone, out of time, worker dead.
 * Does not own HTTP (libs/query-api), nor reads (serve-reads.ts), nor evaluation (query-worker.ts). A job that may be small has the turn
 * of a worker, but that hears of it only when it has proved to be more (small-queries.ts).
 * A worker that does not stop when asked is killed and another takes its place, so a job costs at most itself. Workers are
 * started when they are needed; a worker costs its engine's import once. What large queries have left a worker collects itself, which
 * keeps what it has compiled; one that holds much nevertheless is replaced when nobody asks any more.
 */
import { MessageChannel, Worker } from 'node:worker_threads';
import { Failure, toFailure } from '../../libs/errors/failure.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import type { QueryOutline } from '../../libs/promql/engine.ts';
import { TenantQueue } from '../../libs/query-api/tenant-queue.ts';
import type { SelectedSeries, SeriesSource } from '../../libs/series/series-source.ts';
import { arrivals, noteArrival } from '../../libs/std/make-way.ts';
import { type InTrace, keepTrace } from '../../libs/telemetry/trace.ts';
import { ChunkQueue } from './chunk-queue.ts';
import type { HeldLabels, LabelMemory } from './label-memory.ts';
import type { OutlineOf } from './outline-job.ts';
import type { EvaluationRequest, QueryRequest } from './query-request.ts';
import { ReadServer, select } from './serve-reads.ts';
import type { SmallQueries } from './small-queries.ts';
import type { CollectedMessage, JobMessage, JobStats, StartJob } from './worker-protocol.ts';
import { ControlWord, chunksUnderWayMax, controlWords, earlySelectsMax, StopReason } from './worker-protocol.ts';

/** How long a worker may wait for its client, all in all, while others wait for a worker. */
const unreadMsMaxDefault = 5_000;
/** So often within that time it is looked at. */
const unreadLooks = 5;
/** Of these, so many may find that a client has taken nothing: of what one takes steadily the system tells a megabyte at a time. */
const stalledLooks = 3;
/** Bytes of answers that may wait for their clients. */
const unreadBytesMaxDefault = 256 << 20;

/** How long a worker may take to stop before it is killed. */
const killAfterMs = 2_000;
/** A worker that has collected and holds more than this is replaced: some 20 MB are usual, and a new worker is slow at first. */
const idleHeapBytesMax = 96 << 20;
/** One that is too much ends when it has been idle for so long. */
const replaceAfterMs = 1_000;
/** A worker's stack: an expression may be nested deeply. */
const stackSizeMb = 32;

export interface QueryPoolOptions {
  readonly workersMax: number;
  /** Workers beyond these, for tenants of whom nothing runs; 0 if absent. */
  readonly sparesMax?: number;
  readonly queuedMax: number;
  readonly queuedPerTenantMax: number;
  /** The JavaScript heap of one worker; columns live outside it and are counted by the engine. */
  readonly heapMb: number;
  /** The module that runs in a worker, and what it is given to start with. */
  readonly workerUrl: URL;
  readonly workerData: unknown;
  /** What is known of a job before it runs: what it will read is read without being asked. */
  readonly outlineOf?: OutlineOf;
  /** Answers what is small without a worker. */
  readonly small?: SmallQueries;
  /** Where label tables of other processes are counted; absent: nowhere. */
  readonly labels?: LabelMemory;
  /** Instead of the defaults. */
  readonly unreadMsMax?: number;
  readonly unreadBytesMax?: number;
}

export interface QueryJob {
  readonly tenant: TenantId;
  readonly request: QueryRequest;
  /** Whether the answer is wanted compressed; the worker does it. */
  readonly gzip?: boolean;
  readonly source: SeriesSource;
  /** Aborts when the client has left. */
  readonly signal: AbortSignal;
  /** Counted from now, waiting in the queue included. */
  readonly timeoutMs: number;
}

/** The bytes of an answer as they come. */
export interface QueryAnswer {
  /** Chunks in order. Ends with an error if the job fails half-way. Must be read to its end or returned. */
  readonly chunks: AsyncIterableIterator<Uint8Array>;
  /** Whether the first chunk is the whole answer. */
  readonly whole: boolean;
  /** Known when the last chunk was given out. */
  stats(): JobStats | undefined;
}

interface Slot {
  readonly worker: Worker;
  readonly control: Int32Array;
  readonly reads: ReadServer;
  running: RunningJob | undefined;
  /** What its heap took when it had last collected. */
  heldBytes: number;
  /** Replaces it once it has been idle for a while. */
  replacer: NodeJS.Timeout | undefined;
}

interface QueuedJob extends QueryJob {
  readonly deadline: NodeJS.Timeout;
  readonly resolve: (answer: QueryAnswer) => void;
  readonly reject: (failure: Failure) => void;
  readonly onAbort: () => void;
  /** When it was asked, on the clock of `performance`. */
  readonly begin: number;
  /** Whoever ends another job starts this one. */
  readonly inTrace: InTrace;
  readonly labels: HeldLabels | undefined;
  slot: Slot | undefined;
}

/** One job on one worker, until the worker is free again. */
class RunningJob {
  readonly number: number;
  readonly queued: QueuedJob;
  readonly reading = new AbortController();
  readonly answer: ChunkQueue;
  answered = false;
  /** Whether its worker knows of it. */
  isHandedOver = false;
  killer: NodeJS.Timeout | undefined;
  /** Chunks that came and were not taken. */
  #unread = 0;
  /** How long the worker has waited for the client, and since when it does. */
  #unreadMs = 0;
  #unreadSince: number | undefined;

  constructor(number: number, queued: QueuedJob, answer: ChunkQueue) {
    this.number = number;
    this.queued = queued;
    this.answer = answer;
  }

  /** A chunk has come, which is not the last. */
  came(): void {
    this.#unread++;
    if (this.#unread >= chunksUnderWayMax) this.#unreadSince ??= performance.now();
  }

  /** The client has taken a chunk. */
  taken(): void {
    this.#unreadMs = this.unreadMs;
    this.#unreadSince = undefined;
    this.#unread--;
  }

  get unreadMs(): number {
    return this.#unreadMs + this.stalledMs;
  }

  /** How long the client has taken nothing. */
  get stalledMs(): number {
    return this.#unreadSince === undefined ? 0 : performance.now() - this.#unreadSince;
  }
}

export class QueryPool {
  readonly #options: QueryPoolOptions;
  readonly #slots = new Set<Slot>();
  readonly #queue: TenantQueue<QueuedJob>;
  /** Answers with chunks that wait for their client, those first that have waited longest. */
  readonly #unread = new Set<ChunkQueue>();
  #unreadBytes = 0;
  /** Looks whether those who wait for a worker wait for clients of others. */
  #looker: NodeJS.Timeout | undefined;
  #jobs = 0;
  #closed = false;
  /** Samples that all finished jobs have read. */
  samplesRead = 0;
  /** Workers that ended other than by close(). */
  deaths = 0;

  constructor(options: QueryPoolOptions) {
    this.#options = options;
    this.#queue = new TenantQueue(options.queuedMax, options.queuedPerTenantMax);
  }

  /** Jobs that wait for a worker. */
  get queued(): number {
    return this.#queue.length;
  }

  /** Jobs that have a worker. */
  get running(): number {
    let count = 0;
    for (const slot of this.#slots) if (slot.running !== undefined) count++;
    return count;
  }

  /** Workers that are alive. */
  get workers(): number {
    return this.#slots.size;
  }

  /** Starts a worker if there is none, so that the first query finds one. */
  prewarm(): void {
    if (this.#slots.size === 0 && !this.#closed) this.#startWorker();
  }

  /**
   * Resolves when the first bytes of a successful answer are there.
   * @throws Failure of the query; `rate_limited` when the queue is full; `canceled`, `timeout`; `internal` when its worker died.
   */
  run(job: QueryJob): Promise<QueryAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(shuttingDown());
        return;
      }
      if (job.signal.aborted) {
        reject(canceled('query queue'));
        return;
      }
      if (job.timeoutMs <= 0) {
        reject(timedOut('query execution'));
        return;
      }
      const onAbort = () => this.#stop(queued, StopReason.canceled);
      const deadline = setTimeout(() => this.#stop(queued, StopReason.timeout), Math.min(job.timeoutMs, 2 ** 31 - 1));
      const queued: QueuedJob = {
        ...job,
        deadline,
        resolve,
        reject,
        onAbort,
        begin: performance.now(),
        inTrace: keepTrace(),
        labels: this.#options.labels?.hold(job.tenant, job.request),
        slot: undefined,
      };
      if (!this.#queue.push(job.tenant, queued)) {
        clearTimeout(deadline);
        reject(new Failure('rate_limited', 'too many outstanding requests', { retryAfterSeconds: 1 }));
        return;
      }
      job.signal.addEventListener('abort', onAbort, { once: true });
      noteArrival();
      this.#assign();
    });
  }

  /** Stops all jobs and ends all workers. */
  async close(): Promise<void> {
    this.#closed = true;
    for (let queued = this.#queue.shift(); queued !== undefined; queued = this.#queue.shift()) {
      settle(queued);
      queued.reject(shuttingDown());
    }
    clearTimeout(this.#looker);
    for (const { replacer } of this.#slots) clearTimeout(replacer);
    await Promise.all([...this.#slots].map((slot) => slot.worker.terminate()));
  }

  #assign(): void {
    const { workersMax, sparesMax = 0 } = this.#options;
    while (this.#queue.length > 0) {
      const { running } = this;
      // Whoever asks long questions waits behind himself: the others have a worker yet.
      const accepts = running < workersMax ? undefined : (tenant: TenantId) => !this.#runs(tenant);
      const queued = running < workersMax + sparesMax ? this.#queue.shift(accepts) : undefined;
      if (queued === undefined) {
        this.#lookAgain();
        return;
      }
      queued.inTrace(() => this.#start(this.#idleSlot(), queued));
    }
  }

  #runs(tenant: TenantId): boolean {
    for (const { running } of this.#slots) if (running?.queued.tenant === tenant) return true;
    return false;
  }

  /** While jobs wait for a worker: those whose clients keep one from them end. */
  #lookAgain(): void {
    const { unreadMsMax = unreadMsMaxDefault } = this.#options;
    this.#looker ??= setTimeout(() => {
      this.#looker = undefined;
      if (this.#queue.length === 0 || this.#closed) return;
      // Of thirty clients that read nothing each would keep a worker from the next for as long as a slow one may.
      const stalledMsMax = (unreadMsMax * stalledLooks) / unreadLooks;
      for (const { running } of this.#slots) {
        if (running === undefined || (running.unreadMs <= unreadMsMax && running.stalledMs <= stalledMsMax)) continue;
        this.#stop(running.queued, StopReason.unread);
      }
      this.#lookAgain();
    }, unreadMsMax / unreadLooks).unref();
  }

  /** Counts what waits for clients; where it is too much the answer ends that has waited longest. */
  #noteUnread(answer: ChunkQueue, change: number): void {
    this.#unreadBytes += change;
    this.#unread.delete(answer);
    if (answer.bytes > 0) this.#unread.add(answer);
    const { unreadBytesMax = unreadBytesMaxDefault } = this.#options;
    if (change <= 0 || this.#unreadBytes <= unreadBytesMax) return;
    for (const oldest of this.#unread) {
      oldest.fail(unreadAnswer());
      void oldest.return();
      return;
    }
  }

  /** One that has nothing to do; there are never more than may be. */
  #idleSlot(): Slot {
    for (const slot of this.#slots) if (slot.running === undefined) return slot;
    return this.#startWorker();
  }

  #start(slot: Slot, queued: QueuedJob): void {
    const number = ++this.#jobs;
    Atomics.store(slot.control, ControlWord.stop, StopReason.none);
    Atomics.store(slot.control, ControlWord.taken, 0);
    const answer = new ChunkQueue(
      () => {
        if (slot.running !== running) return;
        running.taken();
        Atomics.add(slot.control, ControlWord.taken, 1);
        wake(slot.control);
      },
      (change) => this.#noteUnread(answer, change),
      () => this.#stop(queued, StopReason.canceled),
    );
    const running = new RunningJob(number, queued, answer);
    slot.running = running;
    clearTimeout(slot.replacer);
    slot.worker.ref();
    queued.slot = slot;
    const queuedSeconds = (performance.now() - queued.begin) / 1000;
    const { request } = queued;
    const { outlineOf, small } = this.#options;
    const outline = outlineOf?.(request);
    if (
      small !== undefined &&
      outline !== undefined &&
      request.kind === 'evaluate' &&
      small.mayBe(request.query, outline)
    ) {
      void this.#answerIfSmall(slot, running, small, { request, outline, queuedSeconds });
    } else {
      this.#handOver(slot, running, outline, queuedSeconds);
    }
  }

  /** @param selected what the outline's first selects have come to already */
  #handOver(
    slot: Slot,
    running: RunningJob,
    outline: QueryOutline | undefined,
    queuedSeconds: number,
    selected?: readonly SelectedSeries[],
  ): void {
    const { number, queued, reading } = running;
    const { request, source, labels, gzip = false } = queued;
    running.isHandedOver = true;
    slot.reads.begin(number, source, reading.signal, labels);
    const early = outline?.selects.slice(0, earlySelectsMax) ?? [];
    const start: StartJob = { job: number, request, gzip, queuedSeconds, early };
    slot.worker.postMessage(start);
    void slot.reads.readEarly(early, selected);
  }

  /** Reads what a job will ask for, and answers it here if that is little; else its worker does. */
  async #answerIfSmall(
    slot: Slot,
    running: RunningJob,
    small: SmallQueries,
    asked: { readonly request: EvaluationRequest; readonly outline: QueryOutline; readonly queuedSeconds: number },
  ): Promise<void> {
    const { source, labels: memory, gzip = false } = running.queued;
    const { signal } = running.reading;
    const { request, outline, queuedSeconds } = asked;
    let selected: SelectedSeries[] | undefined = [];
    try {
      let isSmall = true;
      // One after the other, as ReadServer does; a worker can begin with the first ones.
      for (const query of outline.selects) {
        selected.push(await select({ source, signal, memory }, query));
        isSmall = small.is(request.query, outline, selected);
        if (!isSmall) break;
      }
      if (isSmall && slot.running === running) {
        const answer = await small.answer(request, outline, selected, { gzip, queuedSeconds, signal });
        selected = undefined;
        if (answer !== undefined && slot.running === running) {
          this.#finish(slot, running, answer.bytes, answer.stats);
          return;
        }
      }
    } catch (error) {
      if (slot.running !== running) return;
      this.#release(slot, running);
      this.#fail(running, toFailure(error));
      return;
    }
    if (slot.running === running) this.#handOver(slot, running, outline, queuedSeconds, selected);
  }

  #startWorker(): Slot {
    const control = new Int32Array(new SharedArrayBuffer(controlWords * Int32Array.BYTES_PER_ELEMENT));
    const { port1, port2 } = new MessageChannel();
    const worker = new Worker(this.#options.workerUrl, {
      workerData: { control, port: port2, arrivals, options: this.#options.workerData },
      transferList: [port2],
      resourceLimits: { maxOldGenerationSizeMb: this.#options.heapMb, stackSizeMb },
    });
    const reads = new ReadServer(port1, control);
    const slot: Slot = { worker, control, reads, running: undefined, heldBytes: 0, replacer: undefined };
    this.#slots.add(slot);
    worker.unref();
    let cause: unknown;
    worker.on('message', (message: JobMessage | CollectedMessage) => {
      if (message.kind === 'collected') this.#noteHeld(slot, message.heldBytes);
      else this.#receive(slot, message);
    });
    worker.on('error', (error) => {
      cause = error;
    });
    worker.on('exit', (code) => this.#buryWorker(slot, cause ?? `exit code ${code}`));
    return slot;
  }

  #buryWorker(slot: Slot, cause: unknown): void {
    // One that was replaced is not missed.
    if (!this.#slots.delete(slot)) return;
    clearTimeout(slot.replacer);
    slot.reads.close();
    if (!this.#closed) this.deaths++;
    const running = slot.running;
    if (running !== undefined) {
      slot.running = undefined;
      const why = cause instanceof Error ? cause.message : String(cause);
      const failure = this.#closed
        ? shuttingDown()
        : new Failure('internal', `the worker of this query died: ${why}`, { cause });
      this.#fail(running, failure);
      this.#end(running);
    }
    if (!this.#closed) this.#assign();
  }

  #receive(slot: Slot, message: JobMessage): void {
    const running = slot.running;
    if (running === undefined || running.number !== message.job) return;
    if (message.kind === 'failed') {
      this.#release(slot, running);
      this.#fail(running, new Failure(message.failure.kind, message.failure.message));
      return;
    }
    if (message.last) {
      this.#finish(slot, running, message.bytes, message.stats);
      return;
    }
    running.came();
    running.answer.push(message.bytes, undefined);
    this.#resolve(running, false);
  }

  #finish(slot: Slot, running: RunningJob, bytes: Uint8Array, stats: JobStats): void {
    this.samplesRead += stats.samples;
    this.#release(slot, running);
    running.answer.push(bytes, stats);
    this.#resolve(running, true);
  }

  #resolve(running: RunningJob, whole: boolean): void {
    if (running.answered) return;
    running.answered = true;
    const { answer } = running;
    running.queued.resolve({ chunks: answer, whole, stats: () => answer.stats });
  }

  /** The worker is free: what follows concerns only the client. */
  #release(slot: Slot, running: RunningJob): void {
    slot.running = undefined;
    slot.worker.unref();
    slot.reads.end();
    this.#end(running);
    if (this.#closed) return;
    this.#assign();
    if (slot.running !== undefined || !this.#isTooMuch(slot)) return;
    slot.replacer = setTimeout(() => this.#replace(slot), replaceAfterMs).unref();
  }

  #noteHeld(slot: Slot, heldBytes: number): void {
    slot.heldBytes = heldBytes;
    if (slot.running === undefined && this.#slots.has(slot)) this.#replace(slot);
  }

  #isTooMuch({ heldBytes }: Slot): boolean {
    return heldBytes > idleHeapBytesMax || this.#slots.size > this.#options.workersMax;
  }

  /** Ends an idle worker, and with it all memory that it holds. */
  #replace(slot: Slot): void {
    if (!this.#isTooMuch(slot)) return;
    this.#slots.delete(slot);
    slot.reads.close();
    void slot.worker.terminate();
    this.prewarm();
  }

  #end(running: RunningJob): void {
    clearTimeout(running.killer);
    running.reading.abort(jobEnded);
    settle(running.queued);
  }

  #fail(running: RunningJob, failure: Failure): void {
    if (running.answered) {
      running.answer.fail(failure);
      return;
    }
    running.answered = true;
    running.queued.reject(failure);
  }

  /** Ends a job from outside: at once for its caller, soon for its worker. */
  #stop(queued: QueuedJob, reason: Exclude<StopReason, typeof StopReason.none>): void {
    const end = reason === StopReason.timeout ? timedOut : reason === StopReason.unread ? unreadAnswer : canceled;
    const slot = queued.slot;
    if (slot === undefined) {
      if (!this.#queue.remove(queued.tenant, queued)) return;
      settle(queued);
      queued.reject(end('query queue'));
      return;
    }
    const running = slot.running;
    if (running === undefined || running.queued !== queued || running.killer !== undefined) return;
    this.#fail(running, end('expression evaluation'));
    if (!running.isHandedOver) {
      this.#release(slot, running);
      return;
    }
    Atomics.store(slot.control, ControlWord.stop, reason);
    wake(slot.control);
    running.reading.abort(jobEnded);
    running.killer = setTimeout(() => void slot.worker.terminate(), killAfterMs);
  }
}

function settle(queued: QueuedJob): void {
  clearTimeout(queued.deadline);
  queued.signal.removeEventListener('abort', queued.onAbort);
  queued.labels?.release();
}

function wake(control: Int32Array): void {
  Atomics.add(control, ControlWord.news, 1);
  Atomics.notify(control, ControlWord.news);
}

/** Why reading is given up. Made once: a reason of its own for every job would cost a stack each time. */
const jobEnded = canceled('expression evaluation');

function canceled(where: string): Failure {
  return new Failure('canceled', `query was canceled in ${where}`);
}

function shuttingDown(): Failure {
  return new Failure('unavailable', 'the querier is shutting down');
}

function unreadAnswer(): Failure {
  return new Failure('canceled', 'the answer was not read while others waited');
}

function timedOut(where: string): Failure {
  return new Failure('timeout', `query timed out in ${where}`);
}
