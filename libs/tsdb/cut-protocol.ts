/**
 * What the main thread and the thread that writes blocks say to each other, on one port. One range at a time.
 */
import type { ChunkBatch } from '../series/series-source.ts';
import type { BlockMeta, CutFrom } from './block/meta.ts';
import type { Ulid } from './block/ulid.ts';
import type { LabelSlice } from './range-feed.ts';

/** Main to worker. */
export type CutRequest =
  | {
      readonly kind: 'write';
      readonly directory: string;
      readonly ulid: Ulid;
      readonly cutFrom: CutFrom;
      readonly withStartTimes: boolean;
    }
  /** Undefined after the last one. */
  | { readonly kind: 'labels'; readonly slice: LabelSlice | undefined }
  | { readonly kind: 'chunks'; readonly batch: ChunkBatch | undefined };

/** Worker to main. */
export type CutReply =
  | { readonly kind: 'wantLabels' }
  /** One more slice or batch may come. */
  | { readonly kind: 'more' }
  | { readonly kind: 'wantChunks'; readonly places: Uint32Array<ArrayBuffer> }
  | { readonly kind: 'written'; readonly meta: BlockMeta }
  | { readonly kind: 'failed'; readonly message: string; readonly code: string | undefined };

/** Slices or batches that are ahead of the worker. */
export const piecesAheadMax = 4;
