/**
 * A read that begins after an acknowledgement sees it, where writes go through a log: one owner of each partition that has applied
 * everything below the end that the log had when the read came.
 * Owns the end offsets of one read, taken once, and which owner answers. Where the end cannot be had, or nobody reaches it in time,
 * the owner that is furthest answers with a warning; a `strong` read fails instead.
 */
import type { ReadConsistency } from '../../libs/contracts/ingester.ts';
import { Failure } from '../../libs/errors/failure.ts';

export interface LogFreshnessOptions {
  readonly consistency: ReadConsistency;
  /** Behind the last record of every partition, asked for from now on. @throws Failure */
  readonly ends: () => Promise<readonly number[]>;
}

/** An owner of a partition, as it is asked. */
export interface LogOwner<T> {
  readonly name: string;
  /** Everything below the answer is applied; waits for `offset`, for so long. @throws Failure */
  applied(offset: number, timeoutMs: number): Promise<number>;
  read(): Promise<T>;
}

export interface FreshAnswer<T> {
  readonly answer: T;
  /** What the answer may miss. */
  readonly warning: string | undefined;
}

/** How long a read waits for an owner to catch up. */
const waitMs = 10_000;
/** One that has not caught up within this is not waited for alone. */
const patienceMs = 400;

export class LogFreshness {
  readonly #options: LogFreshnessOptions;
  #ends: Promise<readonly number[] | Failure> | undefined;

  constructor(options: LogFreshnessOptions) {
    this.#options = options;
  }

  /** Takes the end offsets; the first call counts. */
  begin(): void {
    if (this.#options.consistency === 'eventual') return;
    this.#ends ??= this.#options.ends().catch((error: unknown) => {
      if (error instanceof Failure) return error;
      throw error;
    });
  }

  /** Behind the last record that a partition of the log had when the read came. @throws Failure where that cannot be known */
  async endOf(partition: number): Promise<number> {
    this.begin();
    const ends = await this.#ends;
    if (ends instanceof Failure) throw ends;
    const end = ends?.[partition];
    if (end === undefined) throw unavailable(`partition ${partition}: where the log ends is not known`);
    return end;
  }

  /**
   * The answer of one owner of a partition, asked in the order in which they come.
   * @throws Failure where none answers, or none is fresh enough for a strong read
   */
  async ask<T>(partition: number, owners: readonly LogOwner<T>[]): Promise<FreshAnswer<T>> {
    if (this.#options.consistency === 'eventual')
      return { answer: await firstOf(partition, owners), warning: undefined };
    this.begin();
    const ends = await this.#ends;
    if (ends instanceof Failure) {
      return await this.#furthest(partition, owners, new Map(), `where the log ends cannot be known: ${ends.message}`);
    }
    const offset = ends?.[partition];
    if (offset === undefined) {
      return await this.#furthest(partition, owners, new Map(), 'where the log ends is not known');
    }
    const positions = new Map<LogOwner<T>, number>();
    const failures: string[] = [];
    const answer = await firstFresh(owners, offset, positions, failures);
    if (answer !== undefined) return { answer, warning: undefined };
    if (positions.size === 0) throw unavailable(`partition ${partition}: no owner answers: ${failures.join('; ')}`);
    const reached = Math.max(...positions.values());
    const why = `offset ${reached} of ${offset} is applied after ${waitMs} ms`;
    return await this.#furthest(partition, owners, positions, why);
  }

  async #furthest<T>(
    partition: number,
    owners: readonly LogOwner<T>[],
    known: ReadonlyMap<LogOwner<T>, number>,
    why: string,
  ): Promise<FreshAnswer<T>> {
    const warning = `partition ${partition}: what was written last may be missing: ${why}`;
    if (this.#options.consistency === 'strong') throw unavailable(warning);
    const positions = new Map(known);
    const failures: string[] = [];
    if (positions.size === 0) {
      await Promise.all(
        owners.map(async (owner) => {
          try {
            positions.set(owner, await owner.applied(0, 0));
          } catch (error) {
            failures.push(textOf(error));
          }
        }),
      );
    }
    const inOrder = [...positions].sort((a, b) => b[1] - a[1]).map(([owner]) => owner);
    if (inOrder.length === 0) throw unavailable(`partition ${partition}: no owner answers: ${failures.join('; ')}`);
    return { answer: await firstOf(partition, inOrder), warning };
  }
}

/** The answer of the first owner that has applied everything below `offset` and then answers; undefined where none does in time. */
function firstFresh<T>(
  owners: readonly LogOwner<T>[],
  offset: number,
  positions: Map<LogOwner<T>, number>,
  failures: string[],
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    let next = 0;
    let running = 0;
    let isOver = false;
    let refused: Failure | undefined;
    let patience: NodeJS.Timeout | undefined;
    const deadlineMs = performance.now() + waitMs;
    const end = (settle: () => void): void => {
      isOver = true;
      next = owners.length;
      clearTimeout(patience);
      settle();
    };
    const askNext = (): void => {
      const owner = owners[next++];
      if (owner === undefined) return;
      running++;
      const ask = async (): Promise<void> => {
        const position = await owner.applied(offset, Math.max(0, deadlineMs - performance.now()));
        positions.set(owner, position);
        // Another one has answered meanwhile: nobody would look at this answer.
        if (position < offset || isOver) return;
        const answer = await owner.read();
        end(() => resolve(answer));
      };
      ask()
        .catch((error: unknown) => {
          if (isOfMemory(error) && running > 1) {
            // Its label table was one too many: there is room for those that are read already.
            positions.delete(owner);
            refused = error;
          } else if (error instanceof Failure && !isOfOwner(error)) end(() => reject(error));
          else {
            positions.delete(owner);
            failures.push(textOf(error));
          }
        })
        .finally(() => {
          running--;
          if (next < owners.length && (refused === undefined || running === 0)) askNext();
          else if (running === 0) end(() => (refused === undefined ? resolve(undefined) : reject(refused)));
        });
    };
    const wait = (): void => {
      patience = setTimeout(() => {
        if (next >= owners.length) return;
        askNext();
        wait();
      }, patienceMs);
    };
    if (owners.length === 0) {
      end(() => resolve(undefined));
      return;
    }
    askNext();
    wait();
  });
}

async function firstOf<T>(partition: number, owners: readonly LogOwner<T>[]): Promise<T> {
  const failures: string[] = [];
  for (const owner of owners) {
    try {
      return await owner.read();
    } catch (error) {
      if (error instanceof Failure && !isOfOwner(error)) throw error;
      failures.push(textOf(error));
    }
  }
  throw unavailable(`partition ${partition}: no owner answers: ${failures.join('; ')}`);
}

/** Whether a label table found no room. */
export const isOfMemory = (error: unknown): error is Failure =>
  error instanceof Failure && (error.kind === 'query_limit' || error.kind === 'rate_limited');

/** Whether another owner may do better. */
export const isOfOwner = (failure: Failure): boolean =>
  failure.kind === 'unavailable' || failure.kind === 'timeout' || failure.kind === 'internal';

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function unavailable(text: string): Failure {
  return new Failure('unavailable', text, { retryAfterSeconds: 1 });
}
