/**
 * Codecs of the cold messages between Maru's processes, made by protobufjs from what proto/peer.proto says.
 * Owns the way from bytes to a message whose fields are all there. Hot messages have files of their own beside this.
 */
import protobuf from 'protobufjs/light.js';
import { Failure } from '../../errors/failure.ts';
import { ProtobufReader } from '../../model/encoding/protobuf-reader.ts';
import { peerDescriptor } from '../generated/peer.ts';

/** A codec of one message. What is absent on the wire has proto3's default. */
export interface MessageCodec<T> {
  encode(message: T): Uint8Array;
  /** @throws Failure `bad_data` when the bytes are not such a message */
  decode(bytes: Uint8Array): T;
}

const root = protobuf.Root.fromJSON(peerDescriptor as protobuf.INamespace);

/** The codec of `maru.peer.v1.<name>`; numbers of 64 bits are plain numbers, as none of ours is larger. */
export function codecOf<T extends object>(name: string): MessageCodec<T> {
  const type = root.lookupType(`maru.peer.v1.${name}`);
  return {
    encode: (message) => type.encode(type.fromObject(message)).finish(),
    decode: (bytes) => {
      try {
        return type.toObject(type.decode(bytes), { defaults: true, arrays: true, longs: Number }) as T;
      } catch (cause) {
        throw new Failure('bad_data', `a ${name} of a peer cannot be read: ${(cause as Error).message}`, { cause });
      }
    },
  };
}

/** A field of a message. */
interface WireField {
  readonly number: number;
  /** With its tag. */
  readonly whole: Uint8Array;
  /** Of a string, of bytes or of a message what it holds. */
  readonly body: Uint8Array | undefined;
}

/**
 * The fields of a message as they stand, so that a long one need not be decoded at once.
 * @throws Failure `bad_data` when the bytes are no message
 */
export function* wireFields(bytes: Uint8Array): Generator<WireField, void, void> {
  const reader = new ProtobufReader();
  reader.reset(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length);
  while (reader.position < reader.end) {
    const begin = reader.position;
    const tag = reader.readTag();
    let body: Uint8Array | undefined;
    if ((tag & 7) === 2) {
      const end = reader.readEnd('a field');
      body = bytes.subarray(reader.position, end);
      reader.position = end;
    } else reader.skip(tag);
    yield { number: tag >>> 3, whole: bytes.subarray(begin, reader.position), body };
  }
}
