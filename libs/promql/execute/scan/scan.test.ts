/** Which samples a query sees: lookback, staleness, offset, @, windows, subqueries. */
import { describe } from 'node:test';
import { checkScript } from '../../testing/check-script.ts';

describe('instant selectors', () => {
  checkScript(
    'the lookback is open at its far end',
    `load 1m
      m 1

    eval instant at 4m59s999ms m
      m 1

    eval instant at 5m m`,
  );
  checkScript(
    'a staleness marker ends a series until its next sample; NaN does not',
    `load 1m
      m 1 stale 3
      n 1 NaN
      h {{count:1}} stale

    eval range from 0 to 3m step 30s m
      m 1 1 _ _ 3 3 3

    eval instant at 1m n
      n NaN

    eval instant at 1m h`,
  );
  checkScript(
    'matchers of all kinds, an absent label is an empty one',
    `load 1m
      m{a="x"} 1
      m{a="yy"} 2
      m 3

    eval instant at 0 m{a!="x"}
      m{a="yy"} 2
      m 3

    eval instant at 0 m{a=~"x|y+"}
      m{a="x"} 1
      m{a="yy"} 2

    eval instant at 0 m{a!~".+"}
      m 3

    eval instant at 0 {a=~"y"}`,
  );
  checkScript(
    'offset and @',
    `load 1m
      m 0+1x10

    eval instant at 5m m offset 2m
      m 3

    eval instant at 5m m offset -2m
      m 7

    eval instant at 5m m @ 120
      m 2

    eval instant at 5m m @ 120 offset 1m
      m 1

    eval range from 1m to 4m step 1m m @ end() - m @ start()
      {} 3 3 3 3

    eval range from 0 to 2m step 1m sum_over_time(m[2m] @ 180)
      {} 5 5 5`,
  );
});

describe('range selectors and subqueries', () => {
  checkScript(
    'a window is open at its begin',
    `load 1m
      m 1 2 3

    eval instant at 2m count_over_time(m[2m])
      {} 2

    eval instant at 2m m[2m]
      expect range vector from 1m to 2m step 1m
      m 2 3`,
  );
  checkScript(
    'a subquery steps at multiples of its step',
    `load 10s
      m 0+1x60

    eval instant at 105s m[1m:30s]
      expect range vector from 60s to 90s step 30s
      m 6 9

    eval instant at 105s sum_over_time(m[1m:30s] offset 5s)
      {} 15

    eval range from 60s to 120s step 30s max_over_time(m[30s:10s])
      {} 6 9 12

    eval instant at 105s sum_over_time(m[1m:30s] @ 90)
      {} 15

    eval instant at 10m count_over_time(rate(m[1m])[5m:1m])
      expect no_warn
      {} 5

    eval instant at 5m sum_over_time(vector(1)[5m:])
      {} 5`,
  );
  checkScript(
    'durations are computed',
    `load 10s
      m 0+1x60

    eval instant at 100s count_over_time(m[10s * 3 + 20])
      {} 5

    eval range from 60s to 120s step 30s count_over_time(m[step()])
      {} 3 3 3

    eval range from 60s to 120s step 30s m offset min_of(range(), 10s)
      m 5 8 11

    eval instant at 100s m[10s - 20s]
      expect fail msg: 2:11: duration must be greater than 0`,
  );
});

describe('timestamp()', () => {
  checkScript(
    'with @ it looks without the offset, at what is read with it',
    `load 1m
      m 0+1x60

    eval instant at 40m timestamp(m @ 600)
      {} 600

    eval instant at 40m timestamp(m @ 600 offset -90s)
      {} 600

    eval instant at 40m timestamp(m @ 600 offset 90s)
      {} 480

    eval instant at 40m timestamp(m @ 600 offset 6m)`,
  );
});
