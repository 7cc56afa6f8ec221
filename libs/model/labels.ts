/**
 * A label set as the query side holds it: names and values as strings, sorted by the UTF-8 bytes of the name.
 * Owns the order, equality and Prometheus' text form. The write side never builds these for a known series
 * (see canonical-labels.ts). Empty values never occur: an empty value is an absent label.
 */

export const metricName = '__name__';

/** Compares two strings as their UTF-8 bytes would (UTF-16 order differs where surrogates meet U+E000..U+FFFF). */
export function compareUtf8(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    let x = a.charCodeAt(i);
    let y = b.charCodeAt(i);
    if (x !== y) {
      // Move surrogates above U+FFFF's other half, as code points are.
      if (x >= 0xd800) x = x >= 0xe000 ? x - 0x2000 : x + 0x2000;
      if (y >= 0xd800) y = y >= 0xe000 ? y - 0x2000 : y + 0x2000;
      return x - y;
    }
  }
  return a.length - b.length;
}

/** An immutable label set: `pairs` is name, value, name, value, ..., sorted by name, names unique, no empty value. */
export class Labels {
  static readonly empty: Labels = new Labels([]);
  readonly pairs: readonly string[];
  #key: string | undefined;

  /** Trusts its argument to be sorted, unique and without empty values; else use `Labels.from`. */
  constructor(pairs: readonly string[]) {
    this.pairs = pairs;
  }

  /** Builds from any order; empty values are dropped, the last of equal names wins. */
  static from(entries: Iterable<readonly [string, string]>): Labels {
    const byName = new Map(entries);
    const names = [...byName.keys()].filter((name) => byName.get(name) !== '').sort(compareUtf8);
    const pairs: string[] = [];
    for (const name of names) pairs.push(name, byName.get(name) ?? '');
    return new Labels(pairs);
  }

  /** Value of the label, '' if absent. */
  get(name: string): string {
    const pairs = this.pairs;
    for (let i = 0; i < pairs.length; i += 2) if (pairs[i] === name) return pairs[i + 1] as string;
    return '';
  }

  /** A text that is equal exactly for equal label sets: usable as a Map key, never shown. */
  get key(): string {
    this.#key ??= labelPairsKey(this.pairs);
    return this.#key;
  }

  get size(): number {
    return this.pairs.length / 2;
  }
}

const blanks: string[] = [];

/** So many empty strings, for pairs to be put there: an array that grew by pushes would take more than twice the memory. */
export function blankPairs(count: number): string[] {
  while (blanks.length < count) blanks.push('');
  return blanks.slice(0, count);
}

/** The key of flat sorted pairs (see Labels.key). Lengths are part of it, so no value can imitate a separator. */
export function labelPairsKey(pairs: readonly string[]): string {
  let key = '';
  for (let i = 0; i < pairs.length; i++) {
    const text = pairs[i] as string;
    key += `${text.length}:${text}`;
  }
  return key;
}

/** Order of label sets in Prometheus answers (labels.Compare): pairwise by name, then value, then the shorter first. */
export function compareLabels(a: Labels, b: Labels): number {
  const x = a.pairs;
  const y = b.pairs;
  const length = Math.min(x.length, y.length);
  for (let i = 0; i < length; i++) {
    const order = compareUtf8(x[i] as string, y[i] as string);
    if (order !== 0) return order;
  }
  return x.length - y.length;
}
