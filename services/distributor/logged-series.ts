/**
 * The labels of the series that this distributor writes to the log, by numbers of its own: every record names its series in full.
 * Owns the strings, each once for all tenants, and which of them make up a series. Nothing is taken out one by one: all is
 * forgotten at once when it has grown too large. Numbers rise from 1 for each tenant.
 */
import type { TenantId } from '../../libs/model/tenant-id.ts';
import { ByteStrings } from '../../libs/tsdb/head/byte-strings.ts';

/** Labels of all series together, as numbers of 4 bytes; then everything is forgotten. */
const refsMax = 256_000_000;
/** Texts of all labels together. */
const textBytesMax = 1 << 30;
const firstRows = 64;
const firstRefs = 1 << 14;

class TenantSeries {
  /** By number of a series: its partition, and where its labels begin in `refs` of all tenants; they end where the next begin. */
  #partition = new Uint16Array(firstRows);
  #begin = new Float64Array(firstRows);
  #labels = new Uint16Array(firstRows);
  count = 0;

  add(partition: number, begin: number, labels: number): number {
    const handle = ++this.count;
    if (handle >= this.#partition.length) this.#grow();
    this.#partition[handle] = partition;
    this.#begin[handle] = begin;
    this.#labels[handle] = labels;
    return handle;
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

  #grow(): void {
    const rows = this.#partition.length * 2;
    const partition = new Uint16Array(rows);
    const begin = new Float64Array(rows);
    const labels = new Uint16Array(rows);
    partition.set(this.#partition);
    begin.set(this.#begin);
    labels.set(this.#labels);
    this.#partition = partition;
    this.#begin = begin;
    this.#labels = labels;
  }
}

export class LoggedSeries {
  strings: ByteStrings = new ByteStrings();
  /** Names and values of labels in turn, as numbers of `strings`. */
  refs: Uint32Array = new Uint32Array(firstRefs);
  #refCount = 0;
  readonly #byTenant = new Map<TenantId, TenantSeries>();

  of(tenant: TenantId): TenantSeries {
    let series = this.#byTenant.get(tenant);
    if (series === undefined) {
      series = new TenantSeries();
      this.#byTenant.set(tenant, series);
    }
    return series;
  }

  get isFull(): boolean {
    return this.#refCount > refsMax || this.strings.bytes > textBytesMax || this.#byTenant.size > 100_000;
  }

  /** Takes in the series of a tenant with the canonical labels bytes[begin, end); its number. */
  add(tenant: TenantId, bytes: Uint8Array, view: DataView, begin: number, end: number, partition: number): number {
    const first = this.#refCount;
    let at = begin;
    while (at < end) {
      let length = bytes[at++];
      if (length >= 0x80) {
        length &= 0x7f;
        for (let shift = 7; ; shift += 7) {
          const byte = bytes[at++];
          length |= (byte & 0x7f) << shift;
          if (byte < 0x80) break;
        }
      }
      if (this.#refCount === this.refs.length) {
        const grown = new Uint32Array(this.refs.length * 2);
        grown.set(this.refs);
        this.refs = grown;
      }
      this.refs[this.#refCount++] = this.strings.intern(view, bytes, at, at + length);
      at += length;
    }
    return this.of(tenant).add(partition, first, this.#refCount - first);
  }

  forget(): void {
    this.strings = new ByteStrings();
    this.refs = new Uint32Array(firstRefs);
    this.#refCount = 0;
    this.#byTenant.clear();
  }
}
