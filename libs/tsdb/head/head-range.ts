/**
 * Two hours of one tenant: the chunks of every series that has samples in them. A range holds all its memory itself, so that
 * dropping it frees it at once and touches no other. No chunk crosses a range.
 * Owns slots (a slot is a series in this range), open chunks, chunk cutting by Prometheus' rules (chunk-limits.ts), and samples
 * that came out of order: they wait in a sorted buffer and become chunks of their own, resolved against the others when read
 * (libs/series/merge.ts). Does not own labels. Surprising: nothing is ever refused here.
 */
import type { ChunkEncoding as Encoding } from '../../model/encoding/chunk.ts';
import { ChunkEncoding } from '../../model/encoding/chunk.ts';
import { decodeChunk } from '../../model/encoding/decode-chunk.ts';
import { appendXor, beginXorChunk, XorState, xorHeaderBytes, xorNoWindow } from '../../model/encoding/float-chunk.ts';
import { appendXor2, beginXor2Chunk, Xor2State, xor2HeaderBytes } from '../../model/encoding/float-st-chunk.ts';
import {
  appendHistogram,
  beginHistogramChunk,
  loadHistogramChunk,
  type OpenHistogramChunk,
} from '../../model/encoding/histogram-chunk.ts';
import type { SampleRows } from '../../model/encoding/sample-rows.ts';
import type { Histogram } from '../../model/histogram.ts';
import { isStaleNaN, staleNaNHi, staleNaNLo } from '../../model/stale.ts';
import { compareHistograms } from '../../series/merge.ts';
import type { ByteSink } from '../../std/byte-sink.ts';
import { type ByteSource, ByteSourceError } from '../../std/byte-source.ts';
import type { Steps } from '../../std/steps.ts';
import type { ChunkBatchBuilder } from './chunk-batch-builder.ts';
import {
  chunkEndTime,
  chunkSamplesTarget,
  floatChunkBytesMax,
  histogramChunkBytesTarget,
  histogramChunkSamplesMin,
} from './chunk-limits.ts';
import { ClosedChunks } from './closed-chunks.ts';
import { FragmentPool, fragmentBytes } from './fragment-pool.ts';
import { type LateChunk, LateFloats, lateSamplesMax, lateSampleWords } from './late-floats.ts';
import { LateHistograms } from './late-histograms.ts';
import { RowTable, rowMask, rowPageShift } from './row-table.ts';
import { Slot, SlotFlag, slotWords } from './slot.ts';

/** Length of a range: what Prometheus' blocks are cut to. */
export const rangeMs = 7_200_000;

/** What became of a sample; counted per head. */
export const AppendOutcome = {
  inOrder: 0,
  /** The same sample was there. */
  duplicate: 1,
  late: 2,
  /** Another value stood at its time; which of them is answered, the merge decides. */
  conflict: 3,
} as const;
export type AppendOutcome = (typeof AppendOutcome)[keyof typeof AppendOutcome];

const extentStep = 4096;
const indexPageShift = 8;
const indexPageSlots = 1 << indexPageShift;
const indexMask = indexPageSlots - 1;
const noPage = new Uint32Array(0);

/** Start times of an XOR2 chunk under way: last start time, its distance, first sample with another one, header byte. */
const startTimeWords = 4;
/** Late floats that become a chunk are compared with so many chunks, the newest: a sender repeats what it sent last. */
const comparedChunksMax = 8;
/** And so many are looked at for these: one series may have hundreds of thousands. */
const lookedAtChunksMax = 256;

/** The encoders write a sample here, from the byte on in which the chunk now ends; then it goes to the fragments. */
const scratchChunk = new Uint8Array(128);
const xor = new XorState();
const xor2 = new Xor2State();
beginXorChunk(xor, scratchChunk, 0);
beginXor2Chunk(xor2, scratchChunk, 0);

const scratchRows: SampleRows = {
  t: new Float64Array(0),
  v: new Float64Array(0),
  vBits: new Int32Array(0),
  st: null,
  h: null,
};

interface OpenHistograms {
  chunk: OpenHistogramChunk;
  /** The last sample as it came, undefined after a restart. */
  last: Histogram | undefined;
}

export class HeadRange {
  /** First millisecond, and the one behind the last. */
  readonly begin: number;
  readonly end: number;
  /** 0 while samples may come; then the number under which the log knows the range as it was when it was frozen. */
  generation = 0;
  /** By the clock: when the range was made, and when a sample came last (senders' times of receipt). */
  openedAtMs = 0;
  /** Offset of the first record of the log that brought a sample; -1 where the log is not kept elsewhere. */
  loggedFrom = -1;
  appendedAtMs = 0;
  /** While it is there, told the number of every series that gets its first sample in this range. */
  newSeries: number[] | undefined;
  readonly #slots = new RowTable(slotWords);
  /** Slots of series by number, a page for 256 neighbours where any of them is here: a backfill leaves ranges of a few series. */
  readonly #index = new Map<number, Uint32Array>();
  /** The page that was used last: senders repeat their series in order. */
  #lastPage: Uint32Array = noPage;
  #lastPageIndex = -1;
  readonly #fragments = new FragmentPool();
  readonly #closed = new ClosedChunks();
  readonly #late = new LateFloats();
  #startTimes = new Float64Array(0);
  #startTimeRows = 0;
  readonly #histograms: OpenHistograms[] = [];
  readonly #freeHistograms: number[] = [];
  readonly #lateHistograms = new LateHistograms();

  /** @param index number of the range: it begins at index * rangeMs */
  constructor(index: number) {
    this.begin = index * rangeMs;
    this.end = this.begin + rangeMs;
  }

  /** Memory taken, but for open histograms. */
  get bytes(): number {
    return (
      this.#slots.bytes +
      this.#index.size * indexPageSlots * 4 +
      this.#fragments.bytes +
      this.#closed.bytes +
      this.#late.bytes +
      this.#startTimes.byteLength
    );
  }

  /** Series with samples in it. */
  get seriesCount(): number {
    return this.#slots.count;
  }

  /** Numbers of the series with samples in it, in no order. */
  seriesIds(): Uint32Array {
    const ids = new Uint32Array(this.#slots.count);
    for (let slot = 1; slot <= ids.length; slot++) ids[slot - 1] = this.#word(slot, Slot.series);
    return ids;
  }

  /** Whether series `id` has samples. */
  has(id: number): boolean {
    return this.#slotOf(id) !== 0;
  }

  /** Whether series `id` may have samples from minT to maxT. */
  hasSamples(id: number, minT: number, maxT: number): boolean {
    const slot = this.#slotOf(id);
    return (
      slot !== 0 &&
      this.begin + this.#word(slot, Slot.minT) <= maxT &&
      this.begin + this.#word(slot, Slot.lastT) >= minT
    );
  }

  /** Time of the oldest sample of a series that has any. */
  oldestOf(id: number): number {
    return this.begin + this.#word(this.#slotOf(id), Slot.minT);
  }

  /** Time of its newest sample. */
  newestOf(id: number): number {
    return this.begin + this.#word(this.#slotOf(id), Slot.lastT);
  }

  /** Chunks (of late samples, those that are written), and times of the oldest and the newest sample: minT > maxT if there is none. */
  *extent(): Steps<{ readonly chunks: number; readonly minT: number; readonly maxT: number }> {
    let chunks = this.#closed.count;
    let minT = rangeMs;
    let maxT = -1;
    for (let slot = 1; slot <= this.#slots.count; slot++) {
      if ((this.#word(slot, Slot.state) & 0xff) !== 0) chunks++;
      minT = Math.min(minT, this.#word(slot, Slot.minT));
      maxT = Math.max(maxT, this.#word(slot, Slot.lastT));
      if (slot % extentStep === 0) yield;
    }
    return { chunks, minT: this.begin + minT, maxT: this.begin + maxT };
  }

  /** Stores a float sample of series `id` at a time of this range; `st` is 0 if unknown, the value comes as its bits. */
  appendFloat(id: number, t: number, st: number, vHi: number, vLo: number): AppendOutcome {
    const slot = this.#slotOf(id) || this.#addSlot(id);
    const page = this.#slots.pages[slot >>> rowPageShift];
    const at = (slot & rowMask) * slotWords;
    const offset = t - this.begin;
    const lastT = page[at + Slot.lastT];
    if (offset <= lastT) return this.#appendLateFloat(slot, offset, st, vHi, vLo);
    let encoding = page[at + Slot.state] & 0xff;
    const count = page[at + Slot.count];
    if (encoding !== 0) {
      let full: boolean;
      if (encoding === ChunkEncoding.xor ? st !== 0 : encoding !== ChunkEncoding.xor2) {
        full = true;
      } else {
        if (count === chunkSamplesTarget / 4) {
          page[at + Slot.nextAt] = chunkEndTime(page[at + Slot.openMinT], lastT, page[at + Slot.nextAt], 4);
        }
        full =
          offset >= page[at + Slot.nextAt] ||
          count >= chunkSamplesTarget * 2 ||
          page[at + Slot.bitPosition] > floatChunkBytesMax * 8;
      }
      if (full) {
        this.#closeOpen(slot);
        encoding = 0;
      }
    }
    if (encoding === 0) encoding = this.#beginFloats(slot, offset, st);
    if (encoding === ChunkEncoding.xor) this.#encodeXor(page, at, t, vHi, vLo);
    else this.#encodeXor2(page, at, t, st, vHi, vLo);
    page[at + Slot.lastT] = offset;
    return AppendOutcome.inOrder;
  }

  /** Stores a histogram sample of series `id` at a time of this range. */
  appendHistogram(id: number, t: number, st: number, h: Histogram): AppendOutcome {
    const slot = this.#slotOf(id) || this.#addSlot(id);
    const offset = t - this.begin;
    const lastT = this.#word(slot, Slot.lastT);
    if (offset <= lastT) return this.#appendLateHistogram(slot, offset, st, h);
    let encoding = this.#word(slot, Slot.state) & 0xff;
    if (encoding === ChunkEncoding.xor || encoding === ChunkEncoding.xor2) {
      this.#closeOpen(slot);
      encoding = 0;
    }
    if (encoding === 0) {
      this.#openHistogram(slot, offset, beginHistogramChunk(null, st, t, h), h);
    } else {
      const open = this.#histograms[this.#word(slot, Slot.first)];
      const next = this.#isHistogramChunkFull(slot, offset, open.chunk)
        ? beginHistogramChunk(open.chunk, st, t, h)
        : appendHistogram(open.chunk, st, t, h);
      if (next !== open.chunk) {
        this.#closeOpen(slot);
        this.#openHistogram(slot, offset, next, h);
      } else {
        open.last = h;
        this.#setWord(slot, Slot.count, next.count);
      }
    }
    this.#setWord(slot, Slot.lastT, offset);
    return AppendOutcome.inOrder;
  }

  /** Copies the chunks of series `id` that have samples from minT to maxT, in order of their first samples. */
  copyChunks(id: number, minT: number, maxT: number, out: ChunkBatchBuilder): void {
    const slot = this.#slotOf(id);
    if (slot === 0) return;
    const from = minT - this.begin;
    const to = maxT - this.begin;
    if (this.#word(slot, Slot.minT) > to || this.#word(slot, Slot.lastT) < from) return;
    const late = this.#lateChunks(slot);
    const openMinT = this.#word(slot, Slot.openMinT);
    const encoding = this.#word(slot, Slot.state) & 0xff;
    const wantsOpen = encoding !== 0 && openMinT <= to && this.#word(slot, Slot.lastT) >= from;
    const wanted: number[] = [];
    for (let chunk = this.#word(slot, Slot.closed); chunk !== 0; chunk = this.#closed.previous(chunk)) {
      if (this.#closed.minT(chunk) <= to && this.#closed.maxT(chunk) >= from) wanted.push(chunk);
    }
    if (wanted.length === 0 && late.length === 0) {
      // The newest chunk alone is what most instant queries want.
      if (!wantsOpen) return;
      this.#writeOpen(slot, out.bytes);
      out.endChunk(encoding as Encoding, this.begin + openMinT, this.begin + this.#word(slot, Slot.lastT));
      return;
    }
    wanted.reverse();
    if (wantsOpen) wanted.push(0);
    for (let i = 0; i < late.length; i++) if (late[i].minT <= to && late[i].maxT >= from) wanted.push(-1 - i);
    const minTOf = (chunk: number): number =>
      chunk > 0 ? this.#closed.minT(chunk) : chunk === 0 ? openMinT : late[-1 - chunk].minT;
    wanted.sort((a, b) => minTOf(a) - minTOf(b));
    for (const chunk of wanted) {
      if (chunk > 0) {
        const begin = this.#closed.offset(chunk);
        out.bytes.writeBytes(this.#closed.page(chunk), begin, begin + this.#closed.length(chunk));
        out.endChunk(
          this.#closed.encoding(chunk),
          this.begin + this.#closed.minT(chunk),
          this.begin + this.#closed.maxT(chunk),
        );
      } else if (chunk === 0) {
        this.#writeOpen(slot, out.bytes);
        out.endChunk(encoding as Encoding, this.begin + openMinT, this.begin + this.#word(slot, Slot.lastT));
      } else {
        const { encoding, bytes, minT, maxT } = late[-1 - chunk];
        out.bytes.writeBytes(bytes, 0, bytes.length);
        out.endChunk(encoding, this.begin + minT, this.begin + maxT);
      }
    }
  }

  /** Whether series `id` has a slot, and then everything about it: see snapshot-slice.ts for the layout. */
  writeSlot(id: number, out: ByteSink): boolean {
    const slot = this.#slotOf(id);
    if (slot === 0) return false;
    out.reserve(256);
    for (const word of savedWords) out.writeUint32(this.#word(slot, word) >>> 0);
    const encoding = this.#word(slot, Slot.state) & 0xff;
    if (encoding !== 0) {
      const sizeAt = out.length;
      out.writeUint32(0);
      this.#writeOpen(slot, out);
      out.view.setUint32(sizeAt, out.length - sizeAt - 4, true);
      if (encoding === ChunkEncoding.xor2) {
        const row = this.#word(slot, Slot.startTimes) * startTimeWords;
        for (let i = 0; i < startTimeWords; i++) out.writeFloat64(this.#startTimes[row + i]);
      }
    }
    const chunks: number[] = [];
    for (let chunk = this.#word(slot, Slot.closed); chunk !== 0; chunk = this.#closed.previous(chunk))
      chunks.push(chunk);
    const late = this.#lateHistograms.chunks(slot, this.begin);
    out.writeUvarint(chunks.length + late.length);
    for (const chunk of chunks.reverse()) {
      const length = this.#closed.length(chunk);
      const begin = this.#closed.offset(chunk);
      writeChunkHead(out, this.#closed.encoding(chunk), this.#closed.minT(chunk), this.#closed.maxT(chunk), length);
      out.writeBytes(this.#closed.page(chunk), begin, begin + length);
    }
    for (const { encoding, minT, maxT, bytes } of late) {
      writeChunkHead(out, encoding, minT, maxT, bytes.length);
      out.writeBytes(bytes, 0, bytes.length);
    }
    const buffer = this.#word(slot, Slot.late);
    const lateCount = buffer === 0 ? 0 : this.#late.count(buffer);
    out.writeUvarint(lateCount);
    for (let i = 0; i < lateCount; i++) {
      for (let word = 0; word < lateSampleWords; word++) out.writeUint32(this.#late.word(buffer, i, word));
    }
    return true;
  }

  /** Reads what writeSlot wrote: for a series that has no slot yet. @throws ByteSourceError where it can not be that */
  readSlot(id: number, source: ByteSource): void {
    if (this.#slotOf(id) !== 0) throw new ByteSourceError(`series ${id} is restored twice`);
    const slot = this.#addSlot(id);
    for (const word of savedWords) this.#setWord(slot, word, source.readUint32() | 0);
    const encoding = this.#word(slot, Slot.state) & 0xff;
    if (encoding !== 0) this.#readOpen(slot, encoding, source);
    let previous = 0;
    for (let left = source.readUvarint(); left > 0; left--) {
      const chunkEncoding = encodingOf(source.readUint8());
      const minT = source.readUvarint();
      const maxT = source.readUvarint();
      if (minT >= rangeMs || maxT >= rangeMs) throw new ByteSourceError('a chunk of a range ends behind it');
      const length = source.readUvarint();
      const begin = source.take(length);
      previous = this.#addClosed(previous, chunkEncoding, minT, maxT, source.bytes, begin, begin + length);
    }
    this.#setWord(slot, Slot.closed, previous);
    const lateCount = source.readUvarint();
    if (lateCount > lateSamplesMax) throw new ByteSourceError(`${lateCount} late samples in one buffer`);
    if (lateCount > 0) {
      const buffer = this.#late.addBuffer();
      this.#setWord(slot, Slot.late, buffer);
      for (let i = 0; i < lateCount; i++) {
        const t = source.readUint32();
        const vHi = source.readUint32() | 0;
        const vLo = source.readUint32() | 0;
        this.#late.insert(buffer, t, source.readFloat64(), vHi, vLo);
      }
    }
  }

  #word(slot: number, word: number): number {
    return this.#slots.get(slot, word);
  }

  #setWord(slot: number, word: number, value: number): void {
    this.#slots.set(slot, word, value);
  }

  #slotOf(id: number): number {
    const index = id >>> indexPageShift;
    if (index !== this.#lastPageIndex) {
      const page = this.#index.get(index);
      if (page === undefined) return 0;
      this.#lastPage = page;
      this.#lastPageIndex = index;
    }
    return this.#lastPage[id & indexMask];
  }

  #addSlot(id: number): number {
    this.newSeries?.push(id);
    const index = id >>> indexPageShift;
    let page = this.#index.get(index);
    if (page === undefined) {
      page = new Uint32Array(indexPageSlots);
      this.#index.set(index, page);
    }
    const slot = this.#slots.add();
    page[id & indexMask] = slot;
    this.#setWord(slot, Slot.series, id);
    this.#setWord(slot, Slot.lastT, -1);
    this.#setWord(slot, Slot.minT, rangeMs);
    return slot;
  }

  /** Begins a float chunk without a sample; returns its encoding. */
  #beginFloats(slot: number, offset: number, st: number): Encoding {
    const encoding = st === 0 ? ChunkEncoding.xor : ChunkEncoding.xor2;
    this.#setWord(slot, Slot.state, encoding | (xorNoWindow << 8));
    this.#setWord(slot, Slot.bitPosition, (st === 0 ? xorHeaderBytes : xor2HeaderBytes) * 8);
    this.#setWord(slot, Slot.count, 0);
    this.#setWord(slot, Slot.tDelta, 0);
    this.#setWord(slot, Slot.vHi, 0);
    this.#setWord(slot, Slot.vLo, 0);
    this.#setWord(slot, Slot.first, 0);
    this.#setWord(slot, Slot.last, 0);
    this.#setWord(slot, Slot.openMinT, offset);
    this.#setWord(slot, Slot.nextAt, rangeMs);
    if (offset < this.#word(slot, Slot.minT)) this.#setWord(slot, Slot.minT, offset);
    if (st !== 0) {
      const row = this.#word(slot, Slot.startTimes) || this.#addStartTimes(slot);
      this.#startTimes.fill(0, row * startTimeWords, (row + 1) * startTimeWords);
    }
    return encoding;
  }

  #addStartTimes(slot: number): number {
    const row = ++this.#startTimeRows;
    const needed = (row + 1) * startTimeWords;
    if (needed > this.#startTimes.length) {
      const bytes = Math.max(needed, this.#startTimes.length * 2) * 8;
      this.#startTimes = new Float64Array(this.#startTimes.buffer.transfer(bytes));
    }
    this.#setWord(slot, Slot.startTimes, row);
    return row;
  }

  #encodeXor(page: Int32Array, at: number, t: number, vHi: number, vLo: number): void {
    const state = page[at + Slot.state];
    const position = page[at + Slot.bitPosition];
    const count = page[at + Slot.count];
    const scratchPosition = xorHeaderBytes * 8 + (position & 7);
    this.#loadTail(page, at, position - xorHeaderBytes * 8, xorHeaderBytes);
    xor.bitPosition = scratchPosition;
    xor.count = count;
    xor.t = this.begin + page[at + Slot.lastT];
    xor.tDelta = page[at + Slot.tDelta];
    xor.vHi = page[at + Slot.vHi];
    xor.vLo = page[at + Slot.vLo];
    xor.leading = (state >>> 8) & 0xff;
    xor.trailing = (state >>> 16) & 0xff;
    appendXor(xor, t, vHi, vLo);
    page[at + Slot.state] = ChunkEncoding.xor | (xor.leading << 8) | (xor.trailing << 16);
    page[at + Slot.bitPosition] = position + xor.bitPosition - scratchPosition;
    page[at + Slot.count] = count + 1;
    page[at + Slot.tDelta] = xor.tDelta;
    page[at + Slot.vHi] = vHi;
    page[at + Slot.vLo] = vLo;
    this.#storeTail(page, at, position - xorHeaderBytes * 8, xorHeaderBytes, (xor.bitPosition + 7) >>> 3);
  }

  #encodeXor2(page: Int32Array, at: number, t: number, st: number, vHi: number, vLo: number): void {
    const state = page[at + Slot.state];
    const position = page[at + Slot.bitPosition];
    const count = page[at + Slot.count];
    const row = page[at + Slot.startTimes] * startTimeWords;
    const startTimes = this.#startTimes;
    const scratchPosition = xor2HeaderBytes * 8 + (position & 7);
    this.#loadTail(page, at, position - xor2HeaderBytes * 8, xor2HeaderBytes);
    scratchChunk[2] = startTimes[row + 3];
    xor2.bitPosition = scratchPosition;
    xor2.count = count;
    xor2.t = this.begin + page[at + Slot.lastT];
    xor2.tDelta = page[at + Slot.tDelta];
    xor2.vHi = page[at + Slot.vHi];
    xor2.vLo = page[at + Slot.vLo];
    xor2.leading = (state >>> 8) & 0xff;
    xor2.trailing = (state >>> 16) & 0xff;
    xor2.st = startTimes[row];
    xor2.stDiff = startTimes[row + 1];
    xor2.firstStChange = startTimes[row + 2];
    appendXor2(xor2, st, t, vHi, vLo);
    startTimes[row] = xor2.st;
    startTimes[row + 1] = xor2.stDiff;
    startTimes[row + 2] = xor2.firstStChange;
    startTimes[row + 3] = scratchChunk[2];
    const stale = isStaleNaN(vHi, vLo) ? SlotFlag.lastIsStale : 0;
    page[at + Slot.state] = ChunkEncoding.xor2 | (xor2.leading << 8) | (xor2.trailing << 16) | stale;
    page[at + Slot.bitPosition] = position + xor2.bitPosition - scratchPosition;
    page[at + Slot.count] = count + 1;
    page[at + Slot.tDelta] = xor2.tDelta;
    page[at + Slot.vHi] = xor2.vHi;
    page[at + Slot.vLo] = xor2.vLo;
    this.#storeTail(page, at, position - xor2HeaderBytes * 8, xor2HeaderBytes, (xor2.bitPosition + 7) >>> 3);
  }

  /** The byte in which the data of an open chunk ends goes to scratchChunk[to], if it ends within one. */
  #loadTail(page: Int32Array, at: number, dataBits: number, to: number): void {
    if ((dataBits & 7) === 0) return;
    const last = page[at + Slot.last];
    scratchChunk[to] = this.#fragments.page(last)[this.#fragments.offset(last) + ((dataBits >>> 3) % fragmentBytes)];
  }

  /** scratchChunk[from, to) goes to where the data ended before. */
  #storeTail(page: Int32Array, at: number, dataBits: number, from: number, to: number): void {
    const fragments = this.#fragments;
    let last = page[at + Slot.last];
    let used = (dataBits >>> 3) % fragmentBytes;
    if (used === 0 && (dataBits & 7) === 0) used = fragmentBytes;
    let i = from;
    for (;;) {
      if (used < fragmentBytes) {
        const target = fragments.page(last);
        const begin = fragments.offset(last);
        while (i < to && used < fragmentBytes) target[begin + used++] = scratchChunk[i++];
      }
      if (i === to) return;
      const next = fragments.take();
      if (last === 0) page[at + Slot.first] = next;
      else fragments.link(last, next);
      page[at + Slot.last] = next;
      last = next;
      used = 0;
    }
  }

  /** Appends the bytes of the open chunk. */
  #writeOpen(slot: number, out: ByteSink): void {
    const encoding = this.#word(slot, Slot.state) & 0xff;
    const count = this.#word(slot, Slot.count);
    if (encoding !== ChunkEncoding.xor && encoding !== ChunkEncoding.xor2) {
      const bytes = this.#histograms[this.#word(slot, Slot.first)].chunk.bytes();
      out.writeBytes(bytes, 0, bytes.length);
      return;
    }
    const length = (this.#word(slot, Slot.bitPosition) + 7) >>> 3;
    out.reserve(length);
    this.#copyOpenFloats(slot, encoding, count, length, out.bytes, out.length);
    out.length += length;
  }

  #copyOpenFloats(slot: number, encoding: number, count: number, length: number, target: Uint8Array, at: number): void {
    target[at] = count >>> 8;
    target[at + 1] = count;
    let header = xorHeaderBytes;
    if (encoding === ChunkEncoding.xor2) {
      header = xor2HeaderBytes;
      target[at + 2] = this.#startTimes[this.#word(slot, Slot.startTimes) * startTimeWords + 3];
    }
    this.#fragments.copy(this.#word(slot, Slot.first), length - header, target, at + header);
  }

  #readOpen(slot: number, encoding: number, source: ByteSource): void {
    const length = source.readUint32();
    const begin = source.take(length);
    if (encoding !== ChunkEncoding.xor && encoding !== ChunkEncoding.xor2) {
      const chunk = loadHistogramChunk(encodingOf(encoding), source.bytes, begin, begin + length);
      this.#putHistogram(slot, { chunk, last: undefined });
      return;
    }
    const header = encoding === ChunkEncoding.xor ? xorHeaderBytes : xor2HeaderBytes;
    if (length !== (this.#word(slot, Slot.bitPosition) + 7) >>> 3 || length <= header) {
      throw new ByteSourceError('an open chunk has another length than its state');
    }
    const fragments = this.#fragments;
    let last = 0;
    for (let from = begin + header; from < begin + length; from += fragmentBytes) {
      const fragment = fragments.take();
      if (last === 0) this.#setWord(slot, Slot.first, fragment);
      else fragments.link(last, fragment);
      last = fragment;
      const page = fragments.page(fragment);
      let to = fragments.offset(fragment);
      for (let i = from; i < Math.min(from + fragmentBytes, begin + length); i++) page[to++] = source.bytes[i];
    }
    this.#setWord(slot, Slot.last, last);
    if (encoding === ChunkEncoding.xor2) {
      const row = this.#addStartTimes(slot) * startTimeWords;
      for (let i = 0; i < startTimeWords; i++) this.#startTimes[row + i] = source.readFloat64();
    }
  }

  /** Makes the open chunk a closed one. */
  #closeOpen(slot: number): void {
    const encoding = encodingOf(this.#word(slot, Slot.state) & 0xff);
    const minT = this.#word(slot, Slot.openMinT);
    const maxT = this.#word(slot, Slot.lastT);
    const previous = this.#word(slot, Slot.closed);
    let chunk: number;
    if (encoding === ChunkEncoding.xor || encoding === ChunkEncoding.xor2) {
      const length = (this.#word(slot, Slot.bitPosition) + 7) >>> 3;
      chunk = this.#closed.add(previous, encoding, minT, maxT, length);
      const target = this.#closed.page(chunk);
      this.#copyOpenFloats(slot, encoding, this.#word(slot, Slot.count), length, target, this.#closed.offset(chunk));
      this.#fragments.release(this.#word(slot, Slot.first), this.#word(slot, Slot.last));
    } else {
      const index = this.#word(slot, Slot.first);
      const bytes = this.#histograms[index].chunk.bytes();
      chunk = this.#addClosed(previous, encoding, minT, maxT, bytes, 0, bytes.length);
      this.#freeHistograms.push(index);
    }
    this.#setWord(slot, Slot.closed, chunk);
    this.#setWord(slot, Slot.state, 0);
    this.#setWord(slot, Slot.count, 0);
  }

  #addClosed(
    previous: number,
    encoding: Encoding,
    minT: number,
    maxT: number,
    bytes: Uint8Array,
    begin: number,
    end: number,
  ): number {
    const chunk = this.#closed.add(previous, encoding, minT, maxT, end - begin);
    this.#closed.page(chunk).set(bytes.subarray(begin, end), this.#closed.offset(chunk));
    return chunk;
  }

  #openHistogram(slot: number, offset: number, chunk: OpenHistogramChunk, h: Histogram): void {
    this.#putHistogram(slot, { chunk, last: h });
    this.#setWord(slot, Slot.state, chunk.encoding);
    this.#setWord(slot, Slot.count, chunk.count);
    this.#setWord(slot, Slot.openMinT, offset);
    this.#setWord(slot, Slot.nextAt, rangeMs);
    if (offset < this.#word(slot, Slot.minT)) this.#setWord(slot, Slot.minT, offset);
  }

  #putHistogram(slot: number, open: OpenHistograms): void {
    const index = this.#freeHistograms.pop() ?? this.#histograms.length;
    this.#histograms[index] = open;
    this.#setWord(slot, Slot.first, index);
  }

  #isHistogramChunkFull(slot: number, offset: number, chunk: OpenHistogramChunk): boolean {
    const bytes = chunk.bytes().length;
    const state = this.#word(slot, Slot.state);
    if ((state & SlotFlag.endPredicted) === 0 && bytes >= histogramChunkBytesTarget / 4) {
      const { openMinT, lastT, nextAt } = Slot;
      const end = chunkEndTime(
        this.#word(slot, openMinT),
        this.#word(slot, lastT),
        this.#word(slot, nextAt),
        histogramChunkBytesTarget / bytes,
      );
      this.#setWord(slot, nextAt, end);
      this.#setWord(slot, Slot.state, state | SlotFlag.endPredicted);
    }
    return (
      (offset >= this.#word(slot, Slot.nextAt) || bytes >= histogramChunkBytesTarget * 2) &&
      chunk.count >= histogramChunkSamplesMin
    );
  }

  #appendLateFloat(slot: number, offset: number, st: number, vHi: number, vLo: number): AppendOutcome {
    const state = this.#word(slot, Slot.state);
    const atLast = offset === this.#word(slot, Slot.lastT);
    if (atLast && ((state & 0xff) === ChunkEncoding.xor || (state & 0xff) === ChunkEncoding.xor2)) {
      const stale = (state & SlotFlag.lastIsStale) !== 0;
      const hi = stale ? staleNaNHi : this.#word(slot, Slot.vHi);
      const lo = stale ? staleNaNLo : this.#word(slot, Slot.vLo);
      if (hi === vHi && lo === vLo) return AppendOutcome.duplicate;
    }
    let buffer = this.#word(slot, Slot.late);
    if (buffer === 0) {
      buffer = this.#late.addBuffer();
      this.#setWord(slot, Slot.late, buffer);
    } else if (this.#late.count(buffer) >= lateSamplesMax) {
      this.#flushLateFloats(slot, buffer);
    }
    if (offset < this.#word(slot, Slot.minT)) this.#setWord(slot, Slot.minT, offset);
    const outcome = this.#late.insert(buffer, offset, st, vHi, vLo);
    if (outcome === 'duplicate') return AppendOutcome.duplicate;
    return atLast || outcome === 'conflict' ? AppendOutcome.conflict : AppendOutcome.late;
  }

  /** Makes the late floats of a slot a chunk, without those that its other chunks have: a sender repeats itself after errors. */
  #flushLateFloats(slot: number, buffer: number): void {
    const known = this.#knownFloats(slot, buffer);
    const chunk = this.#late.chunk(buffer, this.begin, known);
    this.#late.clear(buffer);
    if (chunk !== undefined) this.#addLateChunk(slot, chunk);
  }

  /** For each late float of a slot whether one of its newest chunks has the same sample: any other is left to the merge. */
  #knownFloats(slot: number, buffer: number): Uint8Array {
    const count = this.#late.count(buffer);
    const known = new Uint8Array(count);
    const from = this.#late.word(buffer, 0, 0);
    const to = this.#late.word(buffer, count - 1, 0);
    const mark = (encoding: Encoding, bytes: Uint8Array, begin: number, end: number) => {
      if (encoding !== ChunkEncoding.xor && encoding !== ChunkEncoding.xor2) return;
      const rows = decodeChunk(encoding, bytes, begin, end, scratchRows, 0);
      for (let row = 0, i = 0; row < rows && i < count; ) {
        const order = scratchRows.t[row] - this.begin - this.#late.word(buffer, i, 0);
        if (order < 0) row++;
        else if (order > 0) i++;
        else {
          const { vBits } = scratchRows;
          const same =
            vBits[row * 2 + 1] === (this.#late.word(buffer, i, 1) | 0) &&
            vBits[row * 2] === (this.#late.word(buffer, i, 2) | 0);
          if (same) known[i] = 1;
          row++;
          i++;
        }
      }
    };
    let compared = 0;
    let lookedAt = 0;
    for (let chunk = this.#word(slot, Slot.closed); chunk !== 0; chunk = this.#closed.previous(chunk)) {
      if (lookedAt++ === lookedAtChunksMax) break;
      if (this.#closed.minT(chunk) > to || this.#closed.maxT(chunk) < from) continue;
      if (compared++ === comparedChunksMax) break;
      const begin = this.#closed.offset(chunk);
      mark(this.#closed.encoding(chunk), this.#closed.page(chunk), begin, begin + this.#closed.length(chunk));
    }
    const encoding = this.#word(slot, Slot.state) & 0xff;
    const isFloat = encoding === ChunkEncoding.xor || encoding === ChunkEncoding.xor2;
    if (isFloat && this.#word(slot, Slot.openMinT) <= to) {
      const length = (this.#word(slot, Slot.bitPosition) + 7) >>> 3;
      const bytes = new Uint8Array(length);
      this.#copyOpenFloats(slot, encoding, this.#word(slot, Slot.count), length, bytes, 0);
      mark(encoding, bytes, 0, length);
    }
    return known;
  }

  #appendLateHistogram(slot: number, offset: number, st: number, h: Histogram): AppendOutcome {
    const atLast = offset === this.#word(slot, Slot.lastT);
    if (atLast) {
      const encoding = this.#word(slot, Slot.state) & 0xff;
      const isHistogram = encoding !== 0 && encoding !== ChunkEncoding.xor && encoding !== ChunkEncoding.xor2;
      const last = isHistogram ? this.#histograms[this.#word(slot, Slot.first)].last : undefined;
      if (last !== undefined && compareHistograms(last, h) === 0) return AppendOutcome.duplicate;
    }
    if (offset < this.#word(slot, Slot.minT)) this.#setWord(slot, Slot.minT, offset);
    const outcome = this.#lateHistograms.insert(slot, offset, st, h);
    if (outcome === 'duplicate') return AppendOutcome.duplicate;
    if (this.#lateHistograms.isFull(slot)) {
      for (const chunk of this.#lateHistograms.chunks(slot, this.begin)) this.#addLateChunk(slot, chunk);
      this.#lateHistograms.clear(slot);
    }
    return atLast || outcome === 'conflict' ? AppendOutcome.conflict : AppendOutcome.late;
  }

  #addLateChunk(slot: number, { encoding, minT, maxT, bytes }: LateChunk): void {
    const previous = this.#word(slot, Slot.closed);
    this.#setWord(slot, Slot.closed, this.#addClosed(previous, encoding, minT, maxT, bytes, 0, bytes.length));
  }

  /** What waits out of order, as chunks. */
  #lateChunks(slot: number): readonly LateChunk[] {
    const histograms = this.#lateHistograms.chunks(slot, this.begin);
    const buffer = this.#word(slot, Slot.late);
    if (buffer === 0) return histograms;
    const floats = this.#late.chunk(buffer, this.begin, undefined);
    return floats === undefined ? histograms : [...histograms, floats];
  }
}

/** The words of a slot that a snapshot keeps as they are; the others are numbers of places. */
const savedWords: readonly number[] = [
  Slot.state,
  Slot.bitPosition,
  Slot.count,
  Slot.lastT,
  Slot.tDelta,
  Slot.vHi,
  Slot.vLo,
  Slot.openMinT,
  Slot.nextAt,
  Slot.minT,
];

function writeChunkHead(out: ByteSink, encoding: Encoding, minT: number, maxT: number, length: number): void {
  out.writeUint8(encoding);
  out.writeUvarint(minT);
  out.writeUvarint(maxT);
  out.writeUvarint(length);
}

function encodingOf(byte: number): Encoding {
  if (byte < ChunkEncoding.xor || byte > ChunkEncoding.floatHistogramSt)
    throw new ByteSourceError(`chunk encoding ${byte}`);
  return byte as Encoding;
}
