import { describe } from 'node:test';
import { checkScript } from '../../testing/check-script.ts';

describe('rate, increase, delta', () => {
  checkScript(
    'a counter sampled each minute, extrapolated to the whole window',
    `load 1m
      c_total 0+60x10

    eval instant at 5m rate(c_total[3m])
      {} 1

    eval instant at 5m increase(c_total[3m])
      {} 180

    # Samples at 8, 9 and 10 minutes; nothing is known of what follows: half a distance is added there.
    eval instant at 12m30s increase(c_total[5m])
      {} 180`,
  );
  checkScript(
    'a reset is added back; a gauge may fall',
    `load 1m
      c_total 10 20 5 15
      g 10 20 5 15

    eval instant at 3m increase(c_total[4m])
      {} 33.333333333333336

    eval instant at 3m delta(g[4m])
      {} 6.666666666666667`,
  );
  checkScript(
    'no counter was below zero: the extrapolation stops where it began',
    `load 1m
      c_total 1 61 121

    eval instant at 2m increase(c_total[2m30s])
      {} 121`,
  );
  checkScript(
    'one sample is not enough, nor a window that ends before the second',
    `load 1m
      c_total 5 9

    eval instant at 1m rate(c_total[1m])

    eval instant at 0 rate(c_total[5m])`,
  );
  checkScript(
    'a start time within the window counts from zero',
    `load 1m
      c_total@st _ -30s -90s
      c_total _ 30 90

    eval instant at 1m increase(c_total[1m])
      {} 30

    # Counted from 30s to 2m, and what is left of the window beyond that.
    eval instant at 2m increase(c_total[2m])
      {} 90`,
  );
  checkScript(
    'a start time between two samples is a reset even where the value grew; an older one overlaps',
    `load 1m
      c_total@st -1m -10s
      c_total 5 8
      overlap_total@st -1m -61s
      overlap_total 5 8

    eval instant at 1m increase(c_total[90s])
      {} 12

    eval instant at 1m irate(c_total[90s])
      {} 0.13333333333333333

    eval instant at 1m increase(overlap_total[90s])
      expect warn msg: PromQL warning: sample has start time that overlaps with previous sample timestamp for metric "overlap_total" (1:10)
      {} 4.5

    eval instant at 1m increase(overlap_total[90s]) + increase(overlap_total[90s])
      expect warn msg: PromQL warning: sample has start time that overlaps with previous sample timestamp for metric "overlap_total" (2 occurrences) (1:10)
      {} 9

    eval instant at 1m increase(overlap_total[90s]) + rate(overlap_total[90s]) * 90
      expect warn msg: PromQL warning: sample has start time that overlaps with previous sample timestamp for metric "overlap_total" (2 occurrences) (1:10)
      {} 9`,
  );
  checkScript(
    'says what may be no counter, and drops what mixes kinds',
    `load 1m
      m 1 2 3
      mixed_total 1 {{count:1}} {{count:2}}

    eval instant at 2m rate(m[3m])
      expect info msg: PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "m" (1:6)
      expect no_warn
      {} 0.016666666666666666

    eval instant at 2m rate(mixed_total[3m])
      expect warn msg: PromQL warning: encountered a mix of histograms and floats for metric name "mixed_total" (1:6)
      expect no_info`,
  );
  checkScript(
    'histograms bucket by bucket, over a reset and a change of schema',
    `load 1m
      h {{schema:1 count:4 sum:4 buckets:[1 1 2]}} {{schema:1 count:8 sum:10 buckets:[2 2 4]}} {{schema:0 count:3 sum:3 buckets:[1 2]}}

    eval instant at 1m increase(h[1m1ms])
      {} {{schema:1 count:4.0000666666666667 sum:6.0001 buckets:[1.0000166666666667 1.0000166666666667 2.0000333333333333] counter_reset_hint:gauge}}

    eval instant at 2m irate(h[5m])
      {} {{schema:0 count:0.05 sum:0.05 buckets:[0.016666666666666666 0.03333333333333333] counter_reset_hint:gauge}}`,
  );
  checkScript(
    'two last samples',
    `load 30s
      c_total 1 5 3
      g 1 5 3

    eval instant at 30s irate(c_total[1m])
      {} 0.13333333333333333

    eval instant at 1m irate(c_total[1m])
      {} 0.1

    eval instant at 1m idelta(g[1m])
      {} -2`,
  );
});

describe('anchored and smoothed windows', () => {
  checkScript(
    'nothing is extrapolated',
    `load 1m
      c_total 0 10 20 5

    eval instant at 2m30s increase(c_total[1m] anchored)
      {} 10

    eval instant at 2m30s increase(c_total[1m] smoothed)
      {} 7.5

    eval instant at 1m30s rate(c_total[1m] smoothed)
      {} 0.16666666666666666

    eval instant at 3m changes(c_total[2m] anchored)
      {} 2

    eval instant at 3m resets(c_total[2m] anchored)
      {} 1

    eval instant at 90s c_total smoothed
      c_total 15

    eval instant at 1m sum_over_time(c_total[1m] anchored)
      expect fail msg: anchored modifier can only be used with: changes, delta, increase, rate, resets - not with sum_over_time`,
  );
});
