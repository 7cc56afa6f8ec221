import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../errors/failure.ts';
import { ByteSink } from '../std/byte-sink.ts';
import { oracleOf } from '../wire/peer/peer-proto.testing.ts';
import { decodeEnvelope, type Frame, frameBytesMax, writeFrame } from './frame.ts';

const frames: fc.Arbitrary<Frame[]> = fc.array(
  fc.record(
    {
      kind: fc.integer({ min: 0, max: 9 }),
      call: fc.nat(0x7fffffff),
      method: fc.string({ unit: 'grapheme' }),
      timeoutMs: fc.nat(0xffffffff),
      creditBytes: fc.nat(0xffffffff),
      tableEpoch: fc.nat(Number.MAX_SAFE_INTEGER),
      traceparent: fc.string({ unit: 'grapheme' }),
      tenant: fc.string({ unit: 'grapheme' }),
      payload: fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 3 }),
    },
    { noNullPrototype: true },
  ),
  { maxLength: 5 },
);

function encode(all: readonly Frame[]): Uint8Array {
  const out = new ByteSink(1);
  for (const frame of all) {
    const before = out.length;
    writeFrame(out, frame);
    assert.ok(out.length - before <= frameBytesMax(frame));
  }
  return out.written();
}

const plain = (all: readonly Frame[]): object[] =>
  all.map((frame) => ({ ...frame, payload: Buffer.concat(frame.payload) }));

describe('frames', () => {
  it('are what proto/peer.proto says, and are read back', () => {
    const type = oracleOf('Envelope');
    fc.assert(
      fc.property(frames, (all) => {
        const bytes = encode(all);
        assert.deepEqual(plain(decodeEnvelope(bytes)), plain(all));
        const again = new Uint8Array(type.encode(type.decode(bytes)).finish());
        assert.deepEqual(plain(decodeEnvelope(again)), plain(all));
      }),
    );
  });

  it('other bytes are bad data', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          decodeEnvelope(bytes);
        } catch (error) {
          assert.ok(error instanceof Failure, String(error));
        }
      }),
    );
  });
});
