/**
 * The notation of test files and rule tests for a series and its values: `m{a="b"} 1+2x3 _ stale {{schema:1 count:2}}`.
 * Owns that little grammar, which shares its tokens with expressions. Facts: Prometheus
 * promql/parser/generated_parser.y (series_description), parse.go. Two wanted differences: a broken list of buckets is
 * refused where Prometheus drops what is broken without a word, and a misplaced key is called a key where Prometheus
 * says `<Item 57371>`.
 */
import { type Histogram, ResetHint } from '../../model/histogram.ts';
import { addHistograms, subtractHistograms } from '../../model/histogram-arithmetic.ts';
import { Labels, metricName } from '../../model/labels.ts';
import { quoteText } from './go-text.ts';
import { parseNumber, unquote } from './literals.ts';
import { mayNameMetric } from './parser.ts';
import { TokenStream } from './token-stream.ts';

/** One step of a series; `omitted` is the blank `_`. */
export type SequenceValue =
  | { readonly kind: 'omitted' }
  /** A stale value is the staleness marker, whose bits no number can be trusted with. */
  | { readonly kind: 'float'; readonly value: number; readonly stale: boolean }
  | { readonly kind: 'histogram'; readonly histogram: Histogram; readonly resetHintSet: boolean };

export interface SeriesDescription {
  readonly labels: Labels;
  readonly values: readonly SequenceValue[];
}

/** More values than this in one description are refused: a limit of ours. */
const sequenceLengthMax = 1_000_000;
const omitted: SequenceValue = { kind: 'omitted' };

/**
 * Parses a series with its values.
 * @throws ParseError, with Prometheus' words where it has some
 */
export function parseSeriesDescription(text: string): SeriesDescription {
  return new SeriesParser(text).parse();
}

type HistogramField = { readonly value: number | readonly number[] | ResetHint };

class SeriesParser {
  readonly #tokens: TokenStream;

  constructor(text: string) {
    this.#tokens = new TokenStream(text, { seriesDescription: true });
  }

  parse(): SeriesDescription {
    const tokens: TokenStream = this.#tokens;
    const labels = this.#metric();
    const first = tokens.peek();
    if (first !== 'SPACE' && first !== 'EOF') tokens.unexpected('series values');
    const values: SequenceValue[] = [];
    while (tokens.accept('SPACE')) {
      if (this.#startsItem()) values.push(...this.#item());
      if (values.length > sequenceLengthMax) tokens.fail(tokens.lastStart, `more than ${sequenceLengthMax} values`);
    }
    if (tokens.peek() !== 'EOF') tokens.unexpected();
    return { labels, values };
  }

  // The metric

  #metric(): Labels {
    const tokens: TokenStream = this.#tokens;
    const entries: [string, string][] = [];
    const type = tokens.peek();
    const name = mayNameMetric(type) ? tokens.take().text : undefined;
    if (tokens.accept('{')) this.#labels(entries);
    else if (name === undefined && type !== 'SPACE' && type !== 'EOF') tokens.unexpected('series values');
    if (name !== undefined) entries.push([metricName, name]);
    return Labels.from(entries);
  }

  #labels(entries: [string, string][]): void {
    const tokens: TokenStream = this.#tokens;
    while (!tokens.accept('}')) {
      const type = tokens.peek();
      if (type !== 'IDENTIFIER' && type !== 'STRING') tokens.unexpected('label set', 'identifier or "}"');
      const { text } = tokens.take();
      const name = type === 'STRING' ? unquote(text) : text;
      if (tokens.accept('=')) {
        if (tokens.peek() !== 'STRING') tokens.unexpected('label set', 'string');
        entries.push([name, unquote(tokens.take().text)]);
      } else if (type === 'STRING') {
        entries.push([metricName, name]);
      } else {
        tokens.unexpected('label set', '"="');
      }
      const next = tokens.peek();
      if (next === ',') tokens.skip();
      else if (next !== '}') tokens.unexpected('label set', '"," or "}"');
    }
  }

  // The values

  #startsItem(): boolean {
    return ['BLANK', 'IDENTIFIER', 'NUMBER', '+', '-', '{{'].includes(this.#tokens.peek());
  }

  /** The values of one item, which may repeat or step. */
  #item(): SequenceValue[] {
    const tokens: TokenStream = this.#tokens;
    if (tokens.accept('BLANK'))
      return Array.from({ length: tokens.accept('TIMES') ? this.#count() : 1 }, () => omitted);
    if (tokens.peek() === '{{') return this.#histograms();
    const first = this.#float();
    const step = tokens.peek();
    if (step === '+' || step === '-') {
      const increment = this.#signedNumber();
      this.#expect('TIMES');
      return this.#steps(first, increment, this.#count());
    }
    // A repetition holds one value more than it says: that of time 0.
    const count = tokens.accept('TIMES') ? this.#count() + 1 : 1;
    return Array.from({ length: count }, () => first);
  }

  #steps(first: SequenceValue & { readonly kind: 'float' }, increment: number, count: number): SequenceValue[] {
    const values: SequenceValue[] = [first];
    let { value } = first;
    for (let i = 0; i < count; i++) {
      value += increment;
      values.push({ kind: 'float', value, stale: false });
    }
    return values;
  }

  #float(): SequenceValue & { readonly kind: 'float' } {
    const tokens: TokenStream = this.#tokens;
    if (tokens.peek() !== 'IDENTIFIER') return { kind: 'float', value: this.#signedNumber(), stale: false };
    if (tokens.take().text !== 'stale') tokens.unexpected('series values', 'number or "stale"');
    return { kind: 'float', value: Number.NaN, stale: true };
  }

  #histograms(): SequenceValue[] {
    const tokens: TokenStream = this.#tokens;
    const first = this.#histogram();
    const operator = tokens.peek();
    if (operator === 'TIMES') {
      tokens.skip();
      return Array.from({ length: this.#count() + 1 }, () => first);
    }
    if (operator !== '+' && operator !== '-') return [first];
    tokens.skip();
    if (tokens.peek() !== '{{') tokens.unexpected('series values');
    const step = this.#histogram();
    this.#expect('TIMES');
    const count = this.#count();
    const values: SequenceValue[] = [{ ...first, resetHintSet: step.resetHintSet }];
    let { histogram } = first;
    for (let i = 0; i < count; i++) {
      histogram = this.#combine(histogram, step.histogram, operator);
      values.push({ kind: 'histogram', histogram, resetHintSet: step.resetHintSet });
    }
    return values;
  }

  #combine(a: Histogram, b: Histogram, operator: '+' | '-'): Histogram {
    const tokens: TokenStream = this.#tokens;
    if (a.schema > b.schema) {
      const reason = `error combining histograms: cannot merge from schema ${b.schema} to ${a.schema}`;
      tokens.fail(tokens.lastStart, reason);
    }
    const sum = operator === '+' ? addHistograms(a, b) : subtractHistograms(a, b);
    if (sum === null) {
      const kinds = 'a mix of exponential and custom bucket schemas';
      tokens.fail(tokens.lastStart, `cannot apply this operation on histograms with ${kinds}`);
    }
    return sum.histogram;
  }

  #expect(type: string): void {
    if (!this.#tokens.accept(type)) this.#tokens.unexpected('series values');
  }

  /** A count of repetitions. */
  #count(): number {
    const tokens: TokenStream = this.#tokens;
    if (tokens.peek() !== 'NUMBER') tokens.unexpected('series values');
    const count = this.#wholeNumber();
    if (count > sequenceLengthMax) tokens.fail(tokens.lastStart, `more than ${sequenceLengthMax} values`);
    return count;
  }

  #wholeNumber(): number {
    const tokens: TokenStream = this.#tokens;
    const { text, start } = tokens.take();
    if (!/^[0-9]+$/.test(text)) {
      const reason = `strconv.ParseUint: parsing ${quoteText(text)}: invalid syntax`;
      tokens.fail(start, `invalid repetition in series values: ${reason}`);
    }
    return Number(text);
  }

  #signedNumber(): number {
    const tokens: TokenStream = this.#tokens;
    const sign = tokens.peek();
    if (sign === '+' || sign === '-') tokens.skip();
    const value = this.#number(() => tokens.unexpected('series values'));
    return sign === '-' ? -value : value;
  }

  #number(otherwise: () => never): number {
    const tokens: TokenStream = this.#tokens;
    if (tokens.peek() !== 'NUMBER') otherwise();
    const { text, start } = tokens.take();
    const value = parseNumber(text);
    if (typeof value !== 'number') tokens.fail(start, value.problem);
    return value;
  }

  // Histograms

  #histogram(): SequenceValue & { readonly kind: 'histogram' } {
    const tokens: TokenStream = this.#tokens;
    const fields = new Map<string, HistogramField>();
    this.#expect('{{');
    const spaced = tokens.accept('SPACE');
    while (!tokens.accept('}}')) {
      const blame = (): never => {
        if (fields.size === 0) tokens.unexpected('series values');
        tokens.unexpected('histogram description', 'histogram description key, e.g. buckets:[5 10 7]');
      };
      if (spaced && fields.size === 0) blame(); // a space may stand alone, but not before the first key
      if (fields.size > 0 && !tokens.accept('SPACE')) blame();
      if (fields.size > 0 && tokens.peek() === '}}') continue;
      this.#histogramField(fields, blame);
    }
    return { kind: 'histogram', histogram: buildHistogram(fields), resetHintSet: fields.has('counter_reset_hint') };
  }

  #histogramField(fields: Map<string, HistogramField>, blame: () => never): void {
    const tokens: TokenStream = this.#tokens;
    if (tokens.peek() !== 'HISTOGRAM_KEY') blame();
    const key = tokens.take().text.toLowerCase();
    if (!tokens.accept(':')) blame();
    const value = this.#histogramValue(key, blame);
    if (fields.has(key)) tokens.fail(0, `duplicate key "${key}" in histogram`);
    fields.set(key, { value });
  }

  #histogramValue(key: string, blame: () => never): HistogramField['value'] {
    const tokens: TokenStream = this.#tokens;
    switch (key) {
      case 'buckets':
      case 'n_buckets':
      case 'custom_values':
        return this.#buckets(blame);
      case 'counter_reset_hint': {
        if (tokens.peek() !== 'RESET_HINT') blame();
        const hint = tokens.take().text.toLowerCase();
        return hint === 'not_reset' ? ResetHint.notReset : ResetHint[hint as 'unknown' | 'reset' | 'gauge'];
      }
      case 'z_bucket_w':
        return this.#number(blame);
      case 'schema':
      case 'offset':
      case 'n_offset': {
        const negative = tokens.accept('-');
        if (tokens.peek() !== 'NUMBER') blame();
        return (negative ? -1 : 1) * this.#wholeNumber();
      }
      default: {
        const negative = tokens.accept('-');
        const value = this.#number(blame);
        return negative ? -value : value;
      }
    }
  }

  /** `[1 2 3]`, a space before the closing bracket allowed. */
  #buckets(blame: () => never): number[] {
    const tokens: TokenStream = this.#tokens;
    const buckets: number[] = [];
    if (!tokens.accept('[')) blame();
    do {
      const negative = tokens.accept('-');
      const value = this.#number(blame);
      buckets.push(negative ? -value : value);
    } while (tokens.accept('SPACE') && tokens.peek() !== ']');
    if (!tokens.accept(']')) blame();
    return buckets;
  }
}

function buildHistogram(fields: ReadonlyMap<string, HistogramField>): Histogram {
  const number = (key: string): number => {
    const value = fields.get(key)?.value;
    return typeof value === 'number' ? value : 0;
  };
  const list = (key: string): Float64Array => {
    const value = fields.get(key)?.value;
    return typeof value === 'object' ? Float64Array.from(value) : new Float64Array(0);
  };
  const positiveBuckets = list('buckets');
  const negativeBuckets = list('n_buckets');
  const spans = (offset: number, { length }: Float64Array): Int32Array =>
    length === 0 ? new Int32Array(0) : Int32Array.of(offset, length);
  return {
    integer: false,
    resetHint: number('counter_reset_hint') as ResetHint,
    schema: number('schema'),
    zeroThreshold: number('z_bucket_w'),
    zeroCount: number('z_bucket'),
    count: number('count'),
    sum: number('sum'),
    positiveSpans: spans(number('offset'), positiveBuckets),
    negativeSpans: spans(number('n_offset'), negativeBuckets),
    positiveBuckets,
    negativeBuckets,
    customValues: list('custom_values'),
    stale: false,
  };
}
