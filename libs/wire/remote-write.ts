/**
 * The body of a remote_write request, from the bytes of HTTP to columns: snappy, then one scan.
 * Owns the order of the two. The scan keeps the decompressed bytes; everything is valid until the next call.
 */
import { scanWriteRequestV1 } from './remote-write-v1.ts';
import { scanWriteRequestV2 } from './remote-write-v2.ts';
import type { WriteScan } from './write-scan.ts';

/**
 * Decompresses and scans `body` into `scan`.
 * @returns how many bytes the body had after decompression
 * @throws Failure `bad_data` naming what is broken and at which byte, `too_large` over a maximum: then the scan means nothing
 */
export function scanWriteRequest(
  version: 1 | 2,
  body: Uint8Array,
  decompressedBytesMax: number,
  scan: WriteScan,
): number {
  const length = scan.snappy.decode(body, decompressedBytesMax);
  if (version === 1) scanWriteRequestV1(scan.snappy.bytes, length, scan);
  else scanWriteRequestV2(scan.snappy.bytes, length, scan);
  return length;
}
