/**
 * What one remote_write request says, as columns over its decompressed bytes: the output of both scans.
 * Owns the memory and its maxima; a scan is reused from request to request, so everything in it is valid until the next decode.
 * Does not own the protocols (remote-write-v1.ts, remote-write-v2.ts), nor whether a label set is legal (canonical-labels.ts).
 * Surprising: labels are never looked into here. Series i of a v1 request is the byte range of its label fields, of a v2
 * request its list of symbol numbers; both are what a sender repeats from scrape to scrape.
 */
import { Failure } from '../errors/failure.ts';
import { LabelScratch } from '../model/canonical-labels.ts';
import { viewOf } from '../model/encoding/bytes.ts';
import { ProtobufReader } from '../model/encoding/protobuf-reader.ts';
import { SnappyDecoder } from '../model/encoding/snappy.ts';
import type { Histogram } from '../model/histogram.ts';
import { HistogramScratch } from './histogram-message.ts';

/** Named maxima: one body may not take more memory than these allow, whatever it declares. */
export interface WriteScanMax {
  readonly series: number;
  readonly samples: number;
  /** Native histograms are objects of some 500 bytes. */
  readonly histograms: number;
  /** Buckets, spans and bounds of all histograms together. */
  readonly histogramNumbers: number;
  readonly exemplars: number;
  readonly metadata: number;
  readonly symbols: number;
  /** Label references of all series together (v2). */
  readonly labelRefs: number;
}

/**
 * Some ten times what any sender puts into one request, and little enough that one that is full of it holds the thread that takes it
 * for a fraction of a second: pushes of others wait so long.
 */
const writeScanMaxDefaults: WriteScanMax = {
  series: 100_000,
  samples: 250_000,
  histograms: 50_000,
  histogramNumbers: 4_000_000,
  exemplars: 100_000,
  metadata: 100_000,
  symbols: 1_000_000,
  labelRefs: 4_000_000,
};

export interface ScannedHistogram {
  readonly series: number;
  /** Milliseconds; +-Infinity where the wire's int64 is no safe integer. */
  readonly t: number;
  /** Start timestamp, 0 if there is none (v1 has none), or none that could be one. */
  readonly st: number;
  readonly histogram: Histogram;
}

/** A histogram that is well-formed protobuf and no histogram: it is refused, its neighbours are not. */
export interface RefusedHistogram {
  readonly series: number;
  readonly t: number;
  /** A sentence for the sender. */
  readonly reason: string;
}

export interface ScannedExemplar {
  readonly series: number;
  readonly t: number;
  readonly value: number;
  /** v1: bytes of the label fields in `bytes`. v2: range of `exemplarRefs`. */
  readonly labelsBegin: number;
  readonly labelsEnd: number;
}

export interface ScannedMetadata {
  /** The number in the wire's enum, which v1 and v2 share: index into `wireMetricTypes`. */
  readonly type: number;
  /** Ranges of `bytes`, as sent: UTF-8 is not checked here. */
  readonly metricBegin: number;
  readonly metricEnd: number;
  readonly helpBegin: number;
  readonly helpEnd: number;
  readonly unitBegin: number;
  readonly unitEnd: number;
}

/** MetricType of both protocols by its number (prompb/types.proto, write/v2/types.proto). Others mean unknown. */
export const wireMetricTypes = [
  'unknown',
  'counter',
  'gauge',
  'histogram',
  'gaugehistogram',
  'summary',
  'info',
  'stateset',
] as const;

/** Why a v2 series can not be used: its label references make no label set. 0 is none. */
export const SeriesFault = { none: 0, oddLabelRefs: 1, labelRefOutOfRange: 2 } as const;

/** No start time lies further from the epoch (some 140,000 years): the chunk encodings write differences below 2^53. */
const startTimeMax = 2 ** 52;

/** A start timestamp as it came; one that can be none means what its absence means: unknown. */
export function startTimeOf(t: number): number {
  return t >= -startTimeMax && t <= startTimeMax ? t : 0;
}

/** Rows that a scan keeps room for between requests; more is given back. */
const keptRowsMax = 1 << 17;

export class WriteScan {
  readonly max: WriteScanMax;
  /** Holds the decompressed body of requests that came compressed (remote-write.ts). */
  readonly snappy: SnappyDecoder = new SnappyDecoder();
  readonly reader: ProtobufReader = new ProtobufReader();
  /** Memory that labels of one series are read through. */
  readonly labelScratch: LabelScratch = new LabelScratch();
  readonly histogramScratch: HistogramScratch = new HistogramScratch();
  version: 1 | 2 = 1;

  /**
   * The decompressed body; label fields that were scattered over a series or exemplar (no sender does it) stand
   * once more, in one piece, behind it.
   */
  bytes: Uint8Array = new Uint8Array(0);
  /** The same memory with the same offsets. */
  view: DataView = new DataView(new ArrayBuffer(0));

  seriesCount = 0;
  /** v1: the label fields of series i, with their tags, are bytes[labelsBegin[i], labelsEnd[i]). */
  labelsBegin: Uint32Array = new Uint32Array(256);
  labelsEnd: Uint32Array = new Uint32Array(256);

  /** v2: symbol s is bytes[symbolBegin[s], symbolEnd[s]). */
  symbolCount = 0;
  symbolBegin: Uint32Array = new Uint32Array(256);
  symbolEnd: Uint32Array = new Uint32Array(256);
  /** What whoever reads labels has found out about the text of each symbol; 0 is nothing yet. */
  symbolText: Uint8Array = new Uint8Array(256);
  /** v2: name, value, name, value, ... of series i are the symbols refs[refsBegin[i]] to refs[refsBegin[i + 1]]: all in range. */
  refsBegin: Uint32Array = new Uint32Array(257);
  refs: Uint32Array = new Uint32Array(1024);
  /** v2: a SeriesFault for each series; such a series has no refs. Its samples are there, and must be counted as refused. */
  seriesFault: Uint8Array = new Uint8Array(256);
  /** v2: how many series have a fault. */
  faultCount = 0;
  /** v2: number in wireMetricTypes, symbols of help and unit (in range; else 0). hasMetadata[i] is 0 where the series has none. */
  hasMetadata: Uint8Array = new Uint8Array(256);
  metadataType: Uint8Array = new Uint8Array(256);
  metadataHelp: Uint32Array = new Uint32Array(256);
  metadataUnit: Uint32Array = new Uint32Array(256);

  /** Float samples of series i are the rows sampleBegin[i] to sampleBegin[i + 1]. */
  sampleBegin: Uint32Array = new Uint32Array(257);
  sampleCount = 0;
  /** Milliseconds; +-Infinity where the wire's int64 is no safe integer (no window accepts it). */
  sampleT: Float64Array = new Float64Array(256);
  sampleV: Float64Array = new Float64Array(256);
  /** The bits of sampleV, low word first: NaNs (the staleness marker) survive only here. */
  sampleVBits: Int32Array = new Int32Array(this.sampleV.buffer);
  /** v2: start timestamps, 0 for none. Only meaningful if hasStartTimes. */
  sampleST: Float64Array = new Float64Array(256);
  /** Whether any float sample has a start timestamp. */
  hasStartTimes = false;
  /** Earliest and latest timestamp of floats and of good histograms; Infinity and -Infinity where there are none. */
  minT = Infinity;
  maxT = -Infinity;

  /** In request order. */
  histograms: ScannedHistogram[] = [];
  refusedHistograms: RefusedHistogram[] = [];
  exemplars: ScannedExemplar[] = [];
  /** v2: label references of exemplars. An exemplar whose references make no label set is in faultyExemplars instead. */
  exemplarRefs: Uint32Array = new Uint32Array(64);
  exemplarRefCount = 0;
  faultyExemplars = 0;
  /** v1 only: v2 metadata stands with its series. */
  metadata: ScannedMetadata[] = [];

  /** Label fields copied into one piece; their place is counted from the end of the body. */
  #side: Uint8Array = new Uint8Array(0);
  #sideLength = 0;
  #histogramNumbers = 0;
  #bodyLength = 0;

  constructor(max: WriteScanMax = writeScanMaxDefaults) {
    this.max = max;
  }

  /** Forgets the request before and takes bytes[0, length) as the next one. */
  begin(version: 1 | 2, bytes: Uint8Array, length: number): void {
    this.#giveBack();
    this.version = version;
    this.bytes = bytes;
    this.view = viewOf(bytes);
    this.reader.reset(bytes, this.view, 0, length);
    this.seriesCount = 0;
    this.symbolCount = 0;
    this.faultCount = 0;
    this.sampleCount = 0;
    this.hasStartTimes = false;
    this.minT = Infinity;
    this.maxT = -Infinity;
    this.exemplarRefCount = 0;
    this.faultyExemplars = 0;
    this.#sideLength = 0;
    this.#histogramNumbers = 0;
    this.#bodyLength = length;
    this.refsBegin[0] = 0;
    this.sampleBegin[0] = 0;
    if (this.histograms.length > 0) this.histograms = [];
    if (this.refusedHistograms.length > 0) this.refusedHistograms = [];
    if (this.exemplars.length > 0) this.exemplars = [];
    if (this.metadata.length > 0) this.metadata = [];
  }

  /** Puts copied label fields behind the body, so that every label region is one of `bytes`. */
  finish(): void {
    if (this.#sideLength === 0) return;
    const joined = new Uint8Array(this.#bodyLength + this.#sideLength);
    joined.set(this.bytes.subarray(0, this.#bodyLength));
    joined.set(this.#side.subarray(0, this.#sideLength), this.#bodyLength);
    this.#side = new Uint8Array(0);
    this.bytes = joined;
    this.view = viewOf(joined);
  }

  /** Where the next byte put aside will stand in `bytes`. */
  get asideEnd(): number {
    return this.#bodyLength + this.#sideLength;
  }

  /** Copies bytes[begin, end) of the body to the side. */
  putAside(begin: number, end: number): void {
    const needed = this.#sideLength + end - begin;
    if (needed > this.#side.length) {
      const grown = new Uint8Array(Math.max(needed, this.#side.length * 2, 1024));
      grown.set(this.#side.subarray(0, this.#sideLength));
      this.#side = grown;
    }
    this.#side.set(this.bytes.subarray(begin, end), this.#sideLength);
    this.#sideLength = needed;
  }

  growSeries(): void {
    const rows = grownRows(this.seriesCount, this.max.series, 'series');
    this.labelsBegin = grownUint32(this.labelsBegin, rows);
    this.labelsEnd = grownUint32(this.labelsEnd, rows);
    this.sampleBegin = grownUint32(this.sampleBegin, rows + 1);
    this.refsBegin = grownUint32(this.refsBegin, rows + 1);
    this.seriesFault = grownUint8(this.seriesFault, rows);
    this.hasMetadata = grownUint8(this.hasMetadata, rows);
    this.metadataType = grownUint8(this.metadataType, rows);
    this.metadataHelp = grownUint32(this.metadataHelp, rows);
    this.metadataUnit = grownUint32(this.metadataUnit, rows);
  }

  growSamples(): void {
    const rows = grownRows(this.sampleT.length, this.max.samples, 'samples');
    this.sampleT = grownFloat64(this.sampleT, rows);
    this.sampleST = grownFloat64(this.sampleST, rows);
    const bits = new Int32Array(rows * 2);
    bits.set(this.sampleVBits);
    this.sampleVBits = bits;
    this.sampleV = new Float64Array(bits.buffer);
  }

  growSymbols(): void {
    const rows = grownRows(this.symbolBegin.length, this.max.symbols, 'symbols');
    this.symbolBegin = grownUint32(this.symbolBegin, rows);
    this.symbolEnd = grownUint32(this.symbolEnd, rows);
    this.symbolText = grownUint8(this.symbolText, rows);
  }

  growRefs(): void {
    this.refs = grownUint32(this.refs, grownRows(this.refs.length, this.max.labelRefs, 'label references'));
  }

  countHistogramNumbers(count: number): void {
    this.#histogramNumbers += count;
    if (this.#histogramNumbers > this.max.histogramNumbers) tooMany('histogram buckets', this.max.histogramNumbers);
  }

  addHistogram(histogram: ScannedHistogram): void {
    if (this.histograms.length >= this.max.histograms) tooMany('histograms', this.max.histograms);
    this.histograms.push(histogram);
  }

  refuseHistogram(refused: RefusedHistogram): void {
    if (this.refusedHistograms.length >= this.max.histograms) tooMany('histograms', this.max.histograms);
    this.refusedHistograms.push(refused);
  }

  addExemplar(exemplar: ScannedExemplar): void {
    if (this.exemplars.length >= this.max.exemplars) tooMany('exemplars', this.max.exemplars);
    this.exemplars.push(exemplar);
  }

  addExemplarRef(ref: number): void {
    if (this.exemplarRefCount === this.exemplarRefs.length) {
      const rows = grownRows(this.exemplarRefs.length, this.max.labelRefs, 'label references of exemplars');
      this.exemplarRefs = grownUint32(this.exemplarRefs, rows);
    }
    this.exemplarRefs[this.exemplarRefCount++] = ref;
  }

  addMetadata(metadata: ScannedMetadata): void {
    if (this.metadata.length >= this.max.metadata) tooMany('metadata entries', this.max.metadata);
    this.metadata.push(metadata);
  }

  /** A huge request must not leave its columns behind for ever. */
  #giveBack(): void {
    if (this.labelsBegin.length > keptRowsMax && this.seriesCount <= keptRowsMax) {
      this.labelsBegin = new Uint32Array(256);
      this.labelsEnd = new Uint32Array(256);
      this.sampleBegin = new Uint32Array(257);
      this.refsBegin = new Uint32Array(257);
      this.seriesFault = new Uint8Array(256);
      this.hasMetadata = new Uint8Array(256);
      this.metadataType = new Uint8Array(256);
      this.metadataHelp = new Uint32Array(256);
      this.metadataUnit = new Uint32Array(256);
    }
    if (this.sampleT.length > keptRowsMax && this.sampleCount <= keptRowsMax) {
      this.sampleT = new Float64Array(256);
      this.sampleST = new Float64Array(256);
      this.sampleV = new Float64Array(256);
      this.sampleVBits = new Int32Array(this.sampleV.buffer);
    }
    if (this.symbolBegin.length > keptRowsMax && this.symbolCount <= keptRowsMax) {
      this.symbolBegin = new Uint32Array(256);
      this.symbolEnd = new Uint32Array(256);
      this.symbolText = new Uint8Array(256);
    }
    if (this.refs.length > keptRowsMax * 20) this.refs = new Uint32Array(1024);
    if (this.exemplarRefs.length > keptRowsMax) this.exemplarRefs = new Uint32Array(64);
  }
}

function grownRows(rows: number, max: number, what: string): number {
  if (rows >= max) tooMany(what, max);
  return Math.min(rows * 2, max);
}

function tooMany(what: string, max: number): never {
  throw new Failure('too_large', `remote write: more than ${max} ${what} in one request; send smaller ones`);
}

/** A body under the name of the other protocol. */
export function otherMessage(position: number, sent: '1.0' | '2.0', named: '1.0' | '2.0'): never {
  throw new Failure(
    'bad_data',
    `protobuf: a series of remote write ${sent} at byte ${position}, and the Content-Type is that of ${named}`,
  );
}

function grownUint32(column: Uint32Array, length: number): Uint32Array {
  const grown = new Uint32Array(length);
  grown.set(column);
  return grown;
}

function grownUint8(column: Uint8Array, length: number): Uint8Array {
  const grown = new Uint8Array(length);
  grown.set(column);
  return grown;
}

function grownFloat64(column: Float64Array, length: number): Float64Array {
  const grown = new Float64Array(length);
  grown.set(column);
  return grown;
}
