/** An exemplar as the read side holds it. */
import type { Labels } from './labels.ts';

export interface Exemplar {
  readonly labels: Labels;
  readonly value: number;
  /** Milliseconds since the epoch. */
  readonly timestampMs: number;
}
