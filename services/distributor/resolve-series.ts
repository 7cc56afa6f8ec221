/**
 * From the series of a request to numbers of the receiver: known ones by their bytes, the others by canonical labels.
 * Owns the columns that a batch is made of, reused from request to request. Does not own the memory of aliases
 * (series-aliases.ts) nor what makes a label set legal (libs/model/canonical-labels.ts).
 */
import { Failure } from '../../libs/errors/failure.ts';
import {
  canonicalizeV1,
  canonicalizeV2,
  comparedNameBytes,
  type LabelLimits,
  labelFaultId,
  labelFaultText,
} from '../../libs/model/canonical-labels.ts';
import { ByteSink } from '../../libs/std/byte-sink.ts';
import type { SeriesAliases } from '../../libs/wire/series-aliases.ts';
import { SeriesFault, type WriteScan } from '../../libs/wire/write-scan.ts';
import type { Refusals } from './refusals.ts';

/** Aliases that wait for the number of their series. */
interface Awaited {
  readonly row: number;
  readonly alias: number;
}

/** A sink that one request blew up beyond this is not kept. */
const keptLabelBytes = 16 << 20;

export class ResolvedSeries {
  /** Per row: the receiver's number, 0 if not known. */
  refs: Uint32Array = new Uint32Array(256);
  /** Per row: the alias of its bytes, 0 if there is none. */
  aliases: Uint32Array = new Uint32Array(256);
  labelsBegin: Uint32Array = new Uint32Array(256);
  labelsEnd: Uint32Array = new Uint32Array(256);
  /** Canonical labels of the rows without a number. */
  labels: ByteSink = new ByteSink(1 << 16);
  /** 0 for each row that was refused; undefined if none was. */
  keep: Uint8Array | undefined;
  awaited: Awaited[] = [];
  /** Most bytes of canonical labels that one request may make: in 2.0 a few bytes name symbols of thousands. */
  readonly labelBytesMax: number;

  constructor(labelBytesMax: number) {
    this.labelBytesMax = labelBytesMax;
  }

  /**
   * Resolves all series of `scan`; what is refused goes to `refusals` with all its samples.
   * @param clearDropped makes numbers 0 that mean nothing to the receiver any more; returns how many
   * @throws Failure `too_large` over labelBytesMax
   */
  resolve(
    scan: WriteScan,
    known: SeriesAliases,
    limits: LabelLimits,
    refusals: Refusals,
    clearDropped: (refs: Uint32Array, count: number) => number,
  ): void {
    const { seriesCount } = scan;
    if (seriesCount > this.refs.length) this.#grow(seriesCount * 2);
    if (this.labels.bytes.length > keptLabelBytes) this.labels = new ByteSink(1 << 16);
    this.labels.reset();
    this.keep = undefined;
    this.awaited = [];
    let unknown =
      scan.version === 1
        ? known.resolveV1(scan.view, scan.labelsBegin, scan.labelsEnd, seriesCount, this.refs, this.aliases)
        : known.resolveV2(
            scan.view,
            scan.symbolBegin,
            scan.symbolEnd,
            scan.symbolCount,
            scan.refs,
            scan.refsBegin,
            seriesCount,
            this.refs,
            this.aliases,
          );
    unknown += clearDropped(this.refs, seriesCount);
    if (unknown > 0) this.#takeUnknown(scan, known, limits, refusals);
  }

  #takeUnknown(scan: WriteScan, known: SeriesAliases, limits: LabelLimits, refusals: Refusals): void {
    const { labels } = this;
    let refusedBytes = 0;
    for (let row = 0; row < scan.seriesCount; row++) {
      if (this.refs[row] !== 0) continue;
      const begin = labels.length;
      const structural = scan.version === 2 ? (scan.seriesFault[row] as number) : SeriesFault.none;
      if (structural !== SeriesFault.none) {
        const text =
          structural === SeriesFault.oddLabelRefs
            ? 'a series has an odd number of label references'
            : 'a series refers to a symbol that the request does not have';
        this.#refuse(scan, row, 'label-invalid', () => text, refusals);
        continue;
      }
      const fault =
        scan.version === 1 ? canonicalizeV1(scan, row, labels, limits) : canonicalizeV2(scan, row, labels, limits);
      if (fault !== 0) {
        // To refuse costs as much as to accept, and writes nothing that is counted.
        refusedBytes += comparedNameBytes(scan, limits);
        if (labels.length + refusedBytes > this.labelBytesMax) throw this.#tooLarge();
        this.#refuse(scan, row, labelFaultId(fault), () => labelFaultText(fault, scan, row, limits), refusals);
        labels.length = begin;
        continue;
      }
      if (labels.length + refusedBytes > this.labelBytesMax) throw this.#tooLarge();
      this.labelsBegin[row] = begin;
      this.labelsEnd[row] = labels.length;
      let alias = this.aliases[row] as number;
      if (alias === 0) {
        alias =
          scan.version === 1
            ? known.internV1(scan.view, scan.labelsBegin[row] as number, scan.labelsEnd[row] as number)
            : known.internV2(scan.refsBegin, row);
        this.aliases[row] = alias;
      }
      if (alias !== 0) this.awaited.push({ row, alias });
    }
  }

  #refuse(scan: WriteScan, row: number, id: string, text: () => string, refusals: Refusals): void {
    this.keep ??= new Uint8Array(scan.seriesCount).fill(1);
    this.keep[row] = 0;
    refusals.add(id, 1, text);
  }

  #tooLarge(): Failure {
    return new Failure(
      'too_large',
      `the labels of the request's new series are larger than ${this.labelBytesMax} bytes`,
    );
  }

  #grow(length: number): void {
    this.refs = new Uint32Array(length);
    this.aliases = new Uint32Array(length);
    this.labelsBegin = new Uint32Array(length);
    this.labelsEnd = new Uint32Array(length);
  }
}
