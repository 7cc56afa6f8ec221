/**
 * What a store-gateway promises its callers, in model terms; carried in process or by libs/rpc/gateway-link.ts. Blocks are named by their ULIDs as
 * texts: the caller says which blocks an answer needs, the gateway that each was read, and nobody's idea of what is in the
 * bucket decides silently.
 */
import type { TenantId } from '../model/tenant-id.ts';
import type { SeriesSource } from '../series/series-source.ts';

/** What the reads of one source have cost so far. */
export interface BlockReads {
  /** Blocks that answered; a block that could not is an error of the read, which names it. */
  readonly blocks: readonly string[];
  /** Requests to the bucket, and bytes that came; without what a query worker reads from the files of a bucket that is a folder. */
  readonly requests: number;
  readonly bytes: number;
  /** Bytes that a cache had. */
  readonly cachedBytes: number;
}

export interface BlocksSource {
  /** Series come in the order of their labels. */
  readonly source: SeriesSource;
  reads(): BlockReads;
}

export interface StoreGatewayContract {
  /**
   * A source over exactly these blocks of a tenant. A block that the gateway does not know is opened by its name from the bucket.
   * Reads of the source throw a Failure that names the block: `not_found` where the bucket has it no more, `unavailable` where the
   * bucket is away, `internal` where the block is quarantined and no others hold the same samples.
   */
  source(tenant: TenantId, blocks: readonly string[]): BlocksSource;
}

/** What several reads have cost together. */
export function sumOfReads(all: readonly BlockReads[]): BlockReads {
  const sum = (field: 'requests' | 'bytes' | 'cachedBytes'): number =>
    all.reduce((total, one) => total + one[field], 0);
  return {
    blocks: [...new Set(all.flatMap(({ blocks }) => blocks))],
    requests: sum('requests'),
    bytes: sum('bytes'),
    cachedBytes: sum('cachedBytes'),
  };
}
