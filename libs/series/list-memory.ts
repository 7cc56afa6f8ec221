/**
 * What lists of labels and series hold of the heap until their answers are out: all in the process together have one maximum.
 * Owns that maximum, what one list may have of it, and what texts and series cost. Does not own who counts: a source counts what it
 * gathers while it gathers it, and whoever gives the answer lets go of all.
 */
import { getHeapStatistics } from 'node:v8';
import { Failure } from '../errors/failure.ts';
import type { Labels } from '../model/labels.ts';
import type { MetricMetadata } from '../model/metadata.ts';
import { type ByteAllowance, InflightBytes } from '../std/inflight-bytes.ts';
import type { ExemplarSeries } from './series-source.ts';

/** Part of the heap that all lists may take together. */
const partOfHeap = 1 / 2;
/** Counted among those of all at a time. */
const grainBytes = 64 << 10;
/** Its header, and where it stands. */
const textOverheadBytes = 24;
/** A label set, its list of texts, and where it stands in two lists while it is sorted or merged. */
const labelsOverheadBytes = 104;
/** Where a text of a label set stands. */
const placeBytes = 8;

export class ListMemory {
  readonly #all: InflightBytes;

  constructor(bytesMax: number = Math.floor(getHeapStatistics().heap_size_limit * partOfHeap)) {
    this.#all = new InflightBytes(bytesMax, 'lists of labels and series');
  }

  /** What all lists hold now, about. */
  get used(): number {
    return this.#all.used;
  }

  /** For one list of a tenant, who may hold no more than he leaves for all others. */
  hold(tenant: string): HeldList {
    return new HeldList(this.#all.shareOf(tenant), Math.floor(this.#all.max / 2));
  }
}

/** What one list holds, until it is released. */
export class HeldList implements ByteAllowance {
  readonly #share: ByteAllowance;
  readonly #bytesMax: number;
  #used = 0;
  #counted = 0;
  #isReleased = false;
  #refusal: unknown;

  /** @param bytesMax what the share comes to where nobody else holds anything */
  constructor(share: ByteAllowance, bytesMax: number) {
    this.#share = share;
    this.#bytesMax = bytesMax;
  }

  /**
   * Where it throws the list has come to its end and holds nothing any more: of many that are gathered beside one another those go on that
   * there is room for.
   * @throws Failure `query_limit` for more than one list may have, `unavailable` when there is no room now
   */
  take(bytes: number): void {
    if (this.#refusal !== undefined) throw this.#refusal;
    // What goes on behind the end of its answer finds out soon.
    if (this.#isReleased) return;
    try {
      this.#count(this.#used + bytes);
    } catch (error) {
      this.#refusal = error;
      this.release();
      throw error;
    }
    this.#used += bytes;
  }

  #count(used: number): void {
    if (used > this.#bytesMax) {
      throw new Failure(
        'query_limit',
        `the list takes more than the ${this.#bytesMax} bytes of memory that one may take: narrow its selectors or its time range`,
      );
    }
    if (used <= this.#counted) return;
    const more = Math.min(this.#bytesMax, Math.max(used, this.#counted + grainBytes)) - this.#counted;
    this.#share.take(more);
    this.#counted += more;
  }

  /** Of what was taken, so much is held no more. */
  give(bytes: number): void {
    if (this.#isReleased) return;
    this.#used -= bytes;
    const spare = this.#counted - this.#used - grainBytes;
    if (spare <= 0) return;
    this.#share.give(spare);
    this.#counted -= spare;
  }

  /** Nothing of it is held any more. */
  release(): void {
    this.#isReleased = true;
    if (this.#counted > 0) this.#share.give(this.#counted);
    this.#counted = 0;
  }
}

/** What a text of its own takes. */
export function bytesOfText(text: string): number {
  return textOverheadBytes + text.length;
}

/** What these texts take. */
export function bytesOfTexts(texts: readonly string[]): number {
  let bytes = 0;
  for (const text of texts) bytes += bytesOfText(text);
  return bytes;
}

/** What label sets with so many texts in all take, without the texts. */
export function bytesOfSets(sets: number, texts: number): number {
  return sets * labelsOverheadBytes + texts * placeBytes;
}

/** What a label set takes whose texts are its own, but for those that stand at the same place of the one before it. */
export function bytesOfLabels({ pairs }: Labels, before?: Labels): number {
  let bytes = bytesOfSets(1, pairs.length);
  for (let i = 0; i < pairs.length; i++) if (pairs[i] !== before?.pairs[i]) bytes += bytesOfText(pairs[i] as string);
  return bytes;
}

/** What a series takes with its exemplars. */
export function bytesOfExemplars({ labels, exemplars }: ExemplarSeries): number {
  return bytesOfLabels(labels) + exemplars.reduce((sum, one) => sum + bytesOfLabels(one.labels), 0);
}

/** What is said of a metric. */
export function bytesOfMetadata({ metric, type, help, unit }: MetricMetadata): number {
  return bytesOfTexts([metric, type, help, unit]);
}
