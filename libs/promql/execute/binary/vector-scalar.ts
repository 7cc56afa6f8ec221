/**
 * An operator between every point of a vector and the scalar of its step.
 * A comparison keeps the vector's point, on whichever side it stands. Facts: Prometheus promql/engine.go (VectorscalarBinop).
 */
import { type BinaryOp, isComparisonOp } from '../../syntax/ast.ts';
import type { Place } from '../annotations.ts';
import type { ExecutionContext } from '../execution-context.ts';
import type { OutputSeries, ScalarOperator, VectorOperator } from '../operator.ts';
import { withoutNames } from '../series-map.ts';
import { PointKind, type StepColumn } from '../step-column.ts';
import { ElementOperation, isArithmetic } from './element-operation.ts';

interface VectorScalarCall {
  readonly op: BinaryOp;
  readonly returnBool: boolean;
  readonly scalarSide: 'left' | 'right';
  readonly place: Place;
}

export class VectorScalarOperation implements VectorOperator {
  readonly #context: ExecutionContext;
  readonly #vector: VectorOperator;
  readonly #scalar: ScalarOperator;
  readonly #call: VectorScalarCall;
  #scalars: Float64Array = new Float64Array(0);
  #operation: ElementOperation | undefined;

  constructor(context: ExecutionContext, vector: VectorOperator, scalar: ScalarOperator, call: VectorScalarCall) {
    this.#context = context;
    this.#vector = vector;
    this.#scalar = scalar;
    this.#call = call;
  }

  series(): readonly OutputSeries[] {
    const series = this.#vector.series();
    this.#scalars = this.#scalar.values();
    const { op, returnBool, place } = this.#call;
    this.#operation = new ElementOperation(op, this.#context.annotations, place, this.#scalars.length);
    if (!isArithmetic(op) && !returnBool) return series;
    return withoutNames(this.#context, series);
  }

  next(out: StepColumn): void {
    this.#vector.next(out);
    const operation = this.#operation as ElementOperation;
    const float = operation.floatOperation;
    if (float !== undefined && !out.hasHistograms) {
      const { values } = out;
      // Points that are not there are computed too: cheaper than looking.
      const scalars = this.#scalars;
      const isRight = this.#call.scalarSide === 'right';
      this.#context.inParts(values.length, 1, (begin, end) => {
        if (isRight) for (let step = begin; step < end; step++) values[step] = float(values[step], scalars[step]);
        else for (let step = begin; step < end; step++) values[step] = float(scalars[step], values[step]);
      });
    } else {
      this.#applyEach(out, operation);
      this.#context.worked(out.stepCount);
    }
  }

  done(): void {
    this.#operation?.flushNotes();
    this.#vector.done();
  }

  #applyEach(out: StepColumn, operation: ElementOperation): void {
    const { op, returnBool, scalarSide } = this.#call;
    const isComparison = isComparisonOp(op);
    for (let step = 0; step < out.stepCount; step++) {
      const kind = out.kinds[step];
      if (kind === PointKind.none) continue;
      const value = kind === PointKind.float ? out.values[step] : 0;
      const histogram = kind === PointKind.histogram ? out.histogramAt(step) : null;
      const scalar = this.#scalars[step];
      if (scalarSide === 'right') operation.apply(step, value, scalar, histogram, null);
      else operation.apply(step, scalar, value, null, histogram);
      if (operation.failed || (!operation.keep && !returnBool)) {
        out.remove(step);
      } else if (returnBool) {
        out.setFloat(step, operation.keep ? 1 : 0);
      } else if (!isComparison) {
        if (operation.histogram !== null) out.setHistogram(step, operation.histogram);
        else out.setFloat(step, operation.value);
      }
    }
  }
}
