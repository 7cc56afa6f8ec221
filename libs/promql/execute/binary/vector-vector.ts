/**
 * Arithmetic and comparison between two vectors, one-to-one or many-to-one (one-to-many is that with the sides changed).
 * Owns the matching of points within a step, the errors of an ambiguous match and the fill values. The many side is streamed; of the
 * one side only match groups whose turn is still to come are held. Where a group has several series on the one side, they must not
 * meet at a step: then both sides are held until that is known. Facts: Prometheus promql/engine.go (VectorBinop). As there, after
 * the sides are changed for group_right, fill_right still fills the one side and fill_left the many side.
 */
import { Failure } from '../../../errors/failure.ts';
import type { Histogram } from '../../../model/histogram.ts';
import type { Labels } from '../../../model/labels.ts';
import type { BinaryOp, VectorMatching } from '../../syntax/ast.ts';
import type { Place } from '../annotations.ts';
import { type ExecutionContext, workPerLabels } from '../execution-context.ts';
import type { Grid } from '../grid.ts';
import type { OutputSeries, VectorOperator } from '../operator.ts';
import { formatLabels, keyOfKept, matchLabels } from '../series-labels.ts';
import { PointKind, type StepColumn } from '../step-column.ts';
import { ElementOperation } from './element-operation.ts';
import { MatchGroups, ResultLabels } from './match.ts';

/** What an output takes, but for its labels' texts, which are those of its series. */
const bytesPerOutput = 200;

interface VectorVectorCall {
  readonly op: BinaryOp;
  readonly matching: VectorMatching;
  readonly returnBool: boolean;
  readonly place: Place;
}

/** A series of one side; its column is held while it is needed. */
interface Side {
  readonly operator: VectorOperator;
  series: readonly OutputSeries[];
  groups: Int32Array;
  columns: (StepColumn | undefined)[];
  /** How many have been read. */
  read: number;
}

/** Series of the one side that give the same labels to a result. */
interface Alike {
  readonly labels: Labels;
  readonly ones: readonly number[];
}

interface Output {
  readonly series: OutputSeries;
  /** Index on the many side, -1 where that is filled. */
  readonly many: number;
  /** Indexes on the one side that may stand at a step, rising. */
  ones: readonly number[];
  /** Where no series of the group stands on the one side, its fill value does. */
  fillsOne: boolean;
  readonly group: number;
  /** Steps at which the same result has been given already, shared by outputs that must not meet. */
  taken: Uint8Array | undefined;
}

export class VectorVectorOperation implements VectorOperator {
  readonly #context: ExecutionContext;
  readonly #call: VectorVectorCall;
  readonly #swapped: boolean;
  readonly #many: Side;
  readonly #one: Side;
  readonly #stepCount: number;
  readonly #operation: ElementOperation;
  #outputs: Output[] = [];
  /** Series of the one side by group. */
  #onesOf: number[][] = [];
  /** Outputs that still need the group. */
  #usesOf: Int32Array = new Int32Array(0);
  /** Steps at which a group has had a match, where a fill value depends on it. */
  readonly #matched = new Map<number, Uint8Array>();
  #given = 0;
  #endDone = false;

  constructor(context: ExecutionContext, lhs: VectorOperator, rhs: VectorOperator, grid: Grid, call: VectorVectorCall) {
    this.#context = context;
    this.#call = call;
    this.#swapped = call.matching.card === 'one-to-many';
    const none = { series: [], groups: new Int32Array(0), columns: [], read: 0 };
    this.#many = { ...none, columns: [], operator: this.#swapped ? rhs : lhs };
    this.#one = { ...none, columns: [], operator: this.#swapped ? lhs : rhs };
    this.#stepCount = grid.stepCount;
    this.#operation = new ElementOperation(call.op, context.annotations, call.place, grid.stepCount);
  }

  series(): readonly OutputSeries[] {
    const { matching } = this.#call;
    const context = this.#context;
    const first = this.#swapped ? this.#one : this.#many;
    const second = this.#swapped ? this.#many : this.#one;
    for (const side of [first, second]) side.series = side.operator.series();
    const groups = new MatchGroups(context, matching);
    this.#many.groups = groups.number(this.#many.series);
    this.#one.groups = groups.number(this.#one.series);
    groups.end();
    this.#onesOf = Array.from({ length: groups.count }, () => []);
    this.#one.groups.forEach((group, i) => {
      (this.#onesOf[group] as number[]).push(i);
    });
    this.#usesOf = this.#seriesWithPartner(groups.count);
    // Before the outputs: of a match by too few labels there would be as many as pairs of series.
    if (this.#onesOf.some((ones) => ones.length > 1)) this.#refuseAmbiguity();
    this.#outputs = this.#makeOutputs();
    this.#usesOf.fill(0);
    for (const { group } of this.#outputs) this.#usesOf[group]++;
    return this.#outputs.map(({ series }) => series);
  }

  next(out: StepColumn): void {
    const output = this.#outputs[this.#given++] as Output;
    const { many } = output;
    if (many >= 0) while (this.#many.read <= many) this.#read(this.#many);
    const lastOne = output.ones.at(-1) ?? -1;
    while (this.#one.read <= lastOne) this.#read(this.#one);
    if (many >= 0) this.#match(output, this.#many.columns[many] as StepColumn, out);
    else this.#fillMany(output, out);
    this.#context.worked(this.#stepCount);
    if (many >= 0 && this.#outputs[this.#given]?.many !== many) this.#drop(this.#many, many);
    this.#usesOf[output.group]--;
    if (this.#usesOf[output.group] === 0) {
      for (const i of this.#onesOf[output.group] as number[]) this.#drop(this.#one, i);
    }
  }

  done(): void {
    if (this.#endDone) return;
    this.#endDone = true;
    // What nothing matched has been evaluated too: it may have something to say.
    for (const side of [this.#one, this.#many]) while (side.read < side.series.length) this.#read(side);
    for (const side of [this.#many, this.#one]) for (let i = 0; i < side.series.length; i++) this.#drop(side, i);
    this.#context.giveMemory(this.#outputs.length * bytesPerOutput);
    this.#operation.flushNotes();
    this.#many.operator.done();
    this.#one.operator.done();
  }

  #read(side: Side): void {
    const index = side.read++;
    const column = this.#context.takeColumn(this.#stepCount);
    side.operator.next(column);
    side.columns[index] = column;
    if (this.#usesOf[side.groups[index]] === 0) this.#drop(side, index);
  }

  #drop(side: Side, index: number): void {
    const column = side.columns[index];
    if (column === undefined) return;
    side.columns[index] = undefined;
    this.#context.giveColumn(column);
  }

  /** How many series of each group have something to be matched with: those of groups without any are not held. */
  #seriesWithPartner(groupCount: number): Int32Array {
    const { fillLhs, fillRhs } = this.#call.matching;
    const counts = new Int32Array(groupCount);
    for (const group of this.#many.groups) {
      if (fillRhs !== undefined || (this.#onesOf[group] as number[]).length > 0) counts[group]++;
    }
    if (fillLhs !== undefined) for (const group of this.#one.groups) counts[group]++;
    return counts;
  }

  #alikeOf(group: number, included: ReadonlySet<string>): readonly Alike[] {
    const ones = this.#onesOf[group] as number[];
    const labelsAt = (i: number): Labels => (this.#one.series[i] as OutputSeries).labels;
    if (ones.length === 0) return [];
    if (included.size === 0) return [{ labels: labelsAt(ones[0] as number), ones }];
    const alike = new Map<string, { readonly labels: Labels; readonly ones: number[] }>();
    for (const i of ones) {
      this.#context.worked(workPerLabels);
      const key = keyOfKept(labelsAt(i), included);
      const known = alike.get(key);
      if (known === undefined) alike.set(key, { labels: labelsAt(i), ones: [i] });
      else known.ones.push(i);
    }
    return [...alike.values()];
  }

  #makeOutputs(): Output[] {
    const { op, matching, returnBool } = this.#call;
    const { delayedNameRemoval } = this.#context.flags;
    const dropName = returnBool && !delayedNameRemoval;
    const names = new Set(matching.labels);
    const included = new Set(matching.include);
    const results = new ResultLabels(op, matching, dropName);
    const outputs: Output[] = [];
    /** Outputs of one group and label set, which must not meet; one-to-one, all of a group. */
    const rivals = new Map<string, Output[]>();
    const enter = (output: Output): void => {
      this.#context.worked(2 * workPerLabels);
      this.#context.takeMemory(bytesPerOutput);
      outputs.push(output);
      const key = matching.card === 'one-to-one' ? `${output.group}` : `${output.group} ${output.series.labels.key}`;
      const known = rivals.get(key);
      if (known === undefined) rivals.set(key, [output]);
      else known.push(output);
    };
    const label = (many: Labels, one: Labels): OutputSeries => ({
      labels: results.of(many, one),
      dropName: returnBool,
    });
    const alikeOf = new Map<number, readonly Alike[]>();
    this.#many.series.forEach(({ labels }, many) => {
      this.#context.worked(2 * workPerLabels);
      const group = this.#many.groups[many];
      const alike = alikeOf.get(group) ?? this.#alikeOf(group, included);
      alikeOf.set(group, alike);
      const own = new Map<string, Output>();
      const outputFor = (one: Labels): Output => {
        const series = label(labels, one);
        let output = own.get(series.labels.key);
        if (output === undefined) {
          output = { series, many, ones: [], fillsOne: false, group, taken: undefined };
          own.set(series.labels.key, output);
        }
        return output;
      };
      for (const { labels: one, ones } of alike) outputFor(one).ones = ones;
      if (matching.fillRhs !== undefined) outputFor(matchLabels(labels, names, matching.on)).fillsOne = true;
      for (const output of own.values()) enter(output);
    });
    if (matching.fillLhs !== undefined) {
      this.#one.series.forEach(({ labels }, i) => {
        const group = this.#one.groups[i];
        const series = label(matchLabels(labels, names, matching.on), labels);
        enter({ series, many: -1, ones: [i], fillsOne: false, group, taken: undefined });
        this.#matched.set(group, new Uint8Array(this.#stepCount));
      });
    }
    for (const group of rivals.values()) {
      const manys = new Set(group.map(({ many }) => many));
      if (manys.size < 2) continue;
      const taken = new Uint8Array(this.#stepCount);
      for (const output of group) output.taken = taken;
    }
    return outputs;
  }

  /** Points of one series of the many side with those of the one side. */
  #match(output: Output, many: StepColumn, out: StepColumn): void {
    const { ones, fillsOne } = output;
    const matched = this.#matched.get(output.group);
    const float = this.#operation.floatOperation;
    const only = ones.length === 1 ? (this.#one.columns[ones[0] as number] as StepColumn) : undefined;
    const plain = output.taken === undefined && matched === undefined && !fillsOne;
    if (only !== undefined && plain && float !== undefined && !many.hasHistograms && !only.hasHistograms) {
      const lhs = this.#swapped ? only : many;
      const rhs = this.#swapped ? many : only;
      for (let step = 0; step < out.kinds.length; step++) {
        out.kinds[step] = lhs.kinds[step] & rhs.kinds[step];
        out.values[step] = float(lhs.values[step], rhs.values[step]);
      }
      return;
    }
    for (let step = 0; step < this.#stepCount; step++) {
      if (many.kinds[step] === PointKind.none) continue;
      this.#context.worked(ones.length);
      const one = this.#oneAt(ones, step);
      if (one !== undefined) {
        this.#apply(output, step, many, one, 0, out);
      } else if (fillsOne && this.#oneAt(this.#onesOf[output.group] as number[], step) === undefined) {
        this.#apply(output, step, many, undefined, this.#call.matching.fillRhs ?? 0, out);
      }
    }
  }

  /** Points of the one side that nothing on the many side matched, with the fill value. */
  #fillMany(output: Output, out: StepColumn): void {
    const matched = this.#matched.get(output.group);
    const one = this.#one.columns[output.ones[0] as number];
    if (one === undefined) return;
    for (let step = 0; step < this.#stepCount; step++) {
      if (one.kinds[step] === PointKind.none || matched?.[step] === 1) continue;
      this.#apply(output, step, undefined, one, this.#call.matching.fillLhs ?? 0, out);
    }
  }

  /** The one column of these that has a point at the step. */
  #oneAt(ones: readonly number[], step: number): StepColumn | undefined {
    for (const i of ones) {
      const column = this.#one.columns[i];
      if (column !== undefined && column.kinds[step] !== PointKind.none) return column;
    }
    return undefined;
  }

  /** The operator on one pair of points; the side that is missing has the value `fill`. */
  #apply(
    output: Output,
    step: number,
    many: StepColumn | undefined,
    one: StepColumn | undefined,
    fill: number,
    out: StepColumn,
  ): void {
    const { returnBool, matching } = this.#call;
    const manyHistogram = histogramAt(many, step);
    const oneHistogram = histogramAt(one, step);
    const manyValue = many === undefined ? fill : many.values[step];
    const oneValue = one === undefined ? fill : one.values[step];
    const operation = this.#operation;
    if (this.#swapped) operation.apply(step, oneValue, manyValue, oneHistogram, manyHistogram);
    else operation.apply(step, manyValue, oneValue, manyHistogram, oneHistogram);
    if (operation.failed) return;
    const { taken } = output;
    if (taken !== undefined) {
      if (taken[step] === 1) {
        throw new Failure(
          'execution',
          matching.card === 'one-to-one'
            ? 'multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)'
            : 'multiple matches for labels: grouping labels must ensure unique matches',
        );
      }
      taken[step] = 1;
    }
    const matched = this.#matched.get(output.group);
    if (matched !== undefined) matched[step] = 1;
    if (returnBool) out.setFloat(step, operation.keep ? 1 : 0);
    else if (!operation.keep) return;
    else if (operation.histogram !== null) out.setHistogram(step, operation.histogram);
    else out.setFloat(step, operation.value);
  }

  /**
   * Reads both sides and refuses two series of the one side in one group at one step, as long as there is anything to match there.
   * @throws Failure for the first such step, or for what is wrong with an earlier one
   */
  #refuseAmbiguity(): void {
    const manyAt = new Uint8Array(this.#stepCount);
    this.#many.series.forEach((_series, i) => {
      const column = this.#readHeld(this.#many);
      for (let step = 0; step < this.#stepCount; step++) manyAt[step] |= column.kinds[step];
      if (this.#usesOf[this.#many.groups[i]] === 0) this.#drop(this.#many, i);
    });
    this.#one.series.forEach(() => {
      this.#readHeld(this.#one);
    });
    const { matching } = this.#call;
    const fills = matching.fillLhs !== undefined || matching.fillRhs !== undefined;
    const crowded = new Set(this.#onesOf.flatMap((ones, group) => (ones.length > 1 ? [group] : [])));
    for (let step = 0; step < this.#stepCount; step++) {
      if (manyAt[step] === 0 && !fills) continue;
      const seen = new Map<number, number>();
      this.#context.worked(this.#one.columns.length);
      this.#one.columns.forEach((column, i) => {
        const group = this.#one.groups[i];
        if (!crowded.has(group) || column === undefined || column.kinds[step] === PointKind.none) return;
        const other = seen.get(group);
        if (other !== undefined) {
          if (step > 0) this.#matchUntil(step);
          throw this.#ambiguous(i, other);
        }
        seen.set(group, i);
      });
    }
    this.#one.series.forEach((_series, i) => {
      if (this.#usesOf[this.#one.groups[i]] === 0) this.#drop(this.#one, i);
    });
  }

  /** Matches the steps before `end`, for what there is to be said against them: until there no group has two of the one side at a step. */
  #matchUntil(end: number): void {
    for (const { columns } of [this.#many, this.#one]) for (const column of columns) column?.kinds.fill(0, end);
    this.#onesOf = this.#onesOf.map((ones) => ones.filter((i) => this.#one.columns[i]?.isEmpty() === false));
    const out = this.#context.takeColumn(this.#stepCount);
    for (const output of this.#makeOutputs()) {
      const many = output.many < 0 ? undefined : this.#many.columns[output.many];
      if (output.many < 0) this.#fillMany(output, out);
      else if (many !== undefined) this.#match(output, many, out);
    }
    this.#context.giveColumn(out);
  }

  #readHeld(side: Side): StepColumn {
    const column = this.#context.takeColumn(this.#stepCount);
    side.operator.next(column);
    side.columns[side.read++] = column;
    return column;
  }

  #ambiguous(i: number, other: number): Failure {
    const { matching } = this.#call;
    const a = (this.#one.series[i] as OutputSeries).labels;
    const texts = [formatLabels(a), formatLabels((this.#one.series[other] as OutputSeries).labels)].sort();
    const group = formatLabels(matchLabels(a, new Set(matching.labels), matching.on));
    return new Failure(
      'execution',
      `found duplicate series for the match group ${group} on the ${this.#swapped ? 'left' : 'right'} hand-side of the ` +
        `operation: [${texts.join(', ')}];many-to-many matching not allowed: matching labels must be unique on one side`,
    );
  }
}

function histogramAt(column: StepColumn | undefined, step: number): Histogram | null {
  return column !== undefined && column.kinds[step] === PointKind.histogram ? column.histogramAt(step) : null;
}
