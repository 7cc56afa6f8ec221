/** The part of snappyjs that the tests use: an encoder and decoder of the snappy block format independent of ours. */
declare module 'snappyjs' {
  export function compress(data: Uint8Array): Uint8Array;
  export function uncompress(data: Uint8Array, uncompressedBytesMax?: number): Uint8Array;
}
