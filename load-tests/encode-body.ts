/**
 * Bodies of remote_write, encoded ahead of the measurement: labels once, then values and times patched for each scrape.
 * Owns the bytes of both protocols as a Prometheus sends them, and their compression. Does not own what the series are
 * (label-recipe.ts). A sender that encodes while it measures would take the CPU that it measures.
 */
import { compressSync } from 'snappy';
import { labelsOf, sampleTime, sampleValue } from './label-recipe.ts';
import { ProtobufWriter } from './protobuf-writer.ts';

export type Protocol = 'v1' | 'v2';

const text = new TextEncoder();

/** `09 value(8) 10 timestamp(6)`: times of these decades are varints of six bytes. */
const sampleBytes = 16;

/** A body of consecutive series, with the places of its values. */
export class BodyTemplate {
  readonly firstSeries: number;
  readonly #raw: Buffer;
  /** Where the value of each series begins; its timestamp is nine bytes behind it. */
  readonly #valueAt: Uint32Array;

  constructor(protocol: Protocol, firstSeries: number, seriesCount: number) {
    this.firstSeries = firstSeries;
    this.#valueAt = new Uint32Array(seriesCount);
    const body = new ProtobufWriter(1 << 20);
    const symbols = new Map<string, number>([['', 0]]);
    const seriesTexts: Uint8Array[] = [];
    for (let i = 0; i < seriesCount; i++) {
      const labels = labelsOf(firstSeries + i);
      seriesTexts.push(protocol === 'v1' ? labelFields(labels) : labelRefs(labels, symbols));
    }
    if (protocol === 'v2') for (const symbol of symbols.keys()) body.field(0x22, text.encode(symbol));
    for (const [i, labels] of seriesTexts.entries()) {
      body.varint(protocol === 'v1' ? 0x0a : 0x2a);
      body.varint(labels.length + 2 + sampleBytes);
      body.reserve(labels.length + 2 + sampleBytes);
      body.bytes.set(labels, body.length);
      body.length += labels.length;
      body.bytes[body.length++] = 0x12;
      body.bytes[body.length++] = sampleBytes;
      body.bytes[body.length] = 0x09;
      this.#valueAt[i] = body.length + 1;
      body.bytes[body.length + 9] = 0x10;
      body.length += sampleBytes;
    }
    this.#raw = Buffer.from(body.written());
  }

  get rawBytes(): number {
    return this.#raw.length;
  }

  /** The compressed body of one scrape. */
  encode(scrape: number, beginMs: number): Buffer {
    const raw = this.#raw;
    for (let i = 0; i < this.#valueAt.length; i++) {
      const at = this.#valueAt[i] as number;
      raw.writeDoubleLE(sampleValue(this.firstSeries + i, scrape), at);
      let rest = sampleTime(this.firstSeries + i, scrape, beginMs);
      for (let j = 0; j < 5; j++) {
        raw[at + 9 + j] = (rest % 0x80) | 0x80;
        rest = Math.floor(rest / 0x80);
      }
      raw[at + 14] = rest;
    }
    return compressSync(raw);
  }
}

function labelFields(labels: readonly (readonly [string, string])[]): Uint8Array {
  const out = new ProtobufWriter(512);
  for (const [name, value] of labels) {
    const label = new ProtobufWriter(512);
    label.field(0x0a, text.encode(name));
    label.field(0x12, text.encode(value));
    out.field(0x0a, label.written());
  }
  return Uint8Array.from(out.written());
}

function labelRefs(labels: readonly (readonly [string, string])[], symbols: Map<string, number>): Uint8Array {
  const refs = new ProtobufWriter(512);
  for (const symbol of labels.flat()) {
    let ref = symbols.get(symbol);
    if (ref === undefined) {
      ref = symbols.size;
      symbols.set(symbol, ref);
    }
    refs.varint(ref);
  }
  const out = new ProtobufWriter(512);
  out.field(0x0a, refs.written());
  return Uint8Array.from(out.written());
}
