/**
 * The staleness marker: one NaN among many, known by its bits (Prometheus model/value/value.go).
 * It is a signalling NaN, so it must travel as two 32-bit words or as raw bytes: arithmetic may quieten it.
 */

/** High word of the IEEE 754 bits 0x7ff0000000000002. */
export const staleNaNHi = 0x7ff00000;
/** Low word of the same. */
export const staleNaNLo = 0x00000002;
/** High word of the ordinary NaN that Prometheus writes, 0x7ff8000000000001. */
export const normalNaNHi = 0x7ff80000;
/** Low word of the same. */
export const normalNaNLo = 0x00000001;

/** Whether these two words are the staleness marker. */
export function isStaleNaN(hi: number, lo: number): boolean {
  return hi === staleNaNHi && lo === staleNaNLo;
}
