/**
 * An ingester gives everything it holds to the bucket: for leaving a ring, or for moving to other machines, and takes no more then; or so that a
 * replica which has lost its disk needs not be asked for it.
 * Owns the order: no writes from now on (where they come through a log: all that it holds now is applied), then every range to a block, then
 * every block to the bucket, then its index names them (and, where others read by older indexes, has done so long enough). What it waits for
 * is told. A restart takes writes again.
 */
import type { DrainState } from '../../libs/contracts/ingester.ts';
import { Failure } from '../../libs/errors/failure.ts';
import type { Logger } from '../../libs/telemetry/log.ts';
import type { Ulid } from '../../libs/tsdb/block/ulid.ts';

export interface DrainDeps {
  /** No write that comes later is taken; absent: they are, and what they bring is not waited for. */
  readonly closeWrites?: () => void;
  /** Why something that was accepted before the first call is not in the heads yet, in a sentence. @throws Failure */
  readonly behind?: () => Promise<string | undefined>;
  /** Writes all ranges to blocks. @returns whether all that was in the heads is in them. @throws Failure */
  readonly cutAll: () => Promise<boolean>;
  /** One look at all local blocks. */
  readonly ship: () => Promise<void>;
  /** Why not all of them are safe in the bucket yet, in a sentence. */
  readonly unsafe: () => string | undefined;
  readonly log: Logger;
}

const pauseMs = 1_000;

interface FlushDeps extends Pick<DrainDeps, 'cutAll' | 'ship' | 'log'> {
  /** Blocks that are here. */
  readonly held: () => Iterable<Ulid>;
  /** Why not all of these are safe in the bucket yet, in a sentence. */
  readonly unsafe: (only: ReadonlySet<Ulid> | undefined) => string | undefined;
}

/** A drain that goes on taking writes. What is cut of them meanwhile is not waited for: late ones would keep it waiting for ever. */
export function drainOfNow({ cutAll, ship, log, held, unsafe }: FlushDeps): Drain {
  let waitedFor: ReadonlySet<Ulid> | undefined;
  return new Drain({
    cutAll: async () => {
      const isCut = await cutAll();
      if (isCut) waitedFor = new Set(held());
      return isCut;
    },
    ship,
    unsafe: () => unsafe(waitedFor),
    log,
  });
}

export class Drain {
  readonly #deps: DrainDeps;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  #isDone = false;
  #isCut = false;
  #waitsFor: string | undefined;

  constructor(deps: DrainDeps) {
    this.#deps = deps;
  }

  get state(): DrainState {
    if (this.#running === undefined) return { state: 'none', waitsFor: undefined };
    return this.#isDone ? { state: 'drained', waitsFor: undefined } : { state: 'draining', waitsFor: this.#waitsFor };
  }

  /** Begins; resolves when all is in the bucket, or when the process stops: `state` says which. */
  run(): Promise<void> {
    this.#running ??= this.#run();
    return this.#running;
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { log, closeWrites } = this.#deps;
    closeWrites?.();
    log.info({ takesWrites: closeWrites === undefined }, 'everything goes to the bucket now');
    while (!this.#abort.signal.aborted) {
      const reason = await this.#step();
      if (this.#abort.signal.aborted) return;
      if (reason === undefined) {
        this.#isDone = true;
        log.info({}, 'everything is in the bucket');
        return;
      }
      if (reason !== this.#waitsFor) log.info({ waitsFor: reason }, 'on its way to the bucket');
      this.#waitsFor = reason;
      await new Promise((resolve) => setTimeout(resolve, pauseMs).unref());
    }
  }

  async #step(): Promise<string | undefined> {
    const { behind, cutAll, ship, unsafe, log } = this.#deps;
    try {
      const missing = this.#isCut ? undefined : await behind?.();
      if (missing !== undefined) return missing;
      this.#isCut ||= await cutAll();
      if (!this.#isCut) return 'ranges of the head that are not in blocks yet';
      await ship();
      return unsafe();
    } catch (error) {
      if (!(error instanceof Failure)) log.error({ error: String(error) }, 'draining failed; it is tried again');
      return String(error);
    }
  }
}
