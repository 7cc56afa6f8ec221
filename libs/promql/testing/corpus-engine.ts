/**
 * The engine as the corpus was recorded with it: everything that is experimental is on, but for type and unit labels.
 * Facts: Prometheus promql/promqltest/test.go (NewTestEngine).
 */
import { Failure } from '../../errors/failure.ts';
import { createEngine, type QueryResult, type ResultSeries } from '../engine.ts';
import { parseExpr } from '../syntax/parser.ts';
import type { AnswerPoint, AnswerSeries, AnswerValue } from './compare-answer.ts';
import type { Evaluate } from './run-script.ts';

const engine = createEngine({
  flags: { delayedNameRemoval: true, typeAndUnitLabels: false, startTimestamps: true },
  lookbackMs: 300_000,
  subqueryStepMs: 60_000,
});
const syntax = { experimentalFunctions: true, extendedRangeSelectors: true, binopFillModifiers: true };
const limits = { samplesMax: 10_000, memoryBytesMax: 0 };

/** Asks the engine; expected failures are answers, anything else is thrown. */
export const evaluateWithEngine: Evaluate = ({ expr: text, startMs, endMs, stepMs }, reader) => {
  try {
    const expr = parseExpr(text, syntax);
    const result = engine.query({ expr, text, startMs, endMs, stepMs, limits, reader, checkCancelled: () => {} });
    return { value: answerOf(result), warnings: result.warnings, infos: result.infos };
  } catch (error) {
    if (error instanceof Failure) return { failure: error.message };
    throw error;
  }
};

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
