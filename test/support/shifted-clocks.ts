/**
 * Clocks of processes that can be set wrong while they run: each process of a test gets a file that says by how much.
 * Owns the files. Does not own how a process heeds its own (shift-clock.preload.ts).
 */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const preload = join(import.meta.dirname, 'shift-clock.preload.ts');

export class ShiftedClocks {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Environment and modules to be loaded first of the process of that name. */
  of(instance: string): { readonly env: Readonly<Record<string, string>>; readonly preload: string } {
    return { env: { MARU_TEST_CLOCK_FILE: this.#fileOf(instance) }, preload };
  }

  set(instance: string, offsetMs: number): void {
    const file = this.#fileOf(instance);
    writeFileSync(`${file}.new`, String(offsetMs));
    renameSync(`${file}.new`, file);
  }

  #fileOf(instance: string): string {
    return join(this.#folder, `${instance}.clock`);
  }
}
