/**
 * What the groups of a pattern match in a whole text, by the program that re2js made of it: all states at once, those first that the
 * pattern prefers, as in Go's regexp. Owns the walk and its telling of how far it is: re2js' own cannot be stopped, and takes
 * seconds where text and pattern are long. For other texts re2js is faster.
 */
import type { RE2JS } from 're2js';
import { Failure } from '../errors/failure.ts';
import { Op, RegexProgram } from './regex-program.ts';

/** Told now and then of what was done, in states that were looked at; throws to end it. */
export type Worked = (states: number) => void;

/** Places of groups that are remembered, all states together: tens of megabytes. */
const placesMax = 1 << 22;
/** In the stack of states to enter: what follows is a position to put back. */
const restore = -1;

export class RegexCaptures {
  readonly #program: RegexProgram;
  /** Numbers of a state: begin and end of each group, that of the whole text first. */
  readonly #width: number;
  readonly #seen: Float64Array;
  #round = 0;
  #current: Int32Array;
  #currentPlaces: Int32Array;
  #next: Int32Array;
  #nextPlaces: Int32Array;
  #nextCount = 0;
  /** Of the state that is being entered. */
  readonly #places: Int32Array;
  readonly #stack: number[] = [];

  /** @throws Failure `query_limit` where the pattern has so many groups and states that remembering them takes too much */
  constructor(regex: RE2JS) {
    this.#program = new RegexProgram(regex);
    const { length } = this.#program;
    this.#width = 2 * (regex.groupCount() + 1);
    if (length * this.#width > placesMax) {
      throw new Failure('query_limit', 'the regular expression has too many groups for a text of this length');
    }
    this.#seen = new Float64Array(length);
    this.#current = new Int32Array(length);
    this.#next = new Int32Array(length);
    this.#currentPlaces = new Int32Array(length * this.#width);
    this.#nextPlaces = new Int32Array(length * this.#width);
    this.#places = new Int32Array(this.#width);
  }

  /**
   * Begin and end of each group, -1 where it took no part; undefined where the text does not match.
   * The pattern must be one that matches from the begin of a text to its end.
   */
  match(text: string, worked: Worked): Int32Array | undefined {
    const program = this.#program;
    const width = this.#width;
    this.#begin();
    this.#places.fill(-1);
    this.#enter(program.start, 0, program.around(-1, runeAt(text, 0)), worked);
    for (let at = 0; at < text.length && this.#nextCount > 0; ) {
      const rune = runeAt(text, at);
      at += rune > 0xffff ? 2 : 1;
      [this.#current, this.#next] = [this.#next, this.#current];
      [this.#currentPlaces, this.#nextPlaces] = [this.#nextPlaces, this.#currentPlaces];
      const count = this.#nextCount;
      const around = program.around(rune, runeAt(text, at));
      worked(count);
      this.#begin();
      for (let i = 0; i < count; i++) {
        const pc = this.#current[i];
        if (!program.takes(pc, rune)) continue;
        this.#places.set(this.#currentPlaces.subarray(i * width, (i + 1) * width));
        this.#enter(program.outs[pc], at, around, worked);
      }
    }
    for (let i = 0; i < this.#nextCount; i++) {
      if (program.ops[this.#next[i]] !== Op.match) continue;
      const places = this.#nextPlaces.slice(i * width, (i + 1) * width);
      places[0] = 0;
      places[1] = text.length;
      return places;
    }
    return undefined;
  }

  #begin(): void {
    this.#nextCount = 0;
    this.#round++;
  }

  /** Adds the state and all that follow it without taking a character, the preferred ones first. */
  #enter(first: number, at: number, around: number, worked: Worked): void {
    const { ops, outs, args } = this.#program;
    const stack = this.#stack;
    const places = this.#places;
    stack.push(first);
    let entered = 0;
    while (stack.length > 0) {
      const pc = stack.pop() as number;
      if (pc === restore) {
        places[stack.pop() as number] = stack.pop() as number;
        continue;
      }
      if (this.#seen[pc] === this.#round) continue;
      this.#seen[pc] = this.#round;
      entered++;
      const op = ops[pc];
      if (op >= Op.rune || op === Op.match) {
        this.#nextPlaces.set(places, this.#nextCount * this.#width);
        this.#next[this.#nextCount++] = pc;
      } else if (op === Op.alt || op === Op.altMatch) {
        stack.push(args[pc], outs[pc]);
      } else if (op === Op.capture) {
        const slot = args[pc];
        if (slot < places.length) {
          stack.push(places[slot], slot, restore);
          places[slot] = at;
        }
        stack.push(outs[pc]);
      } else if (op === Op.nop || (op === Op.emptyWidth && (args[pc] & ~around) === 0)) stack.push(outs[pc]);
    }
    worked(entered + (this.#width >> 2));
  }
}

/** -1 behind the end. */
function runeAt(text: string, at: number): number {
  return text.codePointAt(at) ?? -1;
}
