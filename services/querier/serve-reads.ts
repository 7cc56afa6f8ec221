/**
 * The main thread's end of the bridge: answers one worker's reads from a SeriesSource.
 * Owns the selections that a job has open. Does not own the worker (query-pool.ts) nor its blocking end (bridge-reader.ts).
 * A select runs when its request arrives, so it sees every write that was acknowledged before. One batch is fetched ahead of
 * the worker, never more. Long label tables cross in slices with a turn of the event loop between them, because copying
 * strings between threads is this thread's work and pushes wait meanwhile.
 */
import type { MessagePort } from 'node:worker_threads';
import { Failure } from '../../libs/errors/failure.ts';
import type { ChunkBatch, SeriesSource } from '../../libs/series/series-source.ts';
import type { ReadReply, ReadRequest } from './worker-protocol.ts';
import { ControlWord, failureMessage } from './worker-protocol.ts';

const stringsPerSlice = 4096;

interface OpenSelection {
  readonly batches: AsyncIterator<ChunkBatch>;
  /** The batch that was asked for ahead. */
  next: Promise<IteratorResult<ChunkBatch>>;
}

interface ServedJob {
  readonly number: number;
  readonly source: SeriesSource;
  readonly signal: AbortSignal;
  readonly selections: Map<number, OpenSelection>;
}

export class ReadServer {
  readonly #port: MessagePort;
  readonly #control: Int32Array;
  #job: ServedJob | undefined;

  constructor(port: MessagePort, control: Int32Array) {
    this.#port = port;
    this.#control = control;
    port.on('message', (request: ReadRequest) => void this.#serve(request));
    // The port alone does not keep the process alive; the request that waits for its answer does.
    port.unref();
  }

  /** From now on reads of this job are answered from `source` until `signal` aborts or `end` is called. */
  begin(number: number, source: SeriesSource, signal: AbortSignal): void {
    this.#job = { number, source, signal, selections: new Map() };
  }

  /** Closes what the job has open. */
  end(): void {
    const job = this.#job;
    this.#job = undefined;
    for (const selection of job?.selections.values() ?? []) close(selection);
  }

  close(): void {
    this.end();
    this.#port.close();
  }

  async #serve(request: ReadRequest): Promise<void> {
    const job = this.#job;
    // A job that has ended may have asked before it knew.
    if (job === undefined || job.number !== request.job) return;
    if (request.kind === 'close') {
      const selection = job.selections.get(request.selection);
      job.selections.delete(request.selection);
      if (selection !== undefined) close(selection);
      return;
    }
    try {
      if (request.kind === 'select') await this.#select(job, request);
      else await this.#next(job, request.selection);
    } catch (error) {
      const failure = error instanceof Failure ? error : new Failure('internal', String(error), { cause: error });
      this.#reply({ kind: 'failed', job: job.number, failure: failureMessage(failure) }, []);
    }
  }

  async #select(job: ServedJob, request: Extract<ReadRequest, { kind: 'select' }>): Promise<void> {
    const selected = await job.source.select(request.query, job.signal);
    const batches = selected.chunks(job.signal)[Symbol.asyncIterator]();
    const { strings, begin, refs } = selected.labels;
    let sent = 0;
    for (; strings.length - sent > stringsPerSlice; sent += stringsPerSlice) {
      this.#reply({ kind: 'strings', job: job.number, strings: strings.slice(sent, sent + stringsPerSlice) }, []);
      await nextTurn();
    }
    this.#reply({ kind: 'strings', job: job.number, strings: sent === 0 ? strings : strings.slice(sent) }, []);
    const table = movable([begin, refs]);
    this.#reply(
      {
        kind: 'selected',
        job: job.number,
        begin: table.views[0] as Uint32Array,
        refs: table.views[1] as Uint32Array,
        warnings: selected.warnings,
      },
      table.buffers,
    );
    if (this.#job !== job) {
      batches.return?.().catch(() => undefined);
      return;
    }
    job.selections.set(request.selection, { batches, next: fetchAhead(batches) });
  }

  async #next(job: ServedJob, number: number): Promise<void> {
    const selection = job.selections.get(number);
    if (selection === undefined) throw new Failure('internal', `the selection ${number} is not open`);
    const result = await selection.next;
    if (result.done === true) {
      job.selections.delete(number);
      this.#reply({ kind: 'batch', job: job.number, batch: undefined }, []);
      return;
    }
    const batch = result.value;
    const moved = movable([batch.chunkBegin, batch.encoding, batch.minT, batch.maxT, batch.byteBegin, batch.bytes]);
    const [chunkBegin, encoding, minT, maxT, byteBegin, bytes] = moved.views as [
      Uint32Array,
      Uint8Array,
      Float64Array,
      Float64Array,
      Uint32Array,
      Uint8Array,
    ];
    const { firstSeries } = batch;
    this.#reply(
      { kind: 'batch', job: job.number, batch: { firstSeries, chunkBegin, encoding, minT, maxT, byteBegin, bytes } },
      moved.buffers,
    );
    selection.next = fetchAhead(selection.batches);
  }

  #reply(reply: ReadReply, transfer: ArrayBuffer[]): void {
    this.#port.postMessage(reply, transfer);
    Atomics.add(this.#control, ControlWord.news, 1);
    Atomics.notify(this.#control, ControlWord.news);
  }
}

function fetchAhead(batches: AsyncIterator<ChunkBatch>): Promise<IteratorResult<ChunkBatch>> {
  const next = batches.next();
  // Looked at when the worker asks; until then a failure is not an unhandled one.
  next.catch(() => undefined);
  return next;
}

function close(selection: OpenSelection): void {
  selection.next.catch(() => undefined);
  selection.batches.return?.()?.catch(() => undefined);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

type Column = Uint8Array | Uint32Array | Float64Array;

/**
 * Columns that may be handed to another thread without a copy: those that are the whole of their memory. Others are copied,
 * since moving their memory would take it from whoever else looks at it; shared memory stays where it is.
 */
function movable(columns: readonly Column[]): { views: Column[]; buffers: ArrayBuffer[] } {
  const buffers: ArrayBuffer[] = [];
  const views = columns.map((column) => {
    // An empty column may be one that everybody shares.
    if (column.length === 0 || column.buffer instanceof SharedArrayBuffer) return column;
    const whole = column.byteLength === column.buffer.byteLength && !buffers.includes(column.buffer);
    const own = whole ? column : column.slice();
    buffers.push(own.buffer as ArrayBuffer);
    return own;
  });
  return { views, buffers };
}
