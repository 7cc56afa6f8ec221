/**
 * The head of one tenant: its series, and their samples in ranges of two hours.
 * Owns how a batch is applied, counters, snapshots of itself in slices. It never refuses a sample, whatever its time: what is
 * accepted was decided before. Comes from libs/tsdb/tsdb.ts; goes to series-table.ts and head-range.ts. Reads: head-source.ts.
 *
 *   seriesIdOf(canonical, begin, end)   number of a series, made if it is new     findSeries: 0 if it is not known
 *   append(batch, ids)                  all samples, exemplars, metadata of a batch
 *   writeSlice / readSlice, writeExtras / readExtras    see snapshot-slice.ts
 */
import type { WriteBatch } from '../../contracts/write-batch.ts';
import type { ByteSink } from '../../std/byte-sink.ts';
import { ByteSource } from '../../std/byte-source.ts';
import { ExemplarRing } from './exemplar-ring.ts';
import { AppendOutcome, HeadRange, rangeMs } from './head-range.ts';
import { MetadataStore } from './metric-metadata.ts';
import { SeriesTable } from './series-table.ts';
import { readSeriesSlice, writeSeriesSlice } from './snapshot-slice.ts';

export interface TenantHeadOptions {
  /** Exemplars that are kept at most; 0 is none. */
  readonly exemplarsMax: number;
}

export class TenantHead {
  readonly series = new SeriesTable();
  readonly exemplars: ExemplarRing;
  readonly metadata = new MetadataStore();
  /** Since this object was made: what a snapshot brings back is not counted. */
  readonly counters = {
    /** Samples stored, floats and histograms, in order or late. */
    samples: 0,
    /** Samples that were there already. */
    duplicates: 0,
    /** Samples not newer than the newest of their series in their range. */
    outOfOrder: 0,
    /** Samples with another value than one known at their time, where that was seen at once. */
    conflicts: 0,
    exemplars: 0,
  };
  readonly #ranges = new Map<number, HeadRange>();
  /** The range of the last sample. */
  #range: HeadRange | undefined;

  constructor(options: TenantHeadOptions) {
    this.exemplars = new ExemplarRing(options.exemplarsMax);
  }

  /** Series; their numbers are 1 to seriesCount. */
  get seriesCount(): number {
    return this.series.count;
  }

  /** Memory outside the V8 heap. */
  bytes(): number {
    let bytes = this.series.bytes + this.exemplars.bytes;
    for (const range of this.#ranges.values()) bytes += range.bytes;
    return bytes;
  }

  /** Number of the series with the canonical labels bytes[begin, end), made if it is new: then it is seriesCount. */
  seriesIdOf(bytes: Uint8Array, begin: number, end: number): number {
    return this.series.idOf(bytes, begin, end);
  }

  /** The same, 0 if there is no such series. */
  findSeries(bytes: Uint8Array, begin: number, end: number): number {
    return this.series.find(bytes, begin, end);
  }

  /** Appends the canonical labels of a series. */
  canonicalLabels(id: number, out: ByteSink): void {
    this.series.writeLabels(id, out);
  }

  /**
   * Applies a batch.
   * @param ids number of the series of every row, none 0
   */
  append(batch: WriteBatch, ids: Uint32Array): void {
    this.#appendFloats(batch, ids);
    const { counters } = this;
    for (const { series, t, st, histogram } of batch.histograms) {
      this.#count(this.#rangeAt(t).appendHistogram(ids[series], t, st, histogram));
    }
    for (const { series, t, value, labels } of batch.exemplars) {
      if (this.exemplars.add(ids[series], t, value, labels, 0, labels.length)) counters.exemplars++;
    }
    for (const entry of batch.metadata) this.metadata.add(entry);
  }

  #appendFloats(batch: WriteBatch, ids: Uint32Array): void {
    const { seriesCount, sampleBegin, sampleT, sampleV, sampleST } = batch;
    const end = sampleBegin[seriesCount];
    if (end === sampleBegin[0]) return;
    const bits = new Int32Array(sampleV.buffer, sampleV.byteOffset, sampleV.length * 2);
    let range = this.#range ?? this.#rangeAt(sampleT[sampleBegin[0]]);
    let inOrder = 0;
    for (let i = 0; i < seriesCount; i++) {
      const id = ids[i];
      const rowEnd = sampleBegin[i + 1];
      for (let row = sampleBegin[i]; row < rowEnd; row++) {
        const t = sampleT[row];
        if (t < range.begin || t >= range.end) range = this.#rangeAt(t);
        const st = sampleST === null ? 0 : sampleST[row];
        const outcome = range.appendFloat(id, t, st, bits[row * 2 + 1], bits[row * 2]);
        if (outcome === AppendOutcome.inOrder) inOrder++;
        else this.#count(outcome);
      }
    }
    this.#range = range;
    this.counters.samples += inOrder;
  }

  #count(outcome: AppendOutcome): void {
    const { counters } = this;
    if (outcome === AppendOutcome.duplicate) {
      counters.duplicates++;
      return;
    }
    counters.samples++;
    if (outcome === AppendOutcome.inOrder) return;
    counters.outOfOrder++;
    if (outcome === AppendOutcome.conflict) counters.conflicts++;
  }

  #rangeAt(t: number): HeadRange {
    return this.rangeOf(Math.floor(t / rangeMs));
  }

  /** Range `index`, made if there is none. */
  rangeOf(index: number): HeadRange {
    let range = this.#ranges.get(index);
    if (range === undefined) {
      range = new HeadRange(index);
      this.#ranges.set(index, range);
    }
    return range;
  }

  /** Ranges with anything from minT to maxT, in order of time. A reader holds on to them: one that is dropped meanwhile stays whole. */
  rangesBetween(minT: number, maxT: number): HeadRange[] {
    const found = [...this.#ranges.values()].filter(({ begin, end }) => begin <= maxT && end > minT);
    return found.sort((a, b) => a.begin - b.begin);
  }

  /** Appends everything about the series [fromId, toId) but exemplars: labels, chunks, what is open. */
  writeSlice(fromId: number, toId: number, out: ByteSink): void {
    writeSeriesSlice(this, fromId, toId, out);
  }

  /**
   * Takes in a slice that writeSlice wrote; its series get the next numbers, in order.
   * @throws ByteSourceError where the bytes are no such slice; then a part of it may be there
   */
  readSlice(bytes: Uint8Array, begin: number, end: number): void {
    readSeriesSlice(this, new ByteSource(bytes, begin, end));
  }

  /** Appends exemplars and metadata. */
  writeExtras(out: ByteSink): void {
    this.exemplars.write(out, (id, to) => this.series.writeLabels(id, to));
    this.metadata.write(out);
  }

  /** Takes in what writeExtras wrote. @throws ByteSourceError */
  readExtras(bytes: Uint8Array, begin: number, end: number): void {
    const source = new ByteSource(bytes, begin, end);
    this.exemplars.read(source, (labels, from, to) => this.findSeries(labels, from, to));
    this.metadata.read(source);
  }
}
