/**
 * A record of the log: the envelope around one remote_write 2.0 request (proto/log.proto), and the headers that go with it.
 * Owns telling our records from foreign ones, and versions. Does not own the request (write-request-v2.ts, remote-write-v2.ts).
 */
import { Failure } from '../errors/failure.ts';
import { ProtobufReader } from '../model/encoding/protobuf-reader.ts';
import { parseTenantId, type TenantId } from '../model/tenant-id.ts';
import { ProtobufWriter } from './protobuf-writer.ts';

/** Header that every record of ours has; its value is the id of the cluster. */
export const clusterHeader = 'maru';
/** Header that names the trace of the write (W3C traceparent). */
export const traceHeader = 'traceparent';

const version = 1;

const out = new ProtobufWriter();

/** The record's value: memory of its own. */
export function encodeLogRecord(tenant: TenantId, receiveTimeMs: number, request: Uint8Array): Buffer {
  out.sink.reset();
  out.uint(1, version);
  out.text(2, tenant);
  out.int64(3, receiveTimeMs);
  out.bytes(4, request, 0, request.length);
  return Buffer.from(out.sink.written());
}

export interface LogRecordEnvelope {
  readonly tenant: TenantId;
  readonly receiveTimeMs: number;
  /** Bytes of the record that are the request. */
  readonly request: Uint8Array;
}

/** @throws Failure `bad_data` that says why the bytes are no record of a version that this release knows */
export function decodeLogRecord(bytes: Uint8Array): LogRecordEnvelope {
  const reader = new ProtobufReader();
  reader.reset(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.length);
  let found = 0;
  let tenant = '';
  let receiveTimeMs = 0;
  let request: Uint8Array | undefined;
  while (reader.position < bytes.length) {
    const tag = reader.readTag();
    if (tag === 0x08) found = reader.readUint32('a version');
    else if (tag === 0x12) {
      const end = reader.readEnd('a tenant');
      tenant = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8', reader.position, end);
      reader.position = end;
    } else if (tag === 0x18) receiveTimeMs = reader.readInt64('a time');
    else if (tag === 0x22) {
      const end = reader.readEnd('a request');
      request = bytes.subarray(reader.position, end);
      reader.position = end;
    } else reader.skip(tag);
  }
  if (found !== version) throw new Failure('bad_data', `a record of version ${found}: this release knows ${version}`);
  if (request === undefined) throw new Failure('bad_data', 'a record without a request');
  return { tenant: parseTenantId(tenant), receiveTimeMs, request };
}
