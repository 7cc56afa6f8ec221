/** What the process may use of memory: the machine's, or the container's maximum where there is one. Budgets are shares of it. */
import { totalmem } from 'node:os';

export function usableMemoryBytes(): number {
  // Of cgroups, either version; 0 or a huge number where there is no maximum.
  return Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
}
