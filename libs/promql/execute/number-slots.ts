/**
 * What tables that number things by their hashes have in common: how a hash is mixed, and where numbers stand.
 * Open addressing: a slot has a number + 1, or 0 where it is free; there are twice as many slots as there is room for hashes.
 */

/** A hash, and the next number that counts. */
export function mixed(hash: number, number: number): number {
  const next = Math.imul(hash ^ number, 0x9e3779b1);
  return next ^ (next >>> 15);
}

/** Room for twice as many hashes. */
export function moreHashes(hashes: Int32Array): Int32Array<ArrayBuffer> {
  const more = new Int32Array(hashes.length * 2);
  more.set(hashes);
  return more;
}

/** The slots of the first `count` numbers, which have these hashes. */
export function slotsOf(hashes: Int32Array, count: number): Int32Array<ArrayBuffer> {
  const slots = new Int32Array(hashes.length * 2);
  const mask = slots.length - 1;
  for (let number = 0; number < count; number++) {
    let slot = hashes[number] & mask;
    while (slots[slot] !== 0) slot = (slot + 1) & mask;
    slots[slot] = number + 1;
  }
  return slots;
}
