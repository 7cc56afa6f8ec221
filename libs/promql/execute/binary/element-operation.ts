/**
 * One operator between two points: floats, histograms, or one of each.
 * Owns what each operator does with each pair of kinds, and what is to be said where it does nothing.
 * Facts: Prometheus promql/engine.go (vectorElemBinop, scalarBinop).
 */
import { Failure } from '../../../errors/failure.ts';
import { type Histogram, ResetHint } from '../../../model/histogram.ts';
import {
  addHistograms,
  compactHistogram,
  divideHistogram,
  equalHistograms,
  type HistogramSum,
  multiplyHistogram,
  subtractHistograms,
} from '../../../model/histogram-arithmetic.ts';
import { trimHistogram } from '../../../model/histogram-trim.ts';
import { goPow } from '../../go-math.ts';
import { type BinaryOp, isComparisonOp } from '../../syntax/ast.ts';
import { type AnnotationLevel, type Annotations, type Place, words } from '../annotations.ts';

type ArithmeticOp = '+' | '-' | '*' | '/' | '%' | '^' | 'atan2';
type FloatOperation = (lhs: number, rhs: number) => number;

const arithmetic: Readonly<Record<ArithmeticOp, FloatOperation>> = {
  '+': (lhs, rhs) => lhs + rhs,
  '-': (lhs, rhs) => lhs - rhs,
  '*': (lhs, rhs) => lhs * rhs,
  '/': (lhs, rhs) => lhs / rhs,
  '%': (lhs, rhs) => lhs % rhs,
  '^': goPow,
  atan2: Math.atan2,
};

const comparison: Readonly<Record<string, (lhs: number, rhs: number) => boolean>> = {
  '==': (lhs, rhs) => lhs === rhs,
  '!=': (lhs, rhs) => lhs !== rhs,
  '>': (lhs, rhs) => lhs > rhs,
  '<': (lhs, rhs) => lhs < rhs,
  '>=': (lhs, rhs) => lhs >= rhs,
  '<=': (lhs, rhs) => lhs <= rhs,
};

/** Whether the operator computes a new value; such a result is no longer the metric it was. */
export function isArithmetic(op: BinaryOp): op is ArithmeticOp {
  return Object.hasOwn(arithmetic, op);
}

/** The operator between two scalars; comparisons give 1 or 0. @throws Failure execution for those of histograms alone */
export function scalarOperation(op: BinaryOp): FloatOperation {
  if (isArithmetic(op)) return arithmetic[op];
  const compare = comparison[op];
  if (compare === undefined) throw new Failure('execution', `operator "${op}" not allowed for Scalar operations`);
  return (lhs, rhs) => (compare(lhs, rhs) ? 1 : 0);
}

/**
 * An operator at work: what it made of two points is read by the caller before the next use. Of what there is to say at a step only the
 * last is said, as in Prometheus, so the notes come out at the end.
 */
export class ElementOperation {
  readonly op: BinaryOp;
  readonly #arithmetic: FloatOperation | undefined;
  readonly #compare: ((lhs: number, rhs: number) => boolean) | undefined;
  readonly #annotations: Annotations;
  readonly #place: Place;
  readonly #stepCount: number;
  readonly #notes: { readonly level: AnnotationLevel; readonly text: string }[] = [];
  /** Which note was the last at each step, from 1. */
  #lastNote: Uint8Array | undefined;
  #step = 0;
  /** A comparison that came out false keeps nothing; neither does a pair that the operator does not take. */
  keep = false;
  /** The pair was not taken: not even `bool` makes a point of it. */
  failed = false;
  value = 0;
  histogram: Histogram | null = null;

  constructor(op: BinaryOp, annotations: Annotations, place: Place, stepCount: number) {
    this.op = op;
    this.#stepCount = stepCount;
    this.#arithmetic = isArithmetic(op) ? arithmetic[op] : undefined;
    this.#compare = isComparisonOp(op) ? comparison[op] : undefined;
    this.#annotations = annotations;
    this.#place = place;
  }

  /** The operator on two floats, where it is arithmetic: the fast way. */
  get floatOperation(): FloatOperation | undefined {
    return this.#arithmetic;
  }

  /** Passes on what there is to say. */
  flushNotes(): void {
    const said = new Set(this.#lastNote);
    this.#notes.forEach(({ level, text }, i) => {
      if (!said.has(i + 1)) return;
      if (level === 'info') this.#annotations.info(text, this.#place);
      else this.#annotations.warn(text, this.#place);
    });
    this.#lastNote = undefined;
  }

  #note(level: AnnotationLevel, text: string): void {
    let index = this.#notes.findIndex((note) => note.text === text);
    if (index < 0) index = this.#notes.push({ level, text }) - 1;
    this.#lastNote ??= new Uint8Array(this.#stepCount);
    this.#lastNote[this.#step] = index + 1;
  }

  /** Applies the operator; an operand with a histogram is a histogram. */
  apply(step: number, lhs: number, rhs: number, lhsHistogram: Histogram | null, rhsHistogram: Histogram | null): void {
    this.#step = step;
    this.failed = false;
    this.histogram = null;
    if (lhsHistogram !== null || rhsHistogram !== null) {
      this.#applyHistograms(lhs, rhs, lhsHistogram, rhsHistogram);
    } else if (this.#arithmetic !== undefined) {
      this.keep = true;
      this.value = this.#arithmetic(lhs, rhs);
    } else if (this.#compare !== undefined) {
      this.keep = this.#compare(lhs, rhs);
      this.value = lhs;
    } else {
      this.#refuse('float', 'float');
    }
  }

  #applyHistograms(lhs: number, rhs: number, lhsHistogram: Histogram | null, rhsHistogram: Histogram | null): void {
    this.value = 0;
    this.keep = true;
    const { op } = this;
    if (lhsHistogram === null && rhsHistogram !== null) {
      if (op === '*') this.histogram = compactHistogram(multiplyHistogram(rhsHistogram, lhs));
      else this.#refuse('float', 'histogram');
    } else if (lhsHistogram !== null && rhsHistogram === null) {
      if (op === '*') this.histogram = compactHistogram(multiplyHistogram(lhsHistogram, rhs));
      else if (op === '/') this.histogram = compactHistogram(divideHistogram(lhsHistogram, rhs));
      else if (op === '</') this.histogram = trimHistogram(lhsHistogram, rhs, 'below');
      else if (op === '>/') this.histogram = trimHistogram(lhsHistogram, rhs, 'above');
      else this.#refuse('histogram', 'float');
    } else if (lhsHistogram !== null && rhsHistogram !== null) {
      if (op === '+') this.#combined(addHistograms(lhsHistogram, rhsHistogram), 'addition');
      else if (op === '-') this.#combined(subtractHistograms(lhsHistogram, rhsHistogram), 'subtraction');
      else if (op === '==' || op === '!=') {
        this.histogram = lhsHistogram;
        this.keep = equalHistograms(lhsHistogram, rhsHistogram) === (op === '==');
      } else this.#refuse('histogram', 'histogram');
    }
  }

  #combined(sum: HistogramSum | null, operation: 'addition' | 'subtraction'): void {
    if (sum === null || sum.resetCollision) {
      this.#note('warning', sum === null ? words.incompatibleBucketLayout(this.op) : words.resetCollision(operation));
      this.keep = false;
      this.failed = true;
      return;
    }
    if (sum.boundsReconciled) this.#note('info', words.reconciledBuckets(operation));
    const result = compactHistogram(sum.histogram);
    this.histogram = operation === 'subtraction' ? { ...result, resetHint: ResetHint.gauge } : result;
  }

  #refuse(lhs: 'float' | 'histogram', rhs: 'float' | 'histogram'): void {
    this.#note('info', words.incompatibleTypes(this.op, lhs, rhs));
    this.keep = false;
    this.failed = true;
  }
}
