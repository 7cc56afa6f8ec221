/**
 * The program that re2js made of a pattern, as columns: what those who run it share. The instructions are those of Go's regexp/syntax.
 * Owns which characters an instruction takes and what holds between two characters. Running it is regex-machine.ts and regex-captures.ts.
 */
import type { RE2JS } from 're2js';

interface Instruction {
  readonly op: number;
  readonly out: number;
  readonly arg: number;
  readonly runes: ArrayLike<number>;
  matchRune(rune: number): boolean;
}

/** From `rune` on instructions take a character. */
export const Op = {
  alt: 1,
  altMatch: 2,
  capture: 3,
  emptyWidth: 4,
  match: 6,
  nop: 7,
  rune: 8,
  any: 10,
  anyNotNewline: 11,
} as const;
const Empty = { beginLine: 1, endLine: 2, beginText: 4, endText: 8, wordBoundary: 16, noWordBoundary: 32 };
const newline = 10;
const foldCase = 1;

export class RegexProgram {
  readonly #instructions: readonly Instruction[];
  readonly start: number;
  readonly ops: Uint8Array;
  readonly outs: Int32Array;
  readonly args: Int32Array;
  /** The one character of an instruction that takes no other, else -1. */
  readonly #only: Int32Array;
  /** Whether any instruction looks at what is between two characters. */
  readonly looksAround: boolean;

  constructor(regex: RE2JS) {
    const { inst, start }: { inst: readonly Instruction[]; start: number } = regex.re2().prog;
    this.#instructions = inst;
    this.start = start;
    this.ops = Uint8Array.from(inst, ({ op }) => op);
    this.outs = Int32Array.from(inst, ({ out }) => out);
    this.args = Int32Array.from(inst, ({ arg }) => arg);
    this.#only = Int32Array.from(inst, ({ arg, runes }) =>
      runes.length === 1 && (arg & foldCase) === 0 ? (runes[0] as number) : -1,
    );
    this.looksAround = this.ops.includes(Op.emptyWidth);
  }

  get length(): number {
    return this.ops.length;
  }

  /** Whether the instruction goes on with this character. */
  takes(pc: number, rune: number): boolean {
    const only = this.#only[pc] as number;
    if (only >= 0) return only === rune;
    const op = this.ops[pc] as number;
    if (op === Op.any) return true;
    if (op === Op.anyNotNewline) return rune !== newline;
    return op >= Op.rune && (this.#instructions[pc] as Instruction).matchRune(rune);
  }

  /** What holds between two characters; -1 is no character. */
  around(before: number, after: number): number {
    if (!this.looksAround) return 0;
    let flags = isWord(before) === isWord(after) ? Empty.noWordBoundary : Empty.wordBoundary;
    if (before === -1) flags |= Empty.beginText | Empty.beginLine;
    if (before === newline) flags |= Empty.beginLine;
    if (after === -1) flags |= Empty.endText | Empty.endLine;
    if (after === newline) flags |= Empty.endLine;
    return flags;
  }
}

function isWord(rune: number): boolean {
  return (rune >= 48 && rune <= 57) || (rune >= 65 && rune <= 90) || rune === 95 || (rune >= 97 && rune <= 122);
}
