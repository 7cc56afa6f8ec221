/** What was found, as the text of a promqltest script (without what is expected, which is Prometheus' to say). */
import type { Histogram } from '../../libs/model/histogram.ts';
import { customBucketsSchema, ResetHint } from '../../libs/model/histogram.ts';
import type { Labels } from '../../libs/model/labels.ts';
import { quoteText } from '../../libs/promql/syntax/go-text.ts';
import type { SequenceValue } from '../../libs/promql/syntax/series-description.ts';
import type { Dataset } from './random-data.ts';
import type { Question } from './random-question.ts';

const hintWords = { [ResetHint.reset]: 'reset', [ResetHint.notReset]: 'not_reset', [ResetHint.gauge]: 'gauge' };

/** A script that loads the data and asks the question. */
export function readyCase({ loads }: Dataset, { expr, when }: Question): string {
  const lines: string[] = [];
  for (const [i, { series }] of loads.entries()) {
    if (i > 0) lines.push('', '# These come late.');
    lines.push('load 1s');
    for (const { labels, values } of series) {
      const name = labelsText(labels);
      const last = values.findLastIndex(({ kind }) => kind !== 'omitted');
      if (last < 0) continue;
      const items = values.slice(0, last + 1);
      lines.push(`  ${name} ${withRuns(items.map(valueText))}`);
    }
  }
  const times =
    when.kind === 'instant'
      ? `instant at ${seconds(when.time)}`
      : `range from ${seconds(when.start)} to ${seconds(when.end)} step ${seconds(when.step)}`;
  return [...lines, '', `eval ${times} ${expr}`].join('\n');
}

const seconds = (time: number): string => (Number.isInteger(time) ? `${time}s` : `${Math.round(time * 1000)}ms`);

function labelsText(labels: Labels): string {
  const pairs: string[] = [];
  for (let i = 0; i < labels.pairs.length; i += 2) {
    const [name, value] = [labels.pairs[i] as string, labels.pairs[i + 1] as string];
    pairs.push(`${/^[a-zA-Z_]\w*$/.test(name) ? name : quoteText(name)}=${quoteText(value)}`);
  }
  return `{${pairs.join(',')}}`;
}

/** Blanks that follow each other as one item. */
function withRuns(items: readonly string[]): string {
  return items.join(' ').replace(/_(?: _)+/g, (run) => `_x${(run.length + 1) / 2}`);
}

function valueText(value: SequenceValue): string {
  switch (value.kind) {
    case 'omitted':
      return '_';
    case 'float':
      return value.stale ? 'stale' : numberText(value.value);
    case 'histogram':
      return histogramText(value.histogram);
  }
}

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  return Object.is(value, -0) ? '-0' : String(value);
}

function histogramText(h: Histogram): string {
  const list = (numbers: Float64Array) => `[${Array.from(numbers, numberText).join(' ')}]`;
  const parts = [`schema:${h.schema}`, `count:${numberText(h.count)}`, `sum:${numberText(h.sum)}`];
  if (h.schema !== customBucketsSchema) {
    parts.push(`z_bucket:${numberText(h.zeroCount)}`, `z_bucket_w:${numberText(h.zeroThreshold)}`);
  } else parts.push(`custom_values:${list(h.customValues)}`);
  if (h.positiveSpans.length > 0) {
    parts.push(`offset:${h.positiveSpans[0]}`, `buckets:${list(h.positiveBuckets)}`);
  }
  if (h.negativeSpans.length > 0) {
    parts.push(`n_offset:${h.negativeSpans[0]}`, `n_buckets:${list(h.negativeBuckets)}`);
  }
  const hint = hintWords[h.resetHint as keyof typeof hintWords];
  if (hint !== undefined) parts.push(`counter_reset_hint:${hint}`);
  return `{{${parts.join(' ')}}}`;
}
