/**
 * The files of a block, wherever they lie, and a scan over everything in it: what verifying, dumping and merging begin with.
 * Owns how the files of a local block are opened. Does not own selections by matcher: those never read a whole block.
 */
import { join } from 'node:path';
import type { ChunkEncoding } from '../../model/encoding/chunk.ts';
import { Labels } from '../../model/labels.ts';
import type { Disk } from '../../std/disk.ts';
import { openFileReader, type RangeReader } from '../../std/range-reader.ts';
import { ChunkScanner, type OpenSegment, segmentName } from './chunks-file.ts';
import { CorruptBlock } from './corrupt-block.ts';
import { openIndex, readSymbols, SeriesScanner } from './index-reader.ts';
import { type BlockMeta, metaBytesMax, parseMeta } from './meta.ts';
import type { Symbols } from './symbols.ts';
import { parseTombstones, type Tombstones, tombstonesBytesMax } from './tombstones.ts';

/** A block that can be read. */
export interface BlockFiles {
  readonly meta: BlockMeta;
  readonly index: RangeReader;
  readonly openSegment: OpenSegment;
  readonly tombstones: Tombstones;
}

/** More symbols than these are in no block that one machine wrote. */
export const symbolBytesMax: number = 1 << 30;
const indexWindowBytes = 1 << 20;
const chunksWindowBytes = 4 << 20;

/**
 * Opens the block in a local folder; disposing closes it.
 * @throws Failure `bad_data` (meta.json), CorruptBlock (tombstones), or what the disk throws
 */
export async function openBlockFolder(disk: Disk, path: string): Promise<BlockFiles & AsyncDisposable> {
  const meta = await readMeta(disk, path);
  const names = await disk.list(path);
  const tombstonesPath = join(path, 'tombstones');
  const tombstones: Tombstones = names.includes('tombstones')
    ? parseTombstones(tombstonesPath, await readSmall(disk, tombstonesPath, tombstonesBytesMax))
    : new Map();
  const index = await openFileReader(disk, join(path, 'index'));
  return {
    meta,
    index,
    tombstones,
    openSegment: (segment) => openFileReader(disk, join(path, 'chunks', segmentName(segment))),
    [Symbol.asyncDispose]: () => index[Symbol.asyncDispose](),
  };
}

/** meta.json of the block in a local folder. @throws as openBlockFolder */
export async function readMeta(disk: Disk, path: string): Promise<BlockMeta> {
  const metaPath = join(path, 'meta.json');
  return parseMeta(metaPath, await readSmall(disk, metaPath, metaBytesMax));
}

async function readSmall(disk: Disk, path: string, bytesMax: number): Promise<Uint8Array> {
  await using reader = await openFileReader(disk, path);
  if (reader.size > bytesMax) throw new CorruptBlock(path, 0, `${reader.size} bytes are too many`);
  return reader.read(0, reader.size, new AbortController().signal);
}

/** A series of a scan with its chunks. Everything in it is valid until the next one is asked for. */
export interface BlockSeries {
  readonly labels: Labels;
  /** What postings and tombstones call it. */
  readonly place: number;
  readonly chunkCount: number;
  readonly minT: Float64Array;
  readonly maxT: Float64Array;
  /** Chunk c is bytes[byteBegin[c], byteEnd[c]). */
  readonly encoding: Uint8Array;
  readonly byteBegin: Uint32Array;
  readonly byteEnd: Uint32Array;
  readonly bytes: Uint8Array;
}

/**
 * All series of a block in the order of their labels, with all chunks, checksums checked, tombstones not applied.
 * @throws CorruptBlock, or what the readers throw
 */
export async function* readBlockSeries(files: BlockFiles, signal: AbortSignal): AsyncGenerator<BlockSeries> {
  const index = await openIndex(files.index, signal);
  const symbols = await readSymbols(index, symbolBytesMax, signal);
  const scanner = new SeriesScanner(index, indexWindowBytes, signal);
  const chunks = new ChunkScanner(files.openSegment, chunksWindowBytes, signal);
  const texts = new SymbolTexts(files.index.name, symbols);
  const { entry } = scanner;
  let encoding = new Uint8Array(64);
  let byteBegin = new Uint32Array(64);
  let byteEnd = new Uint32Array(64);
  let bytes = new Uint8Array(1 << 16);
  try {
    while (scanner.next() || (await scanner.fill())) {
      if (encoding.length < entry.chunkCount) {
        encoding = new Uint8Array(entry.chunkCount * 2);
        byteBegin = new Uint32Array(entry.chunkCount * 2);
        byteEnd = new Uint32Array(entry.chunkCount * 2);
      }
      let used = 0;
      for (let i = 0; i < entry.chunkCount; i++) {
        const ref = entry.ref[i];
        if (!chunks.find(ref)) await chunks.load(ref);
        const { record } = chunks;
        record.check(chunks.fileName, chunks.bytes, ref);
        const length = record.dataEnd - record.dataBegin;
        if (used + length > bytes.length) {
          const grown = new Uint8Array((used + length) * 2);
          grown.set(bytes.subarray(0, used));
          bytes = grown;
        }
        bytes.set(chunks.bytes.subarray(record.dataBegin, record.dataEnd), used);
        encoding[i] = record.encoding satisfies ChunkEncoding;
        byteBegin[i] = used;
        byteEnd[i] = used + length;
        used += length;
      }
      const labels = new Labels(texts.pairsOf(entry.refs, entry.refCount, scanner.offset));
      const { place } = scanner;
      const { chunkCount, minT, maxT } = entry;
      yield { labels, place, chunkCount, minT, maxT, encoding, byteBegin, byteEnd, bytes };
    }
  } finally {
    await chunks.close();
  }
}

/** Symbols as texts; the names, which come again and again, are kept. */
class SymbolTexts {
  readonly #file: string;
  readonly #symbols: Symbols;
  readonly #names = new Map<number, string>();
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  constructor(file: string, symbols: Symbols) {
    this.#file = file;
    this.#symbols = symbols;
  }

  pairsOf(refs: Uint32Array, refCount: number, offset: number): string[] {
    const pairs: string[] = [];
    for (let i = 0; i < refCount; i += 2) {
      let name = this.#names.get(refs[i]);
      if (name === undefined) {
        name = this.#text(refs[i], offset);
        this.#names.set(refs[i], name);
      }
      pairs.push(name, this.#text(refs[i + 1], offset));
    }
    return pairs;
  }

  #text(ref: number, offset: number): string {
    if (ref >= this.#symbols.count)
      throw new CorruptBlock(this.#file, offset, `a series has symbol ${ref}, which is none`);
    const begin = this.#symbols.offset(ref + 1);
    return this.#decoder.decode(this.#symbols.page(ref + 1).subarray(begin, begin + this.#symbols.length(ref + 1)));
  }
}
