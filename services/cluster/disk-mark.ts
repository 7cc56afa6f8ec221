/**
 * What the bucket remembers of an ingester's disk, `~maru/disks/<zone>/<instance>.json`: how far its log was, written every few seconds.
 * Owns that a data folder which was set back to an earlier state (a backup, a snapshot of the volume) is known for it: it lacks what came after,
 * and nothing on the disk itself says so. What it cannot see is a folder that is younger than the last mark.
 */
import { Failure } from '../../libs/errors/failure.ts';
import type { Bucket } from '../../libs/object-store/bucket.ts';

interface DiskMark {
  /** Of the data folder. */
  readonly incarnation: string;
  /** Sequence number of the newest durable record of its log. */
  readonly position: number;
}

const everyMs = 10_000;
const callMs = 10_000;
const bytesMax = 1 << 16;

/** Writes marks while `position` rises; failures are left to the next one. */
export class DiskMarker {
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> | undefined;
  #marked = 0;

  constructor(bucket: Bucket, key: string, incarnation: string, position: () => number | undefined) {
    const mark = async (): Promise<void> => {
      const now = position();
      if (now === undefined || now <= this.#marked) return;
      const bytes = new TextEncoder().encode(JSON.stringify({ incarnation, position: now } satisfies DiskMark));
      await bucket.put(key, bytes, { signal: AbortSignal.timeout(callMs) });
      this.#marked = now;
    };
    this.#timer = setInterval(() => {
      this.#running ??= mark()
        .catch(() => undefined)
        .finally(() => {
          this.#running = undefined;
        });
    }, everyMs);
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }
}

export function diskMarkKey({ instance, zone }: { readonly instance: string; readonly zone: string }): string {
  return `~maru/disks/${encodeURIComponent(zone)}/${encodeURIComponent(instance)}.json`;
}

/** The last mark; undefined where there is none, or none that can be understood. @throws Failure `unavailable` */
export async function readDiskMark(bucket: Bucket, key: string): Promise<DiskMark | undefined> {
  try {
    const { bytes } = await bucket.get(key, { bytesMax, signal: AbortSignal.timeout(callMs) });
    const mark = JSON.parse(new TextDecoder().decode(bytes)) as Partial<DiskMark> | null;
    const { incarnation, position } = mark ?? {};
    if (typeof incarnation !== 'string' || !Number.isSafeInteger(position)) return undefined;
    return { incarnation, position: position as number };
  } catch (error) {
    if (error instanceof SyntaxError || (error instanceof Failure && error.kind === 'not_found')) return undefined;
    throw error;
  }
}
