/**
 * How closely two engines must agree about an expression.
 * Owns that judgement: to the last bit, unless a mathematical kernel (exp, logarithms, powers, trigonometry, interpolation of native
 * histograms) took part, whose last digit is its maker's business: then within 1e-12. Where such a number decides whether there is
 * a sample at all, or loses its leading digits, nothing can be said (`undefined`), and the expression is not worth asking.
 */
import { type Expr, isComparisonOp, isSetOp } from '../../libs/promql/syntax/ast.ts';
import type { Agreement } from '../support/compare-answers.ts';

/** What is known of the values of a node; `rough` may differ by any amount. */
type Exactness = 'bits' | 'close' | 'rough';

const kernels = new Set(
  (
    'exp ln log2 log10 sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh ' +
    'histogram_quantile histogram_quantiles histogram_fraction histogram_stddev histogram_stdvar'
  ).split(' '),
);
/** Trimming a histogram interpolates in the bucket that it cuts. */
const kernelOperators = new Set<string>(['^', 'atan2', '</', '>/']);
/** Their result is as close as their argument, or not worse by more than a bit. */
const gentle = new Set(
  (
    'abs sqrt clamp clamp_min clamp_max deg rad vector scalar label_replace label_join last_over_time first_over_time ' +
    'min_over_time max_over_time min max sort_by_label sort_by_label_desc limitk limit_ratio min_of max_of info'
  ).split(' '),
);
/** They look whether there is a sample, not at its value. */
const blind = new Set(
  'count group absent absent_over_time present_over_time count_over_time timestamp start_timestamp ts_of_last_over_time ts_of_first_over_time'.split(
    ' ',
  ),
);

/** Undefined where nothing can be demanded. */
export function agreementOf(expr: Expr): Agreement | undefined {
  try {
    const exactness = exactnessOf(expr);
    return exactness === 'rough' ? undefined : exactness;
  } catch (error) {
    if (error instanceof DecidedByRoundingError) return undefined;
    throw error;
  }
}

/** Whether a sample is there depends on the last digit of another. */
class DecidedByRoundingError extends Error {}

function exactnessOf(expr: Expr): Exactness {
  switch (expr.kind) {
    case 'number':
    case 'string':
    case 'vectorSelector':
    case 'matrixSelector':
      return 'bits';
    case 'subquery':
    case 'paren':
    case 'unary':
      return exactnessOf(expr.expr);
    case 'call':
      return ofOperation(expr.func.name, expr.args);
    case 'aggregate':
      return ofOperation(expr.op, expr.param === undefined ? [expr.expr] : [expr.param, expr.expr]);
    case 'binary': {
      const lhs = exactnessOf(expr.lhs);
      const rhs = exactnessOf(expr.rhs);
      const both = worst(lhs, rhs);
      if (expr.op === 'and' || expr.op === 'unless') return lhs;
      if (isSetOp(expr.op)) return both;
      if (isComparisonOp(expr.op)) {
        if (both === 'bits') return 'bits';
        if (!expr.returnBool) throw new DecidedByRoundingError();
        return 'rough';
      }
      if (kernelOperators.has(expr.op)) return both === 'bits' ? 'close' : 'rough';
      if (expr.op === '*' || expr.op === '/') return both;
      return both === 'bits' ? 'bits' : 'rough';
    }
  }
}

function ofOperation(name: string, args: readonly Expr[]): Exactness {
  const exactness = args.map(exactnessOf).reduce(worst, 'bits');
  if (exactness !== 'bits' && (name === 'count_values' || name === 'topk' || name === 'bottomk')) {
    throw new DecidedByRoundingError();
  }
  if (kernels.has(name)) return exactness === 'bits' ? 'close' : 'rough';
  if (blind.has(name)) return 'bits';
  if (exactness === 'bits' || gentle.has(name)) return exactness;
  return 'rough';
}

function worst(a: Exactness, b: Exactness): Exactness {
  if (a === 'rough' || b === 'rough') return 'rough';
  return a === 'close' || b === 'close' ? 'close' : 'bits';
}
