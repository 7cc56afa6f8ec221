/** The ingester's slice of the configuration. */
import { bytes, type ValuesOf } from '../../libs/config/config-key.ts';

export const ingesterKeys = {
  walSegmentBytes: bytes(
    '128MiB',
    'Size at which a segment of the write-ahead log is closed; smaller ones can be dropped sooner.',
  ),
  snapshotBytes: bytes(
    '64MiB',
    'A snapshot of the head is written when the log has grown by this, and by the size of the snapshot before.',
  ),
} as const;

export type IngesterConfig = ValuesOf<typeof ingesterKeys>;
