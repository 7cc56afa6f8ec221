/**
 * Many small columns in few large pieces of memory.
 * Owns how large a piece is. What is small each by itself lies in the heap of the allocator, which gives nothing back below the last thing
 * that lives; a piece of this size is had from the system and goes back to it. It goes with the last of its columns.
 */

/** Above what the allocator maps apart (bin/maru.js). */
const pieceBytesMax = 256 << 10;
const pieceBytesMin = 1 << 10;
/** V8 keeps so few within its own heap. */
const inlineBytesMax = 64;

export class Slabs {
  #piece = new ArrayBuffer(0);
  #used = 0;

  /** Zeros. */
  floats(count: number): Float64Array<ArrayBuffer> {
    const bytes = count * Float64Array.BYTES_PER_ELEMENT;
    if (isApart(bytes)) return new Float64Array(count);
    const at = this.#take(bytes);
    return new Float64Array(this.#piece, at, count);
  }

  /** Zeros. */
  words(count: number): Uint32Array<ArrayBuffer> {
    const bytes = count * Uint32Array.BYTES_PER_ELEMENT;
    if (isApart(bytes)) return new Uint32Array(count);
    const at = this.#take(bytes);
    return new Uint32Array(this.#piece, at, count);
  }

  /** Zeros. */
  bytes(count: number): Uint8Array<ArrayBuffer> {
    if (isApart(count)) return new Uint8Array(count);
    const at = this.#take(count);
    return new Uint8Array(this.#piece, at, count);
  }

  /** Where `bytes` begin in the piece. The first pieces are small: most users want little. */
  #take(bytes: number): number {
    const at = Math.ceil(this.#used / Float64Array.BYTES_PER_ELEMENT) * Float64Array.BYTES_PER_ELEMENT;
    if (at + bytes <= this.#piece.byteLength) {
      this.#used = at + bytes;
      return at;
    }
    const wanted = Math.max(pieceBytesMin, this.#piece.byteLength * 2, bytes);
    this.#piece = new ArrayBuffer(Math.min(pieceBytesMax, wanted));
    this.#used = bytes;
    return 0;
  }
}

/** What is almost a piece is one. */
function isApart(bytes: number): boolean {
  return bytes <= inlineBytesMax || bytes > pieceBytesMax / 4;
}
