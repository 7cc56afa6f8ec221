/**
 * Snappy's block format, decoded into memory that is kept from body to body.
 * Owns the buffer and its maximum. Surprising: the native addon loses to this in a server, though alone it is faster (for bodies of
 * 2,000 series 240 us against 440, snappyjs 1100; snappy.bench.ts). It makes a fresh buffer for every body, whose pages fault in
 * and whose weight calls the collector: with it a push cost 1.40 us of CPU a sample, without 0.96, and 40 MB more stayed resident
 * (load-tests, steady-v1, 50k series, Node 24). Copies here go 8 bytes at a time through a DataView, past their end into bytes
 * that the next element overwrites.
 * Format: github.com/google/snappy/blob/main/format_description.txt.
 */
import { Failure } from '../../errors/failure.ts';
import { viewOf } from './bytes.ts';

/** Wide copies may write this far past the end of the output. */
const slackBytes = 8;
/** More than this is given back when a smaller body comes. */
const keptBytesMax = 16 << 20;
/** An element of 3 bytes can stand for 64: what is declared beyond that can not come true. */
const expansionMax = 64 / 3;

export class SnappyDecoder {
  /** What was decoded last stands in bytes[0, length); the rest means nothing. */
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #view = new DataView(this.bytes.buffer);

  /**
   * Decodes `body` to the front of `bytes`, which stays valid until the next call.
   * @param lengthMax most bytes that the body may decode to
   * @returns how many bytes were decoded
   * @throws Failure `too_large` if it declares more than `lengthMax`, `bad_data` if it is no snappy block, naming the byte;
   *   the former before any memory is taken
   */
  decode(body: Uint8Array, lengthMax: number): number {
    const { length, at } = readPreamble(body);
    if (length > lengthMax) {
      throw new Failure(
        'too_large',
        `snappy: the body decompresses to ${length} bytes, more than the maximum of ${lengthMax}`,
      );
    }
    if (length > body.length * expansionMax) {
      throw new Failure('bad_data', `snappy: ${body.length} bytes can not hold the ${length} bytes declared at byte 0`);
    }
    this.#makeRoom(length);
    decodeElements(body, viewOf(body), at, this.bytes, this.#view, length);
    return length;
  }

  #makeRoom(length: number): void {
    const needed = length + slackBytes;
    const kept = this.bytes.length;
    if (needed <= kept && (kept <= keptBytesMax || needed > keptBytesMax)) return;
    const roomy = Math.min(Math.ceil(needed * 1.25), Math.max(needed, keptBytesMax));
    this.bytes = new Uint8Array(roomy);
    this.#view = new DataView(this.bytes.buffer);
  }
}

/** The declared length, and where the elements begin. */
function readPreamble(body: Uint8Array): { length: number; at: number } {
  let length = 0;
  for (let at = 0; at < 5; at++) {
    if (at >= body.length) throw new Failure('bad_data', `snappy: the length is cut off at byte ${at}`);
    const byte = body[at] as number;
    length += (byte & 0x7f) * 2 ** (7 * at);
    if (byte < 0x80) {
      if (length > 0xffffffff) break;
      return { length, at: at + 1 };
    }
  }
  throw new Failure('bad_data', 'snappy: the length at byte 0 is over 32 bits');
}

function decodeElements(
  from: Uint8Array,
  fromView: DataView,
  begin: number,
  to: Uint8Array,
  toView: DataView,
  length: number,
): void {
  const end = from.length;
  let at = begin;
  let out = 0;
  while (at < end) {
    const element = at;
    const tag = from[at++] as number;
    let count = (tag >>> 2) + 1;
    if ((tag & 3) === 0) {
      if (count > 60) {
        const lengthBytes = count - 60;
        if (at + lengthBytes > end) cutOff(element);
        count = 1;
        for (let i = 0; i < lengthBytes; i++) count += (from[at + i] as number) * 2 ** (8 * i);
        at += lengthBytes;
      }
      if (count > end - at) cutOff(element);
      if (count > length - out) overflow(element, length);
      if (count <= 64 && at + count + slackBytes <= end) {
        for (let i = 0; i < count; i += 8) toView.setBigUint64(out + i, fromView.getBigUint64(at + i, true), true);
      } else {
        to.set(from.subarray(at, at + count), out);
      }
      at += count;
      out += count;
      continue;
    }
    let offset: number;
    if ((tag & 3) === 1) {
      if (at >= end) cutOff(element);
      count = ((tag >>> 2) & 7) + 4;
      offset = ((tag >>> 5) << 8) | (from[at++] as number);
    } else if ((tag & 3) === 2) {
      if (at + 2 > end) cutOff(element);
      offset = (from[at] as number) | ((from[at + 1] as number) << 8);
      at += 2;
    } else {
      if (at + 4 > end) cutOff(element);
      offset = fromView.getUint32(at, true);
      at += 4;
    }
    if (offset === 0 || offset > out) {
      throw new Failure(
        'bad_data',
        `snappy: a copy reaches ${offset} bytes back, with ${out} bytes decoded, at byte ${element}`,
      );
    }
    if (count > length - out) overflow(element, length);
    const stop = out + count;
    let source = out - offset;
    if (offset >= 8) {
      for (; out < stop; out += 8, source += 8) toView.setBigUint64(out, toView.getBigUint64(source, true), true);
      out = stop;
    } else {
      // The copy reads what it writes: byte by byte, as the format means it.
      while (out < stop) to[out++] = to[source++] as number;
    }
  }
  if (out !== length) {
    throw new Failure('bad_data', `snappy: the body ends at byte ${end} after ${out} of ${length} declared bytes`);
  }
}

function cutOff(element: number): never {
  throw new Failure('bad_data', `snappy: the element at byte ${element} is cut off`);
}

function overflow(element: number, length: number): never {
  throw new Failure('bad_data', `snappy: more than the declared ${length} bytes at byte ${element}`);
}
