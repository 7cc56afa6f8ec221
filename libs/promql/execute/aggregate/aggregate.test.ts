import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Labels } from '../../../model/labels.ts';
import { checkScript } from '../../testing/check-script.ts';
import { labelHashFraction } from './label-hash.ts';

const requests = `load 1m
      r{job="a", i="1"} 1
      r{job="a", i="2"} 3
      r{job="b", i="1"} 5
`;

describe('aggregations of floats', () => {
  for (const [op, ofA, ofB, ofAll] of [
    ['sum', '4', '5', '9'],
    ['avg', '2', '5', '3'],
    ['count', '2', '1', '3'],
    ['group', '1', '1', '1'],
    ['min', '1', '5', '1'],
    ['max', '3', '5', '5'],
    ['stdvar', '1', '0', '2.6666666666666665'],
    ['stddev', '1', '0', '1.632993161855452'],
  ] as const) {
    checkScript(
      op,
      `${requests}
      eval instant at 0 ${op} by (job) (r)
        {job="a"} ${ofA}
        {job="b"} ${ofB}

      eval instant at 0 ${op} without (i) (r)
        {job="a"} ${ofA}
        {job="b"} ${ofB}

      eval instant at 0 ${op}(r)
        {} ${ofAll}`,
    );
  }
  checkScript(
    'quantile, count_values',
    `${requests}
    eval instant at 0 quantile(0.25, r)
      {} 2

    eval instant at 0 quantile(2, r)
      expect warn msg: PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)
      {} +Inf

    eval instant at 0 count_values by (job) ("v", r)
      {job="a", v="1"} 1
      {job="a", v="3"} 1
      {job="b", v="5"} 1

    eval instant at 0 count_values("v", clamp_min(r, 3e6))
      {v="3000000"} 3`,
  );
  checkScript(
    'a quantile that is NaN at one step is all that is said of those at others',
    `load 1m
      q -3 NaN 2
      r 1 1 1

    eval range from 0 to 2m step 1m quantile(scalar(q), r)
      expect warn msg: PromQL warning: quantile value should be between 0 and 1, got NaN (1:10)
      {} -Inf NaN Inf`,
  );
  checkScript(
    'numbers that need care',
    `load 1m
      big{i="1"} 1e100
      big{i="2"} 1
      big{i="3"} -1e100
      huge{i="1"} 1.5e308
      huge{i="2"} 1.5e308
      some{i="1"} NaN
      some{i="2"} 2
      endless{i="1"} Inf
      endless{i="2"} 1

    eval instant at 0 sum(big)
      {} 1

    eval instant at 0 avg(huge)
      {} 1.5e308

    eval instant at 0 max(some)
      {} 2

    eval instant at 0 min(some)
      {} 2

    eval instant at 0 stddev(endless)
      {} NaN

    eval instant at 0 sum(endless)
      {} Inf`,
  );
});

describe('selecting aggregations', () => {
  checkScript(
    'topk and bottomk, best first in an instant query',
    `${requests}
    eval instant at 0 topk(2, r)
      expect ordered
      r{job="b", i="1"} 5
      r{job="a", i="2"} 3

    eval instant at 0 bottomk by (job) (1, r)
      expect ordered
      r{job="a", i="1"} 1
      r{job="b", i="1"} 5

    eval instant at 0 topk(0.9, r)

    eval instant at 0 topk(NaN, r)
      expect fail msg: Parameter value is NaN

    eval instant at 0 topk(1e30, r)
      expect fail msg: Scalar value 1e+30 overflows int64

    eval instant at 0 topk(9223372036854774784, r)
      expect fail msg: Scalar value 9.223372036854775e+18 overflows int64

    eval instant at 0 count(topk(9223372036854773760, r))
      {} 3`,
  );
  checkScript(
    'topk at each step, with a k that changes',
    `load 1m
      r{i="1"} 1 5 1
      r{i="2"} 2 4 6
      r{i="3"} 3 3 NaN

    eval range from 0 to 2m step 1m topk(1, r)
      r{i="1"} _ 5 _
      r{i="2"} _ _ 6
      r{i="3"} 3 _ _

    eval range from 0 to 2m step 1m topk(scalar(r{i="1"}), r)
      r{i="1"} _ 5 _
      r{i="2"} _ 4 6
      r{i="3"} 3 3 _`,
  );
  checkScript(
    'limitk keeps the first of each group, limit_ratio a part and its complement',
    `${requests}
    eval instant at 0 count(limitk(2, r))
      {} 2

    eval instant at 0 count by (job) (limitk by (job) (1, r))
      {job="a"} 1
      {job="b"} 1

    eval instant at 0 limit_ratio(0.3, r) or limit_ratio(-0.7, r)
      r{job="a", i="1"} 1
      r{job="a", i="2"} 3
      r{job="b", i="1"} 5

    eval instant at 0 limit_ratio(0.3, r) and limit_ratio(-0.7, r)

    eval instant at 0 count(limit_ratio(2, r))
      expect warn msg: PromQL warning: ratio value should be between -1 and 1, got 2, capping to 1 (1:19)
      {} 3`,
  );
  // XXH64 of the bytes 08 "__name__" 02 "up" and of nothing, computed by the reference implementation.
  for (const [labels, hash] of [
    [Labels.empty, 0xef46db3751d8e999n],
    [Labels.from([['a', 'b']]), undefined],
  ] as const) {
    it(`the place of ${labels.pairs.join('=')} is that of its hash`, () => {
      const fraction = labelHashFraction(labels);
      assert.ok(fraction >= 0 && fraction <= 1);
      if (hash !== undefined) assert.equal(fraction, Number(hash) / 2 ** 64);
    });
  }
});

describe('aggregations of histograms', () => {
  checkScript(
    'sum and mean, with what cannot be aggregated',
    `load 1m
      h{i="1"} {{schema:0 count:3 sum:4 buckets:[1 2]}}
      h{i="2"} {{schema:1 count:5 sum:8 buckets:[2 3]}}
      mixed{i="1"} 1
      mixed{i="2"} {{count:1}}
      kinds{i="1"} {{schema:0 count:1 buckets:[1]}}
      kinds{i="2"} {{schema:-53 count:1 custom_values:[1] buckets:[1]}}

    eval instant at 0 sum(h)
      {} {{schema:0 count:8 sum:12 buckets:[3 5]}}

    eval instant at 0 avg(h)
      {} {{schema:0 count:4 sum:6 buckets:[1.5 2.5]}}

    eval instant at 0 count(h)
      {} 2

    eval instant at 0 max(h)
      expect info msg: PromQL info: ignored histogram in max aggregation (1:5)

    eval instant at 0 sum(mixed)
      expect warn msg: PromQL warning: encountered a mix of histograms and floats for aggregation (1:5)

    eval instant at 0 sum(kinds)
      expect warn msg: PromQL warning: vector contains a mix of histograms with exponential and custom buckets schemas for metric name "kinds" (1:5)`,
  );
});
