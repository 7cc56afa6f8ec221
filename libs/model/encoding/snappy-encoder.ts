/**
 * Snappy's block format, written piece by piece: the length first, then fragments of 64 KiB, each compressed by itself, so that a
 * large body needs no second buffer of its size.
 * Owns the search for repeats: a table of where four bytes stood last, and longer steps where nothing repeats. What it makes is
 * plain Snappy, not the bytes of another encoder. Format: github.com/google/snappy/blob/main/format_description.txt.
 */
import { viewOf } from './bytes.ts';

const fragmentBytes = 1 << 16;
/** What a fragment can become at most: literals with their tags. */
const encodedBytesMax = fragmentBytes + fragmentBytes / 6 + 32;
const tableBits = 14;
/** Matches are not looked for in the last bytes, so that four can always be read. */
const tailBytes = 15;
const copyLengthMax = 64;

/** Encodes `bytes`; `handOn` gets each piece, which is valid until it returns. */
export function encodeSnappy(bytes: Uint8Array, handOn: (piece: Uint8Array) => void): void {
  const out = new Uint8Array(encodedBytesMax);
  let at = 0;
  for (let rest = bytes.length; ; rest = Math.floor(rest / 0x80)) {
    if (rest < 0x80) {
      out[at++] = rest;
      break;
    }
    out[at++] = (rest % 0x80) | 0x80;
  }
  handOn(out.subarray(0, at));
  const table = new Uint16Array(1 << tableBits);
  const view = viewOf(bytes);
  for (let begin = 0; begin < bytes.length; begin += fragmentBytes) {
    const end = Math.min(bytes.length, begin + fragmentBytes);
    handOn(out.subarray(0, encodeFragment(bytes, view, begin, end, table, out)));
  }
}

/** Encodes bytes[begin, end) into `out`; returns how many bytes it became. */
function encodeFragment(
  bytes: Uint8Array,
  view: DataView,
  begin: number,
  end: number,
  table: Uint16Array,
  out: Uint8Array,
): number {
  table.fill(0);
  const searchEnd = end - tailBytes;
  let written = 0;
  let literal = begin;
  // The first byte is never a match: 0 in the table means its place, which is before every search.
  let at = begin + 1;
  let skipped = 0;
  while (at < searchEnd) {
    const word = view.getInt32(at, true);
    const slot = Math.imul(word, 0x1e35a7bd) >>> (32 - tableBits);
    const candidate = begin + table[slot];
    table[slot] = at - begin;
    if (view.getInt32(candidate, true) !== word) {
      at += 1 + (skipped++ >>> 5);
      continue;
    }
    skipped = 0;
    written = writeLiteral(bytes, literal, at, out, written);
    let matchEnd = at + 4;
    for (let from = candidate + 4; matchEnd < end && bytes[matchEnd] === bytes[from]; from++) matchEnd++;
    written = writeCopies(at - candidate, matchEnd - at, out, written);
    at = matchEnd;
    literal = at;
  }
  return writeLiteral(bytes, literal, end, out, written);
}

function writeLiteral(bytes: Uint8Array, begin: number, end: number, out: Uint8Array, written: number): number {
  const count = end - begin;
  if (count === 0) return written;
  let at = written;
  const less = count - 1;
  if (less < 60) {
    out[at++] = less << 2;
  } else if (less < 0x100) {
    out[at++] = 60 << 2;
    out[at++] = less;
  } else {
    out[at++] = 61 << 2;
    out[at++] = less & 0xff;
    out[at++] = less >>> 8;
  }
  if (count < 32) for (let i = begin; i < end; i++) out[at++] = bytes[i];
  else {
    out.set(bytes.subarray(begin, end), at);
    at += count;
  }
  return at;
}

function writeCopies(offset: number, length: number, out: Uint8Array, written: number): number {
  let at = written;
  let rest = length;
  while (rest > 0) {
    // What is left over is long enough for the short form.
    const count = rest > copyLengthMax && rest < copyLengthMax + 4 ? copyLengthMax - 4 : Math.min(rest, copyLengthMax);
    if (count >= 4 && count < 12 && offset < 2048) {
      out[at++] = 1 | ((count - 4) << 2) | ((offset >>> 8) << 5);
      out[at++] = offset & 0xff;
    } else {
      out[at++] = 2 | ((count - 1) << 2);
      out[at++] = offset & 0xff;
      out[at++] = offset >>> 8;
    }
    rest -= count;
  }
  return at;
}
