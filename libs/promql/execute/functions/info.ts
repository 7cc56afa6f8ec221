/**
 * info(): the labels of info metrics (target_info, if nothing else is asked for) put on the series that come from the same target.
 * Owns which info series are read, which of several counts at a step (the newest), and the labels that come of it. The labels of a result
 * may change from step to step, so all is read before the first output is known. Facts: Prometheus promql/info.go.
 */
import { Failure } from '../../../errors/failure.ts';
import { Labels, metricName } from '../../../model/labels.ts';
import type { Matcher } from '../../../model/matcher.ts';
import { compileMatcher } from '../../../model/matcher-predicate.ts';
import { infoReference } from '../../plan/info-reference.ts';
import type { CallNode, PlanNode, TimeReference, VectorSelectorNode } from '../../plan/logical-plan.ts';
import type { OperatorBuilder } from '../build-operators.ts';
import { type ExecutionContext, workPerLabels } from '../execution-context.ts';
import type { Grid } from '../grid.ts';
import type { OutputSeries, VectorOperator } from '../operator.ts';
import { VectorSelectorScan } from '../scan/vector-selector.ts';
import { formatLabels, withLabel } from '../series-labels.ts';
import { PointKind, type StepColumn } from '../step-column.ts';
import { sameLabelset } from '../unique-series.ts';

/** What tells targets apart. */
const identifyingLabels = ['instance', 'job'] as const;

export function buildInfo(builder: OperatorBuilder, node: CallNode): VectorOperator {
  const base = node.args[0] as PlanNode;
  const selector = node.args[1];
  const reference = infoReference(base, (amount) => builder.context.worked(amount)) ?? { atMs: undefined, offsetMs: 0 };
  const matchers = selector?.kind === 'vectorSelector' ? selector.matchers : [];
  return new Info(builder.context, builder.vector(base), builder.grid, node, reference, matchers);
}

/** The matchers of names that select info series. */
function nameMatchers(matchers: readonly Matcher[]): readonly Matcher[] {
  const given = matchers.filter(({ name }) => name === metricName);
  if (given.some(({ type }) => type === '=' || type === '=~')) return given;
  if (given.length > 0) return [{ type: '=~', name: metricName, value: '.+_info' }, ...given];
  return [{ type: '=', name: metricName, value: 'target_info' }];
}

interface Held {
  readonly series: OutputSeries;
  readonly column: StepColumn;
}

interface Output {
  readonly series: OutputSeries;
  readonly column: StepColumn;
}

/** How much more work it is to find the info series of a point than to pass it. */
const workPerPoint = 8;

class Info implements VectorOperator {
  readonly #context: ExecutionContext;
  readonly #input: VectorOperator;
  readonly #grid: Grid;
  readonly #node: CallNode;
  readonly #reference: TimeReference;
  readonly #nameMatchers: readonly Matcher[];
  readonly #dataMatchers: readonly Matcher[];
  /** Names of the labels that are wanted; undefined for all. */
  readonly #wanted: ReadonlySet<string> | undefined;
  #outputs: Output[] = [];
  #given = 0;

  constructor(
    context: ExecutionContext,
    input: VectorOperator,
    grid: Grid,
    node: CallNode,
    reference: TimeReference,
    matchers: readonly Matcher[],
  ) {
    this.#context = context;
    this.#input = input;
    this.#grid = grid;
    this.#node = node;
    this.#reference = reference;
    this.#nameMatchers = nameMatchers(matchers);
    this.#dataMatchers = matchers.filter(({ name }) => name !== metricName);
    if (this.#dataMatchers.length > 0) this.#wanted = new Set(this.#dataMatchers.map(({ name }) => name));
  }

  series(): readonly OutputSeries[] {
    const bases: Held[] = [];
    for (const series of this.#input.series()) {
      const column = this.#context.takeColumn(this.#grid.stepCount);
      this.#input.next(column);
      if (column.isEmpty()) this.#context.giveColumn(column);
      else bases.push({ series, column });
    }
    this.#input.done();
    const isInfo = this.#nameMatchers.map((matcher) => compileMatcher(matcher));
    const ignored = new Set(
      bases.filter(({ series }) => {
        const name = series.labels.get(metricName);
        return isInfo.every((matcher) => {
          this.#context.worked(workPerPoint);
          return matcher.matches(name);
        });
      }),
    );
    const infos = this.#readInfos(bases.filter((base) => !ignored.has(base)));
    const newest = this.#newestByTarget(bases, infos);
    const keepsUnmatched = this.#dataMatchers.every((matcher) => {
      this.#context.worked(workPerLabels);
      return compileMatcher(matcher).matchesEmpty;
    });
    const outputs = new Map<string, Output>();
    for (const base of bases) {
      this.#context.worked(workPerLabels + workPerPoint * this.#grid.stepCount);
      if (ignored.has(base)) this.#give(outputs, base.series, base.column);
      else this.#enrich(outputs, base, infos, newest, keepsUnmatched);
      this.#context.giveColumn(base.column);
    }
    for (const { column } of infos) this.#context.giveColumn(column);
    this.#outputs = [...outputs.values()];
    return this.#outputs.map(({ series }) => series);
  }

  next(out: StepColumn): void {
    const { column } = this.#outputs[this.#given++] as Output;
    for (let step = 0; step < column.stepCount; step++) out.copyPoint(column, step);
    this.#context.giveColumn(column);
  }

  done(): void {}

  /** The info series of the targets of these series; the value of a point is the time of its sample. */
  #readInfos(bases: readonly Held[]): Held[] {
    const infos: Held[] = [];
    for (const targets of targetMatchers(bases)) {
      const selector: VectorSelectorNode = {
        kind: 'vectorSelector',
        start: this.#node.start,
        order: this.#node.order,
        type: 'vector',
        matchers: [...targets, ...this.#dataMatchers, ...this.#nameMatchers],
        anchored: false,
        smoothed: false,
        skipBuckets: false,
        labels: undefined,
        ...this.#reference,
      };
      const scan = new VectorSelectorScan(this.#context, selector, this.#grid, 'infoTimestampMs');
      for (const series of scan.series()) {
        const column = this.#context.takeColumn(this.#grid.stepCount);
        scan.next(column);
        if (column.isEmpty()) this.#context.giveColumn(column);
        else infos.push({ series, column });
      }
      scan.done();
    }
    return infos;
  }

  /** For each info metric and target, which info series counts at each step: index + 1, 0 for none. */
  #newestByTarget(bases: readonly Held[], infos: readonly Held[]): Map<string, Map<string, Int32Array>> {
    const anyBase = new Uint8Array(this.#grid.stepCount);
    for (const { column } of bases)
      for (let step = 0; step < anyBase.length; step++) anyBase[step] |= column.kinds[step];
    const newest = new Map<string, Map<string, Int32Array>>();
    infos.forEach(({ series, column }, index) => {
      this.#context.worked(workPerLabels + this.#grid.stepCount);
      const name = series.labels.get(metricName);
      const byTarget = newest.get(name) ?? new Map<string, Int32Array>();
      newest.set(name, byTarget);
      const target = targetKey(series.labels);
      const chosen = byTarget.get(target) ?? new Int32Array(this.#grid.stepCount);
      byTarget.set(target, chosen);
      for (let step = 0; step < chosen.length; step++) {
        if (column.kinds[step] === PointKind.none || anyBase[step] === 0) continue;
        const known = chosen[step];
        const other = known === 0 ? undefined : (infos[known - 1] as Held);
        if (other === undefined || other.column.values[step] < column.values[step]) {
          chosen[step] = index + 1;
        } else if (other.column.values[step] === column.values[step]) {
          const existing = `${formatLabels(other.series.labels)} @ ${other.column.values[step]}`;
          const added = `${formatLabels(series.labels)} @ ${column.values[step]}`;
          throw new Failure('execution', `found duplicate series for info metric: existing ${existing}, new ${added}`);
        }
      }
    });
    return newest;
  }

  #enrich(
    outputs: Map<string, Output>,
    { series, column }: Held,
    infos: readonly Held[],
    newest: Map<string, Map<string, Int32Array>>,
    keepsUnmatched: boolean,
  ): void {
    const target = targetKey(series.labels);
    const candidates: Int32Array[] = [];
    for (const byTarget of newest.values()) {
      const chosen = byTarget.get(target);
      if (chosen !== undefined) candidates.push(chosen);
    }
    /** Outputs by the info series that count, so that labels are made once for each combination. */
    const byInfos = new Map<string, OutputSeries | undefined>();
    for (let step = 0; step < column.stepCount; step++) {
      if (column.kinds[step] === PointKind.none) continue;
      const chosen = candidates.map((candidate) => candidate[step]).filter((index) => index > 0);
      const key = chosen.join(' ');
      if (!byInfos.has(key)) {
        const labels = chosen.map((index) => (infos[index - 1] as Held).series.labels);
        const enriched = chosen.length === 0 && !keepsUnmatched ? undefined : this.#withInfos(series, labels);
        byInfos.set(key, enriched);
      }
      const enriched = byInfos.get(key);
      if (enriched !== undefined) this.#givePoint(outputs, enriched, column, step);
    }
  }

  /** @throws Failure where two info series say different things */
  #withInfos(series: OutputSeries, infos: readonly Labels[]): OutputSeries {
    const wanted = this.#wanted;
    const added = new Map<string, string>();
    for (const { pairs } of infos) {
      for (let i = 0; i < pairs.length; i += 2) {
        const name = pairs[i] as string;
        const value = pairs[i + 1] as string;
        if (name === metricName || (wanted !== undefined && !wanted.has(name))) continue;
        const known = added.get(name);
        if (known !== undefined && known !== value) throw new Failure('execution', `conflicting label: ${name}`);
        if (series.labels.get(name) === '') added.set(name, value);
      }
    }
    let labels = series.labels;
    for (const [name, value] of added) labels = withLabel(labels, name, value);
    return { labels, dropName: series.dropName };
  }

  #give(outputs: Map<string, Output>, series: OutputSeries, column: StepColumn): void {
    for (let step = 0; step < column.stepCount; step++) {
      if (column.kinds[step] !== PointKind.none) this.#givePoint(outputs, series, column, step);
    }
  }

  #givePoint(outputs: Map<string, Output>, series: OutputSeries, column: StepColumn, step: number): void {
    let output = outputs.get(series.labels.key);
    if (output === undefined) {
      output = { series, column: this.#context.takeColumn(this.#grid.stepCount) };
      outputs.set(series.labels.key, output);
    }
    if (output.column.kinds[step] !== PointKind.none) throw new Failure('execution', sameLabelset);
    output.column.copyPoint(column, step);
  }
}

function targetKey(labels: Labels): string {
  return new Labels(identifyingLabels.flatMap((name) => [name, labels.get(name)])).key;
}

/** Matchers of the targets of these series, a set for each combination of identifying labels that they have. */
function targetMatchers(bases: readonly Held[]): Matcher[][] {
  const combinations = new Map<number, Set<string>[]>();
  for (const { series } of bases) {
    const values = identifyingLabels.map((name) => series.labels.get(name));
    // In Prometheus' order: job alone, instance alone, both.
    const presence = values.reduce((bits, value, i) => (value === '' ? bits : bits | (2 >> i)), 0);
    if (presence === 0) continue;
    const sets = combinations.get(presence) ?? identifyingLabels.map(() => new Set<string>());
    combinations.set(presence, sets);
    values.forEach((value, i) => {
      if (value !== '') sets[i]?.add(value);
    });
  }
  return [...combinations]
    .sort(([a], [b]) => a - b)
    .map(([, sets]) =>
      identifyingLabels.map((name, i): Matcher => {
        const values = [...(sets[i] as Set<string>)].sort();
        if (values.length === 0) return { type: '=', name, value: '' };
        return { type: '=~', name, value: values.map(quotePattern).join('|') };
      }),
    );
}

function quotePattern(text: string): string {
  return text.replace(/[\\.+*?()|[\]{}^$]/g, '\\$&');
}
