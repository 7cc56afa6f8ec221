/**
 * The WAL's records beside pushes: what the head let go of. Layout in FORMAT.md.
 * Owns their bytes, and telling by its first byte what a record is. A frozen range is known by the sequence number of the
 * record that froze it, its generation.
 */
import { parseTenantId, type TenantId } from '../../model/tenant-id.ts';
import type { ByteSink } from '../../std/byte-sink.ts';
import { ByteSource, ByteSourceError } from '../../std/byte-source.ts';
import { decodePushRecord, type PushRecord, recordTypePush } from './record.ts';

const recordTypeFreeze = 2;
const recordTypeDrop = 3;
const recordTypeGone = 4;

/** Samples that come from here on for the time of range `range` go to a new one. */
export interface FreezeRecord {
  readonly kind: 'freeze';
  readonly tenant: TenantId;
  readonly range: number;
}

/** The samples of a generation are in a block, or there were none. */
export interface DropRecord {
  readonly kind: 'drop';
  readonly tenant: TenantId;
  readonly generation: number;
  /** Name of the block; empty where no sample was left. */
  readonly block: string;
}

/** These series have no samples in the head any more: their numbers mean nothing from here on. */
export interface GoneRecord {
  readonly kind: 'gone';
  readonly tenant: TenantId;
  readonly ids: Uint32Array;
}

export type LogRecord = ({ readonly kind: 'push' } & PushRecord) | FreezeRecord | DropRecord | GoneRecord;

export function encodeFreeze(tenant: TenantId, range: number, out: ByteSink): void {
  out.writeUint8(recordTypeFreeze);
  out.writeText(tenant);
  out.writeFloat64(range);
}

export function encodeDrop(tenant: TenantId, generation: number, block: string, out: ByteSink): void {
  out.writeUint8(recordTypeDrop);
  out.writeText(tenant);
  out.writeFloat64(generation);
  out.writeText(block);
}

/** @param ids rising */
export function encodeGone(tenant: TenantId, ids: Uint32Array, out: ByteSink): void {
  out.writeUint8(recordTypeGone);
  out.writeText(tenant);
  out.writeUvarint(ids.length);
  let before = 0;
  for (const id of ids) {
    out.writeUvarint(id - before);
    before = id;
  }
}

/** Reads any record's payload. The result owns its memory. @throws ByteSourceError when the bytes are none */
export function decodeRecord(bytes: Uint8Array, begin: number, end: number): LogRecord {
  const type = begin < end ? bytes[begin] : 0;
  if (type === recordTypePush) return { kind: 'push', ...decodePushRecord(bytes, begin, end) };
  const source = new ByteSource(bytes, begin + 1, end);
  if (type !== recordTypeFreeze && type !== recordTypeDrop && type !== recordTypeGone) {
    throw new ByteSourceError(`record type ${type} is not known`);
  }
  const tenant = tenantOf(source.readText());
  let record: LogRecord;
  if (type === recordTypeFreeze) {
    record = { kind: 'freeze', tenant, range: wholeNumber(source.readFloat64()) };
  } else if (type === recordTypeDrop) {
    record = { kind: 'drop', tenant, generation: wholeNumber(source.readFloat64()), block: source.readText() };
  } else {
    const count = source.readUvarint();
    if (count > source.remaining) throw new ByteSourceError(`a count of ${count} with ${source.remaining} bytes left`);
    const ids = new Uint32Array(count);
    let id = 0;
    for (let i = 0; i < count; i++) {
      id += source.readUvarint();
      ids[i] = id;
    }
    record = { kind: 'gone', tenant, ids };
  }
  if (source.remaining !== 0) throw new ByteSourceError(`${source.remaining} bytes left over`);
  return record;
}

function wholeNumber(value: number): number {
  if (!Number.isSafeInteger(value)) throw new ByteSourceError(`${value} is no whole number`);
  return value;
}

function tenantOf(text: string): TenantId {
  try {
    return parseTenantId(text);
  } catch (cause) {
    throw new ByteSourceError('no tenant', { cause });
  }
}
