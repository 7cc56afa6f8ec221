/**
 * What an ingester answers for one tenant: its head, and the blocks it cut that are not yet safe in the bucket.
 * Owns that none is missed while a range moves from one to the other: head and blocks are looked at in the same turn, a block
 * answers before its range is dropped, and blocks that were there when the source was made are asked whatever became of them.
 */
import type { RecentSource } from '../../libs/contracts/ingester.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import { mergeSources } from '../../libs/series/merge-sources.ts';
import type { SeriesSource } from '../../libs/series/series-source.ts';
import type { HeldBlock, LocalBlocks } from '../../libs/tsdb/local-blocks.ts';

interface TimeSpan {
  readonly minT: number;
  readonly maxT: number;
}

export function recentSource(tenant: TenantId, head: SeriesSource, blocks: Pick<LocalBlocks, 'of'>): RecentSource {
  const known = blocks.of(tenant);
  const blocksOver = ({ minT, maxT }: TimeSpan): HeldBlock[] =>
    [...new Set<HeldBlock>([...known, ...blocks.of(tenant)])].filter((block) => block.overlaps(minT, maxT));
  const sourceOver = (asked: readonly HeldBlock[]): SeriesSource =>
    mergeSources([head, ...asked.map(({ source }) => source)]);
  // The head is asked in the turn in which the blocks are chosen.
  const over = (span: TimeSpan): SeriesSource => sourceOver(blocksOver(span));
  return {
    blocks: known.map(({ meta }) => meta.ulid),
    select: (query, signal) => over(query).select(query, signal),
    selectProjected: async (query, names, signal) => {
      const asked = blocksOver(query);
      const source = sourceOver(asked);
      const found = await (source.selectProjected?.(query, names, signal) ?? source.select(query, signal));
      // Here the head is asked when the blocks have answered: what left it meanwhile is in a block that was not asked.
      const isWhole = blocksOver(query).every((block) => asked.includes(block));
      return isWhole ? found : over(query).select(query, signal);
    },
    labelNames: (query, signal) => over(query).labelNames(query, signal),
    labelValues: (name, query, signal) => over(query).labelValues(name, query, signal),
    series: (query, signal) => over(query).series(query, signal),
    exemplars: (query, signal) => head.exemplars(query, signal),
    metadata: (metric, limit, limitPerMetric) => head.metadata(metric, limit, limitPerMetric),
  };
}
