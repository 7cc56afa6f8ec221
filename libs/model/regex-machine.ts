/**
 * Runs the program that re2js made of a pattern over a whole text, all of its states at once: time grows with program times text and
 * with nothing else. The sets of states that were met first are kept with what each character of ASCII makes of them, so that most
 * patterns are a look into a table for each character; a pattern that meets too many goes on without. Owns the simulation.
 * re2js' own automaton is slower, and hundreds of times so where it has many states.
 */
import type { RE2JS } from 're2js';
import { Failure } from '../errors/failure.ts';
import { Op, RegexProgram } from './regex-program.ts';

/** Steps of one match, some tenths of a second: a large pattern with a long text is refused then. */
const stepsMax = 20_000_000;
/** Sets that are kept, and how large they may be together. */
const setsMax = 512;
const keptItemsMax = 1 << 16;
const tableWidth = 128;
const unknown = -1;
const dead = -2;
const full = -3;

export class RegexMachine {
  readonly #program: RegexProgram;
  readonly #ops: Uint8Array;
  readonly #outs: Int32Array;
  readonly #args: Int32Array;
  readonly #looksAround: boolean;
  /** Instructions that take the next character, and those after it; `#seen` says in which round one was entered. */
  #current: Int32Array;
  #next: Int32Array;
  #nextCount = 0;
  readonly #seen: Float64Array;
  #round = 0;
  readonly #stack: Int32Array;
  #steps = 0;
  /** Sets of instructions that were met, the first one at 0, and by set and character the set that follows. */
  readonly #sets: Int32Array[] = [];
  readonly #setNumbers = new Map<string, number>();
  readonly #accepts = new Uint8Array(setsMax);
  #table = new Int16Array(0);
  #keptItems = 0;

  constructor(regex: RE2JS) {
    const program = new RegexProgram(regex);
    const { ops, outs, args, looksAround, length } = program;
    this.#program = program;
    this.#ops = ops;
    this.#outs = outs;
    this.#args = args;
    this.#looksAround = looksAround;
    this.#current = new Int32Array(length);
    this.#next = new Int32Array(length);
    this.#seen = new Float64Array(length);
    this.#stack = new Int32Array(2 * length + 1);
  }

  /** Whether all of the text matches. @throws Failure `bad_data` where that takes too many steps */
  test(text: string): boolean {
    this.#steps = 0;
    // What is between two characters is not kept in the sets.
    if (this.#looksAround) {
      this.#begin();
      this.#enter(
        this.#program.start,
        this.#program.around(-1, text.length === 0 ? -1 : (text.codePointAt(0) as number)),
      );
      return this.#simulate(text, 0);
    }
    let set = this.#firstSet();
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      let next = unit < tableWidth ? (this.#table[set * tableWidth + unit] as number) : unknown;
      if (next === unknown) {
        const rune = text.codePointAt(at) as number;
        this.#step(this.#sets[set] as Int32Array, rune);
        next = this.#kept();
        if (rune > 0xffff) at++;
        if (next === full) return this.#simulate(text, at + 1);
        if (rune < tableWidth) this.#table[set * tableWidth + rune] = next;
      }
      if (next === dead) return false;
      set = next;
    }
    return this.#accepts[set] === 1;
  }

  #firstSet(): number {
    if (this.#sets.length > 0) return 0;
    this.#begin();
    this.#enter(this.#program.start, 0);
    // An empty set is kept, too: it has no way out.
    return this.#keep();
  }

  /** The number of the set that was entered last; `dead` if it is empty, `full` if there is no room for it. */
  #kept(): number {
    if (this.#nextCount === 0) return dead;
    if (this.#keptItems + this.#nextCount > keptItemsMax) return full;
    const key = this.#next.subarray(0, this.#nextCount).join();
    const known = this.#setNumbers.get(key);
    if (known !== undefined) return known;
    if (this.#sets.length === setsMax) return full;
    this.#keptItems += this.#nextCount;
    this.#setNumbers.set(key, this.#sets.length);
    return this.#keep();
  }

  #keep(): number {
    const number = this.#sets.length;
    this.#sets.push(this.#next.slice(0, this.#nextCount));
    if (this.#hasMatch()) this.#accepts[number] = 1;
    if ((number + 1) * tableWidth > this.#table.length) {
      const larger = new Int16Array(Math.max(4, number * 2) * tableWidth).fill(unknown);
      larger.set(this.#table);
      this.#table = larger;
    }
    return number;
  }

  #hasMatch(): boolean {
    for (let i = 0; i < this.#nextCount; i++) if (this.#ops[this.#next[i] as number] === Op.match) return true;
    return false;
  }

  /** Goes on from what was entered last, with the character at `from`. */
  #simulate(text: string, from: number): boolean {
    for (let at = from; at < text.length; ) {
      if (this.#nextCount === 0) return false;
      const rune = text.codePointAt(at) as number;
      at += rune > 0xffff ? 2 : 1;
      [this.#current, this.#next] = [this.#next, this.#current];
      const after = this.#looksAround && at < text.length ? (text.codePointAt(at) as number) : -1;
      this.#step(this.#current, rune, this.#nextCount, after);
    }
    return this.#hasMatch();
  }

  /** Enters all that the instructions lead to that take the character. */
  #step(from: Int32Array, rune: number, count = from.length, after = -1): void {
    if (this.#steps > stepsMax) {
      throw new Failure('bad_data', 'the regular expression takes too long to match a text of this length');
    }
    this.#begin();
    const around = this.#program.around(rune, after);
    for (let i = 0; i < count; i++) {
      const pc = from[i] as number;
      if (this.#program.takes(pc, rune)) this.#enter(this.#outs[pc] as number, around);
    }
  }

  #begin(): void {
    this.#nextCount = 0;
    this.#round++;
  }

  /** Adds the instruction and all that follow it without taking a character. */
  #enter(first: number, around: number): void {
    const stack = this.#stack;
    let depth = 0;
    stack[depth++] = first;
    while (depth > 0) {
      const pc = stack[--depth] as number;
      this.#steps++;
      if (this.#seen[pc] === this.#round) continue;
      this.#seen[pc] = this.#round;
      const op = this.#ops[pc] as number;
      if (op >= Op.rune || op === Op.match) this.#next[this.#nextCount++] = pc;
      else if (op === Op.alt || op === Op.altMatch) {
        stack[depth++] = this.#args[pc] as number;
        stack[depth++] = this.#outs[pc] as number;
      } else if (op === Op.capture || op === Op.nop) stack[depth++] = this.#outs[pc] as number;
      else if (op === Op.emptyWidth && ((this.#args[pc] as number) & ~around) === 0) {
        stack[depth++] = this.#outs[pc] as number;
      }
    }
  }
}
