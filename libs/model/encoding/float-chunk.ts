/**
 * Float samples in Prometheus' XOR encoding (tsdb/chunkenc/xor.go), byte for byte. Owns the encoding of one chunk; where its
 * bytes and its encoder's state live is the caller's affair. Values move as two 32-bit words, so NaN payloads survive.
 *
 *     +-------------------+------------+------------+-------------------+--------------------+------------------+-----
 *     | count: uint16, BE | t0: varint | v0: 64 bit | t1 - t0: uvarint  | v1 ^ v0: value     | delta of delta   | ...
 *     +-------------------+------------+------------+-------------------+--------------------+------------------+-----
 *     delta of delta: 0 | 10 14 bits | 110 17 bits | 1110 20 bits | 1111 64 bits; n bits hold -(2^(n-1)-1) .. 2^(n-1)
 *     value:          0 unchanged | 10 bits of the window before | 11 leading: 5, significant: 6 (0 is 64), the bits
 */
import {
  checkedTime,
  corruptChunk,
  int64ToNumber,
  loadBitWords,
  peekBits,
  peekUvarint,
  peekVarint,
  uvarintLength,
} from './bit-reader.ts';
import { writeBits, writeBits64, writeUvarintBits, writeVarintBits } from './bit-writer.ts';
import type { SampleRows } from './sample-rows.ts';

/** Bytes before the first sample: the sample count. */
export const xorHeaderBytes = 2;
/** Room that one more sample may need behind the last written byte. */
export const xorSampleBytesMax = 20;
/** `leading` where no window of significant bits has been written yet. */
export const xorNoWindow = 0xff;

/**
 * What the encoder must know of an open chunk. One reusable instance serves many chunks: load it from columns, append,
 * store it back. `bitPosition` counts from `begin`, header included, so an open chunk's length is ceil(bitPosition / 8).
 */
export class XorState {
  buffer: Uint8Array = new Uint8Array(0);
  /** Where the chunk begins in `buffer`, in bytes. */
  begin = 0;
  bitPosition = 0;
  /** Samples in the chunk. */
  count = 0;
  /** Time of the last sample. */
  t = 0;
  /** Distance of the last sample from the one before it. */
  tDelta = 0;
  /** Bits of the last value, as int32. */
  vHi = 0;
  vLo = 0;
  leading: number = xorNoWindow;
  trailing = 0;
}

/** Begins an empty chunk at buffer[begin]: writes its header, resets the state. */
export function beginXorChunk(state: XorState, buffer: Uint8Array, begin: number): void {
  buffer[begin] = 0;
  buffer[begin + 1] = 0;
  state.buffer = buffer;
  state.begin = begin;
  state.bitPosition = xorHeaderBytes * 8;
  state.count = 0;
  state.t = 0;
  state.tDelta = 0;
  state.vHi = 0;
  state.vLo = 0;
  state.leading = xorNoWindow;
  state.trailing = 0;
}

/**
 * Appends one sample: whole milliseconds (up to 2^53), later than the one before, and the value's bits as int32 words.
 * The caller guarantees xorSampleBytesMax bytes of room and fewer than the 65,535 samples that the header can count.
 */
export function appendXor(state: XorState, t: number, vHi: number, vLo: number): void {
  const bytes = state.buffer;
  const begin = state.begin;
  const count = state.count;
  let position = state.bitPosition;
  if (count === 0) {
    position = writeVarintBits(bytes, begin, position, t);
    position = writeBits64(bytes, begin, position, vHi, vLo, 64);
  } else {
    const tDelta = t - state.t;
    if (!(tDelta > 0)) throw new RangeError('samples of a chunk must be appended in time order');
    // Bits that still wait to be written with those that follow: one write per sample is what makes this fast.
    let waiting = 0;
    let waitingCount = 0;
    if (count === 1) {
      position = writeUvarintBits(bytes, begin, position, tDelta);
    } else {
      const dod = tDelta - state.tDelta;
      if (dod === 0) {
        waitingCount = 1;
      } else if (dod >= -8191 && dod <= 8192) {
        waiting = 0x8000 | (dod & 0x3fff);
        waitingCount = 16;
      } else if (dod >= -65535 && dod <= 65536) {
        position = writeBits(bytes, begin, position, 0xc0000 | (dod & 0x1ffff), 20);
      } else if (dod >= -524287 && dod <= 524288) {
        position = writeBits(bytes, begin, position, 0xe00000 | (dod & 0xfffff), 24);
      } else {
        position = writeBits(bytes, begin, position, 0xf, 4);
        position = writeBits64(bytes, begin, position, Math.floor(dod / 0x1_0000_0000), dod, 64);
      }
    }
    state.tDelta = tDelta;
    const xorHi = vHi ^ state.vHi;
    const xorLo = vLo ^ state.vLo;
    if ((xorHi | xorLo) === 0) {
      position = writeBits(bytes, begin, position, waiting << 1, waitingCount + 1);
    } else {
      // clz32 of a zero word is 32; Prometheus clamps to 31, too.
      const leading = xorHi === 0 ? 31 : Math.clz32(xorHi);
      const trailing = trailingZeros64(xorHi, xorLo);
      if (state.leading <= leading && state.trailing <= trailing) {
        waiting = (waiting << 2) | 2;
        waitingCount += 2;
      } else {
        state.leading = leading;
        state.trailing = trailing;
        waiting = (waiting << 13) | (3 << 11) | (leading << 6) | ((64 - leading - trailing) & 63);
        waitingCount += 13;
      }
      const significant = 64 - state.leading - state.trailing;
      const shift = state.trailing;
      const low = shift >= 32 ? xorHi >>> (shift - 32) : (xorLo >>> shift) | ((xorHi << 1) << (31 - shift));
      if (waitingCount + significant <= 32) {
        position = writeBits(bytes, begin, position, (waiting << significant) | low, waitingCount + significant);
      } else {
        position = writeBits(bytes, begin, position, waiting, waitingCount);
        if (significant > 32) position = writeBits(bytes, begin, position, xorHi >>> shift, significant - 32);
        position = writeBits(bytes, begin, position, low, Math.min(significant, 32));
      }
    }
  }
  state.bitPosition = position;
  state.t = t;
  state.vHi = vHi;
  state.vLo = vLo;
  const countNow = count + 1;
  state.count = countNow;
  bytes[begin] = countNow >>> 8;
  bytes[begin + 1] = countNow;
}

/** Zero bits at the low end of hi:lo, which is not zero. */
export function trailingZeros64(hi: number, lo: number): number {
  return lo !== 0 ? 31 - Math.clz32(lo & -lo) : 63 - Math.clz32(hi & -hi);
}

/** Samples in the chunk at bytes[begin]: of any encoding, the high two bits of a histogram's are something else. */
export function xorSampleCount(bytes: Uint8Array, begin: number): number {
  return (bytes[begin] << 8) | bytes[begin + 1];
}

/**
 * Decodes the chunk bytes[begin, end) into rows from `row` on; returns the row after the last one.
 * The columns must have room for xorSampleCount rows. Rows are told to be floats without start timestamp where out has such columns.
 * @throws Failure `internal` when the bytes are no such chunk; rows from `row` on are then undefined.
 */
export function decodeXorInto(bytes: Uint8Array, begin: number, end: number, out: SampleRows, row: number): number {
  if (end - begin < xorHeaderBytes || begin < 0 || end > bytes.length) throw corruptChunk('its header is cut off');
  const rowEnd = row + xorSampleCount(bytes, begin);
  if (rowEnd > out.t.length || rowEnd > out.v.length) throw new RangeError('the columns are too short for the chunk');
  if (out.st !== null) out.st.fill(0, row, rowEnd);
  if (out.h !== null) for (let i = row; i < rowEnd; i++) out.h[i] = null;
  decodeXorRows(loadBitWords(bytes, begin, end), (end - begin) * 8, out.t, out.vBits, row, rowEnd);
  return rowEnd;
}

function decodeXorRows(
  words: Int32Array,
  bitEnd: number,
  outT: Float64Array,
  outBits: Int32Array,
  rowBegin: number,
  rowEnd: number,
): void {
  if (rowBegin === rowEnd) return;
  let position = xorHeaderBytes * 8;
  let byteCount = uvarintLength(words, position);
  let t = checkedTime(peekVarint(words, position, byteCount));
  position += byteCount * 8;
  let hi = peekBits(words, position);
  let lo = peekBits(words, position + 32);
  position += 64;
  outT[rowBegin] = t;
  outBits[rowBegin * 2] = lo;
  outBits[rowBegin * 2 + 1] = hi;
  if (position > bitEnd) throw corruptChunk('it ends within a sample');
  let row = rowBegin + 1;
  if (row === rowEnd) return;
  byteCount = uvarintLength(words, position);
  let tDelta = checkedTime(peekUvarint(words, position, byteCount));
  position += byteCount * 8;
  // The next bits of the stream, of which the value's control takes 13: as many are left where it is not peeked anew.
  let bits = peekBits(words, position);
  // A window that was never set covers the whole word: Prometheus' reader has it so, and a reopened chunk may rely on it.
  let leading = 0;
  let significant = 64;
  let maskHi = -1;
  let maskLo = -1;
  // Each round reads a value and then the time of the next sample: the first two, which are written differently, are out of the way.
  for (;;) {
    t += tDelta;
    if (bits >= 0) {
      position += 1;
      // Two zeros are a sample at the usual distance with the same value: what does not change has many of them.
      let same = Math.min(Math.clz32(peekBits(words, position)) >> 1, rowEnd - row - 1);
      position += 2 * same;
      for (; same > 0; same--) {
        outT[row] = t;
        outBits[row * 2] = lo;
        outBits[row * 2 + 1] = hi;
        t += tDelta;
        row++;
      }
    } else {
      if ((bits & 0x40000000) === 0) {
        position += 2;
      } else {
        leading = (bits >>> 25) & 31;
        significant = (bits >>> 19) & 63;
        if (significant === 0) significant = 64;
        const trailing = 64 - leading - significant;
        if (trailing < 0) throw corruptChunk('a value has more than 64 bits');
        maskHi = trailing > 32 ? -1 << (trailing - 32) : -1;
        maskLo = trailing >= 32 ? 0 : -1 << trailing;
        position += 13;
      }
      // The next 64 bits, moved right by `leading`, are the xor in place; what is too much at the low end is masked away.
      const at = position >>> 5;
      const used = position & 31;
      const middle = words[at + 1];
      const high = (words[at] << used) | ((middle >>> 1) >>> (31 - used));
      hi ^= (high >>> leading) & maskHi;
      if (maskLo !== 0) {
        const low = (middle << used) | ((words[at + 2] >>> 1) >>> (31 - used));
        lo ^= (((high << 1) << (31 - leading)) | (low >>> leading)) & maskLo;
      }
      position += significant;
    }
    outT[row] = t;
    outBits[row * 2] = lo;
    outBits[row * 2 + 1] = hi;
    if (position > bitEnd) throw corruptChunk('it ends within a sample');
    row++;
    if (row === rowEnd) break;
    bits = peekBits(words, position);
    if (bits >= 0) {
      position += 1;
      bits <<= 1;
    } else if ((bits & 0x40000000) === 0) {
      const raw = (bits >>> 16) & 0x3fff;
      tDelta += raw > 0x2000 ? raw - 0x4000 : raw;
      position += 16;
      bits <<= 16;
    } else {
      if ((bits & 0x20000000) === 0) {
        const raw = (bits >>> 12) & 0x1ffff;
        tDelta += raw > 0x10000 ? raw - 0x20000 : raw;
        position += 20;
      } else if ((bits & 0x10000000) === 0) {
        const raw = (bits >>> 8) & 0xfffff;
        tDelta += raw > 0x80000 ? raw - 0x100000 : raw;
        position += 24;
      } else {
        const dod = int64ToNumber(peekBits(words, position + 4), peekBits(words, position + 36));
        tDelta = checkedTime(tDelta + dod);
        position += 68;
      }
      bits = peekBits(words, position);
    }
  }
  checkedTime(t);
}
