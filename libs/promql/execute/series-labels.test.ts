import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { Labels } from '../../model/labels.ts';
import { labelsOfBoth, withLabel } from './series-labels.ts';

const labels = fc
  .array(fc.tuple(fc.constantFrom('a', 'b', 'c', '\u{1f30a}', '\ue000'), fc.constantFrom('', '1', '2')))
  .map((entries) => Labels.from(entries));

it('labels taken from another set are those that one after the other would be', () => {
  fc.assert(
    fc.property(labels, labels, fc.subarray(['a', 'b', '\u{1f30a}', '\ue000', 'never']), (own, other, names) => {
      let expected = own;
      for (const name of names) expected = withLabel(expected, name, other.get(name));
      assert.deepEqual(labelsOfBoth(own, other, new Set(names)).pairs, expected.pairs);
    }),
  );
});
