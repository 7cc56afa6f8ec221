/**
 * Optimiser: where only count and sum of histograms are asked for, their buckets need not be kept.
 * Not below a subquery (its resets need the buckets), nor below anything that looks at buckets.
 * Facts: Prometheus promql/engine.go (detectHistogramStatsDecoding).
 */
import { type Worked, workPerNode } from '../worked.ts';
import { mapChildren, type PlanNode } from './logical-plan.ts';

const statisticFunctions: ReadonlySet<string> = new Set(['histogram_count', 'histogram_sum', 'histogram_avg']);
const bucketFunctions: ReadonlySet<string> = new Set([
  'histogram_quantile',
  'histogram_quantiles',
  'histogram_fraction',
  'histogram_stddev',
  'histogram_stdvar',
]);

/** The plan with such selectors marked. */
export function skipBuckets(root: PlanNode, worked: Worked): PlanNode {
  return visit(root, { skip: false, needed: false }, worked);
}

interface Above {
  /** A function above asks for count or sum. */
  readonly skip: boolean;
  /** Something above looks at buckets, whatever stands between. */
  readonly needed: boolean;
}

function visit(node: PlanNode, above: Above, worked: Worked): PlanNode {
  worked(workPerNode);
  if (node.kind === 'vectorSelector') {
    return above.skip && !above.needed ? { ...node, skipBuckets: true } : node;
  }
  return mapChildren(node, (child) => visit(child, below(node, above), worked));
}

function below(node: PlanNode, above: Above): Above {
  if (node.kind === 'subquery') return { skip: false, needed: true };
  if (node.kind === 'call' && bucketFunctions.has(node.name)) return { skip: false, needed: true };
  if (node.kind === 'call' && statisticFunctions.has(node.name)) return { ...above, skip: true };
  if (node.kind === 'binary' && (node.op === '</' || node.op === '>/')) return { skip: false, needed: true };
  return above;
}
