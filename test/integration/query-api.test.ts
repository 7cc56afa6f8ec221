/**
 * The HTTP API, good and bad requests, asked of a real Prometheus 3.15 and of Maru over the same samples. Values of expressions
 * are the work of prometheus-sends.test.ts.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { describeEachCarrier } from '../support/carriers.ts';
import { skipWithout } from '../support/find-server.ts';
import { recordAnswers, recordingTable } from '../support/record-answers.ts';

const differencesShownMax = 20;

describeEachCarrier(
  'the HTTP API of Prometheus 3.15 and of Maru',
  { skip: skipWithout('prometheus'), timeout: 120_000 },
  (startMaru) => {
    it('agrees on every request', async (test) => {
      const recording = await recordAnswers(startMaru);
      for (const line of recordingTable(recording).split('\n')) test.diagnostic(line);
      const { differences } = recording;
      assert.equal(differences.length, 0, differences.slice(0, differencesShownMax).join('\n'));
    });
  },
);
