/**
 * Which series of one side go with which of the other: by the labels that on() or ignoring() say.
 * Owns the numbering of match groups and the labels of results. Facts: Prometheus promql/engine.go (rangeEval, resultMetric).
 */
import type { Labels } from '../../../model/labels.ts';
import type { BinaryOp, VectorMatching } from '../../syntax/ast.ts';
import { type ExecutionContext, workPerLabels } from '../execution-context.ts';
import { LabelNumbers } from '../label-numbers.ts';
import type { OutputSeries } from '../operator.ts';
import { deleteLabels, dropMetadata, keepLabels, matchKey, withLabel } from '../series-labels.ts';
import { isArithmetic } from './element-operation.ts';

/** Numbers match groups as they are met, over both sides. */
export class MatchGroups {
  readonly #names: ReadonlySet<string>;
  readonly #on: LabelNumbers | undefined;
  readonly #numbers = new Map<string, number>();

  constructor({ labels, on }: VectorMatching) {
    this.#names = new Set(labels);
    this.#on = on ? new LabelNumbers(this.#names) : undefined;
  }

  /** How many groups there are so far. */
  get count(): number {
    return this.#on?.count ?? this.#numbers.size;
  }

  /** The group of each series. */
  number(context: Pick<ExecutionContext, 'worked'>, series: readonly OutputSeries[]): Int32Array {
    const groups = new Int32Array(series.length);
    const on = this.#on;
    series.forEach(({ labels }, i) => {
      context.worked(workPerLabels);
      if (on !== undefined) {
        groups[i] = on.of(labels);
        return;
      }
      const key = matchKey(labels, this.#names, false);
      let number = this.#numbers.get(key);
      if (number === undefined) {
        number = this.#numbers.size;
        this.#numbers.set(key, number);
      }
      groups[i] = number;
    });
    return groups;
  }
}

/** Labels of the result of a pair: those of the many side, narrowed one-to-one, with the included ones of the one side. */
export function resultLabels(
  many: Labels,
  one: Labels,
  op: BinaryOp,
  matching: VectorMatching,
  dropName: boolean,
): Labels {
  let labels = dropName || isArithmetic(op) ? dropMetadata(many) : many;
  if (matching.card === 'one-to-one') {
    const names = new Set(matching.labels);
    labels = matching.on ? keepLabels(labels, names) : deleteLabels(labels, names);
  }
  for (const name of matching.include) labels = withLabel(labels, name, one.get(name));
  return labels;
}
