/**
 * An open histogram chunk: takes samples until one does not fit, byte for byte what Prometheus writes (tsdb/chunkenc/histogram.go,
 * float_histogram.go and their _st twins). Owns the rules of what fits: a sample with new buckets makes the chunk be written anew
 * with them; a counter reset, another schema, zero threshold or set of bounds, an end of staleness, or a change between counter and
 * gauge, integer and float begins a new chunk. One object per open chunk, owner of its bytes.
 */
import { customBucketsSchema, type Histogram, ResetHint, staleHistogram } from '../histogram.ts';
import { bucketIndexes, spansOfIndexes, spreadCounts, unionOfIndexes } from '../histogram-spans.ts';
import { isStaleNaN, staleNaNHi, staleNaNLo } from '../stale.ts';
import { writeVarintBits } from './bit-writer.ts';
import { ChunkEncoding } from './chunk.ts';
import {
  hasIntegerCounts,
  hasStartTimes,
  histogramHeaderBytes,
  histogramSamplesMax,
  ResetHeader,
} from './histogram-chunk-header.ts';
import {
  countColumn,
  floatBucketsColumn,
  floatSumColumn,
  HistogramChunkReader,
  integerSumColumn,
  zeroCountColumn,
} from './histogram-chunk-reader.ts';
import { type HistogramLayout, histogramLayoutBytesMax, writeHistogramLayout } from './histogram-layout.ts';
import { writeVarbitInt, writeVarbitUint } from './varbit.ts';
import { XorValues } from './xor-values.ts';

/** Above this a count is kept as float: its delta of delta would not fit a number, and errors would add up. */
const integerCountMax = 2 ** 50;
const firstStKnownFlag = 0x80;
const firstStChangeMax = 0x7f;
const firstCapacity = 256;
/**
 * A chunk is full when more values than this, and than so many for each that it holds, were written anew for more buckets: a sender may
 * bring another bucket with every sample, and each would cost as much as the whole chunk. Series whose buckets settle stay below.
 */
const rewrittenMin = 8192;
const rewrittenPerHeld = 4;
/** Values of a sample beside its buckets: count, zero count and sum. */
const plainValues = 3;

export class OpenHistogramChunk {
  readonly encoding: ChunkEncoding;
  readonly integer: boolean;
  readonly header: ResetHeader;
  /** Samples in the chunk. */
  count = 0;
  /** Values that were written anew since the chunk was begun, or opened again. */
  rewritten = 0;
  /** Time and start time of the last sample. */
  t = 0;
  st = 0;
  /** Whether the last sample is a staleness marker: then only another may follow. */
  stale = false;
  layout: HistogramLayout;
  /** Absolute counts of the last sample that was not stale. */
  lastCount = 0;
  lastZeroCount = 0;
  positive: Float64Array;
  negative: Float64Array;
  #bytes: Uint8Array = new Uint8Array(firstCapacity);
  #position = histogramHeaderBytes * 8;
  #tDelta = 0;
  #stDiff = 0;
  #firstStChange = 0;
  #integers: Float64Array;
  #integerDeltas: Float64Array;
  #xors: XorValues;

  constructor(encoding: ChunkEncoding, header: ResetHeader) {
    this.encoding = encoding;
    this.integer = hasIntegerCounts(encoding);
    this.header = header;
    this.layout = staleHistogram(this.integer);
    this.positive = this.layout.customValues;
    this.negative = this.layout.customValues;
    this.#integers = this.layout.customValues;
    this.#integerDeltas = this.layout.customValues;
    this.#xors = new XorValues(0);
  }

  /** The chunk's bytes, as a view: valid until the next append. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, Math.ceil(this.#position / 8));
  }

  /** Values of its samples. */
  get held(): number {
    return this.count * (plainValues + this.positive.length + this.negative.length);
  }

  /** Writes a sample of this chunk's kind and layout: whether it fits is appendHistogram's affair. */
  write(st: number, t: number, sample: Histogram): void {
    const h = sample.stale ? staleHistogram(this.integer) : sample;
    const tBefore = this.t;
    this.#reserve(h);
    if (this.count === 0) this.#writeFirst(t, h);
    else this.#writeFurther(t, h);
    if (hasStartTimes(this.encoding)) this.#writeStartTime(st, t, tBefore);
    this.t = t;
    this.st = st;
    this.stale = h.stale;
    if (!h.stale || this.count === 0) {
      this.lastCount = h.count;
      this.lastZeroCount = h.zeroCount;
      this.positive = h.positiveBuckets;
      this.negative = h.negativeBuckets;
    }
    this.count++;
    this.#writeHeader();
  }

  /** Writes the chunk anew with more buckets: spans that name all that it has and others. */
  rewrite(positiveSpans: Int32Array, negativeSpans: Int32Array): void {
    const samples = readSamples(this.encoding, this.bytes());
    const positiveFrom = bucketIndexes(this.layout.positiveSpans);
    const negativeFrom = bucketIndexes(this.layout.negativeSpans);
    const positiveTo = bucketIndexes(positiveSpans);
    const negativeTo = bucketIndexes(negativeSpans);
    this.rewritten += samples.length * (plainValues + positiveTo.length + negativeTo.length);
    this.#bytes = new Uint8Array(this.#bytes.length);
    this.#position = histogramHeaderBytes * 8;
    this.count = 0;
    this.#tDelta = 0;
    this.#stDiff = 0;
    this.#firstStChange = 0;
    for (const { st, t, h } of samples) {
      this.write(st, t, {
        ...h,
        positiveSpans,
        negativeSpans,
        positiveBuckets: spreadCounts(h.positiveBuckets, positiveFrom, positiveTo),
        negativeBuckets: spreadCounts(h.negativeBuckets, negativeFrom, negativeTo),
      });
    }
  }

  /** Takes the state of a reader that has read all of `bytes`. */
  resume(bytes: Uint8Array, reader: HistogramChunkReader, last: Histogram): void {
    const used = reader.position & 7;
    // What follows is written over the zeros behind the position.
    if (used !== 0) bytes[reader.position >>> 3] &= 0xff << (8 - used);
    this.#bytes = bytes;
    this.#position = reader.position;
    this.count = reader.count;
    this.t = reader.t;
    this.st = reader.st;
    this.stale = reader.stale;
    this.layout = reader.layout;
    this.lastCount = last.count;
    this.lastZeroCount = last.zeroCount;
    this.positive = last.positiveBuckets;
    this.negative = last.negativeBuckets;
    this.#tDelta = reader.tDelta;
    this.#stDiff = reader.stDiff;
    this.#firstStChange = reader.firstStChange;
    this.#integers = reader.integers;
    this.#integerDeltas = reader.integerDeltas;
    this.#xors = reader.xors;
  }

  #reserve(h: Histogram): void {
    const buckets = h.positiveBuckets.length + h.negativeBuckets.length;
    const needed =
      (this.#position >>> 3) + (this.count === 0 ? histogramLayoutBytesMax(h) : 0) + (buckets + 3) * 10 + 32;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }

  #writeFirst(t: number, h: Histogram): void {
    const { schema, zeroThreshold, positiveSpans, negativeSpans, customValues } = h;
    this.layout = { schema, zeroThreshold, positiveSpans, negativeSpans, customValues };
    const bytes = this.#bytes;
    const buckets = h.positiveBuckets.length + h.negativeBuckets.length;
    let position = writeHistogramLayout(bytes, this.#position, this.layout);
    position = writeVarbitInt(bytes, 0, position, t);
    if (this.integer) {
      this.#integers = new Float64Array(2 + buckets);
      this.#integerDeltas = new Float64Array(2 + buckets);
      this.#xors = new XorValues(1);
      position = writeVarbitUint(bytes, 0, position, h.count);
      position = writeVarbitUint(bytes, 0, position, h.zeroCount);
      position = this.#writeSum(position, integerSumColumn, h);
      this.#integers.set(integersOf(h));
      for (let i = 2; i < this.#integers.length; i++) position = writeVarbitInt(bytes, 0, position, this.#integers[i]);
    } else {
      this.#xors = new XorValues(floatBucketsColumn + buckets);
      position = this.#writeFloat(position, countColumn, h.count);
      position = this.#writeFloat(position, zeroCountColumn, h.zeroCount);
      position = this.#writeSum(position, floatSumColumn, h);
      position = this.#writeBuckets(position, h);
    }
    this.#position = position;
    this.#tDelta = 0;
  }

  #writeFurther(t: number, h: Histogram): void {
    const bytes = this.#bytes;
    const tDelta = t - this.t;
    if (!(tDelta > 0)) throw new RangeError('samples of a chunk must be appended in time order');
    let position = writeVarbitInt(bytes, 0, this.#position, tDelta - this.#tDelta);
    this.#tDelta = tDelta;
    if (this.integer) {
      const integers = integersOf(h);
      position = this.#writeIntegers(position, integers, 0, 2, h.stale);
      position = this.#writeSum(position, integerSumColumn, h);
      position = this.#writeIntegers(position, integers, 2, integers.length, false);
    } else {
      position = this.#writeFloat(position, countColumn, h.count);
      position = this.#writeFloat(position, zeroCountColumn, h.zeroCount);
      position = this.#writeSum(position, floatSumColumn, h);
      position = this.#writeBuckets(position, h);
    }
    this.#position = position;
  }

  /** Deltas of deltas of the columns [begin, end); a stale sample's are written as none. */
  #writeIntegers(position: number, integers: Float64Array, begin: number, end: number, stale: boolean): number {
    let at = position;
    for (let i = begin; i < end; i++) {
      const delta = integers[i] - this.#integers[i];
      at = writeVarbitInt(this.#bytes, 0, at, stale ? 0 : delta - this.#integerDeltas[i]);
      this.#integerDeltas[i] = delta;
      this.#integers[i] = integers[i];
    }
    return at;
  }

  #writeBuckets(position: number, h: Histogram): number {
    let at = position;
    let column = floatBucketsColumn;
    for (const count of h.positiveBuckets) at = this.#writeFloat(at, column++, count);
    for (const count of h.negativeBuckets) at = this.#writeFloat(at, column++, count);
    return at;
  }

  #writeSum(position: number, column: number, h: Histogram): number {
    if (h.stale) return this.#writeWords(position, column, staleNaNHi, staleNaNLo);
    return this.#writeFloat(position, column, h.sum);
  }

  #writeFloat(position: number, column: number, value: number): number {
    scratch[0] = value;
    // What is not called stale must not be read as stale, whatever NaN its sum is.
    if (isStaleNaN(scratchBits[1], scratchBits[0])) scratch[0] = Number.NaN;
    return this.#writeWords(position, column, scratchBits[1], scratchBits[0]);
  }

  #writeWords(position: number, column: number, hi: number, lo: number): number {
    if (this.count === 0) return this.#xors.writeFirst(this.#bytes, position, column, hi, lo);
    return this.#xors.write(this.#bytes, position, column, hi, lo);
  }

  /** As in XOR2 chunks, but the first start time that differs is always written against the time of the sample before. */
  #writeStartTime(st: number, t: number, tBefore: number): void {
    const bytes = this.#bytes;
    if (this.count === 0) {
      if (st !== 0) {
        this.#position = writeVarintBits(bytes, 0, this.#position, t - st);
        bytes[2] = firstStKnownFlag;
      }
    } else if (this.#firstStChange !== 0) {
      const stDiff = tBefore - st;
      this.#position = writeVarbitInt(bytes, 0, this.#position, stDiff - this.#stDiff);
      this.#stDiff = stDiff;
    } else if (st !== this.st || this.count === firstStChangeMax) {
      this.#stDiff = tBefore - st;
      this.#position = writeVarbitInt(bytes, 0, this.#position, this.#stDiff);
      this.#firstStChange = this.count;
      bytes[2] |= this.count;
    }
  }

  #writeHeader(): void {
    const bytes = this.#bytes;
    bytes[0] = this.count >>> 8;
    bytes[1] = this.count;
    if (hasStartTimes(this.encoding)) bytes[0] |= this.header;
    else bytes[2] = this.header;
  }
}

const scratch = new Float64Array(1);
const scratchBits = new Int32Array(scratch.buffer);

/** Count, zero count and the bucket deltas of each sign, as an integer chunk holds them. */
function integersOf(h: Histogram): Float64Array {
  const integers = new Float64Array(2 + h.positiveBuckets.length + h.negativeBuckets.length);
  integers[countColumn] = h.count;
  integers[zeroCountColumn] = h.zeroCount;
  let at = 2;
  for (const buckets of [h.positiveBuckets, h.negativeBuckets]) {
    for (let i = 0; i < buckets.length; i++) integers[at++] = buckets[i] - (i === 0 ? 0 : buckets[i - 1]);
  }
  return integers;
}

function readSamples(encoding: ChunkEncoding, bytes: Uint8Array): { st: number; t: number; h: Histogram }[] {
  const reader = new HistogramChunkReader(encoding, bytes, 0, bytes.length);
  const samples = [];
  while (reader.read < reader.count) {
    reader.next();
    samples.push({ st: reader.st, t: reader.t, h: reader.sample() });
  }
  return samples;
}

/** Whether all counts can be kept as integers without loss. */
function fitsInteger(h: Histogram): boolean {
  return h.integer && h.count <= integerCountMax && h.zeroCount <= integerCountMax && hasSmallCounts(h);
}

function hasSmallCounts(h: Histogram): boolean {
  for (const count of h.positiveBuckets) if (count > integerCountMax) return false;
  for (const count of h.negativeBuckets) if (count > integerCountMax) return false;
  return true;
}

/**
 * Begins a chunk with its first sample: the first of a series, or one that follows `previous`, which is then to be closed
 * (it may be full, old, or of another kind). The encoding follows from the sample: integer or float, with start times or without.
 * @param st start time, 0 where there is none.
 */
export function beginHistogramChunk(
  previous: OpenHistogramChunk | null,
  st: number,
  t: number,
  h: Histogram,
): OpenHistogramChunk {
  const encoding = encodingOf(st, h);
  let header: ResetHeader = ResetHeader.unknown;
  if (h.resetHint === ResetHint.gauge) header = ResetHeader.gauge;
  else if (h.resetHint === ResetHint.reset) header = ResetHeader.reset;
  else if (previous !== null && previous.integer === hasIntegerCounts(encoding)) {
    const fit = fitOfCounter(previous, h);
    header = fit.header;
    // Prometheus' float chunks know no "unknown" here.
    if (!previous.integer && header === ResetHeader.unknown) header = ResetHeader.notReset;
  }
  return begin(encoding, header, st, t, h);
}

function encodingOf(st: number, h: Histogram): ChunkEncoding {
  if (fitsInteger(h)) return st === 0 ? ChunkEncoding.histogram : ChunkEncoding.histogramSt;
  return st === 0 ? ChunkEncoding.floatHistogram : ChunkEncoding.floatHistogramSt;
}

function begin(encoding: ChunkEncoding, header: ResetHeader, st: number, t: number, h: Histogram): OpenHistogramChunk {
  const chunk = new OpenHistogramChunk(encoding, header);
  chunk.write(st, t, h);
  return chunk;
}

/**
 * Appends a sample, later than all of the chunk. Returns the chunk that holds it: `open` itself, perhaps written anew with more
 * buckets, or a new one where it does not fit; then `open` is unchanged and to be closed.
 * @param st start time, 0 where there is none.
 */
export function appendHistogram(open: OpenHistogramChunk, st: number, t: number, h: Histogram): OpenHistogramChunk {
  // A marker has no counts: it is of whatever kind the chunk is.
  const sameKind = h.stale || open.integer === fitsInteger(h);
  const rewritten = open.rewritten > rewrittenMin + rewrittenPerHeld * open.held;
  const full = rewritten || open.count >= histogramSamplesMax(open.encoding);
  if (!sameKind || full || (st !== 0 && !hasStartTimes(open.encoding))) return beginHistogramChunk(open, st, t, h);
  const gauge = h.resetHint === ResetHint.gauge;
  const fit = gauge ? fitOfGauge(open, h) : fitOfCounter(open, h);
  if (!fit.fits) {
    // Unlike a chunk that is begun because the one before is full, a float one does not call itself free of resets here.
    const header = !open.integer && fit.header === ResetHeader.notReset ? ResetHeader.unknown : fit.header;
    return begin(encodingLike(open, st, h), header, st, t, h);
  }
  open.write(st, t, h.stale ? h : withLayoutOf(open, h, gauge));
  return open;
}

/** The encoding of the chunk that follows `open`: of the same kind, with start times if `open` had them. */
function encodingLike(open: OpenHistogramChunk, st: number, h: Histogram): ChunkEncoding {
  return h.stale || hasStartTimes(open.encoding) ? open.encoding : encodingOf(st, h);
}

interface Fit {
  readonly fits: boolean;
  /** Header of the chunk that begins with the sample if it does not fit. */
  readonly header: ResetHeader;
}

function fitOfGauge(open: OpenHistogramChunk, h: Histogram): Fit {
  const fits = open.header === ResetHeader.gauge && (h.stale || (!open.stale && hasSameGrid(open.layout, h)));
  return { fits, header: ResetHeader.gauge };
}

function fitOfCounter(open: OpenHistogramChunk, h: Histogram): Fit {
  if (open.header === ResetHeader.gauge) return { fits: false, header: ResetHeader.notReset };
  if (h.resetHint === ResetHint.reset) return { fits: false, header: ResetHeader.reset };
  if (h.stale) return { fits: true, header: ResetHeader.notReset };
  if (open.stale) return { fits: false, header: ResetHeader.unknown };
  if (h.count < open.lastCount) return { fits: false, header: ResetHeader.reset };
  if (h.schema !== open.layout.schema || h.zeroThreshold !== open.layout.zeroThreshold) {
    return { fits: false, header: ResetHeader.unknown };
  }
  const reset =
    !hasSameGrid(open.layout, h) ||
    h.zeroCount < open.lastZeroCount ||
    hasFallen(open.layout.positiveSpans, open.positive, h.positiveSpans, h.positiveBuckets) ||
    hasFallen(open.layout.negativeSpans, open.negative, h.negativeSpans, h.negativeBuckets);
  return { fits: !reset, header: reset ? ResetHeader.reset : ResetHeader.notReset };
}

function hasSameGrid(layout: HistogramLayout, h: Histogram): boolean {
  if (h.schema !== layout.schema || h.zeroThreshold !== layout.zeroThreshold) return false;
  if (h.schema !== customBucketsSchema) return true;
  const a = h.customValues;
  const b = layout.customValues;
  return a.length === b.length && a.every((bound, i) => bound === b[i]);
}

/** Whether any bucket of `a` has a smaller count in `b`, or is not in `b` though it is not empty. */
function hasFallen(aSpans: Int32Array, aCounts: Float64Array, bSpans: Int32Array, bCounts: Float64Array): boolean {
  const a = bucketIndexes(aSpans);
  const b = bucketIndexes(bSpans);
  let j = 0;
  for (let i = 0; i < a.length; i++) {
    while (j < b.length && b[j] < a[i]) j++;
    const common = j < b.length && b[j] === a[i];
    if (common ? aCounts[i] > bCounts[j] : aCounts[i] !== 0) return true;
  }
  return false;
}

/**
 * The sample with the buckets of the chunk, and the chunk with those of the sample. Whose spans are taken is Prometheus' way,
 * so that the bytes are the same even for spans that could be fewer.
 */
function withLayoutOf(open: OpenHistogramChunk, h: Histogram, gauge: boolean): Histogram {
  const positive = bucketIndexes(h.positiveSpans);
  const negative = bucketIndexes(h.negativeSpans);
  const positiveOpen = bucketIndexes(open.layout.positiveSpans);
  const negativeOpen = bucketIndexes(open.layout.negativeSpans);
  const positiveAll = unionOfIndexes(positiveOpen, positive);
  const negativeAll = unionOfIndexes(negativeOpen, negative);
  const chunkGrows = positiveAll.length > positiveOpen.length || negativeAll.length > negativeOpen.length;
  const positiveGrows = positiveAll.length > positive.length;
  const negativeGrows = negativeAll.length > negative.length;
  const sampleGrows = positiveGrows || negativeGrows;
  let { positiveSpans, negativeSpans } = h;
  if (sampleGrows) {
    if (!gauge && !chunkGrows) {
      positiveSpans = open.layout.positiveSpans;
      negativeSpans = open.layout.negativeSpans;
    } else {
      if (gauge || positiveGrows) positiveSpans = spansOfIndexes(positiveAll);
      if (gauge || negativeGrows) negativeSpans = spansOfIndexes(negativeAll);
    }
  }
  if (chunkGrows) open.rewrite(positiveSpans, negativeSpans);
  if (!sampleGrows) return h;
  return {
    ...h,
    positiveSpans,
    negativeSpans,
    positiveBuckets: spreadCounts(h.positiveBuckets, positive, positiveAll),
    negativeBuckets: spreadCounts(h.negativeBuckets, negative, negativeAll),
  };
}

/**
 * Opens a chunk again from a copy of its bytes, as if all of its samples had just been appended.
 * @throws Failure `internal` when bytes[begin, end) are no such chunk or an empty one.
 */
export function loadHistogramChunk(
  encoding: ChunkEncoding,
  bytes: Uint8Array,
  begin: number,
  end: number,
): OpenHistogramChunk {
  const reader = new HistogramChunkReader(encoding, bytes, begin, end);
  while (reader.read < reader.count) reader.next();
  const chunk = new OpenHistogramChunk(encoding, reader.header);
  chunk.resume(bytes.slice(begin, begin + Math.ceil(reader.position / 8)), reader, reader.sample());
  return chunk;
}
