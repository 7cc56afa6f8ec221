/**
 * One native histogram in the form of remote_write and remote_read (the field numbers of prompb/types.proto, which
 * write/v2/types.proto shares). The other direction: histogram-message.ts.
 */
import type { Histogram } from '../model/histogram.ts';
import { staleNaNHi, staleNaNLo } from '../model/stale.ts';
import type { ProtobufWriter } from './protobuf-writer.ts';

/** Appends a histogram as field `field`. @param st start timestamp, which only version 2 has; 0 for none */
export function writeHistogramMessage(out: ProtobufWriter, field: number, t: number, st: number, h: Histogram): void {
  const message = out.begin(field);
  if (h.integer) out.uint(1, h.count);
  else out.double(2, h.count);
  if (h.stale) out.doubleBits(3, staleNaNHi, staleNaNLo);
  else out.double(3, h.sum);
  out.sint(4, h.schema);
  out.double(5, h.zeroThreshold);
  if (h.integer) out.uint(6, h.zeroCount);
  else out.double(7, h.zeroCount);
  writeSpans(out, 8, h.negativeSpans);
  writeCounts(out, 9, h.negativeBuckets, h.integer);
  writeSpans(out, 11, h.positiveSpans);
  writeCounts(out, 12, h.positiveBuckets, h.integer);
  out.uint(14, h.resetHint);
  out.int64(15, t);
  if (h.customValues.length > 0) writeDoubles(out, 16, h.customValues);
  out.int64(17, st);
  out.end(message);
}

function writeSpans(out: ProtobufWriter, field: number, spans: Int32Array): void {
  for (let i = 0; i < spans.length; i += 2) {
    const span = out.begin(field);
    out.sint(1, spans[i]);
    out.uint(2, spans[i + 1]);
    out.end(span);
  }
}

/** Integer counts as deltas in `field`, others as they are in the next. */
function writeCounts(out: ProtobufWriter, field: number, counts: Float64Array, integer: boolean): void {
  if (counts.length === 0) return;
  if (!integer) {
    writeDoubles(out, field + 1, counts);
    return;
  }
  const list = out.begin(field);
  for (let i = 0; i < counts.length; i++) out.sint0(counts[i] - (i === 0 ? 0 : counts[i - 1]));
  out.end(list);
}

function writeDoubles(out: ProtobufWriter, field: number, values: Float64Array): void {
  const list = out.begin(field);
  for (const value of values) out.sink.writeFloat64(value);
  out.end(list);
}
