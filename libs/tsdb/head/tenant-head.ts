/**
 * The head of one tenant: its series, and their samples in ranges of two hours.
 * Owns how a batch is applied, which ranges are open and which are frozen, counters, snapshots of itself in slices. It never
 * refuses a sample, whatever its time: what is accepted was decided before. Comes from libs/tsdb/tsdb.ts; goes to
 * series-table.ts and head-range.ts. Reads: head-source.ts.
 *
 *   seriesIdOf(canonical, begin, end)   number of a series, made if it is new     findSeries: 0 if it is not known
 *   append(batch, ids)                  all samples, exemplars, metadata of a batch
 *   freeze(range, generation)           samples of its time go to a new range from now on; this one answers until drop(generation)
 *   writeSlice / readSlice, writeExtras / readExtras    see snapshot-slice.ts
 */
import type { WriteBatch } from '../../contracts/write-batch.ts';
import type { ByteSink } from '../../std/byte-sink.ts';
import { ByteSource } from '../../std/byte-source.ts';
import { ExemplarRing } from './exemplar-ring.ts';
import { AppendOutcome, HeadRange, rangeMs } from './head-range.ts';
import { type MetadataShare, MetadataStore } from './metric-metadata.ts';
import { SeriesTable, seriesNumberMax } from './series-table.ts';
import { readSeriesSlice, writeSeriesSlice } from './snapshot-slice.ts';

export interface TenantHeadOptions {
  /** Exemplars that are kept at most; 0 is none. Asked with every batch while there are any: a limit may have changed. */
  readonly exemplarsMax: number;
  /** What the metadata of all tenants may take together; undefined: nothing but its own maximum holds a tenant. */
  readonly metadataShare?: MetadataShare;
}

export class TenantHead {
  /** Replaced when the series that are gone are dropped: whoever reads keeps the one that he began with. */
  series = new SeriesTable();
  readonly exemplars: ExemplarRing;
  readonly metadata: MetadataStore;
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
  readonly #options: TenantHeadOptions;
  readonly #open = new Map<number, HeadRange>();
  /** By generation. */
  readonly #frozen = new Map<number, HeadRange>();
  /** Whether a range was dropped since it was looked at which series are gone with it. */
  mayHaveEmptySeries = false;
  /** Whether numbers that were given once may mean nothing any more. */
  hasDroppedSeries = false;
  /** Offset of the record that is being applied; -1 where the log is not kept elsewhere. */
  logOffset = -1;
  #watched: number[] | undefined;
  /** The range of the last sample. */
  #range: HeadRange | undefined;

  constructor(options: TenantHeadOptions) {
    this.#options = options;
    this.exemplars = new ExemplarRing(options.exemplarsMax);
    this.metadata = new MetadataStore(options.metadataShare);
  }

  /** How many series there are. */
  get seriesCount(): number {
    return this.series.count;
  }

  /** The greatest number that a series was given. */
  get lastId(): number {
    return this.series.lastId;
  }

  /** Whether a new series can be given a number. */
  get hasNumbers(): boolean {
    return this.series.lastId < seriesNumberMax;
  }

  /** Whether there is room for the labels of a new series. */
  get hasRoom(): boolean {
    return this.series.hasRoom;
  }

  /** Memory outside the V8 heap. */
  bytes(): number {
    let bytes = this.series.bytes + this.exemplars.bytes;
    for (const range of this.#open.values()) bytes += range.bytes;
    for (const range of this.#frozen.values()) bytes += range.bytes;
    return bytes;
  }

  /** Number of the series with the canonical labels bytes[begin, end), made if it is new: then it is lastId. */
  seriesIdOf(bytes: Uint8Array, begin: number, end: number): number {
    return this.series.idOf(bytes, begin, end);
  }

  /** The same, 0 if there is no such series. */
  findSeries(bytes: Uint8Array, begin: number, end: number): number {
    return this.series.find(bytes, begin, end);
  }

  /**
   * Applies a batch.
   * @param ids number of the series of every row, none 0
   */
  append(batch: WriteBatch, ids: Uint32Array): void {
    this.#appendFloats(batch, ids);
    const { counters } = this;
    for (const { series, t, st, histogram } of batch.histograms) {
      this.#count(this.#rangeAt(t, batch.receiveTimeMs).appendHistogram(ids[series], t, st, histogram));
    }
    if (batch.exemplars.length > 0 || this.exemplars.count > 0) this.exemplars.resize(this.#options.exemplarsMax);
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
    const nowMs = batch.receiveTimeMs;
    let range = this.#range ?? this.#rangeAt(sampleT[sampleBegin[0]], nowMs);
    let inOrder = 0;
    for (let i = 0; i < seriesCount; i++) {
      const id = ids[i];
      const rowEnd = sampleBegin[i + 1];
      for (let row = sampleBegin[i]; row < rowEnd; row++) {
        const t = sampleT[row];
        if (t < range.begin || t >= range.end) range = this.#rangeAt(t, nowMs);
        const st = sampleST === null ? 0 : sampleST[row];
        const outcome = range.appendFloat(id, t, st, bits[row * 2 + 1], bits[row * 2]);
        if (outcome === AppendOutcome.inOrder) inOrder++;
        else this.#count(outcome);
      }
    }
    range.appendedAtMs = nowMs;
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

  #rangeAt(t: number, nowMs: number): HeadRange {
    const index = Math.floor(t / rangeMs);
    let range = this.#open.get(index);
    if (range === undefined) {
      range = this.rangeOf(index, 0);
      range.openedAtMs = nowMs;
      range.loggedFrom = this.logOffset;
    }
    range.appendedAtMs = nowMs;
    return range;
  }

  /** Range `index`, made if there is none: the open one (generation 0) or one that was frozen. */
  rangeOf(index: number, generation: number): HeadRange {
    const ranges = generation === 0 ? this.#open : this.#frozen;
    const key = generation === 0 ? index : generation;
    let range = ranges.get(key);
    if (range === undefined) {
      range = new HeadRange(index);
      range.generation = generation;
      range.newSeries = this.#watched;
      ranges.set(key, range);
    }
    return range;
  }

  get openRanges(): ReadonlyMap<number, HeadRange> {
    return this.#open;
  }

  get frozenRanges(): ReadonlyMap<number, HeadRange> {
    return this.#frozen;
  }

  /** Takes no more samples into open range `index`: it answers as generation `generation` until that is dropped. */
  freeze(index: number, generation: number): HeadRange | undefined {
    const range = this.#open.get(index);
    if (range === undefined) return undefined;
    range.generation = generation;
    range.newSeries = undefined;
    this.#open.delete(index);
    this.#frozen.set(generation, range);
    if (this.#range === range) this.#range = undefined;
    return range;
  }

  /** Lets go of a frozen range: its samples are elsewhere. */
  drop(generation: number): void {
    if (this.#frozen.delete(generation)) this.mayHaveEmptySeries = true;
  }

  /** From now on, until it is called again, it is noted which series get their first sample in a range. @returns what was noted since */
  watchSeries(isWanted: boolean): readonly number[] {
    const noted = this.#watched ?? [];
    this.#watched = isWanted ? [] : undefined;
    for (const range of this.#open.values()) range.newSeries = this.#watched;
    return noted;
  }

  /** Whether anything here still needs series `id`. */
  needsSeries(id: number): boolean {
    for (const range of this.#open.values()) if (range.has(id)) return true;
    for (const range of this.#frozen.values()) if (range.has(id)) return true;
    return false;
  }

  /** Ranges with anything from minT to maxT, in order of time. A reader holds on to them: one that is dropped meanwhile stays whole. */
  rangesBetween(minT: number, maxT: number): HeadRange[] {
    const found: HeadRange[] = [];
    for (const range of this.#open.values()) if (range.begin <= maxT && range.end > minT) found.push(range);
    for (const range of this.#frozen.values()) if (range.begin <= maxT && range.end > minT) found.push(range);
    return found.sort((a, b) => a.begin - b.begin);
  }

  /** Behind the number of the `count`th series from `fromId` on; behind `lastId` if there are no more. */
  sliceEnd(fromId: number, count: number): number {
    let id = fromId - 1;
    for (let left = count; left > 0; left--) {
      id = this.series.nextId(id);
      if (id === 0) return this.lastId + 1;
    }
    return id + 1;
  }

  /** Numbers of the series [fromId, toId), rising. */
  idsBetween(fromId: number, toId: number): number[] {
    const ids: number[] = [];
    for (let id = this.series.nextId(fromId - 1); id !== 0 && id < toId; id = this.series.nextId(id)) ids.push(id);
    return ids;
  }

  /** Numbers up to this one are not given again. */
  startAfter(id: number): void {
    this.series.startAfter(id);
  }

  /** Appends everything about the series [fromId, toId) but exemplars: labels, chunks, what is open. */
  writeSlice(fromId: number, toId: number, out: ByteSink): void {
    writeSeriesSlice(this, fromId, toId, out);
  }

  /**
   * Takes in a slice that writeSlice wrote.
   * @throws ByteSourceError where the bytes are no such slice; then a part of it may be there
   */
  readSlice(bytes: Uint8Array, begin: number, end: number, fromId: number): void {
    readSeriesSlice(this, new ByteSource(bytes, begin, end), fromId);
  }

  /** Appends where in the log each range began. */
  writeLoggedFrom(out: ByteSink): void {
    const ranges = this.rangesBetween(-Infinity, Infinity);
    out.writeUvarint(ranges.length);
    for (const { begin, generation, loggedFrom } of ranges) {
      out.writeFloat64(begin / rangeMs);
      out.writeFloat64(generation);
      out.writeFloat64(loggedFrom);
    }
  }

  /** Takes in what writeLoggedFrom wrote. @throws ByteSourceError */
  readLoggedFrom(bytes: Uint8Array, begin: number, end: number): void {
    const source = new ByteSource(bytes, begin, end);
    for (let left = source.readUvarint(); left > 0; left--) {
      const index = source.readFloat64();
      const generation = source.readFloat64();
      const loggedFrom = source.readFloat64();
      const range = generation === 0 ? this.#open.get(index) : this.#frozen.get(generation);
      if (range !== undefined) range.loggedFrom = loggedFrom;
    }
  }

  /** Appends exemplars and metadata. */
  writeExtras(out: ByteSink): void {
    // A restart may bring back one of a series that is gone: without labels it ends with the snapshot.
    this.exemplars.write(out, (id, to) => {
      if (this.series.has(id)) this.series.writeLabels(id, to);
    });
    this.metadata.write(out);
  }

  /** Takes in what writeExtras wrote. @throws ByteSourceError */
  readExtras(bytes: Uint8Array, begin: number, end: number): void {
    const source = new ByteSource(bytes, begin, end);
    this.exemplars.read(source, (labels, from, to) => this.findSeries(labels, from, to));
    this.metadata.read(source);
  }
}
