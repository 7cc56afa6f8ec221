/**
 * Texts that all have one `hashBytes`, as somebody makes them who wants a table to be slow: the hash is no secret, and its steps can be
 * undone.
 */

const multiplier = 0x9e3779b1 | 0;
const seed = 0x2545f491;

/** A view that counts how often it is compared with something. */
export class CountingView extends DataView<ArrayBuffer> {
  looks = 0;

  override getBigUint64(byteOffset: number, littleEndian?: boolean): bigint {
    this.looks++;
    return super.getBigUint64(byteOffset, littleEndian);
  }
}

/** `count` different strings of 16 bytes more than `prefix`, which has a multiple of 8: ASCII behind it, and all of one hash. */
export function sameHash(prefix: Uint8Array, count: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  const length = prefix.length + 16;
  const first = new DataView(new ArrayBuffer(length));
  new Uint8Array(first.buffer).set(prefix);
  let before = seed ^ length;
  for (let at = 0; at < prefix.length; at += 8) before = step(before, first.getInt32(at, true));
  let wanted: number | undefined;
  for (let i = 0; found.length < count; i++) {
    const bytes = new Uint8Array(length).fill(0x78);
    bytes.set(prefix);
    const view = new DataView(bytes.buffer);
    for (let k = 0; k < 4; k++) bytes[prefix.length + k] = 0x30 + ((i >>> (6 * k)) & 63);
    const after = step(before, view.getInt32(prefix.length, true));
    // Whatever the first word has made of the hash, the second one makes the same of it again.
    wanted ??= after ^ 0x61616161;
    view.setInt32(prefix.length + 8, after ^ wanted, true);
    if (bytes.subarray(prefix.length + 8, prefix.length + 12).every((byte) => byte > 0x20 && byte < 0x7f))
      found.push(bytes);
  }
  return found;
}

function step(state: number, word: number): number {
  const product = Math.imul(state ^ word, multiplier);
  return (product << 13) | (product >>> 19);
}
