/**
 * JSON written straight into bytes, handed on in chunks of a fixed size as they fill: an answer is never one big string.
 * Owns escaping and numbers to the byte as Prometheus writes them. Does not own what an answer looks like (encode-result.ts).
 * Surprising: label sets are written without HTML escapes, every other text with them (`<` becomes `\u003c`), because
 * Prometheus' label encoder is its own and the rest is Go's. Facts: util/jsonutil/marshal.go, json-iterator, encoding/json.
 */
import { formatFloatJson } from '../model/format-float.ts';

/** A chunk is handed on when as much of it is full; a text or number never needs more than what is left above it. */
const chunkBytes = 128 * 1024;
/** Most answers are small: the first chunk is, too, and takes less time to make than they do to write. */
const firstChunkBytes = 16 * 1024;
const chunkReserve = 4 * 1024;
/** Texts up to this length are escaped and written as one. */
const pieceLength = 1024;

const needsEscape = /["\\\u0000-\u001f]/;
const needsEscapeHtml = /["\\\u0000-\u001f<>&\u2028\u2029]/;
const escapes = /["\\\u0000-\u001f]/g;
/** With what is half a surrogate pair: a byte of a Go string that is no UTF-8 (libs/model/raw-text.ts). */
const escapesHtml = /["\\\u0000-\u001f<>&\u2028\u2029\ud800-\udfff]/gu;

function escapeOne(char: string): string {
  switch (char) {
    case '"':
      return '\\"';
    case '\\':
      return '\\\\';
    case '\n':
      return '\\n';
    case '\r':
      return '\\r';
    case '\t':
      return '\\t';
    default:
      if (!char.isWellFormed()) return '\\ufffd';
      return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  }
}

/** A JSON text as json-iterator writes Go strings with HTML escaping on: for errors, warnings, names and values in lists. */
export function quoteJson(text: string): string {
  return `"${needsEscapeHtml.test(text) || !text.isWellFormed() ? text.replace(escapesHtml, escapeOne) : text}"`;
}

/** A JSON text as Go's own encoding/json writes it, which knows two more short escapes: for results of type string. */
export function quoteJsonGo(text: string): string {
  const short = (char: string) => (char === '\b' ? '\\b' : char === '\f' ? '\\f' : escapeOne(char));
  return `"${text.replace(escapesHtml, short)}"`;
}

const noLabels: readonly string[] = [];

export class JsonBytes {
  readonly #handOn: (chunk: Uint8Array<ArrayBuffer>, last: boolean) => void;
  #buffer: Buffer<ArrayBuffer>;
  #at = 0;
  /** The last float that was written into this buffer, and where: steps closer than samples repeat it. NaN where there is none. */
  #float = Number.NaN;
  #floatBegin = 0;
  #floatEnd = 0;
  /** The label set that was written last into this buffer, where it begins, and where each of its pairs ends: neighbours begin alike. */
  #labels: readonly string[] = noLabels;
  #labelsBegin = 0;
  readonly #pairEnds: number[] = [];

  /**
   * `handOn` becomes the owner of each chunk; the last one may be empty.
   * @param lent memory of the first chunk: whoever lends it may take it back when that is handed on
   */
  constructor(handOn: (chunk: Uint8Array<ArrayBuffer>, last: boolean) => void, lent?: ArrayBuffer) {
    this.#handOn = handOn;
    this.#buffer = lent === undefined ? newChunk(firstChunkBytes) : Buffer.from(lent);
  }

  /** Text that is ASCII and needs no escape. */
  raw(text: string): void {
    this.#room();
    const buffer = this.#buffer;
    let at = this.#at;
    for (let i = 0; i < text.length; i++) buffer[at++] = text.charCodeAt(i);
    this.#at = at;
  }

  /** JSON that may be longer or not ASCII, already escaped. */
  rawText(text: string): void {
    for (let begin = 0; begin < text.length; ) {
      let end = Math.min(text.length, begin + pieceLength);
      // A surrogate pair stays in one piece.
      if (end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end++;
      this.#room();
      this.#at += this.#buffer.write(end - begin === text.length ? text : text.slice(begin, end), this.#at, 'utf8');
      begin = end;
    }
  }

  /** A label name or value in quotes, `<`, `>` and `&` as they are. */
  labelText(text: string): void {
    if (text.length <= pieceLength && this.#plainText(text)) return;
    this.byte(0x22);
    this.rawText(needsEscape.test(text) ? text.replace(escapes, escapeOne) : text);
    this.byte(0x22);
  }

  /** Labels as an object: `pairs` is name, value, name, value, ... */
  labelSet(pairs: readonly string[]): void {
    this.#room();
    const begin = this.#at;
    const before = this.#labels;
    const ends = this.#pairEnds;
    let same = 0;
    while (same < pairs.length && same < before.length && pairs[same] === before[same]) same++;
    same >>= 1;
    while (same > 0 && (ends[same - 1] as number) - this.#labelsBegin > pieceLength) same--;
    if (same === 0) this.#buffer[this.#at++] = 0x7b;
    else {
      const end = ends[same - 1] as number;
      this.#buffer.copyWithin(begin, this.#labelsBegin, end);
      this.#at += end - this.#labelsBegin;
      for (let pair = 0; pair < same; pair++) ends[pair] = (ends[pair] as number) + begin - this.#labelsBegin;
    }
    const buffer = this.#buffer;
    for (let pair = same; pair * 2 < pairs.length; pair++) {
      if (pair > 0) this.byte(0x2c);
      this.labelText(pairs[pair * 2] as string);
      this.byte(0x3a);
      this.labelText(pairs[pair * 2 + 1] as string);
      ends[pair] = this.#at;
    }
    this.byte(0x7d);
    // A long one may have gone on in another buffer.
    this.#labels = buffer === this.#buffer ? pairs : noLabels;
    this.#labelsBegin = begin;
  }

  /** A text in quotes, with HTML escapes. */
  text(text: string): void {
    if (text.length > pieceLength || !this.#plainText(text)) this.rawText(quoteJson(text));
  }

  /** Writes a text in quotes if it is ASCII without anything to escape, as nearly all labels are; else nothing. */
  #plainText(text: string): boolean {
    this.#room();
    const buffer = this.#buffer;
    let at = this.#at;
    buffer[at++] = 0x22;
    for (let i = 0; i < text.length; i++) {
      const char = text.charCodeAt(i);
      if (char < 0x20 || char > 0x7e || char === 0x22 || char === 0x5c) return false;
      // Only one of the two kinds of text escapes these: <, > and &.
      if (char === 0x3c || char === 0x3e || char === 0x26) return false;
      buffer[at++] = char;
    }
    buffer[at++] = 0x22;
    this.#at = at;
    return true;
  }

  byte(value: number): void {
    this.#room();
    this.#buffer[this.#at++] = value;
  }

  /** Bytes [begin, end) of `from`, a few tens of them. */
  copy(from: Uint8Array, begin: number, end: number): void {
    this.#room();
    const buffer = this.#buffer;
    let at = this.#at;
    for (let i = begin; i < end; i++) buffer[at++] = from[i];
    this.#at = at;
  }

  /** Bytes of an answer that is not JSON, as many as there are. */
  block(from: Uint8Array): void {
    for (let begin = 0; begin < from.length; ) {
      this.#room();
      const end = Math.min(from.length, begin + this.#buffer.length - this.#at);
      this.#buffer.set(from.subarray(begin, end), this.#at);
      this.#at += end - begin;
      begin = end;
    }
  }

  /** Milliseconds as seconds with up to three decimals. */
  timestamp(ms: number): void {
    this.#room();
    this.#at = writeTimestamp(this.#buffer, this.#at, ms);
  }

  /** A sample's value in quotes. */
  float(value: number): void {
    this.#room();
    if (value === this.#float) {
      const buffer = this.#buffer;
      let at = this.#at;
      for (let i = this.#floatBegin; i < this.#floatEnd; i++) buffer[at++] = buffer[i];
      this.#at = at;
      return;
    }
    this.#floatBegin = this.#at;
    this.#writeFloat(value);
    this.#floatEnd = this.#at;
    // The two zeros are equal and look different.
    this.#float = value === 0 ? Number.NaN : value;
  }

  #writeFloat(value: number): void {
    const buffer = this.#buffer;
    buffer[this.#at++] = 0x22;
    if (value === Math.floor(value) && value < 1e15 && value > -1e15 && !(value === 0 && 1 / value < 0)) {
      let whole = value;
      if (value < 0) {
        buffer[this.#at++] = 0x2d;
        whole = -value;
      }
      this.#at = writeWhole(buffer, this.#at, whole);
    } else {
      const thousandths = Math.round(value * 1000);
      // A number of at most 15 digits that reads back as the value is the shortest one that does.
      if (thousandths / 1000 === value && thousandths < 1e15 && thousandths > -1e15 && thousandths !== 0) {
        this.#at = writeThousandths(buffer, this.#at, thousandths);
      } else {
        const text = formatFloatJson(value);
        let at = this.#at;
        for (let i = 0; i < text.length; i++) buffer[at++] = text.charCodeAt(i);
        this.#at = at;
      }
    }
    buffer[this.#at++] = 0x22;
  }

  /** Hands on what is left. Nothing may be written afterwards. */
  finish(): void {
    this.#pass(true);
  }

  #room(): void {
    if (this.#at > this.#buffer.length - chunkReserve) this.#pass(false);
  }

  #pass(last: boolean): void {
    const full = this.#buffer;
    const used = this.#at;
    this.#at = 0;
    this.#float = Number.NaN;
    this.#labels = noLabels;
    if (!last) this.#buffer = newChunk(chunkBytes);
    this.#handOn(new Uint8Array(full.buffer, 0, used), last);
  }
}

/** A buffer of its own (never from the pool), so that its memory can be transferred to another thread. */
function newChunk(bytes: number): Buffer<ArrayBuffer> {
  return Buffer.from(new ArrayBuffer(bytes));
}

/** Longest text that writeTimestamp writes. */
export const timestampBytesMax = 18;

/** Milliseconds as seconds with up to three decimals (jsonutil.MarshalTimestamp); returns where they end. */
export function writeTimestamp(buffer: Uint8Array, begin: number, ms: number): number {
  let at = begin;
  let whole = ms;
  if (ms < 0) {
    buffer[at++] = 0x2d;
    whole = -ms;
  }
  const seconds = Math.floor(whole / 1000);
  const fraction = whole - seconds * 1000;
  at = writeWhole(buffer, at, seconds);
  if (fraction === 0) return at;
  buffer[at++] = 0x2e;
  // The fraction loses no trailing zeros: 0.5 s is `.500`.
  buffer[at++] = 0x30 + ((fraction / 100) | 0);
  buffer[at++] = 0x30 + (((fraction / 10) | 0) % 10);
  buffer[at++] = 0x30 + (fraction % 10);
  return at;
}

/** A whole number of thousandths, which is not zero, without zeros at the end; returns where it ends. */
function writeThousandths(buffer: Uint8Array, begin: number, thousandths: number): number {
  let at = begin;
  let rest = thousandths;
  if (rest < 0) {
    buffer[at++] = 0x2d;
    rest = -rest;
  }
  const whole = Math.floor(rest / 1000);
  const fraction = rest - whole * 1000;
  at = writeWhole(buffer, at, whole);
  if (fraction === 0) return at;
  const tenths = (fraction / 100) | 0;
  const hundredths = ((fraction / 10) | 0) % 10;
  const last = fraction % 10;
  buffer[at++] = 0x2e;
  buffer[at++] = 0x30 + tenths;
  if (hundredths !== 0 || last !== 0) buffer[at++] = 0x30 + hundredths;
  if (last !== 0) buffer[at++] = 0x30 + last;
  return at;
}

/** Decimal digits of a whole number below 2^53; returns where they end. */
function writeWhole(buffer: Uint8Array, begin: number, value: number): number {
  let digits = 1;
  for (let power = 10; value >= power; power *= 10) digits++;
  // Most are small, seconds of our time among them: dividing integers of 32 bits costs a fraction.
  if (value < 0x80000000) {
    let rest = value | 0;
    for (let at = begin + digits - 1; at >= begin; at--) {
      const tenth = (rest / 10) | 0;
      buffer[at] = 0x30 + (rest - tenth * 10);
      rest = tenth;
    }
    return begin + digits;
  }
  let rest = value;
  for (let at = begin + digits - 1; at >= begin; at--) {
    const tenth = Math.floor(rest / 10);
    buffer[at] = 0x30 + (rest - tenth * 10);
    rest = tenth;
  }
  return begin + digits;
}
