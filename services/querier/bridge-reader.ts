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
import type { ReadQuery, SeriesReader, SeriesSelection } from '../../libs/series/series-reader.ts';
import {
  addCosts,
  type ChunkBatch,
  type LabelTable,
  noCosts,
  type ReadCosts,
  type SelectQuery,
} from '../../libs/series/series-source.ts';
import { resolvePatterns } from './resolve-patterns.ts';
import type { ReadReply, ReadRequest } from './worker-protocol.ts';
import { batchesPerRequest, ControlWord, StopReason } from './worker-protocol.ts';

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
      const key = keyOf(query);
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
    const number = this.#early.get(keyOf(query))?.shift();
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
    for (const one of this.#selections) if (one instanceof BridgeSelection) sum = addCosts(sum, one.costs);
    return sum;
  }

  /** As many further batches of a selection may come. */
  askMore(selection: number, count: number): void {
    this.#port.postMessage({ kind: 'more', job: this.#job, selection, count } satisfies ReadRequest);
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

function keyOf({ matchers, minT, maxT, labels }: ReadQuery): string {
  let key = `${minT} ${maxT} ${labels === undefined ? '' : JSON.stringify(labels)}`;
  for (const { type, name, value } of matchers) key += ` ${name.length}${name}${type}${value.length}${value}`;
  return key;
}

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

/** One selection: what has come of it and was not yet read. */
class BridgeSelection implements SeriesSelection {
  readonly #reader: BridgeReader;
  readonly #number: number;
  readonly #batches: ChunkBatch[] = [];
  #strings: readonly string[] = [];
  #read = 0;
  #ended = false;
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
        this.#strings = this.#strings.length === 0 ? reply.strings : this.#strings.concat(reply.strings);
        return;
      case 'selected':
        this.costs = reply.costs ?? this.costs;
        this.columns = { begin: reply.begin, refs: reply.refs, setOf: reply.setOf };
        this.warnings = reply.warnings;
        if (reply.whole === undefined) return;
        this.#batches.push(reply.whole);
        this.#ended = true;
        return;
      case 'batch':
        this.costs = reply.costs ?? this.costs;
        if (reply.batch === undefined) this.#ended = true;
        else this.#batches.push(reply.batch);
    }
  }

  next(): ChunkBatch | undefined {
    while (this.#batches.length === 0 && !this.#ended) this.#reader.receive();
    const batch = this.#batches.shift();
    if (batch !== undefined && ++this.#read % batchesPerRequest === 0 && !this.#ended) {
      this.#reader.askMore(this.#number, batchesPerRequest);
    }
    return batch;
  }

  release({ bytes, minT, maxT }: ChunkBatch): void {
    for (const { buffer } of [bytes, minT, maxT]) {
      // Moved to nowhere: the memory is free at once. What is shared is not ours alone.
      if (buffer instanceof ArrayBuffer && buffer.byteLength > 0) buffer.transfer(0);
    }
  }

  close(): void {
    for (const batch of this.#batches) this.release(batch);
    this.#batches.length = 0;
    if (!this.#ended) this.#reader.close(this.#number);
    this.#ended = true;
  }
}
