/**
 * A tournament among a fixed number of players (Knuth, volume 3, 5.4.1): who is first, and after the first has changed, who is first
 * then, at one comparison a level. Owns the tree. Does not own what the players are: they are numbers, compared by whoever made it.
 */

export class LoserTree {
  readonly #count: number;
  readonly #isBefore: (a: number, b: number) => boolean;
  /** #losers[1..count-1]: who lost at that node; leaf of player p is node count + p. */
  readonly #losers: Int32Array;
  #winner = 0;

  /** @param isBefore a strict order: where neither is before the other, either may win */
  constructor(count: number, isBefore: (a: number, b: number) => boolean) {
    if (!(count > 0)) throw new RangeError('a tournament has players');
    this.#count = count;
    this.#isBefore = isBefore;
    this.#losers = new Int32Array(count);
    this.#winner = count === 1 ? 0 : this.#play(1);
  }

  /** The player that comes first. */
  get winner(): number {
    return this.#winner;
  }

  /** To be called when the winner has changed, and nobody else. */
  replay(): void {
    let winner = this.#winner;
    for (let node = (this.#count + winner) >>> 1; node >= 1; node >>>= 1) {
      const loser = this.#losers[node];
      if (this.#isBefore(loser, winner)) {
        this.#losers[node] = winner;
        winner = loser;
      }
    }
    this.#winner = winner;
  }

  /** Plays all below a node for the first time; returns its winner. */
  #play(node: number): number {
    if (node >= this.#count) return node - this.#count;
    const left = this.#play(2 * node);
    const right = this.#play(2 * node + 1);
    const leftWins = !this.#isBefore(right, left);
    this.#losers[node] = leftWins ? right : left;
    return leftWins ? left : right;
  }
}
