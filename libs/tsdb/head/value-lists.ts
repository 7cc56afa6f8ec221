/**
 * The names and values of labels in their order: what fills the drop-down lists of dashboards, and is too long to be sorted for each of them.
 * Owns what is kept of all heads of a process, and bringing a list up to date: only new values are sorted, and merged into those that were
 * known. A table of series never loses a pair (series-table.ts); when another stands in its place, the lists of the old one are not asked
 * for any more.
 */
import { compareUtf8 } from '../../model/labels.ts';
import { textOrder } from '../../model/text-order.ts';
import { bytesOfSets, bytesOfText } from '../../series/list-memory.ts';
import type { ByteAllowance } from '../../std/inflight-bytes.ts';
import { RecentlyUsed } from '../../std/recently-used.ts';
import { type Steps, sortInSteps } from '../../std/steps.ts';
import type { HeadRange } from './head-range.ts';
import { pairsWithSamples } from './select-ids.ts';
import type { SeriesTable } from './series-table.ts';

/** Beside a text: its pair. */
const pairBytes = 4;
/** Of a value that is put in order, until it is. */
const unsortedBytes = 56;
const stepItems = 512;

/** Numbers of pairs or names, and their texts: both in the order of the texts. */
export interface ValueList {
  readonly numbers: Uint32Array;
  readonly texts: readonly string[];
}

interface KeptList extends ValueList {
  readonly compare: (a: string, b: string) => number;
  readonly bytes: number;
}

interface Value {
  readonly number: number;
  readonly text: string;
}

/**
 * Of each pair of a list some series of these ranges had its oldest sample until `oldestT`, and its newest from `newestT` on. A list may
 * be kept for much longer than the ranges, whose samples must not stay for it.
 */
interface Seen {
  readonly ranges: readonly WeakRef<HeadRange>[];
  readonly oldestT: number;
  readonly newestT: number;
}

export class ValueLists {
  readonly #lists: RecentlyUsed<KeptList>;
  readonly #numbers = new WeakMap<SeriesTable, number>();
  #tables = 0;
  /** What was looked at of a list holds as long as the ranges are there: samples only come to them. */
  readonly #seen = new WeakMap<ValueList, Seen>();

  /** @param bytesMax of all lists that are kept */
  constructor(bytesMax: number) {
    this.#lists = new RecentlyUsed(bytesMax);
  }

  /**
   * All pairs that a name has now, by their values.
   * @param memory where they are counted as long as they are not kept
   */
  of(series: SeriesTable, name: number, memory?: ByteAllowance): Steps<ValueList> {
    const pairs = { numbers: () => series.pairsOfName(name), text: (pair: number) => series.pairValue(pair) };
    return this.#list(series, String(name), series.pairCountOfName(name), pairs, memory);
  }

  /** All names that there are now. */
  names(series: SeriesTable, memory?: ByteAllowance): Steps<ValueList> {
    const names = {
      numbers: () => Uint32Array.from({ length: series.nameCount }, (_, i) => i + 1),
      text: (name: number) => series.nameText(name),
    };
    return this.#list(series, 'names', series.nameCount, names, memory);
  }

  /**
   * Texts of a list of whose pairs a series may have samples from minT to maxT; the list's own where that is all of them.
   * @param memory where the places of others are counted
   */
  *textsWithSamples(
    series: SeriesTable,
    list: ValueList,
    ranges: readonly HeadRange[],
    {
      minT,
      maxT,
      memory,
    }: { readonly minT: number; readonly maxT: number; readonly memory?: ByteAllowance | undefined },
  ): Steps<readonly string[]> {
    const seen = this.#seen.get(list);
    if (seen !== undefined && minT <= seen.newestT && maxT >= seen.oldestT) {
      const present = new Set<HeadRange | undefined>(ranges);
      if (seen.ranges.every((range) => present.has(range.deref()))) return list.texts;
    }
    const { numbers, texts } = list;
    const found = yield* pairsWithSamples(series, numbers, ranges, minT, maxT);
    if (found.length < texts.length) {
      memory?.take(bytesOfSets(0, found.length));
      return found.map((i) => texts[i]);
    }
    const now = yield* lookAtFirst(series, numbers, ranges, minT, maxT);
    if (now !== undefined) this.#seen.set(list, now);
    return texts;
  }

  /** @param what all of them in the order in which they came, and the text of one */
  *#list(
    series: SeriesTable,
    name: string,
    count: number,
    { numbers, text: textOf }: { readonly numbers: () => Uint32Array; readonly text: (number: number) => string },
    memory: ByteAllowance | undefined,
  ): Steps<ValueList> {
    let table = this.#numbers.get(series);
    if (table === undefined) {
      table = ++this.#tables;
      this.#numbers.set(series, table);
    }
    const key = `${table} ${name}`;
    const known = this.#lists.get(key);
    const knownCount = known?.numbers.length ?? 0;
    if (known !== undefined && count === knownCount) return known;
    const all = numbers();
    const added: Value[] = [];
    let bytes = 0;
    // Those that came since stand at the end.
    for (let i = knownCount; i < all.length; i++) {
      const text = textOf(all[i]);
      added.push({ number: all[i], text });
      const own = bytesOfText(text) + pairBytes;
      memory?.take(own + unsortedBytes);
      bytes += own;
      if (i % stepItems === 0) yield;
    }
    const compare = yield* orderOf(known, added);
    const sorted = yield* sortInSteps(added, (a, b) => compare(a.text, b.text));
    const none = { numbers: new Uint32Array(0), texts: [], compare, bytes: 0 };
    const list = yield* merged(known ?? none, sorted, bytes, compare);
    const isKept = this.#lists.set(key, list, list.bytes);
    // One that was kept and has become too long for that is the list's own from now on.
    if (!isKept && known !== undefined) memory?.take(known.bytes);
    memory?.give(added.length * unsortedBytes + (isKept ? bytes : 0));
    return list;
  }
}

/** What the first series of each pair shows; undefined where it has no samples from minT to maxT. */
function* lookAtFirst(
  series: SeriesTable,
  pairs: Uint32Array,
  ranges: readonly HeadRange[],
  minT: number,
  maxT: number,
): Steps<Seen | undefined> {
  const used = new Set<HeadRange>();
  let oldestT = Number.NEGATIVE_INFINITY;
  let newestT = Number.POSITIVE_INFINITY;
  for (let i = 0; i < pairs.length; i++) {
    const id = series.firstSeriesOfPair(pairs[i]);
    const range = ranges.find((one) => one.hasSamples(id, minT, maxT));
    if (range === undefined) return undefined;
    used.add(range);
    oldestT = Math.max(oldestT, range.oldestOf(id));
    newestT = Math.min(newestT, range.newestOf(id));
    if (i % stepItems === 0) yield;
  }
  return { ranges: Array.from(used, (range) => new WeakRef(range)), oldestT, newestT };
}

/** An order for all of them. */
function* orderOf(known: KeptList | undefined, added: readonly Value[]): Steps<KeptList['compare']> {
  const own = yield* textOrder(added.map(({ text }) => text));
  return own === compareUtf8 ? own : (known?.compare ?? own);
}

/** @param bytes of those that were added */
function* merged(
  known: KeptList,
  added: readonly Value[],
  bytes: number,
  compare: KeptList['compare'],
): Steps<KeptList> {
  const count = known.numbers.length + added.length;
  const numbers = new Uint32Array(count);
  const texts: string[] = [];
  for (let i = 0, j = 0; i + j < count; ) {
    if (j === added.length || (i < known.numbers.length && compare(known.texts[i], added[j].text) < 0)) {
      numbers[i + j] = known.numbers[i];
      texts.push(known.texts[i++]);
    } else {
      numbers[i + j] = added[j].number;
      texts.push(added[j++].text);
    }
    if (texts.length % (stepItems * 8) === 0) yield;
  }
  return { numbers, texts, compare, bytes: known.bytes + bytes };
}
