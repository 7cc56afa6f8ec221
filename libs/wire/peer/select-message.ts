/**
 * A selection on its way back from an ingester: label tables and chunk batches ↔ bytes of SelectPiece (proto/peer.proto), by hand.
 * Owns how a long label table is cut into pieces. Chunks stay encoded: their bytes are copied, never looked into.
 */
import { Failure } from '../../errors/failure.ts';
import { ProtobufReader } from '../../model/encoding/protobuf-reader.ts';
import { bytesOfText } from '../../series/list-memory.ts';
import type { ChunkBatch, LabelTable, TableMemory } from '../../series/series-source.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import { doublesColumn, fixed32Column, readText, writeBytesField, writeNested, writeUintField } from './columns.ts';

/** A piece of a label table holds so much text, or so many numbers. */
const pieceTextBytes = 256 << 10;
const pieceNumbers = 64 << 10;

/** The pieces of a label table, the last of which ends it. */
export function* encodeLabelPieces(labels: LabelTable, warnings: readonly string[]): Generator<Uint8Array> {
  const { strings, begin, refs, setOf = new Uint32Array(0) } = labels;
  let out = new ByteSink(4096);
  for (const text of strings) {
    // Not left out where it is empty: its place counts.
    out.writeUint8((1 << 3) | 2);
    out.writeText(text);
    if (out.length < pieceTextBytes) continue;
    yield out.written();
    out = new ByteSink(pieceTextBytes + 4096);
  }
  for (const [field, column] of [
    [2, begin],
    [3, refs],
    [7, setOf],
  ] as const) {
    for (let at = 0; at < column.length; at += pieceNumbers) {
      if (at > 0) {
        yield out.written();
        out = new ByteSink(4096);
      }
      const part = column.subarray(at, at + pieceNumbers);
      fixed32Column(out, field, part, part.length);
    }
  }
  for (const warning of warnings) {
    out.writeUint8((4 << 3) | 2);
    out.writeText(warning);
  }
  writeUintField(out, 5, 1);
  yield out.written();
}

export function encodeChunkPiece(batch: ChunkBatch): Uint8Array {
  const chunks = batch.encoding.length;
  const bytes = batch.bytes.length + chunks * 21 + batch.chunkBegin.length * 4 + 128;
  const out = new ByteSink(bytes + 16);
  writeNested(out, 6, new ByteSink(bytes), (nested) => {
    writeUintField(nested, 1, batch.firstSeries);
    fixed32Column(nested, 2, batch.chunkBegin, batch.chunkBegin.length);
    writeBytesField(nested, 3, batch.encoding);
    doublesColumn(nested, 4, batch.minT, chunks);
    doublesColumn(nested, 5, batch.maxT, chunks);
    fixed32Column(nested, 6, batch.byteBegin, batch.byteBegin.length);
    writeBytesField(nested, 7, batch.bytes);
  });
  return out.written();
}

/** What pieces bring: a label table growing, then chunk batches. */
export class SelectAssembler {
  readonly #strings: string[] = [];
  readonly #begin: Uint32Array[] = [];
  readonly #refs: Uint32Array[] = [];
  readonly #setOf: Uint32Array[] = [];
  readonly #memory: TableMemory | undefined;
  readonly warnings: string[] = [];
  labelsEnd = false;

  /** @param memory where the table is counted while it grows */
  constructor(memory?: TableMemory) {
    this.#memory = memory;
  }

  /** Takes a piece; the chunk batch in it, if it has one. @throws Failure `bad_data`; that of the memory */
  take(bytes: Uint8Array): ChunkBatch | undefined {
    const reader = new ProtobufReader();
    reader.reset(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.length);
    let batch: ChunkBatch | undefined;
    let textBytes = 0;
    let numberBytes = 0;
    while (reader.position < reader.end) {
      const tag = reader.readTag();
      if (tag === 5 << 3) {
        this.labelsEnd = reader.readUint32('a flag') !== 0;
        continue;
      }
      if ((tag & 7) !== 2) {
        reader.skip(tag);
        continue;
      }
      const end = reader.readEnd('a field of a selection');
      const begin = reader.position;
      const field = tag >>> 3;
      if (field === 1) {
        const text = readText(bytes, begin, end);
        this.#strings.push(text);
        textBytes += bytesOfText(text);
      } else if (field === 2) this.#begin.push(uint32s(bytes, begin, end));
      else if (field === 3) this.#refs.push(uint32s(bytes, begin, end));
      else if (field === 4) this.warnings.push(readText(bytes, begin, end));
      else if (field === 6) batch = readBatch(reader, end);
      else if (field === 7) this.#setOf.push(uint32s(bytes, begin, end));
      if (field === 2 || field === 3 || field === 7) numberBytes += end - begin;
      reader.position = end;
    }
    if (textBytes + numberBytes > 0) this.#memory?.take(textBytes, numberBytes);
    return batch;
  }

  /** The table, once labelsEnd is true. @throws Failure `bad_data` when its columns do not agree */
  labels(): LabelTable {
    const begin = joined(this.#begin);
    const refs = joined(this.#refs);
    const setOf = joined(this.#setOf);
    // This one lives as long as chunks come.
    for (const parts of [this.#begin, this.#refs, this.#setOf]) parts.length = 0;
    if (begin.length === 0 || begin[begin.length - 1] !== refs.length) throw disagree('the labels of a selection');
    for (let i = 1; i < begin.length; i++) if (begin[i] < begin[i - 1]) throw disagree('the labels of a selection');
    for (let i = 0; i < refs.length; i++) if (refs[i] >= this.#strings.length) throw disagree('the texts of labels');
    for (let i = 0; i < setOf.length; i++) if (setOf[i] + 1 >= begin.length) throw disagree('the label sets of series');
    return { strings: this.#strings, begin, refs, ...(setOf.length > 0 && { setOf }) };
  }
}

function readBatch(outer: ProtobufReader, end: number): ChunkBatch {
  const { bytes } = outer;
  const reader = new ProtobufReader();
  reader.reset(bytes, outer.view, outer.position, end);
  let firstSeries = 0;
  let chunkBegin = new Uint32Array(0);
  let byteBegin = new Uint32Array(0);
  let encoding = new Uint8Array(0);
  let minT = new Float64Array(0);
  let maxT = new Float64Array(0);
  let content = new Uint8Array(0);
  while (reader.position < reader.end) {
    const tag = reader.readTag();
    if (tag === 1 << 3) {
      firstSeries = reader.readUint32('a series');
      continue;
    }
    if ((tag & 7) !== 2) {
      reader.skip(tag);
      continue;
    }
    const to = reader.readEnd('a column of chunks');
    const begin = reader.position;
    const field = tag >>> 3;
    if (field === 2) chunkBegin = uint32s(bytes, begin, to);
    else if (field === 3) encoding = own(bytes, begin, to);
    else if (field === 4) minT = float64s(bytes, begin, to);
    else if (field === 5) maxT = float64s(bytes, begin, to);
    else if (field === 6) byteBegin = uint32s(bytes, begin, to);
    else if (field === 7) content = own(bytes, begin, to);
    reader.position = to;
  }
  const chunks = encoding.length;
  if (chunkBegin.length === 0 || chunkBegin[chunkBegin.length - 1] !== chunks) throw disagree('chunks and series');
  for (let i = 1; i < chunkBegin.length; i++)
    if (chunkBegin[i] < chunkBegin[i - 1]) throw disagree('chunks and series');
  if (minT.length !== chunks || maxT.length !== chunks || byteBegin.length !== chunks + 1) throw disagree('chunks');
  for (let i = 1; i <= chunks; i++) if (byteBegin[i] < byteBegin[i - 1]) throw disagree('bytes of chunks');
  if (byteBegin[chunks] !== content.length) throw disagree('bytes of chunks');
  return { firstSeries, chunkBegin, encoding, minT, maxT, byteBegin, bytes: content };
}

function joined(parts: readonly Uint32Array[]): Uint32Array {
  const column = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    column.set(part, at);
    at += part.length;
  }
  return column;
}

/** Memory of its own: it may move to another thread. */
function own(bytes: Uint8Array, begin: number, end: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(end - begin);
  copy.set(bytes.subarray(begin, end));
  return copy;
}

function uint32s(bytes: Uint8Array, begin: number, end: number): Uint32Array<ArrayBuffer> {
  if ((end - begin) % 4 !== 0) throw disagree('a column of four bytes');
  return new Uint32Array(own(bytes, begin, end).buffer);
}

function float64s(bytes: Uint8Array, begin: number, end: number): Float64Array<ArrayBuffer> {
  if ((end - begin) % 8 !== 0) throw disagree('a column of eight bytes');
  return new Float64Array(own(bytes, begin, end).buffer);
}

function disagree(what: string): Failure {
  return new Failure('bad_data', `a peer's answer cannot be read: ${what} do not agree`);
}
