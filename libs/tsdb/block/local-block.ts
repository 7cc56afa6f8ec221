/**
 * A block in a folder of the local disk, opened to be asked: what the ingester answers from until its blocks are in the bucket.
 * Owns the open files, and the lookup, which is loaded when first asked and let go by `release`.
 */
import { join } from 'node:path';
import { bytesOfTexts } from '../../series/list-memory.ts';
import type { SeriesSource } from '../../series/series-source.ts';
import { type Disk, errorCode } from '../../std/disk.ts';
import type { KeptReads } from '../../std/kept-reads.ts';
import type { RangeReader } from '../../std/range-reader.ts';
import type { RecentlyUsed } from '../../std/recently-used.ts';
import { BlockSource } from './block-source.ts';
import { checkChunksHeader, chunksHeaderBytes } from './chunks-file.ts';
import { CorruptBlock } from './corrupt-block.ts';
import { IndexLookup } from './index-lookup.ts';
import { KeptSeries } from './kept-series.ts';
import type { BlockMeta } from './meta.ts';
import { type BlockFiles, openBlockFolder, symbolBytesMax } from './read-block.ts';
import { localGapBytes } from './read-ranges.ts';
import type { SeriesMemory } from './series-columns.ts';

export interface LocalBlock extends AsyncDisposable {
  readonly meta: BlockMeta;
  readonly source: SeriesSource;
  /** Memory of the lookup and of kept series, 0 where nothing is loaded. */
  bytes(): number;
  /** Lets both go; they are loaded again when asked. */
  release(): void;
}

/** Memory that the blocks of a process share. */
export interface BlockMemory {
  /** Where kept series are counted; without it none are kept. */
  readonly series?: SeriesMemory;
  readonly reads?: KeptReads;
  /** Values of labels, by folder and name. */
  readonly lists?: RecentlyUsed<readonly string[]>;
}

/**
 * Opens a block; disposing closes its files. Queries that run must have ended before.
 * @throws Failure `bad_data` (meta.json), CorruptBlock (tombstones), or what the disk throws
 */
export async function openLocalBlock(disk: Disk, directory: string, memory: BlockMemory = {}): Promise<LocalBlock> {
  const files = await openBlockFolder(disk, directory);
  const kept = (reader: RangeReader): RangeReader => memory.reads?.readerOf(reader) ?? reader;
  const segments = new Map<
    number,
    { readonly open: ReturnType<typeof openSegment>; readonly reader: Promise<RangeReader> }
  >();
  const segment = (index: number): Promise<RangeReader> => {
    const known = segments.get(index);
    if (known !== undefined) return known.reader;
    const open = openSegment(files, index);
    const reader = open.then(kept);
    segments.set(index, { open, reader });
    // One that could not be opened may be there the next time.
    reader.catch(() => segments.delete(index));
    return reader;
  };
  let loading: Promise<IndexLookup> | undefined;
  let loaded: IndexLookup | undefined;
  const lookup = (): Promise<IndexLookup> => {
    // Many queries may wait for it: none of them alone stops it.
    loading ??= IndexLookup.load(files.index, symbolBytesMax, new AbortController().signal).then(
      (done) => {
        loaded = done;
        return done;
      },
      (error: unknown) => {
        loading = undefined;
        throw error;
      },
    );
    return loading;
  };
  const lists = {
    get: (name: string) => memory.lists?.get(`${directory} ${name}`),
    set: (name: string, values: readonly string[]): boolean =>
      memory.lists?.set(`${directory} ${name}`, values, bytesOfTexts(values)) ?? false,
  };
  const { meta, tombstones } = files;
  const series = memory.series === undefined ? undefined : new KeptSeries(memory.series, meta.stats, lookup);
  const source = new BlockSource({
    lookup,
    index: kept(files.index),
    ...(series === undefined ? {} : { columns: (wanted: number) => series.columns(wanted) }),
    lists,
    segment,
    tombstones,
    directory: join(directory, 'chunks'),
    gapBytes: localGapBytes,
    seriesCount: meta.stats.numSeries,
    chunkBytesAverage: averageChunkBytes(meta),
    minTime: meta.minTime,
    maxTime: meta.maxTime,
  });
  return {
    meta,
    source,
    bytes: () => (loaded?.bytes ?? 0) + (series?.bytes ?? 0),
    release: () => {
      series?.release();
      loading = undefined;
      loaded = undefined;
    },
    [Symbol.asyncDispose]: async () => {
      await series?.end();
      for (const { open } of segments.values()) await (await open.catch(() => undefined))?.[Symbol.asyncDispose]?.();
      await files[Symbol.asyncDispose]();
    },
  };
}

async function openSegment(files: BlockFiles, index: number): Promise<RangeReader & Partial<AsyncDisposable>> {
  let reader: RangeReader & Partial<AsyncDisposable>;
  try {
    reader = await files.openSegment(index);
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') {
      throw new CorruptBlock(files.index.name, 0, `it refers to chunk file ${index + 1}, which is missing`, cause);
    }
    throw cause;
  }
  const header = await reader.read(0, Math.min(chunksHeaderBytes, reader.size), new AbortController().signal);
  checkChunksHeader(reader.name, header);
  return reader;
}

/** Bytes of a chunk record, as far as meta.json tells; else 0. */
function averageChunkBytes({ stats, thanos }: BlockMeta): number {
  let bytes = 0;
  for (const { relPath, sizeBytes = 0 } of thanos.files) if (relPath.startsWith('chunks/')) bytes += sizeBytes;
  return stats.numChunks > 0 ? bytes / stats.numChunks : 0;
}
