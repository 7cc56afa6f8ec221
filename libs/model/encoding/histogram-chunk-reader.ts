/**
 * Reading histogram chunks of all four encodings, sample by sample (Prometheus tsdb/chunkenc/histogram.go, float_histogram.go,
 * st.go). Owns the decoder's state, which is also what an encoder needs to go on.
 *
 *     integer: layout | t: varbit int | count, zero count: varbit uint | sum: 64 bits | bucket deltas: varbit int ...
 *              then the delta of delta of each as varbit int, the sum's xor
 *     float:   layout | t: varbit int | count, zero count, sum, absolute buckets: 64 bits each
 *              then the time's delta of delta as varbit int, the xor of each
 *     start time, behind each sample that has one: see st below; a stale sample has no buckets
 */
import { type Histogram, staleHistogram } from '../histogram.ts';
import { reduceResolution } from '../histogram-resolution.ts';
import { spannedBuckets } from '../histogram-spans.ts';
import { isStaleNaN } from '../stale.ts';
import { BitCursor } from './bit-cursor.ts';
import { checkedTime, corruptChunk } from './bit-reader.ts';
import type { ChunkEncoding } from './chunk.ts';
import {
  hasIntegerCounts,
  hasStartTimes,
  histogramHeaderBytes,
  histogramSampleCount,
  type ResetHeader,
  resetHeaderOf,
  resetHintAt,
} from './histogram-chunk-header.ts';
import { type HistogramLayout, readHistogramLayout } from './histogram-layout.ts';
import { type PackedHistograms, packedBuckets, packedCount, packedSum, packedZeroCount } from './packed-histograms.ts';
import { type SampleRows, unpackHistograms } from './sample-rows.ts';
import { XorValues } from './xor-values.ts';

/** Highest schema that queries know; chunks may hold up to 52, which are reduced to this when read. */
const schemaMax = 8;
const firstStKnownFlag = 0x80;
const firstStChangeMask = 0x7f;

/** Columns of XorValues in a float chunk; buckets follow. In an integer chunk the sum is the only one. */
export const countColumn = 0;
export const zeroCountColumn = 1;
export const floatSumColumn = 2;
export const floatBucketsColumn = 3;
export const integerSumColumn = 0;

const noBuckets = new Float64Array(0);
/** Samples whose counts share memory. */
const slabSamplesMax = 32;

/** What readers of integer chunks work in, one after the other. */
class ReaderMemory {
  integers = new Float64Array(64);
  deltas = new Float64Array(64);
  readonly sum = new XorValues(1);

  /** Makes room for so many integers; the deltas are 0. */
  begin(count: number): void {
    if (this.integers.length < count) {
      this.integers = new Float64Array(count * 2);
      this.deltas = new Float64Array(count * 2);
    }
    this.deltas.fill(0, 0, count);
    this.sum.begin();
  }
}

const decoderMemory = new ReaderMemory();

/** Reads one chunk from its first sample to its last. No other chunk may be read in between: see bit-reader.ts. */
export class HistogramChunkReader {
  readonly encoding: ChunkEncoding;
  readonly integer: boolean;
  readonly header: ResetHeader;
  /** Samples in the chunk. */
  readonly count: number;
  /** Samples read so far. */
  read = 0;
  layout: HistogramLayout;
  t = 0;
  tDelta = 0;
  /** Start time of the last sample, 0 where it has none. */
  st = 0;
  stDiff = 0;
  readonly firstStChange: number;
  /** Whether the last sample is a staleness marker. */
  stale = false;
  /** Integer chunks: count, zero count and bucket deltas (to the bucket before), and how much each last changed. Both may be longer. */
  integers: Float64Array = noBuckets;
  integerDeltas: Float64Array = noBuckets;
  xors: XorValues = new XorValues(0);
  #positiveCount = 0;
  #negativeCount = 0;
  /** Counts of many samples: memory of their own for each would cost more than reading them. */
  #slab = noBuckets;
  #slabUsed = 0;
  /** Number of the layout where samples are packed; -1 before the first is. */
  #shape = -1;
  readonly #firstStKnown: boolean;
  readonly #cursor: BitCursor;

  readonly #memory: ReaderMemory | undefined;
  /** Integers of a sample. */
  #integerCount = 0;

  /** @param memory where nobody looks at the reader once another has begun */
  constructor(encoding: ChunkEncoding, bytes: Uint8Array, begin: number, end: number, memory?: ReaderMemory) {
    this.#memory = memory;
    if (end - begin < histogramHeaderBytes || begin < 0 || end > bytes.length) {
      throw corruptChunk('its header is cut off');
    }
    this.encoding = encoding;
    this.integer = hasIntegerCounts(encoding);
    this.header = resetHeaderOf(encoding, bytes, begin);
    this.count = histogramSampleCount(encoding, bytes, begin);
    const startTimes = hasStartTimes(encoding) ? bytes[begin + 2] : 0;
    this.#firstStKnown = (startTimes & firstStKnownFlag) !== 0;
    this.firstStChange = startTimes & firstStChangeMask;
    this.#cursor = new BitCursor(bytes, begin, end, histogramHeaderBytes * 8);
    this.layout = staleHistogram(this.integer);
  }

  /** Bits of the chunk up to the end of the last sample that was read. */
  get position(): number {
    return this.#cursor.position;
  }

  /** Reads the next sample. @throws Failure `internal` where the bytes make no sense. */
  next(): void {
    const tBefore = this.t;
    if (this.read === 0) this.#readFirst();
    else this.#readFurther();
    this.#readStartTime(tBefore);
    checkedTime(this.t);
    checkedTime(this.st);
    this.read++;
  }

  /** The sample that was read last, in arrays of its own but for spans and bounds, which all samples of the chunk share. */
  sample(): Histogram {
    if (this.stale) return staleHistogram(this.integer);
    const { schema, zeroThreshold, positiveSpans, negativeSpans, customValues } = this.layout;
    const negativeBegin = this.#positiveCount;
    const xorValues = this.xors.values;
    const sample: Histogram = {
      integer: this.integer,
      resetHint: resetHintAt(this.header, this.read - 1),
      schema,
      zeroThreshold,
      zeroCount: this.integer ? this.integers[zeroCountColumn] : xorValues[zeroCountColumn],
      count: this.integer ? this.integers[countColumn] : xorValues[countColumn],
      sum: xorValues[this.integer ? integerSumColumn : floatSumColumn],
      positiveSpans,
      negativeSpans,
      positiveBuckets: this.#buckets(0, negativeBegin),
      negativeBuckets: this.#buckets(negativeBegin, negativeBegin + this.#negativeCount),
      customValues,
      stale: false,
    };
    return schema > schemaMax ? reduceResolution(sample, schemaMax) : sample;
  }

  /** Puts the sample that was read last into a row; false where the resolution of its buckets has to be reduced. */
  packInto(packed: PackedHistograms, row: number): boolean {
    if (this.stale) {
      packed.putStale(row, this.integer);
      return true;
    }
    if (this.layout.schema > schemaMax) return false;
    if (this.#shape < 0) this.#shape = packed.shapeNumber(this.layout, this.integer);
    const at = packed.put(row, this.#shape, resetHintAt(this.header, this.read - 1));
    const { numbers } = packed;
    const { values } = this.xors;
    const { integers } = this;
    numbers[at + packedCount] = this.integer ? integers[countColumn] : values[countColumn];
    numbers[at + packedZeroCount] = this.integer ? integers[zeroCountColumn] : values[zeroCountColumn];
    numbers[at + packedSum] = values[this.integer ? integerSumColumn : floatSumColumn];
    const positiveEnd = this.#positiveCount;
    this.#copyBuckets(0, positiveEnd, numbers, at + packedBuckets);
    this.#copyBuckets(positiveEnd, positiveEnd + this.#negativeCount, numbers, at + packedBuckets + positiveEnd);
    return true;
  }

  /** Absolute counts of the buckets [begin, end) of both signs together. */
  #buckets(begin: number, end: number): Float64Array {
    if (begin === end) return noBuckets;
    const size = end - begin;
    if (this.#slabUsed + size > this.#slab.length) {
      this.#slab = new Float64Array(size * Math.min(slabSamplesMax, Math.max(1, this.count - this.read + 1)));
      this.#slabUsed = 0;
    }
    const slab = this.#slab;
    const at = this.#slabUsed;
    this.#slabUsed += size;
    this.#copyBuckets(begin, end, slab, at);
    return slab.subarray(at, at + size);
  }

  /** Absolute counts of the buckets [begin, end), which are of one sign. */
  #copyBuckets(begin: number, end: number, into: Float64Array, at: number): void {
    const size = end - begin;
    if (this.integer) {
      const { integers } = this;
      let count = 0;
      for (let i = 0; i < size; i++) {
        count += integers[2 + begin + i];
        into[at + i] = count;
      }
    } else {
      const { values } = this.xors;
      for (let i = 0; i < size; i++) into[at + i] = values[floatBucketsColumn + begin + i];
    }
  }

  #readFirst(): void {
    const cursor = this.#cursor;
    const layout = readHistogramLayout(cursor);
    this.layout = layout;
    this.#positiveCount = spannedBuckets(layout.positiveSpans);
    this.#negativeCount = spannedBuckets(layout.negativeSpans);
    const bucketCount = this.#positiveCount + this.#negativeCount;
    if (bucketCount * (this.integer ? 1 : 64) > cursor.bitsLeft) throw corruptChunk('it has more buckets than bits');
    this.t = cursor.varbitInt();
    if (this.integer) {
      this.#integerCount = 2 + bucketCount;
      this.#takeMemory(this.#integerCount);
      this.integers[countColumn] = cursor.varbitUint();
      this.integers[zeroCountColumn] = cursor.varbitUint();
      this.xors.readFirst(cursor, integerSumColumn);
      for (let i = 2; i < this.#integerCount; i++) this.integers[i] = cursor.varbitInt();
    } else {
      this.xors = new XorValues(floatBucketsColumn + bucketCount);
      for (let i = 0; i < this.xors.values.length; i++) this.xors.readFirst(cursor, i);
    }
    this.#noticeStale();
  }

  #takeMemory(integerCount: number): void {
    const memory = this.#memory;
    memory?.begin(integerCount);
    this.integers = memory?.integers ?? new Float64Array(integerCount);
    this.integerDeltas = memory?.deltas ?? new Float64Array(integerCount);
    this.xors = memory?.sum ?? new XorValues(1);
  }

  #readFurther(): void {
    const cursor = this.#cursor;
    this.tDelta += cursor.varbitInt();
    this.t += this.tDelta;
    if (this.integer) {
      this.#readIntegers(0, 2);
      this.xors.read(cursor, integerSumColumn);
      this.#noticeStale();
      if (!this.stale) this.#readIntegers(2, this.#integerCount);
    } else {
      for (let i = 0; i < floatBucketsColumn; i++) this.xors.read(cursor, i);
      this.#noticeStale();
      if (!this.stale) for (let i = floatBucketsColumn; i < this.xors.values.length; i++) this.xors.read(cursor, i);
    }
  }

  #readIntegers(begin: number, end: number): void {
    this.#cursor.varbitIntsInto(this.integerDeltas, this.integers, begin, end);
  }

  #noticeStale(): void {
    const column = this.integer ? integerSumColumn : floatSumColumn;
    this.stale = isStaleNaN(this.xors.bits[column * 2 + 1], this.xors.bits[column * 2]);
  }

  /** Start times: of the first sample against its own time, later ones against the time of the sample before. */
  #readStartTime(tBefore: number): void {
    if (this.read === 0) {
      if (this.#firstStKnown) {
        this.stDiff = this.#cursor.varint();
        this.st = this.t - this.stDiff;
      }
    } else if (this.firstStChange !== 0 && this.read >= this.firstStChange) {
      const change = this.#cursor.varbitInt();
      this.stDiff = this.read === this.firstStChange ? change : this.stDiff + change;
      this.st = tBefore - this.stDiff;
    }
  }
}

/**
 * Decodes the histogram chunk bytes[begin, end) into rows from `row` on; returns the row after the last one. Takes any of the
 * four histogram encodings; out.h is made where it is null, start times are dropped where out.st is null. Samples before `fromT` are
 * left out.
 * @throws Failure `internal` when the bytes are no such chunk; rows from `row` on are then undefined.
 */
export function decodeHistogramInto(
  encoding: ChunkEncoding,
  bytes: Uint8Array,
  begin: number,
  end: number,
  out: SampleRows,
  row: number,
  fromT = Number.NEGATIVE_INFINITY,
): number {
  const reader = new HistogramChunkReader(encoding, bytes, begin, end, decoderMemory);
  if (row + reader.count > out.t.length) throw new RangeError('the columns are too short for the chunk');
  out.packed?.reserve(out.t.length);
  let at = row;
  for (let i = 0; i < reader.count; i++) {
    reader.next();
    if (reader.t < fromT) continue;
    out.t[at] = reader.t;
    if (out.st !== null) out.st[at] = reader.st;
    const packed = out.packed ?? null;
    if (packed === null) {
      out.h ??= new Array<Histogram | null>(out.t.length).fill(null);
      out.h[at] = reader.sample();
    } else if (!reader.packInto(packed, at)) {
      unpackHistograms(out, at);
      out.h ??= new Array<Histogram | null>(out.t.length).fill(null);
      out.h[at] = reader.sample();
    }
    at++;
  }
  return at;
}
