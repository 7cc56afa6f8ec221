/**
 * Frames: what goes over a link, several in one envelope. Layout: proto/peer.proto (Envelope, Frame).
 * Owns the bytes of both. Does not own what a payload means. Written and read by hand: every push and every batch of chunks is one.
 */
import { ProtobufReader } from '../model/encoding/protobuf-reader.ts';
import type { ByteSink } from '../std/byte-sink.ts';

export const FrameKind = {
  hello: 1,
  welcome: 2,
  proof: 3,
  request: 4,
  cancel: 5,
  credit: 6,
  item: 7,
  end: 8,
  failure: 9,
} as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

export interface Frame {
  /** A kind that is not known is for the reader to refuse. */
  readonly kind: number;
  readonly call: number;
  readonly method: string;
  readonly timeoutMs: number;
  readonly creditBytes: number;
  readonly tableEpoch: number;
  /** Of a request: the trace it belongs to (W3C traceparent); '' for none. */
  readonly traceparent: string;
  /** Of a request: the tenant whose work it is, for logs; '' for none. */
  readonly tenant: string;
  /** Parts that follow one another; received, it is one. */
  readonly payload: readonly Uint8Array[];
}

/** Most bytes of a frame beside its payload and its texts. */
const frameOverheadBytes = 64;

const noPayload: readonly Uint8Array[] = [new Uint8Array(0)];

/** A frame with what is not said left at 0. */
export function frameOf(kind: FrameKind, call: number, parts: Partial<Omit<Frame, 'kind' | 'call'>>): Frame {
  return {
    kind,
    call,
    method: '',
    timeoutMs: 0,
    creditBytes: 0,
    tableEpoch: 0,
    traceparent: '',
    tenant: '',
    payload: [],
    ...parts,
  };
}

export function payloadBytes(frame: Frame): number {
  let bytes = 0;
  for (const part of frame.payload) bytes += part.length;
  return bytes;
}

/** Room that a frame needs at most. */
export function frameBytesMax(frame: Frame): number {
  return (
    frameOverheadBytes +
    (frame.method.length + frame.traceparent.length + frame.tenant.length) * 3 +
    payloadBytes(frame)
  );
}

/** Adds a frame to an envelope. The payload is copied. */
export function writeFrame(out: ByteSink, frame: Frame): void {
  const method = frame.method === '' ? 0 : Buffer.byteLength(frame.method);
  const traceparent = frame.traceparent === '' ? 0 : Buffer.byteLength(frame.traceparent);
  const tenant = frame.tenant === '' ? 0 : Buffer.byteLength(frame.tenant);
  const payload = payloadBytes(frame);
  let length = 2 + varintField(frame.call) + varintField(frame.timeoutMs) + varintField(frame.creditBytes);
  length +=
    varintField(frame.tableEpoch) +
    bytesField(method) +
    bytesField(traceparent) +
    bytesField(tenant) +
    bytesField(payload);
  out.writeUint8(0x0a);
  out.writeUvarint(length);
  out.writeUint8(0x08);
  out.writeUint8(frame.kind);
  writeVarintField(out, 0x10, frame.call);
  if (method > 0) {
    out.writeUint8(0x1a);
    out.writeText(frame.method);
  }
  writeVarintField(out, 0x20, frame.timeoutMs);
  writeVarintField(out, 0x28, frame.creditBytes);
  writeVarintField(out, 0x30, frame.tableEpoch);
  if (traceparent > 0) {
    out.writeUint8(0x3a);
    out.writeText(frame.traceparent);
  }
  if (tenant > 0) {
    out.writeUint8(0x42);
    out.writeText(frame.tenant);
  }
  if (payload === 0) return;
  out.writeUint8(0x7a);
  out.writeUvarint(payload);
  for (const part of frame.payload) out.writeBytes(part, 0, part.length);
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

const varintField = (value: number): number => (value === 0 ? 0 : 1 + varintBytes(value));
const bytesField = (length: number): number => (length === 0 ? 0 : 1 + varintBytes(length) + length);

function writeVarintField(out: ByteSink, tag: number, value: number): void {
  if (value === 0) return;
  out.writeUint8(tag);
  out.writeUvarint(value);
}

/**
 * The frames of an envelope; their payloads look at the same memory.
 * @throws Failure `bad_data` when the bytes are no envelope
 */
export function decodeEnvelope(bytes: Uint8Array): Frame[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const outer = new ProtobufReader();
  const inner = new ProtobufReader();
  outer.reset(bytes, view, 0, bytes.length);
  const frames: Frame[] = [];
  while (outer.position < outer.end) {
    const tag = outer.readTag();
    if (tag !== 0x0a) {
      outer.skipUnknown(tag, 1 << 1, 'an envelope');
      continue;
    }
    const end = outer.readEnd('a frame');
    inner.reset(bytes, view, outer.position, end);
    frames.push(readFrame(inner));
    outer.position = end;
  }
  return frames;
}

const frameFields = (1 << 1) | (1 << 2) | (1 << 3) | (1 << 4) | (1 << 5) | (1 << 6) | (1 << 7) | (1 << 8) | (1 << 15);

function readFrame(reader: ProtobufReader): Frame {
  let kind = 0;
  let call = 0;
  let method = '';
  let timeoutMs = 0;
  let creditBytes = 0;
  let tableEpoch = 0;
  let traceparent = '';
  let tenant = '';
  let payload = noPayload;
  while (reader.position < reader.end) {
    const tag = reader.readTag();
    switch (tag) {
      case 0x08:
        kind = reader.readUint32('a kind');
        break;
      case 0x10:
        call = reader.readUint32('a call');
        break;
      case 0x1a:
        method = readText(reader, 'a method');
        break;
      case 0x20:
        timeoutMs = reader.readUint32('a timeout');
        break;
      case 0x28:
        creditBytes = reader.readUint32('a credit');
        break;
      case 0x30:
        tableEpoch = reader.readUint64('an epoch');
        break;
      case 0x3a:
        traceparent = readText(reader, 'a traceparent');
        break;
      case 0x42:
        tenant = readText(reader, 'a tenant');
        break;
      case 0x7a: {
        const end = reader.readEnd('a payload');
        payload = [reader.bytes.subarray(reader.position, end)];
        reader.position = end;
        break;
      }
      default:
        reader.skipUnknown(tag, frameFields, 'a frame');
    }
  }
  return { kind, call, method, timeoutMs, creditBytes, tableEpoch, traceparent, tenant, payload };
}

function readText(reader: ProtobufReader, what: string): string {
  const { buffer, byteOffset } = reader.bytes;
  const end = reader.readEnd(what);
  const text = Buffer.from(buffer, byteOffset).toString('utf8', reader.position, end);
  reader.position = end;
  return text;
}
