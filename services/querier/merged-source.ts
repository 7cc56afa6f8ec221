/**
 * Recent samples and those of the bucket's blocks as one source of a tenant.
 * Owns that no sample is missed or doubled at the seam, whatever moves meanwhile: the ingester is always asked, first, and says which
 * blocks it answers for; all others that the bucket index names for the time are read. What stands in both is merged by whoever
 * decodes. Where no block belongs to a question the ingester's answer goes on as it is.
 */
import type { IngesterContract, ReadConsistency, RecentChangesContract } from '../../libs/contracts/ingester.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import { mergeSources } from '../../libs/series/merge-sources.ts';
import type { SeriesSource } from '../../libs/series/series-source.ts';
import { type BlockAccess, BucketSource } from './block-source.ts';
import type { ReadWitness } from './read-witness.ts';

export function mergedSource(
  tenant: TenantId,
  ingester: Pick<IngesterContract, 'source'>,
  access: BlockAccess,
  consistency: ReadConsistency,
): SeriesSource {
  const recent = ingester.source(tenant, consistency);
  return mergeSources([recent, new BucketSource(access, tenant, recent.blocks)]);
}

/** The same, whose selects tell what they rest on. */
export function witnessedSource(
  tenant: TenantId,
  ingester: Pick<RecentChangesContract, 'witnessedSource'>,
  access: BlockAccess,
  witness: ReadWitness,
): SeriesSource {
  const recent = ingester.witnessedSource(tenant, witness.onRecent);
  return mergeSources([recent, new BucketSource(access, tenant, recent.blocks, witness)]);
}
