/**
 * Whether the steps of a range query may be evaluated apart: some here, others elsewhere, the answers put one behind the other.
 * Owns the list of what was shown to allow it; whatever is not on it does not. Three things keep steps together:
 * what looks at more than its own step (an invariant part of a subquery is evaluated at the first step alone); rules over the whole
 * range (series that lose their names must not meet under the same labels, whenever they were); and the order of series, which is
 * that of all that were selected over the range: it shows where floats are added and where equal values are chosen from.
 */
import type { AggregateOp, Expr } from '../syntax/ast.ts';
import { buildPlan, type QueryTimes } from './build-plan.ts';
import { children, type PlanNode, type VectorSelectorNode } from './logical-plan.ts';
import { wrapStepInvariant } from './wrap-step-invariant.ts';

/** Functions of a step. */
const functions: ReadonlySet<string> = new Set(
  (
    'abs absent ceil exp floor ln log10 log2 sgn sqrt timestamp acos acosh asin asinh atan atanh cos cosh deg rad sin sinh tan tanh ' +
    'histogram_avg histogram_count histogram_sum histogram_stddev histogram_stdvar histogram_fraction histogram_quantile ' +
    'scalar days_in_month day_of_month day_of_week day_of_year hour minute month year clamp clamp_max clamp_min round vector ' +
    'absent_over_time avg_over_time changes count_over_time delta deriv first_over_time idelta increase irate last_over_time ' +
    'max_over_time min_over_time present_over_time rate resets stddev_over_time stdvar_over_time sum_over_time predict_linear ' +
    'quantile_over_time pi time max_of min_of'
  ).split(' '),
);

/** Aggregations whose answer does not depend on the order of what comes in. */
const orderless: ReadonlySet<AggregateOp> = new Set(['count', 'min', 'max', 'group', 'quantile', 'count_values']);
/** Those where it may show: only over series in the order of their selection. */
const ordered: ReadonlySet<AggregateOp> = new Set(['sum', 'avg', 'stddev', 'stdvar', 'topk', 'bottomk']);

/**
 * @param delayedNameRemoval with it, the first point of a series that is put together says whether its name goes
 * @throws Failure as the evaluation of the expression would
 */
export function maySplitByTime(expr: Expr, times: QueryTimes, delayedNameRemoval: boolean): boolean {
  const plan = wrapStepInvariant(buildPlan(expr, times));
  return mayBeApart(plan, false) && !(delayedNameRemoval && hasUnion(plan));
}

function hasUnion(node: PlanNode): boolean {
  return (node.kind === 'binary' && node.op === 'or') || children(node).some(hasUnion);
}

function mayBeApart(node: PlanNode, inSubquery: boolean): boolean {
  switch (node.kind) {
    case 'vectorSelector':
      return hasOneName(node);
    case 'stepInvariant':
      if (inSubquery) return false;
      break;
    case 'call':
      if (!functions.has(node.name)) return false;
      break;
    case 'aggregate':
      if (!orderless.has(node.op) && !(ordered.has(node.op) && isInOrder(node.expr))) return false;
      // Of parameters that are wrong at several steps one is told of.
      if (node.param !== undefined && !isConstant(node.param)) return false;
      break;
    default:
  }
  return children(node).every((child) => mayBeApart(child, inSubquery || node.kind === 'subquery'));
}

function isConstant(node: PlanNode): boolean {
  return node.kind === 'number' || node.kind === 'string' || (node.kind === 'unary' && isConstant(node.expr));
}

/** Else two series could be left with the same labels when their names are dropped. */
function hasOneName({ matchers }: VectorSelectorNode): boolean {
  return matchers.some(({ name, type, value }) => name === '__name__' && type === '=' && value !== '');
}

/** Whether its series come in the order of one selection, so that fewer of them come in the same order. */
function isInOrder(node: PlanNode): boolean {
  switch (node.kind) {
    case 'number':
    case 'string':
    case 'vectorSelector':
    case 'matrixSelector':
      return true;
    case 'unary':
    case 'subquery':
    case 'stepInvariant':
      return isInOrder(node.expr);
    case 'call':
      return node.name !== 'histogram_quantile' && node.name !== 'histogram_fraction' && node.args.every(isInOrder);
    case 'binary':
      return node.matching === undefined && isInOrder(node.lhs) && isInOrder(node.rhs);
    default:
      return false;
  }
}
