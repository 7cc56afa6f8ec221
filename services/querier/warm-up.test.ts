import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createEngine } from '../../libs/promql/engine.ts';
import { warmUp } from './warm-up.ts';

it('warming up asks questions that have answers', () => {
  const engine = createEngine({
    flags: { delayedNameRemoval: false, typeAndUnitLabels: false, startTimestamps: false },
    lookbackMs: 300_000,
    subqueryStepMs: 60_000,
  });
  let asked = 0;
  let series = 0;
  const counting = {
    ...engine,
    query: (request: Parameters<typeof engine.query>[0]) => {
      const result = engine.query(request);
      asked++;
      series += result.series.length;
      assert.ok(result.series.length > 0, request.text);
      return result;
    },
  };
  const steps = warmUp(counting);
  for (let i = 0; i < 24; i++) steps.next();
  assert.ok(asked > 0 && series > asked);
});
