/** What one select takes of the memory of its query for label tables, so that all of it can be given back when its answer is let go. */
import { Failure } from '../errors/failure.ts';
import type { TableMemory } from './series-source.ts';

export class TakenMemory implements TableMemory {
  readonly #memory: TableMemory | undefined;
  #textBytes = 0;
  #numberBytes = 0;
  #isReleased = false;

  /** @param memory of which it is a part; undefined: nothing is counted */
  constructor(memory: TableMemory | undefined) {
    this.#memory = memory;
  }

  /** @throws Failure that of the memory; `unavailable` once it is released: who still takes need not go on */
  take(textBytes: number, numberBytes: number): void {
    if (this.#isReleased) throw new Failure('unavailable', 'nobody waits for this answer any more');
    this.#memory?.take(textBytes, numberBytes);
    this.#textBytes += textBytes;
    this.#numberBytes += numberBytes;
  }

  give(textBytes: number, numberBytes: number): void {
    // All of it was given back.
    if (this.#isReleased) return;
    this.#textBytes -= textBytes;
    this.#numberBytes -= numberBytes;
    this.#memory?.give(textBytes, numberBytes);
  }

  /** Nothing of it is held any more. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#memory?.give(this.#textBytes, this.#numberBytes);
  }
}
