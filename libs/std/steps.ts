/**
 * Long work in small steps: a generator that yields wherever it may be interrupted, run at once or in slices of time with the
 * event loop in between, so that a read of a million series does not hold up a write.
 * Owns the two ways of running it, and sorting as such work.
 */

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

const mergeStep = 1024;
/** So many numbers are put in order one by one. */
const shortRun = 8;

/** Sorts. Stable. */
export function sortInSteps<T>(values: readonly T[], compare: (a: T, b: T) => number): Steps<T[]> {
  return sortRunsInSteps(values, {
    runLength: 1024,
    sort: (run) => run.sort(compare),
    isBehind: (a, b) => compare(a, b) > 0,
  });
}

/** How values are put in order. */
export interface RunOrder<T> {
  /** So many are sorted in a step. */
  readonly runLength: number;
  /** In place. */
  readonly sort: (run: T[]) => T[];
  /** Whether a comes behind b; of equal ones it does not. */
  readonly isBehind: (a: T, b: T) => boolean;
}

/** Sorts: short runs at once, then merges two by two. Stable where the sorting of runs is. */
export function* sortRunsInSteps<T>(values: readonly T[], { runLength, sort, isBehind }: RunOrder<T>): Steps<T[]> {
  let runs: T[][] = [];
  for (let at = 0; at < values.length; at += runLength) {
    runs.push(sort(values.slice(at, at + runLength)));
    yield;
  }
  while (runs.length > 1) {
    const merged: T[][] = [];
    for (let i = 0; i < runs.length; i += 2) {
      merged.push(i + 1 < runs.length ? yield* mergeInSteps(runs[i], runs[i + 1], isBehind) : runs[i]);
    }
    runs = merged;
  }
  return runs[0] ?? [];
}

function* mergeInSteps<T>(a: readonly T[], b: readonly T[], isBehind: (a: T, b: T) => boolean): Steps<T[]> {
  if (!isBehind(a[a.length - 1], b[0])) return a.concat(b);
  const merged: T[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    merged.push(isBehind(a[i], b[j]) ? b[j++] : a[i++]);
    if (merged.length % mergeStep === 0) yield;
  }
  while (i < a.length) if (merged.push(a[i++]) % mergeStep === 0) yield;
  while (j < b.length) if (merged.push(b[j++]) % mergeStep === 0) yield;
  return merged;
}

/** Whether what number a stands for comes behind what b does. */
type IsBehind = (a: number, b: number) => boolean;

/** The numbers below `count` in the order of what they stand for. Stable; what is in order already is compared hardly more than once. */
export function* orderInSteps(count: number, isBehind: IsBehind): Steps<Uint32Array> {
  let from = new Uint32Array(count);
  for (let i = 0; i < count; i++) from[i] = i;
  for (let begin = 0; begin < count; begin += shortRun) {
    sortShort(from, begin, Math.min(count, begin + shortRun), isBehind);
    if ((begin + shortRun) % mergeStep === 0) yield;
  }
  let to = new Uint32Array(count);
  let moved = 0;
  for (let length = shortRun; length < count; length *= 2) {
    for (let begin = 0; begin < count; begin += 2 * length) {
      const middle = Math.min(count, begin + length);
      const end = Math.min(count, begin + 2 * length);
      for (const next = { left: begin, right: middle, at: begin }; next.at < end; ) {
        const at = next.at;
        mergeSome(from, to, next, middle, end, isBehind);
        moved += next.at - at;
        if (moved < mergeStep) continue;
        moved = 0;
        yield;
      }
    }
    [from, to] = [to, from];
  }
  return from;
}

/** Sorts numbers[begin, end), which are few. */
function sortShort(numbers: Uint32Array, begin: number, end: number, isBehind: IsBehind): void {
  for (let i = begin + 1; i < end; i++) {
    const moved = numbers[i];
    let at = i;
    for (; at > begin && isBehind(numbers[at - 1], moved); at--) numbers[at] = numbers[at - 1];
    numbers[at] = moved;
  }
}

/** Goes on with merging from[.., middle) and from[middle, end), both sorted, into the same place of `to`. */
function mergeSome(
  from: Uint32Array,
  to: Uint32Array,
  next: { left: number; right: number; at: number },
  middle: number,
  end: number,
  isBehind: IsBehind,
): void {
  let { left, right, at } = next;
  if (middle === end || (at === left && !isBehind(from[middle - 1], from[middle]))) {
    to.set(from.subarray(left, end), at);
    next.at = end;
    return;
  }
  for (const stop = Math.min(end, at + mergeStep); at < stop && left < middle && right < end; ) {
    to[at++] = isBehind(from[left], from[right]) ? from[right++] : from[left++];
  }
  if (left === middle || right === end) {
    // What one of them has left.
    to.set(left < middle ? from.subarray(left, middle) : from.subarray(right, end), at);
    at = end;
  }
  next.left = left;
  next.right = right;
  next.at = at;
}
