/** The distributor's slice of the configuration. */
import { bytes, type ValuesOf } from '../../libs/config/config-key.ts';

export const distributorKeys = {
  maxInflightPushRequestsBytes: bytes(
    '256MB',
    'Bodies of write requests that may be in the process at once, as received; more are answered 503.',
  ),
  maxDecompressedBytes: bytes('256MB', 'Most bytes that one write request may have after decompression.'),
  aliasCacheBytes: bytes(
    '512MB',
    'Memory for the bytes by which known series are recognised; series beyond it cost more time, nothing else.',
  ),
} as const;

export type DistributorConfig = ValuesOf<typeof distributorKeys>;
