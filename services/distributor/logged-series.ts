/**
 * The labels of the series that this distributor writes to the log, by numbers of its own: every record names its series in full.
 * Owns the strings, each once for all tenants, and which of them make up a series: one that comes with its labels again has the number that
 * it had. Nothing is taken out one by one: all is forgotten at once when it has grown too large. Numbers rise from 1 for each tenant.
 */
import { mix } from '../../libs/model/encoding/bytes.ts';
import { uvarintAt, uvarintEnd } from '../../libs/model/encoding/uvarint.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import { ByteStrings } from '../../libs/tsdb/head/byte-strings.ts';

/** What a series takes beside its texts and their numbers: its columns and its slots, which grow twofold. */
const bytesPerSeries = 36;
const tenantsMax = 100_000;
const firstRows = 64;
const firstRefs = 1 << 14;
const firstSlots = 64;
/** A series stands no further from its own slot than this; one that finds none is not found again, and has another number each time. */
const distanceMax = 256;
/** Of a series that is to be placed when it comes with its labels. */
export const noPartition = 0xffff;

class TenantSeries {
  /** By number of a series: its partition, and where its labels begin in `refs` of all tenants; they end where the next begin. */
  #partition = new Uint16Array(firstRows);
  #begin = new Float64Array(firstRows);
  #labels = new Uint32Array(firstRows);
  /** Numbers of series by the hash of their labels; 0 is none. */
  #slots = new Uint32Array(firstSlots);
  count = 0;

  /** The series whose texts are texts[0, count); 0 where it is not known. @param refs of all tenants */
  find(texts: Uint32Array, count: number, refs: Uint32Array): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = hashOf(texts, 0, count) & mask, left = distanceMax; left > 0; slot = (slot + 1) & mask, left--) {
      const handle = slots[slot];
      if (handle === 0) return 0;
      if (this.#labels[handle] === count && isEqual(texts, count, refs, this.#begin[handle])) return handle;
    }
    return 0;
  }

  /** Takes in a series whose texts are refs[begin, begin + labels), which is not known, and in no partition yet. */
  add(begin: number, labels: number, refs: Uint32Array): number {
    const handle = ++this.count;
    if (handle >= this.#partition.length) this.#grow();
    this.#partition[handle] = noPartition;
    this.#begin[handle] = begin;
    this.#labels[handle] = labels;
    if (handle * 3 > this.#slots.length * 2) this.#rehash(refs);
    else this.#enter(handle, refs);
    return handle;
  }

  place(handle: number, partition: number): void {
    this.#partition[handle] = partition;
  }

  displace(): void {
    this.#partition.fill(noPartition);
  }

  partitionOf(handle: number): number {
    return this.#partition[handle];
  }

  /** Where the labels of a series begin in LoggedSeries.refs. */
  beginOf(handle: number): number {
    return this.#begin[handle];
  }

  /** How many texts of names and values they are. */
  textsOf(handle: number): number {
    return this.#labels[handle];
  }

  #enter(handle: number, refs: Uint32Array): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = hashOf(refs, this.#begin[handle], this.#labels[handle]) & mask;
    for (let left = distanceMax; left > 0; slot = (slot + 1) & mask, left--) {
      if (slots[slot] !== 0) continue;
      slots[slot] = handle;
      return;
    }
  }

  #rehash(refs: Uint32Array): void {
    this.#slots = new Uint32Array(this.#slots.length * 2);
    for (let handle = 1; handle <= this.count; handle++) this.#enter(handle, refs);
  }

  #grow(): void {
    const rows = this.#partition.length * 2;
    const partition = new Uint16Array(rows);
    const begin = new Float64Array(rows);
    const labels = new Uint32Array(rows);
    partition.set(this.#partition);
    begin.set(this.#begin);
    labels.set(this.#labels);
    this.#partition = partition;
    this.#begin = begin;
    this.#labels = labels;
  }
}

function hashOf(texts: Uint32Array, begin: number, count: number): number {
  let hash = count;
  for (let i = begin; i < begin + count; i++) hash = mix(Math.imul(hash, 31) ^ texts[i]);
  return hash;
}

function isEqual(texts: Uint32Array, count: number, refs: Uint32Array, begin: number): boolean {
  for (let i = 0; i < count; i++) if (texts[i] !== refs[begin + i]) return false;
  return true;
}

export class LoggedSeries {
  readonly #bytesMax: number;
  strings: ByteStrings = new ByteStrings();
  /** Names and values of labels in turn, as numbers of `strings`. */
  refs: Uint32Array = new Uint32Array(firstRefs);
  #refCount = 0;
  #seriesCount = 0;
  readonly #byTenant = new Map<TenantId, TenantSeries>();
  /** Of the series that is looked for. */
  #texts = new Uint32Array(64);

  /** @param bytesMax of memory; then everything is forgotten */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  of(tenant: TenantId): TenantSeries {
    let series = this.#byTenant.get(tenant);
    if (series === undefined) {
      series = new TenantSeries();
      this.#byTenant.set(tenant, series);
    }
    return series;
  }

  get isFull(): boolean {
    const bytes = this.refs.byteLength + this.strings.bytes + this.#seriesCount * bytesPerSeries;
    return bytes > this.#bytesMax || this.#byTenant.size > tenantsMax;
  }

  /** The number of a tenant's series with the canonical labels bytes[begin, end); 0 where it is not known. */
  find(tenant: TenantId, bytes: Uint8Array, view: DataView, begin: number, end: number): number {
    let count = 0;
    for (let at = begin; at < end; ) {
      const length = uvarintAt(bytes, at);
      at = uvarintEnd(bytes, at);
      const text = this.strings.find(view, at, at + length);
      if (text === 0) return 0;
      if (count === this.#texts.length) this.#texts = grown(this.#texts);
      this.#texts[count++] = text;
      at += length;
    }
    return this.of(tenant).find(this.#texts, count, this.refs);
  }

  /** Takes in a series that is not known, and in no partition yet; its number. */
  add(tenant: TenantId, bytes: Uint8Array, view: DataView, begin: number, end: number): number {
    const first = this.#refCount;
    for (let at = begin; at < end; ) {
      const length = uvarintAt(bytes, at);
      at = uvarintEnd(bytes, at);
      if (this.#refCount === this.refs.length) this.refs = grown(this.refs);
      this.refs[this.#refCount++] = this.strings.intern(view, bytes, at, at + length);
      at += length;
    }
    this.#seriesCount++;
    return this.of(tenant).add(first, this.#refCount - first, this.refs);
  }

  /** All are to be placed anew. */
  displace(): void {
    for (const series of this.#byTenant.values()) series.displace();
  }

  forget(): void {
    this.strings = new ByteStrings();
    this.refs = new Uint32Array(firstRefs);
    this.#refCount = 0;
    this.#seriesCount = 0;
    this.#byTenant.clear();
  }
}

function grown(column: Uint32Array): Uint32Array<ArrayBuffer> {
  const twice = new Uint32Array(column.length * 2);
  twice.set(column);
  return twice;
}
