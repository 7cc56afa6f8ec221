/** Nanoseconds per sample of reading integer histogram chunks of 120 samples and 32 buckets into packed rows. */
import { bench } from '../../std/testing/bench.ts';
import type { Prng } from '../../std/testing/prng.ts';
import { ResetHint } from '../histogram.ts';
import { ChunkEncoding } from './chunk.ts';
import { appendHistogram, beginHistogramChunk } from './histogram-chunk.ts';
import { decodeHistogramInto } from './histogram-chunk-reader.ts';
import { PackedHistograms } from './packed-histograms.ts';

const samplesPerChunk = 120;
const buckets = 32;
const size = { smokeCount: samplesPerChunk, fullCount: samplesPerChunk * 2_000 };
const firstT = 1_700_000_000_000;

/** A counter that has so many more observations with each sample, and noise. */
function chunkOf(perSample: number, prng: Prng): Uint8Array {
  const sampleOf = (i: number) => {
    const observations = perSample * i + prng.below(perSample);
    const positiveBuckets = Float64Array.from({ length: buckets }, (_, bucket) =>
      Math.floor((observations * (2 * bucket + 1)) / buckets ** 2),
    );
    return {
      integer: true,
      resetHint: ResetHint.unknown,
      schema: 2,
      zeroThreshold: 0.001,
      zeroCount: 0,
      count: positiveBuckets.reduce((a, b) => a + b, 0),
      sum: observations / 7,
      positiveSpans: Int32Array.of(-23, buckets),
      negativeSpans: new Int32Array(0),
      positiveBuckets,
      negativeBuckets: new Float64Array(0),
      customValues: new Float64Array(0),
      stale: false,
    };
  };
  let open = beginHistogramChunk(null, 0, firstT, sampleOf(1000));
  for (let i = 1; i < samplesPerChunk; i++) {
    open = appendHistogram(open, 0, firstT + i * 15_000, sampleOf(1000 + i));
  }
  return open.bytes().slice();
}

for (const { name, perSample } of [
  { name: 'few', perSample: 12 },
  { name: 'many', perSample: 2_000 },
]) {
  for (const statistics of [false, true]) {
    bench(
      `decode ${name} observations${statistics ? ', count and sum alone' : ''}, per sample`,
      size,
      (count, prng) => {
        const chunk = chunkOf(perSample, prng);
        const v = new Float64Array(samplesPerChunk);
        const packed = new PackedHistograms();
        const out = {
          t: new Float64Array(samplesPerChunk),
          v,
          vBits: new Int32Array(v.buffer),
          st: null,
          h: null,
          packed,
        };
        return () => {
          let checksum = 0;
          for (let done = 0; done < count; done += samplesPerChunk) {
            packed.clear();
            checksum += decodeHistogramInto(ChunkEncoding.histogram, chunk, 0, chunk.length, out, 0);
            if (statistics) packed.dropBuckets();
            checksum += packed.countAt(samplesPerChunk - 1);
          }
          return checksum;
        };
      },
    );
  }
}
