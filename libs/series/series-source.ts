/**
 * The read river: the one interface that PromQL and the label APIs read from, whatever lies behind it (head, block, remote
 * ingester, store-gateway, several merged). Owns the shapes that cross it: columns and encoded chunks, never an object per
 * sample. Everything is bound to one tenant by whoever made the source. Times are whole milliseconds since the epoch.
 */
import type { Exemplar } from '../model/exemplar.ts';
import type { Labels } from '../model/labels.ts';
import type { Matcher } from '../model/matcher.ts';
import type { MetricMetadata } from '../model/metadata.ts';
import type { ByteAllowance } from '../std/inflight-bytes.ts';
import type { SeriesShard } from './series-shard.ts';

/** What a selector asks for. Both ends are inclusive: minT <= t <= maxT. */
export interface SelectQuery {
  readonly matchers: readonly Matcher[];
  readonly minT: number;
  readonly maxT: number;
  /** The series of this shard alone; the others are not read. */
  readonly shard?: SeriesShard | undefined;
  /** Where label tables of other processes are counted while they come; absent: nowhere. */
  readonly memory?: TableMemory | undefined;
}

/** What somebody may hold of label tables. */
export interface TableMemory {
  /** Texts lie in the heap, numbers beside it. @throws Failure where that is more than he may hold */
  take(textBytes: number, numberBytes: number): void;
  /** Gives back what was taken, of a table that nobody looks at any more. */
  give(textBytes: number, numberBytes: number): void;
}

/**
 * Label sets of many series with every distinct string once: series i has the pairs strings[refs[j]], strings[refs[j + 1]]
 * for j from begin[i] to begin[i + 1], sorted by name.
 */
export interface LabelTable {
  readonly strings: readonly string[];
  readonly begin: Uint32Array;
  readonly refs: Uint32Array;
  /** Where it is there, series i has the label set setOf[i] instead: series of a projection may share theirs. */
  readonly setOf?: Uint32Array | undefined;
}

/** How many series a label table is of. */
export function seriesCountOf({ begin, setOf }: LabelTable): number {
  return setOf?.length ?? begin.length - 1;
}

/**
 * Encoded chunks of consecutive series of a selection. Series `firstSeries + i` owns the chunks chunkBegin[i] to
 * chunkBegin[i + 1]; chunk c is bytes[byteBegin[c], byteBegin[c + 1]) in the encoding encoding[c] (libs/model/encoding/chunk.ts).
 * Chunks of a series are ordered by minT; they may overlap and may hold samples outside the asked range: the reader merges and clips.
 */
export interface ChunkBatch {
  readonly firstSeries: number;
  readonly chunkBegin: Uint32Array;
  readonly encoding: Uint8Array;
  readonly minT: Float64Array;
  readonly maxT: Float64Array;
  readonly byteBegin: Uint32Array;
  readonly bytes: Uint8Array;
}

/**
 * Chunks in the files of a block on this machine, for who would rather read files than be handed copies. Series i has the chunks
 * chunkBegin[i] to chunkBegin[i + 1]; the record of chunk c begins at ref[c]: the number of its file from 0, times 2^32, plus the offset
 * (libs/tsdb/block/chunks-file.ts).
 */
export interface LocatedChunks {
  /** The folder of the files 000001, 000002, ... */
  readonly directory: string;
  readonly chunkBegin: Uint32Array;
  readonly minT: Float64Array;
  readonly maxT: Float64Array;
  readonly ref: Float64Array;
  /** Of the chunk that comes next in the series, also one that was not selected; 0 after the last. */
  readonly nextRef: Float64Array;
  /** Bytes of a record, where `nextRef` does not tell where it ends. */
  readonly recordBytes: number;
}

/** Series s of a whole has the parts [partBegin[s], partBegin[s + 1]): each is series partSeries of selection partSource. */
export interface PartTable {
  readonly partBegin: Uint32Array;
  readonly partSource: Uint32Array;
  readonly partSeries: Uint32Array;
}

/** What a selection was joined from, for who would rather join the chunks itself (join-chunks.ts). */
export interface JoinedParts extends PartTable {
  readonly selections: readonly SelectedSeries[];
  /** Of each selection: whether its series come in the order of the whole. */
  readonly isSorted: readonly boolean[];
}

/** Series first, samples after: labels are known before the first chunk is read. */
export interface SelectedSeries {
  readonly labels: LabelTable;
  readonly warnings: readonly string[];
  /** Batches in series order, covering every series once. May be iterated once. */
  chunks(signal: AbortSignal): AsyncIterable<ChunkBatch>;
  /** Where what `chunks` hands out lies, if it lies in files as it is. */
  readonly located?: LocatedChunks;
  /** What `chunks` joins; then that of the selections may be asked in its place. */
  readonly parts?: JoinedParts;
  /** What its reads have cost so far; absent where they cost no requests. */
  costs?(): ReadCosts;
}

/** Requests to a bucket, what came of them, and what took none: a cache had it, or it lies in files of this machine. */
export interface ReadCosts {
  readonly blocks: number;
  readonly requests: number;
  readonly bytes: number;
  readonly cachedBytes: number;
}

export const noCosts: ReadCosts = { blocks: 0, requests: 0, bytes: 0, cachedBytes: 0 };

export function addCosts(a: ReadCosts, b: ReadCosts): ReadCosts {
  return {
    blocks: a.blocks + b.blocks,
    requests: a.requests + b.requests,
    bytes: a.bytes + b.bytes,
    cachedBytes: a.cachedBytes + b.cachedBytes,
  };
}

export interface LabelQuery {
  /** Each inner list is one match[] selector; a series counts if any of them matches. Empty: all series. */
  readonly selectors: readonly (readonly Matcher[])[];
  readonly minT: number;
  readonly maxT: number;
  /** 0 is no limit. */
  readonly limit: number;
  /** Where what is gathered is counted (list-memory.ts); absent: nowhere. */
  readonly memory?: ByteAllowance | undefined;
}

/** A list that may have been cut by a limit or be incomplete, and says so. */
export interface Listed<T> {
  readonly values: readonly T[];
  readonly warnings: readonly string[];
}

export interface ExemplarSeries {
  readonly labels: Labels;
  readonly exemplars: readonly Exemplar[];
}

/** Read side of one tenant. */
export interface SeriesSource {
  select(query: SelectQuery, signal: AbortSignal): Promise<SelectedSeries>;
  /**
   * As select, for somebody who looks at the labels of these names (sorted) alone: the others may be left out, and then series may have
   * equal label sets. All labels are there if any series has one called __type__ or __unit__, which are names that functions
   * take away.
   */
  readonly selectProjected?:
    | ((query: SelectQuery, names: readonly string[], signal: AbortSignal) => Promise<SelectedSeries>)
    | undefined;
  /** Distinct label names, sorted by UTF-8 bytes. */
  labelNames(query: LabelQuery, signal: AbortSignal): Promise<Listed<string>>;
  /** Distinct values of one label, sorted by UTF-8 bytes. */
  labelValues(name: string, query: LabelQuery, signal: AbortSignal): Promise<Listed<string>>;
  /** Label sets of the matching series, sorted. */
  series(query: LabelQuery, signal: AbortSignal): Promise<Listed<Labels>>;
  exemplars(query: LabelQuery, signal: AbortSignal): Promise<Listed<ExemplarSeries>>;
  /** `metric` undefined: all; limits of 0 or less: none. */
  metadata(metric: string | undefined, limit: number, limitPerMetric: number): Promise<Listed<MetricMetadata>>;
}
