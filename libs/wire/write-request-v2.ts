/**
 * A remote_write 2.0 request being written (proto/remote-write-2.proto): series whose labels are numbers of strings that the caller
 * keeps become references into the symbols of this one request.
 * Owns the bytes. Surprising: symbols stand behind the series that use them, which protobuf allows: so both are written in one pass.
 * A string that is used twice is written once; those of exemplars and metadata are written as they come.
 */
import type { Histogram } from '../model/histogram.ts';
import { ProtobufWriter } from './protobuf-writer.ts';
import { writeHistogramMessage } from './write-histogram.ts';

/** Strings by their numbers, from 1. */
export interface KeptStrings {
  readonly count: number;
  length(id: number): number;
  /** Where string `id` lies: bytes [offset(id), offset(id) + length(id)) of this page. */
  page(id: number): Uint8Array;
  offset(id: number): number;
}

const two28 = 2 ** 28;
/** Bytes of a symbol beside its text, at most. */
const symbolOverhead = 5;
const empty = new Uint8Array(0);

export class WriteRequestV2 {
  readonly #out = new ProtobufWriter();
  /** Where each kept string stands in this request, and the request for which that holds. */
  #placeOf = new Uint32Array(1024);
  #stampOf = new Uint32Array(1024);
  #stamp = 0;
  /** Number of the kept string at each place; 0 for one in #texts. */
  #symbols = new Uint32Array(1024);
  readonly #texts = new Map<number, Uint8Array>();
  #symbolCount = 0;
  #symbolBytes = 0;
  /** Places of the labels of the series under way. */
  #labels = new Uint32Array(64);
  #strings: KeptStrings | undefined;

  /** Begins anew. `strings` may grow meanwhile, but must not change what a number means. */
  begin(strings: KeptStrings): void {
    this.#out.sink.reset();
    this.#strings = strings;
    this.#stamp++;
    if (this.#stamp > 0xffffffff) {
      this.#stampOf.fill(0);
      this.#stamp = 1;
    }
    this.#texts.clear();
    this.#symbolCount = 0;
    this.#symbolBytes = 0;
    // The first symbol is the empty string.
    this.#addText(empty);
  }

  /** Bytes that the request would have now, at most. */
  get bytes(): number {
    return this.#out.sink.length + this.#symbolBytes;
  }

  get isEmpty(): boolean {
    return this.#out.sink.length === 0;
  }

  /**
   * A series with its float samples, the rows [from, to) of the columns.
   * @param refs label names and values in turn as numbers of kept strings: refs[begin, begin + count)
   * @param bits the values as pairs of words, low word first
   * @param st start timestamps, null for none
   */
  addFloats(
    refs: Uint32Array,
    begin: number,
    count: number,
    t: Float64Array,
    bits: Int32Array,
    st: Float64Array | null,
    from: number,
    to: number,
  ): void {
    const labelBytes = this.#takeLabels(refs, begin, count);
    let sampleBytes = 0;
    for (let row = from; row < to; row++) sampleBytes += 2 + floatBytes(t[row], st === null ? 0 : st[row]);
    const { sink } = this.#out;
    sink.writeUint8(0x2a);
    sink.writeUvarint(1 + uvarintBytes(labelBytes) + labelBytes + sampleBytes);
    this.#writeLabels(labelBytes, count);
    sink.reserve(sampleBytes);
    for (let row = from; row < to; row++) {
      this.#writeFloat(t[row], bits[row * 2], bits[row * 2 + 1], st === null ? 0 : st[row]);
    }
  }

  addHistogram(refs: Uint32Array, begin: number, count: number, t: number, st: number, histogram: Histogram): void {
    const series = this.#out.begin(5);
    this.#writeLabels(this.#takeLabels(refs, begin, count), count);
    writeHistogramMessage(this.#out, 3, t, st, histogram);
    this.#out.end(series);
  }

  /** @param labels texts of names and values in turn */
  addExemplar(
    refs: Uint32Array,
    begin: number,
    count: number,
    t: number,
    value: number,
    labels: readonly Uint8Array[],
  ): void {
    const out = this.#out;
    const series = out.begin(5);
    this.#writeLabels(this.#takeLabels(refs, begin, count), count);
    const exemplar = out.begin(4);
    const places = labels.map((text) => this.#addText(text));
    const list = out.begin(1);
    for (const place of places) out.sink.writeUvarint(place);
    out.end(list);
    out.double(2, value);
    out.int64(3, t);
    out.end(exemplar);
    out.end(series);
  }

  /** What is said of a metric, as a series of its name without samples. @param type its number on the wire */
  addMetadata(metric: string, type: number, help: string, unit: string): void {
    const out = this.#out;
    const place = (text: string): number => (text === '' ? 0 : this.#addText(Buffer.from(text)));
    const series = out.begin(5);
    const labels = [place('__name__'), place(metric)];
    const list = out.begin(1);
    for (const label of labels) out.sink.writeUvarint(label);
    out.end(list);
    const metadata = out.begin(5);
    out.uint(1, type);
    out.uint(3, place(help));
    out.uint(4, place(unit));
    out.end(metadata);
    out.end(series);
  }

  /** Writes the symbols; the request, valid until the next `begin`. */
  finish(): Uint8Array {
    const { sink } = this.#out;
    const strings = this.#strings;
    sink.reserve(this.#symbolBytes);
    for (let place = 0; place < this.#symbolCount; place++) {
      const id = this.#symbols[place];
      sink.writeUint8(0x22);
      if (id === 0 || strings === undefined) {
        const text = this.#texts.get(place) ?? empty;
        sink.writeUvarint(text.length);
        sink.writeBytes(text, 0, text.length);
      } else {
        const length = strings.length(id);
        const offset = strings.offset(id);
        sink.writeUvarint(length);
        sink.writeBytes(strings.page(id), offset, offset + length);
      }
    }
    return sink.written();
  }

  /** Places of labels into #labels. @returns bytes of them as a packed list */
  #takeLabels(refs: Uint32Array, begin: number, count: number): number {
    if (count > this.#labels.length) this.#labels = new Uint32Array(count * 2);
    const labels = this.#labels;
    const stamp = this.#stamp;
    let bytes = 0;
    for (let i = 0; i < count; i++) {
      const id = refs[begin + i];
      const place = this.#stampOf[id] === stamp ? this.#placeOf[id] : this.#addKept(id);
      labels[i] = place;
      bytes += place < 0x80 ? 1 : place < 0x4000 ? 2 : uvarintBytes(place);
    }
    return bytes;
  }

  #writeLabels(labelBytes: number, count: number): void {
    const { sink } = this.#out;
    sink.reserve(labelBytes + 6);
    const { bytes } = sink;
    bytes[sink.length++] = 0x0a;
    sink.writeUvarint(labelBytes);
    const labels = this.#labels;
    let at = sink.length;
    for (let i = 0; i < count; i++) {
      let place = labels[i];
      while (place >= 0x80) {
        bytes[at++] = (place & 0x7f) | 0x80;
        place >>>= 7;
      }
      bytes[at++] = place;
    }
    sink.length = at;
  }

  /** Room for it was reserved. */
  #writeFloat(t: number, lo: number, hi: number, st: number): void {
    const { sink } = this.#out;
    const { bytes, view } = sink;
    let at = sink.length;
    bytes[at++] = 0x12;
    bytes[at++] = floatBytes(t, st);
    bytes[at++] = 0x09;
    view.setInt32(at, lo, true);
    view.setInt32(at + 4, hi, true);
    at += 8;
    if (t >= two28) {
      bytes[at++] = 0x10;
      const low = t % two28;
      let high = (t - low) / two28;
      bytes[at++] = (low & 0x7f) | 0x80;
      bytes[at++] = ((low >>> 7) & 0x7f) | 0x80;
      bytes[at++] = ((low >>> 14) & 0x7f) | 0x80;
      bytes[at++] = (low >>> 21) | 0x80;
      for (; high >= 0x80; high >>>= 7) bytes[at++] = (high & 0x7f) | 0x80;
      bytes[at++] = high;
      sink.length = at;
    } else {
      sink.length = at;
      this.#out.int64(2, t);
    }
    this.#out.int64(3, st);
  }

  #addKept(id: number): number {
    if (id >= this.#stampOf.length) {
      const rows = Math.max(id + 1, this.#strings?.count ?? 0) * 2;
      this.#stampOf = grown(this.#stampOf, rows);
      this.#placeOf = grown(this.#placeOf, rows);
    }
    const place = this.#addSymbol(id, this.#strings?.length(id) ?? 0);
    this.#stampOf[id] = this.#stamp;
    this.#placeOf[id] = place;
    return place;
  }

  #addText(text: Uint8Array): number {
    const place = this.#addSymbol(0, text.length);
    this.#texts.set(place, text);
    return place;
  }

  #addSymbol(id: number, length: number): number {
    const place = this.#symbolCount++;
    if (place >= this.#symbols.length) this.#symbols = grown(this.#symbols, place * 2);
    this.#symbols[place] = id;
    this.#symbolBytes += length + symbolOverhead;
    return place;
  }
}

/** Bytes of a Sample without its tag and length: a value always, times that are not 0. */
function floatBytes(t: number, st: number): number {
  return 9 + int64FieldBytes(t) + int64FieldBytes(st);
}

function int64FieldBytes(value: number): number {
  if (value === 0) return 0;
  if (value < 0) return 11;
  return value < two28 ? 1 + uvarintBytes(value) : 5 + uvarintBytes(Math.floor(value / two28));
}

function uvarintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

function grown(column: Uint32Array, length: number): Uint32Array<ArrayBuffer> {
  const next = new Uint32Array(length);
  next.set(column);
  return next;
}
