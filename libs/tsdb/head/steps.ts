/**
 * Long work in small steps: a generator that yields wherever it may be interrupted, run at once or in slices of time with the
 * event loop in between, so that a read of a million series does not hold up a write.
 * Owns the two ways of running it, and sorting as such work.
 */

import { compareUtf8 } from '../../model/labels.ts';

/** Work that yields now and then and returns its result. */
export type Steps<T> = Generator<void, T, void>;

/** How long work may go on before others get their turn: all that is under way together, and each for a step at least. */
const sliceMs = 2;
/** Works that are under way. */
let underWay = 0;

/** Runs the work in slices. @throws what `signal` was aborted with */
export async function runInSlices<T>(steps: Steps<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  underWay++;
  try {
    let begin = performance.now();
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      if (performance.now() - begin < sliceMs / underWay) continue;
      await nextTurn();
      signal.throwIfAborted();
      begin = performance.now();
    }
  } finally {
    underWay--;
  }
}

/** Resolves when the event loop has been around. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** From here on UTF-16 and UTF-8 may put texts in a different order. */
const beyondCommonOrder = /[\ud800-\uffff]/;

/** Sorts texts by their UTF-8 bytes. */
export function* sortTextsInSteps(texts: readonly string[]): Steps<string[]> {
  return yield* sortInSteps(texts, yield* textOrder(texts));
}

/** The order of UTF-8 bytes, for these texts: comparing in the engine costs a fraction of comparing character by character here. */
export function* textOrder(texts: readonly string[]): Steps<(a: string, b: string) => number> {
  for (let i = 0; i < texts.length; i++) {
    if (beyondCommonOrder.test(texts[i])) return compareUtf8;
    if (i % mergeStep === 0) yield;
  }
  return (a, b) => (a < b ? -1 : a > b ? 1 : 0);
}

const runLength = 1024;
const mergeStep = 1024;

/** Sorts: short runs at once, then merges two by two. Stable. */
export function* sortInSteps<T>(values: readonly T[], compare: (a: T, b: T) => number): Steps<T[]> {
  let runs: T[][] = [];
  for (let at = 0; at < values.length; at += runLength) {
    runs.push(values.slice(at, at + runLength).sort(compare));
    yield;
  }
  while (runs.length > 1) {
    const merged: T[][] = [];
    for (let i = 0; i < runs.length; i += 2) {
      merged.push(i + 1 < runs.length ? yield* mergeInSteps(runs[i], runs[i + 1], compare) : runs[i]);
    }
    runs = merged;
  }
  return runs[0] ?? [];
}

function* mergeInSteps<T>(a: readonly T[], b: readonly T[], compare: (a: T, b: T) => number): Steps<T[]> {
  const merged: T[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (j >= b.length || (i < a.length && compare(a[i], b[j]) <= 0)) merged.push(a[i++]);
    else merged.push(b[j++]);
    if (merged.length % mergeStep === 0) yield;
  }
  return merged;
}
