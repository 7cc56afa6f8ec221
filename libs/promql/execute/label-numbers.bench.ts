/** Nanoseconds per series numbered by one, three or twelve of its twelve labels, and by all but one. */
import { Labels } from '../../model/labels.ts';
import { bench } from '../../std/testing/bench.ts';
import { LabelNumbers } from './label-numbers.ts';

const names = [
  ...['pod', 'instance', 'namespace', 'job', 'container', 'cluster'],
  ...['node', 'env', 'region', 'service', 'team', 'endpoint'],
];
const size = { smokeCount: 24, fullCount: 100_000 };
const memory = { takeMemory: () => undefined, giveMemory: () => undefined };

/** As they are read: equal texts are one string. */
function seriesOf(count: number): Labels[] {
  const texts = new Map<string, string>();
  const text = (value: string): string => {
    const known = texts.get(value);
    if (known !== undefined) return known;
    texts.set(value, value);
    return value;
  };
  return Array.from({ length: count }, (_, i) => {
    const values = [
      'cluster',
      '1',
      'container',
      i % 50,
      'endpoint',
      'http',
      'env',
      'prod',
      'instance',
      i,
      'job',
      i % 7,
    ];
    values.push(
      'namespace',
      i % 100,
      'node',
      i % 300,
      'pod',
      `pod-${i}`,
      'region',
      'r',
      'service',
      i % 20,
      'team',
      i % 9,
    );
    return new Labels(values.map((value) => text(`${value}`)));
  });
}

for (const [name, of, without] of [
  ['by one of few values', ['job'], false],
  ['by one of many values', ['pod'], false],
  ['by three', ['namespace', 'job', 'team'], false],
  ['by twelve', names, false],
  ['without one', ['pod'], true],
] as const) {
  bench(name, size, (count) => {
    const series = seriesOf(count);
    return () => {
      const numbers = new LabelNumbers(new Set<string>(of), without, memory);
      let sum = 0;
      for (const labels of series) sum += numbers.of(labels);
      return sum;
    };
  });
}
