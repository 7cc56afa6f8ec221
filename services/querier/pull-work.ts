/**
 * A querier takes work from a query-frontend, so much at a time as it can do.
 * Owns how many pieces are in hand and how an answer goes back. Does not own the answer (answer-work.ts). When the process stops
 * it takes no more and finishes what it has.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { QueryWorkContract, TakenWork, WorkHead, WorkWish } from '../../libs/contracts/query-work.ts';
import { Failure, toFailure } from '../../libs/errors/failure.ts';
import type { Logger } from '../../libs/telemetry/log.ts';
import { forTenant } from '../../libs/telemetry/tenant-work.ts';
import { tracedBelow } from '../../libs/telemetry/trace.ts';

/** Lists wait for others more than they work. */
const listsAtOnce = 8;
/** And so many for tenants of whom there is none: those of one may all wait for the bucket. */
const spareLists = 4;
/** After a frontend could not be asked. */
const pauseMs = 500;

export interface WorkReply {
  readonly head: WorkHead;
  readonly body: AsyncIterable<Uint8Array>;
}

export interface PullOptions {
  readonly querier: string;
  /** Evaluations at once. */
  readonly evaluations: number;
  /** Evaluations beyond these, for tenants of whom none runs. */
  readonly spares: number;
  /** @throws Failure */
  readonly answer: (taken: TakenWork) => Promise<WorkReply>;
  readonly log: Logger;
}

export class WorkPuller {
  readonly #options: PullOptions;
  readonly #stopping = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(options: PullOptions) {
    this.#options = options;
  }

  /** Takes from a frontend until `gone` aborts. */
  pull(frontend: QueryWorkContract, gone: AbortSignal): void {
    const stop = AbortSignal.any([gone, this.#stopping.signal]);
    const { evaluations, spares } = this.#options;
    for (let i = 0; i < evaluations + spares; i++) void this.#loop(frontend, { lane: 'evaluations', spares }, stop);
    const lists = { lane: 'lists', spares: spareLists } as const;
    for (let i = 0; i < listsAtOnce + spareLists; i++) void this.#loop(frontend, lists, stop);
  }

  /** Takes no more; resolves when what was taken is done, or after so long. */
  async stop(drainMs: number): Promise<void> {
    this.#stopping.abort(new Failure('unavailable', 'the querier is stopping'));
    const patience = new AbortController();
    await Promise.race([
      Promise.all(this.#running),
      sleep(drainMs, undefined, { signal: patience.signal, ref: false }).catch(() => undefined),
    ]);
    patience.abort();
  }

  async #loop(frontend: QueryWorkContract, wish: WorkWish, stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      let taken: TakenWork;
      try {
        taken = await frontend.take(wish, this.#options.querier, stop);
      } catch {
        // Full jitter, so that all slots of all queriers do not come back together.
        await sleep(pauseMs * Math.random(), undefined, { signal: stop, ref: false }).catch(() => undefined);
        continue;
      }
      const work = this.#do(taken);
      this.#running.add(work);
      await work;
      this.#running.delete(work);
    }
  }

  async #do(taken: TakenWork): Promise<void> {
    const { work, traceparent } = taken;
    const attributes = { 'maru.tenant': work.tenant, ...(work.kind === 'call' ? { 'maru.path': work.path } : {}) };
    try {
      await forTenant(work.tenant, () =>
        tracedBelow(traceparent, `querier.${work.kind}`, 'server', attributes, () => this.#answer(taken)),
      );
    } catch (error) {
      const failure = toFailure(error);
      // Where even that cannot be said, the frontend hears of it by the link.
      await taken.fail(failure).catch(() => undefined);
    }
  }

  async #answer(taken: TakenWork): Promise<void> {
    try {
      const { head, body } = await this.#options.answer(taken);
      let held: Uint8Array | undefined;
      let isHeadGiven = false;
      for await (const piece of body) {
        if (held !== undefined) {
          await taken.give(isHeadGiven ? { piece: held, last: false } : { head, piece: held, last: false });
          isHeadGiven = true;
        }
        held = piece;
      }
      const piece = held ?? new Uint8Array(0);
      await taken.give(isHeadGiven ? { piece, last: true } : { head, piece, last: true });
    } catch (error) {
      if (!(error instanceof Failure)) this.#options.log.error({ error: String(error) }, 'work of a frontend failed');
      throw error;
    }
  }
}
