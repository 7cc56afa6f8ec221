/**
 * CRC-32C (Castagnoli, reflected polynomial 0x82f63b78): the checksum of WAL records, of Prometheus' chunk files and indexes.
 * Owns the tables. node:zlib has only the IEEE polynomial. Sixteen bytes go through sixteen tables at once ("slicing by 16",
 * Kounavis and Berry 2005): the table loads do not wait for each other, which a byte-wise loop's do.
 */

const polynomial = 0x82f63b78;
const slices = 16;
/** tables[slice * 256 + byte]: the checksum of that byte followed by `slice` zero bytes. */
const tables: Int32Array = buildTables();

function buildTables(): Int32Array {
  const built = new Int32Array(slices * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ polynomial;
    built[byte] = crc;
  }
  for (let i = 256; i < built.length; i++) {
    const before = built[i - 256];
    built[i] = (before >>> 8) ^ built[before & 0xff];
  }
  return built;
}

/**
 * Checksum of bytes[begin, end), as an unsigned 32-bit number.
 * @param seed the checksum of what came before, so that crc32c(b, 0, n) equals crc32c(b, m, n, crc32c(b, 0, m)).
 */
export function crc32c(bytes: Uint8Array, begin: number, end: number, seed = 0): number {
  if (!(begin >= 0 && begin <= end && end <= bytes.length)) throw new RangeError('the range leaves the bytes');
  const t = tables;
  let crc = ~seed;
  let at = begin;
  const wholeEnd = end - 15;
  while (at < wholeEnd) {
    crc =
      t[3840 + (bytes[at] ^ (crc & 0xff))] ^
      t[3584 + (bytes[at + 1] ^ ((crc >>> 8) & 0xff))] ^
      t[3328 + (bytes[at + 2] ^ ((crc >>> 16) & 0xff))] ^
      t[3072 + (bytes[at + 3] ^ (crc >>> 24))] ^
      t[2816 + bytes[at + 4]] ^
      t[2560 + bytes[at + 5]] ^
      t[2304 + bytes[at + 6]] ^
      t[2048 + bytes[at + 7]] ^
      t[1792 + bytes[at + 8]] ^
      t[1536 + bytes[at + 9]] ^
      t[1280 + bytes[at + 10]] ^
      t[1024 + bytes[at + 11]] ^
      t[768 + bytes[at + 12]] ^
      t[512 + bytes[at + 13]] ^
      t[256 + bytes[at + 14]] ^
      t[bytes[at + 15]];
    at += 16;
  }
  while (at < end) crc = (crc >>> 8) ^ t[(crc ^ bytes[at++]) & 0xff];
  return ~crc >>> 0;
}
