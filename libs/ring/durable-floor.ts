/**
 * The durable floor of an ingester for a tenant: all it has that was accepted and is older lies in blocks that every reader has heard of.
 * Pure. It only rises: what is accepted later is not older than a tenant's samples may be, so an ingester that is gone may be believed for what it
 * said last.
 */

/** Clocks may differ, and a write may be on its way, for so long together. */
const underwayMs = 10 * 60_000;

/**
 * The floor; 0 where there is none.
 * @param heldFromMs what the ingester said: what it holds and no block in the bucket has is not older; 0 if it did not say
 * @param saidAtMs when it was asked
 * @param pastGraceMs how old a sample of the tenant may be when it is received; 0 is any age
 */
export function durableFloor(heldFromMs: number, saidAtMs: number, pastGraceMs: number): number {
  if (heldFromMs === 0 || pastGraceMs === 0) return 0;
  return Math.max(0, Math.min(heldFromMs, saidAtMs - pastGraceMs - underwayMs));
}
