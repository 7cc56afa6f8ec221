/**
 * How many files and connections the process may have open at once.
 */
import { readFileSync } from 'node:fs';

/** Node takes all that it is allowed when it starts. @returns Infinity where the system does not tell */
export function openFilesMax(): number {
  try {
    const [, max] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? [];
    return max === undefined ? Number.POSITIVE_INFINITY : Number(max);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
