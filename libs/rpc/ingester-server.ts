/**
 * IngesterContract for other processes: messages in, the contract asked, messages out.
 * Owns the way between the two, and that numbers of series are only taken in the epoch they were given in. Does not own the
 * link (serve-link.ts) nor the ingester. The other end: ingester-client.ts.
 */
import type { IngesterContract, IngesterStatusContract } from '../contracts/ingester.ts';
import type { Listed, SeriesSource } from '../series/series-source.ts';
import { decodePush, encodePushReply, encodeStaleRefs } from '../wire/peer/push-message.ts';
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
import { decodeStatusRequest, encodeStatus } from '../wire/peer/status-messages.ts';
import type { CallContext, CallHandlers } from './channel.ts';
import { IngesterCall } from './ingester-calls.ts';

/** Values of a list in one message. */
const valuesPerPiece = 2_000;

/** The calls of an ingester. */
export function ingesterHandlers(ingester: IngesterContract & IngesterStatusContract): CallHandlers {
  const push = async (request: Uint8Array): Promise<Uint8Array> => {
    const { batch, refEpoch } = decodePush(request);
    const ownEpoch = ingester.refEpoch();
    if (refEpoch !== 0 && refEpoch !== ownEpoch) return encodeStaleRefs(ownEpoch);
    // A row whose series was dropped has no labels here: the sender brings them with its next write.
    if (ingester.clearDropped(batch.tenant, batch.refs, batch.seriesCount) > 0) return encodeStaleRefs(ownEpoch);
    return encodePushReply(batch, await ingester.push(batch), ownEpoch);
  };
  const headStatus = async (request: Uint8Array, { signal }: CallContext): Promise<Uint8Array> => {
    const { tenant, countMax } = decodeStatusRequest(request);
    return encodeStatus(await ingester.headStatus(tenant, countMax, signal));
  };
  async function* select(request: Uint8Array, { signal }: CallContext): AsyncGenerator<Uint8Array> {
    const { tenant, query } = decodeSelect(request);
    const selected = await ingester.source(tenant).select(query, signal);
    yield* encodeLabelPieces(selected.labels, selected.warnings);
    for await (const batch of selected.chunks(signal)) yield encodeChunkPiece(batch);
  }
  const list = <T>(
    kind: ListKind<T>,
    read: (
      request: Uint8Array,
      sourceOf: (tenant: ReadTenant) => SeriesSource,
      signal: AbortSignal,
    ) => Promise<Listed<T>>,
  ) =>
    async function* (request: Uint8Array, { signal }: CallContext): AsyncGenerator<Uint8Array> {
      const { values, warnings } = await read(request, (tenant) => ingester.source(tenant), signal);
      yield kind.encode(values.slice(0, valuesPerPiece), warnings);
      for (let at = valuesPerPiece; at < values.length; at += valuesPerPiece) {
        yield kind.encode(values.slice(at, at + valuesPerPiece), []);
      }
    };
  return {
    asks: new Map([
      [IngesterCall.push, push],
      [IngesterCall.headStatus, headStatus],
    ]),
    streams: new Map([
      [IngesterCall.select, select],
      [
        IngesterCall.labelNames,
        list(textList, (request, sourceOf, signal) => {
          const { tenant, query } = decodeLabelQuery(request);
          return sourceOf(tenant).labelNames(query, signal);
        }),
      ],
      [
        IngesterCall.labelValues,
        list(textList, (request, sourceOf, signal) => {
          const { tenant, name, query } = decodeLabelQuery(request);
          return sourceOf(tenant).labelValues(name, query, signal);
        }),
      ],
      [
        IngesterCall.series,
        list(seriesList, (request, sourceOf, signal) => {
          const { tenant, query } = decodeLabelQuery(request);
          return sourceOf(tenant).series(query, signal);
        }),
      ],
      [
        IngesterCall.exemplars,
        list(exemplarList, (request, sourceOf, signal) => {
          const { tenant, query } = decodeLabelQuery(request);
          return sourceOf(tenant).exemplars(query, signal);
        }),
      ],
      [
        IngesterCall.metadata,
        list(metadataList, (request, sourceOf) => {
          const { tenant, metric, limit, limitPerMetric } = decodeMetadataQuery(request);
          return sourceOf(tenant).metadata(metric, limit, limitPerMetric);
        }),
      ],
    ]),
  };
}

type ReadTenant = Parameters<IngesterContract['source']>[0];
