/**
 * A disk that is small and can be full: a tmpfs, which only root may mount.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface SmallDisk extends Disposable {
  readonly path: string;
  /** Takes all the room that is left. */
  fill(): void;
  /** Gives it back. */
  clear(): void;
}

/** Mounts a disk of so many MiB; a sentence where that cannot be. */
export function mountSmallDisk(mebibytes: number): SmallDisk | string {
  const path = mkdtempSync(join(tmpdir(), 'maru-test-small-disk-'));
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', path]);
  if (mounted.status !== 0) {
    rmSync(path, { recursive: true });
    return `a tmpfs cannot be mounted here: ${String(mounted.stderr).trim()}`;
  }
  const ballast = join(path, 'ballast');
  const unmount = (): void => {
    spawnSync('umount', ['--lazy', path]);
    rmSync(path, { recursive: true, force: true });
  };
  process.once('exit', unmount);
  return {
    path,
    fill: () => fill(ballast),
    clear: () => rmSync(ballast, { force: true }),
    [Symbol.dispose]: () => {
      process.off('exit', unmount);
      unmount();
    },
  };
}

function fill(path: string): void {
  for (const bytes of [1 << 20, 1 << 12]) {
    try {
      for (;;) writeFileSync(path, new Uint8Array(bytes), { flag: 'a' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
}
