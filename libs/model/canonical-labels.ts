/**
 * Canonical label bytes: the identity of a series. For each label, sorted by the UTF-8 bytes of its name, none with an empty
 * value: uvarint length of the name, the name, uvarint length of the value, the value. Equal label sets are equal bytes,
 * whatever a sender's order, protocol or padding was; their hash is `hashBytes` of them.
 *
 * Owns this form and what makes a label set legal (Mimir's rules and error ids; any non-empty UTF-8 is a name, as in
 * Prometheus 3). Does not own how requests are scanned (libs/wire). Surprising: nothing here makes a string for a good
 * series; a refusal is a number until someone asks for its text.
 *
 *   canonicalizeV1(scan, row, out, limits)   label fields of a remote_write 1.0 series  -> fault, 0 for none
 *   canonicalizeV2(scan, row, out, limits)   label references of a 2.0 series           -> fault, 0 for none
 *   canonicalizeExemplar(scan, exemplar, out)                                           -> whether it is an exemplar
 *   canonicalizeLabels(labels, out)          from strings            labelsOfCanonical(bytes, begin, end)   to strings
 *
 * A refused series writes nothing to `out`.
 */
import { ByteSink } from '../std/byte-sink.ts';
import { ProtobufReader } from './encoding/protobuf-reader.ts';
import { countCodePoints, isAscii, isUtf8 } from './encoding/utf8.ts';
import { Labels } from './labels.ts';

/** Per tenant; 0 switches a limit off. */
export interface LabelLimits {
  /** Bytes. */
  readonly labelNameLengthMax: number;
  /** Bytes. */
  readonly labelValueLengthMax: number;
  readonly labelNamesPerSeriesMax: number;
  /** The same for series whose metric name ends in `_info`. */
  readonly labelNamesPerInfoSeriesMax: number;
}

/** The columns of a scanned request that labels are read from: WriteScan has them. */
export interface LabelScan {
  readonly version: 1 | 2;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly labelsBegin: Uint32Array;
  readonly labelsEnd: Uint32Array;
  readonly symbolBegin: Uint32Array;
  readonly symbolEnd: Uint32Array;
  /** What is known of each symbol's text: 0 nothing yet, else symbolIsText or symbolIsNoText. Filled here. */
  readonly symbolText: Uint8Array;
  readonly refs: Uint32Array;
  readonly refsBegin: Uint32Array;
  readonly exemplarRefs: Uint32Array;
  readonly labelScratch: LabelScratch;
}

/** Where the labels of an exemplar stand: bytes of a v1 scan, exemplarRefs of a v2 scan. */
interface LabelRange {
  readonly labelsBegin: number;
  readonly labelsEnd: number;
}

/** Why a label set is refused; 0 is not at all. */
export type LabelFault = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;
const noFault = 0;
const missingMetricName = 1;
const metricNameInvalid = 2;
const tooManyLabels = 3;
const tooManyInfoLabels = 4;
const labelInvalid = 5;
const labelNameTooLong = 6;
const labelValueInvalid = 7;
const labelValueTooLong = 8;
const duplicateLabelNames = 9;

/** Mimir's ids (pkg/util/globalerror): alerts and runbooks match on them behind `err-mimir-`. */
const faultIds = [
  '',
  'missing-metric-name',
  'metric-name-invalid',
  'max-label-names-per-series',
  'max-label-names-per-info-series',
  'label-invalid',
  'label-name-too-long',
  'label-value-invalid',
  'label-value-too-long',
  'duplicate-label-names',
] as const;

/** OpenMetrics: code points of all names and values of an exemplar's labels together. */
const exemplarCodePointsMax = 128;
/** Of UTF-8. */
const codePointBytesMax = 4;

const symbolIsText = 1;
const symbolIsNoText = 2;

/** Most labels of a series whatever its limits are: a body of a few megabytes may bring tens of millions. */
const labelsMax = 1 << 17;

/** Below this many labels an insertion sort wins where they come nearly sorted. */
const insertionSortMax = 48;
/** After so many moves for each label they do not. */
const movesPerLabelMax = 3;

const scratchColumns = [
  'nameBegin',
  'nameEnd',
  'valueBegin',
  'valueEnd',
  'nameSymbol',
  'valueSymbol',
  'order',
] as const satisfies readonly (keyof LabelScratch)[];

/** Names of more are compared by eight bytes at once. */
const longNameBytes = 64;

/** Labels of one series as ranges of its request's bytes: memory for one call, reused by the next. */
export class LabelScratch {
  /** Those beyond `labelsMax` are counted, and nothing is known of them. */
  count = 0;
  nameBegin: Uint32Array = new Uint32Array(32);
  nameEnd: Uint32Array = new Uint32Array(32);
  valueBegin: Uint32Array = new Uint32Array(32);
  valueEnd: Uint32Array = new Uint32Array(32);
  /** Of 2.0: which symbols they are. */
  nameSymbol: Uint32Array = new Uint32Array(32);
  valueSymbol: Uint32Array = new Uint32Array(32);
  /** Positions in the columns above, in order of the names. */
  order: Uint32Array = new Uint32Array(32);
  /** The label that the last fault was about, -1 if about none. */
  faultLabel = -1;
  readonly reader: ProtobufReader = new ProtobufReader();

  add(nameBegin: number, nameEnd: number, valueBegin: number, valueEnd: number): void {
    const at = this.count;
    if (at >= labelsMax) {
      this.count++;
      return;
    }
    if (at === this.order.length) this.#grow();
    this.nameBegin[at] = nameBegin;
    this.nameEnd[at] = nameEnd;
    this.valueBegin[at] = valueBegin;
    this.valueEnd[at] = valueEnd;
    this.order[at] = at;
    this.count = at + 1;
  }

  #grow(): void {
    const length = this.order.length * 2;
    for (const column of scratchColumns) {
      const grown = new Uint32Array(length);
      grown.set(this[column]);
      this[column] = grown;
    }
  }
}

/**
 * Appends the canonical labels of series `row` of a 1.0 request to `out`.
 * @returns 0, or why the series is refused
 * @throws Failure `bad_data` where a label is not protobuf: then the whole request is refused
 */
export function canonicalizeV1(scan: LabelScan, row: number, out: ByteSink, limits: LabelLimits): LabelFault {
  const begin = scan.labelsBegin[row] as number;
  const end = scan.labelsEnd[row] as number;
  readLabelFields(scan, begin, end);
  return writeSeries(scan, isAscii(scan.view, begin, end), out, limits);
}

/** The same for series `row` of a 2.0 request, whose references are in range. */
export function canonicalizeV2(scan: LabelScan, row: number, out: ByteSink, limits: LabelLimits): LabelFault {
  const isText = readLabelRefs(scan, scan.refs, scan.refsBegin[row] as number, scan.refsBegin[row + 1] as number);
  return writeSeries(scan, isText, out, limits);
}

/**
 * Appends the canonical labels of an exemplar to `out`; it needs none.
 * @returns false if these can not be an exemplar's labels: over 128 code points, a name twice, not UTF-8
 * @throws Failure `bad_data` where a label is not protobuf
 */
export function canonicalizeExemplar(scan: LabelScan, exemplar: LabelRange, out: ByteSink): boolean {
  const { labelsBegin, labelsEnd } = exemplar;
  if (scan.version === 1) readLabelFields(scan, labelsBegin, labelsEnd);
  else readLabelRefs(scan, scan.exemplarRefs, labelsBegin, labelsEnd);
  const { bytes, labelScratch: labels } = scan;
  if (labels.count > exemplarCodePointsMax) return false;
  let codePoints = 0;
  for (let i = 0; i < labels.count; i++) {
    const [nameBegin, nameEnd] = [labels.nameBegin[i] as number, labels.nameEnd[i] as number];
    const [valueBegin, valueEnd] = [labels.valueBegin[i] as number, labels.valueEnd[i] as number];
    // Not counted where they must be too many: every exemplar may name the same huge symbol.
    if (nameEnd - nameBegin + valueEnd - valueBegin > exemplarCodePointsMax * codePointBytesMax) return false;
    codePoints += countCodePoints(bytes, nameBegin, nameEnd) + countCodePoints(bytes, valueBegin, valueEnd);
    if (codePoints > exemplarCodePointsMax) return false;
  }
  sortByName(scan, Number.POSITIVE_INFINITY);
  if (checkLabels(scan, false, noLimits) !== noFault) return false;
  write(bytes, labels, out);
  return true;
}

const noLimits: LabelLimits = {
  labelNameLengthMax: 0,
  labelValueLengthMax: 0,
  labelNamesPerSeriesMax: 0,
  labelNamesPerInfoSeriesMax: 0,
};

/** Appends the canonical bytes of `labels` to `out`. */
export function canonicalizeLabels(labels: Labels, out: ByteSink): void {
  for (const text of labels.pairs) out.writeText(text);
}

// A byte order mark is a character of a label like any other.
const textDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The labels that bytes[begin, end) are the canonical form of. Trusts them: they were made here. */
export function labelsOfCanonical(bytes: Uint8Array, begin: number, end: number): Labels {
  const pairs: string[] = [];
  let at = begin;
  while (at < end) {
    let length = 0;
    let byte = 0x80;
    for (let shift = 0; byte >= 0x80; shift += 7) {
      byte = bytes[at++] as number;
      length |= (byte & 0x7f) << shift;
    }
    pairs.push(textDecoder.decode(bytes.subarray(at, at + length)));
    at += length;
  }
  return new Labels(pairs);
}

/** Mimir's id of a fault, without `err-mimir-`. */
export function labelFaultId(fault: LabelFault): string {
  return faultIds[fault];
}

/** The sentence for the sender about series `row`, which canonicalizeV1 or canonicalizeV2 refused with `fault` under `limits`. */
export function labelFaultText(fault: LabelFault, scan: LabelScan, row: number, limits: LabelLimits): string {
  const { labelScratch: labels } = scan;
  // Read again: a refusal remembers nothing. A refused series writes nothing, so the sink stays empty.
  if (scan.version === 1) canonicalizeV1(scan, row, new ByteSink(1), limits);
  else canonicalizeV2(scan, row, new ByteSink(1), limits);
  const at = labels.faultLabel;
  const name = at < 0 ? '' : excerpt(scan.bytes, labels.nameBegin[at] as number, labels.nameEnd[at] as number);
  const value = at < 0 ? '' : excerpt(scan.bytes, labels.valueBegin[at] as number, labels.valueEnd[at] as number);
  const series = seriesExcerpt(scan);
  switch (fault) {
    case missingMetricName:
      return withId('received series has no metric name', fault);
    case metricNameInvalid:
      return withId(`received a series with invalid metric name: '${value}'`, fault);
    case tooManyLabels:
      return withLimit(
        `received a series whose number of labels exceeds the limit (actual: ${labels.count}, limit: ` +
          `${limits.labelNamesPerSeriesMax || labelsMax}) series: '${series}'`,
        fault,
        'limits.max-label-names-per-series',
      );
    case tooManyInfoLabels:
      return withLimit(
        `received an info series whose number of labels exceeds the limit (actual: ${labels.count}, limit: ` +
          `${limits.labelNamesPerInfoSeriesMax}) series: '${series}'`,
        fault,
        'limits.max-label-names-per-info-series',
      );
    case labelInvalid:
      return withId(`received a series with an invalid label: '${name}' series: '${series}'`, fault);
    case labelNameTooLong:
      return withLimit(
        `received a series whose label name length exceeds the limit, label: '${name}' series: '${series}'`,
        fault,
        'limits.max-label-name-length',
      );
    case labelValueInvalid:
      return withId(`received a series with invalid value in label '${name}': '${value}' series: '${series}'`, fault);
    case labelValueTooLong:
      return withLimit(
        `received a series whose label value length exceeds the limit, label: '${name}', value: '${value}' (truncated) ` +
          `series: '${series}'`,
        fault,
        'limits.max-label-value-length',
      );
    case duplicateLabelNames:
      return withId(`received a series with duplicate label name, label: '${name}' series: '${series}'`, fault);
    default:
      return '';
  }
}

/** Labels of series `row` for a sentence to the sender, cut to 200 characters. */
export function seriesText(scan: LabelScan, row: number): string {
  if (scan.version === 1) readLabelFields(scan, scan.labelsBegin[row] as number, scan.labelsEnd[row] as number);
  else readLabelRefs(scan, scan.refs, scan.refsBegin[row] as number, scan.refsBegin[row + 1] as number);
  sortByName(scan, excerptBytes);
  return seriesExcerpt(scan);
}

function withId(text: string, fault: LabelFault): string {
  return `${text} (err-mimir-${faultIds[fault]})`;
}

function withLimit(text: string, fault: LabelFault, key: string): string {
  return `${withId(text, fault)}. To adjust the related per-tenant limit, configure ${key}, or contact your service administrator.`;
}

const lenientDecoder = new TextDecoder('utf-8', { ignoreBOM: true });
const excerptBytes = 200;

/** At most 200 bytes as text; what is not UTF-8 shows as U+FFFD. */
function excerpt(bytes: Uint8Array, begin: number, end: number): string {
  return lenientDecoder.decode(bytes.subarray(begin, Math.min(end, begin + excerptBytes)));
}

/** Labels as `name="value", ...` in the order they were sorted in, cut to 200 characters. */
function seriesExcerpt(scan: LabelScan): string {
  const { bytes, labelScratch: labels } = scan;
  let text = '{';
  for (let i = 0; i < labels.count && text.length < excerptBytes; i++) {
    const at = labels.order[i] as number;
    const name = excerpt(bytes, labels.nameBegin[at] as number, labels.nameEnd[at] as number);
    const value = excerpt(bytes, labels.valueBegin[at] as number, labels.valueEnd[at] as number);
    text += `${i === 0 ? '' : ', '}${name}=${JSON.stringify(value)}`;
  }
  return text.length < excerptBytes ? `${text}}` : `${text.slice(0, excerptBytes)}...`;
}

/** Reads `0a length Label` repeated (and field 1 in odd paddings) into the scratch, without labels that have no value. */
function readLabelFields(scan: LabelScan, begin: number, end: number): void {
  const { bytes, labelScratch: labels } = scan;
  labels.count = 0;
  let at = begin;
  while (at < end) {
    // 0a length 0a length name 12 length value, all lengths of one byte, is what senders send.
    if (at + 4 < end && bytes[at] === 0x0a && bytes[at + 2] === 0x0a) {
      const length = bytes[at + 1] as number;
      const nameLength = bytes[at + 3] as number;
      const labelEnd = at + 2 + length;
      const nameEnd = at + 4 + nameLength;
      if (length < 0x80 && nameLength < 0x80 && labelEnd <= end && nameEnd + 2 <= labelEnd && bytes[nameEnd] === 0x12) {
        const valueLength = bytes[nameEnd + 1] as number;
        if (valueLength < 0x80 && nameEnd + 2 + valueLength === labelEnd) {
          if (valueLength > 0) labels.add(at + 4, nameEnd, nameEnd + 2, labelEnd);
          at = labelEnd;
          continue;
        }
      }
    }
    at = readLabelField(scan, at, end);
  }
}

/** One label field in any encoding protobuf allows. @returns where it ends */
function readLabelField(scan: LabelScan, begin: number, end: number): number {
  const { labelScratch: labels } = scan;
  const { reader } = labels;
  reader.reset(scan.bytes, scan.view, begin, end);
  reader.readTag();
  const labelEnd = reader.readEnd('a label');
  reader.end = labelEnd;
  let nameBegin = 0;
  let nameEnd = 0;
  let valueBegin = 0;
  let valueEnd = 0;
  while (reader.position < labelEnd) {
    const tag = reader.readTag();
    if (tag === 0x0a) {
      nameEnd = reader.readEnd('a label name');
      nameBegin = reader.position;
      reader.position = nameEnd;
    } else if (tag === 0x12) {
      valueEnd = reader.readEnd('a label value');
      valueBegin = reader.position;
      reader.position = valueEnd;
    } else {
      reader.skipUnknown(tag, (1 << 1) | (1 << 2), 'a label');
    }
  }
  if (valueEnd > valueBegin) labels.add(nameBegin, nameEnd, valueBegin, valueEnd);
  return labelEnd;
}

/** Reads pairs of symbol references into the scratch. @returns whether all of them are UTF-8 */
function readLabelRefs(scan: LabelScan, refs: Uint32Array, begin: number, end: number): boolean {
  const { symbolBegin, symbolEnd, labelScratch: labels } = scan;
  labels.count = 0;
  let areTexts = true;
  for (let i = begin; i < end; i += 2) {
    const name = refs[i] as number;
    const value = refs[i + 1] as number;
    const nameBegin = symbolBegin[name] as number;
    const nameEnd = symbolEnd[name] as number;
    const valueBegin = symbolBegin[value] as number;
    const valueEnd = symbolEnd[value] as number;
    if (valueEnd === valueBegin) continue;
    areTexts = areTexts && isSymbolText(scan, name) && isSymbolText(scan, value);
    const at = labels.count;
    labels.add(nameBegin, nameEnd, valueBegin, valueEnd);
    if (at >= labelsMax) continue;
    labels.nameSymbol[at] = name;
    labels.valueSymbol[at] = value;
  }
  return areTexts;
}

/** Whether a symbol is UTF-8. It is looked at once, as it may be large and every series may name it. */
function isSymbolText({ bytes, view, symbolBegin, symbolEnd, symbolText }: LabelScan, symbol: number): boolean {
  if (symbolText[symbol] === 0) {
    const begin = symbolBegin[symbol] as number;
    const end = symbolEnd[symbol] as number;
    symbolText[symbol] = isAscii(view, begin, end) || isUtf8(bytes, begin, end) ? symbolIsText : symbolIsNoText;
  }
  return symbolText[symbol] === symbolIsText;
}

function isNameText(scan: LabelScan, at: number): boolean {
  const { version, bytes, labelScratch: labels } = scan;
  if (version === 2) return isSymbolText(scan, labels.nameSymbol[at] as number);
  return isUtf8(bytes, labels.nameBegin[at] as number, labels.nameEnd[at] as number);
}

function isValueText(scan: LabelScan, at: number): boolean {
  const { version, bytes, labelScratch: labels } = scan;
  if (version === 2) return isSymbolText(scan, labels.valueSymbol[at] as number);
  return isUtf8(bytes, labels.valueBegin[at] as number, labels.valueEnd[at] as number);
}

/** Bytes of the names of the labels that were read last, as far as they are compared: what refusing them has cost. */
export function comparedNameBytes({ labelScratch: labels }: LabelScan, limits: LabelLimits): number {
  const bytesMax = comparedBytesMax(limits);
  let total = 0;
  for (let i = 0; i < Math.min(labels.count, labelsMax); i++) {
    total += Math.min(bytesMax, (labels.nameEnd[i] as number) - (labels.nameBegin[i] as number));
  }
  return total;
}

/** Names that are too long are told apart by as much of them as an error shows. */
function comparedBytesMax({ labelNameLengthMax }: LabelLimits): number {
  return labelNameLengthMax > 0 ? Math.max(labelNameLengthMax, excerptBytes) : Number.POSITIVE_INFINITY;
}

/** @param areTexts whether names and values are known to be UTF-8; else each is looked at */
function writeSeries(scan: LabelScan, areTexts: boolean, out: ByteSink, limits: LabelLimits): LabelFault {
  const { bytes, labelScratch: labels } = scan;
  labels.faultLabel = -1;
  const metric = findMetricName(scan);
  if (metric < 0) return missingMetricName;
  const nameBegin = labels.valueBegin[metric] as number;
  const nameEnd = labels.valueEnd[metric] as number;
  if (!areTexts && !isValueText(scan, metric)) {
    labels.faultLabel = metric;
    return metricNameInvalid;
  }
  const { labelNamesPerSeriesMax, labelNamesPerInfoSeriesMax } = limits;
  if (labelNamesPerSeriesMax > 0 && labels.count > labelNamesPerSeriesMax) {
    if (!endsInInfo(bytes, nameBegin, nameEnd)) return tooManyLabels;
    if (labelNamesPerInfoSeriesMax > 0 && labels.count > labelNamesPerInfoSeriesMax) return tooManyInfoLabels;
  }
  if (labels.count > labelsMax) return tooManyLabels;
  // Not before it is known that there are no more than there may be.
  sortByName(scan, comparedBytesMax(limits));
  const fault = checkLabels(scan, areTexts, limits);
  if (fault === noFault) write(bytes, labels, out);
  return fault;
}

/** Checks the sorted labels one by one: the fault found does not depend on the order they came in. */
function checkLabels(scan: LabelScan, areTexts: boolean, limits: LabelLimits): LabelFault {
  const { labelScratch: labels } = scan;
  const { labelNameLengthMax, labelValueLengthMax } = limits;
  let before = -1;
  for (let i = 0; i < labels.count; i++) {
    const at = labels.order[i] as number;
    const nameBegin = labels.nameBegin[at] as number;
    const nameEnd = labels.nameEnd[at] as number;
    const valueBegin = labels.valueBegin[at] as number;
    const valueEnd = labels.valueEnd[at] as number;
    labels.faultLabel = at;
    if (nameEnd === nameBegin) return labelInvalid;
    if (!areTexts && !isNameText(scan, at)) return labelInvalid;
    if (labelNameLengthMax > 0 && nameEnd - nameBegin > labelNameLengthMax) return labelNameTooLong;
    if (!areTexts && !isValueText(scan, at)) return labelValueInvalid;
    if (labelValueLengthMax > 0 && valueEnd - valueBegin > labelValueLengthMax) return labelValueTooLong;
    if (before >= 0 && compareNames(scan, before, at, Number.POSITIVE_INFINITY) === 0) return duplicateLabelNames;
    before = at;
  }
  return noFault;
}

/** @param bytesMax looks at so many bytes of each; of those that begin alike the shorter one is less */
function compareNames(scan: LabelScan, a: number, b: number, bytesMax: number): number {
  const { bytes, view, labelScratch: labels } = scan;
  let x = labels.nameBegin[a] as number;
  let y = labels.nameBegin[b] as number;
  const aLength = (labels.nameEnd[a] as number) - x;
  const bLength = (labels.nameEnd[b] as number) - y;
  const end = x + Math.min(aLength, bLength, bytesMax);
  if (end - x > longNameBytes) {
    while (x + 8 <= end && BigInt.asUintN(64, view.getBigUint64(x, true) ^ view.getBigUint64(y, true)) === 0n) {
      x += 8;
      y += 8;
    }
  }
  for (; x < end; x++, y++) {
    const difference = (bytes[x] as number) - (bytes[y] as number);
    if (difference !== 0) return difference;
  }
  return aLength - bLength;
}

/** @param bytesMax names that are longer are told apart by so many bytes and their length */
function sortByName(scan: LabelScan, bytesMax: number): void {
  const { count, order } = scan.labelScratch;
  if (count > insertionSortMax) {
    order.subarray(0, count).sort((a, b) => compareNames(scan, a, b, bytesMax));
    return;
  }
  // Most senders sort: then this is one comparison a label.
  let moves = 0;
  for (let i = 1; i < count; i++) {
    const moved = order[i] as number;
    let at = i;
    while (at > 0 && compareNames(scan, order[at - 1] as number, moved, bytesMax) > 0) {
      order[at] = order[at - 1] as number;
      at--;
    }
    order[at] = moved;
    moves += i - at;
    if (moves <= movesPerLabelMax * count) continue;
    order.subarray(0, count).sort((a, b) => compareNames(scan, a, b, bytesMax));
    return;
  }
}

/** Position of the label `__name__`, -1 if there is none. */
function findMetricName(scan: LabelScan): number {
  const { view, labelScratch: labels } = scan;
  for (let i = 0; i < Math.min(labels.count, labelsMax); i++) {
    const begin = labels.nameBegin[i] as number;
    // "__na" and "me__", little-endian.
    if (
      (labels.nameEnd[i] as number) - begin === 8 &&
      view.getInt32(begin, true) === 0x616e5f5f &&
      view.getInt32(begin + 4, true) === 0x5f5f656d
    ) {
      return i;
    }
  }
  return -1;
}

function endsInInfo(bytes: Uint8Array, begin: number, end: number): boolean {
  return end - begin >= 5 && String.fromCharCode(...bytes.subarray(end - 5, end)) === '_info';
}

function write(bytes: Uint8Array, labels: LabelScratch, out: ByteSink): void {
  const { count, order, nameBegin, nameEnd, valueBegin, valueEnd } = labels;
  for (let i = 0; i < count; i++) {
    const at = order[i] as number;
    writePiece(bytes, nameBegin[at] as number, nameEnd[at] as number, out);
    writePiece(bytes, valueBegin[at] as number, valueEnd[at] as number, out);
  }
}

function writePiece(bytes: Uint8Array, begin: number, end: number, out: ByteSink): void {
  out.writeUvarint(end - begin);
  out.writeBytes(bytes, begin, end);
}
