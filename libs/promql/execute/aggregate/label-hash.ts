/**
 * Prometheus' hash of a label set, for limit_ratio alone: which series are in the sample must be the same as there.
 * XXH64 with seed 0 over names and values, each behind its length (one byte, from 255 on a byte 255 and three little-endian).
 * Facts: Prometheus model/labels/labels_stringlabels.go, the XXH64 specification. Once a series, so BigInt is fast enough.
 */
import type { Labels } from '../../../model/labels.ts';

const mask = (1n << 64n) - 1n;
const prime1 = 0x9e3779b185ebca87n;
const prime2 = 0xc2b2ae3d27d4eb4fn;
const prime3 = 0x165667b19e3779f9n;
const prime4 = 0x85ebca77c2b2ae63n;
const prime5 = 0x27d4eb2f165667c5n;
const lengthByteMax = 254;

/** The hash as a part of 2^64: in [0, 1]. */
export function labelHashFraction(labels: Labels): number {
  return Number(xxHash64(encode(labels))) / 2 ** 64;
}

function encode(labels: Labels): Buffer {
  const parts: Buffer[] = [];
  for (const text of labels.pairs) {
    const bytes = Buffer.from(text);
    const length = bytes.length;
    parts.push(
      length <= lengthByteMax
        ? Buffer.from([length])
        : Buffer.from([255, length & 0xff, (length >> 8) & 0xff, (length >> 16) & 0xff]),
      bytes,
    );
  }
  return Buffer.concat(parts);
}

function rotate(value: bigint, bits: bigint): bigint {
  return ((value << bits) | (value >> (64n - bits))) & mask;
}

function round(accumulator: bigint, lane: bigint): bigint {
  return (rotate((accumulator + lane * prime2) & mask, 31n) * prime1) & mask;
}

function mergeRound(hash: bigint, accumulator: bigint): bigint {
  return ((hash ^ round(0n, accumulator)) * prime1 + prime4) & mask;
}

/** XXH64 with seed 0. */
function xxHash64(bytes: Buffer): bigint {
  let at = 0;
  let hash: bigint;
  if (bytes.length >= 32) {
    let lanes = [(prime1 + prime2) & mask, prime2, 0n, -prime1 & mask];
    for (; at + 32 <= bytes.length; at += 32) {
      const begin = at;
      lanes = lanes.map((lane, i) => round(lane, bytes.readBigUInt64LE(begin + 8 * i)));
    }
    const [a = 0n, b = 0n, c = 0n, d = 0n] = lanes;
    hash = (rotate(a, 1n) + rotate(b, 7n) + rotate(c, 12n) + rotate(d, 18n)) & mask;
    for (const lane of lanes) hash = mergeRound(hash, lane);
  } else {
    hash = prime5;
  }
  hash = (hash + BigInt(bytes.length)) & mask;
  for (; at + 8 <= bytes.length; at += 8) {
    hash = (rotate(hash ^ round(0n, bytes.readBigUInt64LE(at)), 27n) * prime1 + prime4) & mask;
  }
  if (at + 4 <= bytes.length) {
    hash = (rotate(hash ^ ((BigInt(bytes.readUInt32LE(at)) * prime1) & mask), 23n) * prime2 + prime3) & mask;
    at += 4;
  }
  for (; at < bytes.length; at++)
    hash = (rotate(hash ^ ((BigInt(bytes.readUInt8(at)) * prime5) & mask), 11n) * prime1) & mask;
  hash = ((hash ^ (hash >> 33n)) * prime2) & mask;
  hash = ((hash ^ (hash >> 29n)) * prime3) & mask;
  return hash ^ (hash >> 32n);
}
