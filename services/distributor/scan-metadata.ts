/**
 * Metadata of a request as the model has it: text, cut to its limit. Cold: senders repeat it rarely (v1) or it is told
 * from the last request's by its symbols (v2). Invalid UTF-8 makes an entry of metadata void, never the request.
 */
import { Failure } from '../../libs/errors/failure.ts';
import { metricName } from '../../libs/model/labels.ts';
import type { MetricMetadata } from '../../libs/model/metadata.ts';
import type { SeriesAliases } from '../../libs/wire/series-aliases.ts';
import { type WriteScan, wireMetricTypes } from '../../libs/wire/write-scan.ts';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The metadata list of a v1 request. */
export function scanMetadataV1(scan: WriteScan, lengthMax: number): MetricMetadata[] {
  const entries: MetricMetadata[] = [];
  for (const entry of scan.metadata) {
    const metric = textOf(scan, entry.metricBegin, entry.metricEnd);
    const help = textOf(scan, entry.helpBegin, entry.helpEnd);
    const unit = textOf(scan, entry.unitBegin, entry.unitEnd);
    const made = metadataOf(metric, entry.type, help, unit, lengthMax);
    if (made !== undefined) entries.push(made);
  }
  return entries;
}

/**
 * Metadata of the v2 series that came with other metadata than last time. `of[i]` is the alias of series i, 0 for none.
 * Series of one metric mostly stand together: what says the same as the one before is said once.
 * @param changed takes the aliases of these series
 * @throws Failure `too_large` when all texts together are larger than `textMax`
 */
export function scanMetadataV2(
  scan: WriteScan,
  aliases: SeriesAliases,
  of: Uint32Array,
  lengthMax: number,
  textMax: number,
  changed: number[],
): MetricMetadata[] {
  const entries: MetricMetadata[] = [];
  // A symbol may be large, and every series may name it.
  const texts = new Map<number, string | undefined>();
  const textOfSymbol = (index: number): string | undefined => {
    if (!texts.has(index)) texts.set(index, symbol(scan, index));
    return texts.get(index);
  };
  let total = 0;
  let last = { metric: -1, type: 0, help: 0, unit: 0 };
  for (let i = 0; i < scan.seriesCount; i++) {
    if (scan.hasMetadata[i] === 0) continue;
    const type = scan.metadataType[i] as number;
    const help = scan.metadataHelp[i] as number;
    const unit = scan.metadataUnit[i] as number;
    // Prometheus 3.15 sends type unknown with empty texts for a series whose metadata it does not know.
    if (type === 0 && isEmpty(scan, help) && isEmpty(scan, unit)) continue;
    const alias = of[i] as number;
    if (!aliases.metadataChanged(alias, type, help, unit, scan.view, scan.symbolBegin, scan.symbolEnd)) continue;
    if (alias !== 0) changed.push(alias);
    const metric = metricSymbol(scan, i);
    if (metric < 0 || (last.metric === metric && last.type === type && last.help === help && last.unit === unit))
      continue;
    last = { metric, type, help, unit };
    const made = metadataOf(textOfSymbol(metric), type, textOfSymbol(help), textOfSymbol(unit), lengthMax);
    if (made === undefined) continue;
    entries.push(made);
    total += made.metric.length + made.help.length + made.unit.length;
    if (total > textMax) {
      for (const one of changed) aliases.forgetMetadata(one);
      throw new Failure('too_large', `the metadata of the request is larger than ${textMax} characters`);
    }
  }
  return entries;
}

/** Mimir cuts a long HELP and refuses a long name or unit: here the entry is left out. */
function metadataOf(
  metric: string | undefined,
  type: number,
  help: string | undefined,
  unit: string | undefined,
  lengthMax: number,
): MetricMetadata | undefined {
  if (metric === undefined || metric === '' || help === undefined || unit === undefined) return undefined;
  if (lengthMax > 0 && (metric.length > lengthMax || unit.length > lengthMax)) return undefined;
  const cut =
    lengthMax > 0 && help.length > lengthMax ? help.slice(0, lengthMax).replace(/[\ud800-\udbff]$/, '') : help;
  return { metric, type: wireMetricTypes[type] ?? 'unknown', help: cut, unit };
}

/** The symbol of the metric's name, -1 if the series has none. */
function metricSymbol(scan: WriteScan, row: number): number {
  for (let at = scan.refsBegin[row] as number; at < (scan.refsBegin[row + 1] as number); at += 2) {
    if (isMetricName(scan, scan.refs[at] as number)) return scan.refs[at + 1] as number;
  }
  return -1;
}

function isMetricName(scan: WriteScan, index: number): boolean {
  const begin = scan.symbolBegin[index] as number;
  return scan.symbolEnd[index] === begin + metricName.length && symbol(scan, index) === metricName;
}

function isEmpty(scan: WriteScan, symbolIndex: number): boolean {
  return scan.symbolBegin[symbolIndex] === scan.symbolEnd[symbolIndex];
}

function symbol(scan: WriteScan, index: number): string | undefined {
  if (index >= scan.symbolCount) return '';
  return textOf(scan, scan.symbolBegin[index] as number, scan.symbolEnd[index] as number);
}

function textOf(scan: WriteScan, begin: number, end: number): string | undefined {
  try {
    return decoder.decode(scan.bytes.subarray(begin, end));
  } catch {
    return undefined;
  }
}
