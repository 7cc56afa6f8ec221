/**
 * The main thread's end of the bridge: answers one worker's reads from a SeriesSource.
 * Owns the selections that a job has open. Does not own the worker (query-pool.ts) nor its blocking end (bridge-reader.ts).
 * A select runs when its request arrives, so it sees every write that was acknowledged before. Batches go a few ahead of the
 * worker, so that both threads work at once, and never more. What lies in files of this machine the worker reads itself; only where it
 * cannot are those chunks read here. Long label tables cross in slices with a turn of the event loop between them, because copying
 * strings between threads is this thread's work and pushes wait meanwhile.
 */
import type { MessagePort } from 'node:worker_threads';
import { toFailure } from '../../libs/errors/failure.ts';
import type { ReadQuery } from '../../libs/series/series-reader.ts';
import {
  type ChunkBatch,
  type LocatedChunks,
  type PartTable,
  type SelectedSeries,
  type SelectQuery,
  type SeriesSource,
  seriesCountOf,
  type TableMemory,
} from '../../libs/series/series-source.ts';
import { type InTrace, keepTrace } from '../../libs/telemetry/trace.ts';
import type { ReadReply, ReadRequest, SelectedPart } from './worker-protocol.ts';
import { batchesAhead, ControlWord, failureMessage } from './worker-protocol.ts';

const stringsPerSlice = 4096;
/** A selection of so few series is sent in one message where the chunks of each part fit a batch. */
const wholeSeriesMax = 256;

const emptyBatch: ChunkBatch = {
  firstSeries: 0,
  chunkBegin: new Uint32Array(1),
  encoding: new Uint8Array(0),
  minT: new Float64Array(0),
  maxT: new Float64Array(0),
  byteBegin: new Uint32Array(1),
  bytes: new Uint8Array(0),
};

interface OpenSelection {
  readonly number: number;
  readonly selected: SelectedSeries;
  readonly parts: readonly OpenPart[];
}

/** A selection whose chunks the worker joins with those of others, or the only one. */
interface OpenPart {
  readonly number: number;
  readonly selected: SelectedSeries;
  /** Undefined before any is wanted. */
  batches: AsyncIterator<ChunkBatch> | undefined;
  isEnded: boolean;
  /** Batches that may still be sent. */
  credit: number;
  /** Batches are being sent now. */
  sending: boolean;
}

interface ServedJob {
  readonly number: number;
  readonly source: SeriesSource;
  readonly signal: AbortSignal;
  readonly memory: TableMemory | undefined;
  readonly selections: Map<number, OpenSelection>;
  /** The messages of the worker are of no trace. */
  readonly inTrace: InTrace;
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

  /**
   * From now on reads of this job are answered from `source` until `signal` aborts or `end` is called.
   * @param memory where label tables are counted
   */
  begin(number: number, source: SeriesSource, signal: AbortSignal, memory?: TableMemory): void {
    this.#job = { number, source, signal, memory, selections: new Map(), inTrace: keepTrace() };
  }

  /**
   * Reads what the job will ask for before it does: selections 0, 1, ... of it.
   * @param selected what was selected already
   */
  async readEarly(queries: readonly ReadQuery[], selected: readonly SelectedSeries[] = []): Promise<void> {
    const job = this.#job;
    if (job === undefined) return;
    // One after the other: each works in slices of time, and many side by side would be one long slice.
    for (let i = 0; i < queries.length; i++) {
      const request = { kind: 'select', job: job.number, selection: i, query: queries[i] as ReadQuery } as const;
      await this.#serve(request, selected[i]);
    }
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

  async #serve(request: ReadRequest, selected?: SelectedSeries): Promise<void> {
    const job = this.#job;
    // A job that has ended may have asked before it knew.
    if (job === undefined || job.number !== request.job) return;
    await job.inTrace(() => this.#serveJob(job, request, selected));
  }

  async #serveJob(job: ServedJob, request: ReadRequest, selected: SelectedSeries | undefined): Promise<void> {
    try {
      if (request.kind === 'select') {
        await this.#select(job, request.selection, selected ?? (await select(job, request.query)));
        return;
      }
      if (request.kind === 'values') {
        await this.#values(job, request.selection, request.name, request.query);
        return;
      }
      const selection = job.selections.get(request.selection);
      // One that has come to its end is not open any more.
      if (selection === undefined) return;
      if (request.kind === 'close') {
        job.selections.delete(selection.number);
        close(selection);
        return;
      }
      const part = selection.parts[request.part];
      if (part === undefined) return;
      part.credit += request.count;
      await this.#send(job, selection, part);
    } catch (error) {
      const failure = toFailure(error);
      this.#reply({ kind: 'failed', job: job.number, failure: failureMessage(failure) }, []);
    }
  }

  async #select(job: ServedJob, number: number, selected: SelectedSeries): Promise<void> {
    const { strings, begin, refs, setOf } = selected.labels;
    const seriesCount = seriesCountOf(selected.labels);
    const to = { job: job.number, selection: number };
    let sent = 0;
    for (; strings.length - sent > stringsPerSlice; sent += stringsPerSlice) {
      this.#reply({ kind: 'strings', ...to, strings: strings.slice(sent, sent + stringsPerSlice) }, []);
      await nextTurn();
    }
    if (this.#job !== job) return;
    const selection = { number, selected, parts: partsOf(selected) };
    const { views, buffers } = movable(setOf === undefined ? [begin, refs] : [begin, refs, setOf]);
    const [ownBegin, ownRefs, ownSetOf] = views as [Uint32Array, Uint32Array, Uint32Array | undefined];
    const table = selected.parts === undefined ? undefined : movableTable(selected.parts, buffers);
    const isSortedOf = (part: number): boolean => selected.parts?.isSorted[part] ?? true;
    // The files of one that is not in order would be read all over the place.
    const locations = copiedLocations(
      selection.parts.map((part) => (isSortedOf(part.number) ? part.selected.located : undefined)),
      buffers,
    );
    // All begin at once: each may have to wait for a bucket.
    const parts = await Promise.all(
      selection.parts.map(async (part): Promise<SelectedPart> => {
        const isSorted = isSortedOf(part.number);
        const located = locations[part.number];
        if (located !== undefined) return { isSorted, located, whole: undefined };
        part.credit = batchesAhead(selection.parts.length);
        // One message wakes the worker once.
        const isSmall = seriesCount <= wholeSeriesMax;
        return { isSorted, located: undefined, whole: isSmall ? await this.#whole(job, part, buffers) : undefined };
      }),
    );
    if (this.#job !== job) return close(selection);
    const { warnings } = selected;
    const columns = { strings: strings.slice(sent), begin: ownBegin, refs: ownRefs, setOf: ownSetOf };
    this.#reply({ kind: 'selected', ...to, ...columns, warnings, costs: selected.costs?.(), parts, table }, buffers);
    if (selection.parts.every(({ isEnded }) => isEnded)) return;
    job.selections.set(number, selection);
    // All at once: the worker joins them.
    await Promise.all(selection.parts.map((part) => (part.credit > 0 ? this.#send(job, selection, part) : undefined)));
  }

  /** The batch of a part that has one; where it has more, what was read waits to be sent. */
  async #whole(job: ServedJob, part: OpenPart, buffers: ArrayBuffer[]): Promise<ChunkBatch | undefined> {
    const batches = part.selected.chunks(job.signal)[Symbol.asyncIterator]();
    const { done, value } = await batches.next();
    if (done !== true && value.chunkBegin.length - 1 < seriesCountOf(part.selected.labels)) {
      part.batches = pushedBack(value, batches);
      return undefined;
    }
    part.isEnded = true;
    if (done === true) return emptyBatch;
    batches.return?.().catch(() => undefined);
    const movable = movableBatch(value);
    buffers.push(...movable.buffers);
    return movable.batch;
  }

  async #values(job: ServedJob, selection: number, name: string, query: SelectQuery): Promise<void> {
    const { matchers, minT, maxT } = query;
    const selectors = matchers.length === 0 ? [] : [matchers];
    const { values } = await job.source.labelValues(name, { selectors, minT, maxT, limit: 0 }, job.signal);
    for (let sent = 0; ; sent += stringsPerSlice) {
      if (this.#job !== job) return;
      const last = values.length - sent <= stringsPerSlice;
      const slice = values.slice(sent, sent + stringsPerSlice);
      this.#reply({ kind: 'values', job: job.number, selection, values: slice, last }, []);
      if (last) return;
      await nextTurn();
    }
  }

  /** Sends batches as long as the worker wants any. */
  async #send(job: ServedJob, selection: OpenSelection, part: OpenPart): Promise<void> {
    if (part.sending || part.isEnded) return;
    part.sending = true;
    part.batches ??= part.selected.chunks(job.signal)[Symbol.asyncIterator]();
    const to = { job: job.number, selection: selection.number, part: part.number };
    for (; part.credit > 0; part.credit--) {
      const { done, value } = await part.batches.next();
      if (this.#job !== job || !job.selections.has(selection.number)) return;
      if (done === true) {
        part.isEnded = true;
        if (selection.parts.every(({ isEnded }) => isEnded)) job.selections.delete(selection.number);
        this.#reply({ kind: 'batch', ...to, batch: undefined, costs: selection.selected.costs?.() }, []);
        return;
      }
      const { batch, buffers } = movableBatch(value);
      this.#reply({ kind: 'batch', ...to, batch, costs: selection.selected.costs?.() }, buffers);
    }
    part.sending = false;
  }

  #reply(reply: ReadReply, transfer: ArrayBuffer[]): void {
    this.#port.postMessage(reply, transfer);
    Atomics.add(this.#control, ControlWord.news, 1);
    Atomics.notify(this.#control, ControlWord.news);
  }
}

interface Reads {
  readonly source: SeriesSource;
  readonly signal: AbortSignal;
  readonly memory: TableMemory | undefined;
}

/** Selects what a read asks for. */
export function select({ source, signal, memory }: Reads, query: ReadQuery): Promise<SelectedSeries> {
  const { matchers, minT, maxT, labels } = query;
  const plain = { matchers, minT, maxT, memory };
  if (labels === undefined || source.selectProjected === undefined) return source.select(plain, signal);
  return source.selectProjected(plain, labels, signal);
}

function movableBatch(value: ChunkBatch): { batch: ChunkBatch; buffers: ArrayBuffer[] } {
  const { views, buffers } = movable([
    value.chunkBegin,
    value.encoding,
    value.minT,
    value.maxT,
    value.byteBegin,
    value.bytes,
  ]);
  const [chunkBegin, encoding, minT, maxT, byteBegin, bytes] = views as [
    Uint32Array,
    Uint8Array,
    Float64Array,
    Float64Array,
    Uint32Array,
    Uint8Array,
  ];
  return { batch: { firstSeries: value.firstSeries, chunkBegin, encoding, minT, maxT, byteBegin, bytes }, buffers };
}

function partsOf(selected: SelectedSeries): OpenPart[] {
  return (selected.parts?.selections ?? [selected]).map((one, number) => {
    return { number, selected: one, batches: undefined, isEnded: false, credit: 0, sending: false };
  });
}

function close({ parts }: OpenSelection): void {
  for (const { batches } of parts) batches?.return?.().catch(() => undefined);
}

async function* pushedBack(first: ChunkBatch, rest: AsyncIterator<ChunkBatch>): AsyncGenerator<ChunkBatch> {
  try {
    yield first;
    for (let { done, value } = await rest.next(); done !== true; { done, value } = await rest.next()) yield value;
  } finally {
    await rest.return?.();
  }
}

/** The table, its memory among `buffers`. */
function movableTable({ partBegin, partSource, partSeries }: PartTable, buffers: ArrayBuffer[]): PartTable {
  const table = movable([partBegin, partSource, partSeries]);
  buffers.push(...table.buffers);
  const [begin, source, series] = table.views as [Uint32Array, Uint32Array, Uint32Array];
  return { partBegin: begin, partSource: source, partSeries: series };
}

/** Copies, as where the worker cannot read what lies there, the chunks are read here yet; of all in one memory, since each costs as much as thousands of chunks. */
function copiedLocations(
  all: readonly (LocatedChunks | undefined)[],
  buffers: ArrayBuffer[],
): readonly (LocatedChunks | undefined)[] {
  let chunks = 0;
  let begins = 0;
  for (const located of all) {
    chunks += located?.ref.length ?? 0;
    begins += located?.chunkBegin.length ?? 0;
  }
  if (begins === 0) return all;
  const memory = new ArrayBuffer(32 * chunks + 4 * begins);
  buffers.push(memory);
  let at = 0;
  const copy = (column: Float64Array): Float64Array => {
    const own = new Float64Array(memory, at, column.length);
    own.set(column);
    at += own.byteLength;
    return own;
  };
  // Those of eight bytes come first: none stands across.
  let beginAt = 32 * chunks;
  return all.map((located) => {
    if (located === undefined) return undefined;
    const chunkBegin = new Uint32Array(memory, beginAt, located.chunkBegin.length);
    chunkBegin.set(located.chunkBegin);
    beginAt += chunkBegin.byteLength;
    const { minT, maxT, ref, nextRef } = located;
    return { ...located, chunkBegin, minT: copy(minT), maxT: copy(maxT), ref: copy(ref), nextRef: copy(nextRef) };
  });
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
