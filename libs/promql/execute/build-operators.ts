/**
 * From a plan to the operators that carry it out.
 * Owns the choice of operator for each node and where series of equal labels must be put together. The functions themselves are in
 * functions/, one family a file.
 */

import { goMax, goMin } from '../go-math.ts';
import type { AggregateNode, BinaryNode, CallNode, PlanNode, UnaryNode } from '../plan/logical-plan.ts';
import { isSetOp, type VectorMatching } from '../syntax/ast.ts';
import { buildAggregate } from './aggregate/build-aggregate.ts';
import { placeOf } from './annotations.ts';
import { scalarOperation } from './binary/element-operation.ts';
import { SetOperation } from './binary/set-operation.ts';
import { Union } from './binary/union.ts';
import { VectorScalarOperation } from './binary/vector-scalar.ts';
import { VectorVectorOperation } from './binary/vector-vector.ts';
import type { ExecutionContext } from './execution-context.ts';
import { buildVectorCall } from './functions/build-call.ts';
import { negate } from './functions/negate.ts';
import { type Grid, makeGrid, subqueryGrid } from './grid.ts';
import type { RangeOperator, ScalarOperator, VectorOperator } from './operator.ts';
import {
  constantScalar,
  emptyVector,
  mapScalars,
  ScalarVector,
  scalarOf,
  scalarOfVector,
  timeScalar,
} from './scalars.ts';
import { RangeSelectorScan } from './scan/range-selector.ts';
import { SmoothedSelectorScan } from './scan/smoothed-selector.ts';
import { SubquerySource } from './scan/subquery-source.ts';
import { VectorSelectorScan } from './scan/vector-selector.ts';
import { SeriesMap } from './series-map.ts';
import { SharedPart } from './shared-part.ts';
import { StepInvariantVector, stepInvariantScalar } from './step-invariant.ts';
import { type UniquePolicy, UniqueSeries } from './unique-series.ts';

/** What making an operator is worth: some microseconds. */
const workPerOperator = 64;

/** The operands of `a or b or c`, as far as all of it matches by the same labels. */
function operandsOfChain(node: BinaryNode, { on, labels }: VectorMatching): PlanNode[] {
  const operands: PlanNode[] = [];
  let rest: PlanNode = node;
  while (rest.kind === 'binary' && rest.op === 'or' && rest.matching !== undefined) {
    const { matching } = rest;
    if (matching.on !== on || matching.labels.join('\0') !== labels.join('\0')) break;
    operands.push(rest.rhs);
    rest = rest.lhs;
  }
  operands.push(rest);
  return operands.reverse();
}

/** Builds the parts of one grid; parts with a grid of their own get a builder of their own. */
export class OperatorBuilder {
  readonly context: ExecutionContext;
  readonly grid: Grid;

  constructor(context: ExecutionContext, grid: Grid) {
    this.context = context;
    this.grid = grid;
  }

  /** The operator of a node of type vector. A scalar is given as a vector of one series. */
  vector(node: PlanNode): VectorOperator {
    this.context.worked(workPerOperator);
    if (this.grid.stepCount === 0) return emptyVector;
    if (node.type === 'scalar') return new ScalarVector(this.scalar(node));
    switch (node.kind) {
      case 'vectorSelector':
        return node.smoothed
          ? new SmoothedSelectorScan(this.context, node, this.grid)
          : new VectorSelectorScan(this.context, node, this.grid);
      case 'stepInvariant':
        if (this.grid.isInstant) return this.vector(node.expr);
        return new StepInvariantVector(this.context, this.#once().vector(node.expr), this.grid.stepCount);
      case 'shared':
        return this.context
          .sharedPart(node.number, () => {
            const make = (): VectorOperator => this.vector(node.expr);
            return new SharedPart(this.context, this.grid.stepCount, node.uses, make);
          })
          .reader();
      case 'unary':
        return this.#unary(node);
      case 'binary':
        return this.#binary(node);
      case 'aggregate':
        return this.#aggregate(node);
      case 'call':
        return buildVectorCall(this, node);
      default:
        throw new Error(`${node.kind} is no vector`);
    }
  }

  /** The operator of a node of type scalar. */
  scalar(node: PlanNode): ScalarOperator {
    this.context.worked(workPerOperator);
    switch (node.kind) {
      case 'number':
        return constantScalar(this.context, this.grid, node.value);
      case 'stepInvariant':
        if (this.grid.isInstant) return this.scalar(node.expr);
        return stepInvariantScalar(this.context, this.#once().scalar(node.expr), this.grid.stepCount);
      case 'unary': {
        const operand = this.scalar(node.expr);
        return node.op === '-' ? mapScalars(this.context, [operand], (value) => -value) : operand;
      }
      case 'binary':
        return mapScalars(this.context, [this.scalar(node.lhs), this.scalar(node.rhs)], scalarOperation(node.op));
      case 'call':
        return this.#scalarCall(node);
      default:
        throw new Error(`${node.kind} is no scalar`);
    }
  }

  /** The operator of a node of type matrix: a range selector or a subquery. */
  range(node: PlanNode): RangeOperator {
    if (node.kind === 'matrixSelector') return new RangeSelectorScan(this.context, node, this.grid);
    if (node.kind !== 'subquery') throw new Error(`${node.kind} is no range vector`);
    const innerGrid = subqueryGrid(node, this.grid);
    const inner = new OperatorBuilder(this.context, innerGrid).vector(node.expr);
    return new SubquerySource(this.context, node, this.grid, inner, innerGrid);
  }

  /** Puts series of equal labels together where names have been dropped; with delayed removal they still have them. */
  uniqueUnlessDelayed(operator: VectorOperator, policy: UniquePolicy): VectorOperator {
    return this.context.flags.delayedNameRemoval ? operator : this.unique(operator, policy);
  }

  /**
   * Puts series of equal labels together behind what makes new labels at each step. With delayed removal Prometheus lets them be in an
   * instant query: what comes next may still choose among them.
   */
  uniqueOverSteps(operator: VectorOperator): VectorOperator {
    const { delayedNameRemoval } = this.context.flags;
    return delayedNameRemoval && this.grid.isInstant ? operator : this.unique(operator, 'merge');
  }

  unique(operator: VectorOperator, policy: UniquePolicy): VectorOperator {
    return new UniqueSeries(this.context, operator, this.grid, policy);
  }

  #once(): OperatorBuilder {
    return new OperatorBuilder(this.context, makeGrid(this.grid.startMs, this.grid.startMs, 0));
  }

  #unary({ op, expr }: UnaryNode): VectorOperator {
    const operand = this.vector(expr);
    if (op === '+') return operand;
    return this.uniqueUnlessDelayed(new SeriesMap(this.context, operand, [], negate), 'merge');
  }

  #binary(node: BinaryNode): VectorOperator {
    const { op, lhs, rhs, matching, returnBool } = node;
    const place = placeOf(node);
    if (matching === undefined) {
      const scalarSide = lhs.type === 'scalar' ? 'left' : 'right';
      const vector = this.vector(scalarSide === 'left' ? rhs : lhs);
      const scalar = this.scalar(scalarSide === 'left' ? lhs : rhs);
      const call = { op, returnBool, scalarSide, place } as const;
      return this.uniqueUnlessDelayed(new VectorScalarOperation(this.context, vector, scalar, call), 'merge');
    }
    if (op === 'or') {
      const operands = operandsOfChain(node, matching).map((operand) => this.vector(operand));
      return this.uniqueOverSteps(new Union(this.context, operands, matching, this.grid));
    }
    const left = this.vector(lhs);
    const right = this.vector(rhs);
    const operator = isSetOp(op)
      ? new SetOperation(this.context, op, left, right, matching, this.grid)
      : new VectorVectorOperation(this.context, left, right, this.grid, { op, matching, returnBool, place });
    return this.uniqueOverSteps(operator);
  }

  #aggregate(node: AggregateNode): VectorOperator {
    const param = node.param;
    return buildAggregate(this.context, this.grid, node, this.vector(node.expr), {
      scalar: param !== undefined && param.type === 'scalar' ? this.scalar(param) : undefined,
      text: param?.kind === 'string' ? param.value : undefined,
    });
  }

  #scalarCall({ name, args }: CallNode): ScalarOperator {
    switch (name) {
      case 'time':
        return timeScalar(this.context, this.grid);
      case 'pi':
        return constantScalar(this.context, this.grid, Math.PI);
      case 'min_of':
        return mapScalars(
          this.context,
          args.map((arg) => this.scalar(arg)),
          goMin,
        );
      case 'max_of':
        return mapScalars(
          this.context,
          args.map((arg) => this.scalar(arg)),
          goMax,
        );
      case 'scalar':
        return scalarOfVector(this.context, this.vector(args[0] as PlanNode), this.grid);
      default:
        return scalarOf(this.context, this.grid, () => {
          throw new Error(`no scalar function ${name}`);
        });
    }
  }
}
