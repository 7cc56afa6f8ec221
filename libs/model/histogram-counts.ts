/**
 * Memory for the counts of histograms that live as long as a query: cut from larger pieces, because a typed array of a few hundred
 * bytes costs more to make than to fill. Not for what is kept: a piece lives while one of its parts does.
 */

const pieceLength = 1024;
/** So few numbers lie in the object itself, which is as cheap as it gets. */
const ownLengthMax = 8;

let piece = new Float64Array(pieceLength);
let used = 0;

/** A column of zeros. */
export function newCounts(length: number): Float64Array {
  if (length <= ownLengthMax || length > pieceLength / 4) return new Float64Array(length);
  if (used + length > pieceLength) {
    piece = new Float64Array(pieceLength);
    used = 0;
  }
  const begin = used;
  used += length;
  return piece.subarray(begin, used);
}

/** A copy of numbers [begin, end) of a column. */
export function copyCounts(column: Float64Array, begin: number, end: number): Float64Array {
  const counts = newCounts(end - begin);
  for (let i = 0; i < counts.length; i++) counts[i] = column[begin + i];
  return counts;
}
