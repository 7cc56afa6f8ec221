/**
 * Metadata of a request as the model has it: text, cut to its limit. Cold: senders repeat it rarely (v1) or it is told
 * from the last request's by its symbols (v2). Invalid UTF-8 makes an entry of metadata void, never the request.
 */
import { metricName } from '../../libs/model/labels.ts';
import type { MetricMetadata } from '../../libs/model/metadata.ts';
import { type WriteScan, wireMetricTypes } from '../../libs/wire/write-scan.ts';
import type { SeriesAliases } from './series-aliases.ts';

const decoder = new TextDecoder('utf-8', { fatal: true });

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

/** Metadata of the v2 series that came with other metadata than last time. `aliases[i]` is the alias of series i, 0 for none. */
export function scanMetadataV2(
  scan: WriteScan,
  aliases: SeriesAliases,
  of: Uint32Array,
  lengthMax: number,
): MetricMetadata[] {
  const entries: MetricMetadata[] = [];
  for (let i = 0; i < scan.seriesCount; i++) {
    if (scan.hasMetadata[i] === 0) continue;
    const type = scan.metadataType[i] as number;
    const help = scan.metadataHelp[i] as number;
    const unit = scan.metadataUnit[i] as number;
    // Prometheus 3.15 sends type unknown with empty texts for a series whose metadata it does not know.
    if (type === 0 && isEmpty(scan, help) && isEmpty(scan, unit)) continue;
    if (!aliases.metadataChanged(of[i] as number, type, help, unit, scan.view, scan.symbolBegin, scan.symbolEnd))
      continue;
    const made = metadataOf(metricOf(scan, i), type, symbol(scan, help), symbol(scan, unit), lengthMax);
    if (made !== undefined) entries.push(made);
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

function metricOf(scan: WriteScan, row: number): string | undefined {
  for (let at = scan.refsBegin[row] as number; at < (scan.refsBegin[row + 1] as number); at += 2) {
    if (symbol(scan, scan.refs[at] as number) === metricName) return symbol(scan, scan.refs[at + 1] as number);
  }
  return undefined;
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
