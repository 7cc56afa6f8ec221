/**
 * The worker's end of the bridge: reads of series that block until the main thread has answered.
 * Owns the waiting. Does not own what is read (serve-reads.ts answers) nor what becomes of it (libs/promql).
 * The worker sleeps in Atomics.wait while it waits, so that a client who leaves wakes it at once: whoever stops a job counts
 * up the same word as a reply does.
 */
import type { MessagePort } from 'node:worker_threads';
import { receiveMessageOnPort } from 'node:worker_threads';
import { Failure } from '../../libs/errors/failure.ts';
import type { Matcher } from '../../libs/model/matcher.ts';
import { ChunkJoiner, type GivenBatch } from '../../libs/series/join-chunks.ts';
import type { ReadQuery, SeriesReader, SeriesSelection } from '../../libs/series/series-reader.ts';
import {
  addCosts,
  type ChunkBatch,
  type LabelTable,
  noCosts,
  type PartTable,
  type ReadCosts,
  type SelectQuery,
  seriesCountOf,
} from '../../libs/series/series-source.ts';
import { assert } from '../../libs/std/assert.ts';
import { LocatedReader } from '../../libs/tsdb/block/read-located.ts';
import { readKey } from './read-key.ts';
import { PatternBudget, resolvePatterns } from './resolve-patterns.ts';
import type { ReadReply, ReadRequest, SelectedPart } from './worker-protocol.ts';
import { batchesAhead, batchesPerRequest, ControlWord, StopReason } from './worker-protocol.ts';

/** Bytes of a batch that is read from files; all blocks of a selection have one in memory at once. */
const fileBatchBytesMax = 1 << 20;
const fileBatchBytesMin = 64 << 10;
const fileBytesMax = 32 << 20;

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
  readonly #selections: (BridgeSelection | BridgeValues)[] = [];
  readonly #patterns = new PatternBudget();
  /** Numbers of early selections that nobody has asked for yet, by what they are. */
  readonly #early = new Map<string, number[]>();

  /** @param early what the main thread reads without being asked */
  constructor(port: MessagePort, control: Int32Array, job: number, early: readonly ReadQuery[]) {
    this.#port = port;
    this.#control = control;
    this.#job = job;
    for (const query of early) {
      const number = this.#selections.length;
      this.#selections.push(new BridgeSelection(this, number));
      const key = readKey(query);
      const numbers = this.#early.get(key);
      if (numbers === undefined) this.#early.set(key, [number]);
      else numbers.push(number);
    }
  }

  /** Asks for the series of a selector and blocks until their labels are here. */
  select(query: ReadQuery): SeriesSelection {
    const selection = this.#takeEarly(query) ?? this.#ask({ ...query, matchers: this.resolve(query) });
    while (selection.columns === undefined) this.receive();
    return selection;
  }

  /** The matchers of a selector without patterns that would keep the main thread busy. @throws Failure */
  resolve({ matchers, minT, maxT }: SelectQuery): readonly Matcher[] {
    return resolvePatterns(
      matchers,
      (name, others) => this.#values(name, { matchers: others, minT, maxT }),
      () => checkStopped(this.#control),
      this.#patterns,
    );
  }

  /** Blocks until all values of a label are here. */
  #values(name: string, query: SelectQuery): readonly string[] {
    const number = this.#selections.length;
    const values = new BridgeValues();
    this.#selections.push(values);
    this.#port.postMessage({ kind: 'values', job: this.#job, selection: number, name, query } satisfies ReadRequest);
    while (!values.ended) this.receive();
    return values.values;
  }

  #takeEarly(query: ReadQuery): BridgeSelection | undefined {
    if (this.#early.size === 0) return undefined;
    const number = this.#early.get(readKey(query))?.shift();
    const selection = number === undefined ? undefined : this.#selections[number];
    return selection instanceof BridgeSelection ? selection : undefined;
  }

  #ask(query: ReadQuery): BridgeSelection {
    const number = this.#selections.length;
    const selection = new BridgeSelection(this, number);
    this.#selections.push(selection);
    this.#port.postMessage({ kind: 'select', job: this.#job, selection: number, query } satisfies ReadRequest);
    return selection;
  }

  /** What the reads of all selections have cost, as far as they were read. */
  costs(): ReadCosts {
    let sum = noCosts;
    for (const one of this.#selections) if (one instanceof BridgeSelection) sum = addCosts(sum, one.costsNow);
    return sum;
  }

  /** As many further batches of a selection's part may come. */
  askMore(selection: number, part: number, count: number): void {
    this.#port.postMessage({ kind: 'more', job: this.#job, selection, part, count } satisfies ReadRequest);
  }

  /** @throws Failure when the job must stop */
  checkStopped(): void {
    checkStopped(this.#control);
  }

  close(selection: number): void {
    this.#port.postMessage({ kind: 'close', job: this.#job, selection } satisfies ReadRequest);
  }

  /** Blocks until one more reply of this job is here and gives it to its selection. @throws Failure */
  receive(): void {
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
      this.#selections[reply.selection]?.take(reply);
      return;
    }
  }
}

type SelectionReply = Exclude<ReadReply, { kind: 'failed' }>;

/** Values of a label, as they come. */
class BridgeValues {
  readonly values: string[] = [];
  ended = false;

  take(reply: SelectionReply): void {
    if (reply.kind !== 'values') return;
    for (const value of reply.values) this.values.push(value);
    this.ended = reply.last;
  }
}

/** The chunks of a part of a selection: what has come of them and was not yet read, or the files that they are read from. */
class BridgePart {
  readonly #reader: BridgeReader;
  readonly #selection: number;
  readonly #number: number;
  /** Of the selection. */
  readonly #parts: number;
  readonly #batches: ChunkBatch[] = [];
  readonly #files: LocatedReader | undefined;
  #isOfFiles: boolean;
  #read = 0;
  #ended: boolean;

  constructor(
    reader: BridgeReader,
    selection: number,
    number: number,
    parts: number,
    { located, whole }: SelectedPart,
  ) {
    this.#reader = reader;
    this.#selection = selection;
    this.#number = number;
    this.#parts = parts;
    const fileBatchBytes = Math.max(fileBatchBytesMin, Math.min(fileBatchBytesMax, fileBytesMax / parts));
    this.#files = located === undefined ? undefined : new LocatedReader(located, fileBatchBytes);
    this.#isOfFiles = located !== undefined;
    if (whole !== undefined) this.#batches.push(whole);
    this.#ended = whole !== undefined;
  }

  /** Whether batches may come yet. */
  get isAwaited(): boolean {
    return !this.#ended && !this.#isOfFiles;
  }

  take(batch: ChunkBatch | undefined): void {
    if (batch === undefined) this.#ended = true;
    else this.#batches.push(batch);
  }

  next(): GivenBatch | undefined {
    if (this.#files !== undefined && this.#isOfFiles) {
      this.#reader.checkStopped();
      try {
        return this.#files.next();
      } catch {
        // Deleted, damaged, or whatever else: the main thread reads the same, from the begin on, and knows what to say of it.
        this.#isOfFiles = false;
        this.#reader.askMore(this.#selection, this.#number, batchesAhead(this.#parts));
      }
    }
    while (this.#batches.length === 0 && !this.#ended) this.#reader.receive();
    const batch = this.#batches.shift();
    const perRequest = batchesPerRequest(this.#parts);
    if (batch !== undefined && ++this.#read % perRequest === 0 && !this.#ended) {
      this.#reader.askMore(this.#selection, this.#number, perRequest);
    }
    return batch;
  }

  /** Bytes that were read from files. */
  get fileBytes(): number {
    return this.#files?.bytes ?? 0;
  }

  close(): void {
    for (const batch of this.#batches) freeBatch(batch);
    this.#batches.length = 0;
    this.#ended = true;
    this.#files?.close();
  }
}

/** One selection. */
class BridgeSelection implements SeriesSelection {
  readonly #reader: BridgeReader;
  readonly #number: number;
  #strings: readonly string[] = [];
  #parts: readonly BridgePart[] = [];
  /** Undefined where batches are read as they come. */
  #joiner: ChunkJoiner | undefined;
  columns: Pick<LabelTable, 'begin' | 'refs' | 'setOf'> | undefined;
  warnings: readonly string[] = [];
  costs = noCosts;

  constructor(reader: BridgeReader, number: number) {
    this.#reader = reader;
    this.#number = number;
  }

  get labels(): LabelTable {
    const { begin, refs, setOf } = this.columns ?? {
      begin: new Uint32Array(1),
      refs: new Uint32Array(),
      setOf: undefined,
    };
    return { strings: this.#strings, begin, refs, setOf };
  }

  take(reply: SelectionReply): void {
    switch (reply.kind) {
      case 'values':
        return;
      case 'strings':
        this.#takeStrings(reply.strings);
        return;
      case 'selected': {
        this.#takeStrings(reply.strings);
        this.costs = reply.costs ?? this.costs;
        this.columns = { begin: reply.begin, refs: reply.refs, setOf: reply.setOf };
        this.warnings = reply.warnings;
        const count = reply.parts.length;
        this.#parts = reply.parts.map((part, i) => new BridgePart(this.#reader, this.#number, i, count, part));
        const isJoined = reply.table !== undefined || reply.parts.some(({ located }) => located !== undefined);
        if (!isJoined) return;
        const isSorted = reply.parts.map((part) => part.isSorted);
        this.#joiner = new ChunkJoiner(reply.table ?? tableOfOne(seriesCountOf(this.labels)), isSorted, (given) => {
          // What was read from files lies in memory that is used again.
          if (given.byteEnd === undefined) freeBatch(given);
        });
        return;
      }
      case 'batch':
        this.costs = reply.costs ?? this.costs;
        this.#parts[reply.part]?.take(reply.batch);
    }
  }

  #takeStrings(strings: readonly string[]): void {
    this.#strings = this.#strings.length === 0 ? strings : this.#strings.concat(strings);
  }

  next(): ChunkBatch | undefined {
    const joiner = this.#joiner;
    if (joiner === undefined) return this.#parts[0]?.next();
    for (let missing = joiner.advance(); missing >= 0; missing = joiner.advance()) {
      const batch = this.#parts[missing]?.next();
      assert(batch !== undefined, 'a part has a batch for every series');
      joiner.give(missing, batch);
    }
    return joiner.take();
  }

  release(batch: ChunkBatch): void {
    if (this.#joiner === undefined) {
      freeBatch(batch);
      return;
    }
    this.#joiner.recycle(batch);
    if (this.#joiner.isOver) this.#letGo();
  }

  /** With what was read from files: that took no request. */
  get costsNow(): ReadCosts {
    const cachedBytes = this.#parts.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
    return addCosts(this.costs, { ...noCosts, cachedBytes });
  }

  close(): void {
    if (this.#parts.some((part) => part.isAwaited)) this.#reader.close(this.#number);
    this.#letGo();
  }

  /** What its chunks lay in serves another selection. */
  #letGo(): void {
    for (const part of this.#parts) part.close();
    this.#joiner?.close();
  }
}

/** The table of a selection that is not joined with any. */
function tableOfOne(count: number): PartTable {
  const partBegin = Uint32Array.from({ length: count + 1 }, (_, i) => i);
  return { partBegin, partSource: new Uint32Array(count), partSeries: partBegin };
}

/** Moved to nowhere: the memory is free at once. What is shared is not ours alone. */
function freeBatch({ bytes, minT, maxT }: ChunkBatch): void {
  for (const { buffer } of [bytes, minT, maxT]) {
    if (buffer instanceof ArrayBuffer && buffer.byteLength > 0) buffer.transfer(0);
  }
}
