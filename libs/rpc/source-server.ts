/**
 * A SeriesSource for other processes: messages in, the source asked, its answer in pieces.
 * Owns the way between the two. Does not own the link (serve-link.ts) nor the source. The other end: source-client.ts.
 */
import type { BlockReads } from '../contracts/store-gateway.ts';
import type { TenantId } from '../model/tenant-id.ts';
import type { HeldList, ListMemory } from '../series/list-memory.ts';
import type { Listed, SeriesSource } from '../series/series-source.ts';
import { encodeReadsPiece } from '../wire/peer/block-reads.ts';
import { encodeChunkPiece, encodeLabelPieces } from '../wire/peer/select-message.ts';
import {
  decodeLabelQuery,
  decodeMetadataQuery,
  decodeSelect,
  exemplarList,
  type ListKind,
  metadataList,
  seriesList,
  textList,
} from '../wire/peer/source-messages.ts';
import type { CallContext, CallHandlers } from './channel.ts';
import type { SourceCalls } from './source-calls.ts';

/** Values of a list in one message, and its bytes: a link takes no more than so many, and others wait behind it. */
const valuesPerPiece = 2_000;
const pieceBytesMax = 4 << 20;

export interface OpenedSource {
  readonly source: SeriesSource;
  /** What its reads have cost so far, where the caller is told. */
  readonly reads?: () => BlockReads;
}

/**
 * The calls of the sources that `open` makes of a tenant and of names of blocks, which only some callers give.
 * @param memory what lists hold until they are sent
 */
export function sourceStreams(
  calls: SourceCalls,
  open: (tenant: TenantId, blocks: readonly string[]) => OpenedSource,
  memory: ListMemory,
): CallHandlers['streams'] {
  async function* select(request: Uint8Array, { signal }: CallContext): AsyncGenerator<Uint8Array> {
    const { tenant, query, blocks, names } = decodeSelect(request);
    const { source, reads } = open(tenant, blocks);
    const projected = names === undefined ? undefined : source.selectProjected?.(query, names, signal);
    const selected = await (projected ?? source.select(query, signal));
    // Which blocks have answered is known before the caller goes on with the labels; what chunks cost, at the end.
    if (reads !== undefined) yield encodeReadsPiece(reads());
    yield* encodeLabelPieces(selected.labels, selected.warnings);
    for await (const batch of selected.chunks(signal)) yield encodeChunkPiece(batch);
    if (reads !== undefined) yield encodeReadsPiece(reads());
  }
  const list = <T, R extends { readonly tenant: TenantId; readonly blocks?: readonly string[] }>(
    kind: ListKind<T>,
    decode: (request: Uint8Array) => R,
    read: (request: R, source: SeriesSource, signal: AbortSignal, held: HeldList) => Promise<Listed<T>>,
  ) =>
    async function* (request: Uint8Array, { signal }: CallContext): AsyncGenerator<Uint8Array> {
      const decoded = decode(request);
      const { source, reads } = open(decoded.tenant, decoded.blocks ?? []);
      const held = memory.hold(decoded.tenant);
      try {
        const { values, warnings } = await read(decoded, source, signal, held);
        if (reads !== undefined) yield encodeReadsPiece(reads());
        yield* encodePieces(kind, values.slice(0, valuesPerPiece), warnings);
        for (let at = valuesPerPiece; at < values.length; at += valuesPerPiece) {
          yield* encodePieces(kind, values.slice(at, at + valuesPerPiece), []);
        }
      } finally {
        held.release();
      }
    };
  return new Map([
    [calls.select, select],
    [
      calls.labelNames,
      list(textList, decodeLabelQuery, ({ query }, source, signal, held) =>
        source.labelNames({ ...query, memory: held }, signal),
      ),
    ],
    [
      calls.labelValues,
      list(textList, decodeLabelQuery, ({ name, query }, source, signal, held) =>
        source.labelValues(name, { ...query, memory: held }, signal),
      ),
    ],
    [
      calls.series,
      list(seriesList, decodeLabelQuery, ({ query }, source, signal, held) =>
        source.series({ ...query, memory: held }, signal),
      ),
    ],
    [
      calls.exemplars,
      list(exemplarList, decodeLabelQuery, ({ query }, source, signal, held) =>
        source.exemplars({ ...query, memory: held }, signal),
      ),
    ],
    [
      calls.metadata,
      list(metadataList, decodeMetadataQuery, ({ metric, limit, limitPerMetric }, source) =>
        source.metadata(metric, limit, limitPerMetric),
      ),
    ],
  ]);
}

/** Values in as many messages as they need: label sets may be long. */
function* encodePieces<T>(kind: ListKind<T>, values: readonly T[], warnings: readonly string[]): Generator<Uint8Array> {
  const piece = kind.encode(values, warnings);
  if (piece.length <= pieceBytesMax || values.length < 2) {
    yield piece;
    return;
  }
  const half = values.length >> 1;
  yield* encodePieces(kind, values.slice(0, half), warnings);
  yield* encodePieces(kind, values.slice(half), []);
}
