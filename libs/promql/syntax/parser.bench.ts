/**
 * Microseconds to parse and check an expression of 205 characters. Run it with node; an argument is the rounds
 * (default 20,000).
 */
import { parseExpr } from './parser.ts';

const text =
  'histogram_quantile(0.99, sum by (le, job) (rate(http_request_duration_seconds_bucket{job=~"api.*|web", ' +
  'instance!="x:9090", code="200"}[5m]))) / on (job) group_left (team) max by (job, team) (foo offset 1h)';
const rounds = Number(process.argv[2] ?? 20_000);

for (const name of ['cold', 'warm']) {
  const begin = process.hrtime.bigint();
  let checksum = 0;
  const count = name === 'cold' ? 1 : rounds;
  for (let i = 0; i < count; i++) checksum += parseExpr(text).end;
  const ns = Number(process.hrtime.bigint() - begin);
  console.log(`${name}: ${(ns / count / 1000).toFixed(1)} us for ${text.length} characters (${checksum})`);
}
