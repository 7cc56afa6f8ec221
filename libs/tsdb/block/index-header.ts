/**
 * The header of a block that lies in a bucket: a file on local disk that holds its index without its series, so that a selection
 * needs no request for symbols, postings and tables. FORMAT.md draws it.
 * Owns the file: its building from few range reads, its checksum, and the reader that answers from it what it can. Lists of
 * postings are left in the bucket where they have more bytes than a maximum; then each selection reads its lists first.
 */
import { dirname } from 'node:path';
import { viewOf } from '../../model/encoding/bytes.ts';
import { crc32c } from '../../model/encoding/crc32c.ts';
import { mapBounded } from '../../std/bounded.ts';
import type { Disk } from '../../std/disk.ts';
import { type FileReader, memoryReader, openFileReader, type RangeReader } from '../../std/range-reader.ts';
import { nextTurn } from '../../std/steps.ts';
import { checksumBytes } from './index-layout.ts';
import { openIndex } from './index-reader.ts';

const magic = 0x4d534849;
const version = 1;
const fixedBytes = 36;
const pieceBytes = 8 << 20;
const piecesAtOnceMax = 4;
/** Read and checked before others get a turn. */
const checkedPerTurn = 1 << 20;
/** A header of so many bytes is held in memory as a whole. */
const smallBytesMax = 64 << 10;

/** The header cannot be used: it is built anew. Says nothing about the block. */
export class BadIndexHeader extends Error {
  override readonly name = 'BadIndexHeader';
}

/**
 * Builds the header of an index.
 * @param postingsBytesMax more bytes of postings stay where they are
 * @param makeRoom awaited with the bytes of the file before it is begun
 * @returns bytes of the file
 * @throws CorruptBlock where the index is none; what the reader or the disk throws
 */
export async function buildIndexHeader(
  index: RangeReader,
  disk: Disk,
  path: string,
  postingsBytesMax: number,
  signal: AbortSignal,
  makeRoom: (bytes: number) => Promise<void> = async () => {},
): Promise<number> {
  const { toc } = await openIndex(index, signal);
  const secondBegin = toc.postingsTable - toc.postings <= postingsBytesMax ? toc.postings : toc.postingsTable;
  const pieces: { begin: number; end: number; at: number }[] = [];
  let at = fixedBytes;
  for (const [begin, end] of [
    [0, toc.series],
    [secondBegin, index.size],
  ] as const) {
    for (let from = begin; from < end; from += pieceBytes) {
      const to = Math.min(end, from + pieceBytes);
      pieces.push({ begin: from, end: to, at });
      at += to - from;
    }
  }
  const bytesTotal = at + pieces.length * checksumBytes;
  await makeRoom(bytesTotal);
  const part = `${path}.part`;
  await disk.makeDirectory(dirname(path));
  await disk.remove(part);
  const file = await disk.open(part, 'create');
  try {
    const checksums = await mapBounded(pieces, piecesAtOnceMax, async (piece) => {
      const bytes = await index.read(piece.begin, piece.end, signal);
      await file.write(bytes, piece.at);
      return crc32c(bytes, 0, bytes.length);
    });
    // A checksum a piece: they come in any order.
    const end = new Uint8Array(pieces.length * checksumBytes);
    checksums.forEach((checksum, i) => {
      viewOf(end).setUint32(i * checksumBytes, checksum);
    });
    await file.write(end, at);
    await file.write(fixedPart(index.size, toc.series, secondBegin, crc32c(end, 0, end.length)), 0);
    await file.sync();
    await file.close();
  } catch (error) {
    await file.close().catch(() => undefined);
    // Nobody would count what it takes.
    await disk.remove(part).catch(() => undefined);
    throw error;
  }
  await disk.rename(part, path);
  return bytesTotal;
}

function fixedPart(indexBytes: number, firstEnd: number, secondBegin: number, endChecksum: number): Uint8Array {
  const bytes = new Uint8Array(fixedBytes);
  const view = viewOf(bytes);
  view.setUint32(0, magic);
  bytes[4] = version;
  view.setFloat64(8, indexBytes);
  view.setFloat64(16, firstEnd);
  view.setFloat64(24, secondBegin);
  view.setUint32(32, crc32c(bytes, 0, 32, endChecksum));
  return bytes;
}

/** An index of which a part is on local disk; disposing closes that file. */
export interface HeaderedIndex extends AsyncDisposable {
  /** The index: what the header has is read from it, everything else from `remote`. */
  reader(remote: RangeReader): RangeReader;
  /** Of the file. */
  readonly bytes: number;
  /** Of memory: all of a small one, of which no file stays open. */
  readonly heldBytes: number;
  /** Whether lists of postings are in it. */
  readonly hasPostings: boolean;
}

/**
 * Opens a header and checks it from its first byte to its last.
 * @param indexBytes of the index it must belong to
 * @throws BadIndexHeader; what the disk throws
 */
export async function openIndexHeader(
  disk: Disk,
  path: string,
  indexBytes: number,
  signal: AbortSignal,
): Promise<HeaderedIndex> {
  const file = await readSmall(await openFileReader(disk, path), signal);
  try {
    const layout = await checkHeader(file, indexBytes, signal);
    const { firstEnd, secondBegin } = layout;
    const secondAt = fixedBytes + firstEnd;
    return {
      bytes: file.size,
      heldBytes: isSmall(file.size) ? file.size : 0,
      hasPostings: layout.hasPostings,
      reader: (remote) => ({
        name: remote.name,
        size: indexBytes,
        async read(begin, end, stop, into) {
          if (end <= firstEnd) return readHeld(file, fixedBytes + begin, fixedBytes + end, stop, into);
          if (begin >= secondBegin && end <= indexBytes) {
            return readHeld(file, secondAt + begin - secondBegin, secondAt + end - secondBegin, stop, into);
          }
          return remote.read(begin, end, stop, into);
        },
        // Series are not here: what is planned for them is the other's to plan.
        plan(ranges) {
          const isRemote = ranges.every(({ begin, end }) => begin >= firstEnd && end <= secondBegin);
          return isRemote ? (remote.plan?.(ranges) ?? this) : this;
        },
      }),
      [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
    };
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}

const isSmall = (bytes: number): boolean => bytes <= smallBytesMax;

/** The file, in memory where it is small: a query of many small blocks opens each, and reads each at a dozen places. */
async function readSmall(file: FileReader, signal: AbortSignal): Promise<FileReader> {
  if (!isSmall(file.size)) return file;
  try {
    const { name, size } = file;
    return { ...memoryReader(name, await file.read(0, size, signal)), [Symbol.asyncDispose]: async () => undefined };
  } finally {
    await file[Symbol.asyncDispose]();
  }
}

/** Reads what was there when the header was opened. @throws BadIndexHeader */
async function readHeld(
  file: FileReader,
  begin: number,
  end: number,
  signal: AbortSignal,
  into: Uint8Array | undefined,
): Promise<Uint8Array> {
  try {
    return await file.read(begin, end, signal, into);
  } catch (cause) {
    signal.throwIfAborted();
    throw new BadIndexHeader(cause instanceof Error ? cause.message : file.name, { cause });
  }
}

async function checkHeader(
  file: FileReader,
  indexBytes: number,
  signal: AbortSignal,
): Promise<{ firstEnd: number; secondBegin: number; hasPostings: boolean }> {
  const bad = (reason: string): BadIndexHeader => new BadIndexHeader(`${file.name}: ${reason}`);
  if (file.size < fixedBytes) throw bad(`${file.size} bytes are too few`);
  const fixed = await file.read(0, fixedBytes, signal);
  const view = viewOf(fixed);
  if (view.getUint32(0) !== magic || fixed[4] !== version) throw bad('it is no header of this version');
  const firstEnd = view.getFloat64(16);
  const secondBegin = view.getFloat64(24);
  if (view.getFloat64(8) !== indexBytes) throw bad('it belongs to another index');
  if (!(firstEnd > 0 && firstEnd <= secondBegin && secondBegin < indexBytes)) throw bad('its parts make no sense');
  const lengths = [firstEnd, indexBytes - secondBegin];
  const pieces = lengths.reduce((sum, length) => sum + Math.ceil(length / pieceBytes), 0);
  const contentEnd = fixedBytes + firstEnd + indexBytes - secondBegin;
  if (file.size !== contentEnd + pieces * checksumBytes) throw bad(`${file.size} bytes are not all of it`);
  const end = await file.read(contentEnd, file.size, signal);
  if (crc32c(fixed, 0, 32, crc32c(end, 0, end.length)) !== view.getUint32(32)) throw bad('its checksum does not match');
  const memory = new Uint8Array(Math.min(checkedPerTurn, Math.max(...lengths)));
  let at = fixedBytes;
  let piece = 0;
  for (const length of lengths) {
    for (let done = 0; done < length; ) {
      let checksum = 0;
      for (const pieceEnd = Math.min(length, done + pieceBytes); done < pieceEnd; ) {
        const count = Math.min(checkedPerTurn, pieceEnd - done);
        const bytes = await file.read(at, at + count, signal, memory);
        checksum = crc32c(bytes, 0, count, checksum);
        at += count;
        done += count;
        await nextTurn();
      }
      if (checksum !== viewOf(end).getUint32(checksumBytes * piece++)) throw bad('a checksum does not match');
    }
  }
  const { toc } = await openIndex(sparse(file, firstEnd, secondBegin, indexBytes), signal);
  return { firstEnd, secondBegin, hasPostings: secondBegin === toc.postings };
}

/** Only what the file holds: enough for the table of contents. */
function sparse(file: FileReader, firstEnd: number, secondBegin: number, size: number): RangeReader {
  return {
    name: file.name,
    size,
    read: (begin, end, signal, into) =>
      begin >= secondBegin
        ? file.read(
            fixedBytes + firstEnd + begin - secondBegin,
            fixedBytes + firstEnd + end - secondBegin,
            signal,
            into,
          )
        : file.read(fixedBytes + begin, fixedBytes + end, signal, into),
  };
}
