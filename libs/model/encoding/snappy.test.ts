import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { compressSync, uncompressSync } from 'snappy';
import { compress } from 'snappyjs';
import { Failure } from '../../errors/failure.ts';
import { SnappyDecoder } from './snappy.ts';

const megabyte = 1 << 20;

/** Pieces that repeat near and far: what makes copies of every kind. */
const repetitive = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 90 }),
      fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 12 }), fc.nat(300)).map(([piece, n]) => Buffer.alloc(n, piece)),
    ),
    { maxLength: 40 },
  )
  .map((pieces) => new Uint8Array(Buffer.concat([...pieces, ...pieces])));

function decoded(body: Uint8Array, lengthMax: number = megabyte): Uint8Array {
  const decoder = new SnappyDecoder();
  const length = decoder.decode(body, lengthMax);
  return decoder.bytes.slice(0, length);
}

function failureOf(run: () => unknown): Failure {
  try {
    run();
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
  throw new Error('it should have failed');
}

describe('SnappyDecoder', () => {
  for (const [name, encode] of [
    ['the native encoder', (bytes: Uint8Array): Uint8Array => compressSync(bytes)],
    ['snappyjs', (bytes: Uint8Array): Uint8Array => compress(bytes)],
  ] as const) {
    it(`decodes what ${name} makes`, () =>
      fc.assert(fc.property(repetitive, (bytes) => assert.deepEqual(decoded(encode(bytes)), bytes))));
  }

  it('reuses its memory without leaking one body into the next', () => {
    const decoder = new SnappyDecoder();
    fc.assert(
      fc.property(repetitive, (bytes) => {
        const length = decoder.decode(compressSync(bytes), megabyte);
        assert.deepEqual(decoder.bytes.slice(0, length), bytes);
      }),
    );
  });

  it('does not change the body', () => {
    const body = new Uint8Array(compressSync(Buffer.alloc(3000, 'abcdefghij')));
    const before = body.slice();
    decoded(body);
    assert.deepEqual(body, before);
  });

  for (const { name, body, kind, message } of [
    { name: 'an empty body', body: [], kind: 'bad_data', message: 'snappy: the length is cut off at byte 0' },
    {
      name: 'a length without end',
      body: [0xff, 0xff],
      kind: 'bad_data',
      message: 'snappy: the length is cut off at byte 2',
    },
    {
      name: 'a length over 32 bits',
      body: [0xff, 0xff, 0xff, 0xff, 0x7f],
      kind: 'bad_data',
      message: 'snappy: the length at byte 0 is over 32 bits',
    },
    {
      name: 'more than the maximum',
      body: [0x81, 0x80, 0x40, 0],
      kind: 'too_large',
      message: 'snappy: the body decompresses to 1048577 bytes, more than the maximum of 1048576',
    },
    {
      name: 'a length that nothing could fill',
      body: [0x80, 0x80, 0x40, 0, 1],
      kind: 'bad_data',
      message: 'snappy: 5 bytes can not hold the 1048576 bytes declared at byte 0',
    },
    {
      name: 'a literal cut off',
      body: [3, 0x08, 1, 2],
      kind: 'bad_data',
      message: 'snappy: the element at byte 1 is cut off',
    },
    {
      name: 'a literal length cut off',
      body: [9, 0xf4, 1],
      kind: 'bad_data',
      message: 'snappy: the element at byte 1 is cut off',
    },
    {
      name: 'a copy from before the beginning',
      body: [6, 0x00, 7, 0x05, 2],
      kind: 'bad_data',
      message: 'snappy: a copy reaches 2 bytes back, with 1 bytes decoded, at byte 3',
    },
    {
      name: 'a copy of offset 0',
      body: [6, 0x00, 7, 0x05, 0],
      kind: 'bad_data',
      message: 'snappy: a copy reaches 0 bytes back, with 1 bytes decoded, at byte 3',
    },
    {
      name: 'more bytes than declared',
      body: [2, 0x08, 1, 2, 3],
      kind: 'bad_data',
      message: 'snappy: more than the declared 2 bytes at byte 1',
    },
    {
      name: 'a copy beyond what is declared',
      body: [3, 0x00, 7, 0x05, 1],
      kind: 'bad_data',
      message: 'snappy: more than the declared 3 bytes at byte 3',
    },
    {
      name: 'fewer bytes than declared',
      body: [4, 0x08, 1, 2, 3],
      kind: 'bad_data',
      message: 'snappy: the body ends at byte 5 after 3 of 4 declared bytes',
    },
  ]) {
    it(`refuses ${name}`, () => {
      const failure = failureOf(() => decoded(Uint8Array.from(body)));
      assert.deepEqual([failure.kind, failure.message], [kind, message]);
    });
  }

  it('takes no memory for a body over the maximum', () => {
    const decoder = new SnappyDecoder();
    failureOf(() => decoder.decode(compressSync(Buffer.alloc(5000)), 4999));
    assert.equal(decoder.bytes.length, 0);
  });

  it('gives the memory of a huge body back when a small one comes', () => {
    const decoder = new SnappyDecoder();
    decoder.decode(compressSync(Buffer.alloc(20 * megabyte)), 32 * megabyte);
    decoder.decode(compressSync(Buffer.alloc(100)), 32 * megabyte);
    assert.ok(decoder.bytes.length < megabyte);
  });

  it('agrees with the native decoder on damaged bodies', () =>
    fc.assert(
      fc.property(
        repetitive,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
        fc.nat(),
        (bytes, flips, cut) => {
          const body = new Uint8Array(compressSync(bytes));
          for (const [at, value] of flips) body[at % body.length] = value;
          const damaged = body.subarray(0, cut % 3 === 0 ? cut % (body.length + 1) : body.length);
          let expected: Uint8Array | undefined;
          try {
            expected = new Uint8Array(uncompressSync(damaged) as Buffer);
          } catch {
            // Refused: so must we, with a Failure of ours.
          }
          if (expected === undefined || expected.length > megabyte) failureOf(() => decoded(damaged));
          else assert.deepEqual(decoded(damaged), expected);
        },
      ),
      { numRuns: 500 },
    ));
});
