import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseScript } from '../../libs/promql/testing/parse-script.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { requestsOfLoad } from '../support/sent-load.ts';
import { randomData } from './random-data.ts';
import { readyCase } from './ready-case.ts';

it('a ready case loads the data that it was made from', () => {
  const dataset = randomData(seededRandom(7), true);
  const script = readyCase(dataset, { expr: 'up', when: { kind: 'range', start: 1, end: 2.5, step: 0.5 } });
  const commands = parseScript(script);
  const loads = commands.filter((command) => command.kind === 'load');
  assert.equal(loads.length, 2);
  assert.match(script, /eval range from 1s to 2500ms step 500ms up$/);
  // Scripts do not know whether counts were integers: all are floats once read.
  const sent = (load: (typeof loads)[number]) =>
    requestsOfLoad(load).map((series) =>
      series.map(({ labels, samples, histograms }) => ({
        labels,
        samples,
        histograms: histograms?.map(({ t, sum, count, schema }) => ({ t, sum, count, schema })),
      })),
    );
  assert.deepEqual(loads.map(sent), dataset.loads.map(sent));
});
