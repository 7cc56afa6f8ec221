/** What the tests of float encodings share: samples as bits, columns for them, and arbitrary ones for properties. */
import fc from 'fast-check';
import type { SampleRows } from './sample-rows.ts';

export interface FloatSample {
  readonly t: number;
  readonly hi: number;
  readonly lo: number;
  readonly st: number;
}

/** Columns with room for `count` rows, filled with nonsense. */
export function newColumns(count: number): SampleRows {
  const v = new Float64Array(count).fill(-7);
  const nonsense = new Float64Array(count).fill(-7);
  return { t: new Float64Array(count), v, vBits: new Int32Array(v.buffer), st: nonsense, h: [] };
}

/** Rows of columns as samples. */
export function columnsOf(columns: SampleRows, begin: number, end: number): FloatSample[] {
  const samples: FloatSample[] = [];
  for (let i = begin; i < end; i++) {
    samples.push({
      t: columns.t[i],
      hi: columns.vBits[i * 2 + 1],
      lo: columns.vBits[i * 2],
      st: columns.st === null ? 0 : columns.st[i],
    });
  }
  return samples;
}

/** Parses "t:16 hex digits:st,..." as the fixtures write samples. */
export function parseFloatSamples(text: string): FloatSample[] {
  if (text === '') return [];
  return text.split(',').map((part) => {
    const [t, bits, st] = part.split(':') as [string, string, string | undefined];
    const hi = Number.parseInt(bits.slice(0, 8), 16) | 0;
    return { t: Number(t), hi, lo: Number.parseInt(bits.slice(8), 16) | 0, st: Number(st ?? 0) };
  });
}

const scratch = new Float64Array(1);
const scratchBits = new Int32Array(scratch.buffer);

const valueBits: fc.Arbitrary<readonly number[]> = fc.oneof(
  fc.constantFrom([0, 0], [0x7ff00000, 2], [0x7ff80000, 1], [-0x80000000, 0], [0x7ff00000, 0], [0x3ff00000, 0]),
  fc.tuple(fc.integer(), fc.integer()),
  fc.tuple(fc.constant(0), fc.integer()),
  fc.oneof(fc.integer({ min: -1000, max: 1000 }), fc.double()).map((value) => {
    scratch[0] = value;
    return [scratchBits[1], scratchBits[0]];
  }),
);

const timeStep = fc.oneof(
  fc.constant(15000),
  fc.integer({ min: 14990, max: 15010 }),
  fc.integer({ min: 1, max: 100_000 }),
  fc.integer({ min: 1, max: 1_500_000 }),
  fc.integer({ min: 1, max: 2 ** 44 }),
);

/** Up to countMax samples at rising times with any bits, often repeated, without start timestamps. */
export function floatSamples(countMax: number): fc.Arbitrary<FloatSample[]> {
  const step = fc.record({ step: timeStep, value: valueBits, repeat: fc.boolean() });
  const begin = fc.oneof(
    fc.constantFrom(0, -1, 1, 63, 64, -64, -65, -(2 ** 52), -(2 ** 52) - 1),
    fc.integer({ min: -(2 ** 50), max: 2 ** 50 }),
  );
  return fc.tuple(begin, fc.array(step, { maxLength: countMax })).map(([firstT, steps]) => {
    const samples: FloatSample[] = [];
    let t = firstT;
    let bits: readonly number[] = [0, 0];
    for (const { step: distance, value, repeat } of steps) {
      t += distance;
      if (!repeat) bits = value;
      samples.push({ t, hi: bits[0] as number, lo: bits[1] as number, st: 0 });
    }
    return samples;
  });
}
