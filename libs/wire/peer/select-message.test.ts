import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../../errors/failure.ts';
import type { ChunkBatch, LabelTable } from '../../series/series-source.ts';
import { oracleOf } from './peer-proto.testing.ts';
import { encodeChunkPiece, encodeLabelPieces, SelectAssembler } from './select-message.ts';

const oracle = oracleOf('SelectPiece');
/** Through protobufjs and back: what it does not understand would be lost. */
const throughOracle = (bytes: Uint8Array): Uint8Array => oracle.encode(oracle.decode(bytes)).finish();

const batch: ChunkBatch = {
  firstSeries: 7,
  chunkBegin: Uint32Array.of(0, 2, 2, 3),
  encoding: Uint8Array.of(1, 2, 1),
  minT: Float64Array.of(-5, 10, 1.5e12),
  maxT: Float64Array.of(-1, 20, 1.6e12),
  byteBegin: Uint32Array.of(0, 1, 4, 6),
  bytes: Uint8Array.of(9, 8, 7, 6, 5, 4),
};

describe('a selection between processes', () => {
  it('label tables come back whole, however they were cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1, maxLength: 20 }),
        fc.array(fc.array(fc.nat(), { maxLength: 4 }), { maxLength: 20 }),
        fc.array(fc.string(), { maxLength: 2 }),
        (strings, series, warnings) => {
          const begin = [0];
          const refs: number[] = [];
          for (const own of series) {
            refs.push(...own.map((number) => number % strings.length));
            begin.push(refs.length);
          }
          const table: LabelTable = { strings, begin: Uint32Array.from(begin), refs: Uint32Array.from(refs) };
          for (const way of [(bytes: Uint8Array) => bytes, throughOracle]) {
            const assembler = new SelectAssembler();
            for (const piece of encodeLabelPieces(table, warnings)) {
              assert.equal(assembler.labelsEnd, false);
              assembler.take(way(piece));
            }
            assert.equal(assembler.labelsEnd, true);
            assert.deepEqual(assembler.labels(), table);
            assert.deepEqual(assembler.warnings, warnings);
          }
        },
      ),
    );
  });

  it('series that share label sets come back with them, and none has one that did not come', () => {
    const table: LabelTable = {
      ...{ strings: ['a', '1', '2'], begin: Uint32Array.of(0, 2, 4), refs: Uint32Array.of(0, 1, 0, 2) },
      setOf: Uint32Array.from({ length: 100_000 }, (_, i) => i % 2),
    };
    const read = (labels: LabelTable, way: (bytes: Uint8Array) => Uint8Array): LabelTable => {
      const assembler = new SelectAssembler();
      for (const piece of encodeLabelPieces(labels, [])) assembler.take(way(piece));
      return assembler.labels();
    };
    for (const way of [(bytes: Uint8Array) => bytes, throughOracle]) assert.deepEqual(read(table, way), table);
    assert.throws(() => read({ ...table, setOf: Uint32Array.of(2) }, throughOracle), Failure);
  });

  it('a long table comes in several pieces', () => {
    const count = 200_000;
    const strings = Array.from({ length: 50_000 }, (_, i) => `value-${i}-${'x'.repeat(i % 40)}`);
    const begin = Uint32Array.from({ length: count + 1 }, (_, i) => i * 2);
    const refs = Uint32Array.from({ length: count * 2 }, (_, i) => i % strings.length);
    const pieces = [...encodeLabelPieces({ strings, begin, refs }, [])];
    assert.ok(pieces.length > 5);
    assert.ok(pieces.every((piece) => piece.length < 1 << 20));
    const assembler = new SelectAssembler();
    for (const piece of pieces) assembler.take(piece);
    assert.deepEqual(assembler.labels(), { strings, begin, refs });
  });

  it('chunks come back with memory of their own', () => {
    const bytes = encodeChunkPiece(batch);
    for (const message of [bytes, throughOracle(bytes)]) {
      const found = new SelectAssembler().take(message);
      assert.deepEqual(found, batch);
      assert.notEqual(found?.bytes.buffer, message.buffer);
      assert.equal(found?.bytes.byteLength, found?.bytes.buffer.byteLength);
    }
  });

  it('columns that do not agree are bad data', () => {
    const good = encodeChunkPiece(batch);
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, value) => {
        const bytes = good.slice();
        bytes[at] = value;
        try {
          const found = new SelectAssembler().take(bytes);
          if (found === undefined) return;
          assert.equal(found.chunkBegin.at(-1), found.encoding.length);
          assert.equal(found.byteBegin.at(-1), found.bytes.length);
        } catch (error) {
          assert.ok(error instanceof Failure, String(error));
        }
      }),
      { numRuns: 1000 },
    );
  });
});
