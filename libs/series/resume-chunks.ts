/**
 * The chunks of a selection that goes on elsewhere when it breaks off: from another selection of the same series, at the series
 * that has not come yet. Owns that no series comes twice. Does not own where else it is (the caller's `again`).
 */
import { type ChunkBatch, type LabelTable, type SelectedSeries, seriesCountOf } from './series-source.ts';

/**
 * @param again another selection after a failure; throws where there is none. One of other series is not gone on with
 */
export async function* resumedChunks(
  first: SelectedSeries,
  again: (error: unknown) => Promise<SelectedSeries>,
  signal: AbortSignal,
): AsyncGenerator<ChunkBatch> {
  let selected = first;
  let done = 0;
  for (;;) {
    try {
      for await (const batch of selected.chunks(signal)) {
        const rest = seriesFrom(batch, done);
        if (rest === undefined) continue;
        done = rest.firstSeries + rest.chunkBegin.length - 1;
        yield rest;
      }
      return;
    } catch (error) {
      signal.throwIfAborted();
      selected = await again(error);
      if (!isSameSeries(first.labels, selected.labels)) throw error;
    }
  }
}

/** What a batch has of the series from `series` on; undefined where that is nothing. */
function seriesFrom(batch: ChunkBatch, series: number): ChunkBatch | undefined {
  const skipped = series - batch.firstSeries;
  if (skipped <= 0) return batch;
  if (skipped >= batch.chunkBegin.length - 1) return undefined;
  const chunk = batch.chunkBegin[skipped] as number;
  const byte = batch.byteBegin[chunk] as number;
  return {
    firstSeries: series,
    chunkBegin: batch.chunkBegin.slice(skipped).map((begin) => begin - chunk),
    encoding: batch.encoding.slice(chunk),
    minT: batch.minT.slice(chunk),
    maxT: batch.maxT.slice(chunk),
    byteBegin: batch.byteBegin.slice(chunk).map((begin) => begin - byte),
    bytes: batch.bytes.slice(byte),
  };
}

/** Whoever reads the same blocks has the same series in the same order. */
function isSameSeries(a: LabelTable, b: LabelTable): boolean {
  const count = seriesCountOf(a);
  if (seriesCountOf(b) !== count) return false;
  for (let i = 0; i < count; i++) {
    const [setA, setB] = [a.setOf?.[i] ?? i, b.setOf?.[i] ?? i];
    const [fromA, fromB] = [a.begin[setA] as number, b.begin[setB] as number];
    const length = (a.begin[setA + 1] as number) - fromA;
    if ((b.begin[setB + 1] as number) - fromB !== length) return false;
    for (let j = 0; j < length; j++) {
      if (a.strings[a.refs[fromA + j] as number] !== b.strings[b.refs[fromB + j] as number]) return false;
    }
  }
  return true;
}
