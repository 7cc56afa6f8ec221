/**
 * Which series of one side go with which of the other: by the labels that on() or ignoring() say.
 * Owns the numbering of match groups and the labels of results. Facts: Prometheus promql/engine.go (rangeEval, resultMetric).
 */
import type { Labels } from '../../../model/labels.ts';
import type { BinaryOp, VectorMatching } from '../../syntax/ast.ts';
import { type NumberingContext, workPerLabels } from '../execution-context.ts';
import { LabelNumbers } from '../label-numbers.ts';
import type { OutputSeries } from '../operator.ts';
import { deleteLabels, dropMetadata, keepLabels, labelsOfBoth } from '../series-labels.ts';
import { isArithmetic } from './element-operation.ts';

/** Numbers match groups as they are met, over both sides. */
export class MatchGroups {
  readonly #context: NumberingContext;
  readonly #numbers: LabelNumbers;

  constructor(context: NumberingContext, { labels, on }: VectorMatching) {
    this.#context = context;
    this.#numbers = new LabelNumbers(new Set(labels), !on, context);
  }

  /** How many groups there are so far. */
  get count(): number {
    return this.#numbers.count;
  }

  /** The group of each series. */
  number(series: readonly OutputSeries[]): Int32Array {
    const groups = new Int32Array(series.length);
    series.forEach(({ labels }, i) => {
      this.#context.worked(workPerLabels);
      groups[i] = this.#numbers.of(labels);
    });
    return groups;
  }

  /** Ends the numbering. */
  end(): void {
    this.#numbers.end();
  }
}

/** Labels of the results of pairs: those of the many side, narrowed one-to-one, with the included ones of the one side. */
export class ResultLabels {
  readonly #matching: VectorMatching;
  readonly #dropsName: boolean;
  readonly #names: ReadonlySet<string>;
  readonly #included: ReadonlySet<string>;

  constructor(op: BinaryOp, matching: VectorMatching, dropName: boolean) {
    this.#matching = matching;
    this.#dropsName = dropName || isArithmetic(op);
    this.#names = new Set(matching.labels);
    this.#included = new Set(matching.include);
  }

  of(many: Labels, one: Labels): Labels {
    const labels = this.#dropsName ? dropMetadata(many) : many;
    const { card, on } = this.#matching;
    if (card === 'one-to-one') return on ? keepLabels(labels, this.#names) : deleteLabels(labels, this.#names);
    return this.#included.size === 0 ? labels : labelsOfBoth(labels, one, this.#included);
  }
}
