/**
 * What is done between two turns of the event loop, counted and not timed: texts of a table that are looked at.
 * While it watches every look at the clock finds that a turn is over.
 */
import type { TestContext } from 'node:test';

export class WatchedTurns {
  turns = 0;
  /** Texts in the turn that looked at the most. */
  most = 0;
  #reads = 0;
  #goesOn = true;

  constructor(test: TestContext) {
    let nowMs = 0;
    test.mock.method(performance, 'now', () => (nowMs += 100));
    const turn = (): void => {
      this.#reads = 0;
      this.turns++;
      if (this.#goesOn) setImmediate(turn);
    };
    setImmediate(turn);
    test.after(() => {
      this.#goesOn = false;
    });
  }

  /** The same texts, looked at under its eyes. */
  texts(texts: string[]): string[] {
    return new Proxy(texts, {
      get: (target, key, own) => {
        if (typeof key === 'string' && key !== 'length') this.most = Math.max(this.most, ++this.#reads);
        return Reflect.get(target, key, own);
      },
    });
  }
}
