/** Small files, read and replaced whole: after a crash there is the old one or the new one. */
import { dirname } from 'node:path';
import type { Disk } from './disk.ts';

/** The content of a file; undefined if there is none. */
export async function readWhole(disk: Disk, path: string): Promise<Uint8Array | undefined> {
  if (!(await disk.list(dirname(path))).includes(path.slice(path.lastIndexOf('/') + 1))) return undefined;
  const file = await disk.open(path, 'read');
  try {
    const bytes = new Uint8Array(await file.size());
    const count = await file.read(bytes, 0);
    return bytes.subarray(0, count);
  } finally {
    await file.close();
  }
}

/** Replaces a file, durably. One writer of a path at a time. */
export async function writeWhole(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const beside = `${path}.part`;
  await disk.makeDirectory(dirname(path));
  await disk.remove(beside);
  const file = await disk.open(beside, 'create');
  try {
    await file.write(bytes, 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.rename(beside, path);
}
