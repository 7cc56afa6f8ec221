/**
 * What the writer and the reader of an index share: the first and last bytes of the file (FORMAT.md).
 */
import { crc32c } from '../../model/encoding/crc32c.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import { ByteSource, ByteSourceError } from '../../std/byte-source.ts';
import { CorruptBlock } from './corrupt-block.ts';

export const indexMagic = 0xbaaad700;
export const indexVersion = 2;
export const indexHeaderBytes = 5;
export const checksumBytes = 4;
export const tocBytes = 52;
/** Series begin at multiples of it, so that postings hold their place in 32 bits. */
export const seriesAlignment = 16;

/** Where the sections of an index begin. */
export interface IndexToc {
  readonly symbols: number;
  readonly series: number;
  /** The end of the series, too: nobody writes label indices any more. */
  readonly labelIndices: number;
  readonly labelIndicesTable: number;
  /** Before the padding in front of the first list. */
  readonly postings: number;
  readonly postingsTable: number;
}

/** The last bytes of an index. */
export function encodeToc(toc: IndexToc): Uint8Array<ArrayBuffer> {
  const sink = new ByteSink(tocBytes);
  sink.writeUint64BigEndian(toc.symbols);
  sink.writeUint64BigEndian(toc.series);
  sink.writeUint64BigEndian(toc.labelIndices);
  sink.writeUint64BigEndian(toc.labelIndicesTable);
  sink.writeUint64BigEndian(toc.postings);
  sink.writeUint64BigEndian(toc.postingsTable);
  sink.writeUint32BigEndian(crc32c(sink.bytes, 0, sink.length));
  return sink.bytes.slice(0, sink.length);
}

/**
 * @param bytes the last tocBytes of the file
 * @param fileBytes its size
 * @throws CorruptBlock
 */
export function parseToc(name: string, bytes: Uint8Array, fileBytes: number): IndexToc {
  const offset = fileBytes - tocBytes;
  const source = new ByteSource(bytes);
  const end = tocBytes - checksumBytes;
  source.position = end;
  if (source.readUint32BigEndian() !== crc32c(bytes, 0, end)) {
    throw new CorruptBlock(name, offset, 'the checksum of the table of contents does not match');
  }
  source.position = 0;
  try {
    const toc: IndexToc = {
      symbols: source.readUint64BigEndian(),
      series: source.readUint64BigEndian(),
      labelIndices: source.readUint64BigEndian(),
      labelIndicesTable: source.readUint64BigEndian(),
      postings: source.readUint64BigEndian(),
      postingsTable: source.readUint64BigEndian(),
    };
    // Old writers left label indices between series and postings; without any, these may be 0.
    const order = [indexHeaderBytes, toc.symbols, toc.series, toc.postings, toc.postingsTable, offset];
    if (toc.labelIndices !== 0) order.splice(3, 0, toc.labelIndices);
    for (let i = 1; i < order.length; i++) {
      if ((order[i - 1] as number) > (order[i] as number)) {
        throw new CorruptBlock(name, offset, `sections of the index begin at ${order.slice(1).join(', ')}`);
      }
    }
    return toc;
  } catch (cause) {
    if (cause instanceof ByteSourceError) throw new CorruptBlock(name, offset, cause.message, cause);
    throw cause;
  }
}

/** Where the series end. */
export function seriesEnd(toc: IndexToc): number {
  return toc.labelIndices === 0 ? toc.postings : toc.labelIndices;
}
