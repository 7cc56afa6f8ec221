/** Aggregations over random expressions: questions that may be answered over shards of the series, and some that may not. */
import type { SeededRandom } from '../support/seeded-random.ts';

const wraps: readonly ((x: string, y: string) => string)[] = [
  (x) => x,
  (x) => `sum by (job, instance) (${x})`,
  (x) => `sum(${x})`,
  (x) => `sum without (job, le) (${x})`,
  (x) => `count(${x})`,
  (x) => `min by (job) (${x})`,
  (x) => `max(${x})`,
  (x) => `group(${x})`,
  (x) => `avg by (instance, job) (${x})`,
  (x) => `stddev by (instance) (${x})`,
  (x) => `topk by (instance) (2, ${x})`,
  (x) => `bottomk without (job) (1, ${x})`,
  (x) => `limitk by (job, instance) (1, ${x})`,
  (x) => `quantile by (instance) (0.5, ${x})`,
  (x) => `count_values by (job) ("instance", ${x})`,
  (x) => `count(sum by (instance, job) (${x}) > 5)`,
  (x) => `max(sum by (instance) (${x}))`,
  (x) => `sum(max by (instance, code) (${x}))`,
  (x, y) => `sum by (job) (${x}) / sum by (job) (${y})`,
  (x, y) => `sum by (job, instance) (${x}) > on (job) group_left () avg by (job) (${y})`,
  (x, y) => `sum by (job) (${x}) and on (job) sum by (job, instance) (${y})`,
  (x, y) => `max by (job, instance) (${x}) or min by (job, instance) (${y})`,
  (x, y) => `sum by (instance) (${x}) unless count by (instance) (${y})`,
  (x, y) => `sum by (job) (${x}) * on (job) group_left (instance) sum by (job, instance) (${y})`,
  (x, y) => `count by (job) (${x}) - ignoring (job) group_right () count by (instance) (${y})`,
  (x) => `histogram_quantile(0.9, sum by (le, job, instance) (${x}))`,
  (x) => `max_over_time(sum by (job) (${x})[5m:1m])`,
  (x) => `label_replace(sum by (job, instance) (${x}), "job", "$1", "instance", "(.).*")`,
  (x) => `label_join(max by (job, instance) (${x}), "both", "-", "job", "instance")`,
  (x) => `-sum by (job) (${x}) * 2 > bool 3`,
];

/** A question of two expressions. */
export function aggregated(random: SeededRandom, x: string, y: string): string {
  return (wraps[random.between(0, wraps.length)] as (typeof wraps)[number])(x, y);
}
