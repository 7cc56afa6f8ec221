/**
 * The chunks of selections that were joined by their labels (merge-sources.ts) become batches of the whole.
 * Owns what is held of each selection, and the copying. Whoever drives it brings the batches that it says are missing: with promises on
 * the main thread, blocking in a query worker. Surprising: a selection whose series come in the order of the whole is read as a stream;
 * one whose series do not (a head) has its chunks held until their series' turn comes.
 */
import { spareMemory } from '../std/spare-memory.ts';
import type { ChunkBatch, PartTable } from './series-source.ts';

const batchSeriesMax = 1024;
const batchBytesMax = 1 << 20;
const noBytes = new Uint8Array(0);

/** A batch, or one whose chunks have something between them: then chunk c ends at byteEnd[c]. */
export interface GivenBatch extends ChunkBatch {
  readonly byteEnd?: Uint32Array;
}

export class ChunkJoiner {
  readonly #table: PartTable;
  readonly #held: readonly HeldBatches[];
  readonly #seriesCount: number;
  readonly #out: BatchColumns;
  /** Parts of the series at hand in the order of their first chunks. */
  #order = new Uint32Array(16);
  /** When those begin. */
  #begins = new Float64Array(16);
  #series = 0;
  /** So many parts of the series at hand are there. */
  #partsThere = 0;

  /**
   * @param isSorted of each selection
   * @param free is told of batches that are not looked at any more: the collector would find their memory late
   */
  constructor(table: PartTable, isSorted: readonly boolean[], free: (batch: GivenBatch) => void = () => {}) {
    this.#table = table;
    this.#held = isSorted.map((sorted) => new HeldBatches(sorted, free));
    this.#seriesCount = table.partBegin.length - 1;
    this.#out = new BatchColumns(this.#seriesCount);
  }

  /**
   * Goes on with what is there.
   * @param seriesMax looks at so many series at most
   * @returns the selection whose next batch is needed to go on, or -1
   */
  advance(seriesMax: number = Number.POSITIVE_INFINITY): number {
    const { partBegin, partSource, partSeries } = this.#table;
    for (let left = seriesMax; left > 0 && this.#series < this.#seriesCount && !this.#out.isFull; left--) {
      const begin = partBegin[this.#series];
      const end = partBegin[this.#series + 1];
      for (; this.#partsThere < end - begin; this.#partsThere++) {
        const part = begin + this.#partsThere;
        const source = partSource[part];
        if (!this.#held[source].has(partSeries[part])) return source;
      }
      this.#partsThere = 0;
      const order = end - begin > 1 ? this.#orderOf(begin, end) : this.#order;
      if (end - begin === 1) order[0] = begin;
      for (let i = 0; i < end - begin; i++) this.#held[partSource[order[i]]].takeInto(this.#out, partSeries[order[i]]);
      this.#out.endSeries();
      this.#series++;
    }
    return -1;
  }

  /** The parts by when they begin: then the chunks of most series are in order of time as they come. */
  #orderOf(begin: number, end: number): Uint32Array {
    const { partSource, partSeries } = this.#table;
    if (this.#order.length < end - begin) {
      this.#order = new Uint32Array((end - begin) * 2);
      this.#begins = new Float64Array((end - begin) * 2);
    }
    const order = this.#order;
    const begins = this.#begins;
    for (let part = begin; part < end; part++) {
      const minT = this.#held[partSource[part]].minTimeOf(partSeries[part]);
      let at = part - begin;
      for (; at > 0 && begins[at - 1] > minT; at--) {
        order[at] = order[at - 1];
        begins[at] = begins[at - 1];
      }
      order[at] = part;
      begins[at] = minT;
    }
    return order;
  }

  /** Whether `take` has as much as a batch should have, or the rest. */
  get isReady(): boolean {
    return this.#out.isFull || this.#series === this.#seriesCount;
  }

  /** Whether all was taken. */
  get isOver(): boolean {
    return this.#series === this.#seriesCount && this.#out.seriesCount === 0;
  }

  /** The next batch of a selection. That of a sorted one is looked at until the one after it is given. */
  give(source: number, batch: GivenBatch): void {
    this.#held[source].add(batch);
  }

  /** The batch; undefined after the last. Its memory is its own. */
  take(): ChunkBatch | undefined {
    return this.#out.seriesCount === 0 ? undefined : this.#out.build(this.#series);
  }

  /** A batch that was taken is not looked at any more: its memory is used again. */
  recycle(batch: ChunkBatch): void {
    this.#out.recycle(batch);
  }

  /** Lets go of everything. */
  close(): void {
    for (const held of this.#held) held.clear();
    this.#out.close();
  }
}

/** The batches of one selection: the one that holds a series, and those that are held for later. */
class HeldBatches {
  readonly #isSorted: boolean;
  readonly #batches: GivenBatch[] = [];
  /** Series of each batch that were not taken yet. */
  readonly #left: number[] = [];

  readonly #free: (batch: GivenBatch) => void;

  constructor(isSorted: boolean, free: (batch: GivenBatch) => void) {
    this.#isSorted = isSorted;
    this.#free = free;
  }

  add(batch: GivenBatch): void {
    if (this.#isSorted) this.clear();
    this.#batches.push(batch);
    this.#left.push(batch.chunkBegin.length - 1);
  }

  has(series: number): boolean {
    return this.#indexOf(series) >= 0;
  }

  /** Begin of the first chunk of a series that is here. */
  minTimeOf(series: number): number {
    const { firstSeries, chunkBegin, minT } = this.#batches[this.#indexOf(series)];
    const first = chunkBegin[series - firstSeries];
    return first < chunkBegin[series - firstSeries + 1] ? minT[first] : Number.NEGATIVE_INFINITY;
  }

  /** Appends the chunks of a series that is here. */
  takeInto(out: BatchColumns, series: number): void {
    const at = this.#indexOf(series);
    const batch = this.#batches[at];
    out.addSeries(batch, series - batch.firstSeries);
    // The bytes of a batch whose series all were taken are let go.
    if (--this.#left[at] > 0 || this.#isSorted) return;
    this.#batches[at] = { ...batch, bytes: noBytes };
    this.#free(batch);
  }

  clear(): void {
    for (let i = 0; i < this.#batches.length; i++) {
      if (this.#isSorted || this.#left[i] > 0) this.#free(this.#batches[i]);
    }
    this.#batches.length = 0;
    this.#left.length = 0;
  }

  #indexOf(series: number): number {
    let low = 0;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const batch = this.#batches[middle];
      if (series < batch.firstSeries) high = middle;
      else if (series >= batch.firstSeries + batch.chunkBegin.length - 1) low = middle + 1;
      else return middle;
    }
    return -1;
  }
}

/** Room at first, for each series that may come and at most. */
const firstChunks = { ofSeries: 16, max: 256 };
const firstBytes = { ofSeries: 4 << 10, max: 64 << 10 };

/** One batch in the making, in columns that grow. */
class BatchColumns {
  seriesCount = 0;
  /** Room for the series of a batch. */
  readonly #seriesMax: number;
  #chunkBegin: Uint32Array;
  #encoding: Uint8Array<ArrayBuffer>;
  #minT: Float64Array<ArrayBuffer>;
  #maxT: Float64Array<ArrayBuffer>;
  #byteBegin: Uint32Array<ArrayBuffer>;
  #bytes: Uint8Array<ArrayBuffer>;
  #chunks = 0;
  #used = 0;
  /** Whether the chunks of the series at hand came in order of time so far. */
  #isOrdered = true;
  #spare: ChunkBatch | undefined;
  /** A batch was built of the memory at hand: what comes next needs another. */
  #isGiven = false;

  /** @param seriesCount of all batches together */
  constructor(seriesCount: number) {
    this.#seriesMax = Math.min(batchSeriesMax, seriesCount);
    const chunks = Math.min(firstChunks.max, firstChunks.ofSeries * seriesCount);
    this.#chunkBegin = new Uint32Array(this.#seriesMax + 1);
    this.#encoding = new Uint8Array(chunks);
    this.#minT = new Float64Array(chunks);
    this.#maxT = new Float64Array(chunks);
    this.#byteBegin = new Uint32Array(chunks + 1);
    const wanted = firstBytes.ofSeries * seriesCount;
    this.#bytes = spareMemory.take(Math.min(firstBytes.max, wanted), Math.min(2 * batchBytesMax, wanted));
  }

  get isFull(): boolean {
    return this.seriesCount === batchSeriesMax || this.#used >= batchBytesMax;
  }

  addSeries(batch: GivenBatch, series: number): void {
    if (this.#isGiven) this.#renew();
    const { encoding, minT, maxT, bytes, byteBegin, byteEnd } = batch;
    const end = batch.chunkBegin[series + 1];
    let chunk = this.#chunks;
    let used = this.#used;
    for (let c = batch.chunkBegin[series]; c < end; c++) {
      const from = byteBegin[c];
      const to = byteEnd === undefined ? byteBegin[c + 1] : byteEnd[c];
      if (chunk === this.#encoding.length) this.#growChunks();
      if (used + to - from > this.#bytes.length) this.#growBytes(used + to - from);
      copyBytes(bytes, from, to, this.#bytes, used);
      used += to - from;
      if (chunk > this.#chunkBegin[this.seriesCount] && minT[c] < this.#minT[chunk - 1]) this.#isOrdered = false;
      this.#encoding[chunk] = encoding[c];
      this.#minT[chunk] = minT[c];
      this.#maxT[chunk] = maxT[c];
      this.#byteBegin[++chunk] = used;
    }
    this.#chunks = chunk;
    this.#used = used;
  }

  endSeries(): void {
    if (!this.#isOrdered) this.#order(this.#chunkBegin[this.seriesCount]);
    this.#isOrdered = true;
    this.#chunkBegin[++this.seriesCount] = this.#chunks;
  }

  /** @param seriesEnd of the whole: the series of the batch are those before it */
  build(seriesEnd: number): ChunkBatch {
    const count = this.#chunks;
    const batch = {
      firstSeries: seriesEnd - this.seriesCount,
      chunkBegin: this.#chunkBegin.subarray(0, this.seriesCount + 1),
      encoding: this.#encoding.subarray(0, count),
      minT: this.#minT.subarray(0, count),
      maxT: this.#maxT.subarray(0, count),
      byteBegin: this.#byteBegin.subarray(0, count + 1),
      bytes: this.#bytes.subarray(0, this.#used),
    };
    this.#isGiven = true;
    this.seriesCount = 0;
    this.#chunks = 0;
    this.#used = 0;
    return batch;
  }

  recycle(batch: ChunkBatch): void {
    this.#spare = batch;
  }

  /** Its memory serves another one, but that of a batch which somebody may look at. */
  close(): void {
    if (!this.#isGiven) spareMemory.give(this.#bytes);
    if (this.#spare !== undefined) spareMemory.give(new Uint8Array(memoryOf(this.#spare.bytes)));
    this.#spare = undefined;
    this.#bytes = noBytes;
    this.#isGiven = true;
  }

  /** Takes the memory of a batch that is over, or as much anew as this one needed. */
  #renew(): void {
    this.#isGiven = false;
    const spare = this.#spare;
    this.#spare = undefined;
    const chunks = this.#encoding.length;
    if (spare === undefined) {
      this.#chunkBegin = new Uint32Array(this.#seriesMax + 1);
      this.#encoding = new Uint8Array(chunks);
      this.#minT = new Float64Array(chunks);
      this.#maxT = new Float64Array(chunks);
      this.#byteBegin = new Uint32Array(chunks + 1);
      this.#bytes = new Uint8Array(this.#bytes.length);
      return;
    }
    this.#chunkBegin = new Uint32Array(memoryOf(spare.chunkBegin));
    this.#encoding = new Uint8Array(memoryOf(spare.encoding));
    this.#minT = new Float64Array(memoryOf(spare.minT));
    this.#maxT = new Float64Array(memoryOf(spare.maxT));
    this.#byteBegin = new Uint32Array(memoryOf(spare.byteBegin));
    this.#bytes = new Uint8Array(memoryOf(spare.bytes));
  }

  /** Brings the chunks from `first` on into the order of time; those that begin together stay as they came. */
  #order(first: number): void {
    const count = this.#chunks - first;
    const order = Uint32Array.from({ length: count }, (_, i) => first + i).sort(
      (a, b) => this.#minT[a] - this.#minT[b] || a - b,
    );
    const encoding = this.#encoding.slice(first, this.#chunks);
    const minT = this.#minT.slice(first, this.#chunks);
    const maxT = this.#maxT.slice(first, this.#chunks);
    const byteBegin = this.#byteBegin.slice(first, this.#chunks + 1);
    const bytes = this.#bytes.slice(byteBegin[0], this.#used);
    let used = byteBegin[0];
    for (let i = 0; i < count; i++) {
      const c = order[i] - first;
      const from = byteBegin[c] - byteBegin[0];
      const to = byteBegin[c + 1] - byteBegin[0];
      copyBytes(bytes, from, to, this.#bytes, used);
      used += to - from;
      this.#encoding[first + i] = encoding[c];
      this.#minT[first + i] = minT[c];
      this.#maxT[first + i] = maxT[c];
      this.#byteBegin[first + i + 1] = used;
    }
  }

  #growChunks(): void {
    const capacity = this.#encoding.length * 2;
    this.#encoding = new Uint8Array(this.#encoding.buffer.transfer(capacity));
    this.#minT = new Float64Array(this.#minT.buffer.transfer(capacity * 8));
    this.#maxT = new Float64Array(this.#maxT.buffer.transfer(capacity * 8));
    this.#byteBegin = new Uint32Array(this.#byteBegin.buffer.transfer((capacity + 1) * 4));
  }

  #growBytes(needed: number): void {
    this.#bytes = new Uint8Array(this.#bytes.buffer.transfer(Math.max(needed, this.#bytes.length * 2)));
  }
}

const memoryOf = ({ buffer }: Uint8Array | Uint32Array | Float64Array): ArrayBuffer => buffer as ArrayBuffer; // made here

/** Below so many bytes a loop costs less than the view that `set` needs. */
const loopBytesMax = 48;

function copyBytes(from: Uint8Array, begin: number, end: number, to: Uint8Array, at: number): void {
  if (end - begin > loopBytesMax) {
    to.set(from.subarray(begin, end), at);
    return;
  }
  for (let i = begin, o = at; i < end; i++, o++) to[o] = from[i];
}
