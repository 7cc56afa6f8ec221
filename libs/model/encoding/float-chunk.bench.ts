/**
 * Nanoseconds per sample of the XOR encoder and decoder, for a counter, a constant and noise, in chunks of 120 samples.
 * Run it with node; an argument is the number of chunks (default 20,000).
 */
import { appendXor, beginXorChunk, decodeXorInto, XorState, xorHeaderBytes, xorSampleBytesMax } from './float-chunk.ts';

const samplesPerChunk = 120;
const chunkCount = Number(process.argv[2] ?? 20_000);
const firstT = 1_700_000_000_000;

const shapes: Record<string, (i: number) => { t: number; v: number }> = {
  counter: (i) => ({ t: firstT + i * 15_000, v: i * 17 + (i % 5) }),
  constant: (i) => ({ t: firstT + i * 15_000, v: 3 }),
  noise: (i) => ({ t: firstT + i * 15_000 + (i % 3), v: Math.sin(i) * 1000 }),
};

function nsPerSample(work: () => number): { ns: number; checksum: number } {
  const begin = process.hrtime.bigint();
  let checksum = 0;
  for (let i = 0; i < chunkCount; i++) checksum += work();
  return { ns: Number(process.hrtime.bigint() - begin) / chunkCount / samplesPerChunk, checksum };
}

for (let pass = 0; pass < 2; pass++) {
  for (const [name, shape] of Object.entries(shapes)) {
    const t = new Float64Array(samplesPerChunk);
    const v = new Float64Array(samplesPerChunk);
    const bits = new Int32Array(v.buffer);
    for (let i = 0; i < samplesPerChunk; i++) ({ t: t[i], v: v[i] } = shape(i));
    const state = new XorState();
    const chunk = new Uint8Array(xorHeaderBytes + samplesPerChunk * xorSampleBytesMax);
    const encoded = nsPerSample(() => {
      beginXorChunk(state, chunk, 0);
      for (let i = 0; i < samplesPerChunk; i++) appendXor(state, t[i], bits[i * 2 + 1], bits[i * 2]);
      return state.bitPosition;
    });
    const end = Math.ceil(state.bitPosition / 8);
    const out = { t: t.slice(), v: v.slice(), vBits: bits, st: null, h: null };
    out.vBits = new Int32Array(out.v.buffer);
    const decoded = nsPerSample(() => decodeXorInto(chunk, 0, end, out, 0) + out.vBits[samplesPerChunk]);
    const times = `encode ${encoded.ns.toFixed(1)} ns, decode ${decoded.ns.toFixed(1)} ns`;
    const sizes = `${(end / samplesPerChunk).toFixed(2)} bytes`;
    console.log(`${pass === 0 ? 'cold' : 'warm'} ${name}: ${times}, ${sizes} a sample (${encoded.checksum + decoded.checksum})`);
  }
}
