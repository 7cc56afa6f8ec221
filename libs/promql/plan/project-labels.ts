/**
 * Optimiser: labels that nobody asks for are not read.
 * Below an aggregation by some labels, selectors are told that these (and what makes up the metric's name) are all that is wanted:
 * 100,000 series of five namespaces then have five label sets. Only where nothing in between looks at labels or finds two series alike
 * that were not: functions that take the name away are passed only if all series have the same one.
 */
import { metricName } from '../../model/labels.ts';
import { type Worked, workPerNode } from '../worked.ts';
import type { AggregateNode, PlanNode, VectorSelectorNode } from './logical-plan.ts';
import { mapChildren } from './logical-plan.ts';

/** Aggregations that look at the labels of the groups alone. */
const plainAggregations: ReadonlySet<string> = new Set('sum avg count group min max stddev stdvar quantile'.split(' '));

/** Functions whose result has the labels of their argument, or these without the name. */
const labelKeepers: ReadonlySet<string> = new Set(
  (
    'abs acos acosh asin asinh atan atanh ceil changes clamp clamp_max clamp_min cos cosh deg delta deriv double_exponential_smoothing exp ' +
    'floor idelta increase irate ln log10 log2 predict_linear rad rate resets round sgn sin sinh sqrt tan tanh ' +
    'avg_over_time count_over_time first_over_time last_over_time mad_over_time max_over_time min_over_time present_over_time ' +
    'quantile_over_time stddev_over_time stdvar_over_time sum_over_time'
  ).split(' '),
);

/** So many names cross to who reads the series, and are looked up there: whoever lists more gets all labels. */
const namesMax = 1_000;

/** The plan with such selectors marked. */
export function projectLabels(node: PlanNode, worked: Worked): PlanNode {
  worked(workPerNode);
  const inner = mapChildren(node, (child) => projectLabels(child, worked));
  return inner.kind === 'aggregate' ? projectBelow(inner) : inner;
}

function projectBelow(node: AggregateNode): AggregateNode {
  if (!plainAggregations.has(node.op) || node.without || !node.grouping.every(isBehindName)) return node;
  if (node.grouping.length > namesMax) return node;
  if (node.expr.kind !== 'vectorSelector' && !hasOneName(node.expr)) return node;
  const labels = [...new Set([metricName, '__type__', '__unit__', ...node.grouping])].sort();
  return { ...node, expr: visit(node.expr, labels) };
}

/** The name stands first among the labels that are kept: operators see at once then that it is the same everywhere. */
function isBehindName(name: string): boolean {
  return name >= metricName;
}

/** What stands on the way down to the one selector that pins the name: all of it alike. */
function visit(node: PlanNode, labels: readonly string[]): PlanNode {
  switch (node.kind) {
    case 'vectorSelector':
      return project(node, labels);
    case 'matrixSelector':
      return { ...node, selector: project(node.selector, labels) };
    default:
      return mapChildren(node, (child) =>
        child.type === 'vector' || child.kind === 'matrixSelector' ? visit(child, labels) : child,
      );
  }
}

function project(node: VectorSelectorNode, labels: readonly string[]): VectorSelectorNode {
  return { ...node, labels };
}

/** Whether the one selector below, if there is just one on the way down, pins the name. */
function hasOneName(node: PlanNode): boolean {
  switch (node.kind) {
    case 'vectorSelector':
      return node.matchers.some(({ type, name, value }) => type === '=' && name === metricName && value !== '');
    case 'matrixSelector':
      return hasOneName(node.selector);
    case 'unary':
      return hasOneName(node.expr);
    case 'binary':
      return node.matching === undefined && hasOneName(node.lhs.type === 'vector' ? node.lhs : node.rhs);
    case 'call': {
      const argument = node.args.find((arg) => arg.type === 'vector' || arg.kind === 'matrixSelector');
      return labelKeepers.has(node.name) && argument !== undefined && hasOneName(argument);
    }
    default:
      return false;
  }
}
