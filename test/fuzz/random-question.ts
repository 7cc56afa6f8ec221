/**
 * Random questions about the series of random-data.ts: an expression, and when.
 * Owns the words, chosen so that most questions have an answer. The grammar is libs/promql/syntax/random-expression.testing.ts.
 */
import { type Random, randomExpression, type Vocabulary } from '../../libs/promql/syntax/random-expression.testing.ts';
import type { SeededRandom } from '../support/seeded-random.ts';
import { dataSeconds } from './random-data.ts';

/** Times in seconds. */
export type When =
  | { readonly kind: 'instant'; readonly time: number }
  | { readonly kind: 'range'; readonly start: number; readonly end: number; readonly step: number };

export interface Question {
  readonly expr: string;
  readonly when: When;
}

const counters = [
  'c_total',
  'req_total',
  'c_total{job="a"}',
  'req_total{code!="404"}',
  'lat_bucket',
  'lat_count',
  'h',
  'cb',
  'mix',
];
const histograms = ['h', 'hf', 'cb', 'mix', 'h{job="a"}', 'cb{instance="0"}', 'hle', '{__name__=~"h|cb"}'];
const gauges = ['gauge', 'level', 'gauge{job="b"}', 'sparse', 'odd', 'hf', 'mix', 'only_a'];
const ranges = ['1m', '5m', '47s', '15s', '10m', '100s', '30s'];
const modifiers = ['', '', '', '', '', ' offset 1m', ' @ 1200', ' anchored', ' smoothed', ' @ end()', ' offset -30s'];
const quantiles = ['0.5', '0.9', '0', '1', '0.25', '-1', '2', 'NaN', '0.99'];
const counts = ['1', '2', '3', '5', '0', '-1', '2.7', '14', '25'];
const rateLike = new Set(['rate', 'increase', 'irate', 'resets', 'changes']);
const plainRange = /_over_time$|^delta$|^idelta$|^deriv$|^predict_linear$|^double_exponential_smoothing$/;

const oneOf = <T>(random: Random, choices: readonly T[]): T => choices[Math.floor(random() * choices.length)] as T;

/** Arguments that make sense, so that not all answers are the same error. */
function argument(name: string, index: number, random: Random): string | undefined {
  const pick = (...choices: readonly string[]) => oneOf(random, choices);
  switch (name) {
    case 'label_replace':
      return index === 0 ? undefined : pick(...(labelReplaceTexts[index - 1] ?? []));
    case 'label_join':
      return index === 0
        ? undefined
        : pick(...(index === 2 ? ['"-"', '""'] : ['"dst"', '"job"', '"instance"', '"__name__"']));
    case 'sort_by_label':
    case 'sort_by_label_desc':
      if (index === 0) return random() < 0.4 ? 'many' : undefined;
      return pick('"job"', '"instance"', '"le"', '"nothing"', '"n"');
    case 'count_values':
      return index === 0 ? pick('"value"', '"job"', '"v.w"') : pick('level', 'round(gauge, 10)', 'hf', 'odd', 'mix');
    case 'info':
      return index === 1
        ? pick(
            '{version=~".+"}',
            '{__name__="target_info"}',
            '{__name__=~".+_info",zone="z"}',
            '{zone!="z"}',
            '{version="v1"}',
          )
        : pick('c_total', 'gauge', 'h', 'rate(c_total[5m])', 'sum by (job, instance) (req_total)', 'odd');
    case 'topk':
    case 'bottomk':
    case 'limitk':
      if (index === 1) return random() < 0.3 ? pick('many', 'many % 3', 'req_total') : undefined;
      return random() < 0.8 ? pick(...counts) : undefined;
    case 'sort':
    case 'sort_desc':
      return random() < 0.5 ? pick('many', 'many * -1', 'level', 'odd', 'many / many') : undefined;
    case 'limit_ratio':
      return index === 0 && random() < 0.8 ? pick('0.5', '-0.5', '0.1', '1', '-1', '2') : undefined;
    case 'quantile':
      return index === 0 && random() < 0.8 ? pick(...quantiles) : undefined;
    case 'quantile_over_time':
      if (index === 0) return random() < 0.8 ? pick(...quantiles) : undefined;
      break;
    case 'histogram_quantile':
      if (index === 0) return random() < 0.8 ? pick(...quantiles) : undefined;
      return random() < 0.7 ? histogramVector(random) : undefined;
    case 'histogram_fraction':
      if (index < 2) return random() < 0.8 ? pick('0', '0.1', '1', '-2', '5', '-Inf', '+Inf', '0.3') : undefined;
      return random() < 0.8 ? histogramVector(random) : undefined;
    case 'histogram_quantiles':
      if (index === 0) return random() < 0.8 ? histogramVector(random) : undefined;
      return index === 1 ? pick('"q"', '"job"') : pick(...quantiles);
    case 'double_exponential_smoothing':
      if (index > 0) return pick('0.5', '0.1', '0.9');
      break;
  }
  if (name.startsWith('histogram_')) return random() < 0.8 ? histogramVector(random) : undefined;
  if (index === 0 || name === 'quantile_over_time') {
    if (rateLike.has(name) && random() < 0.7) return `${pick(...counters)}[${pick(...ranges)}]${pick(...modifiers)}`;
    if (plainRange.test(name) && random() < 0.7) {
      const from = random() < 0.7 ? gauges : counters;
      return `${pick(...from)}[${pick(...ranges)}]${pick(...modifiers)}`.replace(/ (anchored|smoothed)$/, '');
    }
  }
  return undefined;
}

/** Of destination, replacement, source, pattern. */
const labelReplaceTexts = [
  ['"dst"', '"job"', '"le"', '"__name__"', '"a.b"'],
  ['"$1"', '"x"', '""', `"\${1}-$2"`, '"new_$0"'],
  ['"job"', '"instance"', '"le"', '"__name__"', '"none"'],
  ['"(.*)"', '"(a)|b"', '".+"', '""', '"a"', '"(?P<n>.)(.*)"'],
];

function histogramVector(random: Random): string {
  const pick = (...choices: readonly string[]) => oneOf(random, choices);
  const base = pick(...histograms, 'lat_bucket', 'lat_bucket', 'h or lat_bucket');
  switch (Math.floor(random() * 5)) {
    case 0:
      return base;
    case 1:
      return base === 'h or lat_bucket' ? base : `rate(${base}[${pick(...ranges)}])`;
    case 2:
      return `sum by (le, job) (${base})`;
    case 3:
      return base === 'h or lat_bucket' ? base : `sum by (le) (increase(${base}[5m]))`;
    default:
      return `avg without (instance) (${base})`;
  }
}

const alike = [
  'gauge',
  'level',
  'c_total',
  'h',
  'cb',
  'target_info',
  'rate(c_total[2m])',
  'h offset 1m',
  'rate(h[5m])',
];
const perJob = ['hf', 'mix', 'sparse', 'odd', 'sum by (job) (gauge)', 'lat_count', 'lat_sum', 'max by (job) (c_total)'];

/** Two vectors that have something to say to each other, mostly. */
function operands(random: Random): { left: string; how: string; right: string } | undefined {
  const pick = (...choices: readonly string[]) => oneOf(random, choices);
  switch (Math.floor(random() * 9)) {
    case 0:
      return { left: pick(...alike), how: '', right: pick(...alike) };
    case 1:
      return {
        left: pick(...alike),
        how: pick(' on(job, instance)', ' ignoring(version, zone)'),
        right: pick(...alike),
      };
    case 2:
      return { left: pick(...perJob), how: pick('', ' on(job)', ' ignoring(__type__)'), right: pick(...perJob) };
    case 3: {
      const how = ` on(job, instance) group_left${pick('', ' (version)', ' (zone, version)')}`;
      return { left: 'req_total', how, right: pick(...alike) };
    }
    case 4:
      return {
        left: pick(...perJob),
        how: ` on(job) group_right${pick('', ' (none)')}`,
        right: pick(...alike, 'req_total'),
      };
    case 5:
      return { left: 'many', how: pick(' ignoring()', ' on(n)'), right: pick('many offset 2m', '(many > 0)', 'many') };
    default:
      return undefined;
  }
}

/** Of what many questions are about; the others are as good as any. */
const likelier =
  /^(rate|increase|irate|delta|idelta|histogram_|sum_over|avg_over|quantile_over|last_over|label_|info|absent|timestamp)/;

const words: Vocabulary = {
  metrics: [
    ...[
      'gauge',
      'gauge',
      'level',
      'level',
      'c_total',
      'c_total',
      'req_total',
      'lat_bucket',
      'lat_count',
      'h',
      'h',
      'hf',
    ],
    ...['cb', 'mix', 'sparse', 'odd', 'many', 'target_info', 'build_info', 'only_a', 'hle', 'nothing'],
  ],
  // Never of floats and of histograms: where they meet under the same labels, Prometheus loses points.
  quotedMetrics: [
    '"quoted.name"',
    '"gauge"',
    '__name__=~"gauge|level"',
    '__name__=~"c_total|req.*"',
    '__name__=~"h|cb"',
  ],
  labels: ['job', 'instance', 'le', 'code', '__name__', '"utf8.name"', 'none', '__type__'],
  matcherValues: ['a', 'b', '', '0', 'a|b', '.+', '[a-c]+', '0.5', '.*', '5..'],
  matchingLabels: ['job', 'instance', 'le', 'job'],
  includes: ['', '', ' (code)', ' (version, zone)', ' (le)', ' (__name__)'],
  numbers: [
    ...[
      '0',
      '1',
      '2',
      '2.5',
      '.5',
      '-1',
      '1e3',
      '0x1f',
      '5m',
      '(Inf)',
      'NaN',
      '0.0001',
      '3',
      '10',
      '100',
      '-0.5',
      '7',
      '0.1',
    ],
  ],
  durations: ['5m', '1m', '90s', '30s', '10m', '47', '15s', '2m', '60.5', '1h', '3m'],
  strings: ['"x"', '"job"', "'instance'", '`le`'],
  times: ['1200', '600.5', 'start()', 'end()', '-5', '2400', '47'],
  weight: (name) => (likelier.test(name) ? 3 : 1),
  operands,
  argument,
};

const patternParts = [
  ...[
    'a',
    'b',
    'ab',
    '1',
    '.',
    '.*',
    '.+',
    '|',
    '|',
    '(',
    ')',
    '(?:',
    '(?P<n>',
    '*',
    '+',
    '?',
    '*?',
    '+?',
    '{2}',
    '{1,3}',
    '{0}',
    '{1001}',
  ],
  ...[
    '[ab]',
    '[^a]',
    '[a-z]',
    '[^\\n]',
    '[[:alpha:]]',
    '[[:^digit:]]',
    '\\d',
    '\\D',
    '\\w',
    '\\W',
    '\\s',
    '\\pL',
    '\\p{Lu}',
    '\\PN',
  ],
  ...[
    '\\p{Greek}',
    '^',
    '$',
    '\\b',
    '\\B',
    '\\A',
    '\\z',
    '\\n',
    '\\.',
    '\\-',
    '\\x61',
    '\\x{1f30a}',
    '\\Qa.b\\E',
    '\\1',
    '\\8',
  ],
  ...[
    '(?i)',
    '(?s)',
    '(?m)',
    '(?U)',
    '(?i:',
    '(?-s:',
    '(?=',
    '(?<n>',
    'é',
    'ß',
    'k',
    's',
    '\u{1f30a}',
    '{',
    '}',
    '[',
    ']',
    '\\',
    '-',
    '_',
  ],
];

/** A regular expression of RE2, or not quite, over values of all kinds. */
function patternQuestion(random: Random): string {
  const parts = Array.from({ length: 1 + Math.floor(random() * 6) }, () => oneOf(random, patternParts));
  // Two groups of one name: see libs/promql/DIFFERENCES.md.
  const named = parts.findIndex((part) => part.includes('<n>'));
  parts.forEach((part, i) => {
    if (i > named && part.includes('<n>')) parts[i] = '(';
  });
  const open = parts.filter((part) => part.startsWith('(')).length - parts.filter((part) => part === ')').length;
  const pattern = JSON.stringify(parts.join('') + (random() < 0.9 ? ')'.repeat(Math.max(0, open)) : ''));
  if (random() < 0.5) return `texts{v${oneOf(random, ['=~', '=~', '!~'])}${pattern}}`;
  return `label_replace(texts, "dst", "<$1|\${n}|$0>", "v", ${pattern})`;
}

/** An expression of the whole grammar, and an instant or a range about the data. */
export function randomQuestion(random: SeededRandom): Question {
  const next = () => random.next();
  const type = random.next() < 0.04 ? 'scalar' : random.next() < 0.03 ? 'matrix' : 'vector';
  const expr =
    type === 'vector' && random.next() < 0.06
      ? patternQuestion(next)
      : randomExpression(next, type, random.between(1, 5), words);
  if (type === 'matrix' || random.next() < 0.45) {
    const time = oneOf(next, [
      random.between(0, dataSeconds + 200),
      random.between(1, 160) * 15,
      random.next() * dataSeconds,
    ]);
    return { expr, when: { kind: 'instant', time: Math.round(time * 1000) / 1000 } };
  }
  const start = oneOf(next, [0, random.between(-100, dataSeconds), random.between(0, 100) * 15]);
  const step = oneOf(next, [15, 60, 7, 30, 100, 0.5, 300]);
  const end = start + Math.floor(step * random.next() * 40 * 1000) / 1000;
  return { expr, when: { kind: 'range', start, end, step } };
}
