/**
 * One native histogram from the wire (prompb/types.proto, write/v2/types.proto: the same field numbers) to the model.
 * Owns the field numbers, the sums of deltas, and what makes a histogram none at all (Prometheus' Validate in
 * model/histogram). Surprising: whether `count` came as an integer alone decides which of deltas and counts are read.
 */
import { Failure } from '../errors/failure.ts';
import type { ProtobufReader } from '../model/encoding/protobuf-reader.ts';
import { customBucketsSchema, type Histogram, ResetHint } from '../model/histogram.ts';
import { reduceResolution } from '../model/histogram-resolution.ts';
import { validateHistogram } from '../model/histogram-validate.ts';
import { isStaleNaN } from '../model/stale.ts';
import { startTimeOf, type WriteScan } from './write-scan.ts';

const fieldsV1 = 0x1fffe;
const fieldsV2 = 0x3fffe;
const spanFields = (1 << 1) | (1 << 2);

const noSpans = new Int32Array(0);
const noNumbers = new Float64Array(0);

/** Exponential schemas of Prometheus 3 (model/histogram/generic.go). */
const schemaMin = -4;
const schemaMax = 8;
/** Finer ones are accepted, and brought down to schemaMax. */
const schemaAcceptedMax = 52;

/** Most buckets, spans or bounds of one histogram: a packed byte becomes 8. */
const numbersMax = 1 << 17;

/** A growing column of numbers, reused from histogram to histogram. */
class NumberList {
  length = 0;
  #numbers = new Float64Array(64);

  push(value: number): void {
    if (this.length === this.#numbers.length) {
      if (this.length >= numbersMax)
        throw new Failure('too_large', `remote write: more than ${numbersMax} buckets in one histogram`);
      const grown = new Float64Array(this.length * 2);
      grown.set(this.#numbers);
      this.#numbers = grown;
    }
    this.#numbers[this.length++] = value;
  }

  copy(): Float64Array {
    return this.length === 0 ? noNumbers : this.#numbers.slice(0, this.length);
  }

  /** Running sums: what deltas mean. */
  sums(): Float64Array {
    const sums = this.copy();
    for (let i = 1; i < sums.length; i++) sums[i] = (sums[i] as number) + (sums[i - 1] as number);
    return sums;
  }

  copySpans(): Int32Array {
    return this.length === 0 ? noSpans : Int32Array.from(this.#numbers.subarray(0, this.length));
  }
}

/** Memory that histograms of one scan are read through. */
export class HistogramScratch {
  readonly negativeSpans: NumberList = new NumberList();
  readonly negativeDeltas: NumberList = new NumberList();
  readonly negativeCounts: NumberList = new NumberList();
  readonly positiveSpans: NumberList = new NumberList();
  readonly positiveDeltas: NumberList = new NumberList();
  readonly positiveCounts: NumberList = new NumberList();
  readonly customValues: NumberList = new NumberList();

  /** How many numbers the lists hold together. */
  get numbers(): number {
    return (
      this.negativeSpans.length +
      this.negativeDeltas.length +
      this.negativeCounts.length +
      this.positiveSpans.length +
      this.positiveDeltas.length +
      this.positiveCounts.length +
      this.customValues.length
    );
  }

  reset(): void {
    this.negativeSpans.length = 0;
    this.negativeDeltas.length = 0;
    this.negativeCounts.length = 0;
    this.positiveSpans.length = 0;
    this.positiveDeltas.length = 0;
    this.positiveCounts.length = 0;
    this.customValues.length = 0;
  }
}

/**
 * Reads the Histogram message that fills the scan's reader to its end, and adds it to the scan: as a histogram, or with the
 * reason why it is none.
 * @throws Failure `bad_data` where the bytes are no protobuf of this message
 */
export function readHistogram(scan: WriteScan, series: number): void {
  const { reader } = scan;
  const scratch = scan.histogramScratch;
  const known = scan.version === 1 ? fieldsV1 : fieldsV2;
  const { end, view } = reader;
  scratch.reset();
  let integer = true;
  let countInt = 0;
  let countFloat = 0;
  let zeroIsInteger = true;
  let zeroCount = 0;
  let sum = 0;
  let sumLo = 0;
  let sumHi = 0;
  let schema = 0;
  let zeroThreshold = 0;
  let resetHint = 0;
  let t = 0;
  let st = 0;
  while (reader.position < end) {
    const tag = reader.readTag();
    switch (tag) {
      case 0x08:
        countInt = reader.readUint64('the count of a histogram');
        integer = true;
        break;
      case 0x11:
        countFloat = reader.readDouble('the count of a histogram');
        integer = false;
        break;
      case 0x19: {
        const at = reader.takeFixed64('the sum of a histogram');
        sum = view.getFloat64(at, true);
        sumLo = view.getInt32(at, true);
        sumHi = view.getInt32(at + 4, true);
        break;
      }
      case 0x20:
        schema = reader.readSint32('the schema of a histogram');
        break;
      case 0x29:
        zeroThreshold = reader.readDouble('the zero threshold of a histogram');
        break;
      case 0x30:
        zeroCount = reader.readUint64('the zero count of a histogram');
        zeroIsInteger = true;
        break;
      case 0x39:
        zeroCount = reader.readDouble('the zero count of a histogram');
        zeroIsInteger = false;
        break;
      case 0x42:
        readSpan(reader, scratch.negativeSpans);
        break;
      case 0x48:
      case 0x4a:
        readDeltas(reader, tag, scratch.negativeDeltas);
        break;
      case 0x51:
      case 0x52:
        readDoubles(reader, tag, scratch.negativeCounts);
        break;
      case 0x5a:
        readSpan(reader, scratch.positiveSpans);
        break;
      case 0x60:
      case 0x62:
        readDeltas(reader, tag, scratch.positiveDeltas);
        break;
      case 0x69:
      case 0x6a:
        readDoubles(reader, tag, scratch.positiveCounts);
        break;
      case 0x70:
        resetHint = reader.readUint32('the reset hint of a histogram');
        break;
      case 0x78:
        t = reader.readInt64('the timestamp of a histogram');
        break;
      case 0x81:
      case 0x82:
        readDoubles(reader, tag, scratch.customValues);
        break;
      default:
        if (tag === 0x88 && scan.version === 2)
          st = startTimeOf(reader.readInt64('the start timestamp of a histogram'));
        else reader.skipUnknown(tag, known, 'a histogram');
    }
  }
  scan.countHistogramNumbers(scratch.numbers);
  const histogram: Histogram = {
    integer,
    resetHint: isResetHint(resetHint) ? resetHint : ResetHint.unknown,
    schema,
    zeroThreshold,
    zeroCount: zeroIsInteger === integer ? zeroCount : 0,
    count: integer ? countInt : countFloat,
    sum,
    positiveSpans: scratch.positiveSpans.copySpans(),
    negativeSpans: scratch.negativeSpans.copySpans(),
    positiveBuckets: integer ? scratch.positiveDeltas.sums() : scratch.positiveCounts.copy(),
    negativeBuckets: integer ? scratch.negativeDeltas.sums() : scratch.negativeCounts.copy(),
    customValues: scratch.customValues.copy(),
    stale: isStaleNaN(sumHi, sumLo),
  };
  const reason = histogramFault(histogram);
  if (reason !== '') {
    scan.refuseHistogram({ series, t, reason });
    return;
  }
  if (t < scan.minT) scan.minT = t;
  if (t > scan.maxT) scan.maxT = t;
  const kept = schema > schemaMax ? reduceResolution(histogram, schemaMax) : histogram;
  scan.addHistogram({ series, t, st, histogram: kept });
}

function isResetHint(hint: number): hint is ResetHint {
  return hint >= 0 && hint <= 3;
}

function readSpan(reader: ProtobufReader, spans: NumberList): void {
  const outerEnd = reader.end;
  const end = reader.readEnd('a span of a histogram');
  reader.end = end;
  let offset = 0;
  let length = 0;
  while (reader.position < end) {
    const tag = reader.readTag();
    if (tag === 0x08) offset = reader.readSint32('the offset of a span');
    else if (tag === 0x10) length = reader.readUint32('the length of a span');
    else reader.skipUnknown(tag, spanFields, 'a span');
  }
  reader.end = outerEnd;
  spans.push(offset);
  // Beyond int32 it can not match any list of buckets: keep it absurd instead of letting it wrap.
  spans.push(Math.min(length, 0x7fffffff));
}

/** Repeated sint64, packed or not. */
function readDeltas(reader: ProtobufReader, tag: number, into: NumberList): void {
  if ((tag & 7) === 0) {
    into.push(reader.readSint64('a bucket of a histogram'));
    return;
  }
  const outerEnd = reader.end;
  const end = reader.readEnd('the buckets of a histogram');
  reader.end = end;
  while (reader.position < end) into.push(reader.readSint64('a bucket of a histogram'));
  reader.end = outerEnd;
}

/** Repeated double, packed or not. */
function readDoubles(reader: ProtobufReader, tag: number, into: NumberList): void {
  if ((tag & 7) === 1) {
    into.push(reader.readDouble('a bucket of a histogram'));
    return;
  }
  const outerEnd = reader.end;
  const end = reader.readEnd('the buckets of a histogram');
  reader.end = end;
  while (reader.position < end) into.push(reader.readDouble('a bucket of a histogram'));
  reader.end = outerEnd;
}

/** Mimir's ids (pkg/util/globalerror) by how the sentence of validateHistogram ends. */
const faultIds: readonly (readonly [ending: string, id: string])[] = [
  ['specify different number of buckets than provided', 'native-histogram-spans-buckets-mismatch'],
  ['offset is negative', 'native-histogram-span-negative-offset'],
  ['has a bucket whose observation count is negative', 'native-histogram-negative-bucket-count'],
  ['found in the buckets', 'native-histogram-count-not-big-enough'],
  ['(in absence of NaN)', 'native-histogram-count-mismatch'],
  ['must be in strictly increasing order', 'native-histogram-custom-buckets-invalid'],
  ['must be finite', 'native-histogram-custom-buckets-infinite'],
  ['custom bounds are too few', 'native-histogram-custom-buckets-mismatch'],
];

/** Why this is no histogram, in a sentence; '' if it is one. A stale one is checked as well: its layout is stored. */
function histogramFault(h: Histogram): string {
  if (h.schema !== customBucketsSchema && (h.schema < schemaMin || h.schema > schemaAcceptedMax)) {
    return `received a native histogram sample with an invalid schema: ${h.schema} (err-mimir-invalid-native-histogram-schema)`;
  }
  const fault = validateHistogram({ ...h, stale: false, schema: Math.min(h.schema, schemaMax) });
  if (fault === null) return '';
  const id = faultIds.find(([ending]) => fault.endsWith(ending))?.[1];
  return `received a native histogram sample that is invalid: ${fault}${id === undefined ? '' : ` (err-mimir-${id})`}`;
}
