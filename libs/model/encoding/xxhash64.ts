/**
 * xxHash64 with seed 0 (Yann Collet): what Prometheus' labels.StableHash is, and with it the shard of a series in the blocks of Mimir.
 * Surprising: BigInt costs nothing where every result is narrowed by `asUintN` at once: it never leaves a register (see bytes.ts).
 */

const prime1 = 0x9e3779b185ebca87n;
const prime2 = 0xc2b2ae3d27d4eb4fn;
const prime3 = 0x165667b19e3779f9n;
const prime4 = 0x85ebca77c2b2ae63n;
const prime5 = 0x27d4eb2f165667c5n;

const wrap = (value: bigint): bigint => BigInt.asUintN(64, value);

function rotate(value: bigint, bits: bigint): bigint {
  return wrap(value << bits) | (value >> (64n - bits));
}

function round(accumulator: bigint, input: bigint): bigint {
  return wrap(rotate(wrap(accumulator + wrap(input * prime2)), 31n) * prime1);
}

function mergeRound(hash: bigint, accumulator: bigint): bigint {
  return wrap(wrap((hash ^ round(0n, accumulator)) * prime1) + prime4);
}

/** The hash of bytes [begin, end). */
export function xxhash64(bytes: DataView, begin: number, end: number): bigint {
  const length = end - begin;
  let at = begin;
  let hash: bigint;
  if (length >= 32) {
    let v1 = wrap(prime1 + prime2);
    let v2 = prime2;
    let v3 = 0n;
    let v4 = wrap(-prime1);
    for (const lastStripe = end - 32; at <= lastStripe; at += 32) {
      v1 = round(v1, bytes.getBigUint64(at, true));
      v2 = round(v2, bytes.getBigUint64(at + 8, true));
      v3 = round(v3, bytes.getBigUint64(at + 16, true));
      v4 = round(v4, bytes.getBigUint64(at + 24, true));
    }
    hash = wrap(wrap(rotate(v1, 1n) + rotate(v2, 7n)) + wrap(rotate(v3, 12n) + rotate(v4, 18n)));
    hash = mergeRound(hash, v1);
    hash = mergeRound(hash, v2);
    hash = mergeRound(hash, v3);
    hash = mergeRound(hash, v4);
  } else {
    hash = prime5;
  }
  hash = wrap(hash + BigInt(length));
  for (const lastWord = end - 8; at <= lastWord; at += 8) {
    hash = wrap(wrap(rotate(hash ^ round(0n, bytes.getBigUint64(at, true)), 27n) * prime1) + prime4);
  }
  if (at + 4 <= end) {
    hash = wrap(wrap(rotate(hash ^ wrap(BigInt(bytes.getUint32(at, true)) * prime1), 23n) * prime2) + prime3);
    at += 4;
  }
  for (; at < end; at++) hash = wrap(rotate(hash ^ wrap(BigInt(bytes.getUint8(at)) * prime5), 11n) * prime1);
  hash = wrap((hash ^ (hash >> 33n)) * prime2);
  hash = wrap((hash ^ (hash >> 29n)) * prime3);
  return hash ^ (hash >> 32n);
}
