/**
 * Which folder a bucket is, so that a disk that is not mounted is not taken for a bucket without blocks.
 * Owns a file of the bucket, made with its first object, that holds a random text, and a file of the data folder that holds the same once it
 * was seen. Where the second is there and the first is not, or says something else, nothing may be said of the bucket. Where
 * neither is there the bucket is new, or one that others wrote.
 */
import { randomUUID } from 'node:crypto';
import { link, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Failure } from '../errors/failure.ts';
import { errorCode, realDisk } from '../std/disk.ts';
import { writeWhole } from '../std/whole-file.ts';

/** How often at most it is looked again for the reasons that are told. */
const lookEveryMs = 1_000;

export class FolderIdentity {
  readonly #root: string;
  readonly #path: string;
  readonly #rememberedPath: string;
  #known: string | undefined;
  #isRemembered = false;
  #wasSeen = false;
  #reason: string | undefined = 'the folder of the bucket is looked at';
  #looking: Promise<void> | undefined;
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  /**
   * @param root of the bucket
   * @param path of the file in it
   * @param rememberedPath of the file of the data folder
   */
  constructor(root: string, path: string, rememberedPath: string) {
    this.#root = root;
    this.#path = path;
    this.#rememberedPath = rememberedPath;
  }

  /** @throws Failure `unavailable` where this is not the folder that was seen before */
  async check(): Promise<void> {
    await this.#look();
  }

  /** The same, and gives a new bucket its identity. */
  async establish(): Promise<void> {
    if ((await this.#look()) !== undefined) return;
    const mine = join(dirname(this.#path), randomUUID());
    try {
      await writeWhole(realDisk, mine, Buffer.from(`${randomUUID()}\n`));
      await link(mine, this.#path).catch((error: unknown) => {
        // Another process was faster.
        if (errorCode(error) !== 'EEXIST') throw error;
      });
      await realDisk.syncDirectory(dirname(this.#path));
    } finally {
      await rm(mine, { force: true });
    }
    await this.#look();
  }

  /** Why nothing can be said of the bucket since the start; undefined from the moment on at which its folder was there. */
  notReadyReason(): string | undefined {
    return this.#wasSeen ? undefined : this.#reasonNow();
  }

  /** Why nothing can be said of it now, although its folder was there before; by a look of the last second or two. */
  awayReason(): string | undefined {
    return this.#wasSeen ? this.#reasonNow() : undefined;
  }

  #reasonNow(): string | undefined {
    if (this.#looking === undefined && performance.now() - this.#lookedAtMs > lookEveryMs) {
      this.#looking = this.check()
        .catch(() => undefined)
        .finally(() => {
          this.#looking = undefined;
        });
    }
    return this.#reason;
  }

  /** @returns what the bucket is; undefined for a new one */
  async #look(): Promise<string | undefined> {
    this.#lookedAtMs = performance.now();
    try {
      const written = this.#known === undefined ? await readText(this.#rememberedPath) : undefined;
      const remembered = this.#known ?? written;
      const found = await readText(this.#path);
      if (remembered !== undefined && found !== remembered) {
        const why = found === undefined ? 'it has no' : 'it has another';
        throw new Failure(
          'unavailable',
          `the bucket's folder ${this.#root} is not the one that was there before (${why} ${this.#path}): is it mounted? ` +
            `To begin with another bucket remove ${this.#rememberedPath} and start again`,
        );
      }
      if (found !== undefined) await this.#remember(found, written !== undefined);
      this.#wasSeen = true;
      this.#reason = undefined;
      return found;
    } catch (error) {
      const { message } = error instanceof Error ? error : new Error(String(error));
      this.#reason = message;
      throw error instanceof Failure ? error : new Failure('unavailable', message, { cause: error });
    }
  }

  async #remember(found: string, isWritten: boolean): Promise<void> {
    this.#known = found;
    const mustWrite = !this.#isRemembered && !isWritten;
    // One look alone writes it.
    this.#isRemembered = true;
    if (!mustWrite) return;
    try {
      await writeWhole(realDisk, this.#rememberedPath, Buffer.from(found));
    } catch {
      // A full disk: nothing depends on it until the next start, and it is tried again with the next look.
      this.#isRemembered = false;
    }
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}
