/**
 * The scans and canonical labels, an operation a series, for bodies of 2,000 series with 10 labels each.
 */
import { canonicalizeV1, canonicalizeV2 } from '../model/canonical-labels.ts';
import { ByteSink } from '../std/byte-sink.ts';
import { bench } from '../std/testing/bench.ts';
import { scanWriteRequestV1 } from './remote-write-v1.ts';
import { scanWriteRequestV2 } from './remote-write-v2.ts';
import { encodeFields, plainly, type WireField, type WireValue } from './write-request.testing.ts';
import { WriteScan } from './write-scan.ts';

const seriesCount = 2000;

const bytes = (number: number, text: string): WireField => ({
  number,
  value: { kind: 'bytes', bytes: new TextEncoder().encode(text) },
});
const varint = (value: number): WireValue => ({ kind: 'varint', value: BigInt(value) });
const message = (number: number, fields: readonly WireField[]): WireField => ({
  number,
  value: { kind: 'message', fields },
});

const labelsOf = (i: number): readonly (readonly [string, string])[] => [
  ['__name__', ['container_cpu_usage_seconds_total', 'container_memory_working_set_bytes'][i % 2] as string],
  ['cluster', 'eu-west-1-prod'],
  ['container', 'checkout'],
  ['endpoint', 'https-metrics'],
  ['id', `/kubepods/burstable/pod${(i * 7919).toString(16)}-4b1c-a8f3`],
  ['instance', `10.42.${i >> 8}.${i & 255}:10250`],
  ['job', 'kubelet'],
  ['namespace', 'shop-production'],
  ['node', `ip-10-42-${i >> 6}-17.eu-west-1.compute.internal`],
  ['pod', `checkout-7d9f8b6c5d-x${(i >> 3).toString(36)}z`],
];
const sample = (i: number): WireField[] => [
  { number: 1, value: { kind: 'double', bits: BigInt(i) << 32n } },
  { number: 2, value: varint(1_763_700_000_000 + i) },
];

const v1: WireField[] = [];
const v2: WireField[] = [];
const symbols = new Map([['', 0]]);
const ref = (text: string): WireValue => {
  const known = symbols.get(text) ?? symbols.size;
  symbols.set(text, known);
  return varint(known);
};
for (let i = 0; i < seriesCount; i++) {
  const labels = labelsOf(i);
  v1.push(
    message(1, [
      ...labels.map(([name, value]) => message(1, [bytes(1, name), bytes(2, value)])),
      message(2, sample(i)),
    ]),
  );
  v2.push(
    message(5, [
      { number: 1, value: { kind: 'packed', values: labels.flatMap(([name, value]) => [ref(name), ref(value)]) } },
      message(2, sample(i)),
    ]),
  );
}
const bodyV1 = Uint8Array.from(encodeFields(v1, plainly));
const bodyV2 = Uint8Array.from(encodeFields([...[...symbols.keys()].map((text) => bytes(4, text)), ...v2], plainly));

const scan = new WriteScan();
const out = new ByteSink(1 << 20);
const limits = {
  labelNameLengthMax: 1024,
  labelValueLengthMax: 2048,
  labelNamesPerSeriesMax: 30,
  labelNamesPerInfoSeriesMax: 80,
};

const size = { smokeCount: seriesCount, fullCount: 200 * seriesCount };

/** Works through as many whole bodies as `count` series are. */
const bodies = (run: () => number) => (count: number) => () => {
  let checksum = 0;
  for (let done = 0; done < count; done += seriesCount) checksum += run();
  return checksum;
};

bench(
  'scan of remote_write 1.0',
  size,
  bodies(() => {
    scanWriteRequestV1(bodyV1, bodyV1.length, scan);
    return scan.sampleCount;
  }),
);
bench(
  'canonical labels 1.0',
  size,
  bodies(() => {
    out.reset();
    for (let i = 0; i < seriesCount; i++) canonicalizeV1(scan, i, out, limits);
    return out.length;
  }),
);
bench(
  'scan of remote_write 2.0',
  size,
  bodies(() => {
    scanWriteRequestV2(bodyV2, bodyV2.length, scan);
    return scan.sampleCount;
  }),
);
bench(
  'canonical labels 2.0',
  size,
  bodies(() => {
    out.reset();
    for (let i = 0; i < seriesCount; i++) canonicalizeV2(scan, i, out, limits);
    return out.length;
  }),
);
