/**
 * What an ingester answers for one tenant: its head, and the blocks it cut that are not yet safe in the bucket.
 * Owns that none is missed while a range moves from one to the other: head and blocks are looked at in the same turn, a block
 * answers before its range is dropped, and blocks that were there when the source was made are asked whatever became of them. What
 * a block held that was set aside is not left out silently: the question fails and names it.
 */
import type { RecentSource } from '../../libs/contracts/ingester.ts';
import { Failure } from '../../libs/errors/failure.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import { mergeSources } from '../../libs/series/merge-sources.ts';
import type { SeriesSource } from '../../libs/series/series-source.ts';
import type { HeldBlock, LocalBlocks, MissingBlock } from '../../libs/tsdb/local-blocks.ts';

export type RecentBlocks = Pick<LocalBlocks, 'of' | 'missingFrom'>;

interface TimeSpan {
  readonly minT: number;
  readonly maxT: number;
}

export function recentSource(tenant: TenantId, head: SeriesSource, blocks: RecentBlocks): RecentSource {
  const known = blocks.of(tenant);
  const blocksOver = ({ minT, maxT }: TimeSpan): HeldBlock[] => {
    const missing = blocks.missingFrom(tenant, minT, maxT);
    if (missing !== undefined) throw missed(missing);
    return [...new Set<HeldBlock>([...known, ...blocks.of(tenant)])].filter((block) => block.overlaps(minT, maxT));
  };
  const sourceOver = (asked: readonly HeldBlock[]): SeriesSource =>
    mergeSources([head, ...asked.map(({ source }) => source)]);
  // The head is asked in the turn in which the blocks are chosen.
  const over = (span: TimeSpan): SeriesSource => sourceOver(blocksOver(span));
  return {
    blocks: known.map(({ meta }) => meta.ulid),
    select: async (query, signal) => over(query).select(query, signal),
    selectProjected: async (query, names, signal) => {
      const asked = blocksOver(query);
      const source = sourceOver(asked);
      const found = await (source.selectProjected?.(query, names, signal) ?? source.select(query, signal));
      // Here the head is asked when the blocks have answered: what left it meanwhile is in a block that was not asked.
      const isWhole = blocksOver(query).every((block) => asked.includes(block));
      return isWhole ? found : over(query).select(query, signal);
    },
    labelNames: async (query, signal) => over(query).labelNames(query, signal),
    labelValues: async (name, query, signal) => over(query).labelValues(name, query, signal),
    series: async (query, signal) => over(query).series(query, signal),
    exemplars: (query, signal) => head.exemplars(query, signal),
    metadata: (metric, limit, limitPerMetric) => head.metadata(metric, limit, limitPerMetric),
  };
}

function missed({ tenant, ulid, path }: MissingBlock): Failure {
  return new Failure(
    'internal',
    `block ${ulid} of tenant ${tenant} was damaged on the local disk, and no bucket index has been seen that has it: its samples are missing. ` +
      `It was set aside to ${path}: put it back repaired, or remove it there, and start again`,
  );
}
