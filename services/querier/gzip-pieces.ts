/**
 * Gzip, one piece at a time and without a stream: what comes in becomes blocks of one deflate stream that end at a byte, so that
 * each can be sent at once. For a query worker, which writes its answer and has a thread of its own: a compressor of Node's pool
 * would wait there beside the log's fsync, and cost this process' main thread its messages.
 * Format: RFC 1952. Every piece is compressed without knowledge of those before it, which costs little at their size.
 */
import { crc32, deflateRawSync, constants as zlib } from 'node:zlib';

/** Magic, deflate, no flags, no time, fastest, unknown system. */
const header = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255);
const trailerBytes = 8;
const level = zlib.Z_BEST_SPEED;
/**
 * Memory for what a large piece becomes; most fit. So much is had from the system and goes back to it (bin/maru.js), while small memory that
 * waits to be collected keeps the allocator's heap high. What a small one becomes fits into the memory that node's buffers share, which V8 does
 * not count anew for each: after 10 MB it marks the whole heap.
 */
const largeChunkSize = 128 << 10;
const largePieceBytes = 64 << 10;

export class GzipPieces {
  #isFirst = true;
  #checksum = 0;
  #length = 0;

  /** The next piece of the file, in memory of its own. Nothing comes after the last one. */
  next(bytes: Uint8Array, isLast: boolean): Uint8Array<ArrayBuffer> {
    const finishFlush = isLast ? zlib.Z_FINISH : zlib.Z_SYNC_FLUSH;
    const chunkSize = bytes.length < largePieceBytes ? zlib.Z_DEFAULT_CHUNK : largeChunkSize;
    const deflated = deflateRawSync(bytes, { level, finishFlush, chunkSize });
    this.#checksum = crc32(bytes, this.#checksum);
    this.#length += bytes.length;
    const begin = this.#isFirst ? header.length : 0;
    const piece = new Uint8Array(begin + deflated.length + (isLast ? trailerBytes : 0));
    if (this.#isFirst) piece.set(header);
    piece.set(deflated, begin);
    if (isLast) {
      const view = new DataView(piece.buffer, begin + deflated.length);
      view.setUint32(0, this.#checksum, true);
      // Modulo 2^32, as the format has it.
      view.setUint32(4, this.#length % 2 ** 32, true);
    }
    this.#isFirst = false;
    return piece;
  }
}
