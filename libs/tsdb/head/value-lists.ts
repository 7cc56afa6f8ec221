/**
 * The names and values of labels in their order: what fills the drop-down lists of dashboards, and is too long to be sorted for each of them.
 * Owns what is kept of all heads of a process, and bringing a list up to date: only new values are sorted, and merged into those that were
 * known. A table of series never loses a pair (series-table.ts); when another stands in its place, the lists of the old one are not asked
 * for any more.
 */
import { compareUtf8 } from '../../model/labels.ts';
import { RecentlyUsed } from '../../std/recently-used.ts';
import type { SeriesTable } from './series-table.ts';
import { type Steps, sortInSteps, textOrder } from './steps.ts';

/** Beside the characters of a text: where it stands, its header, its pair. */
const valueBytes = 28;
const stepItems = 512;

/** Numbers of pairs or names, and their texts: both in the order of the texts. */
export interface ValueList {
  readonly numbers: Uint32Array;
  readonly texts: readonly string[];
}

interface KeptList extends ValueList {
  readonly compare: (a: string, b: string) => number;
}

interface Value {
  readonly number: number;
  readonly text: string;
}

export class ValueLists {
  readonly #lists: RecentlyUsed<KeptList>;
  readonly #numbers = new WeakMap<SeriesTable, number>();
  #tables = 0;

  /** @param bytesMax of all lists that are kept */
  constructor(bytesMax: number) {
    this.#lists = new RecentlyUsed(bytesMax);
  }

  /** All pairs that a name has now, by their values. */
  of(series: SeriesTable, name: number): Steps<ValueList> {
    return this.#list(series, String(name), series.pairCountOfName(name), {
      numbers: () => series.pairsOfName(name),
      text: (pair) => series.pairValue(pair),
    });
  }

  /** All names that there are now. */
  names(series: SeriesTable): Steps<ValueList> {
    return this.#list(series, 'names', series.nameCount, {
      numbers: () => Uint32Array.from({ length: series.nameCount }, (_, i) => i + 1),
      text: (name) => series.nameText(name),
    });
  }

  /** @param what all of them in the order in which they came, and the text of one */
  *#list(
    series: SeriesTable,
    name: string,
    count: number,
    { numbers, text: textOf }: { readonly numbers: () => Uint32Array; readonly text: (number: number) => string },
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
    // Those that came since stand at the end.
    for (let i = knownCount; i < all.length; i++) {
      added.push({ number: all[i], text: textOf(all[i]) });
      if (i % stepItems === 0) yield;
    }
    const compare = yield* orderOf(known, added);
    const sorted = yield* sortInSteps(added, (a, b) => compare(a.text, b.text));
    const list = yield* merged(known ?? { numbers: new Uint32Array(0), texts: [], compare }, sorted, compare);
    let bytes = 0;
    for (const text of list.texts) bytes += text.length + valueBytes;
    this.#lists.set(key, list, bytes);
    return list;
  }
}

/** An order for all of them. */
function* orderOf(known: KeptList | undefined, added: readonly Value[]): Steps<KeptList['compare']> {
  const own = yield* textOrder(added.map(({ text }) => text));
  return own === compareUtf8 ? own : (known?.compare ?? own);
}

function* merged(known: KeptList, added: readonly Value[], compare: KeptList['compare']): Steps<KeptList> {
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
  return { numbers, texts, compare };
}
