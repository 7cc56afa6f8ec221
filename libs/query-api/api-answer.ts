/**
 * The envelope around every answer of the API, and answers that are written piece by piece on the main thread.
 * Owns {status, data, errorType, error, warnings, infos} in Prometheus' order. Does not own query results, which the worker
 * writes (encode-result.ts), nor HTTP (api-routes.ts).
 */
import type { Failure } from '../errors/failure.ts';
import { wireStatus } from '../errors/wire-status.ts';
import { JsonBytes, quoteJson } from './json-bytes.ts';

export type AnswerBody = Uint8Array | AsyncIterableIterator<Uint8Array>;

export interface ApiAnswer {
  readonly httpStatus: number;
  /** JSON where it is absent. */
  readonly contentType?: string;
  /** Further headers. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether the body is compressed already. */
  readonly gzip?: boolean;
  /** Undefined: an answer without content. */
  readonly body: AnswerBody | undefined;
  /** Whether nobody else has the memory of the body: what is large of it is given back when the answer is out. */
  readonly isOwn?: boolean;
  /** When a refused request is worth another try. */
  readonly retryAfterSeconds?: number | undefined;
}

/** A successful answer around data that is JSON already; small. */
export function successAnswer(dataJson: string): ApiAnswer {
  return { httpStatus: 200, body: Buffer.from(`{"status":"success","data":${dataJson}}`) };
}

/** An error answer, without data. */
export function failureAnswer(failure: Failure): ApiAnswer {
  const { http, prometheus } = wireStatus[failure.kind];
  const text = `{"status":"error","errorType":${quoteJson(prometheus)},"error":${quoteJson(failure.message)}}`;
  return { httpStatus: http, body: Buffer.from(text), retryAfterSeconds: failure.retryAfterSeconds };
}

/** An error answer as a line of text, for endpoints that are no part of the JSON API. */
export function plainFailureAnswer(failure: Failure): ApiAnswer {
  return {
    httpStatus: wireStatus[failure.kind].http,
    contentType: 'text/plain; charset=utf-8',
    headers: { 'x-content-type-options': 'nosniff' },
    body: Buffer.from(`${failure.message}\n`),
    retryAfterSeconds: failure.retryAfterSeconds,
  };
}

/**
 * What Prometheus answers for a part of it that its operator has not switched on: 500, not the 503 of other failures of this
 * type. A 503 would ask to be tried again.
 */
export function disabledAnswer(words: string): ApiAnswer {
  return {
    httpStatus: 500,
    body: Buffer.from(`{"status":"error","errorType":"unavailable","error":${quoteJson(words)}}`),
  };
}

const annotationsMax = 10;

/** Writes the `warnings` and `infos` fields, each at most ten and a sentence about the rest (Prometheus' AsStrings). */
export function writeAnnotations(json: JsonBytes, warnings: readonly string[], infos: readonly string[]): void {
  for (const { field, word, texts } of [
    { field: ',"warnings":[', word: 'warning', texts: warnings },
    { field: ',"infos":[', word: 'info', texts: infos },
  ]) {
    if (texts.length === 0) continue;
    json.raw(field);
    const shown = texts.slice(0, annotationsMax);
    if (texts.length > annotationsMax) shown.push(`${texts.length - annotationsMax} more ${word} annotations omitted`);
    for (let i = 0; i < shown.length; i++) {
      if (i > 0) json.byte(0x2c);
      json.rawText(quoteJson(shown[i] as string));
    }
    json.byte(0x5d);
  }
}

/** Up to here a list is written at once, in less than a millisecond: its bytes have a length then, and nobody is called for pieces. */
const wholeBytesMax = 128 << 10;

interface ListForm<T> {
  /** These stand around the items. */
  readonly open: string;
  readonly close: string;
  /** Writes one item, without its comma. */
  readonly write: (json: JsonBytes, item: T) => void;
}

/**
 * A successful answer whose data is a list: whole where it is short, else written a piece a turn of the event loop, so that pushes go on
 * between the pieces.
 */
export function listAnswer<T>(items: readonly T[], form: ListForm<T>, warnings: readonly string[]): ApiAnswer {
  return { httpStatus: 200, body: listBody(items, form, warnings), isOwn: true };
}

function listBody<T>(items: readonly T[], form: ListForm<T>, warnings: readonly string[]): AnswerBody {
  const pieces = listPieces(items, form, warnings);
  const whole: Uint8Array[] = [];
  let bytes = 0;
  // Not for ... of: whoever leaves that ends the iteration.
  for (let next = pieces.next(); next.done !== true; next = pieces.next()) {
    whole.push(next.value);
    bytes += next.value.length;
    if (bytes > wholeBytesMax) return inTurns(whole, pieces);
  }
  const [only] = whole;
  return whole.length === 1 && only !== undefined ? only : Buffer.concat(whole);
}

async function* inTurns(first: readonly Uint8Array[], rest: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* first;
  for (const piece of rest) {
    await new Promise((resolve) => setImmediate(resolve));
    yield piece;
  }
}

function* listPieces<T>(
  items: readonly T[],
  { open, close, write }: ListForm<T>,
  warnings: readonly string[],
): Generator<Uint8Array, void, void> {
  const pieces: Uint8Array[] = [];
  const json = new JsonBytes((piece) => pieces.push(piece));
  json.raw('{"status":"success","data":');
  json.raw(open);
  for (let i = 0; i < items.length; i++) {
    if (i > 0) json.byte(0x2c);
    write(json, items[i] as T);
    if (pieces.length > 0) yield* pieces.splice(0);
  }
  json.raw(close);
  writeAnnotations(json, warnings, []);
  json.raw('}');
  json.finish();
  yield* pieces;
}
