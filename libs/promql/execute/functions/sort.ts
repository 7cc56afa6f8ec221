/**
 * sort and its kin: the order of an instant query's answer. Range queries are ordered by labels whatever was asked.
 * Facts: Prometheus promql/functions.go (funcSort, funcSortByLabel); labels compare naturally, as facette/natsort does.
 */
import { compareLabels, compareUtf8 } from '../../../model/labels.ts';
import { goSort } from '../../go-sort.ts';
import { type ExecutionContext, workPerLabels } from '../execution-context.ts';
import type { Grid } from '../grid.ts';
import type { OutputSeries, VectorOperator } from '../operator.ts';
import { PointKind, type StepColumn } from '../step-column.ts';

interface Entry {
  readonly series: OutputSeries;
  readonly column: StepColumn;
}

/** Whether `a` is to stand before `b`. */
type Before = (a: Entry, b: Entry) => boolean;

/** By value; NaN last both ways, histograms are not there. Of two NaN each is before the other, as in Prometheus. */
export function byValue(direction: 1 | -1): Before {
  return (a, b) => {
    const x = a.column.values[0];
    const y = b.column.values[0];
    return Number.isNaN(y) || (direction === 1 ? x < y : x > y);
  };
}

/** How much more work it is to compare a character of two values naturally than to pass a sample. */
const workPerCharacter = 4;

/** By the values of these labels in turn, then by all of them. `worked` is told of long ones. */
export function byLabels(names: readonly string[], direction: 1 | -1, worked: (amount: number) => void): Before {
  return ({ series: a }, { series: b }) => {
    for (const name of names) {
      const x = a.labels.get(name);
      const y = b.labels.get(name);
      if (x === y) continue;
      // Where one is empty Prometheus finds neither before the other, and downwards that is each before the other.
      if (x === '' || y === '') return direction === -1;
      worked(workPerCharacter * (x.length + y.length));
      return naturallyBefore(x, y) === (direction === 1);
    }
    return direction * compareLabels(a.labels, b.labels) < 0;
  };
}

const chunkPattern = /\d+|\D+/g;
const isDigits = /^\d+$/;

/** Runs of digits compare as numbers. */
function naturallyBefore(a: string, b: string): boolean {
  const x = a.match(chunkPattern) ?? [];
  const y = b.match(chunkPattern) ?? [];
  for (let i = 0; i < x.length; i++) {
    const chunkX = x[i] as string;
    const chunkY = y[i];
    if (chunkY === undefined) return false;
    if (chunkX === chunkY) continue;
    if (isDigits.test(chunkX) && isDigits.test(chunkY)) {
      const order = compareDigits(chunkX, chunkY);
      if (order !== 0) return order < 0;
      // Of equal numbers the one with fewer zeros before it comes first, if nothing else decides.
      if (i === x.length - 1) return true;
      if (i === y.length - 1) return false;
      continue;
    }
    return compareUtf8(chunkX, chunkY) < 0;
  }
  return true;
}

const int64Max = 2n ** 63n - 1n;

/** As numbers where both are int64, else as text. */
function compareDigits(a: string, b: string): number {
  const x = BigInt(a);
  const y = BigInt(b);
  if (x > int64Max || y > int64Max) return a < b ? -1 : 1;
  return x < y ? -1 : x > y ? 1 : 0;
}

/** In the order of Go's sort, which shows where entries are equal. */
function sortEntries(context: ExecutionContext, entries: Entry[], before: Before): Entry[] {
  const less = (i: number, j: number) => {
    context.worked(workPerLabels);
    return before(entries[i] as Entry, entries[j] as Entry);
  };
  const swap = (i: number, j: number): void => {
    const entry = entries[i] as Entry;
    entries[i] = entries[j] as Entry;
    entries[j] = entry;
  };
  goSort({ less, swap }, entries.length);
  return entries;
}

/** Puts the series of an instant query in order; with several steps it lets them through as they come. */
export class Sort implements VectorOperator {
  readonly #context: ExecutionContext;
  readonly #input: VectorOperator;
  readonly #grid: Grid;
  readonly #before: Before;
  readonly #floatsOnly: boolean;
  #entries: Entry[] = [];
  #given = 0;

  constructor(context: ExecutionContext, input: VectorOperator, grid: Grid, before: Before, floatsOnly: boolean) {
    this.#context = context;
    this.#input = input;
    this.#grid = grid;
    this.#before = before;
    this.#floatsOnly = floatsOnly;
  }

  series(): readonly OutputSeries[] {
    const inputs = this.#input.series();
    if (this.#grid.stepCount !== 1) return inputs;
    for (const series of inputs) {
      const column = this.#context.takeColumn(1);
      this.#input.next(column);
      const kind = column.kinds[0];
      if (kind === PointKind.none || (this.#floatsOnly && kind === PointKind.histogram))
        this.#context.giveColumn(column);
      else this.#entries.push({ series, column });
    }
    this.#entries = sortEntries(this.#context, this.#entries, this.#before);
    return this.#entries.map(({ series }) => series);
  }

  next(out: StepColumn): void {
    if (this.#grid.stepCount !== 1) {
      this.#input.next(out);
      if (this.#floatsOnly && out.hasHistograms) {
        for (let step = 0; step < out.stepCount; step++) if (out.kinds[step] === PointKind.histogram) out.remove(step);
      }
      return;
    }
    const { column } = this.#entries[this.#given++] as Entry;
    out.copyPoint(column, 0);
    this.#context.giveColumn(column);
  }

  done(): void {
    this.#input.done();
  }
}
