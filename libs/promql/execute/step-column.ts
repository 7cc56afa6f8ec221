/**
 * The values of one series at every step of a grid. Presence is apart from value, because NaN is a value.
 * Operators are handed a cleared column and fill it; whoever hands it over owns it.
 */
import type { Histogram } from '../../model/histogram.ts';
import { Slabs } from '../../std/slabs.ts';

/** What stands at a step. */
export const PointKind = { none: 0, float: 1, histogram: 2 } as const;

export class StepColumn {
  /** One PointKind per step. */
  readonly kinds: Uint8Array;
  /** Means something where the kind is float. */
  readonly values: Float64Array;
  /** Entry i means something where kind i is histogram; empty while there has been none. */
  readonly histograms: (Histogram | null)[] = [];
  /** Whether any kind may be histogram: false saves looking. */
  hasHistograms = false;

  /** @param slabs where there are many columns */
  constructor(stepCount: number, slabs: Slabs = new Slabs()) {
    this.kinds = slabs.bytes(stepCount);
    this.values = slabs.floats(stepCount);
  }

  get stepCount(): number {
    return this.kinds.length;
  }

  /** Takes all points away. */
  clear(): void {
    this.kinds.fill(PointKind.none);
    if (this.hasHistograms) this.histograms.length = 0;
    this.hasHistograms = false;
  }

  setFloat(step: number, value: number): void {
    this.kinds[step] = PointKind.float;
    this.values[step] = value;
  }

  setHistogram(step: number, histogram: Histogram): void {
    this.kinds[step] = PointKind.histogram;
    if (!this.hasHistograms) {
      this.hasHistograms = true;
      while (this.histograms.length < this.kinds.length) this.histograms.push(null);
    }
    this.histograms[step] = histogram;
  }

  /** Takes one point away. */
  remove(step: number): void {
    this.kinds[step] = PointKind.none;
  }

  /** The histogram at a step whose kind says that there is one. */
  histogramAt(step: number): Histogram {
    return this.histograms[step] as Histogram;
  }

  /** Copies the point of another column, if it has one there. */
  copyPoint(from: StepColumn, step: number): void {
    const kind = from.kinds[step];
    if (kind === PointKind.float) this.setFloat(step, from.values[step]);
    else if (kind === PointKind.histogram) this.setHistogram(step, from.histogramAt(step));
  }

  /** Whether there is no point at all. */
  isEmpty(): boolean {
    return this.pointCount() === 0;
  }

  pointCount(): number {
    let count = 0;
    for (let i = 0; i < this.kinds.length; i++) if (this.kinds[i] !== PointKind.none) count++;
    return count;
  }
}
