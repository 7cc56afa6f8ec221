/**
 * What writes may take of the memory of the process, where the configuration says nothing else.
 * Owns the shares. Does not own what is counted against them.
 */
import type { DistributorConfig } from './config.ts';

const inflightShare = 1 / 8;
/** A request takes several times its bytes on its way: its columns, its labels, what is sent of it. */
const decompressedShare = 1 / 16;
const decompressedBytesMax = 256e6;
const aliasShare = 1 / 8;
const aliasBytesMax = 512e6;

export interface WriteMemory {
  readonly inflightBytesMax: number;
  readonly decompressedBytesMax: number;
  readonly aliasBytesMax: number;
}

/** What is set counts as it is; the rest are shares of the memory. */
export function writeMemory(
  config: Pick<DistributorConfig, 'maxInflightPushRequestsBytes' | 'maxDecompressedBytes' | 'aliasCacheBytes'>,
  usableBytes: number,
): WriteMemory {
  const atMost = (share: number, bytesMax: number): number => Math.floor(Math.min(usableBytes * share, bytesMax));
  return {
    inflightBytesMax: config.maxInflightPushRequestsBytes || usableBytes * inflightShare,
    decompressedBytesMax: config.maxDecompressedBytes || atMost(decompressedShare, decompressedBytesMax),
    aliasBytesMax: config.aliasCacheBytes || atMost(aliasShare, aliasBytesMax),
  };
}
