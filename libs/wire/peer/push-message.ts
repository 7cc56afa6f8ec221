/**
 * A write batch on its way to an ingester: columns ↔ bytes of PushRequest and PushReply (proto/peer.proto), by hand.
 * Owns both directions. A packed column of fixed width is the memory of a typed array: it is copied, never walked. What rows
 * have in common for all receivers is encoded once (encodePushRows), the receiver's own numbers follow it (encodePushRefs):
 * protobuf does not care about the order of fields.
 */
import type { PushOutcome, RejectedSeries } from '../../contracts/ingester.ts';
import type { ExemplarSample, HistogramSample, WriteBatch } from '../../contracts/write-batch.ts';
import { Failure } from '../../errors/failure.ts';
import { ProtobufReader } from '../../model/encoding/protobuf-reader.ts';
import type { Histogram, ResetHint } from '../../model/histogram.ts';
import { type MetricMetadata, metricTypes } from '../../model/metadata.ts';
import { parseTenantId } from '../../model/tenant-id.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import {
  bytesColumn,
  doublesColumn,
  fixed32Column,
  readText,
  writeBytesField,
  writeDoubleField,
  writeNested,
  writeTextField,
  writeUintField,
} from './columns.ts';

/** Which rows of a batch go out: all of them, or rows[0] to rows[count - 1] in rising order. */
export interface ChosenRows {
  readonly rows: Uint32Array;
  readonly count: number;
}

/** Columns that gather the chosen rows; reused from call to call. */
export class PushScratch {
  times: Float64Array = new Float64Array(1024);
  /** Values as halves: no NaN is touched. */
  values: Uint32Array = new Uint32Array(2048);
  starts: Float64Array = new Float64Array(0);
  offsets: Uint32Array = new Uint32Array(1024);
  counts: Uint32Array = new Uint32Array(1024);
  lengths: Uint32Array = new Uint32Array(1024);
  readonly nested: ByteSink = new ByteSink(1 << 10);

  reserve(rows: number, samples: number, withStarts: boolean): void {
    if (this.counts.length < rows) {
      this.counts = new Uint32Array(rows * 2);
      this.lengths = new Uint32Array(rows * 2);
    }
    if (this.times.length < samples) {
      this.times = new Float64Array(samples * 2);
      this.values = new Uint32Array(samples * 4);
      this.offsets = new Uint32Array(samples * 2);
    }
    if (withStarts && this.starts.length < samples) this.starts = new Float64Array(samples * 2);
  }
}

/** Writes what every receiver of these rows gets. Labels go with a row where batch.refs is 0. */
export function encodePushRows(
  batch: WriteBatch,
  chosen: ChosenRows,
  metadata: readonly MetricMetadata[],
  scratch: PushScratch,
  out: ByteSink,
): void {
  const { sampleBegin } = batch;
  const { rows, count } = chosen;
  let samples = 0;
  let oneEach = true;
  let labelled = 0;
  let labelBytes = 0;
  scratch.reserve(count, 0, false);
  for (let i = 0; i < count; i++) {
    const row = rows[i] as number;
    const n = (sampleBegin[row + 1] as number) - (sampleBegin[row] as number);
    scratch.counts[i] = n;
    samples += n;
    if (n !== 1) oneEach = false;
    if (batch.refs[row] !== 0) continue;
    const length = (batch.labelsEnd[row] as number) - (batch.labelsBegin[row] as number);
    scratch.lengths[labelled++] = length;
    labelBytes += length;
  }
  scratch.reserve(count, samples, batch.sampleST !== null);
  gatherSamples(batch, chosen, scratch);

  out.reserve(256 + labelBytes + (labelled + count) * 4 + samples * 24);
  writeTextField(out, 1, batch.tenant);
  writeDoubleField(out, 2, batch.receiveTimeMs);
  writeUintField(out, 3, count);
  if (labelled > 0) {
    out.writeUvarint((4 << 3) | 2);
    out.writeUvarint(labelBytes);
    for (let i = 0; i < count; i++) {
      const row = rows[i] as number;
      if (batch.refs[row] !== 0) continue;
      out.writeBytes(batch.labelBytes, batch.labelsBegin[row] as number, batch.labelsEnd[row] as number);
    }
    fixed32Column(out, 5, scratch.lengths, labelled);
  }
  if (!oneEach) fixed32Column(out, 6, scratch.counts, count);
  if (samples > 0) {
    writeTimes(scratch, samples, out);
    bytesColumn(out, 10, scratch.values.buffer, 0, samples * 8);
    if (batch.sampleST !== null) doublesColumn(out, 11, scratch.starts, samples);
  }
  if (batch.histograms.length > 0 || batch.exemplars.length > 0) writeRowSamples(batch, chosen, scratch, out);
  for (const entry of metadata) writeMetadata(entry, scratch.nested, out);
}

/** Adds the receiver's numbers: refs[i] is that of the i-th chosen row, all of one epoch. */
export function encodePushRefs(refs: Uint32Array, count: number, refEpoch: number, out: ByteSink): void {
  fixed32Column(out, 20, refs, count);
  out.writeUvarint((21 << 3) | 5);
  out.writeUint32(refEpoch);
}

function gatherSamples(batch: WriteBatch, { rows, count }: ChosenRows, scratch: PushScratch): void {
  const { sampleBegin, sampleT, sampleV, sampleST } = batch;
  const { times, values, starts } = scratch;
  const halves = new Uint32Array(sampleV.buffer, sampleV.byteOffset, sampleV.length * 2);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const row = rows[i] as number;
    const end = sampleBegin[row + 1] as number;
    for (let from = sampleBegin[row] as number; from < end; from++) {
      times[at] = sampleT[from] as number;
      values[2 * at] = halves[2 * from] as number;
      values[2 * at + 1] = halves[2 * from + 1] as number;
      if (sampleST !== null) starts[at] = sampleST[from] as number;
      at++;
    }
  }
}

function writeTimes(scratch: PushScratch, count: number, out: ByteSink): void {
  const { times, offsets } = scratch;
  let lowest = times[0] as number;
  let highest = lowest;
  for (let i = 1; i < count; i++) {
    const t = times[i] as number;
    if (t < lowest) lowest = t;
    if (t > highest) highest = t;
  }
  if (highest - lowest >= 0x1_0000_0000) {
    doublesColumn(out, 9, times, count);
    return;
  }
  writeDoubleField(out, 7, lowest);
  if (highest === lowest) return;
  for (let i = 0; i < count; i++) offsets[i] = (times[i] as number) - lowest;
  fixed32Column(out, 8, offsets, count);
}

/** Histograms and exemplars of the chosen rows, with the place of their row among them. */
function writeRowSamples(batch: WriteBatch, { rows, count }: ChosenRows, scratch: PushScratch, out: ByteSink): void {
  const placeOf = new Int32Array(batch.seriesCount).fill(-1);
  for (let i = 0; i < count; i++) placeOf[rows[i] as number] = i;
  for (const sample of batch.histograms) {
    const place = placeOf[sample.series] as number;
    if (place >= 0) writeHistogram(place, sample, scratch.nested, out);
  }
  for (const { series, t, value, labels } of batch.exemplars) {
    const place = placeOf[series] as number;
    if (place < 0) continue;
    writeNested(out, 13, scratch.nested, (nested) => {
      writeUintField(nested, 1, place);
      writeDoubleField(nested, 2, t);
      writeDoubleField(nested, 3, value);
      writeBytesField(nested, 4, labels);
    });
  }
}

function writeHistogram(
  place: number,
  { t, st, histogram: h }: HistogramSample,
  scratch: ByteSink,
  out: ByteSink,
): void {
  writeNested(out, 12, scratch, (nested) => {
    writeUintField(nested, 1, place);
    writeDoubleField(nested, 2, t);
    writeDoubleField(nested, 3, st);
    writeUintField(nested, 4, h.integer ? 1 : 0);
    writeUintField(nested, 5, h.stale ? 1 : 0);
    writeUintField(nested, 6, h.resetHint);
    writeUintField(nested, 7, ((h.schema << 1) ^ (h.schema >> 31)) >>> 0);
    writeDoubleField(nested, 8, h.zeroThreshold);
    writeDoubleField(nested, 9, h.zeroCount);
    writeDoubleField(nested, 10, h.count);
    // Of a stale one it is a NaN whose bits an object may lose: `stale` says it.
    if (!h.stale) writeDoubleField(nested, 11, h.sum);
    fixed32Column(nested, 12, h.positiveSpans, h.positiveSpans.length);
    fixed32Column(nested, 13, h.negativeSpans, h.negativeSpans.length);
    doublesColumn(nested, 14, h.positiveBuckets, h.positiveBuckets.length);
    doublesColumn(nested, 15, h.negativeBuckets, h.negativeBuckets.length);
    doublesColumn(nested, 16, h.customValues, h.customValues.length);
  });
}

function writeMetadata(entry: MetricMetadata, scratch: ByteSink, out: ByteSink): void {
  writeNested(out, 14, scratch, (nested) => {
    writeTextField(nested, 1, entry.metric);
    writeUintField(nested, 2, metricTypes.indexOf(entry.type));
    writeTextField(nested, 3, entry.help);
    writeTextField(nested, 4, entry.unit);
  });
}

/** A push as its receiver has it. */
export interface ReceivedPush {
  /** Its columns own their memory; its labels lie in the message. */
  readonly batch: WriteBatch;
  /** Epoch that the numbers in batch.refs were given in; 0 where there are none. */
  readonly refEpoch: number;
}

const noColumn = new Uint32Array(0);
const noDoubles = new Float64Array(0);

/** @throws Failure `bad_data` when the bytes are no push whose columns agree with one another */
export function decodePush(bytes: Uint8Array): ReceivedPush {
  const reader = new ProtobufReader();
  reader.reset(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.length);
  let tenant = '';
  let receiveTimeMs = 0;
  let seriesCount = 0;
  let labelsAt = 0;
  let labelsTo = 0;
  let lengths = noColumn;
  let counts: Uint32Array | undefined;
  let lowestT = 0;
  let offsets: Uint32Array | undefined;
  let times: Float64Array | undefined;
  let values = noDoubles;
  let starts: Float64Array | null = null;
  const histograms: HistogramSample[] = [];
  const exemplars: ExemplarSample[] = [];
  const metadata: MetricMetadata[] = [];
  let refs: Uint32Array | undefined;
  let refEpoch = 0;
  while (reader.position < reader.end) {
    const tag = reader.readTag();
    const field = tag >>> 3;
    if ((tag & 7) === 2) {
      const end = reader.readEnd('a field of a push');
      const begin = reader.position;
      if (field === 1) tenant = readText(bytes, begin, end);
      else if (field === 4) [labelsAt, labelsTo] = [begin, end];
      else if (field === 5) lengths = uint32s(bytes, begin, end);
      else if (field === 6) counts = uint32s(bytes, begin, end);
      else if (field === 8) offsets = uint32s(bytes, begin, end);
      else if (field === 9) times = float64s(bytes, begin, end);
      else if (field === 10) values = float64s(bytes, begin, end);
      else if (field === 11) starts = float64s(bytes, begin, end);
      else if (field === 12) histograms.push(readHistogram(reader, end));
      else if (field === 13) exemplars.push(readExemplar(reader, end));
      else if (field === 14) metadata.push(readMetadata(reader, end));
      else if (field === 20) refs = uint32s(bytes, begin, end);
      reader.position = end;
    } else if (tag === ((2 << 3) | 1)) receiveTimeMs = reader.readDouble('a time');
    else if (tag === 3 << 3) seriesCount = reader.readUint32('a count');
    else if (tag === ((7 << 3) | 1)) lowestT = reader.readDouble('a time');
    else if (tag === ((21 << 3) | 5)) refEpoch = readFixed32(reader);
    else reader.skip(tag);
  }
  const samples = values.length;
  if (times === undefined) {
    times = new Float64Array(samples).fill(lowestT);
    if (offsets !== undefined) {
      same(offsets.length, samples, 'times');
      for (let i = 0; i < samples; i++) times[i] = lowestT + (offsets[i] as number);
    }
  }
  same(times.length, samples, 'times');
  if (starts !== null) same(starts.length, samples, 'start times');
  // What the message itself does not hold is not reserved: a row has a number or labels.
  same(lengths.length + countKnown(refs), seriesCount, 'rows');
  refs ??= new Uint32Array(seriesCount);
  same(refs.length, seriesCount, 'numbers');
  const sampleBegin = beginsOf(counts, seriesCount, samples);
  const labelsBegin = new Uint32Array(seriesCount);
  const labelsEnd = new Uint32Array(seriesCount);
  let at = labelsAt;
  for (let row = 0, i = 0; row < seriesCount; row++) {
    if (refs[row] !== 0) continue;
    labelsBegin[row] = at;
    at += lengths[i++] as number;
    labelsEnd[row] = at;
  }
  same(at, labelsTo, 'labels');
  for (const { series } of histograms) if (series >= seriesCount) same(series, seriesCount - 1, 'rows of histograms');
  for (const { series } of exemplars) if (series >= seriesCount) same(series, seriesCount - 1, 'rows of exemplars');
  return {
    refEpoch,
    batch: {
      tenant: parseTenantId(tenant),
      receiveTimeMs,
      seriesCount,
      refs,
      labelBytes: bytes,
      labelsBegin,
      labelsEnd,
      sampleBegin,
      sampleT: times,
      sampleV: values,
      sampleST: starts,
      histograms,
      exemplars,
      metadata,
    },
  };
}

function countKnown(refs: Uint32Array | undefined): number {
  let known = 0;
  if (refs !== undefined) for (let i = 0; i < refs.length; i++) if (refs[i] !== 0) known++;
  return known;
}

function beginsOf(counts: Uint32Array | undefined, rows: number, samples: number): Uint32Array {
  const begins = new Uint32Array(rows + 1);
  if (counts === undefined) {
    same(samples, rows, 'samples');
    for (let i = 0; i <= rows; i++) begins[i] = i;
    return begins;
  }
  same(counts.length, rows, 'sample counts');
  let total = 0;
  for (let i = 0; i < rows; i++) {
    begins[i] = total;
    total += counts[i] as number;
  }
  same(total, samples, 'samples');
  begins[rows] = total;
  return begins;
}

function same(found: number, wanted: number, what: string): void {
  if (found !== wanted) throw new Failure('bad_data', `a push of a peer: ${what}: ${found} where ${wanted} are wanted`);
}

function uint32s(bytes: Uint8Array, begin: number, end: number): Uint32Array<ArrayBuffer> {
  same((end - begin) % 4, 0, 'bytes of a column');
  const column = new Uint32Array((end - begin) / 4);
  new Uint8Array(column.buffer).set(bytes.subarray(begin, end));
  return column;
}

function float64s(bytes: Uint8Array, begin: number, end: number): Float64Array<ArrayBuffer> {
  same((end - begin) % 8, 0, 'bytes of a column');
  const column = new Float64Array((end - begin) / 8);
  new Uint8Array(column.buffer).set(bytes.subarray(begin, end));
  return column;
}

function readFixed32(reader: ProtobufReader): number {
  if (reader.end - reader.position < 4) throw new Failure('bad_data', 'a push of a peer is cut off');
  reader.position += 4;
  return reader.view.getUint32(reader.position - 4, true);
}

function readHistogram(outer: ProtobufReader, end: number): HistogramSample {
  const { bytes } = outer;
  const reader = new ProtobufReader();
  reader.reset(bytes, outer.view, outer.position, end);
  let [series, t, st, integer, stale, resetHint, schema] = [0, 0, 0, 0, 0, 0, 0];
  let [zeroThreshold, zeroCount, count, sum] = [0, 0, 0, 0];
  let [positiveSpans, negativeSpans] = [noColumn, noColumn];
  let [positiveBuckets, negativeBuckets, customValues] = [noDoubles, noDoubles, noDoubles];
  while (reader.position < reader.end) {
    const tag = reader.readTag();
    const field = tag >>> 3;
    if ((tag & 7) === 2) {
      const to = reader.readEnd('a field of a histogram');
      if (field === 12) positiveSpans = uint32s(bytes, reader.position, to);
      else if (field === 13) negativeSpans = uint32s(bytes, reader.position, to);
      else if (field === 14) positiveBuckets = float64s(bytes, reader.position, to);
      else if (field === 15) negativeBuckets = float64s(bytes, reader.position, to);
      else if (field === 16) customValues = float64s(bytes, reader.position, to);
      reader.position = to;
    } else if ((tag & 7) === 1) {
      const value = reader.readDouble('a field of a histogram');
      if (field === 2) t = value;
      else if (field === 3) st = value;
      else if (field === 8) zeroThreshold = value;
      else if (field === 9) zeroCount = value;
      else if (field === 10) count = value;
      else if (field === 11) sum = value;
    } else if ((tag & 7) === 0) {
      const value = reader.readUint32('a field of a histogram');
      if (field === 1) series = value;
      else if (field === 4) integer = value;
      else if (field === 5) stale = value;
      else if (field === 6) resetHint = value;
      else if (field === 7) schema = (value >>> 1) ^ -(value & 1);
    } else reader.skip(tag);
  }
  if (resetHint > 3) throw new Failure('bad_data', `a push of a peer: counter reset hint ${resetHint}`);
  const histogram: Histogram = {
    integer: integer !== 0,
    stale: stale !== 0,
    resetHint: resetHint as ResetHint,
    schema,
    zeroThreshold,
    zeroCount,
    count,
    sum: stale !== 0 ? Number.NaN : sum,
    positiveSpans: new Int32Array(positiveSpans.buffer as ArrayBuffer),
    negativeSpans: new Int32Array(negativeSpans.buffer as ArrayBuffer),
    positiveBuckets,
    negativeBuckets,
    customValues,
  };
  return { series, t, st, histogram };
}

function readExemplar(outer: ProtobufReader, end: number): ExemplarSample {
  const reader = new ProtobufReader();
  reader.reset(outer.bytes, outer.view, outer.position, end);
  let [series, t, value] = [0, 0, 0];
  let labels: Uint8Array = new Uint8Array(0);
  while (reader.position < reader.end) {
    const tag = reader.readTag();
    if (tag === 1 << 3) series = reader.readUint32('a row');
    else if (tag === ((2 << 3) | 1)) t = reader.readDouble('a time');
    else if (tag === ((3 << 3) | 1)) value = reader.readDouble('a value');
    else if (tag === ((4 << 3) | 2)) {
      const to = reader.readEnd('labels');
      // Not `slice`: of a Buffer that is no copy.
      labels = Uint8Array.from(reader.bytes.subarray(reader.position, to));
      reader.position = to;
    } else reader.skip(tag);
  }
  return { series, t, value, labels };
}

function readMetadata(outer: ProtobufReader, end: number): MetricMetadata {
  const reader = new ProtobufReader();
  reader.reset(outer.bytes, outer.view, outer.position, end);
  let [metric, help, unit] = ['', '', ''];
  let type = 0;
  while (reader.position < reader.end) {
    const tag = reader.readTag();
    if (tag === 2 << 3) type = reader.readUint32('a metric type');
    else if ((tag & 7) === 2) {
      const to = reader.readEnd('a text');
      const text = readText(reader.bytes, reader.position, to);
      if (tag >>> 3 === 1) metric = text;
      else if (tag >>> 3 === 3) help = text;
      else if (tag >>> 3 === 4) unit = text;
      reader.position = to;
    } else reader.skip(tag);
  }
  const known = metricTypes[type];
  if (known === undefined) throw new Failure('bad_data', `a push of a peer: metric type ${type}`);
  return { metric, type: known, help, unit };
}

/** What the ingester says to a push. */
export interface PushReply {
  readonly refEpoch: number;
  /** Numbers of the rows that came without one, in their order. */
  readonly refs: Uint32Array;
  readonly rejected: readonly RejectedSeries[];
  readonly exemplarsDropped: number;
  /** Nothing was stored: the numbers in the request were of another epoch. */
  readonly staleRefs: boolean;
}

/** The reply to a push that was stored. */
export function encodePushReply(batch: WriteBatch, outcome: PushOutcome, refEpoch: number): Uint8Array {
  const out = new ByteSink(64);
  out.writeUint8((1 << 3) | 5);
  out.writeUint32(refEpoch);
  let count = 0;
  const refs = new Uint32Array(batch.seriesCount);
  for (let i = 0; i < batch.seriesCount; i++) if (batch.refs[i] === 0) refs[count++] = outcome.refs[i] as number;
  fixed32Column(out, 2, refs, count);
  const scratch = new ByteSink(256);
  for (const { series, reason, samples, histograms, exemplars } of outcome.rejected) {
    writeNested(out, 3, scratch, (nested) => {
      writeUintField(nested, 1, series);
      writeTextField(nested, 2, reason);
      writeUintField(nested, 3, samples);
      writeUintField(nested, 4, histograms);
      writeUintField(nested, 5, exemplars);
    });
  }
  writeUintField(out, 4, outcome.exemplarsDropped);
  return out.written();
}

/** The reply to a push whose numbers were of another epoch than `refEpoch`. */
export function encodeStaleRefs(refEpoch: number): Uint8Array {
  const out = new ByteSink(16);
  out.writeUint8((1 << 3) | 5);
  out.writeUint32(refEpoch);
  writeUintField(out, 5, 1);
  return out.written();
}

/** @throws Failure `bad_data` */
export function decodePushReply(bytes: Uint8Array): PushReply {
  const reader = new ProtobufReader();
  reader.reset(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.length);
  let refEpoch = 0;
  let refs = noColumn;
  const rejected: RejectedSeries[] = [];
  let exemplarsDropped = 0;
  let staleRefs = false;
  while (reader.position < reader.end) {
    const tag = reader.readTag();
    if (tag === ((1 << 3) | 5)) refEpoch = readFixed32(reader);
    else if (tag === ((2 << 3) | 2)) {
      const end = reader.readEnd('numbers');
      refs = uint32s(bytes, reader.position, end);
      reader.position = end;
    } else if (tag === ((3 << 3) | 2)) {
      const end = reader.readEnd('a refused row');
      rejected.push(readRejected(reader, end));
      reader.position = end;
    } else if (tag === 4 << 3) exemplarsDropped = reader.readUint32('a count');
    else if (tag === 5 << 3) staleRefs = reader.readUint32('a flag') !== 0;
    else reader.skip(tag);
  }
  return { refEpoch, refs, rejected, exemplarsDropped, staleRefs };
}

function readRejected(outer: ProtobufReader, end: number): RejectedSeries {
  const reader = new ProtobufReader();
  reader.reset(outer.bytes, outer.view, outer.position, end);
  let [series, samples, histograms, exemplars] = [0, 0, 0, 0];
  let reason = '';
  while (reader.position < reader.end) {
    const tag = reader.readTag();
    if (tag === ((2 << 3) | 2)) {
      const to = reader.readEnd('a reason');
      reason = readText(reader.bytes, reader.position, to);
      reader.position = to;
    } else if (tag === 1 << 3) series = reader.readUint32('a row');
    else if (tag === 3 << 3) samples = reader.readUint32('a count');
    else if (tag === 4 << 3) histograms = reader.readUint32('a count');
    else if (tag === 5 << 3) exemplars = reader.readUint32('a count');
    else reader.skip(tag);
  }
  return { series, reason, samples, histograms, exemplars };
}
