/**
 * The incarnation of a data folder: a name that was drawn when the folder was first used, and how often it was started on.
 * Owns the file that says so. A folder without one is a new disk; one with fewer starts than the ring knows is an old copy.
 */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Disk } from '../std/disk.ts';
import { readWhole, writeWhole } from '../std/whole-file.ts';

export interface Incarnation {
  readonly id: string;
  /** This start counted. */
  readonly starts: number;
}

/** Counts a start on this folder, durably. */
export async function countStart(disk: Disk, dataDir: string): Promise<Incarnation> {
  const path = join(dataDir, 'incarnation.json');
  const known = await readWhole(disk, path);
  const before = known === undefined ? undefined : parse(known);
  const now = before === undefined ? { id: randomUUID(), starts: 1 } : { id: before.id, starts: before.starts + 1 };
  await writeWhole(disk, path, new TextEncoder().encode(JSON.stringify(now)));
  return now;
}

/** What cannot be read is no incarnation: the folder counts as a new one, which costs completeness and never correctness. */
function parse(bytes: Uint8Array): Incarnation | undefined {
  try {
    const value = JSON.parse(new TextDecoder().decode(bytes)) as Partial<Incarnation>;
    const { id, starts } = value;
    return typeof id === 'string' && id !== '' && Number.isSafeInteger(starts)
      ? { id, starts: starts as number }
      : undefined;
  } catch {
    return undefined;
  }
}
