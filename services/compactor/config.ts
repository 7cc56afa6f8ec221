/** The compactor's slice of the configuration. */
import { duration, integer, list, text, timer, type ValuesOf } from '../../libs/config/config-key.ts';

export const compactorKeys = {
  blockRanges: list('2h,12h,24h', 'Ranges that blocks are merged into, rising, each a multiple of the one before.'),
  compactionInterval: timer('5m', 'How often the bucket index is looked at for blocks to merge.'),
  cleanupInterval: timer(
    '15m',
    "How often a tenant's blocks are listed, its index rewritten, and what is due deleted.",
  ),
  deletionDelay: duration('12h', 'Time from the mark of a block to its deletion.'),
  tenantCleanupDelay: duration(
    '6h',
    'Time from the deletion of a tenant to that of its last object, its mark. Blocks that come until then are deleted as well.',
  ),
  partialBlockDeletionDelay: duration('1d', 'An upload that was not finished is deleted after this; 0 is never.'),
  firstLevelCompactionWaitPeriod: duration('25m', 'Time that a fresh block waits for others of its range.'),
  compactionRetries: integer(
    3,
    'Failures over the same damaged block after which it is marked and left alone.',
    1,
    100,
  ),
  dataDir: text('', 'Where the folder compactor for blocks under way is made; empty is the data folder.'),
} as const;

export type CompactorConfig = ValuesOf<typeof compactorKeys>;
