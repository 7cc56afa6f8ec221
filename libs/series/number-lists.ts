/** Lists of numbers, each known once: what label sets are told apart by, where a few labels of each count. */

/** Equal lists have one number. */
export class NumberLists {
  readonly list: (readonly number[])[] = [];
  readonly #root = new Level();
  #last: readonly number[] = [];
  #lastNumber = -1;

  numberOf(list: readonly number[]): number {
    if (this.#lastNumber >= 0 && isSame(this.#last, list)) return this.#lastNumber;
    let level = this.#root;
    for (let i = 0; i < list.length; i++) level = level.next(list[i]);
    if (level.number < 0) level.number = this.list.push(list.slice()) - 1;
    this.#lastNumber = level.number;
    this.#last = this.list[level.number];
    return level.number;
  }
}

class Level {
  /** Of the list that ends here, -1 where none does. */
  number = -1;
  #next: Map<number, Level> | undefined;

  next(number: number): Level {
    this.#next ??= new Map();
    let level = this.#next.get(number);
    if (level === undefined) {
      level = new Level();
      this.#next.set(number, level);
    }
    return level;
  }
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
