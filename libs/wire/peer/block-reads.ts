/**
 * What the reads of a store-gateway have cost so far, as a piece of its own among those of an answer.
 * Owns that it can be told from the others by its first byte: it is the only one that begins with its field.
 */
import type { BlockReads } from '../../contracts/store-gateway.ts';
import { codecOf, type MessageCodec } from './message-codec.ts';

const piece: MessageCodec<{ readonly reads: BlockReads | null }> = codecOf('ReadsPiece');
/** Field 9 of length-delimited bytes: neither SelectPiece nor ListPiece has one. */
const firstByte = (9 << 3) | 2;

export function encodeReadsPiece(reads: BlockReads): Uint8Array {
  return piece.encode({ reads });
}

/** Undefined where the bytes are another piece. @throws Failure `bad_data` */
export function decodeReadsPiece(bytes: Uint8Array): BlockReads | undefined {
  return bytes[0] === firstByte ? (piece.decode(bytes).reads ?? undefined) : undefined;
}
