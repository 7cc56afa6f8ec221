/** What the meta.json of a merge says of its sources, as Prometheus' and Mimir's merges do. */
import type { BlockCompaction, BlockMeta, BlockMetaExtras } from './meta.ts';

export function mergedExtras(metas: readonly BlockMeta[]): BlockMetaExtras {
  const sources = new Set(metas.flatMap(({ compaction }) => compaction.sources));
  const hints = metas[0].compaction.hints.filter((hint) =>
    metas.every(({ compaction }) => compaction.hints.includes(hint)),
  );
  const compaction: Partial<BlockCompaction> = {
    level: Math.max(...metas.map(({ compaction: { level } }) => level)) + 1,
    sources: [...sources].sort(),
    parents: metas.map(({ ulid, minTime, maxTime }) => ({ ulid, minTime, maxTime })),
    hints,
  };
  const labels = new Map(
    [...metas[0].thanos.labels].filter(([name, value]) =>
      metas.every(({ thanos }) => thanos.labels.get(name) === value),
    ),
  );
  return {
    minTime: Math.min(...metas.map(({ minTime }) => minTime)),
    maxTime: Math.max(...metas.map(({ maxTime }) => maxTime)),
    compaction,
    thanos: { labels, source: 'compactor', resolutionMs: metas[0].thanos.resolutionMs },
  };
}
