/** Functions of instant vectors that need few words: one float at a time, labels, sorting, absence, time. */
import { describe } from 'node:test';
import { checkScript } from '../../testing/check-script.ts';

describe('functions of floats', () => {
  const vector = 'load 1m\n m -2.5\n n 2.5\n';
  for (const [expr, minus, plus] of [
    ['abs', '2.5', '2.5'],
    ['ceil', '-2', '3'],
    ['floor', '-3', '2'],
    ['sgn', '-1', '1'],
    ['round', '-2', '3'],
    ['sqrt', 'NaN', '1.5811388300841898'],
    ['exp', '0.0820849986238988', '12.182493960703473'],
    ['ln', 'NaN', '0.9162907318741551'],
    ['log2', 'NaN', '1.3219280948873624'],
    ['log10', 'NaN', '0.3979400086720376'],
    ['deg', '-143.2394487827058', '143.2394487827058'],
    ['rad', '-0.04363323129985824', '0.04363323129985824'],
    ['sin', '-0.5984721441039564', '0.5984721441039564'],
    ['acos', 'NaN', 'NaN'],
    ['acosh', 'NaN', '1.566799236972411'],
    ['asin', 'NaN', 'NaN'],
    ['atan', '-1.1902899496825317', '1.1902899496825317'],
    ['cos', '-0.8011436155469337', '-0.8011436155469337'],
    ['cosh', '6.132289479663686', '6.132289479663686'],
    ['sinh', '-6.0502044810397875', '6.0502044810397875'],
    ['tan', '0.7470222972386603', '-0.7470222972386603'],
    ['tanh', '-0.9866142981514303', '0.9866142981514303'],
    ['asinh', '-1.6472311463710958', '1.6472311463710958'],
    ['atanh', 'NaN', 'NaN'],
  ] as const) {
    checkScript(
      expr,
      `${vector}\neval instant at 0 ${expr}(m)\n {} ${minus}\n\neval instant at 0 ${expr}(n)\n {} ${plus}`,
    );
  }
  checkScript(
    'clamping and rounding to a multiple',
    `${vector}
    eval instant at 0 clamp(n, 0, 1)
      {} 1

    eval instant at 0 clamp(n, 2, 1)

    eval instant at 0 clamp_min(m, -1)
      {} -1

    eval instant at 0 clamp_max(n, NaN)
      {} NaN

    eval instant at 0 round(n, 2)
      {} 2

    eval instant at 0 1 ^ NaN
      1

    eval instant at 0 (-1) ^ Inf
      1

    eval instant at 0 max_of(Inf, NaN)
      +Inf

    eval instant at 0 min_of(-Inf, NaN)
      -Inf`,
  );
  checkScript(
    'dates, before the epoch too',
    `eval instant at 0 day_of_month(vector(951782400))
      {} 29

    eval instant at 0 days_in_month(vector(951782400))
      {} 29

    eval instant at 0 month(vector(951782400))
      {} 2

    eval instant at 0 day_of_year(vector(951868800))
      {} 61

    eval instant at 0 day_of_week(vector(-1))
      {} 3

    eval instant at 0 year(vector(-1))
      {} 1969

    eval instant at 0 hour(vector(-1))
      {} 23

    eval instant at 0 minute(vector(-9e18))
      {} 0

    eval instant at 0 hour(vector(-9e18))
      {} 8

    eval instant at 0 minute(vector(3599.9))
      {} 59

    eval instant at 1d hour()
      {} 0`,
  );
});

describe('functions of labels', () => {
  const series = 'load 1m\n m{a="x-1", b="y"} 1\n';
  checkScript(
    'label_replace with groups, by number and by name, anchored at both ends',
    `${series}
    eval instant at 0 label_replace(m, "c", "$2-$1", "a", "(.*)-(.*)")
      m{a="x-1", b="y", c="1-x"} 1

    eval instant at 0 label_replace(m, "c", "\${part}z", "a", "(?P<part>x).*")
      m{a="x-1", b="y", c="xz"} 1

    eval instant at 0 label_replace(m, "c", "z", "a", "x")
      m{a="x-1", b="y"} 1

    eval instant at 0 label_replace(m, "b", "", "", "")
      m{a="x-1"} 1

    eval instant at 0 label_replace(m, "c", "$9$$", "a", ".*")
      m{a="x-1", b="y", c="$"} 1

    eval instant at 0 label_replace(m, "c", "$1-$01-\${01}", "a", "(.).*")
      m{a="x-1", b="y", c="x--"} 1

    eval instant at 0 label_replace(m, "", "z", "a", ".*")
      expect fail regex: ^invalid destination label name in label_replace\\(\\): $

    eval instant at 0 label_replace(m, "c", "z", "a", "(")
      expect fail msg: invalid regular expression in label_replace(): (`,
  );
  checkScript(
    'label_join',
    `${series}
    eval instant at 0 label_join(m, "c", "/", "a", "none", "b")
      m{a="x-1", b="y", c="x-1//y"} 1

    eval instant at 0 label_join(m, "__name__", "", "b")
      y{a="x-1", b="y"} 1`,
  );
});

describe('start times, infos', () => {
  checkScript(
    'start_timestamp is that of the newest sample, and of selectors alone',
    `load 1m
      m@st 30s -10s
      m 1 2

    eval range from 0 to 2m step 1m start_timestamp(m)
      {} 30 50 50

    eval instant at 1m start_timestamp(m + 0)`,
  );
  checkScript(
    'info adds the labels of the info metric with the same job and instance',
    `load 1m
      target_info{job="x", instance="1", version="2"} 1
      build_info{job="x", instance="1", commit="c"} 1
      up{job="x", instance="1"} 1
      up{job="y", instance="1"} 0

    eval instant at 0 info(up)
      up{job="x", instance="1", version="2"} 1
      up{job="y", instance="1"} 0

    eval instant at 0 info(up, {version="2"})
      up{job="x", instance="1", version="2"} 1

    eval instant at 0 info(up, {version=~"1|"})
      up{job="x", instance="1"} 1
      up{job="y", instance="1"} 0

    eval instant at 0 info(up, {__name__="build_info"})
      up{job="x", instance="1", commit="c"} 1
      up{job="y", instance="1"} 0

    eval instant at 0 info(up, {__name__=~".+_info"})
      up{job="x", instance="1", commit="c", version="2"} 1
      up{job="y", instance="1"} 0`,
  );
});

describe('order, absence, time', () => {
  checkScript(
    'sort_by_label leaves what lacks the label where it is, sort_by_label_desc puts it before and behind all others',
    `load 1m
      m{i="1", l="1"} 1
      m{i="2"} 2
      m{i="3", l="2"} 3

    eval instant at 0 sort_by_label(m, "l")
      expect ordered
      m{i="1", l="1"} 1
      m{i="2"} 2
      m{i="3", l="2"} 3

    eval instant at 0 sort_by_label_desc(m, "l")
      expect ordered
      m{i="3", l="2"} 3
      m{i="2"} 2
      m{i="1", l="1"} 1`,
  );
  checkScript(
    'sort puts NaN last, sort_by_label counts digits as numbers',
    `load 1m
      m{i="1"} 3
      m{i="2"} NaN
      m{i="10"} 1

    eval instant at 0 sort(m)
      expect ordered
      m{i="10"} 1
      m{i="1"} 3
      m{i="2"} NaN

    eval instant at 0 sort_desc(m)
      expect ordered
      m{i="1"} 3
      m{i="10"} 1
      m{i="2"} NaN

    eval instant at 0 sort_by_label(m, "i")
      expect ordered
      m{i="1"} 3
      m{i="2"} NaN
      m{i="10"} 1

    eval instant at 0 sort_by_label_desc(m, "i")
      expect ordered
      m{i="10"} 1
      m{i="2"} NaN
      m{i="1"} 3

    eval range from 0 to 1m step 1m sort(m)
      expect warn msg: PromQL warning: sort is ineffective for range queries since results are always ordered by labels (1:1)
      m{i="1"} 3 3
      m{i="2"} NaN NaN
      m{i="10"} 1 1`,
  );
  checkScript(
    'absent has the labels that the selector names for certain',
    `load 1m
      m 1

    eval instant at 0 absent(m)

    eval instant at 0 absent(none{a="b", c!="d", e=~"f", g="h", g="h"})
      {a="b"} 1

    eval instant at 0 absent(none{a="1", u!="b", u="ab"})
      {a="1"} 1

    eval instant at 0 absent(none{u!="", u="ab", v!~"c.*|", v="d", w!~"x|", w=""})
      {u="ab", v="d"} 1

    eval instant at 0 absent(sum(none))
      {} 1`,
  );
  checkScript(
    'time() of the step, timestamp() of the sample',
    `load 1m
      m 1 2

    eval instant at 90s time()
      90

    eval instant at 90s timestamp(m)
      {} 60

    eval instant at 90s timestamp(m + 0)
      {} 90

    eval range from 1m to 3m step 1m start() + end() * 10 + step() * 1000 + range() * 1e6
      {} 120061860 120061860 120061860

    eval instant at 1m start() + end() + step() + range()
      120

    eval instant at 0 pi()
      3.141592653589793

    eval instant at 90s scalar(m)
      2

    eval instant at 90s scalar(m or label_replace(vector(3), "a", "b", "", ""))
      NaN

    eval instant at 90s vector(4)
      {} 4`,
  );
});
