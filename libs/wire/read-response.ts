/**
 * Series as remote_read sends them: samples in one message, or chunks in frames.
 * Owns the field numbers (Prometheus prompb/remote.proto, types.proto) and the frame: uvarint length, CRC-32C big-endian, message.
 */
import { crc32c } from '../model/encoding/crc32c.ts';
import type { SampleRows } from '../model/encoding/sample-rows.ts';
import type { ByteSink } from '../std/byte-sink.ts';
import { ProtobufWriter } from './protobuf-writer.ts';
import { writeHistogramMessage } from './write-histogram.ts';

/** Chunks of one series that go into one frame. */
export interface FrameChunks {
  readonly encoding: ArrayLike<number>;
  readonly minT: ArrayLike<number>;
  readonly maxT: ArrayLike<number>;
  /** Chunk c is bytes[byteBegin[c], byteBegin[c + 1]). */
  readonly byteBegin: ArrayLike<number>;
  readonly bytes: Uint8Array;
}

function writeLabelPairs(out: ProtobufWriter, pairs: readonly string[]): void {
  for (let i = 0; i < pairs.length; i += 2) {
    const label = out.begin(1);
    out.text(1, pairs[i]);
    out.text(2, pairs[i + 1]);
    out.end(label);
  }
}

/** Appends the rows [begin, end) as one TimeSeries in field 1, as a QueryResult has it. */
export function writeTimeSeries(
  out: ProtobufWriter,
  pairs: readonly string[],
  { t, vBits, h }: SampleRows,
  begin: number,
  end: number,
): void {
  const series = out.begin(1);
  writeLabelPairs(out, pairs);
  for (let row = begin; row < end; row++) {
    if (h !== null && h[row] !== null) continue;
    writeSample(out, t[row], vBits[2 * row + 1], vBits[2 * row]);
  }
  for (let row = begin; h !== null && row < end; row++) {
    const histogram = h[row];
    if (histogram !== null) writeHistogramMessage(out, 4, t[row], 0, histogram);
  }
  out.end(series);
}

const two28 = 2 ** 28;

/** Millions of these: a time after 1970 and 2^28 ms, which has 5 to 8 bytes, goes straight into the buffer. */
function writeSample(out: ProtobufWriter, t: number, hi: number, lo: number): void {
  if (!(t >= two28)) {
    const sample = out.begin(2);
    out.doubleBits(1, hi, lo);
    out.int64(2, t);
    out.end(sample);
    return;
  }
  const { sink } = out;
  sink.reserve(24);
  const { bytes, view } = sink;
  let at = sink.length;
  bytes[at] = 0x12;
  bytes[at + 2] = 0x09;
  view.setUint32(at + 3, lo, true);
  view.setUint32(at + 7, hi, true);
  bytes[at + 11] = 0x10;
  const lengthAt = at + 1;
  at += 12;
  const low = t % two28;
  let high = (t - low) / two28;
  bytes[at++] = (low & 0x7f) | 0x80;
  bytes[at++] = ((low >>> 7) & 0x7f) | 0x80;
  bytes[at++] = ((low >>> 14) & 0x7f) | 0x80;
  bytes[at++] = (low >>> 21) | 0x80;
  for (; high >= 0x80; high >>>= 7) bytes[at++] = (high & 0x7f) | 0x80;
  bytes[at++] = high;
  bytes[lengthAt] = at - lengthAt - 1;
  sink.length = at;
}

/** A frame is begun anew when its chunks are larger than this, as Prometheus does. */
const frameBytesMax = 1 << 20;

/** Appends the chunks [begin, end) of one series to `out`, in as many frames as they need. */
export function writeChunkFrames(
  out: ByteSink,
  queryIndex: number,
  pairs: readonly string[],
  chunks: FrameChunks,
  begin: number,
  end: number,
): void {
  for (let chunk = begin; chunk < end; ) {
    const message = new ProtobufWriter();
    const series = message.begin(1);
    writeLabelPairs(message, pairs);
    do {
      const one = message.begin(2);
      message.int64(1, chunks.minT[chunk]);
      message.int64(2, chunks.maxT[chunk]);
      message.uint(3, chunks.encoding[chunk]);
      message.bytes(4, chunks.bytes, chunks.byteBegin[chunk], chunks.byteBegin[chunk + 1]);
      message.end(one);
      chunk++;
    } while (chunk < end && message.sink.length < frameBytesMax);
    message.end(series);
    message.int64(2, queryIndex);
    const { bytes, length } = message.sink;
    out.writeUvarint(length);
    out.reserve(4);
    out.view.setUint32(out.length, crc32c(bytes, 0, length) >>> 0, false);
    out.length += 4;
    out.writeBytes(bytes, 0, length);
  }
}
