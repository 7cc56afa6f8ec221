/**
 * Selections that overlap are read once: those of the same matchers over times that have much in common.
 * Owns which reads become one, and the batches that have been read by one and not yet by another. A selection may then hold series
 * that have no samples in its own time: every selection may.
 */
import type { ReadQuery, SeriesReader, SeriesSelection } from '../../../series/series-reader.ts';
import { type ChunkBatch, seriesCountOf } from '../../../series/series-source.ts';
import { neverEnded, type Worked } from '../../worked.ts';

/** What may be held for another one to read; where it would be more, each reads for itself. */
const heldBytesMax = 128 * 1024 * 1024;
/** What chunks are taken to need: 1.5 bytes a sample, one every 15 s. */
const bytesPerSeriesMs = 0.0001;

/** With so many reads of its matchers one is compared. */
const comparedMax = 100;
/** So many names of labels, with repeats, are put together: beyond it all labels are read. */
const namesMax = 2_000;

/** To compare a read with others. */
const workPerRead = 64;
const charactersPerWork = 8;
const workPerName = 8;

/** Who is told of work, and of batches that are held. */
interface ReadCosts {
  worked(amount: number): void;
  takeMemory(bytes: number): void;
  giveMemory(bytes: number): void;
}

interface MergedRead {
  readonly query: ReadQuery;
  /** The queries that it answers. */
  readonly parts: readonly ReadQuery[];
}

/** The reads of a plan, those that overlap as one: in the order of the first of each. */
export function mergeReads(queries: readonly ReadQuery[], worked: Worked = neverEnded): MergedRead[] {
  if (queries.length < 2) return queries.map((query) => ({ query, parts: [query] }));
  const merged: { query: ReadQuery; parts: ReadQuery[] }[] = [];
  /** A query may have tens of thousands of selectors. */
  const byMatchers = new Map<string, { query: ReadQuery; parts: ReadQuery[] }[]>();
  for (const query of queries) {
    const matchers = JSON.stringify(query.matchers);
    worked(workPerRead + matchers.length / charactersPerWork);
    const alike = byMatchers.get(matchers) ?? [];
    byMatchers.set(matchers, alike);
    const known = alike.find((other) => isWorthMerging(other.query, query));
    if (known === undefined) {
      const own = { query, parts: [query] };
      merged.push(own);
      if (alike.length < comparedMax) alike.push(own);
      continue;
    }
    known.parts.push(query);
    known.query = {
      matchers: query.matchers,
      minT: Math.min(known.query.minT, query.minT),
      maxT: Math.max(known.query.maxT, query.maxT),
      labels: unionOf(known.query.labels, query.labels, worked),
    };
  }
  return merged;
}

/** Not where more would be read together than apart. */
function isWorthMerging(a: ReadQuery, b: ReadQuery): boolean {
  const together = Math.max(a.maxT, b.maxT) - Math.min(a.minT, b.minT);
  return together <= a.maxT - a.minT + (b.maxT - b.minT);
}

function unionOf(
  a: readonly string[] | undefined,
  b: readonly string[] | undefined,
  worked: Worked,
): readonly string[] | undefined {
  if (a === undefined || b === undefined || a.length + b.length > namesMax) return undefined;
  worked(workPerName * (a.length + b.length));
  return [...new Set([...a, ...b])].sort();
}

/** A reader that reads what was planned as mergeReads says, and anything else as it comes. */
export class SharedReader implements SeriesReader {
  readonly #reader: SeriesReader;
  readonly #merged = new Map<string, SharedSelection[]>();

  constructor(reader: SeriesReader, planned: readonly ReadQuery[], costs: ReadCosts) {
    this.#reader = reader;
    for (const { query, parts } of mergeReads(planned, (amount) => costs.worked(amount))) {
      if (parts.length < 2) continue;
      const shared = new SharedSelection(reader, query, parts.length, costs);
      for (const part of parts) {
        const key = keyOf(part);
        costs.worked(workPerRead + key.length / charactersPerWork);
        const list = this.#merged.get(key);
        if (list === undefined) this.#merged.set(key, [shared]);
        else list.push(shared);
      }
    }
  }

  select(query: ReadQuery): SeriesSelection {
    if (this.#merged.size === 0) return this.#reader.select(query);
    return this.#merged.get(keyOf(query))?.shift()?.open() ?? this.#reader.select(query);
  }
}

function keyOf({ matchers, minT, maxT, labels }: ReadQuery): string {
  return JSON.stringify([matchers, minT, maxT, labels]);
}

interface HeldBatch {
  readonly batch: ChunkBatch;
  /** Selections that have not read it. */
  pending: number;
}

/** One read for several selections. */
class SharedSelection {
  readonly #reader: SeriesReader;
  readonly #query: ReadQuery;
  readonly #costs: ReadCosts;
  #waiting: number;
  #selection: SeriesSelection | undefined;
  readonly #held: (HeldBatch | undefined)[] = [];
  #isEnded = false;
  #isTooLarge = false;

  constructor(reader: SeriesReader, query: ReadQuery, uses: number, costs: ReadCosts) {
    this.#reader = reader;
    this.#query = query;
    this.#waiting = uses;
    this.#costs = costs;
  }

  /** One more selection of the read; undefined where it has to be read anew. */
  open(): SeriesSelection | undefined {
    if (this.#isTooLarge) return undefined;
    if (this.#selection === undefined) {
      const { minT, maxT } = this.#query;
      this.#selection = this.#reader.select(this.#query);
      this.#isTooLarge = seriesCountOf(this.#selection.labels) * (maxT - minT) * bytesPerSeriesMs > heldBytesMax;
      if (this.#isTooLarge) return this.#selection;
    }
    const { labels, warnings } = this.#selection;
    let at = 0;
    let released = 0;
    let isClosed = false;
    return {
      labels,
      warnings,
      next: () => {
        const batch = this.#batch(at);
        if (batch !== undefined) at++;
        return batch;
      },
      // Batches are released one after the other, as they were given.
      release: () => this.#take(released++),
      close: () => {
        if (isClosed) return;
        isClosed = true;
        this.#leave(released);
      },
    };
  }

  #batch(at: number): ChunkBatch | undefined {
    if (at === this.#held.length && !this.#isEnded) {
      const batch = this.#selection?.next();
      this.#isEnded = batch === undefined;
      if (batch !== undefined) {
        // Those that will not be read again by anybody are not held.
        this.#held.push({ batch, pending: this.#waiting });
        this.#costs.takeMemory(bytesOf(batch));
      }
    }
    return this.#held[at]?.batch;
  }

  #take(at: number): void {
    const held = this.#held[at];
    if (held === undefined) return;
    held.pending--;
    if (held.pending > 0) return;
    this.#held[at] = undefined;
    this.#costs.giveMemory(bytesOf(held.batch));
    this.#selection?.release?.(held.batch);
  }

  /** A selection that has read `at` batches reads no more. */
  #leave(at: number): void {
    this.#waiting--;
    for (let i = at; i < this.#held.length; i++) this.#take(i);
    if (this.#waiting > 0 || this.#isEnded) return;
    this.#isEnded = true;
    this.#selection?.close();
  }
}

function bytesOf({ bytes, minT }: ChunkBatch): number {
  return bytes.length + 40 * minT.length;
}
