/**
 * A remote_read request, from its protobuf bytes to matchers and times.
 * Owns the field numbers (Prometheus prompb/remote.proto), and how many of each there may be: an empty message is two bytes, and
 * compressed hardly any. Hints are passed over: every sample in the range is answered.
 */
import { Failure } from '../errors/failure.ts';
import { viewOf } from '../model/encoding/bytes.ts';
import { ProtobufReader } from '../model/encoding/protobuf-reader.ts';
import type { Matcher, MatcherType } from '../model/matcher.ts';

/** Forms of an answer, by their numbers. */
export const ReadForm = { samples: 0, streamedChunks: 1 } as const;
export type ReadForm = (typeof ReadForm)[keyof typeof ReadForm];

export interface ReadQuery {
  /** Both ends inclusive; clamped to what a number holds exactly. */
  readonly minT: number;
  readonly maxT: number;
  readonly matchers: readonly Matcher[];
}

export interface ReadRequest {
  readonly queries: readonly ReadQuery[];
  readonly form: ReadForm;
}

/** A Prometheus sends one query a request. */
const queriesMax = 1_000;
/** Of all queries together. */
const matchersMax = 10_000;
const typesMax = 100;

const matcherTypes: readonly MatcherType[] = ['=', '!=', '=~', '!~'];

/** @throws Failure `bad_data` where the bytes are no such message, or none of the forms it takes is known */
export function readReadRequest(bytes: Uint8Array, length: number): ReadRequest {
  const reader = new ProtobufReader();
  reader.reset(bytes, viewOf(bytes), 0, length);
  const queries: ReadQuery[] = [];
  const accepted: number[] = [];
  let matchers = 0;
  const readType = (): void => {
    accepted.push(reader.readUint32('an accepted type'));
    checkCount(accepted.length, typesMax, 'response types');
  };
  while (reader.position < reader.end) {
    const tag = reader.readTag();
    if (tag === 0x0a) {
      within(reader, 'a query', () => {
        const query = readQuery(reader, matchers);
        queries.push(query);
        matchers += query.matchers.length;
      });
      checkCount(queries.length, queriesMax, 'queries');
    } else if (tag === 0x10) readType();
    // Lists of numbers may come packed.
    else if (tag === 0x12)
      within(reader, 'the accepted types', () => {
        while (reader.position < reader.end) readType();
      });
    else reader.skipUnknown(tag, 0b110, 'a read request');
  }
  return { queries, form: formOf(accepted) };
}

function checkCount(count: number, max: number, what: string): void {
  if (count > max) throw new Failure('bad_data', `a read request has too many ${what}: at most ${max} are allowed`);
}

function formOf(accepted: readonly number[]): ReadForm {
  if (accepted.length === 0) return ReadForm.samples;
  for (const form of accepted) {
    if (form === ReadForm.samples || form === ReadForm.streamedChunks) return form;
  }
  throw new Failure('bad_data', `none of the response types ${accepted.join(', ')} is known: 0 and 1 are`);
}

/** Reads the message that comes next with the reader held to its bytes. */
function within(reader: ProtobufReader, what: string, read: () => void): void {
  const outer = reader.end;
  const end = reader.readEnd(what);
  reader.end = end;
  read();
  reader.position = end;
  reader.end = outer;
}

/** @param before matchers of the queries before it */
function readQuery(reader: ProtobufReader, before: number): ReadQuery {
  let minT = 0;
  let maxT = 0;
  const matchers: Matcher[] = [];
  while (reader.position < reader.end) {
    const tag = reader.readTag();
    if (tag === 0x08) minT = clamped(reader.readInt64('a start time'));
    else if (tag === 0x10) maxT = clamped(reader.readInt64('an end time'));
    else if (tag === 0x1a) {
      within(reader, 'a matcher', () => matchers.push(readMatcher(reader)));
      checkCount(matchers.length + before, matchersMax, 'matchers');
    } else reader.skipUnknown(tag, 0b1110, 'a query');
  }
  return { minT, maxT, matchers };
}

function clamped(ms: number): number {
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, ms));
}

function readMatcher(reader: ProtobufReader): Matcher {
  let type = 0;
  let name = '';
  let value = '';
  while (reader.position < reader.end) {
    const tag = reader.readTag();
    if (tag === 0x08) type = reader.readUint32('a matcher type');
    else if (tag === 0x12) name = readText(reader);
    else if (tag === 0x1a) value = readText(reader);
    else reader.skipUnknown(tag, 0b1110, 'a matcher');
  }
  const known = matcherTypes[type];
  if (known === undefined) throw new Failure('bad_data', 'invalid matcher type');
  return { type: known, name, value };
}

function readText(reader: ProtobufReader): string {
  const end = reader.readEnd('a text');
  const begin = reader.position;
  reader.position = end;
  return Buffer.from(reader.bytes.buffer, reader.bytes.byteOffset + begin, end - begin).toString('utf8');
}
