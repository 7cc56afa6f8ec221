/** Nanoseconds to parse and check an expression of 205 characters. */
import { bench } from '../../std/testing/bench.ts';
import { parseExpr } from './parser.ts';

const text =
  'histogram_quantile(0.99, sum by (le, job) (rate(http_request_duration_seconds_bucket{job=~"api.*|web", ' +
  'instance!="x:9090", code="200"}[5m]))) / on (job) group_left (team) max by (job, team) (foo offset 1h)';

bench(`parseExpr, ${text.length} characters`, { smokeCount: 10, fullCount: 5_000 }, (count) => () => {
  let checksum = 0;
  for (let i = 0; i < count; i++) checksum += parseExpr(text).end;
  return checksum;
});
