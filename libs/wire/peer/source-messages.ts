/**
 * What a reader asks of an ingester or a store-gateway beside chunks: requests, and lists in pieces.
 * Owns the way between the words of libs/series and the messages of proto/peer.proto.
 */
import { Failure } from '../../errors/failure.ts';
import { blankPairs, Labels } from '../../model/labels.ts';
import type { Matcher, MatcherType } from '../../model/matcher.ts';
import { type MetricMetadata, metricTypes } from '../../model/metadata.ts';
import { rawOfText, textOfRaw } from '../../model/raw-text.ts';
import { parseTenantId, type TenantId } from '../../model/tenant-id.ts';
import { bytesOfExemplars, bytesOfLabels, bytesOfMetadata, bytesOfText } from '../../series/list-memory.ts';
import type { SeriesShard } from '../../series/series-shard.ts';
import type { ExemplarSeries, LabelQuery, Listed, SelectQuery } from '../../series/series-source.ts';
import { codecOf, type MessageCodec } from './message-codec.ts';

interface MatcherMessage {
  readonly type: string;
  readonly name: Uint8Array;
  readonly value: Uint8Array;
  readonly matched?: { readonly values: readonly string[] } | null;
}

interface SelectMessage {
  readonly tenant: string;
  readonly matchers: readonly MatcherMessage[];
  readonly minT: number;
  readonly maxT: number;
  readonly blocks: readonly string[];
  readonly shard?: SeriesShard | null | undefined;
  readonly projection?: { readonly names: readonly string[] } | null | undefined;
}

interface LabelMessage {
  readonly tenant: string;
  readonly name: string;
  readonly selectors: readonly { readonly matchers: readonly MatcherMessage[] }[];
  readonly minT: number;
  readonly maxT: number;
  readonly limit: number;
  readonly blocks: readonly string[];
}

interface MetadataMessage {
  readonly tenant: string;
  readonly metric?: string;
  readonly limit: number;
  readonly limitPerMetric: number;
}

interface LabelsMessage {
  readonly pairs: readonly string[];
}

interface ListMessage {
  readonly texts?: readonly string[];
  readonly series?: readonly LabelsMessage[];
  readonly exemplars?: readonly {
    readonly labels: LabelsMessage | null;
    readonly exemplars: readonly {
      readonly labels: LabelsMessage | null;
      readonly value: number;
      readonly timestampMs: number;
    }[];
  }[];
  readonly metadata?: readonly {
    readonly metric: string;
    readonly type: number;
    readonly help: string;
    readonly unit: string;
  }[];
  readonly warnings?: readonly string[];
}

const selectCodec: MessageCodec<SelectMessage> = codecOf('SelectRequest');
const labelCodec: MessageCodec<LabelMessage> = codecOf('LabelRequest');
const metadataCodec: MessageCodec<MetadataMessage> = codecOf('MetadataRequest');
const listCodec: MessageCodec<ListMessage> = codecOf('ListPiece');

/**
 * @param blocks names of the blocks that a store-gateway is asked for; an ingester is told none
 * @param names of labels, where the others may be left out
 */
export function encodeSelect(
  tenant: TenantId,
  query: SelectQuery,
  blocks: readonly string[],
  names?: readonly string[],
): Uint8Array {
  const { minT, maxT, shard } = query;
  const matchers = query.matchers.map(matcherMessage);
  const projection = names === undefined ? undefined : { names };
  return selectCodec.encode({ tenant, matchers, minT, maxT, shard, blocks, projection });
}

/** The field of a shard, where there is one. @throws Failure `bad_data` where it is none */
export function shardField(shard: SeriesShard | null | undefined): { readonly shard?: SeriesShard } {
  if (shard === undefined || shard === null) return {};
  if (shard.index >= shard.count) throw new Failure('bad_data', `there is no shard ${shard.index} of ${shard.count}`);
  return { shard };
}

export function decodeSelect(bytes: Uint8Array): {
  readonly tenant: TenantId;
  readonly query: SelectQuery;
  readonly blocks: readonly string[];
  /** Absent: all labels. */
  readonly names?: readonly string[];
} {
  const { tenant, matchers, minT, maxT, blocks, shard, projection } = selectCodec.decode(bytes);
  const query = { matchers: matchers.map(matcherOf), minT, maxT, ...shardField(shard) };
  const names = projection === undefined || projection === null ? {} : { names: projection.names };
  return { tenant: parseTenantId(tenant), query, blocks, ...names };
}

/** @param blocks as encodeSelect */
export function encodeLabelQuery(
  tenant: TenantId,
  name: string,
  query: LabelQuery,
  blocks: readonly string[],
): Uint8Array {
  const { minT, maxT, limit } = query;
  const selectors = query.selectors.map((matchers) => ({ matchers: matchers.map(matcherMessage) }));
  return labelCodec.encode({ tenant, name, selectors, minT, maxT, limit, blocks });
}

export function decodeLabelQuery(bytes: Uint8Array): {
  readonly tenant: TenantId;
  readonly name: string;
  readonly query: LabelQuery;
  readonly blocks: readonly string[];
} {
  const { tenant, name, selectors, minT, maxT, limit, blocks } = labelCodec.decode(bytes);
  const query = { selectors: selectors.map(({ matchers }) => matchers.map(matcherOf)), minT, maxT, limit };
  return { tenant: parseTenantId(tenant), name, query, blocks };
}

export function encodeMetadataQuery(
  tenant: TenantId,
  metric: string | undefined,
  limit: number,
  limitPerMetric: number,
): Uint8Array {
  return metadataCodec.encode({ tenant, limit, limitPerMetric, ...(metric === undefined ? {} : { metric }) });
}

export function decodeMetadataQuery(bytes: Uint8Array): {
  readonly tenant: TenantId;
  readonly metric: string | undefined;
  readonly limit: number;
  readonly limitPerMetric: number;
} {
  const { tenant, metric, limit, limitPerMetric } = metadataCodec.decode(bytes);
  return { tenant: parseTenantId(tenant), metric, limit, limitPerMetric };
}

function matcherMessage({ type, name, value, values }: Matcher): MatcherMessage {
  const matched = values === undefined ? {} : { matched: { values } };
  return { type, name: rawOfText(name), value: rawOfText(value), ...matched };
}

function matcherOf({ type, name, value, matched }: MatcherMessage): Matcher {
  if (type !== '=' && type !== '!=' && type !== '=~' && type !== '!~') {
    throw new Failure('bad_data', `a peer asks with a matcher of type ${JSON.stringify(type)}`);
  }
  const known = matched === undefined || matched === null ? {} : { values: matched.values };
  return { type: type satisfies MatcherType, name: textOfRaw(name), value: textOfRaw(value), ...known };
}

/** A kind of list: how its values stand in a piece. */
export interface ListKind<T> {
  encode(values: readonly T[], warnings: readonly string[]): Uint8Array;
  decode(bytes: Uint8Array): Listed<T>;
  /** What a value that was decoded takes of memory beside the one before it, whose texts it may share. */
  bytesOf(value: T, before: T | undefined): number;
}

const labelsOf = (message: LabelsMessage | null): Labels => new Labels(message?.pairs ?? []);
const labelsMessage = (labels: Labels): LabelsMessage => ({ pairs: labels.pairs });

/** The same texts, those of the list before it where they are equal: each of a message is a text of its own. */
function sharedTexts(texts: readonly string[], before: readonly string[]): readonly string[] {
  const shared = blankPairs(texts.length);
  for (let i = 0; i < texts.length; i++) shared[i] = texts[i] === before[i] ? before[i] : texts[i];
  return shared;
}

export const textList: ListKind<string> = {
  encode: (texts, warnings) => listCodec.encode({ texts, warnings }),
  decode: (bytes) => {
    const { texts = [], warnings = [] } = listCodec.decode(bytes);
    return { values: texts, warnings };
  },
  bytesOf: bytesOfText,
};

export const seriesList: ListKind<Labels> = {
  encode: (values, warnings) => listCodec.encode({ series: values.map(labelsMessage), warnings }),
  decode: (bytes) => {
    const { series = [], warnings = [] } = listCodec.decode(bytes);
    let before: readonly string[] = [];
    const values = series.map(({ pairs }) => {
      before = sharedTexts(pairs, before);
      return new Labels(before);
    });
    return { values, warnings };
  },
  bytesOf: bytesOfLabels,
};

export const exemplarList: ListKind<ExemplarSeries> = {
  encode: (values, warnings) => {
    const exemplars = values.map(({ labels, exemplars }) => ({
      labels: labelsMessage(labels),
      exemplars: exemplars.map((one) => ({ ...one, labels: labelsMessage(one.labels) })),
    }));
    return listCodec.encode({ exemplars, warnings });
  },
  decode: (bytes) => {
    const { exemplars = [], warnings = [] } = listCodec.decode(bytes);
    const values = exemplars.map((one) => ({
      labels: labelsOf(one.labels),
      exemplars: one.exemplars.map((exemplar) => ({ ...exemplar, labels: labelsOf(exemplar.labels) })),
    }));
    return { values, warnings };
  },
  bytesOf: bytesOfExemplars,
};

export const metadataList: ListKind<MetricMetadata> = {
  encode: (values, warnings) => {
    const metadata = values.map((entry) => ({ ...entry, type: metricTypes.indexOf(entry.type) }));
    return listCodec.encode({ metadata, warnings });
  },
  decode: (bytes) => {
    const { metadata = [], warnings = [] } = listCodec.decode(bytes);
    return { values: metadata.map((entry) => ({ ...entry, type: metricTypes[entry.type] ?? 'unknown' })), warnings };
  },
  bytesOf: bytesOfMetadata,
};
