/** The distributor's slice of the configuration. */
import { bytes, type ValuesOf } from '../../libs/config/config-key.ts';

export const distributorKeys = {
  maxInflightPushRequestsBytes: bytes(
    '0',
    'Bodies of write requests that may be in the process at once, as received; more are answered 503. One tenant may hold no more ' +
      'than he leaves for all others. 0 is an eighth of the memory of the machine or container.',
  ),
  maxDecompressedBytes: bytes(
    '0',
    'Most bytes that one write request may have after decompression; 0 is a sixteenth of the memory of the machine or container, and ' +
      '256MB at most. Whatever this is, it may bring 250,000 samples, 100,000 series and 50,000 histograms of 4,096 ranges of two hours at most; more are answered 413.',
  ),
  aliasCacheBytes: bytes(
    '0',
    'Memory for the bytes by which known series are recognised; series beyond it cost more time, nothing else. 0 is an eighth of the ' +
      'memory of the machine or container, and 512MB at most.',
  ),
} as const;

export type DistributorConfig = ValuesOf<typeof distributorKeys>;
