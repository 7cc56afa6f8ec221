/** What surrounds the language: limits, cancellation, switches, the shape of answers. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Failure } from '../errors/failure.ts';
import type { SeriesReader } from '../series/series-reader.ts';
import type { SelectQuery } from '../series/series-source.ts';
import { createEngine, type EngineOptions, type QueryResult } from './engine.ts';
import { parseExpr } from './syntax/parser.ts';
import { MemorySource } from './testing/memory-source.ts';
import { parseScript } from './testing/parse-script.ts';

function sourceOf(script: string): MemorySource {
  const source = new MemorySource();
  for (const command of parseScript(script)) if (command.kind === 'load') source.load(command);
  return source;
}

interface Asked {
  readonly flags?: Partial<EngineOptions['flags']>;
  readonly startMs?: number;
  readonly endMs?: number;
  readonly stepMs?: number;
  readonly samplesMax?: number;
  readonly memoryBytesMax?: number;
  readonly lookbackMs?: number;
  readonly checkCancelled?: () => void;
}

function ask(reader: SeriesReader, text: string, asked: Asked = {}): QueryResult {
  const flags = { delayedNameRemoval: false, typeAndUnitLabels: false, startTimestamps: false, ...asked.flags };
  const engine = createEngine({ flags, lookbackMs: 300_000, subqueryStepMs: 60_000 });
  const { startMs = 0, endMs = startMs, stepMs = 0, samplesMax = 0, memoryBytesMax = 0, lookbackMs = 300_000 } = asked;
  const limits = { samplesMax, memoryBytesMax };
  const checkCancelled = asked.checkCancelled ?? (() => {});
  const expr = parseExpr(text, { experimentalFunctions: true, extendedRangeSelectors: true });
  return engine.query({ expr, text, startMs, endMs, stepMs, lookbackMs, limits, reader, checkCancelled });
}

function failureOf(act: () => unknown): Failure {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof Failure, String(error));
    return error;
  }
  return assert.fail('it did not fail');
}

const ten = sourceOf(`load 1m\n${Array.from({ length: 10 }, (_, i) => ` m{i="${i}"} 0+${i}x60`).join('\n')}`);
const hour = { startMs: 0, endMs: 3_600_000, stepMs: 60_000 };

describe('selects', () => {
  const engine = createEngine({
    flags: { delayedNameRemoval: false, typeAndUnitLabels: false, startTimestamps: false },
    lookbackMs: 300_000,
    subqueryStepMs: 60_000,
  });
  for (const text of [
    'm',
    'm offset 5m + m @ 100',
    'rate(m[5m] offset 1m) / on (i) sum by (i) (rate(m[1h]))',
    'max_over_time(rate(m[5m])[1h:7m] @ end() offset 3m)',
    'absent(m) or absent_over_time(m[3m]) or vector(scalar(m))',
    'm smoothed + rate(m[5m] smoothed) + increase(m[5m] anchored)',
    'clamp_max(m @ start(), scalar(m))',
    '1 + 2',
  ]) {
    it(`are what is asked for: ${text}`, () => {
      const asked: SelectQuery[] = [];
      const reader = {
        select: (query: SelectQuery) => {
          asked.push(query);
          return ten.select(query);
        },
      };
      const expr = parseExpr(text, { experimentalFunctions: true, extendedRangeSelectors: true });
      const question = { expr, ...hour };
      const limits = { samplesMax: 0, memoryBytesMax: 0 };
      engine.query({ ...question, text, limits, reader, checkCancelled: () => {} });
      const sorted = (queries: readonly SelectQuery[]) => queries.map((query) => JSON.stringify(query)).sort();
      assert.deepEqual(sorted(engine.outline(question).selects), sorted(asked));
    });
  }
});

describe('limits', () => {
  it('as many samples as are held at once are allowed, one more is not', () => {
    assert.equal(ask(ten, 'sum(m)', { ...hour, samplesMax: 610 + 61 }).series.length, 1);
    const failure = failureOf(() => ask(ten, 'm', { ...hour, samplesMax: 609 }));
    assert.equal(failure.kind, 'execution');
    assert.equal(failure.message, 'query processing would load too many samples into memory in query execution');
  });

  it('memory has a maximum, and the error names its key', () => {
    const { memoryBytesPeak } = ask(ten, 'm + m', hour).stats;
    assert.equal(ask(ten, 'm + m', { ...hour, memoryBytesMax: memoryBytesPeak }).series.length, 10);
    const failure = failureOf(() => ask(ten, 'm + m', { ...hour, memoryBytesMax: memoryBytesPeak - 1 }));
    assert.equal(failure.kind, 'query_limit');
    assert.match(failure.message, /^the query needs \d+ bytes of memory, .* query\.max-memory-bytes .*: m \+ m$/);
  });

  it('texts that double themselves end before they are large', () => {
    const times = (calls: number, text: string, call: (text: string) => string): string =>
      calls === 0 ? text : times(calls - 1, call(text), call);
    for (const call of [
      (text: string) => `label_join(${text}, "z", "", "z", "z", "z", "z")`,
      (text: string) => `label_replace(${text}, "z", "$1$1$1$1", "z", "(.*)")`,
    ]) {
      const of = (calls: number) => times(calls, 'label_replace(m, "z", "0123456789abcdef", "", "")', call);
      const [{ labels }] = ask(ten, of(7)).series;
      assert.equal(labels.get('z').length, 2 ** 18);
      for (const calls of [9, 30]) {
        const failure = failureOf(() => ask(ten, of(calls)));
        assert.equal(failure.kind, 'query_limit');
        assert.equal(failure.message, 'the labels of a series would be longer than 1048576 characters');
      }
      assert.equal(failureOf(() => ask(ten, of(7), { memoryBytesMax: 5e6 })).kind, 'query_limit');
    }
    // Several labels of one series.
    const several = Array.from({ length: 6 }, (_, i) => i).reduce(
      (text, i) => `label_join(${text}, "z${i}", "", "z")`,
      times(
        7,
        'label_replace(m, "z", "0123456789abcdef", "", "")',
        (text) => `label_join(${text}, "z", "", "z", "z", "z", "z")`,
      ),
    );
    assert.match(failureOf(() => ask(ten, several)).message, /^the labels of a series would be longer/);
  });

  it('a sum over many series needs no more memory than over few', () => {
    const many = sourceOf(`load 1m\n${Array.from({ length: 200 }, (_, i) => ` m{i="${i}"} 0+${i}x600`).join('\n')}`);
    const long = { startMs: 0, endMs: 36_000_000, stepMs: 60_000 };
    const few = ask(ten, 'sum(rate(m[5m]))', long).stats.memoryBytesPeak;
    assert.ok(ask(many, 'sum(rate(m[5m]))', long).stats.memoryBytesPeak < 5 * few);
  });

  it('work can be stopped in the middle', () => {
    let calls = 0;
    const checkCancelled = (): void => {
      calls++;
      if (calls > 2) throw new Failure('canceled', 'query was canceled in expression evaluation');
    };
    const long = { startMs: 0, endMs: 36_000_000, stepMs: 1000, checkCancelled };
    const failure = failureOf(() => ask(ten, 'sum_over_time(m[1h:1m]) + quantile_over_time(0.5, m[1h])', long));
    assert.equal(failure.kind, 'canceled');
    assert.equal(calls, 3);
  });

  it('long arguments are work that can be stopped in the middle', () => {
    const checksOf = (text: string): number => {
      let checks = 0;
      ask(ten, text, { checkCancelled: () => void checks++ });
      return checks;
    };
    const long = Array.from({ length: 4 }).reduce<string>(
      (text) => `label_join(${text}, "z", "", ${Array(8).fill('"z"').join(', ')})`,
      'label_replace(m, "z", "$1-0a0b0c0d0e0f0", "i", "(.*)")',
    );
    for (const text of [
      `sort_by_label(${long}, "z")`,
      `limit_ratio(0.5, ${long})`,
      `label_replace(m, "a", "${'$9'.repeat(20_000)}", "i", "(.*)")`,
      `label_join(m, "a", ""${', "b"'.repeat(20_000)})`,
      `info(m, {__name__=~".+"${', a!="b"'.repeat(20_000)}})`,
    ]) {
      assert.ok(checksOf(text) >= 10, text.slice(0, 20));
    }
  });

  it('many steps of one series are work that can be stopped in the middle', () => {
    const steps = 300_000;
    const checksOf = (text: string): number => {
      let checks = 0;
      ask(ten, text, { startMs: 1e9, checkCancelled: () => void checks++ });
      return checks;
    };
    const pointsPerCheck = 10_000;
    const counted = checksOf(`count_over_time(vector(time() * 0)[${steps}ms:1ms])`);
    const values = checksOf(`count_over_time(count_values("v", vector(time() * 0))[${steps}ms:1ms])`);
    assert.ok(values - counted >= steps / pointsPerCheck, `${values} and ${counted} checks`);
    const plain = checksOf(`count_over_time(vector(time())[${steps}ms:1ms])`);
    assert.ok(plain >= steps / pointsPerCheck, `${plain} checks`);
    for (const inner of [
      'vector(time() ^ 1.5)',
      'ln(vector(time()))',
      'vector(time()) ^ 1.5',
      'hour(vector(time()))',
    ]) {
      const checks = checksOf(`count_over_time((${inner})[${steps}ms:1ms])`);
      assert.ok(checks - plain >= steps / pointsPerCheck, `${inner}: ${checks} and ${plain} checks`);
    }
  });

  it('a histogram of many buckets is work that can be stopped in the middle', () => {
    const count = 2_000;
    const many = sourceOf(`load 1m\n${Array.from({ length: count }, (_, i) => ` m{i="${i}"} ${i}x60`).join('\n')}`);
    const checksOf = (text: string): number => {
      let checks = 0;
      ask(many, text, { ...hour, checkCancelled: () => void checks++ });
      return checks;
    };
    const plain = checksOf('count(sum by (le) (label_replace(m, "le", "$1", "i", "(.*)")))');
    const quantile = checksOf('histogram_quantile(0.5, sum by (le) (label_replace(m, "le", "$1", "i", "(.*)")))');
    assert.ok(quantile - plain >= (3 * count * 61) / 10_000, `${quantile} and ${plain} checks`);
  });

  it('a pattern over a long label is work that can be stopped in the middle', () => {
    const long = Array.from({ length: 4 }).reduce<string>(
      (text) => `label_join(${text}, "z", "", ${Array(8).fill('"z"').join(', ')})`,
      'label_replace(m, "z", "xxxxxxxxxxxxxxxx", "", "")',
    );
    let checks = 0;
    const checkCancelled = (): void => {
      if (++checks > 200) throw new Failure('canceled', 'query was canceled in expression evaluation');
    };
    const failure = failureOf(() =>
      ask(ten, `label_replace(${long}, "y", "$1", "z", "(x{1,100})*")`, { checkCancelled }),
    );
    assert.equal(failure.kind, 'canceled');
    assert.equal(ask(ten, `label_replace(${long}, "y", "$1", "z", "x*(x{3}).*?")`).series[0].labels.get('y'), 'xxx');
    assert.match(
      failureOf(() => ask(ten, `label_replace(${long}, "y", "$1", "z", ")|((x{100})*")`)).message,
      /takes too long/,
    );
    const tooLarge = failureOf(() =>
      ask(ten, `label_replace(m, "y", "", "i", "((x{100}){10}|${'y'.repeat(200_000)})")`),
    );
    assert.match(tooLarge.message, /^the regular expression is too large/);
  });

  it('a long chain of `or` holds each series once', () => {
    const peakOf = (terms: number): number =>
      ask(ten, Array.from({ length: terms }, () => 'm').join(' or '), hour).stats.memoryBytesPeak;
    assert.ok(peakOf(100) < 10 * peakOf(2), `${peakOf(100)} and ${peakOf(2)}`);
  });

  describe('every operator tells of its own work, so that it can be stopped in the middle', () => {
    const series = 300;
    const steps = 300;
    const many = sourceOf(
      `load 1m\n${Array.from({ length: series }, (_, i) => ` m{i="${i}",j="${i % 2}"} ${i}+1x${steps}`).join('\n')}`,
    );
    const grid = { startMs: 0, endMs: (steps - 1) * 60_000, stepMs: 60_000 };
    const checksOf = (text: string): number => {
      let checks = 0;
      ask(many, text, { ...grid, checkCancelled: () => void checks++ });
      return checks;
    };
    // One check more a so many points that it takes in: a tenth of a second is a million of them.
    const pointsPerCheck = 10_000;
    // It reads all of its input and has hardly any work of its own.
    const input = checksOf('absent(m)');
    for (const [text, inputs] of [
      ['-m', 1],
      ['abs(m)', 1],
      ['m + 1', 1],
      ['m + m{i!=""}', 2],
      ['m * on (i) group_left m{i!=""}', 2],
      ['m and m{i!=""}', 2],
      ['m or m{i!=""}', 2],
      ['m unless m{i!="x"}', 2],
      ['topk(3, m)', 1],
      ['topk(300, m)', 1],
      ['limitk(300, m)', 1],
      ['limit_ratio(0.9, m)', 1],
      ['count_values by (j) ("v", m)', 1],
      ['quantile(0.9, m)', 1],
      ['label_replace(m, "a", "$1", "i", "(.*)")', 1],
      ['label_join(m, "a", "-", "i", "j")', 1],
      ['sum_over_time(m[5m])', 1],
      ['max_over_time(sum by (i) (m)[5m:1m])', 1],
      ['histogram_quantile(0.9, label_replace(m, "le", "$1", "j", "(.*)"))', 1],
    ] as const) {
      it(text, () => {
        const least = input * inputs + (series * steps * inputs) / pointsPerCheck;
        const checks = checksOf(text);
        assert.ok(checks >= least, `${checks} checks, ${least} at the least`);
      });
    }
  });

  describe('what the steps of a subquery take is counted', () => {
    const steps = 60_000;
    const points = 9 + 16;
    for (const [text, bytesPerStep] of [
      ['max_over_time(vector(time())[1m:1ms])', points + 8],
      ['max_over_time(vector(time() + (time() + (time() + (time() + time()))))[1m:1ms])', points + 5 * 8],
      ['max_over_time((hour() + scalar(m{i="1"}))[1m:1ms])', points + 8 + 9],
      ['max_over_time((changes(m{i="1"}[5m]) + changes(m{i="2"}[5m]))[1m:1ms])', points + 2 * 16 + 9],
      ['max_over_time((m{i="1"} smoothed)[1m:1ms])', points + 16],
    ] as const) {
      it(text, () => {
        const { memoryBytesPeak } = ask(ten, text, { startMs: 3_600_000 }).stats;
        assert.ok(memoryBytesPeak >= bytesPerStep * steps, `${memoryBytesPeak / steps} bytes a step`);
      });
    }
  });

  describe('what there could be of pairs is not made', () => {
    const count = 3_000;
    const load = (name: string) => Array.from({ length: count }, (_, i) => ` ${name}{job="x", i="${i}"} 1`).join('\n');
    const source = sourceOf(`load 1m\n${load('a')}\n${load('b')}`);
    const tooMany = /^found duplicate series for the match group \{job="x"\} on the right hand-side/;
    for (const [text, outcome] of [
      ['a + on (job) b', tooMany],
      ['a * on (job) group_left (i) b', tooMany],
      ['limit_ratio by (i) (1, a)', count],
    ] as const) {
      it(text, () => {
        const held = (): number => process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
        const before = held();
        let most = before;
        const checkCancelled = (): void => {
          most = Math.max(most, held());
        };
        if (typeof outcome === 'number') assert.equal(ask(source, text, { checkCancelled }).series.length, outcome);
        else assert.match(failureOf(() => ask(source, text, { checkCancelled })).message, outcome);
        assert.ok(most - before < 60e6, 'little memory');
      });
    }
  });

  it('histograms of an answer are counted by their buckets', () => {
    const buckets = Array.from({ length: 100 }, () => 1).join(' ');
    const source = sourceOf(`load 1m\n h {{schema:0 sum:1 count:100 buckets:[${buckets}]}}x60`);
    for (const [text, times] of [
      ['h', hour],
      ['h[1h]', { startMs: 3_600_000 }],
    ] as const) {
      const { memoryBytesPeak } = ask(source, text, times).stats;
      assert.ok(memoryBytesPeak > 60 * 100 * 8, `${text}: ${memoryBytesPeak}`);
    }
  });

  it('functions that go through all of a window, or all buckets, tell of it', () => {
    const steps = 1_000;
    const source = sourceOf(
      `load 1m\n m ${Array.from({ length: steps }, (_, i) => i % 2).join(' ')}\n h {{schema:0 sum:1 count:1 buckets:[1]}}+{{schema:0 sum:1 count:1 buckets:[1]}}x${steps}`,
    );
    const grid = { startMs: 0, endMs: (steps - 1) * 60_000, stepMs: 60_000 };
    const checksOf = (text: string): number => {
      let checks = 0;
      ask(source, text, { ...grid, checkCancelled: () => void checks++ });
      return checks;
    };
    const windows = (steps * steps) / 2;
    for (const [text, work] of [
      ['rate(m[1d])', windows / 2],
      ['rate(m[1d] anchored)', windows],
      ['rate(m[1d] smoothed)', windows],
      ['rate(h[1d] anchored)', 10 * windows],
      ['histogram_stddev(h)', 50 * steps],
      ['histogram_quantile(0.9, h)', 100 * steps],
      ['count_values("v", h)', 1_000 * steps],
      ['avg(h)', 20 * steps],
      ['h smoothed', 100 * steps],
    ] as const) {
      assert.ok(checksOf(text) >= work / 10_000, `${text}: ${checksOf(text)}`);
    }
  });

  it('after a query nothing is held', () => {
    for (const text of [
      'sum by (i) (m)',
      'm / m',
      'topk(2, m)',
      'm or m',
      'label_replace(m, "a", "b", "", "")',
      'sort(m)',
    ]) {
      const { samplesPeak } = ask(ten, `${text} + ignoring(x) ${text}`, hour).stats;
      assert.ok(samplesPeak > 0 && samplesPeak <= 4 * 610, `${text}: ${samplesPeak}`);
    }
  });
});

describe('answers', () => {
  it('a range query is sorted by labels, and every point stands at its step', () => {
    const source = sourceOf('load 1m\n b 1 _ 3\n a 4');
    const { type, series } = ask(source, '{__name__=~"a|b"}', {
      startMs: 0,
      endMs: 120_000,
      stepMs: 60_000,
      lookbackMs: 1000,
    });
    assert.equal(type, 'matrix');
    assert.deepEqual(
      series.map(({ labels, t, v }) => [labels.get('__name__'), [...t], [...v]]),
      [
        ['a', [0], [4]],
        ['b', [0, 120_000], [1, 3]],
      ],
    );
  });

  it('scalars, texts and range vectors have their own types', () => {
    assert.equal(ask(ten, '1').type, 'scalar');
    assert.deepEqual([...(ask(ten, '1', hour).series[0]?.v ?? [])].length, 61);
    assert.equal(ask(ten, '"x"').text, 'x');
    const { type, series } = ask(ten, 'm{i="1"}[2m]', { startMs: 120_000 });
    assert.equal(type, 'matrix');
    assert.deepEqual([...(series[0]?.t ?? [])], [60_000, 120_000]);
  });

  it('a range query of what is no vector is refused', () => {
    const failure = failureOf(() => ask(ten, 'm[5m]', hour));
    assert.equal(failure.kind, 'bad_data');
    assert.equal(
      failure.message,
      'invalid expression type "range vector" for range query, must be Scalar or instant Vector',
    );
  });

  it('warnings of the source are passed on', () => {
    const reader: SeriesReader = { select: (query) => ({ ...ten.select(query), warnings: ['incomplete'] }) };
    assert.deepEqual(ask(reader, 'm').warnings, ['incomplete']);
  });

  it('failures of the source say where they come from', () => {
    const reader: SeriesReader = {
      select: () => {
        throw new Failure('execution', 'gone');
      },
    };
    assert.equal(failureOf(() => ask(reader, 'm')).message, 'expanding series: gone');
  });

  it('a selector asks for what its windows need and no more', () => {
    const asked: [number, number][] = [];
    const reader: SeriesReader = {
      select: (query) => {
        asked.push([query.minT, query.maxT]);
        return ten.select(query);
      },
    };
    const at = { startMs: 600_000, endMs: 900_000, stepMs: 60_000 };
    ask(reader, 'm', at);
    ask(reader, 'm offset 1m', at);
    ask(reader, 'rate(m[2m])', at);
    ask(reader, 'm @ 60', at);
    ask(reader, 'max_over_time(m[3m:1m])', at);
    assert.deepEqual(asked, [
      [300_001, 900_000],
      [240_001, 840_000],
      [480_001, 900_000],
      [-239_999, 60_000],
      [180_001, 900_000],
    ]);
  });
});

describe('switches', () => {
  const two = sourceOf('load 1m\n a{x="1"} 1 2\n b{x="1"} 3 4');

  it('without delayed name removal, series that lose their names may not coincide', () => {
    const asked = { startMs: 60_000 };
    assert.match(failureOf(() => ask(two, 'rate({x="1"}[5m])', asked)).message, /same labelset/);
    assert.match(failureOf(() => ask(two, '-{x="1"}', asked)).message, /same labelset/);
    assert.match(failureOf(() => ask(two, 'count(rate({x="1"}[5m]))', asked)).message, /same labelset/);
    // The one is there up to where the other begins.
    const apart = sourceOf('load 1m\n a{x="1"} 1 stale\n b{x="1"} _ 4');
    assert.deepEqual([...(ask(apart, 'abs({x="1"})', { endMs: 60_000, stepMs: 60_000 }).series[0]?.v ?? [])], [1, 4]);
  });

  it('with it, they may until the end', () => {
    const asked = { startMs: 60_000, flags: { delayedNameRemoval: true } };
    assert.match(failureOf(() => ask(two, 'rate({x="1"}[5m])', asked)).message, /same labelset/);
    assert.equal(ask(two, 'count(rate({x="1"}[5m]))', asked).series[0]?.v[0], 2);
    assert.equal(ask(two, 'label_replace(rate({x="1"}[5m]), "y", "$1", "__name__", "(.*)")', asked).series.length, 2);
  });

  it('with it, an instant query may even choose among equal ones that a function made', () => {
    const source = sourceOf('load 1m\n h{x="1"} {{count:2 buckets:[1 1]}}\n h{x="2"} {{count:2 buckets:[1 1]}}');
    const flags = { delayedNameRemoval: true };
    const equal = 'histogram_quantiles(h, "x", 0.5, 1)';
    assert.equal(ask(source, `count(${equal})`, { flags }).series[0]?.v[0], 4);
    assert.match(failureOf(() => ask(source, equal, { flags })).message, /same labelset/);
    const range = { flags, endMs: 60_000, stepMs: 60_000 };
    assert.match(failureOf(() => ask(source, `count(${equal})`, range)).message, /same labelset/);
  });

  it('with it, series that take turns are one without their names', () => {
    const source = sourceOf('load 10m\n n0 _ _ 3 _ \n n1 1 _ _ 4\n n2 _ 2 _ _\n n3 9 _ _ _');
    const grid = { endMs: 1_800_000, stepMs: 600_000 };
    const flags = { delayedNameRemoval: true };
    const { series } = ask(source, '{__name__=~"n[012]"} * 1', { flags, ...grid });
    assert.deepEqual(
      series.map(({ labels, t, v, h }) => [labels.pairs, [...t], [...v], h]),
      [[[], [0, 600_000, 1_200_000, 1_800_000], [1, 2, 3, 4], null]],
    );
    const refused = failureOf(() => ask(source, '{__name__=~"n."} * 1', { flags, ...grid }));
    assert.match(refused.message, /same labelset/);
  });

  it('with it, two series of the same labels are one native histogram, whichever has it', () => {
    const one = '{{count:2 sum:3 buckets:[1 1]}}';
    const source = sourceOf(`load 1m\n h{x="1"} ${one} _ ${one}\n a{x="1"} 1 _ 1`);
    const flags = { delayedNameRemoval: true };
    const grid = { flags, lookbackMs: 30_000, endMs: 180_000, stepMs: 60_000 };
    for (const [expr, times] of [
      ['h or h', [0, 120_000]],
      ['h or rate(h[5m])', [0, 120_000, 180_000]],
      ['h or (h offset 1m)', [0, 60_000, 120_000, 180_000]],
      ['(h and a) or h', [0, 120_000]],
    ] as const) {
      const text = `histogram_quantile(1, ${expr})`;
      const [instant] = ask(source, text, { flags, lookbackMs: 30_000 }).series;
      assert.deepEqual([...(instant?.v ?? [])], [2], text);
      const [range, ...more] = ask(source, text, grid).series;
      assert.deepEqual([...(range?.t ?? [])], times, text);
      assert.equal(more.length, 0);
    }
  });

  it('with it, the first point of a series that is put together says whether its name goes', () => {
    const source = sourceOf('load 1m\n a{x="1"} _ 1 2 3\n a{x="2"} 5 6');
    const flags = { delayedNameRemoval: true };
    const grid = { flags, lookbackMs: 30_000, endMs: 300_000, stepMs: 60_000 };
    const [named, nameless] = ['__name__ a x 1', 'x 1'];
    for (const [text, labels, count] of [
      ['abs(a{x="1"} offset 2m) or a{x="1"}', named, 5],
      ['abs(a{x="1"}) or a{x="1"} offset 2m', nameless, 5],
      ['a{x="1"} offset 2m or abs(a{x="1"})', nameless, 5],
      ['a{x="1"} or abs(a{x="1"} offset 2m)', named, 5],
      ['(a{x="1"} > 2) or rate(a{x="1"}[2m])', nameless, 2],
    ] as const) {
      const series = ask(source, text, grid).series.map((one) => [one.labels.pairs.join(' '), one.t.length]);
      assert.deepEqual(series, [[labels, count]], text);
    }
  });

  it('with it, a group loses its name where a point of its last step does', () => {
    const source = sourceOf('load 1m\n a{x="1"} _ 1 2 3\n a{x="2"} 5 6');
    const flags = { delayedNameRemoval: true };
    const pairs = (text: string, times: Asked): readonly (readonly string[])[] =>
      ask(source, text, { flags, lookbackMs: 30_000, ...times }).series.map(({ labels }) => labels.pairs);
    const range = { endMs: 180_000, stepMs: 60_000 };
    const name = ['__name__', 'a'];
    assert.deepEqual(pairs('sum by (__name__) (a or abs(a))', { startMs: 60_000 }), [name]);
    assert.deepEqual(pairs('sum by (__name__) (histogram_count(a) or a)', { startMs: 60_000 }), [name]);
    assert.deepEqual(pairs('sum by (__name__) (a{x="1"} or abs(a{x="2"}))', { startMs: 60_000 }), [[]]);
    assert.deepEqual(pairs('sum by (__name__) (a{x="1"} or abs(a{x="2"}))', range), [name]);
    assert.deepEqual(pairs('sum by (__name__) (a{x="2"} or abs(a{x="1"}))', range), [[]]);
    const relabeled = 'label_replace(histogram_count(a) or a{x="1"}, "x", "", "", "")';
    assert.deepEqual(pairs(relabeled, { startMs: 60_000 }), [name]);
  });

  it('with it, a float and a histogram may be there at one time: a range has both, an instant the histogram', () => {
    const source = sourceOf('load 1m\n a{x="1"} 5 6\n h{x="1"} {{count:2 buckets:[1 1]}} {{count:2 buckets:[1 1]}}');
    const flags = { delayedNameRemoval: true };
    for (const text of ['a * 1 or on (__name__) h * 1', 'h * 1 or on (__name__) a * 1']) {
      const { series, ...rest } = ask(source, text, { flags });
      assert.deepEqual(
        series.map(({ labels, t, h }) => [labels.pairs, [...t], h?.map((one) => one?.count)]),
        [[['x', '1'], [0], [2]]],
        JSON.stringify(rest),
      );
      const range = ask(source, text, { flags, endMs: 60_000, stepMs: 60_000 }).series;
      assert.deepEqual(
        range.map(({ t, h }) => [[...t], h?.filter((one) => one !== null).length]),
        [[[0, 0, 60_000, 60_000], 2]],
      );
    }
  });

  it('with types and units, the type says what is a counter', () => {
    const source = sourceOf('load 1m\n g_total{__type__="gauge"} 1 2\n c{__type__="counter"} 1 2');
    const asked = { startMs: 60_000, flags: { typeAndUnitLabels: true } };
    assert.deepEqual(ask(source, 'rate(c[5m])', asked).infos, []);
    assert.match(
      ask(source, 'rate(g_total[5m])', asked).infos[0] ?? '',
      /__type__ label is not set.*got "gauge": "g_total" \(1:6\)/,
    );
  });

  it('start timestamps are not looked at unless switched on', () => {
    const source = sourceOf('load 1m\n c_total@st _ -30s\n c_total _ 30');
    assert.deepEqual(ask(source, 'rate(c_total[1m])', { startMs: 60_000 }).series, []);
    assert.equal(
      ask(source, 'rate(c_total[1m])', { startMs: 60_000, flags: { startTimestamps: true } }).series[0]?.v[0],
      0.5,
    );
  });
});

describe('annotations', () => {
  it('are said once, where the last of the nodes stands', () => {
    const source = sourceOf('load 1m\n m{a="x"} 1 2\n m{a="y"} 1 2');
    assert.deepEqual(ask(source, 'rate(m[5m]) +\n  rate(m[5m])', { startMs: 60_000 }).infos, [
      'PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "m" (2:8)',
    ]);
  });
});
