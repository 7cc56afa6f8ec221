import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Labels } from '../../libs/model/labels.ts';
import { Annotations } from '../../libs/promql/execute/annotations.ts';
import { atOnce } from '../../libs/std/testing/at-once.ts';
import { decodePart, encodePart, type PartAnswer } from '../../libs/wire/peer/part-message.ts';
import { joinParts } from './join-parts.ts';

const stepMs = 15_000;
const seriesCount = 3_000;

/** Two steps of many series, and something said of each. */
function answer(startMs: number): { bytes: Uint8Array; steps: { startMs: number; endMs: number; stepMs: number } } {
  const t = Float64Array.of(startMs, startMs + stepMs);
  const series = Array.from({ length: seriesCount }, (_, i) => ({
    labels: new Labels(['pod', `pod-${i}`]),
    ...{ t, v: Float64Array.of(i, startMs), h: null },
  }));
  const annotations = series.map(({ labels }, order) => ({
    ...({ level: 'info', text: labels.get('pod'), detail: '', start: 0, order } as const),
  }));
  const steps = { startMs, endMs: startMs + stepMs, stepMs };
  return { bytes: encodePart({ series, annotations, sourceWarnings: ['slow'] }, steps), steps };
}

it('answers of many series are read and joined in steps', () => {
  const parts: PartAnswer[] = [];
  for (const { bytes, steps } of [answer(0), answer(2 * stepMs)]) {
    const [part, count] = atOnce(decodePart(bytes, steps));
    assert.ok(count > 20, `read in ${count} steps`);
    parts.push(part);
  }
  const [joined, count] = atOnce(joinParts(parts, 'm', 0));
  assert.ok(count > 20, `joined in ${count} steps`);
  assert.equal(joined?.series.length, seriesCount);
  assert.equal(joined?.infos.length, seriesCount);
  assert.deepEqual(joined?.warnings, ['slow']);
  const last = joined?.series.find(({ labels }) => labels.get('pod') === 'pod-7');
  assert.deepEqual(last?.t, Float64Array.of(0, stepMs, 2 * stepMs, 3 * stepMs));
  assert.deepEqual(last?.v, Float64Array.of(7, 0, 7, 2 * stepMs));
});

it('what is counted is counted over the whole', () => {
  const annotations = new Annotations();
  annotations.warnOfOverlap('m', { start: 0, order: 0 });
  const part = { series: [], annotations: annotations.list(), sourceWarnings: [], witness: '' };
  assert.equal(atOnce(joinParts([part, part], 'm', 0))[0], undefined);
});

it('too many points are told before anything is joined', () => {
  const [part] = atOnce(decodePart(answer(0).bytes, answer(0).steps));
  assert.throws(() => atOnce(joinParts([part, part], 'm', 100)), /too many samples/);
});
