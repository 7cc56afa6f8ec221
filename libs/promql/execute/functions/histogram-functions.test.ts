import { describe } from 'node:test';
import { checkScript } from '../../testing/check-script.ts';

describe('classic histograms', () => {
  const buckets = `load 1m
      b_bucket{le="1"} 10
      b_bucket{le="3"} 30
      b_bucket{le="+Inf"} 40
  `;
  checkScript(
    'linear within a bucket, the second highest bound at the top',
    `${buckets}
    eval instant at 0 histogram_quantile(0.5, b_bucket)
      {} 2

    eval instant at 0 histogram_quantile(0.125, b_bucket)
      {} 0.5

    eval instant at 0 histogram_quantile(0.99, b_bucket)
      {} 3

    eval instant at 0 histogram_quantile(-1, b_bucket)
      expect warn msg: PromQL warning: quantile value should be between 0 and 1, got -1 (1:20)
      {} -Inf

    eval instant at 0 histogram_fraction(0, 2, b_bucket)
      {} 0.5

    eval instant at 0 histogram_quantiles(b_bucket, "q", 0.5, 0.125)
      {q="0.5"} 2
      {q="0.125"} 0.5`,
  );
  checkScript(
    'what is wrong with buckets is mended or said',
    `load 1m
      none_bucket{le="1"} 10
      fall_bucket{le="1"} 10
      fall_bucket{le="2"} 5
      fall_bucket{le="+Inf"} 20
      bad_bucket{le="x"} 1
      twice_bucket{le="1"} 1
      twice_bucket{le="1.0"} 3
      twice_bucket{le="Inf"} 8
      long_bucket{le="1_0"} 4
      long_bucket{le="+Inf"} 8

    eval instant at 0 histogram_quantile(0.5, none_bucket)
      {} NaN

    eval instant at 0 histogram_quantile(0.5, fall_bucket)
      expect info regex: for metric name "fall_bucket", from buckets 2 to 2, with a max diff of 5, over 1 samples from 19[-0-9:TZ]+ to 19[-0-9:TZ]+ \\(1:25\\)$
      {} 1

    eval instant at 0 histogram_quantile(0.5, fall_bucket) + histogram_quantile(0.5, fall_bucket)
      expect info regex: from buckets 2 to 2, with a max diff of 5, over 2 samples from 19[-0-9:TZ]+ to 19[-0-9:TZ]+ \\(1:25\\)$
      {} 2

    eval instant at 0 histogram_quantile(0.5, fall_bucket) + histogram_quantile(0.9, 2 * fall_bucket or fall_bucket)
      expect info regex: for metric name "fall_bucket", from buckets 2 to 2, with a max diff of 10, over 2 samples from 19[-0-9:TZ]+ to 19[-0-9:TZ]+ \\(1:25\\)$
      {} 3

    eval instant at 0 histogram_quantile(0.5, bad_bucket)
      expect warn msg: PromQL warning: bucket label "le" is missing or has a malformed value of "x" for metric name "bad_bucket" (1:25)

    eval instant at 0 histogram_quantile(0.5, long_bucket)
      {} 10

    eval instant at 0 histogram_quantile(0.5, twice_bucket)
      {} 1`,
  );
});

describe('native histograms', () => {
  checkScript(
    'with NaN observations a quantile is looked for in the last bucket, as Prometheus does',
    `load 1m
      h {{schema:0 count:12 sum:NaN buckets:[10 0 1]}}

    eval instant at 0 histogram_quantile(0.5, h)
      expect info msg: PromQL info: input to histogram_quantile has NaN observations, result is skewed higher for metric name "h" (1:25)
      {} 128`,
  );
  const native = `load 1m
      h {{schema:0 count:12 sum:30 z_bucket:2 z_bucket_w:0.5 buckets:[2 4 4]}}
      c {{schema:-53 count:4 sum:9 custom_values:[1 3] buckets:[1 2 1]}}
  `;
  checkScript(
    'parts of one',
    `${native}
    eval instant at 0 histogram_count(h)
      {} 12

    eval instant at 0 histogram_sum(h)
      {} 30

    eval instant at 0 histogram_avg(h)
      {} 2.5

    eval instant at 0 histogram_count(rate(h[1m]))

    eval instant at 0 histogram_stddev(h)
      {} 1.4164544482586533

    eval instant at 0 histogram_stdvar(h)
      {} 2.006343203812402

    # Where the observations of an endless bucket lie is not known.
    eval instant at 0 histogram_stdvar(c)
      {} +Inf`,
  );
  checkScript(
    'logarithmic within exponential buckets, linear around zero and within custom ones',
    `${native}
    # 8 of 12 lie at or below 2.
    eval instant at 0 histogram_quantile(0.6666666666666666, h)
      {} 2

    # Half way up the bucket (1, 2], on a logarithmic scale.
    eval instant at 0 histogram_quantile(0.5, h)
      {} 1.4142135623730951

    eval instant at 0 histogram_quantile(0.08333333333333333, h)
      {} 0.25

    eval instant at 0 histogram_fraction(1, 2, h)
      {} 0.3333333333333333

    eval instant at 0 histogram_quantile(0.5, c)
      {} 2

    eval instant at 0 histogram_fraction(-Inf, 2, c)
      {} 0.5`,
  );
  checkScript(
    'a classic and a native histogram under the same labels',
    `load 1m
      h{le="1"} 1
      h{le="+Inf"} 2
      h {{count:1 sum:1 buckets:[1]}}

    eval instant at 0 histogram_quantile(0.5, h)
      expect warn msg: PromQL warning: vector contains a mix of classic and native histograms for metric name "h" (1:25)`,
  );
});
