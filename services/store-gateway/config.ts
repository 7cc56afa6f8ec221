/** The store-gateway's slice of the configuration. */
import { bytes, duration, integer, timer, type ValuesOf } from '../../libs/config/config-key.ts';

export const storeGatewayKeys = {
  cacheBytes: bytes('256MiB', "Memory for pieces of the bucket's blocks that were read."),
  indexMemoryBytes: bytes(
    '512MiB',
    'Memory for symbols, tables and series of blocks; those used longest ago are let go.',
  ),
  headerDiskBytes: bytes(
    '20GiB',
    "Disk, below the data folder, for headers of the bucket's blocks; those used longest ago are deleted.",
  ),
  headerPostingsBytes: bytes(
    '256MiB',
    'A header holds the postings of its block up to this; larger ones are read from the bucket, a round trip more a query.',
  ),
  replicationFactor: integer(
    2,
    'Store-gateways of a cluster that keep the header of a block at hand, in different zones where there are several; the same for queriers.',
    1,
    16,
  ),
  syncInterval: timer(
    '1m',
    "How often the bucket indexes of tenants that are in use are read, and new blocks' headers built.",
  ),
  quarantineRetry: duration('5m', 'A block that could not be read is tried again after this.'),
} as const;

export type StoreGatewayConfig = ValuesOf<typeof storeGatewayKeys>;
