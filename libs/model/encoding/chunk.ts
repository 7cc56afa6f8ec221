/**
 * Chunk encodings: their numbers are Prometheus' own (tsdb/chunkenc/chunk.go), and so are the bytes of a chunk.
 * A chunk here is the chunk data alone: no length, no encoding byte, no checksum around it.
 */
export const ChunkEncoding = {
  xor: 1,
  histogram: 2,
  floatHistogram: 3,
  xor2: 4,
  histogramSt: 5,
  floatHistogramSt: 6,
} as const;
export type ChunkEncoding = (typeof ChunkEncoding)[keyof typeof ChunkEncoding];
