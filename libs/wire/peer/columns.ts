/**
 * Writing protobuf fields of our own messages: scalars that are left out at their default, and packed columns of fixed width,
 * which are the memory of a typed array as it lies there (little-endian).
 */
import type { ByteSink } from '../../std/byte-sink.ts';

export function writeUintField(out: ByteSink, field: number, value: number): void {
  if (value === 0) return;
  out.writeUvarint(field << 3);
  out.writeUvarint(value);
}

export function writeDoubleField(out: ByteSink, field: number, value: number): void {
  if (Object.is(value, 0)) return;
  out.writeUvarint((field << 3) | 1);
  out.writeFloat64(value);
}

export function writeTextField(out: ByteSink, field: number, text: string): void {
  if (text === '') return;
  out.writeUvarint((field << 3) | 2);
  out.writeText(text);
}

export function writeBytesField(out: ByteSink, field: number, bytes: Uint8Array): void {
  if (bytes.length > 0) bytesColumn(out, field, bytes.buffer, bytes.byteOffset, bytes.length);
}

/** A field of so many bytes of `buffer` as they are. */
export function bytesColumn(
  out: ByteSink,
  field: number,
  buffer: ArrayBufferLike,
  byteOffset: number,
  byteLength: number,
): void {
  out.writeUvarint((field << 3) | 2);
  out.writeUvarint(byteLength);
  out.writeBytes(new Uint8Array(buffer, byteOffset, byteLength), 0, byteLength);
}

/** The first `count` numbers as a packed fixed32 (or sfixed32) field; nothing where there are none. */
export function fixed32Column(out: ByteSink, field: number, column: Uint32Array | Int32Array, count: number): void {
  if (count > 0) bytesColumn(out, field, column.buffer, column.byteOffset, count * 4);
}

/** The first `count` numbers as a packed double field; nothing where there are none. */
export function doublesColumn(out: ByteSink, field: number, column: Float64Array, count: number): void {
  if (count > 0) bytesColumn(out, field, column.buffer, column.byteOffset, count * 8);
}

/** A message as a field; `scratch` must not be in use by whoever calls. */
export function writeNested(out: ByteSink, field: number, scratch: ByteSink, write: (nested: ByteSink) => void): void {
  scratch.reset();
  write(scratch);
  out.writeUvarint((field << 3) | 2);
  out.writeUvarint(scratch.length);
  out.writeBytes(scratch.bytes, 0, scratch.length);
}

/** bytes[begin, end) as text. */
export function readText(bytes: Uint8Array, begin: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8', begin, end);
}
