import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../../errors/failure.ts';
import { columnsOf, type FloatSample, floatSamples, newColumns } from './float-samples.testing.ts';
import { xor2Fixtures } from './float-st-chunk.fixtures.ts';
import {
  appendXor2,
  beginXor2Chunk,
  decodeXor2Into,
  Xor2State,
  xor2HasStartTimes,
  xor2HeaderBytes,
  xor2SampleBytesMax,
} from './float-st-chunk.ts';

function encode(samples: readonly FloatSample[], offset = 0): Uint8Array {
  const buffer = new Uint8Array(offset + xor2HeaderBytes + samples.length * xor2SampleBytesMax).fill(0xa5);
  const state = new Xor2State();
  beginXor2Chunk(state, buffer, offset);
  for (const { st, t, hi, lo } of samples) {
    const before = Math.ceil(state.bitPosition / 8);
    appendXor2(state, st, t, hi, lo);
    assert.ok(Math.ceil(state.bitPosition / 8) - before <= xor2SampleBytesMax);
  }
  return buffer.subarray(offset, offset + Math.ceil(state.bitPosition / 8));
}

/** Up to 60 samples whose start times stand still, follow or jump, and at any index begin or end. */
const stSamples = fc
  .tuple(floatSamples(60), fc.array(fc.constantFrom('same', 'none', 'follow', 'jump'), { maxLength: 60 }), fc.nat(200))
  .map(([samples, moves, repeats]) => {
    let st = 0;
    let tBefore = 0;
    return samples.map((sample, i) => {
      const move = moves[Math.floor((i * 60) / (repeats + 60))] ?? 'same';
      if (move === 'none') st = 0;
      if (move === 'follow') st = tBefore;
      if (move === 'jump') st = sample.t - 1_000_000 - i * 1000;
      tBefore = sample.t;
      return { ...sample, st };
    });
  });

describe('XOR2 chunk', () => {
  for (const { name, samples, hex } of xor2Fixtures) {
    it(`writes the bytes of Prometheus: ${name}`, () => {
      assert.equal(Buffer.from(encode(samples, 5)).toString('hex'), hex);
    });
    it(`reads the bytes of Prometheus: ${name}`, () => {
      const bytes = Buffer.from(hex, 'hex');
      const columns = newColumns(samples.length + 1);
      assert.equal(decodeXor2Into(bytes, 0, bytes.length, columns, 1), samples.length + 1);
      assert.deepEqual(columnsOf(columns, 1, samples.length + 1), samples);
      assert.equal(xor2HasStartTimes(bytes, 0), samples.some(({ st }) => st !== 0) || samples.length > 127);
    });
  }

  it('reads what it wrote, bit for bit', () => {
    fc.assert(
      fc.property(stSamples, (samples) => {
        const whole = encode(samples);
        const columns = newColumns(samples.length);
        decodeXor2Into(whole, 0, whole.length, columns, 0);
        assert.deepEqual(columnsOf(columns, 0, samples.length), samples);
      }),
    );
  });

  it('drops start times where there is no column for them', () => {
    const { samples, hex } = xor2Fixtures.find(({ name }) => name === 'jitter') ?? { samples: [], hex: '' };
    const bytes = Buffer.from(hex, 'hex');
    const columns = { ...newColumns(samples.length), st: null };
    decodeXor2Into(bytes, 0, bytes.length, columns, 0);
    assert.deepEqual(
      columnsOf(columns, 0, samples.length),
      samples.map((sample) => ({ ...sample, st: 0 })),
    );
  });

  it('refuses a chunk that was cut anywhere', () => {
    const bytes = encode(xor2Fixtures.find(({ name }) => name === 'jitter')?.samples ?? []);
    const columns = newColumns(100);
    for (let end = 0; end < bytes.length; end++) {
      assert.throws(() => decodeXor2Into(bytes, 0, end, columns, 0), Failure, `cut at ${end}`);
    }
  });

  it('survives any bytes', () => {
    const columns = newColumns(0x100);
    let failures = 0;
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 3, maxLength: 200 }), fc.nat(0xff), (bytes, count) => {
        bytes[0] = 0;
        bytes[1] = count;
        try {
          decodeXor2Into(bytes, 0, bytes.length, columns, 0);
        } catch (error) {
          assert.ok(error instanceof Failure);
          failures++;
        }
      }),
      { numRuns: 500 },
    );
    assert.ok(failures > 0);
  });
});
