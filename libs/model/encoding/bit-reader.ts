/**
 * Reading bits, highest first, from the bytes of one chunk.
 * Owns one scratch array of 32-bit words, into which a chunk is turned before it is read: peeking then costs two loads, wherever
 * the bits stand. Reading past the end gives zeros; whoever reads checks the position against the end once per sample.
 * The scratch is shared by all decoders: a chunk is read to its end before the next is loaded, without an await between.
 */
import { Failure } from '../../errors/failure.ts';
import { viewOf } from './bytes.ts';

/** Words of zeros after the chunk: more than one sample of any encoding can take in one step before its end is checked. */
const paddingWords = 16;
let scratch: Int32Array = new Int32Array(2048);
/** The bytes that were read last, and a view of them: chunks of a batch lie in the same. */
let viewed: Uint8Array = new Uint8Array(0);
let view: DataView = viewOf(viewed);

/** Turns bytes[begin, end) into big-endian words, zeros after them. Valid until the next call. */
export function loadBitWords(bytes: Uint8Array, begin: number, end: number): Int32Array {
  const byteCount = end - begin;
  const wordCount = (byteCount >>> 2) + paddingWords;
  if (scratch.length < wordCount) scratch = new Int32Array(wordCount * 2);
  const words = scratch;
  const wholeWords = byteCount >>> 2;
  let at = begin;
  if (bytes !== viewed) {
    viewed = bytes;
    view = viewOf(bytes);
  }
  for (let i = 0; i < wholeWords; i++) {
    words[i] = view.getInt32(at);
    at += 4;
  }
  let last = 0;
  for (let shift = 24; at < end; shift -= 8) last |= bytes[at++] << shift;
  words[wholeWords] = last;
  words.fill(0, wholeWords + 1, wordCount);
  return words;
}

/** The 32 bits at `position`, as an int32: the first of them is its sign. */
export function peekBits(words: Int32Array, position: number): number {
  const at = position >>> 5;
  const used = position & 31;
  // A shift by 32 would be a shift by 0: the second word moves in two steps.
  return (words[at] << used) | ((words[at + 1] >>> 1) >>> (31 - used));
}

const timestampMax = Number.MAX_SAFE_INTEGER;

/** The failure of a chunk whose bits make no sense. */
export function corruptChunk(reason: string): Failure {
  return new Failure('internal', `corrupt chunk: ${reason}`);
}

/**
 * Checks what a chunk says of a time: whole milliseconds that a number holds exactly.
 * @throws Failure `internal`.
 */
export function checkedTime(value: number): number {
  if (!(value <= timestampMax && value >= -timestampMax)) throw corruptChunk('a timestamp is out of range');
  return value;
}

/** Bytes that the LEB128 number at `position` takes. @throws Failure `internal` where it has no end within ten bytes. */
export function uvarintLength(words: Int32Array, position: number): number {
  for (let i = 0; i < 10; i++) if (peekBits(words, position + i * 8) >= 0) return i + 1;
  throw corruptChunk('a varint has no end');
}

/** Reads an unsigned LEB128; numbers beyond 2^53 come back rounded, which checkedTime refuses. */
export function peekUvarint(words: Int32Array, position: number, byteCount: number): number {
  let value = 0;
  for (let i = byteCount - 1; i >= 0; i--) value = value * 0x80 + ((peekBits(words, position + i * 8) >>> 24) & 0x7f);
  return value;
}

/** Reads a zigzag LEB128 (Go's binary.ReadVarint); numbers beyond 2^53 come back rounded, which checkedTime refuses. */
export function peekVarint(words: Int32Array, position: number, byteCount: number): number {
  const lowest = (peekBits(words, position) >>> 24) & 0x7f;
  const rest = byteCount === 1 ? 0 : peekUvarint(words, position + 8, byteCount - 1);
  const magnitude = rest * 0x40 + (lowest >>> 1);
  return (lowest & 1) === 0 ? magnitude : -magnitude - 1;
}

/** Two 32-bit halves of an int64 as a number, rounded beyond 2^53. */
export function int64ToNumber(hi: number, lo: number): number {
  return hi * 0x1_0000_0000 + (lo >>> 0);
}
