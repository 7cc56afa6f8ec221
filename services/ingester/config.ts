/** The ingester's slice of the configuration. */
import { bytes, duration, integer, timer, type ValuesOf } from '../../libs/config/config-key.ts';

export const ingesterKeys = {
  walSegmentBytes: bytes(
    '128MiB',
    'Size at which a segment of the write-ahead log is closed; smaller ones can be dropped sooner.',
  ),
  snapshotBytes: bytes(
    '64MiB',
    'A snapshot of the head is written when the log has grown by this, and by the size of the snapshot before.',
  ),
  instanceLimits: {
    maxTenants: integer(
      10_000,
      'Most tenants that may have samples in one ingester, some 18 KB each; a write that would begin one more is answered 503. One whose samples are all in blocks makes room. With ingest.log=kafka distributors keep it, each of what is written through it.',
      1,
    ),
  },
  shipInterval: timer(
    '30s',
    'How often it is looked for blocks to be uploaded, and for blocks that are safe in the bucket and may leave the disk.',
  ),
} as const;

/** The head's slice. */
export const headKeys = {
  cutDelay: duration(
    '1h',
    'How long after the end of a range of two hours its samples leave memory and the log for a block on the local disk.',
  ),
  idleDelay: duration(
    '5m',
    'What comes for a range after that time leaves memory when nothing came for so long, or after an hour.',
  ),
} as const;

export type HeadConfig = ValuesOf<typeof headKeys>;
export type IngesterConfig = ValuesOf<typeof ingesterKeys>;
