/** Nanoseconds from the text of an expression of 205 characters to an optimised plan and what it will read. */
import { bench } from '../../std/testing/bench.ts';
import { createEngine } from '../engine.ts';
import { parseExpr } from '../syntax/parser.ts';

const text =
  'histogram_quantile(0.99, sum by (le, job) (rate(http_request_duration_seconds_bucket{job=~"api.*|web", ' +
  'instance!="x:9090", code="200"}[5m]))) / on (job) group_left (team) max by (job, team) (foo offset 1h)';
const engine = createEngine({
  flags: { delayedNameRemoval: false, typeAndUnitLabels: false, startTimestamps: false },
  lookbackMs: 300_000,
  subqueryStepMs: 60_000,
});

bench(`parse and plan, ${text.length} characters`, { smokeCount: 10, fullCount: 5_000 }, (count) => () => {
  let checksum = 0;
  for (let i = 0; i < count; i++) {
    checksum += engine.outline({ expr: parseExpr(text), startMs: 0, endMs: 3_600_000, stepMs: 60_000 }).selects.length;
  }
  return checksum;
});
