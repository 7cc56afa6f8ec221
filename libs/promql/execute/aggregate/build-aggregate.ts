/**
 * Which operator carries out an aggregation.
 */

import { goMax, goMin } from '../../go-math.ts';
import type { AggregateNode } from '../../plan/logical-plan.ts';
import { words } from '../annotations.ts';
import type { ExecutionContext } from '../execution-context.ts';
import type { Grid } from '../grid.ts';
import type { ScalarOperator, VectorOperator } from '../operator.ts';
import { type Accumulator, Aggregation } from './aggregation.ts';
import { CountValues } from './count-values.ts';
import { CountAccumulator, DeviationAccumulator, ExtremeAccumulator, QuantileAccumulator } from './float-aggregates.ts';
import { makeAverage, makeSum } from './sums.ts';
import { TopSelection } from './top-selection.ts';

/** The first argument, evaluated or as it was written. */
interface AggregateParam {
  readonly scalar: ScalarOperator | undefined;
  readonly text: string | undefined;
}

export function buildAggregate(
  context: ExecutionContext,
  grid: Grid,
  node: AggregateNode,
  input: VectorOperator,
  param: AggregateParam,
): VectorOperator {
  const { op } = node;
  const grouping = { names: node.grouping, without: node.without };
  const steps = grid.stepCount;
  /** Most of what there is to say is about the aggregated expression. */
  const place = { start: node.expr.start, order: node.order };
  const aggregation = (make: () => Accumulator): VectorOperator =>
    new Aggregation(context, input, grouping, grid, make);
  switch (op) {
    case 'sum':
      return aggregation(() => makeSum(context, place, steps));
    case 'avg':
      return aggregation(() => makeAverage(context, place, steps));
    case 'count':
      return aggregation(() => new CountAccumulator(context, steps, 'count'));
    case 'group':
      return aggregation(() => new CountAccumulator(context, steps, 'one'));
    case 'min':
    case 'max':
      return aggregation(() => new ExtremeAccumulator(context, place, steps, op));
    case 'stddev':
    case 'stdvar':
      return aggregation(() => new DeviationAccumulator(context, place, steps, op));
    case 'quantile': {
      let qs: Float64Array = new Float64Array(0);
      const operator = aggregation(() => new QuantileAccumulator(context, place, qs));
      return {
        series: () => {
          // A bad parameter is told of even where there is nothing to aggregate.
          qs = quantilesOf(context, node, param);
          return operator.series();
        },
        next: (out) => operator.next(out),
        done: () => operator.done(),
      };
    }
    case 'topk':
    case 'bottomk':
    case 'limitk':
    case 'limit_ratio':
      return new TopSelection(context, input, grid, node, grouping, param.scalar);
    case 'count_values':
      return new CountValues(context, input, grid, node.grouping, node.without, param.text ?? '');
  }
}

function quantilesOf(context: ExecutionContext, node: AggregateNode, param: AggregateParam): Float64Array {
  const qs = param.scalar?.values() ?? new Float64Array(0);
  const place = { start: node.param?.start ?? node.start, order: node.order };
  let min = Number.MAX_VALUE;
  let max = -Number.MAX_VALUE;
  let hasNaN = false;
  // Where one is NaN nothing is said of finite ones, as in Prometheus.
  for (const q of qs) {
    if (Number.isNaN(q)) hasNaN = true;
    min = goMin(min, q);
    max = goMax(max, q);
  }
  if (hasNaN) context.annotations.warn(words.invalidQuantile(Number.NaN), place);
  if (max > 1) context.annotations.warn(words.invalidQuantile(max), place);
  if (min < 0) context.annotations.warn(words.invalidQuantile(min), place);
  return qs;
}
