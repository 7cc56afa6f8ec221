/**
 * One piece of work from the queue to its answer, at whichever querier.
 * Owns tries: an answer is gathered whole, as far as memory allows, before any of it goes to the client, so that a querier that
 * dies is not noticed: another one begins anew. What is larger streams, and then a loss is an error of the client's connection.
 */
import {
  QuerierLost,
  type QueryWork,
  type QueryWorkContract,
  type TakenWork,
  type WorkHead,
  type WorkLane,
  type WorkWish,
} from '../../libs/contracts/query-work.ts';
import { Failure } from '../../libs/errors/failure.ts';
import { traceparent } from '../../libs/telemetry/trace.ts';
import { WorkQueue } from './work-queue.ts';

/** An answer that has grown to this streams from there on. */
const gatheredBytesMax = 16 << 20;
/** All gathered answers together, until they are written; beyond it they stream as well. */
const allGatheredBytesMax = 256 << 20;
/** Pieces of a streamed answer that may be ahead of its reader. */
const piecesAheadMax = 8;
/** A piece of work is given out so often at most. */
const triesMax = 4;
/** Queriers that may be lost with it: it may be what ends them. */
const lossesMax = 2;
/** A querier ends a query that takes too long itself, in its own words: so long that is waited for. */
const graceMs = 2_000;

/** An answer: gathered whole, or as it comes. */
export interface WorkAnswer {
  readonly head: WorkHead;
  readonly pieces: readonly Uint8Array[] | AsyncIterableIterator<Uint8Array>;
  /** The pieces that were gathered are not needed any more: until then they count. */
  release(): void;
}

export interface WorkOptions {
  readonly timeoutMs: number;
  /** Aborts when the client has left. */
  readonly signal: AbortSignal;
  /** Belongs to a query that waited in the queue already. */
  readonly isLetIn?: boolean;
}

export interface WorkCounts {
  /** Pieces of work that were given out again after a failure. */
  retries: number;
  /** How long a piece waited for a querier. */
  waited(lane: WorkLane, seconds: number): void;
}

const evaluated: ReadonlySet<string> = new Set(['/api/v1/query', '/api/v1/query_range', '/api/v1/read', '/federate']);

const isEvaluation = (work: QueryWork): boolean =>
  work.kind === 'part' || (work.kind === 'call' && evaluated.has(work.path));

export class WorkRunner implements QueryWorkContract {
  readonly queue: WorkQueue<Item>;
  readonly #counts: WorkCounts;
  readonly #budget: { bytes: number };
  #closed = false;

  /** @param memoryBytes what gathered answers may take */
  constructor(queuedMax: number, queuedPerTenantMax: number, counts: WorkCounts, memoryBytes = allGatheredBytesMax) {
    this.queue = new WorkQueue(queuedMax, queuedPerTenantMax);
    this.#counts = counts;
    this.#budget = { bytes: Math.min(memoryBytes, allGatheredBytesMax) };
  }

  /**
   * @throws Failure of the work; `rate_limited` when the queue is full; `timeout`, `canceled`; `unavailable` when two queriers that
   * had it were lost
   */
  run(work: QueryWork, { timeoutMs, signal, isLetIn = false }: WorkOptions): Promise<WorkAnswer> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      if (timeoutMs <= 0) return reject(timedOut('query execution'));
      const lane: WorkLane = isEvaluation(work) ? 'evaluations' : 'lists';
      const item = new Item(work, lane, timeoutMs, signal, this.queue, this.#counts, this.#budget, { resolve, reject });
      try {
        if (isLetIn) this.queue.add(item);
        else this.queue.push(item);
      } catch (error) {
        item.end();
        reject(error);
      }
    });
  }

  async take(wish: WorkWish, querier: string, signal: AbortSignal): Promise<TakenWork> {
    if (this.#closed) throw new Failure('unavailable', 'the query-frontend is stopping');
    const item = await this.queue.take(wish, querier, signal);
    return item.takenBy(querier);
  }

  /** No more work is given out. */
  close(): void {
    this.#closed = true;
  }
}

interface Outcome {
  readonly resolve: (answer: WorkAnswer) => void;
  readonly reject: (error: unknown) => void;
}

/** A piece of work on its way, through all its tries. */
class Item {
  readonly work: QueryWork;
  readonly lane: WorkLane;
  readonly failedAt = new Set<string>();
  readonly #traceparent = traceparent();
  readonly #queue: WorkQueue<Item>;
  readonly #counts: WorkCounts;
  readonly #budget: { bytes: number };
  readonly #outcome: Outcome;
  readonly #deadline: number;
  readonly #client: AbortSignal;
  readonly #onAbort = (): void => this.#giveUp(this.#client.reason);
  #timer: NodeJS.Timeout;
  #waitsSince = performance.now();
  #tries = 0;
  #losses = 0;
  #attempt: Attempt | undefined;

  constructor(
    work: QueryWork,
    lane: WorkLane,
    timeoutMs: number,
    client: AbortSignal,
    queue: WorkQueue<Item>,
    counts: WorkCounts,
    budget: { bytes: number },
    outcome: Outcome,
  ) {
    this.work = work;
    this.lane = lane;
    this.#queue = queue;
    this.#counts = counts;
    this.#budget = budget;
    this.#outcome = outcome;
    this.#client = client;
    this.#deadline = performance.now() + timeoutMs;
    this.#timer = setTimeout(() => this.#late(), Math.min(timeoutMs, 2 ** 31 - 1));
    client.addEventListener('abort', this.#onAbort, { once: true });
  }

  get tenant(): QueryWork['tenant'] {
    return this.work.tenant;
  }

  takenBy(querier: string): TakenWork {
    const now = performance.now();
    this.#counts.waited(this.lane, (now - this.#waitsSince) / 1000);
    this.#tries++;
    const stop = new AbortController();
    const attempt: Attempt = { stop, gathered: [], bytes: 0, head: undefined, stream: undefined };
    this.#attempt = attempt;
    let isOver = false;
    const over = (): boolean => {
      if (isOver) return false;
      isOver = true;
      this.#queue.done(querier, this);
      return true;
    };
    return {
      work: this.work,
      traceparent: this.#traceparent,
      timeoutMs: Math.max(1, this.#deadline - now),
      signal: stop.signal,
      give: async ({ head, piece, last }) => {
        if (last) over();
        stop.signal.throwIfAborted();
        if (this.#attempt !== attempt) throw new Failure('canceled', 'nobody wants this answer');
        attempt.head ??= head;
        await this.#gather(attempt, piece, last);
      },
      fail: async (failure) => {
        if (!over() || this.#attempt !== attempt) return;
        this.#failed(attempt, failure, querier);
      },
    };
  }

  /** It waits no more for anything. */
  end(): void {
    clearTimeout(this.#timer);
    this.#client.removeEventListener('abort', this.#onAbort);
    this.#attempt = undefined;
  }

  async #gather(attempt: Attempt, piece: Uint8Array, last: boolean): Promise<void> {
    const { head, gathered, stream } = attempt;
    if (head === undefined) throw new Failure('bad_data', 'an answer without a head');
    if (stream !== undefined) {
      if (last) this.end();
      return stream.push(piece, last);
    }
    gathered.push(piece);
    attempt.bytes += piece.length;
    this.#budget.bytes -= piece.length;
    if (last) {
      this.end();
      this.#outcome.resolve({ head, pieces: gathered, release: () => this.#release(attempt) });
      return;
    }
    if (attempt.bytes < gatheredBytesMax && this.#budget.bytes > 0) return;
    attempt.stream = new PieceStream(gathered, {
      onTaken: (taken) => this.#release(attempt, taken),
      onReturn: () => this.#giveUp(new Failure('canceled', 'the client has left')),
    });
    this.#outcome.resolve({ head, pieces: attempt.stream, release: () => this.#release(attempt) });
  }

  #release(attempt: Attempt, bytesMax = Number.POSITIVE_INFINITY): void {
    const bytes = Math.min(attempt.bytes, bytesMax);
    this.#budget.bytes += bytes;
    attempt.bytes -= bytes;
  }

  #failed(attempt: Attempt, failure: Failure, querier: string): void {
    this.#release(attempt);
    this.#attempt = undefined;
    if (attempt.stream !== undefined) {
      this.end();
      attempt.stream.fail(failure);
      return;
    }
    const mayHelp = failure.kind === 'unavailable' || failure.kind === 'internal';
    if (failure instanceof QuerierLost) this.#losses++;
    const isOften = this.#tries >= triesMax || this.#losses >= lossesMax;
    if (!mayHelp || isOften || performance.now() >= this.#deadline) {
      this.end();
      this.#outcome.reject(failure);
      return;
    }
    this.#counts.retries++;
    this.failedAt.add(querier);
    this.#waitsSince = performance.now();
    this.#queue.pushAgain(this);
  }

  #late(): void {
    const inHand = this.#attempt !== undefined;
    if (inHand && performance.now() < this.#deadline + graceMs) {
      this.#timer = setTimeout(() => this.#late(), graceMs);
      return;
    }
    this.#giveUp(timedOut(inHand ? 'expression evaluation' : 'query queue'));
  }

  /** Ends it from outside. */
  #giveUp(reason: unknown): void {
    const attempt = this.#attempt;
    this.#queue.remove(this);
    this.end();
    if (attempt !== undefined) {
      this.#release(attempt);
      attempt.stop.abort(reason);
      attempt.stream?.fail(reason);
    }
    this.#outcome.reject(reason);
  }
}

/** One try. */
interface Attempt {
  readonly stop: AbortController;
  readonly gathered: Uint8Array[];
  /** Of the budget. */
  bytes: number;
  head: WorkHead | undefined;
  stream: PieceStream | undefined;
}

function timedOut(where: string): Failure {
  return new Failure('timeout', `query timed out in ${where}`);
}

interface PieceListener {
  /** The client takes so many bytes. */
  onTaken(bytes: number): void;
  /** It does not want the rest. */
  onReturn(): void;
}

/** Pieces on their way to a client that reads at its own pace. */
class PieceStream implements AsyncIterableIterator<Uint8Array> {
  readonly #pieces: Uint8Array[];
  readonly #listener: PieceListener;
  #ended = false;
  #failure: unknown;
  #wakeReader: (() => void) | undefined;
  #wakeWriter: (() => void) | undefined;

  constructor(pieces: Uint8Array[], listener: PieceListener) {
    this.#pieces = pieces;
    this.#listener = listener;
  }

  /** Resolves when there is room for another one. */
  async push(piece: Uint8Array, last: boolean): Promise<void> {
    this.#pieces.push(piece);
    this.#ended = last;
    this.#wakeReader?.();
    while (!this.#ended && this.#pieces.length > piecesAheadMax) {
      await new Promise<void>((resolve) => {
        this.#wakeWriter = resolve;
      });
    }
  }

  fail(failure: unknown): void {
    this.#failure ??= failure;
    this.#ended = true;
    this.#wakeReader?.();
    this.#wakeWriter?.();
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      const piece = this.#pieces.shift();
      if (piece !== undefined) {
        this.#listener.onTaken(piece.length);
        this.#wakeWriter?.();
        return { done: false, value: piece };
      }
      if (this.#ended) return { done: true, value: undefined };
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    }
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    if (!this.#ended) this.#listener.onReturn();
    this.#pieces.length = 0;
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
