/**
 * The engine as the corpus was recorded with it: everything that is experimental is on, but for type and unit labels.
 * Each question is answered twice, with and without the optimisers: both answers must be the same to the bit.
 * Facts: Prometheus promql/promqltest/test.go (NewTestEngine).
 */
import assert from 'node:assert/strict';
import { Failure } from '../../errors/failure.ts';
import type { SeriesReader } from '../../series/series-reader.ts';
import { createEngine, type Engine, type EngineOptions, type QueryResult, type ResultSeries } from '../engine.ts';
import { parseExpr } from '../syntax/parser.ts';
import type { AnswerPoint, AnswerSeries, AnswerValue } from './compare-answer.ts';
import type { Answer, Evaluate, Question } from './run-script.ts';

const options: EngineOptions = {
  flags: { delayedNameRemoval: true, typeAndUnitLabels: false, startTimestamps: true },
  lookbackMs: 300_000,
  subqueryStepMs: 60_000,
};
const engine = createEngine(options);
const plainEngine = createEngine({ ...options, optimisers: 'none' });
const syntax = { experimentalFunctions: true, extendedRangeSelectors: true, binopFillModifiers: true };
const limits = { samplesMax: 10_000, memoryBytesMax: 0 };

/** Asks the engine; expected failures are answers, anything else is thrown. */
export const evaluateWithEngine: Evaluate = (question, reader) => {
  const optimised = evaluate(engine, question, reader);
  const plain = evaluate(plainEngine, question, reader);
  // Bits, as a comparison of structures has it: -0 is not 0, and a NaN is a NaN.
  assert.deepStrictEqual(optimised, plain, `optimised and not: ${question.expr}`);
  return optimised;
};

function evaluate(engine: Engine, { expr: text, startMs, endMs, stepMs }: Question, reader: SeriesReader): Answer {
  try {
    const expr = parseExpr(text, syntax);
    const result = engine.query({ expr, text, startMs, endMs, stepMs, limits, reader, checkCancelled: () => {} });
    return { value: answerOf(result), warnings: result.warnings, infos: result.infos };
  } catch (error) {
    if (error instanceof Failure) return { failure: error.message };
    throw error;
  }
}

function answerOf({ type, series, text }: QueryResult): AnswerValue {
  if (type === 'string') return { kind: 'string', value: text };
  if (type === 'scalar') return { kind: 'scalar', value: series[0]?.v[0] ?? Number.NaN };
  return { kind: type, series: series.map(seriesOf) };
}

function seriesOf({ labels, t, v, h }: ResultSeries): AnswerSeries {
  const points = Array.from(
    t,
    (time, i): AnswerPoint => ({ t: time, value: v[i] as number, histogram: h?.[i] ?? null }),
  );
  return { labels, points };
}
