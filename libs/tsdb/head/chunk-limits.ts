/**
 * When a chunk is full: Prometheus' rules (tsdb/head_append.go, appendPreprocessor and histogramsAppendPreprocessor), so that
 * our blocks have chunks of the size its readers are made for. Pure numbers; times in milliseconds from the begin of a range.
 */

/** Samples that a float chunk aims at. */
export const chunkSamplesTarget = 120;
/** A float chunk with more bytes takes no further sample. */
export const floatChunkBytesMax = 1005;
export const histogramChunkBytesTarget = 1024;
/** A histogram chunk takes as many, whatever their size. */
export const histogramChunkSamplesMin = 10;

/**
 * When a chunk should end that is full to `1 / ratioToFull` now, so that the chunks up to `end` are about equal.
 * Source: computeChunkEndTime in tsdb/head_append.go.
 */
export function chunkEndTime(start: number, now: number, end: number, ratioToFull: number): number {
  const chunks = (end - start) / ((now - start + 1) * ratioToFull);
  if (chunks <= 1) return end;
  return Math.trunc(start + (end - start) / Math.floor(chunks));
}
