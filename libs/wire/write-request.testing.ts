/**
 * The oracle of the remote_write scans: protobufjs over our .proto files, and an encoder that uses every freedom protobuf
 * leaves (order of fields, padded varints, packed and unpacked, unknown fields, repeated scalars). For tests only.
 */
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import protobuf from 'protobufjs';

/** A message type whose strings are read as bytes, so that bytes that are no text can be compared. */
function messageType(file: string, name: string): protobuf.Type {
  const root = new protobuf.Root();
  root.loadSync(fileURLToPath(new URL(`../../proto/${file}`, import.meta.url)), { keepCase: true });
  const visit = (namespace: protobuf.NamespaceBase): void => {
    for (const nested of namespace.nestedArray) {
      if (nested instanceof protobuf.Type)
        for (const field of nested.fieldsArray) if (field.type === 'string') field.type = 'bytes';
      if (nested instanceof protobuf.Namespace) visit(nested);
    }
  };
  visit(root);
  return root.lookupType(name);
}

export const oracleV1: protobuf.Type = messageType('remote-write-1.proto', 'prometheus.WriteRequest');
export const oracleV2: protobuf.Type = messageType('remote-write-2.proto', 'io.prometheus.write.v2.Request');

/** One field as it goes over the wire: a number for scalars, bytes, or a message. */
export type WireValue =
  | { readonly kind: 'varint'; readonly value: bigint }
  | { readonly kind: 'zigzag'; readonly value: bigint }
  | { readonly kind: 'double'; readonly bits: bigint }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'message'; readonly fields: readonly WireField[] }
  | { readonly kind: 'packed'; readonly values: readonly WireValue[] };

export interface WireField {
  readonly number: number;
  readonly value: WireValue;
}

/** Choices of the encoder: asked in turn, each a whole number from 0 to max. */
export type Choose = (max: number) => number;

/** Never uses a freedom: what a plain encoder writes. */
export const plainly: Choose = () => 0;

/** A choice in every place, from a seed. */
export function wildly(seed: number): Choose {
  let state = seed | 1;
  return (max) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 8) % (max + 1);
  };
}

/** Encodes fields, with the freedoms that `choose` takes. */
export function encodeFields(fields: readonly WireField[], choose: Choose): number[] {
  const out: number[] = [];
  for (const field of ordered(fields, choose)) {
    if (choose(30) === 1) writeUnknown(out, choose);
    const { number, value } = field;
    switch (value.kind) {
      case 'varint':
        if (choose(30) === 1) {
          // An earlier value of the same field: the later one counts.
          writeVarint(out, BigInt(number * 8), choose);
          writeVarint(out, 77n, choose);
        }
        writeVarint(out, BigInt(number * 8), choose);
        writeVarint(out, value.value, choose);
        break;
      case 'zigzag':
        writeVarint(out, BigInt(number * 8), choose);
        writeVarint(out, zigzag(value.value), choose);
        break;
      case 'double':
        writeVarint(out, BigInt(number * 8 + 1), choose);
        writeFixed64(out, value.bits);
        break;
      case 'packed':
        writePacked(out, number, value.values, choose);
        break;
      default: {
        const bytes = value.kind === 'bytes' ? value.bytes : encodeFields(value.fields, choose);
        writeVarint(out, BigInt(number * 8 + 2), choose);
        writeVarint(out, BigInt(bytes.length), choose);
        out.push(...bytes);
      }
    }
  }
  return out;
}

/** Fields may come in any order, as long as those of one number keep theirs. */
function ordered(fields: readonly WireField[], choose: Choose): readonly WireField[] {
  if (choose(2) !== 1) return fields;
  const byNumber = new Map<number, WireField[]>();
  for (const field of fields) {
    const same = byNumber.get(field.number);
    if (same === undefined) byNumber.set(field.number, [field]);
    else same.push(field);
  }
  const queues = [...byNumber.values()];
  const mixed: WireField[] = [];
  while (queues.length > 0) {
    const at = choose(queues.length - 1);
    const field = queues[at]?.shift();
    if (field === undefined) queues.splice(at, 1);
    else mixed.push(field);
  }
  return mixed;
}

function writePacked(out: number[], number: number, values: readonly WireValue[], choose: Choose): void {
  const split = choose(3) === 1 ? choose(values.length) : values.length;
  if (split > 0 || choose(5) === 1) {
    const bytes: number[] = [];
    for (const value of values.slice(0, split)) writeScalar(bytes, value, choose);
    writeVarint(out, BigInt(number * 8 + 2), choose);
    writeVarint(out, BigInt(bytes.length), choose);
    out.push(...bytes);
  }
  for (const value of values.slice(split)) {
    writeVarint(out, BigInt(number * 8 + (value.kind === 'double' ? 1 : 0)), choose);
    writeScalar(out, value, choose);
  }
}

function writeScalar(out: number[], value: WireValue, choose: Choose): void {
  if (value.kind === 'double') writeFixed64(out, value.bits);
  else if (value.kind === 'varint') writeVarint(out, value.value, choose);
  else if (value.kind === 'zigzag') writeVarint(out, zigzag(value.value), choose);
}

function zigzag(value: bigint): bigint {
  return BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
}

function writeUnknown(out: number[], choose: Choose): void {
  const number = 900 + choose(50);
  switch (choose(3)) {
    case 0:
      writeVarint(out, BigInt(number * 8), choose);
      writeVarint(out, 12345678901n, choose);
      break;
    case 1:
      writeVarint(out, BigInt(number * 8 + 1), choose);
      writeFixed64(out, 0x1234n);
      break;
    case 2:
      writeVarint(out, BigInt(number * 8 + 2), choose);
      out.push(3, 0x0a, 0x01, 0xff);
      break;
    default:
      writeVarint(out, BigInt(number * 8 + 5), choose);
      out.push(1, 2, 3, 4);
  }
}

function writeVarint(out: number[], value: bigint, choose: Choose): void {
  let rest = BigInt.asUintN(64, value);
  const begin = out.length;
  while (rest >= 0x80n) {
    out.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  out.push(Number(rest));
  let padding = choose(15) === 1 ? choose(3) : 0;
  // Tags and lengths are read as 32 bits by some decoders: at most 5 bytes for small numbers.
  if (out.length - begin + padding > 5) padding = 0;
  for (; padding > 0; padding--) {
    out[out.length - 1] = (out[out.length - 1] as number) | 0x80;
    out.push(0);
  }
}

function writeFixed64(out: number[], bits: bigint): void {
  for (let i = 0n; i < 8n; i++) out.push(Number((bits >> (8n * i)) & 0xffn));
}

const utf8 = new TextEncoder();
const text = (value: string): WireValue => ({ kind: 'bytes', bytes: utf8.encode(value) });
const varint = (value: bigint): WireValue => ({ kind: 'varint', value });
const message = (fields: readonly WireField[]): WireValue => ({ kind: 'message', fields });

const double: fc.Arbitrary<WireValue> = fc
  .oneof(
    fc.double().map((value) => new BigUint64Array(new Float64Array([value]).buffer)[0] as bigint),
    fc.constantFrom(0x7ff0000000000002n, 0x7ff8000000000001n, 0n, 0x8000000000000000n),
  )
  .map((bits) => ({ kind: 'double', bits }));
const timestamp: fc.Arbitrary<WireValue> = fc
  .oneof(
    fc.integer({ min: 1_600_000_000_000, max: 1_900_000_000_000 }).map(BigInt),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.integer({ min: -1000, max: 1000 }).map(BigInt),
    fc.constantFrom(2n ** 53n, 2n ** 53n + 2n, -(2n ** 53n), -(2n ** 53n) - 2n, 2n ** 63n - 1n, -(2n ** 63n)),
  )
  .map((value) => varint(value));
const labelText = fc.oneof(
  fc.constantFrom('__name__', 'job', 'instance', 'le', '', '__proto__', 'constructor'),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({ unit: 'grapheme-ascii', maxLength: 200 }),
);

function field(number: number, value: fc.Arbitrary<WireValue>): fc.Arbitrary<WireField> {
  return value.map((made) => ({ number, value: made }));
}

function fieldsOf(...parts: fc.Arbitrary<readonly WireField[]>[]): fc.Arbitrary<WireValue> {
  return fc.tuple(...parts).map((made) => message(made.flat()));
}

const optional = (number: number, value: fc.Arbitrary<WireValue>): fc.Arbitrary<readonly WireField[]> =>
  fc.array(field(number, value), { maxLength: 1 });
const repeated = (
  number: number,
  value: fc.Arbitrary<WireValue>,
  maxLength: number,
): fc.Arbitrary<readonly WireField[]> => fc.array(field(number, value), { maxLength });

const label = fieldsOf(optional(1, labelText.map(text)), optional(2, labelText.map(text)));

const bigCount = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 53n }), fc.nat(20).map(BigInt)).map(varint);
const span = fieldsOf(
  optional(
    1,
    fc.integer({ min: -20, max: 20 }).map((value): WireValue => ({ kind: 'zigzag', value: BigInt(value) })),
  ),
  optional(
    2,
    fc.nat(4).map((value) => varint(BigInt(value))),
  ),
);
const deltas = fc.array(fc.integer({ min: -5, max: 20 }), { maxLength: 6 }).map(
  (values): WireValue => ({
    kind: 'packed',
    values: values.map((value) => ({ kind: 'zigzag', value: BigInt(value) })),
  }),
);
const counts = fc.array(double, { maxLength: 6 }).map((values): WireValue => ({ kind: 'packed', values }));
const anyHistogramFields = (withStart: boolean): fc.Arbitrary<readonly WireField[]>[] => [
  fc.oneof(optional(1, bigCount), optional(2, double)),
  optional(3, double),
  optional(
    4,
    fc.constantFrom(-53n, -4n, 0n, 3n, 8n, 9n, 52n, 53n, -5n).map((value): WireValue => ({ kind: 'zigzag', value })),
  ),
  optional(5, double),
  fc.oneof(optional(6, bigCount), optional(7, double)),
  repeated(8, span, 2),
  optional(9, deltas),
  optional(10, counts),
  repeated(11, span, 2),
  optional(12, deltas),
  optional(13, counts),
  optional(
    14,
    fc.nat(5).map((value) => varint(BigInt(value))),
  ),
  optional(15, timestamp),
  optional(16, counts),
  withStart ? optional(17, timestamp) : fc.constant([]),
];

/** A histogram that is one, built from its buckets: integer, exponential. */
const goodHistogram = fc
  .tuple(
    fc.array(fc.nat(50), { maxLength: 5 }),
    fc.array(fc.nat(50), { maxLength: 5 }),
    fc.nat(9),
    fc.integer({ min: -4, max: 8 }),
    timestamp,
    double,
  )
  .map(([positive, negative, zero, schema, t, sum]): WireValue => {
    const zig = (value: number): WireValue => ({ kind: 'zigzag', value: BigInt(value) });
    const side = (number: number, counts: readonly number[]): WireField[] =>
      counts.length === 0
        ? []
        : [
            {
              number,
              value: message([
                { number: 1, value: zig(-3) },
                { number: 2, value: varint(BigInt(counts.length)) },
              ]),
            },
            {
              number: number + 1,
              value: { kind: 'packed', values: counts.map((count, i) => zig(count - (counts[i - 1] ?? 0))) },
            },
          ];
    const total = [...positive, ...negative, zero].reduce((a, b) => a + b, 0);
    return message([
      { number: 1, value: varint(BigInt(total)) },
      { number: 3, value: sum },
      { number: 4, value: zig(schema) },
      { number: 6, value: varint(BigInt(zero)) },
      ...side(8, negative),
      ...side(11, positive),
      { number: 15, value: t },
    ]);
  });

const uint32 = fc.oneof(fc.nat(5), fc.nat(300), fc.nat(0xffffffff)).map((value) => varint(BigInt(value)));
const smallType = fc.nat(9).map((value) => varint(BigInt(value)));

const sampleV1 = fieldsOf(optional(1, double), optional(2, timestamp));
const exemplarV1 = fieldsOf(repeated(1, label, 3), optional(2, double), optional(3, timestamp));
const seriesV1 = fieldsOf(
  repeated(1, label, 12),
  repeated(2, sampleV1, 4),
  repeated(3, exemplarV1, 2),
  repeated(4, fc.oneof(fieldsOf(...anyHistogramFields(false)), goodHistogram), 2),
);
const metadataV1 = fieldsOf(
  optional(1, smallType),
  optional(2, labelText.map(text)),
  optional(4, labelText.map(text)),
  optional(5, labelText.map(text)),
);

/** Fields of a 1.0 request. */
export const requestV1: fc.Arbitrary<readonly WireField[]> = fc
  .tuple(repeated(1, seriesV1, 5), repeated(3, metadataV1, 2))
  .map((parts) => parts.flat());

/** References that are often in range. */
const refs = (odd: boolean): fc.Arbitrary<WireValue> =>
  fc
    .array(fc.oneof({ weight: 9, arbitrary: fc.nat(5) }, { weight: 1, arbitrary: fc.nat(400) }), { maxLength: 8 })
    .map((list) => ({
      kind: 'packed',
      values: (odd ? list : list.slice(0, list.length & ~1)).map((value) => varint(BigInt(value))),
    }));
const sampleV2 = fieldsOf(optional(1, double), optional(2, timestamp), optional(3, timestamp));
const exemplarV2 = fieldsOf(
  optional(1, fc.oneof(refs(false), refs(true))),
  optional(2, double),
  optional(3, timestamp),
);
const metadataV2 = fieldsOf(optional(1, smallType), optional(3, uint32), optional(4, uint32));
const seriesV2 = fieldsOf(
  optional(1, fc.oneof({ weight: 5, arbitrary: refs(false) }, { weight: 1, arbitrary: refs(true) })),
  repeated(2, sampleV2, 4),
  repeated(3, fc.oneof(fieldsOf(...anyHistogramFields(true)), goodHistogram), 2),
  repeated(4, exemplarV2, 2),
  optional(5, metadataV2),
);

/** Fields of a 2.0 request. Symbols come first, as senders send them, unless the encoder mixes them. */
export const requestV2: fc.Arbitrary<readonly WireField[]> = fc
  .tuple(fc.array(field(4, labelText.map(text)), { maxLength: 8 }), repeated(5, seriesV2, 5))
  .map((parts) => parts.flat());
