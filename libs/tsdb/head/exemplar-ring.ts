/**
 * The newest exemplars of one tenant, at most so many, in the order in which they came.
 * Owns their columns and the bytes of their labels, both rings: the oldest goes when there is no room for one more. The same
 * exemplar of a series twice is one. Times are in any order. Does not own labels of series.
 */
import { hashBytes, viewOf } from '../../model/encoding/bytes.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import type { ByteSource } from '../../std/byte-source.ts';

const firstCapacity = 16;
/** Room for labels per exemplar, on average: a trace id and a span id with their names. */
const labelBytesEach = 160;
/**
 * A row stands no further from its own slot than this: who makes many of one hash would keep everybody busy. One without a slot is
 * not known again.
 */
const distanceMax = 64;

export class ExemplarRing {
  #max: number;
  #capacity = 0;
  /** Row of the oldest one. */
  #first = 0;
  #count = 0;
  #series = new Uint32Array(0);
  #t = new Float64Array(0);
  #v = new Float64Array(0);
  #labelBegin = new Uint32Array(0);
  #labelLength = new Uint32Array(0);
  #hash = new Int32Array(0);
  #bytes = new Uint8Array(0);
  /** Where the next labels go. */
  #bytesEnd = 0;
  /** Rows plus one by hash. */
  #slots = new Uint32Array(0);

  /** @param max most exemplars that are kept; 0 keeps none */
  constructor(max: number) {
    this.#max = max;
  }

  get count(): number {
    return this.#count;
  }

  /** Memory taken. */
  get bytes(): number {
    return this.#capacity * 32 + this.#slots.byteLength + this.#bytes.length;
  }

  /** From now on this many are kept: the oldest beyond it go at once. */
  resize(max: number): void {
    if (max === this.#max) return;
    this.#max = Math.max(0, max);
    while (this.#count > this.#max) this.#dropOldest();
    const bytesMax = this.#max * labelBytesEach;
    for (let held = this.#labelBytes(); held > bytesMax; ) {
      held -= this.#labelLength[this.#first];
      this.#dropOldest();
    }
    if (this.#bytes.length > bytesMax) this.#moveBytes(bytesMax);
    if (this.#capacity > this.#max) this.#moveRows(this.#max);
  }

  /** Takes in an exemplar with canonical labels; false if it was known or none are kept. */
  add(series: number, t: number, value: number, labels: Uint8Array, begin: number, end: number): boolean {
    const length = end - begin;
    if (this.#max <= 0 || length > this.#max * labelBytesEach) return false;
    const hash =
      Math.imul(hashBytes(viewOf(labels), begin, end) ^ series, 0x9e3779b1 | 0) ^
      Math.imul(t % 0x7fffffff, 0x85ebca77 | 0);
    if (this.#isKnown(hash, series, t, value, labels, begin, end)) return false;
    if (this.#count === this.#capacity) {
      if (this.#capacity < this.#max) this.#moveRows(Math.min(this.#max, Math.max(firstCapacity, this.#capacity * 2)));
      else this.#dropOldest();
    }
    const at = this.#takeBytes(length);
    this.#bytes.set(labels.subarray(begin, end), at);
    const row = (this.#first + this.#count) % this.#capacity;
    this.#count++;
    this.#series[row] = series;
    this.#t[row] = t;
    this.#v[row] = value;
    this.#labelBegin[row] = at;
    this.#labelLength[row] = length;
    this.#hash[row] = hash;
    this.#place(row);
    return true;
  }

  /** Row of exemplar `index`, from the oldest on: rows are valid until the next `add`. */
  row(index: number): number {
    return (this.#first + index) % this.#capacity;
  }

  series(row: number): number {
    return this.#series[row];
  }

  time(row: number): number {
    return this.#t[row];
  }

  value(row: number): number {
    return this.#v[row];
  }

  /** Canonical labels, as a view: valid until the next `add`. */
  labels(row: number): Uint8Array {
    return this.#bytes.subarray(this.#labelBegin[row], this.#labelBegin[row] + this.#labelLength[row]);
  }

  /**
   * Writes all, from the oldest on: the label sets of their series once (uvarint n, n x { uvarint length, canonical labels }),
   * then uvarint n, n x { place in those: uvarint, t f64, value f64, uvarint length, canonical labels }.
   */
  write(out: ByteSink, writeLabels: (series: number, out: ByteSink) => void): void {
    const places = new Map<number, number>();
    const labels = new ByteSink();
    for (let i = 0; i < this.#count; i++) {
      const series = this.#series[this.row(i)];
      if (!places.has(series)) places.set(series, places.size);
    }
    out.writeUvarint(places.size);
    for (const series of places.keys()) {
      labels.reset();
      writeLabels(series, labels);
      out.writeUvarint(labels.length);
      out.writeBytes(labels.bytes, 0, labels.length);
    }
    out.writeUvarint(this.#count);
    for (let i = 0; i < this.#count; i++) {
      const row = this.row(i);
      out.writeUvarint(places.get(this.#series[row]) ?? 0);
      out.writeFloat64(this.#t[row]);
      out.writeFloat64(this.#v[row]);
      const begin = this.#labelBegin[row];
      out.writeUvarint(this.#labelLength[row]);
      out.writeBytes(this.#bytes, begin, begin + this.#labelLength[row]);
    }
  }

  /** Adds what `write` wrote; `find` gives the number of a series by its canonical labels, 0 if it is gone. */
  read(source: ByteSource, find: (bytes: Uint8Array, begin: number, end: number) => number): void {
    const series: number[] = [];
    for (let left = source.readUvarint(); left > 0; left--) {
      const length = source.readUvarint();
      const begin = source.take(length);
      series.push(find(source.bytes, begin, begin + length));
    }
    for (let left = source.readUvarint(); left > 0; left--) {
      const id = series[source.readUvarint()] ?? 0;
      const t = source.readFloat64();
      const value = source.readFloat64();
      const length = source.readUvarint();
      const begin = source.take(length);
      if (id !== 0) this.add(id, t, value, source.bytes, begin, begin + length);
    }
  }

  #isKnown(
    hash: number,
    series: number,
    t: number,
    value: number,
    labels: Uint8Array,
    begin: number,
    end: number,
  ): boolean {
    const slots = this.#slots;
    const mask = slots.length - 1;
    if (mask < 0) return false;
    for (let slot = hash & mask, left = distanceMax; left > 0 && slots[slot] !== 0; slot = (slot + 1) & mask, left--) {
      const row = slots[slot] - 1;
      if (this.#hash[row] !== hash || this.#series[row] !== series || this.#t[row] !== t) continue;
      if (!Object.is(this.#v[row], value) || this.#labelLength[row] !== end - begin) continue;
      if (Buffer.compare(this.labels(row), labels.subarray(begin, end)) === 0) return true;
    }
    return false;
  }

  #place(row: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = this.#hash[row] & mask, left = distanceMax; left > 0; slot = (slot + 1) & mask, left--) {
      if (slots[slot] !== 0) continue;
      slots[slot] = row + 1;
      return;
    }
  }

  #dropOldest(): void {
    this.#freeSlot(this.#first);
    this.#first = (this.#first + 1) % this.#capacity;
    this.#count--;
  }

  #freeSlot(row: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let hole = this.#hash[row] & mask;
    for (let left = distanceMax; slots[hole] !== row + 1; hole = (hole + 1) & mask) if (--left === 0) return;
    // Those behind the hole that belong before it move up, so that no search ends too early. None further behind than this could.
    for (let slot = (hole + 1) & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      if (((slot - hole) & mask) >= distanceMax) break;
      const home = this.#hash[slots[slot] - 1] & mask;
      if (((slot - home) & mask) >= ((slot - hole) & mask)) {
        slots[hole] = slots[slot];
        hole = slot;
      }
    }
    slots[hole] = 0;
  }

  /** Room for labels in the ring of bytes; drops the oldest that stand in the way. */
  #takeBytes(length: number): number {
    for (;;) {
      const at = this.#freeBytes(length);
      if (at >= 0) {
        this.#bytesEnd = at + length;
        return at;
      }
      const most = this.#max * labelBytesEach;
      if (this.#bytes.length < most) this.#moveBytes(Math.min(most, Math.max(1024, this.#bytes.length * 2, length)));
      else this.#dropOldest();
    }
  }

  /** Where `length` bytes are free behind the newest labels, -1 if nowhere. */
  #freeBytes(length: number): number {
    const size = this.#bytes.length;
    if (this.#count === 0) return length <= size ? 0 : -1;
    const oldest = this.#labelBegin[this.#first];
    const end = this.#bytesEnd;
    const newest = this.#labelBegin[(this.#first + this.#count - 1) % this.#capacity];
    if (newest >= oldest) {
      if (end + length <= size) return end;
      return length < oldest ? 0 : -1;
    }
    return end + length < oldest ? end : -1;
  }

  #labelBytes(): number {
    let total = 0;
    for (let i = 0; i < this.#count; i++) total += this.#labelLength[this.row(i)];
    return total;
  }

  /** The labels of all, in order, into memory of this size. */
  #moveBytes(size: number): void {
    const moved = new Uint8Array(size);
    let at = 0;
    for (let i = 0; i < this.#count; i++) {
      const row = this.row(i);
      moved.set(this.labels(row), at);
      this.#labelBegin[row] = at;
      at += this.#labelLength[row];
    }
    this.#bytes = moved;
    this.#bytesEnd = at;
  }

  /** All rows, in order from 0 on, into columns of this many. */
  #moveRows(capacity: number): void {
    const rows = Array.from({ length: this.#count }, (_, i) => this.row(i));
    this.#series = reordered(this.#series, new Uint32Array(capacity), rows);
    this.#t = reordered(this.#t, new Float64Array(capacity), rows);
    this.#v = reordered(this.#v, new Float64Array(capacity), rows);
    this.#labelBegin = reordered(this.#labelBegin, new Uint32Array(capacity), rows);
    this.#labelLength = reordered(this.#labelLength, new Uint32Array(capacity), rows);
    this.#hash = reordered(this.#hash, new Int32Array(capacity), rows);
    this.#first = 0;
    this.#capacity = capacity;
    let slots = 32;
    while (slots < capacity * 2) slots *= 2;
    this.#slots = new Uint32Array(slots);
    for (let row = 0; row < this.#count; row++) this.#place(row);
  }
}

function reordered<T extends Uint32Array | Float64Array | Int32Array>(from: T, to: T, rows: readonly number[]): T {
  for (let i = 0; i < rows.length; i++) to[i] = from[rows[i]];
  return to;
}
