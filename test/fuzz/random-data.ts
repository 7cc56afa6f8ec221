/**
 * Random samples for two servers to hold: gauges, counters, classic and native histograms, and what goes wrong with them (gaps,
 * resets, staleness, NaN, infinities, -0, changing schemas and bounds, histograms that become floats, samples that come late).
 * Owns the choice. Times are whole seconds from the epoch on, so that a dataset can be written down as a promqltest script.
 */
import { type Histogram, ResetHint } from '../../libs/model/histogram.ts';
import { compareLabels, Labels } from '../../libs/model/labels.ts';
import type { SequenceValue } from '../../libs/promql/syntax/series-description.ts';
import type { LoadCommand, LoadedSeries } from '../../libs/promql/testing/parse-script.ts';
import type { SeededRandom } from '../support/seeded-random.ts';

const oddTexts = [
  ...[
    'a',
    'b',
    'ab',
    'abab',
    'aab',
    'A',
    'aB',
    'a-b',
    'a.b',
    '0',
    '10',
    'a1',
    'ab_1',
    '-',
    'a\nb',
    '\n',
    'é',
    'É',
    'ſ',
    'K',
  ],
  ...['straße', '日本', '\u{1f30a}', 'a\u{1f30a}b', 'aaaaaaaa', 'x y', '"', '\\', '$1', '{a}'],
];

export interface Dataset {
  /** In the order in which they are written. What is in the second one and later comes late. */
  readonly loads: readonly LoadCommand[];
}

/** The last second that may hold a sample. */
export const dataSeconds = 2400;
const intervalSeconds = 15;
const omitted: SequenceValue = { kind: 'omitted' };
const stale: SequenceValue = { kind: 'float', value: Number.NaN, stale: true };
/** None below 2^-1022, no equal bounds of buckets: see libs/promql/DIFFERENCES.md. */
const oddNumbers = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 0, 3e-308, 1.7e308, -1e300];

/**
 * All series of one dataset; where `outOfOrder` is set, some samples come after later ones of their series. None has a start
 * timestamp: Prometheus 3.15 forgets those that come by remote_write.
 */
export function randomData(random: SeededRandom, outOfOrder: boolean): Dataset {
  const maker = new DataMaker(random);
  const series = maker.all().sort((a, b) => compareLabels(a.labels, b.labels));
  // All series begin with the same request, in the order of their labels: that is the order in which Prometheus adds them up.
  const started = series.map((one) => ({ ...one, values: [stale, ...one.values.slice(1)] }));
  return { loads: (outOfOrder ? withLateSamples(random, started) : [started]).map(loadOf) };
}

function loadOf(series: readonly LoadedSeries[]): LoadCommand {
  return { kind: 'load', line: 0, stepMs: 1000, withCustomBuckets: false, series };
}

/** Each third series holds some of its samples back. */
function withLateSamples(random: SeededRandom, series: readonly LoadedSeries[]): LoadedSeries[][] {
  const isLate = series.map(({ values }) => {
    const share = random.next() < 0.35 ? 0.2 : 0;
    return values.map((_, i) => i > 0 && random.next() < share);
  });
  const part = (late: boolean) =>
    series.map((one, row) => ({
      ...one,
      values: one.values.map((value, i) => (isLate[row][i] === late ? value : omitted)),
    }));
  return [part(false), part(true)];
}

class DataMaker {
  readonly #random: SeededRandom;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  all(): LoadedSeries[] {
    const places = ['a', 'b'].flatMap((job) => ['0', '1'].map((instance) => ({ job, instance })));
    const jobs = ['a', 'b'].map((job) => ({ job }));
    const codes = ['200', '404', '500'];
    return [
      ...places.map((place) => this.#series({ __name__: 'gauge', ...place }, this.#gauge())),
      ...places.map((place) => this.#series({ __name__: 'level', ...place, __type__: 'gauge' }, this.#smallIntegers())),
      ...places.map((place) => this.#series({ __name__: 'c_total', ...place }, this.#counter())),
      ...places.flatMap((place) =>
        codes
          .slice(0, this.#random.between(1, 4))
          .map((code) => this.#series({ __name__: 'req_total', ...place, code, __type__: 'counter' }, this.#counter())),
      ),
      ...jobs.flatMap(({ job }) => this.#classic(job)),
      ...places.map((place) => this.#series({ __name__: 'h', ...place }, this.#native(true))),
      ...jobs.map((job) => this.#series({ __name__: 'hf', ...job, __type__: 'histogram' }, this.#native(false))),
      ...places.map((place) => this.#series({ __name__: 'cb', ...place }, this.#custom())),
      ...jobs.map((job) => this.#series({ __name__: 'mix', ...job }, this.#mixed())),
      ...jobs.map((job) => this.#series({ __name__: 'sparse', ...job }, this.#sparse(this.#gauge()))),
      ...jobs.map((job) => this.#series({ __name__: 'odd', ...job }, this.#oddities())),
      ...places.map((place) =>
        this.#series(
          { __name__: 'target_info', ...place, version: `v${this.#random.between(1, 3)}`, zone: 'z' },
          () => 1,
        ),
      ),
      this.#series({ __name__: 'build_info', ...places[0], goversion: '1.26' }, () => 1),
      ...jobs.map(({ job }) => this.#series({ __name__: 'quoted.name', job, 'utf8.name': `ü${job}` }, this.#counter())),
      // For regular expressions.
      ...oddTexts.map((v) => this.#series({ __name__: 'texts', v }, this.#smallIntegers())),
      // Enough of few values for the order of equals to show.
      ...Array.from({ length: 30 }, (_, n) => this.#series({ __name__: 'many', n: `${n}` }, this.#smallIntegers())),
      this.#series({ __name__: 'hle', job: 'a', le: '0.5' }, this.#native(true)),
      this.#series({ __name__: 'only_a', job: 'a', le: 'x' }, this.#gauge()),
    ];
  }

  /** A sample each interval, a little off, with what `value` gives; sometimes none, sometimes a marker. */
  #series(names: Readonly<Record<string, string>>, value: (second: number) => number | SequenceValue): LoadedSeries {
    const random = this.#random;
    const values: SequenceValue[] = new Array<SequenceValue>(dataSeconds + 1).fill(omitted);
    const jitter = random.next() < 0.3 ? 3 : 0;
    const troubled = random.next() < 0.35;
    const phase = random.next() < 0.7 ? 0 : random.between(0, intervalSeconds);
    let quietUntil = random.next() < 0.2 ? random.between(0, dataSeconds / 2) : 0;
    for (let tick = intervalSeconds; tick <= dataSeconds - intervalSeconds; tick += intervalSeconds) {
      const second = tick + phase + (jitter === 0 ? 0 : random.between(-jitter, jitter + 1));
      if (second < quietUntil || second > dataSeconds) continue;
      const made = value(second);
      values[second] = typeof made === 'number' ? { kind: 'float', value: made, stale: false } : made;
      if (!troubled || random.next() > 0.03) continue;
      if (random.next() < 0.5 && second < dataSeconds) values[second + 1] = stale;
      quietUntil = second + random.between(20, 600);
    }
    return { labels: Labels.from(Object.entries(names)), values, startOffsetsMs: undefined };
  }

  #gauge(): () => number {
    const random = this.#random;
    let level = random.between(-50, 50);
    return () => {
      level += (random.next() - 0.5) * 3;
      return random.next() < 0.1 ? Math.round(level) : level;
    };
  }

  #smallIntegers(): () => number {
    return () => this.#random.between(-3, 4);
  }

  #counter(): () => number {
    const random = this.#random;
    const whole = random.next() < 0.5;
    let count = random.between(0, 1000);
    return () => {
      if (random.next() < 0.02) count = random.next() < 0.5 ? 0 : random.between(0, 5);
      else if (random.next() < 0.8) count += whole ? random.between(0, 20) : random.next() * 10;
      return count;
    };
  }

  #oddities(): () => number {
    const random = this.#random;
    return () => (random.next() < 0.4 ? this.#oneOf(oddNumbers) : (random.next() - 0.5) * 10 ** random.between(-3, 4));
  }

  #sparse(value: () => number): () => SequenceValue {
    const random = this.#random;
    return () => {
      const chance = random.next();
      if (chance < 0.75) return omitted;
      return chance < 0.85 ? stale : { kind: 'float', value: value(), stale: false };
    };
  }

  #mixed(): () => SequenceValue {
    const random = this.#random;
    const floats = this.#counter();
    const histograms = this.#native(random.next() < 0.5);
    let isFloat = random.next() < 0.5;
    return () => {
      if (random.next() < 0.05) isFloat = !isFloat;
      return isFloat ? { kind: 'float', value: floats(), stale: false } : histograms();
    };
  }

  /** The series of one classic histogram, mostly sound. */
  #classic(job: string): LoadedSeries[] {
    const random = this.#random;
    const bounds = this.#oneOf([
      ['0.1', '0.5', '1', '5', '+Inf'],
      ['-1', '0', '2.5', '10', '+Inf'],
      ['0.1', '0.5', '1'],
      ['1', 'x', '+Inf'],
    ]);
    const counts = new Map<number, number[]>();
    const own = bounds.map(() => 0);
    const at = (second: number): number[] => {
      // Series of one histogram are scraped together, but each is a little late in its own way.
      const tick = Math.floor((second + 3) / intervalSeconds);
      let found = counts.get(tick);
      if (found === undefined) {
        if (random.next() < 0.02) own.fill(0);
        for (let i = 0; i < own.length; i++) own[i] += random.between(0, 6);
        let sum = 0;
        found = own.map((count) => (sum += count) - (random.next() < 0.01 ? 2 : 0));
        counts.set(tick, found);
      }
      return found;
    };
    return [
      ...bounds.map((le, i) => this.#series({ __name__: 'lat_bucket', job, le }, (second) => at(second)[i] as number)),
      this.#series({ __name__: 'lat_count', job }, (second) => at(second).at(-1) as number),
      this.#series({ __name__: 'lat_sum', job }, (second) => (at(second).at(-1) as number) * 0.7),
    ];
  }

  /** Exponential buckets around zero, now and then of another schema, threshold or kind. */
  #native(counts: boolean): () => SequenceValue {
    const random = this.#random;
    const integer = random.next() < 0.6;
    const signs = random.next() < 0.4 ? [1, -1] : [1];
    const steady = random.next() < 0.4;
    let schema = random.between(-1, 5);
    let zeroThreshold = random.next() < 0.5 ? 0.001 : 0;
    let center = random.between(-4, 6);
    let zeroCount = 0;
    let sum = 0;
    let buckets = new Map<number, Map<number, number>>();
    const clear = () => {
      buckets = new Map([1, -1].map((sign) => [sign, new Map<number, number>()]));
      zeroCount = 0;
      sum = 0;
    };
    clear();
    return () => {
      if (!counts) clear();
      if (random.next() < 0.02) clear();
      if (!steady && random.next() < 0.03) {
        schema = random.between(-1, 5);
        center = random.between(-4, 6);
        clear();
      }
      if (!steady && random.next() < 0.02) zeroThreshold = this.#oneOf([0, 0.001, 0.5, 2]);
      if (random.next() < 0.9) {
        for (let i = random.between(0, 5); i >= 0; i--) {
          const side = buckets.get(this.#oneOf(signs)) as Map<number, number>;
          const index = center + random.between(-2, 3) * random.between(1, 4);
          side.set(index, (side.get(index) ?? 0) + (integer ? random.between(1, 4) : random.next() * 5));
          sum += random.next() * 4 - (signs.length - 1) * 2;
        }
        if (random.next() < 0.3) zeroCount += integer ? 1 : random.next();
      }
      const positive = dense(buckets.get(1) as Map<number, number>);
      const negative = dense(buckets.get(-1) as Map<number, number>);
      const noNumber = random.next() < 0.01;
      const total = [zeroCount, ...positive.counts, ...negative.counts].reduce((a, b) => a + b, 0);
      return histogram({
        integer,
        resetHint: counts ? ResetHint.unknown : ResetHint.gauge,
        schema,
        zeroThreshold,
        zeroCount,
        count: noNumber ? total + 1 : total,
        sum: noNumber ? Number.NaN : sum,
        positiveSpans: positive.spans,
        negativeSpans: negative.spans,
        positiveBuckets: positive.counts,
        negativeBuckets: negative.counts,
      });
    };
  }

  #custom(): () => SequenceValue {
    const random = this.#random;
    const integer = random.next() < 0.6;
    const choices = [
      [0.1, 0.5, 1, 5],
      [0.1, 0.5, 1, 2, 5],
      [-2, 0, 3],
      [0.5, 5],
    ];
    let bounds = this.#oneOf(choices);
    let counts: number[] = [];
    const clear = () => {
      counts = new Array<number>(bounds.length + 1).fill(0);
    };
    clear();
    return () => {
      if (random.next() < 0.02) clear();
      if (random.next() < 0.02) {
        bounds = this.#oneOf(choices);
        clear();
      }
      for (let i = random.between(0, 4); i > 0; i--) {
        counts[random.between(0, counts.length)] += integer ? random.between(1, 4) : random.next() * 3;
      }
      const total = counts.reduce((a, b) => a + b, 0);
      return histogram({
        integer,
        schema: -53,
        count: total,
        sum: total * 0.8,
        positiveSpans: Int32Array.of(0, counts.length),
        positiveBuckets: Float64Array.from(counts),
        customValues: Float64Array.from(bounds),
      });
    };
  }

  #oneOf<T>(choices: readonly T[]): T {
    return choices[this.#random.between(0, choices.length)] as T;
  }
}

/** All buckets between the first and the last that hold something, as one span. */
function dense(buckets: ReadonlyMap<number, number>): { spans: Int32Array; counts: Float64Array } {
  if (buckets.size === 0) return { spans: new Int32Array(0), counts: new Float64Array(0) };
  const first = Math.min(...buckets.keys());
  const length = Math.max(...buckets.keys()) - first + 1;
  const counts = Float64Array.from({ length }, (_, i) => buckets.get(first + i) ?? 0);
  return { spans: Int32Array.of(first, length), counts };
}

function histogram(
  fields: Partial<Histogram> & Pick<Histogram, 'integer' | 'schema' | 'count' | 'sum'>,
): SequenceValue {
  return {
    kind: 'histogram',
    resetHintSet: false,
    histogram: {
      resetHint: ResetHint.unknown,
      zeroThreshold: 0,
      zeroCount: 0,
      positiveSpans: new Int32Array(0),
      negativeSpans: new Int32Array(0),
      positiveBuckets: new Float64Array(0),
      negativeBuckets: new Float64Array(0),
      customValues: new Float64Array(0),
      stale: false,
      ...fields,
    },
  };
}
