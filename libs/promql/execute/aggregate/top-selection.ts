/**
 * topk, bottomk, limitk and limit_ratio: some of a group's points at each step, under the labels they had.
 * All input is read before the first output is known. topk and bottomk keep the best of each step in heaps and give an instant
 * query's answer best first, group by group; limitk keeps the first; limit_ratio those whose labels' hash falls in its part.
 * Facts: Prometheus promql/engine.go (rangeEvalAgg, aggregationK, HashRatioSampler).
 */
import { Failure } from '../../../errors/failure.ts';
import { formatFloatGeneral } from '../../../model/format-float.ts';
import type { AggregateNode } from '../../plan/logical-plan.ts';
import { words } from '../annotations.ts';
import { type ExecutionContext, workPerLabels } from '../execution-context.ts';
import type { Grid } from '../grid.ts';
import type { OutputSeries, ScalarOperator, VectorOperator } from '../operator.ts';
import { charactersOf } from '../series-labels.ts';
import { PointKind, type StepColumn } from '../step-column.ts';
import { type Grouping, groupSeries } from './aggregation.ts';
import { labelHashFraction } from './label-hash.ts';
import { StepHeaps } from './step-heap.ts';

/** Prometheus refuses it, too: the largest number below 2^63. */
const int64Max = 2 ** 63 - 1024;
/** How much more work it is to hash a character of a label than to pass a sample. */
const workPerHashedCharacter = 8;

export class TopSelection implements VectorOperator {
  readonly #context: ExecutionContext;
  readonly #input: VectorOperator;
  readonly #grid: Grid;
  readonly #node: AggregateNode;
  readonly #grouping: Grouping;
  readonly #param: ScalarOperator | undefined;
  #outputs: { readonly series: OutputSeries; readonly column: StepColumn }[] = [];
  #given = 0;
  #held = 0;

  constructor(
    context: ExecutionContext,
    input: VectorOperator,
    grid: Grid,
    node: AggregateNode,
    grouping: Grouping,
    param: ScalarOperator | undefined,
  ) {
    this.#context = context;
    this.#input = input;
    this.#grid = grid;
    this.#node = node;
    this.#grouping = grouping;
    this.#param = param;
  }

  series(): readonly OutputSeries[] {
    const params = this.#param?.values() ?? new Float64Array(this.#grid.stepCount);
    const inputs = this.#input.series();
    const columns: StepColumn[] = [];
    for (const _series of inputs) {
      const column = this.#context.takeColumn(this.#grid.stepCount);
      this.#input.next(column);
      columns.push(column);
      this.#context.worked(this.#grid.stepCount);
    }
    const order = this.#checkParams(params) ? this.#select(inputs, columns, params) : [];
    const wanted = new Set(order);
    columns.forEach((column, i) => {
      if (!wanted.has(i)) this.#context.giveColumn(column);
    });
    this.#outputs = order.map((i) => ({ series: inputs[i] as OutputSeries, column: columns[i] as StepColumn }));
    this.#input.done();
    return this.#outputs.map(({ series }) => series);
  }

  next(out: StepColumn): void {
    const { column } = this.#outputs[this.#given++] as { column: StepColumn };
    for (let step = 0; step < column.stepCount; step++) out.copyPoint(column, step);
    const points = column.pointCount();
    this.#context.holdSamples(points);
    this.#held += points;
    this.#context.giveColumn(column);
  }

  done(): void {
    this.#context.releaseSamples(this.#held);
  }

  /** False where nothing can be selected at any step. @throws Failure for a parameter that is no number of series */
  #checkParams(params: Float64Array): boolean {
    const min = params.reduce((a, b) => Math.min(a, b), Number.MAX_VALUE);
    const max = params.reduce((a, b) => Math.max(a, b), -Number.MAX_VALUE);
    const hasNaN = Number.isNaN(max);
    if (this.#node.op === 'limit_ratio') {
      if (min === 0 && max === 0) return false;
      if (hasNaN) throw new Failure('execution', 'Ratio value is NaN');
      const place = { start: this.#node.param?.start ?? this.#node.start, order: this.#node.order };
      if (max > 1) this.#context.annotations.warn(words.invalidRatio(max, 1), place);
      if (min < -1) this.#context.annotations.warn(words.invalidRatio(min, -1), place);
      return true;
    }
    if (max < 1) return false;
    if (hasNaN) throw new Failure('execution', 'Parameter value is NaN');
    if (min <= -(2 ** 63)) throw new Failure('execution', `Scalar value ${formatFloatGeneral(min)} underflows int64`);
    if (max >= int64Max) throw new Failure('execution', `Scalar value ${formatFloatGeneral(max)} overflows int64`);
    return true;
  }

  /** Takes what is not selected out of the columns; returns the series that are left, in their order in the answer. */
  #select(inputs: readonly OutputSeries[], columns: readonly StepColumn[], params: Float64Array): number[] {
    const { op } = this.#node;
    const { groups, groupOf } = groupSeries(this.#context, inputs, this.#grouping);
    if (op === 'limit_ratio') return this.#selectRatio(inputs, columns, params, { groups, groupOf });
    const ranked = op === 'topk' || op === 'bottomk';
    const kMax = params.reduce((a, b) => Math.max(a, Math.trunc(b)), 0);
    const heaps: (StepHeaps | undefined)[] = [];
    let heapBytes = 0;
    columns.forEach((column, i) => {
      const group = groupOf[i];
      let heap = heaps[group];
      this.#context.worked(column.stepCount);
      for (let step = 0; step < column.stepCount; step++) {
        const kind = column.kinds[step];
        if (kind === PointKind.none) continue;
        const k = Math.min(Math.trunc(params[step]), columns.length);
        if (k < 1) continue;
        if (heap === undefined) {
          const capacity = Math.min(kMax, (groups[group] as { members: number }).members);
          const bytes = StepHeaps.bytes(column.stepCount, capacity);
          this.#context.takeMemory(bytes);
          heapBytes += bytes;
          heap = new StepHeaps(column.stepCount, capacity, op === 'bottomk' ? 'largest first' : 'smallest first');
          heaps[group] = heap;
        }
        if (ranked && kind === PointKind.histogram) {
          this.#context.annotations.info(words.ignoredInAggregation(op), this.#node);
        } else if (heap.size(step) < k) {
          heap.push(step, kind === PointKind.float ? column.values[step] : 0, i);
        } else if (ranked) {
          heap.replaceWorst(step, column.values[step], i);
        }
      }
    });
    const order = this.#keepOnly(columns, heaps, groupOf, ranked);
    this.#context.giveMemory(heapBytes);
    return order;
  }

  #keepOnly(
    columns: readonly StepColumn[],
    heaps: readonly (StepHeaps | undefined)[],
    groupOf: Int32Array,
    ranked: boolean,
  ): number[] {
    if (this.#grid.stepCount === 1) {
      const seen = new Set<number>();
      const order: number[] = [];
      const worked = (amount: number): void => this.#context.worked(amount);
      columns.forEach((column, i) => {
        const group = groupOf[i];
        if (column.kinds[0] === PointKind.none || seen.has(group)) return;
        seen.add(group);
        const heap = heaps[group];
        const chosen = ranked ? heap?.bestFirst(0, worked) : heap?.elements(0);
        for (const one of chosen ?? []) order.push(one);
      });
      return order;
    }
    const kept = columns.map(() => new Uint8Array(0));
    for (const heap of heaps) {
      if (heap === undefined) continue;
      for (let step = 0; step < this.#grid.stepCount; step++) {
        this.#context.worked(heap.size(step));
        for (const i of heap.elements(step)) {
          if ((kept[i] as Uint8Array).length === 0) kept[i] = new Uint8Array(this.#grid.stepCount);
          (kept[i] as Uint8Array)[step] = 1;
        }
      }
    }
    const order: number[] = [];
    columns.forEach(({ kinds }, i) => {
      const steps = kept[i] as Uint8Array;
      if (steps.length === 0) return;
      for (let step = 0; step < kinds.length; step++) if (steps[step] === 0) kinds[step] = PointKind.none;
      order.push(i);
    });
    return order;
  }

  #selectRatio(
    inputs: readonly OutputSeries[],
    columns: readonly StepColumn[],
    params: Float64Array,
    { groups, groupOf }: ReturnType<typeof groupSeries>,
  ): number[] {
    const heaps = new Map<number, StepHeaps>();
    let heapBytes = 0;
    const all: number[] = [];
    columns.forEach(({ kinds, values }, i) => {
      const { labels } = inputs[i] as OutputSeries;
      this.#context.worked(workPerLabels + kinds.length + workPerHashedCharacter * charactersOf(labels));
      const place = labelHashFraction(labels);
      let any = false;
      for (let step = 0; step < kinds.length; step++) {
        const ratio = Math.max(-1, Math.min(1, params[step]));
        const inside = ratio > 0 ? place < ratio : ratio < 0 && place >= 1 + ratio;
        if (!inside) kinds[step] = PointKind.none;
        any ||= kinds[step] !== PointKind.none;
      }
      if (!any) return;
      all.push(i);
      if (this.#grid.stepCount > 1) return;
      // Prometheus keeps them in a heap for nothing, and gives them as they lie in it.
      const group = groupOf[i];
      let heap = heaps.get(group);
      if (heap === undefined) {
        const { members } = groups[group] as { members: number };
        const bytes = StepHeaps.bytes(1, members);
        this.#context.takeMemory(bytes);
        heapBytes += bytes;
        heap = new StepHeaps(1, members, 'smallest first');
        heaps.set(group, heap);
      }
      heap.push(0, kinds[0] === PointKind.float ? values[0] : 0, i);
    });
    this.#context.giveMemory(heapBytes);
    return this.#grid.stepCount > 1 ? all : [...heaps.values()].flatMap((heap) => heap.elements(0));
  }
}
