import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../../errors/failure.ts';
import { xorFixtures } from './float-chunk.fixtures.ts';
import { appendXor, beginXorChunk, decodeXorInto, XorState, xorHeaderBytes, xorSampleBytesMax } from './float-chunk.ts';
import { columnsOf, type FloatSample, floatSamples, newColumns } from './float-samples.testing.ts';

function encode(samples: readonly FloatSample[], offset = 0): Uint8Array {
  const buffer = new Uint8Array(offset + xorHeaderBytes + samples.length * xorSampleBytesMax).fill(0xa5);
  const state = new XorState();
  beginXorChunk(state, buffer, offset);
  for (const { t, hi, lo } of samples) appendXor(state, t, hi, lo);
  return buffer.subarray(offset, offset + Math.ceil(state.bitPosition / 8));
}

describe('XOR chunk', () => {
  for (const { name, samples, hex } of xorFixtures) {
    it(`writes the bytes of Prometheus: ${name}`, () => {
      assert.equal(Buffer.from(encode(samples)).toString('hex'), hex);
      assert.equal(Buffer.from(encode(samples, 3)).toString('hex'), hex);
    });
    it(`reads the bytes of Prometheus: ${name}`, () => {
      const bytes = Buffer.from(hex, 'hex');
      const columns = newColumns(samples.length + 1);
      assert.equal(decodeXorInto(bytes, 0, bytes.length, columns, 1), samples.length + 1);
      assert.deepEqual(columnsOf(columns, 1, samples.length + 1), samples);
    });
  }

  it('reads what it wrote, bit for bit', () => {
    fc.assert(
      fc.property(floatSamples(60), (samples) => {
        const whole = encode(samples);
        const columns = newColumns(samples.length);
        decodeXorInto(whole, 0, whole.length, columns, 0);
        assert.deepEqual(columnsOf(columns, 0, samples.length), samples);
      }),
    );
  });

  it('never needs more room than it says', () => {
    fc.assert(
      fc.property(floatSamples(40), (samples) => {
        const buffer = new Uint8Array(4000);
        const state = new XorState();
        beginXorChunk(state, buffer, 0);
        for (const { t, hi, lo } of samples) {
          const before = Math.ceil(state.bitPosition / 8);
          appendXor(state, t, hi, lo);
          assert.ok(Math.ceil(state.bitPosition / 8) - before <= xorSampleBytesMax);
        }
      }),
    );
  });

  it('refuses samples that go back', () => {
    const state = new XorState();
    beginXorChunk(state, new Uint8Array(100), 0);
    appendXor(state, 5, 0, 0);
    assert.throws(() => appendXor(state, 5, 0, 0), RangeError);
  });

  it('refuses a chunk that was cut anywhere', () => {
    const bytes = encode(xorFixtures.find(({ name }) => name === 'noisy')?.samples ?? []);
    const columns = newColumns(100);
    for (let end = 0; end < bytes.length; end++) {
      assert.throws(() => decodeXorInto(bytes, 0, end, columns, 0), Failure, `cut at ${end}`);
    }
  });

  it('survives any bytes', () => {
    const columns = newColumns(0x10000);
    let failures = 0;
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(0xff), (bytes, count) => {
        if (bytes.length > 2) bytes[0] = 0;
        if (bytes.length > 2) bytes[1] = count;
        try {
          decodeXorInto(bytes, 0, bytes.length, columns, 0);
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
