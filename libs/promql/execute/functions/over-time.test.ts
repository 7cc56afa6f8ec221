import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { checkScript } from '../../testing/check-script.ts';
import { evaluateWithEngine } from '../../testing/corpus-engine.ts';
import { MemorySource } from '../../testing/memory-source.ts';
import { parseScript } from '../../testing/parse-script.ts';

const floats = 'load 1m\n m 3 -1 4 1 5\n';
const cases: readonly (readonly [string, string])[] = [
  ['sum_over_time', '9'],
  ['avg_over_time', '2.25'],
  ['count_over_time', '4'],
  ['min_over_time', '-1'],
  ['max_over_time', '5'],
  ['stdvar_over_time', '5.6875'],
  ['stddev_over_time', '2.384848003542364'],
  ['mad_over_time', '2'],
  ['present_over_time', '1'],
  ['ts_of_first_over_time', '60'],
  ['ts_of_last_over_time', '240'],
  ['ts_of_max_over_time', '240'],
  ['ts_of_min_over_time', '60'],
  ['changes', '3'],
  ['resets', '1'],
  ['deriv', '0.025'],
];

describe('functions over the floats of a window', () => {
  for (const [name, value] of cases) {
    checkScript(`${name} of -1 4 1 5`, `${floats}\neval instant at 4m ${name}(m[4m])\n {} ${value}`);
  }
  checkScript(
    'quantiles, ends, predictions',
    `${floats}
    eval instant at 4m quantile_over_time(0.5, m[4m])
      {} 2.5

    eval instant at 4m quantile_over_time(2, m[4m])
      expect warn msg: PromQL warning: quantile value should be between 0 and 1, got 2 (1:20)
      {} +Inf

    eval instant at 4m first_over_time(m[4m])
      m -1

    eval instant at 4m last_over_time(m[4m])
      m 5

    eval instant at 4m predict_linear(m[4m], 60)
      {} 6

    eval instant at 4m double_exponential_smoothing(m[4m], 0.5, 0.5)
      {} 6.5

    eval instant at 4m double_exponential_smoothing(m[4m], 1, 0.5)
      expect fail msg: invalid smoothing factor. Expected: 0 < sf < 1, got: 1.000000`,
  );
  checkScript(
    'NaN is passed over by minimum and maximum, -0 and 0 are equal, sums are compensated, means survive an overflow',
    `load 1m
      some NaN 2 NaN 1
      none NaN NaN
      big 1e100 1 -1e100
      huge 1.5e308 1.5e308 1.5e308

    eval instant at 3m max_over_time(some[4m])
      {} 2

    eval instant at 3m min_over_time(some[4m])
      {} 1

    eval instant at 3m max_over_time(none[4m])
      {} NaN

    eval instant at 2m sum_over_time(big[3m])
      {} 1

    eval instant at 2m avg_over_time(huge[3m])
      {} 1.5e308`,
  );
  checkScript(
    'what is ignored beside floats, and what may not be mixed',
    `load 1m
      m 1 {{count:1 sum:2}} 3

    eval instant at 2m max_over_time(m[3m])
      expect info msg: PromQL info: ignored histograms in a range containing both floats and histograms for metric name "m" (1:15)
      {} 3

    eval instant at 2m sum_over_time(m[3m])
      expect warn msg: PromQL warning: encountered a mix of histograms and floats for metric name "m" (1:15)

    eval instant at 2m count_over_time(m[3m])
      {} 3

    eval instant at 2m absent_over_time(m[1m])

    eval instant at 9m absent_over_time(m{a="b"}[1m])
      {a="b"} 1`,
  );
  checkScript(
    'histograms',
    `load 1m
      h {{schema:0 count:3 sum:4 buckets:[1 2]}} {{schema:0 count:5 sum:8 buckets:[2 3]}}

    eval instant at 1m sum_over_time(h[2m])
      {} {{schema:0 count:8 sum:12 buckets:[3 5]}}

    eval instant at 1m avg_over_time(h[2m])
      {} {{schema:0 count:4 sum:6 buckets:[1.5 2.5]}}`,
  );
});

describe('a window that moves', () => {
  /** Values of a function at every step, over one range query or one instant query a step. */
  const ask = (
    source: MemorySource,
    expr: string,
    startMs: number,
    endMs: number,
    stepMs: number,
  ): Map<number, number> => {
    const answer = evaluateWithEngine({ expr, startMs, endMs, stepMs }, source);
    assert.ok('value' in answer && 'series' in answer.value);
    return new Map(answer.value.series.flatMap(({ points }) => points.map(({ t, value }) => [t, value] as const)));
  };

  for (const [name] of [...cases, ['rate', ''], ['delta', ''], ['irate', ''], ['idelta', '']] as const) {
    it(`${name} is at each step of a range what an instant query finds there`, () => {
      fc.assert(
        fc.property(
          fc.array(fc.oneof(fc.integer({ min: -3, max: 9 }).map(String), fc.constantFrom('_', 'NaN', 'stale', '-0')), {
            minLength: 1,
            maxLength: 30,
          }),
          fc.integer({ min: 1, max: 9 }),
          fc.integer({ min: 1, max: 7 }),
          (values, rangeSteps, stepSteps) => {
            const source = new MemorySource();
            for (const command of parseScript(`load 10s\n m ${values.join(' ')}`)) {
              if (command.kind === 'load') source.load(command);
            }
            const expr = `${name}(m[${rangeSteps * 7}s])`;
            const stepMs = stepSteps * 5000;
            const whole = ask(source, expr, 0, 300_000, stepMs);
            for (let t = 0; t <= 300_000; t += stepMs) {
              assert.deepEqual(whole.get(t), ask(source, expr, t, t, 0).get(t), `at ${t}`);
            }
          },
        ),
        { numRuns: 25 },
      );
    });
  }
});
