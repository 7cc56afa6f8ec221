/** Answers of Prometheus 3.15 that its own scripts do not ask for; found by asking it and ours random questions. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { evaluateWithEngine } from './corpus-engine.ts';
import { runScript } from './run-script.ts';

const script = `
load 1m
  floats{x="1"} 1 2 3 NaN Inf 1e30
  gauge 1 2 3
  level{x="1"} 1 2 3
  short 1 2 stale
  gone _ _ stale 4 5
  h {{count:2 buckets:[1 1]}}x5

# What is wrong with a parameter is said even where there is nothing to aggregate.
eval instant at 5m quantile(2.5, nothing)
  expect warn msg: PromQL warning: quantile value should be between 0 and 1, got 2.5 (1:10)

eval range from 0 to 2m step 1m quantile by (x) (NaN, nothing)
  expect warn regex: got NaN

# Operators of histograms between scalars.
eval instant at 0 1 >/ 2
  expect fail msg: operator ">/" not allowed for Scalar operations

eval range from 0 to 1m step 1m vector(1 </ 2)
  expect fail msg: operator "</" not allowed for Scalar operations

# The calendar of what is no time.
eval range from 3m to 5m step 1m year(floats)
  {x="1"} 292277026596 292277026596 292277026596

eval instant at 3m month(floats) * 1e8 + day_of_month(floats) * 1e6 + hour(floats) * 1e4 + minute(floats) * 100 + day_of_week(floats)
  {x="1"} 1204153000

eval instant at 3m day_of_year(floats) * 100 + days_in_month(floats)
  {x="1"} 33931

# Of a subquery the place is not known any more.
eval instant at 3m idelta((h)[3m:1m])
  expect warn msg: PromQL warning: this native histogram metric is not a gauge: "h" (1:1)
  {} {{}}

eval instant at 3m rate((gauge)[3m:1m])
  expect info msg: PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "gauge" (1:1)
  {} 0.008333333333333333

# Series of a subquery that lose their names meet in the answer.
eval instant at 2m abs({__name__=~"level|floats"})[2m:1m]
  expect fail msg: vector cannot contain metrics with the same labelset

eval instant at 4m abs({__name__=~"short|gone"})[5m:1m]
  expect range vector from 0 to 4m step 1m
  {} 1 2 _ 4 5

# A range of one step is no instant, nor is a subquery of one.
eval range from 0 to 30s step 1m sort(nothing)
  expect warn msg: PromQL warning: sort is ineffective for range queries since results are always ordered by labels (1:1)

eval instant at 90s last_over_time(sort(short)[1m:1m])
  expect warn msg: PromQL warning: sort is ineffective for range queries since results are always ordered by labels (1:16)
  short 2

# A smoothed window before the first sample has its value, and no rate.
eval instant at 2m gone[2m] smoothed
  expect range vector from 0 to 2m step 2m
  gone 4 4

eval instant at 2m rate(gone[2m] smoothed)

# Of two bad durations the outer one is told of.
eval range from 0 to 1m step 1m increase((rate(gauge[-(5m * 2)]))[-(1m * 3):1m])
  expect fail regex: ^34:42: duration must be greater than 0
`;

it('answers beyond the corpus', () => {
  const { total, failures } = runScript(script, evaluateWithEngine);
  assert.equal(total, 16);
  assert.deepEqual(
    failures.map(({ line, report }) => `line ${line}: ${report}`),
    [],
  );
});
