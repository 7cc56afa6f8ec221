/**
 * One write on its way from distributor to ingester to WAL to head: columns, in the order of the request.
 * Validated and accepted: whoever receives it never refuses a sample for its time (architecture §2), only a new series for
 * a series limit. Comes from services/distributor/push.ts; goes through libs/contracts/ingester.ts to libs/tsdb.
 */
import type { Histogram } from '../model/histogram.ts';
import type { MetricMetadata } from '../model/metadata.ts';
import type { TenantId } from '../model/tenant-id.ts';

export interface HistogramSample {
  /** Index of its series in the batch. */
  readonly series: number;
  readonly t: number;
  /** Start timestamp, 0 if unknown. */
  readonly st: number;
  readonly histogram: Histogram;
}

export interface ExemplarSample {
  readonly series: number;
  readonly t: number;
  readonly value: number;
  /** Canonical label bytes (libs/model/canonical-labels.ts). */
  readonly labels: Uint8Array;
}

export interface WriteBatch {
  readonly tenant: TenantId;
  /** When the request was received, milliseconds since the epoch: decided once, replayed as it was. */
  readonly receiveTimeMs: number;
  readonly seriesCount: number;
  /** The receiver's number of each series, 0 where the sender does not know one. */
  readonly refs: Uint32Array;
  /** Canonical label bytes of series i where refs[i] is 0: labelBytes[labelsBegin[i], labelsEnd[i]). */
  readonly labelBytes: Uint8Array;
  readonly labelsBegin: Uint32Array;
  readonly labelsEnd: Uint32Array;
  /** Float samples of series i: rows sampleBegin[i] to sampleBegin[i + 1] of the sample columns. */
  readonly sampleBegin: Uint32Array;
  readonly sampleT: Float64Array;
  /** Bits matter (staleness marker): copy through a 32-bit view, never through arithmetic. */
  readonly sampleV: Float64Array;
  /** Start timestamps, 0 for unknown; null where no sample has one. */
  readonly sampleST: Float64Array | null;
  /** In request order. Few: native histograms are one object a sample. */
  readonly histograms: readonly HistogramSample[];
  readonly exemplars: readonly ExemplarSample[];
  readonly metadata: readonly MetricMetadata[];
}
