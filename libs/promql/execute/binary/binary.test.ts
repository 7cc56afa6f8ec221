import { describe } from 'node:test';
import { checkScript } from '../../testing/check-script.ts';

const sides = `load 1m
      a{i="1"} 6
      a{i="2"} 8
      b{i="1"} 2
      b{i="3"} 4
      c{i="1", j="x"} 3
      c{i="1", j="y"} 5
`;

describe('between vectors', () => {
  checkScript(
    'one to one, by all labels or some',
    `${sides}
    eval instant at 0 a / b
      {i="1"} 3

    eval instant at 0 a > b
      a{i="1"} 6

    eval instant at 0 a < bool b
      {i="1"} 0

    eval instant at 0 a + on(i) b
      {i="1"} 8

    eval instant at 0 a * ignoring(i) b
      expect fail msg: found duplicate series for the match group {} on the right hand-side of the operation: [{__name__="b", i="1"}, {__name__="b", i="3"}];many-to-many matching not allowed: matching labels must be unique on one side

    eval instant at 0 a * on() group_left(i) b
      expect fail msg: found duplicate series for the match group {} on the right hand-side of the operation: [{__name__="b", i="1"}, {__name__="b", i="3"}];many-to-many matching not allowed: matching labels must be unique on one side

    eval instant at 0 c + on(i) b
      expect fail msg: multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)`,
  );
  checkScript(
    'every operator',
    `${sides}
    eval instant at 0 a % on() group_left c{j="y"}
      {i="1"} 1
      {i="2"} 3

    eval instant at 0 a ^ b
      {i="1"} 36

    eval instant at 0 a atan2 b
      {i="1"} 1.2490457723982544

    eval instant at 0 a == b

    eval instant at 0 a != b
      a{i="1"} 6

    eval instant at 0 a <= b

    eval instant at 0 b <= bool a
      {i="1"} 1

    eval instant at 0 a >= b
      a{i="1"} 6

    eval instant at 0 b < a
      b{i="1"} 2`,
  );
  checkScript(
    'many to one, either way round',
    `${sides}
    eval instant at 0 c - on(i) group_left b
      {i="1", j="x"} 1
      {i="1", j="y"} 3

    eval instant at 0 b - on(i) group_right c
      {i="1", j="x"} -1
      {i="1", j="y"} -3

    eval instant at 0 b * on(i) group_right(k) label_replace(c, "k", "z", "", "")
      {i="1", j="x"} 6
      {i="1", j="y"} 10

    eval instant at 0 c * on(i) group_left(k) label_replace(b, "k", "z", "", "")
      {i="1", j="x", k="z"} 6
      {i="1", j="y", k="z"} 10

    eval instant at 0 b - on(i) group_left c
      expect fail regex: found duplicate series for the match group \\{i="1"\\} on the right hand-side`,
  );
  checkScript(
    'the first step that has something wrong is told, whatever it is',
    `load 1m
      m{i="1", k="1"} 1 1
      m{i="1", k="2"} 2 2
      o{j="1"} 1 1
      o{j="2"} _ 2

    eval range from 0 to 1m step 1m o >= on() group_right(k) m
      expect fail msg: multiple matches for labels: grouping labels must ensure unique matches

    eval range from 0 to 1m step 1m m <= on() group_left(k) o
      expect fail msg: multiple matches for labels: grouping labels must ensure unique matches

    eval range from 0 to 1m step 1m m{k="1"} <= on() group_left(k) o
      expect fail regex: found duplicate series for the match group {} on the right hand-side

    eval range from 1m to 2m step 1m o >= on() group_right(k) m
      expect fail regex: found duplicate series for the match group {} on the left hand-side`,
  );
  checkScript(
    'sides that are never there together do not meet',
    `load 1m
      a{i="1"} 1 1
      b{i="1", j="x"} 2 stale
      b{i="1", j="y"} _ 3

    eval range from 0 to 1m step 1m a + on(i) b
      {i="1"} 3 4`,
  );
  checkScript(
    'fill values for what is missing',
    `${sides}
    eval instant at 0 a + fill(1) b
      {i="1"} 8
      {i="2"} 9
      {i="3"} 5

    eval instant at 0 a + fill_left(1) b
      {i="1"} 8
      {i="3"} 5

    eval instant at 0 c + on(i) group_left fill_right(1) (b offset 1m)
      {i="1", j="x"} 4
      {i="1", j="y"} 6`,
  );
  checkScript(
    'sets',
    `${sides}
    eval instant at 0 a and b
      a{i="1"} 6

    eval instant at 0 a unless b
      a{i="2"} 8

    eval instant at 0 a or b
      a{i="1"} 6
      a{i="2"} 8
      b{i="3"} 4

    eval instant at 0 b or on(i) c or on(i) a
      b{i="1"} 2
      b{i="3"} 4
      a{i="2"} 8

    eval instant at 0 d or on(i) c or on(i) b or on(i) c
      c{i="1", j="x"} 3
      c{i="1", j="y"} 5
      b{i="3"} 4

    eval instant at 0 b or on() c or on(i) a or on(i) a
      b{i="1"} 2
      b{i="3"} 4
      a{i="2"} 8

    eval range from 0 to 10m step 5m a offset 5m or a or a offset 10m or b
      a{i="1"} 6 6 6
      a{i="2"} 8 8 8
      b{i="3"} 4 _ _

    eval instant at 0 a and on() vector(1)
      a{i="1"} 6
      a{i="2"} 8

    eval instant at 0 c unless on(i) a`,
  );
});

describe('with scalars', () => {
  checkScript(
    'arithmetic, comparison from either side, between scalars',
    `${sides}
    eval instant at 0 a * 2 - 1
      {i="1"} 11
      {i="2"} 15

    eval instant at 0 7 < a
      a{i="2"} 8

    eval instant at 0 7 < bool a
      {i="1"} 0
      {i="2"} 1

    eval instant at 0 2 ^ 3 ^ 2 % 100 - -1
      13

    eval instant at 0 1 >= bool 2
      0

    eval instant at 0 a atan2 2
      {i="1"} 1.2490457723982544
      {i="2"} 1.3258176636680323

    eval instant at 0 a == 8
      a{i="2"} 8

    eval instant at 0 8 != a
      a{i="1"} 6

    eval instant at 0 a <= 6
      a{i="1"} 6

    eval instant at 0 a >= bool 8
      {i="1"} 0
      {i="2"} 1

    eval instant at 0 -a
      {i="1"} -6
      {i="2"} -8`,
  );
});

describe('with histograms', () => {
  checkScript(
    'what there is, and what is said of the rest',
    `load 1m
      h {{schema:0 count:6 sum:8 buckets:[2 4]}}
      g {{schema:0 count:3 sum:2 buckets:[1 2]}}
      c {{schema:-53 count:3 sum:2 custom_values:[1] buckets:[1 2]}}
      f 2
      one 1

    eval instant at 0 h + ignoring() g
      {} {{schema:0 count:9 sum:10 buckets:[3 6]}}

    eval instant at 0 h - g
      {} {{schema:0 count:3 sum:6 buckets:[1 2] counter_reset_hint:gauge}}

    eval instant at 0 h / 2
      {} {{schema:0 count:3 sum:4 buckets:[1 2]}}

    eval instant at 0 f * h
      {} {{schema:0 count:12 sum:16 buckets:[4 8]}}

    eval instant at 0 h </ 1
      h {{schema:0 count:2 sum:1.4142135623730951 buckets:[2]}}

    eval instant at 0 h </ one
      h {{schema:0 count:2 sum:1.4142135623730951 buckets:[2]}}

    eval instant at 0 h >/ one
      h {{schema:0 count:4 sum:5.656854249492381 buckets:[0 4]}}

    eval instant at 0 h == h
      h {{schema:0 count:6 sum:8 buckets:[2 4]}}

    eval instant at 0 h * g
      expect info msg: PromQL info: incompatible sample types encountered for binary operator "*": histogram * histogram (1:1)

    eval instant at 0 h > 1
      expect info msg: PromQL info: incompatible sample types encountered for binary operator ">": histogram > float (1:1)

    eval instant at 0 h + c
      expect warn msg: PromQL warning: incompatible bucket layout encountered for binary operator + (1:1)`,
  );
});
