/**
 * A frozen range on its way to whoever writes it: labels first, then chunks in the order he asks for.
 * Owns the copies, made in slices with turns of the event loop between them, so that pushes go on. The writer sorts: he has the
 * time. Goes to write-range.ts, in this thread or through cut-thread.ts in another.
 */
import type { ChunkBatch } from '../series/series-source.ts';
import { ByteSink } from '../std/byte-sink.ts';
import { nextTurn } from '../std/steps.ts';
import { copyBatch } from './head/copy-batch.ts';
import type { HeadRange } from './head/head-range.ts';
import type { SeriesTable } from './head/series-table.ts';

/** Labels of the next series. Pairs are numbered from 0 in the order in which they come, over all slices. */
export interface LabelSlice {
  /** New pairs, canonical: pair i of the slice is pairBytes[pairEnd[i - 1], pairEnd[i]). */
  readonly pairBytes: Uint8Array;
  readonly pairEnd: Uint32Array;
  /** Pairs of the series of the slice, in order of their names: series i has seriesPairs[seriesEnd[i - 1], seriesEnd[i]). */
  readonly seriesPairs: Uint32Array;
  readonly seriesEnd: Uint32Array;
}

export interface RangeFeed {
  /** Label sets of all series, in no order: a series is known by its place in it from then on. */
  labels(): AsyncIterable<LabelSlice>;
  /** Chunks of these series, in this order. */
  chunks(places: Uint32Array): AsyncIterable<ChunkBatch>;
}

const sliceSeries = 512;

export function feedOf(series: SeriesTable, range: HeadRange): RangeFeed {
  const ids = range.seriesIds();
  return {
    async *labels() {
      const placeOfPair = new Int32Array(series.pairCount + 1).fill(-1);
      let pairs = 0;
      const bytes = new ByteSink(1 << 14);
      for (let at = 0; at < ids.length; at += sliceSeries) {
        if (at > 0) await nextTurn();
        const end = Math.min(at + sliceSeries, ids.length);
        bytes.reset();
        const pairEnd: number[] = [];
        const seriesEnd = new Uint32Array(end - at);
        const seriesPairs: number[] = [];
        for (let i = at; i < end; i++) {
          const count = series.labelCount(ids[i]);
          for (let j = 0; j < count; j++) {
            const pair = series.pairAt(ids[i], j);
            let place = placeOfPair[pair];
            if (place < 0) {
              place = pairs++;
              placeOfPair[pair] = place;
              series.writePair(pair, bytes);
              pairEnd.push(bytes.length);
            }
            seriesPairs.push(place);
          }
          seriesEnd[i - at] = seriesPairs.length;
        }
        yield {
          pairBytes: bytes.bytes.slice(0, bytes.length),
          pairEnd: Uint32Array.from(pairEnd),
          seriesPairs: Uint32Array.from(seriesPairs),
          seriesEnd,
        };
      }
    },
    async *chunks(places) {
      const wanted = Uint32Array.from(places, (place) => ids[place]);
      for (let at = 0; at < wanted.length; ) {
        if (at > 0) await nextTurn();
        const batch = copyBatch(wanted, at, [range], Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
        at += batch.chunkBegin.length - 1;
        yield batch;
      }
    },
  };
}
