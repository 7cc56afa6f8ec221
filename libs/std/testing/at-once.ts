/** Work in steps, done at once. */
import type { Steps } from '../steps.ts';

/** What it returns, and how many steps it took. */
export function atOnce<T>(steps: Steps<T>): [T, number] {
  for (let count = 1; ; count++) {
    const step = steps.next();
    if (step.done === true) return [step.value, count];
  }
}
