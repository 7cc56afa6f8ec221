/**
 * A block in a folder of the local disk, opened to be asked: what the ingester answers from until its blocks are in the bucket.
 * Owns the open files, the lookup, which is loaded when first asked and let go by `release`, and when all series are worth keeping:
 * once queries have read a good part of them one by one.
 */
import { join } from 'node:path';
import type { SeriesSource } from '../../series/series-source.ts';
import type { Disk } from '../../std/disk.ts';
import type { RangeReader } from '../../std/range-reader.ts';
import { BlockSource } from './block-source.ts';
import { checkChunksHeader, chunksHeaderBytes } from './chunks-file.ts';
import { CorruptBlock } from './corrupt-block.ts';
import { seriesEnd } from './index-layout.ts';
import { IndexLookup } from './index-lookup.ts';
import type { BlockMeta } from './meta.ts';
import { type BlockFiles, openBlockFolder, symbolBytesMax } from './read-block.ts';
import { localGapBytes } from './read-ranges.ts';
import { SeriesColumns, type SeriesMemory } from './series-columns.ts';

/** All series are kept once queries have looked at so many of them: one in four. */
const keptFromPart = 1 / 4;

export interface LocalBlock extends AsyncDisposable {
  readonly meta: BlockMeta;
  readonly source: SeriesSource;
  /** Memory of the lookup and of kept series, 0 where nothing is loaded. */
  bytes(): number;
  /** Lets both go; they are loaded again when asked. */
  release(): void;
}

/**
 * Opens a block; disposing closes its files. Queries that run must have ended before.
 * @param memory where kept series are counted; without it none are kept
 * @throws Failure `bad_data` (meta.json), CorruptBlock (tombstones), or what the disk throws
 */
export async function openLocalBlock(disk: Disk, directory: string, memory?: SeriesMemory): Promise<LocalBlock> {
  const files = await openBlockFolder(disk, directory);
  const segments = new Map<number, Promise<RangeReader & Partial<AsyncDisposable>>>();
  const segment = (index: number): Promise<RangeReader> => {
    const open = segments.get(index) ?? openSegment(files, index);
    segments.set(index, open);
    // One that could not be opened may be there the next time.
    open.catch(() => segments.delete(index));
    return open;
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
  const { meta, index, tombstones } = files;
  const kept = memory === undefined ? undefined : new KeptSeries(memory, meta, lookup);
  const source = new BlockSource({
    lookup,
    index,
    ...(kept === undefined ? {} : { columns: (wanted: number) => kept.columns(wanted) }),
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
    bytes: () => (loaded?.bytes ?? 0) + (kept?.bytes ?? 0),
    release: () => {
      kept?.release();
      loading = undefined;
      loaded = undefined;
    },
    [Symbol.asyncDispose]: async () => {
      await kept?.end();
      for (const open of segments.values()) await (await open.catch(() => undefined))?.[Symbol.asyncDispose]?.();
      await files[Symbol.asyncDispose]();
    },
  };
}

/** The series of a block in memory: when they are read, what they may take, and that it is given back. */
class KeptSeries {
  readonly #memory: SeriesMemory;
  readonly #stats: BlockMeta['stats'];
  readonly #lookup: () => Promise<IndexLookup>;
  #reading: Promise<SeriesColumns | undefined> | undefined;
  /** Of those that are kept. */
  bytes = 0;
  #looked = 0;
  /** Counts readings and releases: a reading that is over when its turn is keeps nothing. */
  #turn = 0;
  #hasEnded = false;

  constructor(memory: SeriesMemory, { stats }: BlockMeta, lookup: () => Promise<IndexLookup>) {
    this.#memory = memory;
    this.#stats = stats;
    this.#lookup = lookup;
  }

  columns(wanted: number): Promise<SeriesColumns | undefined> {
    this.#looked += wanted;
    if (this.#reading !== undefined) return this.#reading;
    if (this.#hasEnded || wanted === 0 || this.#looked < this.#stats.numSeries * keptFromPart) return nothing;
    const turn = ++this.#turn;
    // Where it cannot be read, each query reads what it needs, and says what is wrong with that.
    this.#reading = this.#read(turn).catch(() => undefined);
    return this.#reading;
  }

  release(): void {
    this.#memory.giveBack(this.bytes);
    this.bytes = 0;
    this.#looked = 0;
    this.#reading = undefined;
    this.#turn++;
  }

  async end(): Promise<void> {
    this.#hasEnded = true;
    await this.#reading;
    this.release();
  }

  async #read(turn: number): Promise<SeriesColumns | undefined> {
    const { numSeries: series, numChunks: chunks } = this.#stats;
    const lookup = await this.#lookup();
    const { toc } = lookup.index;
    // The least that an entry takes is 7 bytes, a chunk 3, a label 2; nearly all labels take more.
    const labels = Math.max(0, Math.ceil((seriesEnd(toc) - toc.series - 7 * series - 3 * chunks) / 2));
    const reserved = SeriesColumns.bytesOf(lookup, series, chunks, labels);
    if (!this.#memory.reserve(reserved)) {
      // Asked for again when as much was looked at once more.
      if (this.#turn === turn) this.release();
      return undefined;
    }
    let kept = 0;
    try {
      const columns = await SeriesColumns.read(lookup, { series, chunks, labels }, new AbortController().signal);
      if (columns !== undefined && this.#turn === turn) {
        kept = SeriesColumns.bytesOf(lookup, columns.seriesCount, columns.chunkCount, columns.labelCount);
        this.bytes = kept;
      }
      return columns;
    } finally {
      this.#memory.giveBack(reserved - kept);
    }
  }
}

const nothing: Promise<undefined> = Promise.resolve(undefined);

async function openSegment(files: BlockFiles, index: number): Promise<RangeReader & Partial<AsyncDisposable>> {
  let reader: RangeReader & Partial<AsyncDisposable>;
  try {
    reader = await files.openSegment(index);
  } catch (cause) {
    if (typeof cause === 'object' && cause !== null && 'code' in cause && cause.code === 'ENOENT') {
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
