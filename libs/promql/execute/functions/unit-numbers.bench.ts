/** Nanoseconds per bucket of classic histograms of twelve buckets, in the order of `le`: by number, and by a text of its labels. */
import { Labels, labelPairsKey } from '../../../model/labels.ts';
import { bench } from '../../../std/testing/bench.ts';
import { withLabel } from '../series-labels.ts';
import { UnitNumbers } from './unit-numbers.ts';

const bounds = ['0.005', '0.01', '0.025', '0.05', '0.1', '0.25', '0.5', '1', '2.5', '5', '10', '+Inf'];
const size = { smokeCount: 24, fullCount: 240_000 };

/** As they are read: equal texts are one string. */
function bucketsOf(count: number): Labels[] {
  const pods = Array.from({ length: Math.ceil(count / bounds.length) }, (_, i) => `http-api-server-7d9c6b8f5-${i}`);
  return bounds.flatMap((le) =>
    pods.map((pod) => new Labels(['__name__', 'request_seconds_bucket', 'job', 'api', 'le', le, 'pod', pod])),
  );
}

bench('by number', size, (count) => {
  const buckets = bucketsOf(count);
  return () => {
    const numbers = new UnitNumbers();
    let sum = 0;
    for (const labels of buckets) sum += numbers.of(labels, 'le');
    return sum;
  };
});

bench('by a text', size, (count) => {
  const buckets = bucketsOf(count);
  return () => {
    const numbers = new Map<string, number>();
    let sum = 0;
    for (const labels of buckets) {
      const key = labelPairsKey(withLabel(labels, 'le', '').pairs);
      const number = numbers.get(key) ?? numbers.size;
      if (number === numbers.size) numbers.set(key, number);
      sum += number;
    }
    return sum;
  };
});
