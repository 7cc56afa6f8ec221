/**
 * What damage took from the log and the snapshots: samples that were acknowledged and are nowhere any more. Nobody knows whose
 * they were, only about when they came; a question that they may have belonged to is answered with a warning.
 * Owns the notes of it, one a start that found damage: `damaged/<file>.lost.json`. They outlive restarts and are taken away by hand.
 * Does not own the search for damage (wal/replay.ts).
 */
import { basename, join } from 'node:path';
import type { SeriesSource } from '../series/series-source.ts';
import type { Disk } from '../std/disk.ts';
import { readWhole, writeWhole } from '../std/whole-file.ts';

const suffix = '.lost.json';

/** When what was lost was received, in milliseconds: from -Infinity where nothing says so. */
export interface LostSpan {
  readonly files: readonly string[];
  readonly receivedFromMs: number;
  readonly receivedToMs: number;
}

/** How far from its receipt a sample may lie, in milliseconds. */
export interface AcceptedAges {
  readonly pastMs: number;
  readonly aheadMs: number;
}

interface Note extends LostSpan {
  readonly path: string;
}

export class LostRecords {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #notes: Note[] = [];

  private constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  /** Reads the notes of earlier starts. One that cannot be read counts for all time. */
  static async open(disk: Disk, directory: string): Promise<LostRecords> {
    const lost = new LostRecords(disk, directory);
    for (const name of await disk.list(directory)) {
      if (!name.endsWith(suffix)) continue;
      const path = join(directory, name);
      lost.#notes.push({ ...parseNote(await readWhole(disk, path), name.slice(0, -suffix.length)), path });
    }
    return lost;
  }

  get isEmpty(): boolean {
    return this.#notes.length === 0;
  }

  /** From now on questions over the span are answered with a warning; `write` makes that outlive this process. */
  add(span: LostSpan): void {
    const path = join(this.#directory, `${basename(span.files[0] ?? 'log')}${suffix}`);
    // After a start that got no further than this there is one of the same file.
    const known = this.#notes.findIndex((note) => note.path === path);
    if (known >= 0) this.#notes.splice(known, 1);
    this.#notes.push({ ...span, path });
  }

  /** Writes the notes durably. @throws errors of the disk */
  async write(): Promise<void> {
    for (const { path, files, receivedFromMs, receivedToMs } of this.#notes) {
      const from = Number.isFinite(receivedFromMs) ? receivedFromMs : null;
      const text = `${JSON.stringify({ files: files.map((file) => basename(file)), receivedFromMs: from, receivedToMs })}\n`;
      await writeWhole(this.#disk, path, Buffer.from(text));
    }
  }

  /** The warning for a question over minT to maxT, both included; undefined where nothing of it can have been lost. */
  warningOver(minT: number, maxT: number, { pastMs, aheadMs }: AcceptedAges): string | undefined {
    const note = this.#notes.find(
      ({ receivedFromMs, receivedToMs }) => receivedFromMs - pastMs <= maxT && receivedToMs + aheadMs >= minT,
    );
    if (note === undefined) return undefined;
    return (
      `samples may be missing: ${note.files.map((file) => basename(file)).join(', ')} of the data folder could not be read whole, ` +
      `and what was received up to ${new Date(note.receivedToMs).toISOString()} was lost in part; remove ${note.path} and start again to end this warning`
    );
  }
}

function parseNote(bytes: Uint8Array | undefined, file: string): LostSpan {
  try {
    const note = JSON.parse(Buffer.from(bytes ?? []).toString()) as Partial<LostSpan>;
    const { files, receivedFromMs, receivedToMs } = note;
    if (Array.isArray(files) && typeof receivedToMs === 'number') {
      return { files: files.map(String), receivedFromMs: receivedFromMs ?? Number.NEGATIVE_INFINITY, receivedToMs };
    }
  } catch {
    // As one that says nothing.
  }
  return { files: [file], receivedFromMs: Number.NEGATIVE_INFINITY, receivedToMs: 8.64e15 };
}

/** A source whose answers carry `warningOver` their time. */
export function withLossWarning(
  source: SeriesSource,
  warningOver: (minT: number, maxT: number) => string | undefined,
): SeriesSource {
  const warned = <T extends { readonly warnings: readonly string[] }>(
    { minT, maxT }: { readonly minT: number; readonly maxT: number },
    answer: T,
  ): T => {
    const warning = warningOver(minT, maxT);
    return warning === undefined ? answer : { ...answer, warnings: [...answer.warnings, warning] };
  };
  const { selectProjected } = source;
  return {
    select: async (query, signal) => warned(query, await source.select(query, signal)),
    ...(selectProjected !== undefined && {
      selectProjected: async (query, names, signal) =>
        warned(query, await selectProjected.call(source, query, names, signal)),
    }),
    labelNames: async (query, signal) => warned(query, await source.labelNames(query, signal)),
    labelValues: async (name, query, signal) => warned(query, await source.labelValues(name, query, signal)),
    series: async (query, signal) => warned(query, await source.series(query, signal)),
    exemplars: async (query, signal) => warned(query, await source.exemplars(query, signal)),
    metadata: (metric, limit, limitPerMetric) => source.metadata(metric, limit, limitPerMetric),
  };
}
