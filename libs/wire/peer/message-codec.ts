/**
 * Codecs of the cold messages between Maru's processes, made by protobufjs from what proto/peer.proto says.
 * Owns the way from bytes to a message whose fields are all there. Hot messages have files of their own beside this.
 */
import protobuf from 'protobufjs/light.js';
import { Failure } from '../../errors/failure.ts';
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
