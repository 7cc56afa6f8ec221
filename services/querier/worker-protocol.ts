/**
 * What the main thread and a query worker say to each other.
 * Owns the message shapes and the words of the shared control array. Two ports carry them: jobs and their answers in one,
 * reads of series in the other, where the worker blocks until its reply is there. Every message carries the number of its
 * job, because a reply may arrive after the job it was for has ended.
 */
import type { Failure, FailureKind } from '../../libs/errors/failure.ts';
import type { ReadQuery } from '../../libs/series/series-reader.ts';
import type { ChunkBatch, LocatedChunks, PartTable, ReadCosts, SelectQuery } from '../../libs/series/series-source.ts';
import type { QueryRequest } from './query-request.ts';

/** Words of the Int32Array that both threads share. */
export const ControlWord = {
  /** Rises whenever there is something new for a worker that waits; the worker sleeps on it. */
  news: 0,
  /** Why the job must stop, a StopReason; 0 while it may go on. */
  stop: 1,
  /** How many chunks of the job's answer the client has taken. */
  taken: 2,
} as const;
export const controlWords = 3;

export const StopReason = { none: 0, canceled: 1, timeout: 2, unread: 3 } as const;
export type StopReason = (typeof StopReason)[keyof typeof StopReason];

/** An answer's chunks that may be under way to a client that reads slowly; then the worker waits. */
export const chunksUnderWayMax = 32;

/** Failures cross as data: a class would arrive as a plain Error. */
export interface FailureMessage {
  readonly kind: FailureKind;
  readonly message: string;
}

/** So many characters cross: a text of megabytes in an error, quoted, would keep the main thread for half a second. */
const messageLengthMax = 10_000;

export function failureMessage({ kind, message }: Failure): FailureMessage {
  const isLong = message.length > messageLengthMax;
  return { kind, message: isLong ? `${message.slice(0, messageLengthMax)}...` : message };
}

/** Main to worker, on the job port. */
export interface StartJob {
  readonly job: number;
  readonly request: QueryRequest;
  /** Whether the answer is wanted compressed. */
  readonly gzip: boolean;
  /** How long it has waited for this worker. */
  readonly queuedSeconds: number;
  /** What the main thread reads already, without being asked: selections 0, 1, ... */
  readonly early: readonly ReadQuery[];
}

/** What a job cost, for metrics. */
export interface JobStats {
  readonly samples: number;
}

/** Worker to main, on the job port: it has collected what its jobs have left, and still holds so much. */
export interface CollectedMessage {
  readonly kind: 'collected';
  readonly heldBytes: number;
}

/** Worker to main, on the job port. After `failed` or the last chunk the worker is free. */
export type JobMessage =
  | { readonly kind: 'chunk'; readonly job: number; readonly bytes: Uint8Array<ArrayBuffer>; readonly last: false }
  | {
      readonly kind: 'chunk';
      readonly job: number;
      readonly bytes: Uint8Array<ArrayBuffer>;
      readonly last: true;
      readonly stats: JobStats;
    }
  | { readonly kind: 'failed'; readonly job: number; readonly failure: FailureMessage };

const batchesAheadMax = 8;
/** Of all parts of a selection together: a batch may have megabytes, and a year of blocks has hundreds of parts. */
const batchesAheadTotal = 128;

/** Batches of one part of a selection that may be ahead of the worker. */
export function batchesAhead(parts: number): number {
  return Math.max(1, Math.min(batchesAheadMax, Math.floor(batchesAheadTotal / parts)));
}

/** How many of them it has taken when it asks for as many more. */
export function batchesPerRequest(parts: number): number {
  return Math.ceil(batchesAhead(parts) / 2);
}

/** Selections that are read before the worker asks. */
export const earlySelectsMax = 32;

/** Worker to main, on the read port. */
export type ReadRequest =
  /** Answered by strings, selected and of each part the first `batchesAhead`; those of early selections come unasked. */
  | { readonly kind: 'select'; readonly job: number; readonly selection: number; readonly query: ReadQuery }
  /** Answered by values. */
  | {
      readonly kind: 'values';
      readonly job: number;
      readonly selection: number;
      readonly name: string;
      readonly query: SelectQuery;
    }
  /** As many further batches of a part may come; of one that is located, from its begin on. */
  | {
      readonly kind: 'more';
      readonly job: number;
      readonly selection: number;
      readonly part: number;
      readonly count: number;
    }
  | { readonly kind: 'close'; readonly job: number; readonly selection: number };

/** A selection that was joined with others, or the only one. */
export interface SelectedPart {
  /** Whether its series come in the order of the whole. */
  readonly isSorted: boolean;
  /** In files that the worker reads itself: no batches come until they are asked for. */
  readonly located: LocatedChunks | undefined;
  /** Of a small one, all there is: no batches come. */
  readonly whole: ChunkBatch | undefined;
}

/** Main to worker, on the read port. Those of one selection come in order, those of several as they are ready. */
export type ReadReply =
  /** A slice of the strings of the label table; `selected` has the last one. */
  | { readonly kind: 'strings'; readonly job: number; readonly selection: number; readonly strings: readonly string[] }
  | {
      readonly kind: 'selected';
      readonly job: number;
      readonly selection: number;
      readonly strings: readonly string[];
      readonly begin: Uint32Array;
      readonly refs: Uint32Array;
      readonly setOf: Uint32Array | undefined;
      readonly warnings: readonly string[];
      readonly costs: ReadCosts | undefined;
      readonly parts: readonly SelectedPart[];
      /** How the parts are joined; undefined where there is one. */
      readonly table: PartTable | undefined;
    }
  /** A slice of the values of a label. */
  | {
      readonly kind: 'values';
      readonly job: number;
      readonly selection: number;
      readonly values: readonly string[];
      readonly last: boolean;
    }
  /** Undefined after the last one. */
  | {
      readonly kind: 'batch';
      readonly job: number;
      readonly selection: number;
      readonly part: number;
      readonly batch: ChunkBatch | undefined;
      /** Of the selection so far. */
      readonly costs: ReadCosts | undefined;
    }
  | { readonly kind: 'failed'; readonly job: number; readonly failure: FailureMessage };
