/**
 * Float samples with optional start timestamps in Prometheus' XOR2 encoding (tsdb/chunkenc/xor2.go), byte for byte.
 * Owns the encoding of one chunk, as float-chunk.ts does for XOR. The surprise: a staleness marker is a control code of its
 * own, and the next value is compared with the last one that was no marker.
 *
 *     +-------------------+-----------+------------+------------+------------------+-------------------------+----
 *     | count: uint16, BE | st: uint8 | t0: varint | v0: 64 bit | t0 - st0: varint | t1 - t0: uvarint, value | ...
 *     +-------------------+-----------+------------+------------+------------------+-------------------------+----
 *     st: 0x80 where the first sample has a start time (else it is not written), 0x7f: from which sample on start times follow
 *     third sample on: 0 all as before | 10 value changed: 0 window before, 1 new window | 110 dod: 13 bits, value |
 *                      1110 dod: 20 bits, value | 11110 dod: 64 bits, value | 11111 staleness marker
 *     value:           0 unchanged | 10 window before | 110 new window | 111 staleness marker
 *     start time, behind each sample from the first change on: varbit of (t before - st), later of that one's change
 */
import { isStaleNaN, staleNaNHi, staleNaNLo } from '../stale.ts';
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
import { trailingZeros64, xorNoWindow, xorSampleCount } from './float-chunk.ts';
import type { SampleRows } from './sample-rows.ts';
import { peekVarbitInt, varbitLength, writeVarbitInt } from './varbit.ts';

/** Bytes before the first sample: the sample count and what is known of start times. */
export const xor2HeaderBytes = 3;
/** Room that one more sample may need behind the last written byte. */
export const xor2SampleBytesMax = 29;

/** The header has seven bits for the first sample with another start time: at the last of them one is written in any case. */
const firstChangeMax = 0x7f;
const firstKnownFlag = 0x80;

/** What the encoder must know of an open chunk; see XorState. */
export class Xor2State {
  buffer: Uint8Array = new Uint8Array(0);
  /** Where the chunk begins in `buffer`, in bytes. */
  begin = 0;
  /** Bits from `begin`, header included. */
  bitPosition = 0;
  count = 0;
  t = 0;
  tDelta = 0;
  /** Bits of the last value that was no staleness marker. */
  vHi = 0;
  vLo = 0;
  leading: number = xorNoWindow;
  trailing = 0;
  /** Start time of the last sample, 0 where it has none. */
  st = 0;
  /** Time of the sample before the last one, minus st. */
  stDiff = 0;
  /** Index of the first sample behind which a start time is written; 0 where there is none yet. */
  firstStChange = 0;
}

/** Begins an empty chunk at buffer[begin]: writes its header, resets the state. */
export function beginXor2Chunk(state: Xor2State, buffer: Uint8Array, begin: number): void {
  buffer.fill(0, begin, begin + xor2HeaderBytes);
  state.buffer = buffer;
  state.begin = begin;
  state.bitPosition = xor2HeaderBytes * 8;
  state.count = 0;
  state.t = 0;
  state.tDelta = 0;
  state.vHi = 0;
  state.vLo = 0;
  state.leading = xorNoWindow;
  state.trailing = 0;
  state.st = 0;
  state.stDiff = 0;
  state.firstStChange = 0;
}

/**
 * Appends one sample: start time (0: none) and time in whole milliseconds (differences up to 2^53), later than the one
 * before, and the value's bits as int32 words.
 * The caller guarantees xor2SampleBytesMax bytes of room and fewer than the 65,535 samples that the header can count.
 */
export function appendXor2(state: Xor2State, st: number, t: number, vHi: number, vLo: number): void {
  const bytes = state.buffer;
  const begin = state.begin;
  const count = state.count;
  let position = state.bitPosition;
  if (count === 0) {
    position = writeVarintBits(bytes, begin, position, t);
    position = writeBits64(bytes, begin, position, vHi, vLo, 64);
    if (st !== 0) {
      position = writeVarintBits(bytes, begin, position, t - st);
      bytes[begin + 2] = firstKnownFlag;
    }
  } else {
    const tDelta = t - state.t;
    if (!(tDelta > 0)) throw new RangeError('samples of a chunk must be appended in time order');
    const dod = tDelta - state.tDelta;
    if (count === 1) {
      position = writeUvarintBits(bytes, begin, position, tDelta);
      position = writeValue(state, position, vHi, vLo);
    } else if (dod === 0) {
      position = writeValueInRhythm(state, position, vHi, vLo);
    } else {
      if (dod >= -4096 && dod <= 4095) {
        position = writeBits(bytes, begin, position, 0xc000 | (dod & 0x1fff), 16);
      } else if (dod >= -524288 && dod <= 524287) {
        position = writeBits(bytes, begin, position, 0xe00000 | (dod & 0xfffff), 24);
      } else {
        position = writeBits(bytes, begin, position, 0x1e, 5);
        position = writeBits64(bytes, begin, position, Math.floor(dod / 0x1_0000_0000), dod, 64);
      }
      position = writeValue(state, position, vHi, vLo);
    }
    state.tDelta = tDelta;
    if (state.firstStChange !== 0) {
      const stDiff = state.t - st;
      position = writeVarbitInt(bytes, begin, position, stDiff - state.stDiff);
      state.stDiff = stDiff;
    } else if (st !== state.st || count === firstChangeMax) {
      const stDiff = state.t - st;
      position = writeVarbitInt(bytes, begin, position, stDiff);
      state.stDiff = stDiff;
      state.firstStChange = count;
      bytes[begin + 2] |= count;
    }
  }
  state.bitPosition = position;
  state.st = st;
  state.t = t;
  if (!isStaleNaN(vHi, vLo)) {
    state.vHi = vHi;
    state.vLo = vLo;
  }
  const countNow = count + 1;
  state.count = countNow;
  bytes[begin] = countNow >>> 8;
  bytes[begin + 1] = countNow;
}

/** The value behind a delta of delta of zero, joint control bits included. */
function writeValueInRhythm(state: Xor2State, position: number, vHi: number, vLo: number): number {
  if (isStaleNaN(vHi, vLo)) return writeBits(state.buffer, state.begin, position, 0x1f, 5);
  const xorHi = vHi ^ state.vHi;
  const xorLo = vLo ^ state.vLo;
  if ((xorHi | xorLo) === 0) return writeBits(state.buffer, state.begin, position, 0, 1);
  return writeChange(state, position, xorHi, xorLo, 4, 5);
}

/** The value behind a time that was written by itself. */
function writeValue(state: Xor2State, position: number, vHi: number, vLo: number): number {
  if (isStaleNaN(vHi, vLo)) return writeBits(state.buffer, state.begin, position, 7, 3);
  const xorHi = vHi ^ state.vHi;
  const xorLo = vLo ^ state.vLo;
  if ((xorHi | xorLo) === 0) return writeBits(state.buffer, state.begin, position, 0, 1);
  // Of three bits, 10x keeps the window: its last bit is not written.
  return writeChange(state, position, xorHi, xorLo, 2, 6);
}

/** Writes a xor that is not zero behind the control that fits: `keep` or `renew`, of three bits (`keep` of 2 is two bits). */
function writeChange(
  state: Xor2State,
  position: number,
  xorHi: number,
  xorLo: number,
  keep: number,
  renew: number,
): number {
  const bytes = state.buffer;
  const begin = state.begin;
  const leading = xorHi === 0 ? 31 : Math.clz32(xorHi);
  const trailing = trailingZeros64(xorHi, xorLo);
  let at: number;
  if (state.leading <= leading && state.trailing <= trailing) {
    at = writeBits(bytes, begin, position, keep, keep === 2 ? 2 : 3);
  } else {
    state.leading = leading;
    state.trailing = trailing;
    at = writeBits(bytes, begin, position, (renew << 11) | (leading << 6) | ((64 - leading - trailing) & 63), 14);
  }
  const shift = state.trailing;
  const significant = 64 - state.leading - shift;
  if (shift >= 32) return writeBits(bytes, begin, at, xorHi >>> (shift - 32), significant);
  const low = (xorLo >>> shift) | ((xorHi << 1) << (31 - shift));
  return writeBits64(bytes, begin, at, xorHi >>> shift, low, significant);
}

/** Whether any sample of the chunk at bytes[begin] may have a start time; if not, columns without `st` lose nothing. */
export function xor2HasStartTimes(bytes: Uint8Array, begin: number): boolean {
  return bytes[begin + 2] !== 0;
}

/**
 * Decodes the chunk bytes[begin, end) into rows from `rowBegin` on; returns the row after the last one. Start times are dropped
 * where out.st is null. The columns must have room for xorSampleCount rows.
 * @throws Failure `internal` when the bytes are no such chunk; rows from `rowBegin` on are then undefined.
 */
export function decodeXor2Into(
  bytes: Uint8Array,
  begin: number,
  end: number,
  out: SampleRows,
  rowBegin: number,
): number {
  if (end - begin < xor2HeaderBytes || begin < 0 || end > bytes.length) throw corruptChunk('its header is cut off');
  const rowEnd = rowBegin + xorSampleCount(bytes, begin);
  if (rowEnd > out.t.length || rowEnd > out.v.length) throw new RangeError('the columns are too short for the chunk');
  if (out.h !== null) for (let i = rowBegin; i < rowEnd; i++) out.h[i] = null;
  const words = loadBitWords(bytes, begin, end);
  const bitEnd = (end - begin) * 8;
  const firstStKnown = (bytes[begin + 2] & firstKnownFlag) !== 0;
  const firstStChange = bytes[begin + 2] & firstChangeMax;
  const { t: outT, vBits: outBits, st: outSt } = out;

  let position = xor2HeaderBytes * 8;
  let t = 0;
  let tDelta = 0;
  let st = 0;
  let stDiff = 0;
  let hi = 0;
  let lo = 0;
  let leading = 0;
  let significant = 64;
  let maskHi = -1;
  let maskLo = -1;
  for (let row = rowBegin; row < rowEnd; row++) {
    const index = row - rowBegin;
    const tBefore = t;
    // What is to be read of the value: 0 nothing (unchanged), 1 a control of the value, 2 one of a known change, 3 stale.
    let valueStep = 1;
    if (index < 2) {
      const byteCount = uvarintLength(words, position);
      if (index === 0) {
        t = peekVarint(words, position, byteCount);
        checkedTime(t);
        position += byteCount * 8;
        const firstHi = peekBits(words, position);
        const firstLo = peekBits(words, position + 32);
        position += 64;
        if (isStaleNaN(firstHi, firstLo)) {
          valueStep = 3;
        } else {
          valueStep = 0;
          hi = firstHi;
          lo = firstLo;
        }
        if (firstStKnown) {
          const stByteCount = uvarintLength(words, position);
          st = t - peekVarint(words, position, stByteCount);
          position += stByteCount * 8;
        }
      } else {
        tDelta = peekUvarint(words, position, byteCount);
        checkedTime(tDelta);
        position += byteCount * 8;
      }
    } else {
      const bits = peekBits(words, position);
      if (bits >= 0) {
        valueStep = 0;
        position += 1;
      } else if ((bits & 0x40000000) === 0) {
        valueStep = 2;
        position += 2;
      } else if ((bits & 0x20000000) === 0) {
        tDelta += (bits << 3) >> 19;
        position += 16;
      } else if ((bits & 0x10000000) === 0) {
        tDelta += (bits << 4) >> 12;
        position += 24;
      } else if ((bits & 0x08000000) === 0) {
        tDelta += int64ToNumber(peekBits(words, position + 5), peekBits(words, position + 37));
        checkedTime(tDelta);
        position += 69;
      } else {
        valueStep = 3;
        position += 5;
      }
    }
    t += tDelta;
    let renewWindow = false;
    if (valueStep === 1) {
      const bits = peekBits(words, position);
      if (bits >= 0) {
        valueStep = 0;
        position += 1;
      } else if ((bits & 0x40000000) === 0) {
        valueStep = 2;
        position += 2;
      } else {
        if ((bits & 0x20000000) === 0) {
          valueStep = 2;
          renewWindow = true;
        } else {
          valueStep = 3;
        }
        position += 3;
      }
    } else if (valueStep === 2) {
      renewWindow = peekBits(words, position) < 0;
      position += 1;
    }
    if (valueStep === 2) {
      if (renewWindow) {
        const bits = peekBits(words, position);
        leading = bits >>> 27;
        significant = (bits >>> 21) & 63;
        if (significant === 0) significant = 64;
        const trailing = 64 - leading - significant;
        if (trailing < 0) throw corruptChunk('a value has more than 64 bits');
        maskHi = trailing > 32 ? -1 << (trailing - 32) : -1;
        maskLo = trailing >= 32 ? 0 : -1 << trailing;
        position += 11;
      }
      const high = peekBits(words, position);
      hi ^= (high >>> leading) & maskHi;
      lo ^= (((high << 1) << (31 - leading)) | (peekBits(words, position + 32) >>> leading)) & maskLo;
      position += significant;
    }
    if (firstStChange !== 0 && index >= firstStChange) {
      const change = peekVarbitInt(words, position);
      stDiff = index === firstStChange ? change : stDiff + change;
      st = tBefore - stDiff;
      position += varbitLength(words, position);
    }
    if (position > bitEnd) throw corruptChunk('it ends within a sample');
    outT[row] = t;
    outBits[row * 2] = valueStep === 3 ? staleNaNLo : lo;
    outBits[row * 2 + 1] = valueStep === 3 ? staleNaNHi : hi;
    if (outSt !== null) outSt[row] = st;
  }
  checkedTime(t);
  checkedTime(st);
  return rowEnd;
}
