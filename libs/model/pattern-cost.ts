/**
 * How much a regular expression would take, before anything is done with it: roughly the states that its matcher will have.
 * Owns the estimate and the maximum that anybody may ask for. Compiling takes about ten microseconds a state, a match up to a sixth of one for each state and
 * character, so this says on which thread a pattern may be looked at, and which is looked at nowhere.
 */
import { Failure } from '../errors/failure.ts';

/** About two seconds of compiling. */
const costMax = 200_000;

const unicodeClassCost = 50;
const perlClassCost = 4;
const foldFactor = 2;
/** The last character that has another case; each of a range is folded by itself, so many of them in the time of a state. */
const foldEnd = 0x1e943;
const foldedPerState = 150;

const countedRepeat = /^\{(\d+)(?:(,)(\d*))?\}/;

/** An estimate from above, in states; never an error. */
export function patternCost(pattern: string): number {
  /** Costs of the groups that are open, outermost first. */
  const open: number[] = [0];
  let atom = 0;
  let folding = 0;
  const folds = pattern.includes('(?') && /\(\?[a-zA-Z]*i/.test(pattern);
  const addAtom = (cost: number): void => {
    open[open.length - 1] += atom;
    atom = cost;
  };
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i];
    if (char === '(') {
      addAtom(0);
      open.push(2);
    } else if (char === ')') {
      addAtom(0);
      const inside = open.pop() ?? 0;
      if (open.length === 0) open.push(0);
      atom = inside;
    } else if (char === '[') {
      const end = classEnd(pattern, i);
      const text = pattern.slice(i, end);
      addAtom(classCost(text));
      // Once, however often the class is repeated.
      if (folds) folding += foldingCost(text);
      i = end - 1;
    } else if (char === '\\') {
      const next = pattern[i + 1] ?? '';
      addAtom(next === 'p' || next === 'P' ? unicodeClassCost : /[dDwWsSbB]/.test(next) ? perlClassCost : 1);
      i++;
    } else if (char === '{') {
      const counted = countedRepeat.exec(pattern.slice(i, i + 24));
      if (counted === null) addAtom(1);
      else {
        const [text, least = '0', comma, most = ''] = counted;
        const times = Math.max(Number(least) + (comma === ',' && most === '' ? 1 : 0), Number(most), 1);
        atom *= Math.min(times, 1000);
        i += text.length - 1;
      }
    } else if (char === '*' || char === '+' || char === '?' || char === '|') {
      atom += 1;
    } else {
      addAtom(1);
    }
  }
  addAtom(0);
  const total = open.reduce((sum, cost) => sum + cost, 0);
  return folds ? total * foldFactor + folding : total;
}

/** Behind the bracket that closes the class at `begin`, or at the end where none does. */
function classEnd(pattern: string, begin: number): number {
  let i = begin + 1;
  if (pattern[i] === '^') i++;
  if (pattern[i] === ']') i++;
  for (; i < pattern.length; i++) {
    if (pattern[i] === '\\') i++;
    else if (pattern[i] === ']') return i + 1;
  }
  return pattern.length;
}

function classCost(text: string): number {
  const unicode = (text.match(/\\[pP]/g)?.length ?? 0) * unicodeClassCost;
  return 1 + text.length / 2 + unicode;
}

/** Of the ranges of a class, each as if it went up to the last character that the class names. */
function foldingCost(text: string): number {
  const ranges = text.split('-').length - 1;
  if (ranges === 0) return 0;
  let last = 0;
  for (const char of text) last = Math.max(last, char.codePointAt(0) ?? 0);
  for (const [, hex = ''] of text.matchAll(/\\x\{?([0-9a-fA-F]+)/g)) last = Math.max(last, Number.parseInt(hex, 16));
  return (ranges * Math.min(last, foldEnd)) / foldedPerState;
}

/** @throws Failure `bad_data` for a pattern that nobody should look at */
export function checkPatternCost(pattern: string): void {
  const cost = patternCost(pattern);
  if (cost <= costMax) return;
  throw new Failure(
    'bad_data',
    `the regular expression is too large: about ${Math.round(cost)} states, at most ${costMax} are allowed`,
  );
}

/**
 * What can make a short text costly: repetition that is counted, classes of Unicode, ranges of it whose cases are folded; and numbers of
 * characters, behind which any of these may stand.
 */
const costlyShapes = /\{\d|\\+p|\\[xu0-7]|\(\?[a-z]*i.*[\x80-\uffff]/is;

/** Whether a text, which holds patterns somewhere, may hold one that costs more than its length says. */
export function hasCostlyShape(text: string): boolean {
  return costlyShapes.test(text);
}
