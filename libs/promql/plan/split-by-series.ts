/**
 * Whether an expression may be evaluated over parts of the series, each elsewhere, and how the answers are put together.
 * Owns the list of what was shown to allow it; whatever is not on it does not. Series are told apart by some of their labels, so that
 * those that are equal in them are in one part. Two ways:
 * - `whole`: labels that every step of the way keeps and never looks beyond. Then whatever meets anywhere is in one part, every group
 *   is evaluated whole, from the same series in the same order, and the answers stand beside each other, bit for bit.
 * - `parts`: the outermost aggregation is of the kind that is made of the same of parts: counts, extremes, and sums, which differ
 *   in the last bits as floats are added in another order.
 * What must see everything at once, or shows the order of what is not in the order of a selection, has neither.
 */
import type { ShardLabels } from '../../series/series-shard.ts';
import { metadataNames } from '../execute/series-labels.ts';
import type { AggregateOp, Expr, VectorMatching } from '../syntax/ast.ts';
import { buildPlan, type QueryTimes } from './build-plan.ts';
import { type AggregateNode, type BinaryNode, type CallNode, children, type PlanNode } from './logical-plan.ts';

/** How the answers of parts become one: side by side, or series of equal labels point by point. */
export type ShardJoin = 'beside' | 'sum' | 'min' | 'max' | 'group';

export interface SeriesSplit {
  readonly whole: ShardLabels | undefined;
  readonly parts: { readonly labels: ShardLabels; readonly join: ShardJoin } | undefined;
}

/** Functions of one series each, whose result has the labels of their argument, but for the name. */
const ofOneSeries: ReadonlySet<string> = new Set(
  (
    'abs acos acosh asin asinh atan atanh ceil changes clamp clamp_max clamp_min cos cosh deg delta deriv double_exponential_smoothing exp ' +
    'floor idelta increase irate ln log10 log2 predict_linear rad rate resets round sgn sin sinh sqrt tan tanh timestamp ' +
    'avg_over_time count_over_time first_over_time last_over_time mad_over_time max_over_time min_over_time present_over_time ' +
    'quantile_over_time stddev_over_time stdvar_over_time sum_over_time ' +
    'histogram_avg histogram_count histogram_sum histogram_stddev histogram_stdvar'
  ).split(' '),
);

/** Aggregations that make one series of a group. */
const ofGroups: ReadonlySet<AggregateOp> = new Set([
  ...(['sum', 'avg', 'count', 'group', 'min', 'max', 'stddev', 'stdvar', 'quantile'] as const),
]);
/** Aggregations in which it may show in which order series come. */
const ordered: ReadonlySet<AggregateOp> = new Set([
  ...(['sum', 'avg', 'stddev', 'stdvar', 'topk', 'bottomk', 'limitk'] as const),
]);
const selections: ReadonlySet<AggregateOp> = new Set(['topk', 'bottomk', 'limitk']);

const joins: ReadonlyMap<AggregateOp, ShardJoin> = new Map([
  ...([
    ['sum', 'sum'],
    ['count', 'sum'],
    ['min', 'min'],
    ['max', 'max'],
    ['group', 'group'],
  ] as const),
]);

/** The ways of an expression; undefined where it has none. @throws Failure as the evaluation of the expression would */
export function splitBySeries(expr: Expr, times: QueryTimes): SeriesSplit | undefined {
  const plan = buildPlan(expr, times);
  // Where nothing is aggregated the answer itself is the work.
  if (!aggregatesAll(plan)) return undefined;
  const whole = labelsOf(plan);
  const parts = partsOf(plan);
  return whole === undefined && parts === undefined ? undefined : { whole, parts };
}

function aggregatesAll(node: PlanNode): boolean {
  if (node.kind === 'aggregate') return true;
  return node.kind !== 'vectorSelector' && children(node).every(aggregatesAll);
}

function partsOf(node: PlanNode): SeriesSplit['parts'] {
  const join = node.kind === 'aggregate' ? joins.get(node.op) : undefined;
  if (node.kind !== 'aggregate' || join === undefined) return undefined;
  const labels = labelsOf(node.expr);
  return labels === undefined ? undefined : { labels, join };
}

/** The labels by which series may be told apart below and at this node: undefined where there are none. */
function labelsOf(node: PlanNode): ShardLabels | undefined {
  switch (node.kind) {
    case 'vectorSelector':
      return { names: metadataNames, without: true };
    case 'matrixSelector':
      return labelsOf(node.selector);
    case 'subquery':
    case 'unary':
      return labelsOf(node.expr);
    case 'call':
      return labelsOfCall(node);
    case 'aggregate':
      return labelsOfAggregate(node);
    case 'binary':
      return labelsOfBinary(node);
    default:
      return undefined;
  }
}

function labelsOfCall({ name, args }: CallNode): ShardLabels | undefined {
  const changed = changedLabel(name, args);
  if (!ofOneSeries.has(name) && changed === undefined) return undefined;
  const argument = onlyWithSeries(args);
  const labels = argument === undefined ? undefined : labelsOf(argument);
  return labels === undefined || changed === undefined ? labels : both(labels, { names: [changed], without: true });
}

/** The label that a function takes away or sets; it looks at no others but those of its own series. */
function changedLabel(name: string, args: readonly PlanNode[]): string | undefined {
  if (name === 'histogram_quantile' || name === 'histogram_fraction') return 'le';
  const [, label] = args;
  return (name === 'label_replace' || name === 'label_join') && label?.kind === 'string' ? label.value : undefined;
}

/** The argument that has series, where no other one selects any. */
function onlyWithSeries(args: readonly PlanNode[]): PlanNode | undefined {
  const [argument, ...others] = args.filter((arg) => arg.type === 'vector' || arg.type === 'matrix');
  if (others.length > 0 || args.some((arg) => arg !== argument && selects(arg))) return undefined;
  return argument;
}

function labelsOfAggregate({ op, expr, param, grouping, without }: AggregateNode): ShardLabels | undefined {
  if (!ofGroups.has(op) && !selections.has(op) && op !== 'count_values') return undefined;
  if (param !== undefined && selects(param)) return undefined;
  if (ordered.has(op) && !isInOrder(expr)) return undefined;
  const inner = labelsOf(expr);
  if (inner === undefined) return undefined;
  const labels = both(inner, { names: grouping, without });
  if (op !== 'count_values' || labels === undefined) return labels;
  return param?.kind === 'string' ? both(labels, { names: [param.value], without: true }) : undefined;
}

function labelsOfBinary(node: BinaryNode): ShardLabels | undefined {
  const { lhs, rhs, matching } = node;
  if (matching === undefined) {
    const side = onlyWithSeries([lhs, rhs]);
    return side === undefined ? undefined : labelsOf(side);
  }
  if (matching.fillLhs !== undefined || matching.fillRhs !== undefined) return undefined;
  if (matching.card !== 'many-to-many') {
    // Two of one group are an error as soon as anything stands on the other side: it would have to be seen everywhere.
    const one = matching.card === 'one-to-many' ? lhs : rhs;
    if (!isUnique(one, matching)) return undefined;
  }
  const left = labelsOf(lhs);
  const right = labelsOf(rhs);
  const matched = both({ names: matching.labels, without: !matching.on }, { names: matching.include, without: true });
  if (left === undefined || right === undefined || matched === undefined) return undefined;
  const sides = both(left, right);
  return sides === undefined ? undefined : both(sides, matched);
}

/** Whether no two of its series are in one group of the matching. */
function isUnique(node: PlanNode, matching: VectorMatching): boolean {
  const { labels, on } = matching;
  switch (node.kind) {
    case 'aggregate':
      if (!ofGroups.has(node.op) || node.without) return false;
      return node.grouping.every((name) => labels.includes(name) === on && !metadataNames.includes(name));
    case 'unary':
      return isUnique(node.expr, matching);
    case 'binary': {
      const side = node.matching === undefined ? onlyWithSeries([node.lhs, node.rhs]) : undefined;
      return side !== undefined && isUnique(side, matching);
    }
    default:
      return false;
  }
}

/** Whether the series of a part come in the order in which they come among all: that of a selection, or of groups of such. */
function isInOrder(node: PlanNode): boolean {
  switch (node.kind) {
    case 'number':
    case 'string':
    case 'vectorSelector':
    case 'matrixSelector':
      return true;
    case 'unary':
    case 'subquery':
      return isInOrder(node.expr);
    case 'call':
      return node.type === 'scalar' || (ofOneSeries.has(node.name) && node.args.every(isInOrder));
    case 'aggregate':
      return ofGroups.has(node.op) && isInOrder(node.expr);
    case 'binary':
      return node.matching === undefined && isInOrder(node.lhs) && isInOrder(node.rhs);
    default:
      return false;
  }
}

function selects(node: PlanNode): boolean {
  return node.kind === 'vectorSelector' || children(node).some(selects);
}

/** Labels that are among both; undefined where there are none. */
function both(a: ShardLabels, b: ShardLabels): ShardLabels | undefined {
  if (a.without && b.without) return { names: [...new Set([...a.names, ...b.names])].sort(), without: true };
  const [named, other] = a.without ? [b, a] : [a, b];
  const names = [...new Set(named.names)].filter((name) => other.names.includes(name) !== other.without).sort();
  return names.length === 0 ? undefined : { names, without: false };
}
