import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Labels, metricName } from '../../model/labels.ts';
import { LabelNumbers } from './label-numbers.ts';
import { groupLabels } from './series-labels.ts';

class Memory {
  held = 0;

  takeMemory(bytes: number): void {
    this.held += bytes;
  }

  giveMemory(bytes: number): void {
    this.held -= bytes;
  }
}

const label = fc.tuple(fc.constantFrom(metricName, 'a', 'b', 'job', 'z'), fc.constantFrom('', '1', '2', 'a', 'job'));
const many = Array.from({ length: 40 }, (_, i) => `l${i}`);

describe('numbers of label sets', () => {
  for (const more of [[], many]) {
    it(`are one where the labels that count agree, by few names and ${more.length} others`, () => {
      fc.assert(
        fc.property(
          fc.array(fc.array(label), { maxLength: 100 }),
          fc.subarray([metricName, 'a', 'b', 'job', 'never']),
          fc.boolean(),
          (series, some, without) => {
            const memory = new Memory();
            const names = new Set([...some, ...more]);
            const numbers = new LabelNumbers(names, without, memory);
            const byKey = new Map<string, number>();
            for (const entries of series) {
              const labels = Labels.from(entries);
              const { key } = groupLabels(labels, names, without);
              if (!byKey.has(key)) byKey.set(key, byKey.size);
              assert.equal(numbers.of(labels), byKey.get(key));
              assert.equal(numbers.count, byKey.size);
            }
            numbers.end();
            assert.equal(memory.held, 0);
          },
        ),
      );
    });
  }

  it('are one where all labels agree', () => {
    fc.assert(
      fc.property(fc.array(fc.array(label), { maxLength: 100 }), (series) => {
        const memory = new Memory();
        const numbers = new LabelNumbers('all', false, memory);
        const byKey = new Map<string, number>();
        for (const entries of series) {
          const labels = Labels.from(entries);
          if (!byKey.has(labels.key)) byKey.set(labels.key, byKey.size);
          assert.equal(numbers.of(labels), byKey.get(labels.key));
          assert.equal(numbers.count, byKey.size);
        }
        numbers.end();
        assert.equal(memory.held, 0);
      }),
    );
  });

  it('take no memory for each name, and what they take is counted', () => {
    const memory = new Memory();
    const names = new Set(['id', ...Array.from({ length: 10_000 }, (_, i) => `l${i}`)]);
    const numbers = new LabelNumbers(names, false, memory);
    const series = Array.from({ length: 20_000 }, (_, i) => new Labels(['id', `${i}`]));
    const before = process.memoryUsage().heapUsed;
    for (const [i, labels] of series.entries()) assert.equal(numbers.of(labels), i);
    assert.ok(process.memoryUsage().heapUsed - before < 50e6, 'little memory');
    assert.ok(memory.held > 20_000 * 50 && memory.held < 20_000 * 200, `${memory.held} bytes`);
  });

  it('are as many as there are of the same text in other labels', () => {
    const numbers = new LabelNumbers(new Set(), true, new Memory());
    for (let i = 0; i < 5_000; i++) assert.equal(numbers.of(new Labels([`l${i}`, 'x'])), i);
    for (let i = 0; i < 5_000; i++) assert.equal(numbers.of(new Labels([`l${i}`, 'x'])), i);
  });
});
