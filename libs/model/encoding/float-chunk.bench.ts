/** Nanoseconds per sample of the XOR encoder and decoder, for a counter, a constant and noise, in chunks of 120 samples. */

import { bench } from '../../std/testing/bench.ts';
import type { Prng } from '../../std/testing/prng.ts';
import { appendXor, beginXorChunk, decodeXorInto, XorState, xorHeaderBytes, xorSampleBytesMax } from './float-chunk.ts';

const samplesPerChunk = 120;
const size = { smokeCount: samplesPerChunk, fullCount: samplesPerChunk * 10_000 };
const firstT = 1_700_000_000_000;

const shapes: Readonly<Record<string, (i: number, prng: Prng) => { t: number; v: number }>> = {
  counter: (i, prng) => ({ t: firstT + i * 15_000, v: i * 17 + prng.below(5) }),
  constant: (i) => ({ t: firstT + i * 15_000, v: 3 }),
  noise: (i, prng) => ({ t: firstT + i * 15_000 + prng.below(3), v: (prng.next() - 0.5) * 2000 }),
};

for (const [name, shape] of Object.entries(shapes)) {
  const prepared = (prng: Prng) => {
    const t = new Float64Array(samplesPerChunk);
    const v = new Float64Array(samplesPerChunk);
    for (let i = 0; i < samplesPerChunk; i++) ({ t: t[i], v: v[i] } = shape(i, prng));
    const bits = new Int32Array(v.buffer);
    const chunk = new Uint8Array(xorHeaderBytes + samplesPerChunk * xorSampleBytesMax);
    const state = new XorState();
    const encode = () => {
      beginXorChunk(state, chunk, 0);
      for (let i = 0; i < samplesPerChunk; i++) appendXor(state, t[i], bits[i * 2 + 1], bits[i * 2]);
      return state.bitPosition;
    };
    return { t, v, chunk, encode };
  };
  bench(`encode ${name}, per sample`, size, (count, prng) => {
    const { encode } = prepared(prng);
    return () => {
      let bits = 0;
      for (let done = 0; done < count; done += samplesPerChunk) bits += encode();
      return bits;
    };
  });
  bench(`decode ${name}, per sample`, size, (count, prng) => {
    const { t, v, chunk, encode } = prepared(prng);
    const end = Math.ceil(encode() / 8);
    const out = { t: t.slice(), v: v.slice(), vBits: new Int32Array(), st: null, h: null };
    out.vBits = new Int32Array(out.v.buffer);
    return () => {
      let checksum = 0;
      for (let done = 0; done < count; done += samplesPerChunk) {
        checksum += decodeXorInto(chunk, 0, end, out, 0) + out.vBits[samplesPerChunk];
      }
      return checksum;
    };
  });
}
