/**
 * What all samples of a histogram chunk share: schema, zero threshold, spans, custom bounds, and how they are written at the
 * begin of the chunk (Prometheus tsdb/chunkenc/histogram_meta.go).
 *
 *     zero threshold: 0 | 1..254 for 2^(n-244) | 255 and 64 bits       schema: varbit int
 *     spans, positive, then negative: number of them, each its length: varbit uint, offset: varbit int
 *     custom bounds, only of schema -53: number of them, each in thousandths plus one as varbit uint, or 0 and 64 bits
 */
import { customBucketsSchema } from '../histogram.ts';
import type { BitCursor } from './bit-cursor.ts';
import { corruptChunk } from './bit-reader.ts';
import { writeBits, writeBits64 } from './bit-writer.ts';
import { writeVarbitInt, writeVarbitUint } from './varbit.ts';

export interface HistogramLayout {
  readonly schema: number;
  readonly zeroThreshold: number;
  /** Flat pairs of offset and length, see Histogram. */
  readonly positiveSpans: Int32Array;
  readonly negativeSpans: Int32Array;
  readonly customValues: Float64Array;
}

/** The most bytes that writeHistogramLayout takes. */
export function histogramLayoutBytesMax(layout: HistogramLayout): number {
  return 64 + (layout.positiveSpans.length + layout.negativeSpans.length + layout.customValues.length) * 10;
}

/** Writes a layout; returns the new position. */
export function writeHistogramLayout(bytes: Uint8Array, position: number, layout: HistogramLayout): number {
  let at = writeZeroThreshold(bytes, position, layout.zeroThreshold);
  at = writeVarbitInt(bytes, 0, at, layout.schema);
  at = writeSpans(bytes, at, layout.positiveSpans);
  at = writeSpans(bytes, at, layout.negativeSpans);
  if (layout.schema !== customBucketsSchema) return at;
  at = writeVarbitUint(bytes, 0, at, layout.customValues.length);
  for (const bound of layout.customValues) at = writeCustomBound(bytes, at, bound);
  return at;
}

/** Reads a layout. @throws Failure `internal` where it cannot be one, before the memory it asks for is taken. */
export function readHistogramLayout(cursor: BitCursor): HistogramLayout {
  const zeroThreshold = readZeroThreshold(cursor);
  const schema = cursor.varbitInt();
  if (schema !== customBucketsSchema && !(schema >= -9 && schema <= 52)) {
    throw corruptChunk(`it has the unknown histogram schema ${schema}`);
  }
  const positiveSpans = readSpans(cursor);
  const negativeSpans = readSpans(cursor);
  if (schema !== customBucketsSchema) {
    return { schema, zeroThreshold, positiveSpans, negativeSpans, customValues: new Float64Array(0) };
  }
  const count = cursor.varbitUint();
  if (count > cursor.bitsLeft) throw corruptChunk('it has more custom bounds than bits');
  const customValues = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const thousandths = cursor.varbitUint();
    customValues[i] = thousandths === 0 ? cursor.float64() : (thousandths - 1) / 1000;
  }
  return { schema, zeroThreshold, positiveSpans, negativeSpans, customValues };
}

const scratch = new Float64Array(1);
const scratchBits = new Int32Array(scratch.buffer);

function writeZeroThreshold(bytes: Uint8Array, position: number, threshold: number): number {
  if (threshold === 0) return writeBits(bytes, 0, position, 0, 8);
  scratch[0] = threshold;
  const lo = scratchBits[0];
  const hi = scratchBits[1];
  const byte = (hi >>> 20) - 1023 + 244;
  const powerOfTwo = lo === 0 && (hi & 0xfffff) === 0;
  if (powerOfTwo && byte >= 1 && byte <= 254) return writeBits(bytes, 0, position, byte, 8);
  return writeBits64(bytes, 0, writeBits(bytes, 0, position, 255, 8), hi, lo, 64);
}

function readZeroThreshold(cursor: BitCursor): number {
  const byte = cursor.bits(8);
  if (byte === 0) return 0;
  return byte === 255 ? cursor.float64() : 2 ** (byte - 244);
}

function writeSpans(bytes: Uint8Array, position: number, spans: Int32Array): number {
  let at = writeVarbitUint(bytes, 0, position, spans.length / 2);
  for (let i = 0; i < spans.length; i += 2) {
    at = writeVarbitUint(bytes, 0, at, spans[i + 1]);
    at = writeVarbitInt(bytes, 0, at, spans[i]);
  }
  return at;
}

function readSpans(cursor: BitCursor): Int32Array {
  const count = cursor.varbitUint();
  if (count * 2 > cursor.bitsLeft) throw corruptChunk('it has more spans than bits');
  const spans = new Int32Array(count * 2);
  let buckets = 0;
  for (let i = 0; i < spans.length; i += 2) {
    const length = cursor.varbitUint();
    buckets += length;
    // Every bucket takes a bit or more of the first sample.
    if (buckets > cursor.bitsLeft) throw corruptChunk('it has more buckets than bits');
    spans[i] = cursor.varbitInt();
    spans[i + 1] = length;
  }
  return spans;
}

function writeCustomBound(bytes: Uint8Array, position: number, bound: number): number {
  const scaled = bound * 1000;
  const thousandths = Math.round(scaled);
  if (scaled >= 0 && scaled <= 33554430 && thousandths / 1000 === bound) {
    return writeVarbitUint(bytes, 0, position, thousandths + 1);
  }
  scratch[0] = bound;
  return writeBits64(bytes, 0, writeBits(bytes, 0, position, 0, 1), scratchBits[1], scratchBits[0], 64);
}
