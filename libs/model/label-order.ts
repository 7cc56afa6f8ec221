/**
 * The order of label sets (Prometheus' labels.Compare) on canonical bytes: label by label, the name's bytes and then the value's;
 * of two that begin alike, the shorter first.
 */

/** Less than, equal to or greater than 0 as the label set `a` comes before, is, or comes after `b`. Both canonical. */
export function compareCanonicalLabels(a: Uint8Array, b: Uint8Array): number {
  const end = Math.min(a.length, b.length);
  let at = 0;
  while (at < end) {
    const aLength = lengthAt(a, at);
    const bLength = lengthAt(b, at);
    const aBegin = at + prefixBytes(aLength);
    const bBegin = at + prefixBytes(bLength);
    const shared = Math.min(aLength, bLength);
    for (let i = 0; i < shared; i++) {
      const difference = (a[aBegin + i] as number) - (b[bBegin + i] as number);
      if (difference !== 0) return difference;
    }
    if (aLength !== bLength) return aLength - bLength;
    at = aBegin + aLength;
  }
  return a.length - b.length;
}

function lengthAt(bytes: Uint8Array, begin: number): number {
  let length = 0;
  for (let at = begin, shift = 0; ; at++, shift += 7) {
    const byte = bytes[at] as number;
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) return length;
  }
}

function prefixBytes(length: number): number {
  return length < 0x80 ? 1 : length < 0x4000 ? 2 : length < 0x20_0000 ? 3 : length < 0x1000_0000 ? 4 : 5;
}
