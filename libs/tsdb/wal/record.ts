/**
 * The WAL's push record: one accepted WriteBatch of one tenant, columns in, columns out. Layout in FORMAT.md.
 * Owns the bytes of a record's payload. Framing and checksums are frame.ts', files are segment.ts'.
 * Surprising: every row names its series by number; a series' labels stand only in the record that created it.
 */
import type { ExemplarSample, HistogramSample, WriteBatch } from '../../contracts/write-batch.ts';
import type { Histogram, ResetHint } from '../../model/histogram.ts';
import { type MetricMetadata, metricTypes } from '../../model/metadata.ts';
import { parseTenantId, type TenantId } from '../../model/tenant-id.ts';
import type { ByteSink } from '../../std/byte-sink.ts';
import { ByteSource, ByteSourceError } from '../../std/byte-source.ts';

/** First byte of a payload. */
export const recordTypePush = 1;

const flagOneSampleEach = 1;
const flagStartTimestamps = 2;

/** A decoded push record: `batch.refs` are the numbers that the record uses; the new series among them come first. */
export interface PushRecord {
  readonly batch: WriteBatch;
  /** Numbers of the series that this record created, and where in `batch.labelBytes` their canonical labels stand. */
  readonly newIds: Uint32Array;
  readonly newLabelsBegin: Uint32Array;
  readonly newLabelsEnd: Uint32Array;
}

/**
 * Writes the payload of a push record.
 * @param ids the series number of every row of the batch, none 0
 * @param newRows rows whose series this batch created, in order of creation
 */
export function encodePushRecord(batch: WriteBatch, ids: Uint32Array, newRows: readonly number[], out: ByteSink): void {
  const { seriesCount, sampleBegin } = batch;
  const sampleCount = sampleBegin[seriesCount] as number;
  let oneSampleEach = sampleCount === seriesCount;
  for (let i = 0; oneSampleEach && i < seriesCount; i++) oneSampleEach = sampleBegin[i] === i;
  out.writeUint8(recordTypePush);
  out.writeUint8((oneSampleEach ? flagOneSampleEach : 0) | (batch.sampleST === null ? 0 : flagStartTimestamps));
  out.writeText(batch.tenant);
  out.writeFloat64(batch.receiveTimeMs);

  out.writeUvarint(newRows.length);
  for (const row of newRows) {
    const begin = batch.labelsBegin[row] as number;
    const end = batch.labelsEnd[row] as number;
    out.writeUvarint(ids[row] as number);
    out.writeUvarint(end - begin);
    out.writeBytes(batch.labelBytes, begin, end);
  }

  out.writeUvarint(seriesCount);
  writeIds(ids, seriesCount, out);
  if (!oneSampleEach) {
    for (let i = 0; i < seriesCount; i++) out.writeUvarint((sampleBegin[i + 1] as number) - (sampleBegin[i] as number));
  }
  out.writeUvarint(sampleCount);
  writeTimes(batch.sampleT, sampleCount, out);
  if (batch.sampleST !== null) writeRaw(batch.sampleST, sampleCount, out);
  writeRaw(batch.sampleV, sampleCount, out);

  out.writeUvarint(batch.histograms.length);
  for (const sample of batch.histograms) {
    out.writeUvarint(sample.series);
    out.writeFloat64(sample.t);
    out.writeFloat64(sample.st);
    writeHistogram(sample.histogram, out);
  }
  out.writeUvarint(batch.exemplars.length);
  for (const exemplar of batch.exemplars) {
    out.writeUvarint(exemplar.series);
    out.writeFloat64(exemplar.t);
    out.writeFloat64(exemplar.value);
    out.writeUvarint(exemplar.labels.length);
    out.writeBytes(exemplar.labels, 0, exemplar.labels.length);
  }
  out.writeUvarint(batch.metadata.length);
  for (const entry of batch.metadata) {
    out.writeText(entry.metric);
    out.writeUint8(metricTypes.indexOf(entry.type));
    out.writeText(entry.help);
    out.writeText(entry.unit);
  }
}

/**
 * Reads a payload written by encodePushRecord. The result owns its memory.
 * @throws ByteSourceError when the bytes are not such a payload
 */
export function decodePushRecord(bytes: Uint8Array, begin: number, end: number): PushRecord {
  const source = new ByteSource(bytes, begin, end);
  const type = source.readUint8();
  if (type !== recordTypePush) throw new ByteSourceError(`record type ${type} is not known`);
  const flags = source.readUint8();
  const tenant = readTenant(source);
  const receiveTimeMs = source.readFloat64();

  const newCount = boundedCount(source, 2);
  const newIds = new Uint32Array(newCount);
  const newLabelsBegin = new Uint32Array(newCount);
  const newLabelsEnd = new Uint32Array(newCount);
  for (let i = 0; i < newCount; i++) {
    newIds[i] = source.readUvarint();
    const length = source.readUvarint();
    newLabelsBegin[i] = source.take(length);
    newLabelsEnd[i] = source.position;
  }

  const seriesCount = boundedCount(source, 1);
  const refs = new Uint32Array(seriesCount);
  readIds(source, refs);
  const sampleBegin = new Uint32Array(seriesCount + 1);
  if ((flags & flagOneSampleEach) !== 0) {
    for (let i = 0; i <= seriesCount; i++) sampleBegin[i] = i;
  } else {
    let total = 0;
    for (let i = 0; i < seriesCount; i++) {
      sampleBegin[i] = total;
      total += source.readUvarint();
    }
    sampleBegin[seriesCount] = total;
  }
  const sampleCount = boundedCount(source, 8);
  if (sampleCount !== sampleBegin[seriesCount]) throw new ByteSourceError('sample counts disagree');
  const sampleT = readTimes(source, sampleCount);
  const sampleST = (flags & flagStartTimestamps) === 0 ? null : readRaw(source, sampleCount);
  const sampleV = readRaw(source, sampleCount);

  const histograms: HistogramSample[] = [];
  for (let left = boundedCount(source, 17); left > 0; left--) {
    const series = rowBelow(source, seriesCount);
    histograms.push({ series, t: source.readFloat64(), st: source.readFloat64(), histogram: readHistogram(source) });
  }
  const exemplars: ExemplarSample[] = [];
  for (let left = boundedCount(source, 18); left > 0; left--) {
    const series = rowBelow(source, seriesCount);
    const t = source.readFloat64();
    const value = source.readFloat64();
    const length = source.readUvarint();
    const at = source.take(length);
    exemplars.push({ series, t, value, labels: bytes.slice(at, at + length) });
  }
  const metadata: MetricMetadata[] = [];
  for (let left = boundedCount(source, 4); left > 0; left--) {
    const metric = source.readText();
    const metricType = metricTypes[source.readUint8()];
    if (metricType === undefined) throw new ByteSourceError('metric type is not known');
    metadata.push({ metric, type: metricType, help: source.readText(), unit: source.readText() });
  }
  if (source.remaining !== 0) throw new ByteSourceError(`${source.remaining} bytes left over`);
  const none = new Uint32Array(seriesCount);
  return {
    newIds,
    newLabelsBegin,
    newLabelsEnd,
    batch: {
      tenant,
      receiveTimeMs,
      seriesCount,
      refs,
      labelBytes: bytes,
      labelsBegin: none,
      labelsEnd: none,
      sampleBegin,
      sampleT,
      sampleV,
      sampleST,
      histograms,
      exemplars,
      metadata,
    },
  };
}

/** Numbers mostly rise by one: a byte a row for the zigzag step minus one where all fit, else four bytes a row. */
function writeIds(ids: Uint32Array, count: number, out: ByteSink): void {
  if (count === 0) return;
  let narrow = true;
  for (let i = 1; narrow && i < count; i++) {
    const step = (ids[i] as number) - (ids[i - 1] as number) - 1;
    narrow = step >= -128 && step < 128;
  }
  out.writeUint8(narrow ? 1 : 4);
  out.writeUint32(ids[0] as number);
  if (narrow) {
    out.reserve(count - 1);
    const { bytes } = out;
    let at = out.length;
    for (let i = 1; i < count; i++) bytes[at++] = (ids[i] as number) - (ids[i - 1] as number) - 1;
    out.length = at;
  } else {
    out.writeBytes(new Uint8Array(ids.buffer, ids.byteOffset, count * 4), 4, count * 4);
  }
}

function readIds(source: ByteSource, ids: Uint32Array): void {
  const count = ids.length;
  if (count === 0) return;
  const width = source.readUint8();
  ids[0] = source.readUint32();
  if (width === 1) {
    let at = source.take(count - 1);
    const { bytes } = source;
    let id = ids[0] as number;
    for (let i = 1; i < count; i++) {
      id += (((bytes[at++] as number) << 24) >> 24) + 1;
      ids[i] = id;
    }
  } else if (width === 4) {
    const at = source.take((count - 1) * 4);
    new Uint8Array(ids.buffer, 4).set(source.bytes.subarray(at, at + (count - 1) * 4));
  } else {
    throw new ByteSourceError(`a series number of ${width} bytes`);
  }
}

/** Times of a request lie close together: the lowest once, then the distance to it in 0, 2, 4 or 8 bytes a row. */
function writeTimes(times: Float64Array, count: number, out: ByteSink): void {
  if (count === 0) return;
  let lowest = times[0] as number;
  let highest = lowest;
  for (let i = 1; i < count; i++) {
    const t = times[i] as number;
    if (t < lowest) lowest = t;
    if (t > highest) highest = t;
  }
  const spread = highest - lowest;
  const width = spread === 0 ? 0 : spread < 0x10000 ? 2 : spread < 0x100000000 ? 4 : 8;
  out.writeFloat64(lowest);
  out.writeUint8(width);
  if (width === 0) return;
  out.reserve(count * width);
  const { view, bytes } = out;
  let at = out.length;
  if (width === 2) {
    for (let i = 0; i < count; i++) {
      const distance = (times[i] as number) - lowest;
      bytes[at++] = distance;
      bytes[at++] = distance >>> 8;
    }
  } else if (width === 4) {
    for (let i = 0; i < count; i++, at += 4) view.setUint32(at, (times[i] as number) - lowest, true);
  } else {
    for (let i = 0; i < count; i++, at += 8) view.setFloat64(at, times[i] as number, true);
  }
  out.length = at;
}

function readTimes(source: ByteSource, count: number): Float64Array {
  const times = new Float64Array(count);
  if (count === 0) return times;
  const lowest = source.readFloat64();
  const width = source.readUint8();
  const at = source.take(count * width);
  const { bytes } = source;
  if (width === 0) {
    times.fill(lowest);
  } else if (width === 2) {
    for (let i = 0, p = at; i < count; i++, p += 2) {
      times[i] = lowest + ((bytes[p] as number) | ((bytes[p + 1] as number) << 8));
    }
  } else if (width === 4) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at);
    for (let i = 0; i < count; i++) times[i] = lowest + view.getUint32(i * 4, true);
  } else if (width === 8) {
    new Uint8Array(times.buffer).set(bytes.subarray(at, at + count * 8));
  } else {
    throw new ByteSourceError(`a time of ${width} bytes`);
  }
  return times;
}

/** Eight bytes a row as they lie in memory (little-endian): no NaN is touched. */
function writeRaw(column: Float64Array, count: number, out: ByteSink): void {
  out.writeBytes(new Uint8Array(column.buffer, column.byteOffset, count * 8), 0, count * 8);
}

function readRaw(source: ByteSource, count: number): Float64Array {
  const column = new Float64Array(count);
  const at = source.take(count * 8);
  new Uint8Array(column.buffer).set(source.bytes.subarray(at, at + count * 8));
  return column;
}

const histogramInteger = 1;
const histogramStale = 2;

function writeHistogram(histogram: Histogram, out: ByteSink): void {
  out.writeUint8((histogram.integer ? histogramInteger : 0) | (histogram.stale ? histogramStale : 0));
  out.writeUint8(histogram.resetHint);
  out.writeUint8(histogram.schema & 0xff);
  out.writeFloat64(histogram.zeroThreshold);
  out.writeFloat64(histogram.zeroCount);
  out.writeFloat64(histogram.count);
  out.writeFloat64(histogram.sum);
  for (const spans of [histogram.positiveSpans, histogram.negativeSpans]) {
    out.writeUvarint(spans.length);
    for (const value of spans) out.writeUint32(value >>> 0);
  }
  for (const column of [histogram.positiveBuckets, histogram.negativeBuckets, histogram.customValues]) {
    out.writeUvarint(column.length);
    writeRaw(column, column.length, out);
  }
}

function readHistogram(source: ByteSource): Histogram {
  const flags = source.readUint8();
  const resetHint = source.readUint8();
  if (resetHint > 3) throw new ByteSourceError(`counter reset hint ${resetHint}`);
  const schema = (source.readUint8() << 24) >> 24;
  const zeroThreshold = source.readFloat64();
  const zeroCount = source.readFloat64();
  const count = source.readFloat64();
  const sum = source.readFloat64();
  const positiveSpans = readSpans(source);
  const negativeSpans = readSpans(source);
  return {
    integer: (flags & histogramInteger) !== 0,
    stale: (flags & histogramStale) !== 0,
    resetHint: resetHint as ResetHint,
    schema,
    zeroThreshold,
    zeroCount,
    count,
    sum,
    positiveSpans,
    negativeSpans,
    positiveBuckets: readRaw(source, boundedCount(source, 8)),
    negativeBuckets: readRaw(source, boundedCount(source, 8)),
    customValues: readRaw(source, boundedCount(source, 8)),
  };
}

function readSpans(source: ByteSource): Int32Array {
  const spans = new Int32Array(boundedCount(source, 4));
  for (let i = 0; i < spans.length; i++) spans[i] = source.readUint32() | 0;
  return spans;
}

/** A count that the remaining bytes could hold, so that a lying one takes no memory. */
function boundedCount(source: ByteSource, bytesEach: number): number {
  const count = source.readUvarint();
  if (count * bytesEach > source.remaining)
    throw new ByteSourceError(`a count of ${count} with ${source.remaining} bytes left`);
  return count;
}

function readTenant(source: ByteSource): TenantId {
  const text = source.readText();
  try {
    return parseTenantId(text);
  } catch (cause) {
    throw new ByteSourceError('no tenant', { cause });
  }
}

function rowBelow(source: ByteSource, seriesCount: number): number {
  const row = source.readUvarint();
  if (row >= seriesCount) throw new ByteSourceError(`row ${row} of ${seriesCount}`);
  return row;
}
