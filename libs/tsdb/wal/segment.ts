/**
 * Names of the WAL's files: 00000001.wal, 00000002.wal, ... in one folder, a number never used twice.
 */
import { join } from 'node:path';
import type { Disk } from '../../std/disk.ts';

/** First eight bytes of a segment. */
export const segmentKind = 'MaruWAL\n';

const segmentPattern = /^(\d{8,})\.wal$/;

export function segmentPath(directory: string, number: number): string {
  return join(directory, `${String(number).padStart(8, '0')}.wal`);
}

/** Numbers of the segments in a folder, rising. Other files are none of its business. */
export async function listSegments(disk: Disk, directory: string): Promise<number[]> {
  const numbers: number[] = [];
  for (const name of await disk.list(directory)) {
    const match = segmentPattern.exec(name);
    if (match?.[1] !== undefined) numbers.push(Number(match[1]));
  }
  return numbers.sort((a, b) => a - b);
}
