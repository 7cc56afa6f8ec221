/**
 * What queries hold of label tables that come from other processes, on the main thread: each until its job has ended.
 * Owns what one query may have, and what all of them may take of the heap together. Does not own who counts (libs/wire, while
 * a table comes), nor what a worker makes of it.
 */
import { getHeapStatistics } from 'node:v8';
import { Failure } from '../../libs/errors/failure.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import type { TableMemory } from '../../libs/series/series-source.ts';
import { type ByteAllowance, InflightBytes } from '../../libs/std/inflight-bytes.ts';
import type { QueryRequest } from './query-request.ts';

/** Part of the heap that the texts of all queries may take together. */
const partOfHeap = 1 / 3;
/** So much of a query is shown in an error. */
const textShownMax = 200;

export class LabelMemory {
  readonly #queryBytesMax: number;
  readonly #texts: InflightBytes;

  /** @param queryBytesMax texts and numbers of one query; 0 is no limit */
  constructor(queryBytesMax: number, textBytesMax = Math.floor(getHeapStatistics().heap_size_limit * partOfHeap)) {
    this.#queryBytesMax = queryBytesMax;
    this.#texts = new InflightBytes(textBytesMax, 'labels of queries');
  }

  /** Bytes of texts that queries hold now. */
  get used(): number {
    return this.#texts.used;
  }

  /** For one query of a tenant, whose texts may be no more than he leaves for those of all others. */
  hold(tenant: TenantId, request: QueryRequest): HeldLabels {
    const textBytesMax = Math.floor(this.#texts.max / 2);
    return new HeldLabels(this.#texts.shareOf(tenant), { all: this.#queryBytesMax, texts: textBytesMax }, request);
  }
}

/** What one query holds, until it is released. */
export class HeldLabels implements TableMemory {
  readonly #share: ByteAllowance;
  readonly #max: { readonly all: number; readonly texts: number };
  readonly #request: QueryRequest;
  #all = 0;
  #texts = 0;
  #isReleased = false;

  constructor(share: ByteAllowance, max: { readonly all: number; readonly texts: number }, request: QueryRequest) {
    this.#share = share;
    this.#max = max;
    this.#request = request;
  }

  /** @throws Failure `query_limit` for more than one query may have, `rate_limited` when there is no room now */
  take(textBytes: number, numberBytes: number): void {
    // What goes on behind the end of its query finds out soon.
    if (this.#isReleased) return;
    const { all, texts } = this.#max;
    const allBytes = this.#all + textBytes + numberBytes;
    if (all > 0 && allBytes > all) throw this.#refusal(allBytes, `query.max-memory-bytes allows (${all})`);
    const ownTexts = this.#texts + textBytes;
    if (ownTexts > texts) throw this.#refusal(ownTexts, `may be of one query in the heap (${texts})`);
    try {
      this.#share.take(textBytes);
    } catch (error) {
      // Not `unavailable`: it is no failure of whoever was asked, and another one would have no more room.
      if (!(error instanceof Failure)) throw error;
      throw new Failure('rate_limited', error.message, { retryAfterSeconds: 1 });
    }
    this.#all = allBytes;
    this.#texts = ownTexts;
  }

  give(textBytes: number, numberBytes: number): void {
    if (this.#isReleased) return;
    this.#all -= textBytes + numberBytes;
    this.#texts -= textBytes;
    this.#share.give(textBytes);
  }

  /** Nothing of it is held any more. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#share.give(this.#texts);
  }

  #refusal(bytes: number, max: string): Failure {
    const text = textOf(this.#request);
    const shown = text.length > textShownMax ? `${text.slice(0, textShownMax)}...` : text;
    return new Failure(
      'query_limit',
      `the query needs ${bytes} bytes of memory for labels, more than ${max}: ${shown}`,
    );
  }
}

/** A request as whoever asked it knows it. */
function textOf(request: QueryRequest): string {
  switch (request.kind) {
    case 'evaluate':
    case 'syntax':
      return request.query;
    case 'selectors':
      return request.texts.join(' ');
    case 'read':
    case 'federate':
      return (request.kind === 'read' ? request.queries.map(({ matchers }) => matchers) : request.selectors)
        .map(
          (matchers) =>
            `{${matchers.map(({ type, name, value }) => `${name}${type}${JSON.stringify(value)}`).join(',')}}`,
        )
        .join(' ');
  }
}
