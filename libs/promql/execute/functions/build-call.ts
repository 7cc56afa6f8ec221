/**
 * Which operator carries out a call that gives a vector.
 * Owns the list of functions of ranges and the conditions on their arguments; what they compute is in the files beside it.
 */
import { Failure } from '../../../errors/failure.ts';
import type { CallNode, PlanNode, VectorSelectorNode } from '../../plan/logical-plan.ts';
import { type Place, placeOf, words } from '../annotations.ts';
import type { OperatorBuilder } from '../build-operators.ts';
import { mapShared } from '../map-shared.ts';
import type { OutputSeries, RangeOperator, VectorOperator } from '../operator.ts';
import { emptyVector, ScalarVector, scalarOf } from '../scalars.ts';
import { VectorSelectorScan } from '../scan/vector-selector.ts';
import { dropMetricName } from '../series-labels.ts';
import { type ColumnChange, SeriesMap } from '../series-map.ts';
import { Absent, absentLabels } from './absent.ts';
import { changesKernel, resetsKernel } from './changes.ts';
import { extendedRateKernel } from './extended-rate.ts';
import { clampChange, dateFunctions, floatChange, mathFunctions, roundChange } from './float-functions.ts';
import {
  fractionNumber,
  histogramChange,
  histogramFunctions,
  noteInvalidQuantiles,
  quantileNumber,
  quantileNumbers,
} from './histogram-functions.ts';
import { HistogramUnits } from './histogram-units.ts';
import { buildInfo } from './info.ts';
import { instantChangeKernel } from './instant-rate.ts';
import { labelJoin, labelReplace, type Relabel } from './label.ts';
import { overTimeKernels } from './over-time.ts';
import { RangeFunction, type RangeKernel } from './range-function.ts';
import { rateKernel } from './rate.ts';
import { derivKernel, predictLinearKernel, smoothingKernel } from './regression.ts';
import { byLabels, byValue, Sort } from './sort.ts';

const rate = { isCounter: true, isRate: true };
const increase = { isCounter: true, isRate: false };
const delta = { isCounter: false, isRate: false };

const rangeKernels: ReadonlyMap<string, RangeKernel> = new Map([
  ...overTimeKernels,
  ['rate', rateKernel(rate)],
  ['increase', rateKernel(increase)],
  ['delta', rateKernel(delta)],
  ['irate', instantChangeKernel('counter')],
  ['idelta', instantChangeKernel('gauge')],
  ['changes', changesKernel],
  ['resets', resetsKernel],
  ['deriv', derivKernel],
  ['predict_linear', predictLinearKernel],
  ['double_exponential_smoothing', smoothingKernel],
]);

/** Kernels for windows that reach beyond their range. */
const extendedKernels: ReadonlyMap<string, RangeKernel> = new Map([
  ['rate', extendedRateKernel(rate)],
  ['increase', extendedRateKernel(increase)],
  ['delta', extendedRateKernel(delta)],
  ['changes', changesKernel],
  ['resets', resetsKernel],
]);
const anchoredFunctions = ['changes', 'delta', 'increase', 'rate', 'resets'];
const smoothedFunctions = ['delta', 'increase', 'rate'];
/** Their kernels take packed histograms, unless the window is an extended one. */
const packedFunctions: ReadonlySet<string> = new Set(['rate', 'increase', 'delta']);
/** Only these look at start timestamps. */
const startTimeFunctions: ReadonlySet<string> = new Set(['rate', 'irate', 'increase', 'resets']);

/** The operator of a call of return type vector. @throws Failure for arguments that cannot be evaluated */
export function buildVectorCall(builder: OperatorBuilder, node: CallNode): VectorOperator {
  const rangeArg = node.args.findIndex((arg) => arg.type === 'matrix');
  return rangeArg >= 0 ? rangeCall(builder, node, rangeArg) : instantCall(builder, node);
}

function rangeCall(builder: OperatorBuilder, node: CallNode, rangeArg: number): VectorOperator {
  const { context, grid } = builder;
  const arg = node.args[rangeArg] as PlanNode;
  const { kernel, takesPacked } = kernelFor(node.name, arg);
  const source = builder.range(arg);
  const scalars = node.args.filter((other) => other.type === 'scalar').map((other) => builder.scalar(other));
  // A subquery has lost its place by the time Prometheus calls the function.
  const first = node.args[0];
  const place = placeOf(node, first?.kind === 'subquery' ? 0 : first?.start);
  const operator = new RangeFunction(context, withoutStarts(node.name, source), {
    name: node.name,
    kernel,
    takesPacked,
    scalars,
    place,
    ofSubquery: node.args.some(({ kind }) => kind === 'subquery'),
  });
  if (node.name === 'absent_over_time') {
    return new Absent(context, operator, grid, { labels: absentLabels(arg), dropName: true });
  }
  return builder.uniqueUnlessDelayed(operator, 'refuse');
}

/** Start timestamps are hidden from functions that do not know them. */
function withoutStarts(name: string, source: RangeOperator): RangeOperator {
  if (startTimeFunctions.has(name)) return source;
  return {
    windows: source.windows,
    series: () => source.series(),
    seriesWithoutNames: () => source.seriesWithoutNames?.(),
    next: () => {
      const samples = source.next();
      samples.floatSt = null;
      samples.histogramSt = null;
      return samples;
    },
    done: () => source.done(),
  };
}

function kernelFor(name: string, arg: PlanNode): { readonly kernel: RangeKernel; readonly takesPacked: boolean } {
  const selector = arg.kind === 'matrixSelector' ? arg.selector : undefined;
  if (selector?.anchored === true) refuseUnless(anchoredFunctions, name, 'anchored');
  if (selector?.smoothed === true) refuseUnless(smoothedFunctions, name, 'smoothed');
  const extended = selector?.anchored === true || selector?.smoothed === true;
  const kernel = (extended ? extendedKernels : rangeKernels).get(name);
  if (kernel === undefined) throw new Error(`no range function ${name}`);
  return { kernel, takesPacked: !extended && packedFunctions.has(name) };
}

function refuseUnless(names: readonly string[], name: string, modifier: string): void {
  if (names.includes(name)) return;
  throw new Failure('execution', `${modifier} modifier can only be used with: ${names.join(', ')} - not with ${name}`);
}

function instantCall(builder: OperatorBuilder, node: CallNode): VectorOperator {
  const { context, grid } = builder;
  const { name, args } = node;
  const arg = (index: number): PlanNode => args[index] as PlanNode;
  const text = (index: number): string => {
    const literal = arg(index);
    if (literal.kind !== 'string') throw new Error(`argument ${index} of ${name} is no text`);
    return literal.value;
  };
  const texts = (from: number): string[] => args.slice(from).map((_arg, i) => text(from + i));
  const map = (change: ColumnChange): VectorOperator => {
    const scalars = args.slice(1).map((other) => builder.scalar(other));
    return builder.uniqueUnlessDelayed(new SeriesMap(context, builder.vector(arg(0)), scalars, change), 'merge');
  };
  const float = mathFunctions.get(name);
  if (float !== undefined) return map(floatChange(float, context));
  const date = dateFunctions.get(name);
  if (date !== undefined) {
    if (args.length > 0) return map(floatChange(date, context));
    const { startMs, stepMs } = grid;
    return new ScalarVector(scalarOf(context, grid, (step) => date((startMs + step * stepMs) / 1000)));
  }
  const histogram = histogramFunctions.get(name);
  if (histogram !== undefined) {
    const delayed = context.flags.delayedNameRemoval;
    // Unlike all others, these keep type and unit.
    const mapped = new SeriesMap(context, builder.vector(arg(0)), [], histogramChange(context, histogram), (series) =>
      series.map(({ labels }) => ({ labels: delayed ? labels : dropMetricName(labels), dropName: true })),
    );
    return builder.uniqueUnlessDelayed(mapped, 'merge');
  }
  switch (name) {
    case 'clamp':
    case 'clamp_min':
    case 'clamp_max':
      return map(clampChange(name));
    case 'round':
      return map(roundChange);
    case 'vector':
      return new ScalarVector(builder.scalar(arg(0)));
    case 'absent':
      return new Absent(context, builder.vector(arg(0)), grid, { labels: absentLabels(arg(0)), dropName: false });
    case 'timestamp':
    case 'start_timestamp':
      return timestampCall(builder, node);
    case 'label_replace': {
      const relabel = labelReplace(text(1), text(2), text(3), text(4), context);
      return relabelCall(builder, builder.vector(arg(0)), relabel);
    }
    case 'label_join': {
      const relabel = labelJoin(text(1), text(2), texts(3), context);
      return relabelCall(builder, builder.vector(arg(0)), relabel);
    }
    case 'sort':
    case 'sort_desc':
      noteSort(builder, node);
      return new Sort(context, builder.vector(arg(0)), grid, byValue(name === 'sort' ? 1 : -1), true);
    case 'sort_by_label':
    case 'sort_by_label_desc':
      noteSort(builder, node);
      return new Sort(
        context,
        builder.vector(arg(0)),
        grid,
        byLabels(texts(1), name === 'sort_by_label' ? 1 : -1, (amount) => context.worked(amount)),
        false,
      );
    case 'histogram_quantile':
    case 'histogram_quantiles':
    case 'histogram_fraction':
      return builder.uniqueOverSteps(histogramCall(builder, node));
    case 'info':
      return buildInfo(builder, node);
    default:
      throw new Error(`no function ${name}`);
  }
}

/** The time of the sample where a selector is asked, else that of the step. */
function timestampCall(builder: OperatorBuilder, node: CallNode): VectorOperator {
  const { context, grid } = builder;
  const arg = node.args[0] as PlanNode;
  const isStart = node.name === 'start_timestamp';
  const toSeconds: ColumnChange = (column) => {
    const { values } = column;
    for (let step = 0; step < values.length; step++) values[step] /= 1000;
  };
  const stepTime: ColumnChange = (column) => {
    for (let step = 0; step < column.stepCount; step++) {
      if (column.kinds[step] !== 0) column.setFloat(step, (grid.startMs + step * grid.stepMs) / 1000);
    }
  };
  if (arg.kind === 'vectorSelector') {
    if (isStart && !context.flags.startTimestamps) return emptyVector;
    const aspect = isStart ? 'startTimestampMs' : 'timestampMs';
    const { selector, lookbackMs } = withoutOffset(arg, context.lookbackMs);
    const scan = new VectorSelectorScan(context, selector, grid, aspect, lookbackMs);
    return builder.uniqueUnlessDelayed(new SeriesMap(context, scan, [], toSeconds), 'merge');
  }
  const inner = builder.vector(arg);
  const change: ColumnChange = isStart ? (column) => column.clear() : stepTime;
  return builder.uniqueUnlessDelayed(new SeriesMap(context, inner, [], change), 'merge');
}

/**
 * With `@`, Prometheus' timestamp() forgets the offset when it looks, but not when it reads: it sees the samples at or before both times,
 * within the lookback of both.
 */
function withoutOffset(
  selector: VectorSelectorNode,
  lookbackMs: number,
): { readonly selector: VectorSelectorNode; readonly lookbackMs: number } {
  const { atMs, offsetMs } = selector;
  if (atMs === undefined) return { selector, lookbackMs };
  const earlierMs = Math.min(atMs, atMs - offsetMs);
  return {
    selector: { ...selector, atMs: earlierMs, offsetMs: 0 },
    lookbackMs: Math.max(0, lookbackMs - Math.abs(offsetMs)),
  };
}

function relabelCall(builder: OperatorBuilder, input: VectorOperator, relabel: Relabel): VectorOperator {
  const { context } = builder;
  const relabelAll = (series: readonly OutputSeries[]) => mapShared(context, series, relabel);
  return builder.unique(new SeriesMap(context, input, [], () => {}, relabelAll), 'merge');
}

function noteSort(builder: OperatorBuilder, node: CallNode): void {
  if (!builder.grid.isInstant) builder.context.annotations.warn(words.sortInRangeQuery, placeOf(node));
}

function histogramCall(builder: OperatorBuilder, node: CallNode): VectorOperator {
  const { context, grid } = builder;
  const { name, args } = node;
  const vectorArg = name === 'histogram_quantiles' ? 0 : name === 'histogram_quantile' ? 1 : 2;
  const vector = args[vectorArg] as PlanNode;
  const input = builder.vector(vector);
  const scalars = args
    .filter((arg) => arg.type === 'scalar')
    .map((arg) => ({ place: placeOf(node, arg.start), operator: builder.scalar(arg) }));
  const label = name === 'histogram_quantiles' && args[1]?.kind === 'string' ? args[1].value : '';
  const evaluate = ({ place, operator }: { place: Place; operator: { values(): Float64Array } }): Float64Array => {
    const values = operator.values();
    if (name !== 'histogram_fraction') noteInvalidQuantiles(values, context.annotations, place);
    return values;
  };
  return new HistogramUnits(context, input, grid, placeOf(node, vector.start), () => {
    const values = scalars.map(evaluate);
    const [first = new Float64Array(0), second = new Float64Array(0)] = values;
    if (name === 'histogram_quantile') return [quantileNumber(first)];
    return name === 'histogram_quantiles' ? quantileNumbers(values, label) : [fractionNumber(first, second)];
  });
}
