/**
 * Few large reads in place of many small ones: ranges that lie close together become one.
 * Owns what is close. A reader that makes requests has a plan of its own for larger gaps (RangeReader.plan); here only what a
 * page or a disk would read anyway is joined.
 */
import { Failure } from '../../errors/failure.ts';
import type { ByteRange, RangeReader } from '../../std/range-reader.ts';

/** A gap of so many bytes is cheaper to read than a read of a local file is to make. */
export const localGapBytes: number = 64 << 10;
const pieceBytesMax = 4 << 20;
/** Reads at once for one selection of a block, and what they may hold together. */
const piecesAtOnceMax = 32;
const bytesAtOnceMax = 16 << 20;

/** The items [firstItem, lastItem) begin in the range. */
export interface Piece extends ByteRange {
  readonly firstItem: number;
  readonly lastItem: number;
}

/**
 * Items [begin[i], end[i]) in rising order of `begin`, joined into pieces over gaps of up to `gapBytes`. The ends may be
 * estimates.
 */
export function joinRanges(begin: ArrayLike<number>, end: ArrayLike<number>, count: number, gapBytes: number): Piece[] {
  const pieces: Piece[] = [];
  let firstItem = 0;
  let pieceEnd = 0;
  for (let i = 0; i <= count; i++) {
    const joins =
      i > firstItem && i < count && begin[i] - pieceEnd <= gapBytes && end[i] - begin[firstItem] <= pieceBytesMax;
    if (i === firstItem && i < count) pieceEnd = end[i];
    else if (joins) pieceEnd = Math.max(pieceEnd, end[i]);
    else if (count > 0) {
      pieces.push({ begin: begin[firstItem], end: pieceEnd, firstItem, lastItem: i });
      firstItem = i;
      if (i < count) pieceEnd = end[i];
    }
  }
  return pieces;
}

/** Reads pieces, some at a time, and hands them out in their order. */
export async function* readPieces(
  reader: RangeReader,
  pieces: readonly Piece[],
  signal: AbortSignal,
): AsyncGenerator<{ readonly piece: Piece; readonly bytes: Uint8Array }> {
  const source = reader.plan?.(pieces) ?? reader;
  const [only] = pieces;
  if (pieces.length === 1 && only !== undefined) {
    yield { piece: only, bytes: await source.read(only.begin, only.end, signal) };
    return;
  }
  const stop = new AbortController();
  const stopped = AbortSignal.any([signal, stop.signal]);
  const reads: Promise<Uint8Array>[] = [];
  let bytesAhead = 0;
  try {
    for (let i = 0; i < pieces.length; i++) {
      while (reads.length < Math.min(pieces.length, i + piecesAtOnceMax)) {
        const { begin, end } = pieces[reads.length];
        if (reads.length > i && bytesAhead + end - begin > bytesAtOnceMax) break;
        bytesAhead += end - begin;
        const read = source.read(begin, end, stopped);
        // Its failure is told when its turn comes; before that nobody looks.
        read.catch(() => undefined);
        reads.push(read);
      }
      yield { piece: pieces[i], bytes: await reads[i] };
      reads[i] = released;
      bytesAhead -= pieces[i].end - pieces[i].begin;
    }
  } finally {
    stop.abort(noMoreWanted);
  }
}

/** Why reads that were begun ahead are given up. Made once: a reason of its own would cost every query a stack. */
export const noMoreWanted: Failure = new Failure('canceled', 'no more of it is wanted');
const released: Promise<Uint8Array> = Promise.resolve(new Uint8Array(0));
