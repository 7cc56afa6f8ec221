/**
 * count_values: how often each value occurs in a group, one series for each.
 * The values are labels, so all input is read before the first output is known. Facts: Prometheus promql/engine.go
 * (aggregationCountValues).
 */
import { isUtf8 } from 'node:buffer';
import { Failure } from '../../../errors/failure.ts';
import { formatFloat } from '../../../model/format-float.ts';
import { formatHistogram } from '../../../model/histogram-format.ts';
import type { Labels } from '../../../model/labels.ts';
import { quoteText } from '../../syntax/go-text.ts';
import { type ExecutionContext, workPerLabels } from '../execution-context.ts';
import type { Grid } from '../grid.ts';
import type { OutputSeries, VectorOperator } from '../operator.ts';
import { groupLabels, withLabel } from '../series-labels.ts';
import { PointKind, type StepColumn } from '../step-column.ts';

const bytesPerOutput = 200;
/** How much more work it is to write a number than to add it. */
const workPerValue = 20;

/** And to write a histogram, which has many. */
const workPerHistogram = 1_000;

/** Whether the text may name a label: anything but nothing, if it is UTF-8. */
export function isLabelName(name: string): boolean {
  return name !== '' && name.isWellFormed() && isUtf8(Buffer.from(name));
}

interface Counted {
  readonly labels: Labels;
  readonly counts: Float64Array;
}

export class CountValues implements VectorOperator {
  readonly #context: ExecutionContext;
  readonly #input: VectorOperator;
  readonly #grid: Grid;
  readonly #names: ReadonlySet<string>;
  readonly #without: boolean;
  readonly #label: string;
  #outputs: Counted[] = [];
  #given = 0;

  constructor(
    context: ExecutionContext,
    input: VectorOperator,
    grid: Grid,
    grouping: readonly string[],
    without: boolean,
    label: string,
  ) {
    this.#context = context;
    this.#input = input;
    this.#grid = grid;
    this.#without = without;
    this.#label = label;
    this.#names = new Set(without ? grouping : [...grouping, label]);
  }

  series(): readonly OutputSeries[] {
    const label = this.#label;
    if (!isLabelName(label)) throw new Failure('execution', `invalid label name ${quoteText(label)}`);
    const outputs = new Map<string, Counted>();
    const column = this.#context.takeColumn(this.#grid.stepCount);
    for (const { labels } of this.#input.series()) {
      column.clear();
      this.#input.next(column);
      /** Outputs of this series by value, so that labels are made once for each. */
      const byText = new Map<string, Counted>();
      for (let step = 0; step < column.stepCount; step++) {
        const kind = column.kinds[step];
        this.#context.worked(kind === PointKind.histogram ? workPerHistogram : workPerValue);
        if (kind === PointKind.none) continue;
        const text =
          kind === PointKind.float ? formatFloat(column.values[step]) : formatHistogram(column.histogramAt(step));
        let output = byText.get(text);
        if (output === undefined) {
          output = this.#output(outputs, labels, text);
          byText.set(text, output);
        }
        output.counts[step]++;
      }
    }
    this.#context.giveColumn(column);
    this.#input.done();
    this.#outputs = [...outputs.values()];
    return this.#outputs.map(({ labels }) => ({ labels, dropName: false }));
  }

  next(out: StepColumn): void {
    const { counts } = this.#outputs[this.#given++] as Counted;
    for (let step = 0; step < counts.length; step++) if (counts[step] > 0) out.setFloat(step, counts[step]);
  }

  done(): void {
    this.#context.giveMemory(this.#outputs.length * (bytesPerOutput + 8 * this.#grid.stepCount));
    this.#outputs = [];
  }

  #output(outputs: Map<string, Counted>, labels: Labels, text: string): Counted {
    this.#context.worked(workPerLabels);
    const grouped = groupLabels(withLabel(labels, this.#label, text), this.#names, this.#without);
    let output = outputs.get(grouped.key);
    if (output === undefined) {
      this.#context.takeMemory(bytesPerOutput + 8 * this.#grid.stepCount);
      this.#context.worked(this.#grid.stepCount);
      output = { labels: grouped, counts: new Float64Array(this.#grid.stepCount) };
      outputs.set(grouped.key, output);
    }
    return output;
  }
}
