/**
 * How far this owner has followed the log, on its disk. A start begins at a snapshot, or at the floor: without this it would not see that
 * a log which ends behind that place had gone further once, and what was lost would be missing unsaid.
 * Owns `followed.json` beside the snapshots. Whoever takes the folder away accepts that, and begins at the floor.
 */
import { join } from 'node:path';
import type { Disk } from '../../libs/std/disk.ts';
import { readWhole, writeWhole } from '../../libs/std/whole-file.ts';

interface Mark {
  readonly version: 1;
  /** Everything below this offset was applied. */
  readonly position: number;
  /** That the log was cut short, as it was found out. */
  readonly cut?: string;
}

/** A crash may lose what was applied so shortly before; a cut of the log is then found only if it is longer. */
const writeEveryMs = 1_000;

export class FollowedMark {
  readonly #disk: Disk;
  readonly #path: string;
  /** Where it lies, with the snapshots. */
  readonly folder: string;
  #written = 0;
  #writtenAtMs = Number.NEGATIVE_INFINITY;
  #writing: Promise<void> = Promise.resolve();

  constructor(disk: Disk, folder: string) {
    this.#disk = disk;
    this.folder = folder;
    this.#path = join(folder, 'followed.json');
  }

  /** What was written last; one that cannot be read says nothing. */
  async read(): Promise<Pick<Mark, 'position' | 'cut'>> {
    const bytes = await readWhole(this.#disk, this.#path).catch(() => undefined);
    try {
      const mark: unknown = JSON.parse(new TextDecoder().decode(bytes));
      if (isMark(mark)) return mark;
    } catch {
      // None, or damaged.
    }
    return { position: 0 };
  }

  /** Notes a position now and then. */
  passed(position: number): void {
    if (position <= this.#written || performance.now() - this.#writtenAtMs < writeEveryMs) return;
    void this.write(position);
  }

  /** Notes it now. A disk that is full or broken is told of elsewhere. */
  write(position: number, cut?: string): Promise<void> {
    if (position === this.#written && cut === undefined) return this.#writing;
    this.#written = position;
    this.#writtenAtMs = performance.now();
    const mark: Mark = { version: 1, position, ...(cut !== undefined && { cut }) };
    this.#writing = this.#writing
      .then(() => writeWhole(this.#disk, this.#path, new TextEncoder().encode(JSON.stringify(mark))))
      .catch(() => undefined);
    return this.#writing;
  }
}

function isMark(value: unknown): value is Mark {
  if (typeof value !== 'object' || value === null) return false;
  const { version, position, cut } = value as Partial<Record<keyof Mark, unknown>>;
  return version === 1 && typeof position === 'number' && (cut === undefined || typeof cut === 'string');
}
