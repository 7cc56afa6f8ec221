/**
 * Metadata of a request as the model has it: text, cut to its limit. Cold: senders repeat it rarely (v1) or it is told
 * from the last request's by its symbols (v2). Invalid UTF-8 makes an entry of metadata void, never the request.
 */
import { Failure } from '../../libs/errors/failure.ts';
import { isUtf8 } from '../../libs/model/encoding/utf8.ts';
import { metricName } from '../../libs/model/labels.ts';
import type { MetricMetadata } from '../../libs/model/metadata.ts';
import { ownText } from '../../libs/std/own-text.ts';
import type { SeriesAliases } from '../../libs/wire/series-aliases.ts';
import { type WriteScan, wireMetricTypes } from '../../libs/wire/write-scan.ts';

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** The metadata list of a v1 request. */
export function scanMetadataV1(scan: WriteScan, lengthMax: number): MetricMetadata[] {
  const entries: MetricMetadata[] = [];
  for (const entry of scan.metadata) {
    const metric = nameOf(scan, entry.metricBegin, entry.metricEnd, lengthMax);
    const help = helpOf(scan, entry.helpBegin, entry.helpEnd, lengthMax);
    const unit = nameOf(scan, entry.unitBegin, entry.unitEnd, lengthMax);
    const made = metadataOf(metric, entry.type, help, unit);
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
  const names = new SymbolTexts(scan, lengthMax, nameOf);
  const helps = new SymbolTexts(scan, lengthMax, helpOf);
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
    const made = metadataOf(names.of(metric), type, helps.of(help), names.of(unit));
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

/** Texts of symbols, each made once. */
class SymbolTexts {
  readonly #scan: WriteScan;
  readonly #lengthMax: number;
  readonly #make: typeof nameOf;
  readonly #texts = new Map<number, string | undefined>();

  constructor(scan: WriteScan, lengthMax: number, make: typeof nameOf) {
    this.#scan = scan;
    this.#lengthMax = lengthMax;
    this.#make = make;
  }

  of(index: number): string | undefined {
    const { symbolBegin, symbolEnd, symbolCount } = this.#scan;
    if (index >= symbolCount) return '';
    if (!this.#texts.has(index)) {
      const text = this.#make(this.#scan, symbolBegin[index] as number, symbolEnd[index] as number, this.#lengthMax);
      this.#texts.set(index, text);
    }
    return this.#texts.get(index);
  }
}

function metadataOf(
  metric: string | undefined,
  type: number,
  help: string | undefined,
  unit: string | undefined,
): MetricMetadata | undefined {
  if (metric === undefined || metric === '' || help === undefined || unit === undefined) return undefined;
  return { metric, type: wireMetricTypes[type] ?? 'unknown', help, unit };
}

/** The symbol of the metric's name, -1 if the series has none. */
function metricSymbol(scan: WriteScan, row: number): number {
  for (let at = scan.refsBegin[row] as number; at < (scan.refsBegin[row + 1] as number); at += 2) {
    if (isMetricName(scan, scan.refs[at] as number)) return scan.refs[at + 1] as number;
  }
  return -1;
}

function isMetricName({ bytes, symbolBegin, symbolEnd }: WriteScan, index: number): boolean {
  const begin = symbolBegin[index] as number;
  if ((symbolEnd[index] as number) - begin !== metricName.length) return false;
  for (let i = 0; i < metricName.length; i++) if (bytes[begin + i] !== metricName.charCodeAt(i)) return false;
  return true;
}

function isEmpty(scan: WriteScan, symbolIndex: number): boolean {
  return scan.symbolBegin[symbolIndex] === scan.symbolEnd[symbolIndex];
}

/** Of UTF-8, for each character as a string counts them. */
const characterBytesMax = 3;

/** A metric name or unit: Mimir refuses one that is too long, here its entry is left out. Undefined as well where it is not UTF-8. */
function nameOf(scan: WriteScan, begin: number, end: number, lengthMax: number): string | undefined {
  if (lengthMax > 0 && end - begin > lengthMax * characterBytesMax) return undefined;
  const text = textOf(scan, begin, end);
  return lengthMax > 0 && text !== undefined && text.length > lengthMax ? undefined : text;
}

/** A help text, cut as Mimir does; undefined where it is not UTF-8. What is cut off is kept by nobody: no text is made of it. */
function helpOf(scan: WriteScan, begin: number, end: number, lengthMax: number): string | undefined {
  let madeEnd = lengthMax > 0 ? Math.min(end, begin + (lengthMax + 1) * characterBytesMax) : end;
  if (madeEnd < end && !isUtf8(scan.bytes, begin, end)) return undefined;
  while (madeEnd < end && ((scan.bytes[madeEnd] as number) & 0xc0) === 0x80) madeEnd--;
  const text = textOf(scan, begin, madeEnd);
  if (text === undefined || lengthMax === 0 || text.length <= lengthMax) return text;
  return ownText(text.slice(0, lengthMax).replace(/[\ud800-\udbff]$/, ''));
}

/** An exception for each text that is not UTF-8 would cost a hundred times what a text does. */
function textOf(scan: WriteScan, begin: number, end: number): string | undefined {
  return isUtf8(scan.bytes, begin, end) ? decoder.decode(scan.bytes.subarray(begin, end)) : undefined;
}
