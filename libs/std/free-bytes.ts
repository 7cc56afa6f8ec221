/** Room on a disk, for those who fill it with what they could do without. Owns how much of it they leave to others. */
import { statfs } from 'node:fs/promises';
import { errorCode } from './disk.ts';

/** What is left free beside copies and work under way: the log of an ingester, which may lie on the same disk, must not find it full. */
export const spareBytes: number = 256 << 20;

/** Bytes that the disk of a folder has left; Infinity where there is no such folder yet, or the file system does not count its blocks. */
export async function freeBytesOf(directory: string): Promise<number> {
  try {
    const { blocks, bavail, bsize } = await statfs(directory);
    return blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return Number.POSITIVE_INFINITY;
    throw error;
  }
}
