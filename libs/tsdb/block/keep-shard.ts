/** The series of a selection of a block that are in one shard of a query: the chunks of the others are never read. */
import { keepSeries, type SeriesShard, seriesOfShard } from '../../series/series-shard.ts';
import type { LabelTable } from '../../series/series-source.ts';
import type { SelectedChunks } from './series-selection.ts';

interface Selection {
  readonly labels: LabelTable;
  readonly chunks: SelectedChunks;
}

export function keepShard({ labels, chunks }: Selection, shard: SeriesShard): Selection {
  const kept = seriesOfShard(labels, shard);
  return { labels: keepSeries(labels, kept), chunks: keepChunks(chunks, kept) };
}

function keepChunks(chunks: SelectedChunks, kept: Uint32Array): SelectedChunks {
  const chunkBegin = new Uint32Array(kept.length + 1);
  for (let i = 0; i < kept.length; i++) {
    chunkBegin[i + 1] = chunkBegin[i] + chunks.chunkBegin[kept[i] + 1] - chunks.chunkBegin[kept[i]];
  }
  const ofKept = (column: Float64Array): Float64Array => {
    const own = new Float64Array(chunkBegin[kept.length]);
    for (let i = 0; i < kept.length; i++) {
      own.set(column.subarray(chunks.chunkBegin[kept[i]], chunks.chunkBegin[kept[i] + 1]), chunkBegin[i]);
    }
    return own;
  };
  return {
    place: kept.map((series) => chunks.place[series]),
    chunkBegin,
    minT: ofKept(chunks.minT),
    maxT: ofKept(chunks.maxT),
    ref: ofKept(chunks.ref),
    nextRef: ofKept(chunks.nextRef),
  };
}
