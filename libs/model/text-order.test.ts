import assert from 'node:assert/strict';
import { it } from 'node:test';
import { atOnce } from '../std/testing/at-once.ts';
import { Prng } from '../std/testing/prng.ts';
import { compareUtf8 } from './labels.ts';
import { sortTextsInSteps } from './text-order.ts';

it('texts are sorted by their UTF-8 bytes, in many steps where they are many', () => {
  const prng = new Prng(1);
  for (const letters of ['abc', 'aü\ue000', 'a\uffee\u{1f600}']) {
    const all = [...letters];
    for (const length of [0, 1, 2, 4095, 4096, 4097, 30_000]) {
      const text = (): string => Array.from({ length: prng.below(9) }, () => all[prng.below(all.length)]).join('');
      const texts = Array.from({ length }, text);
      const [sorted, steps] = atOnce(sortTextsInSteps(texts));
      assert.deepEqual(sorted, texts.toSorted(compareUtf8));
      assert.ok(steps > length / 1024, `${steps} steps for ${length} texts`);
      // What comes in order is joined as it is.
      assert.deepEqual(atOnce(sortTextsInSteps(sorted))[0], sorted);
    }
  }
});
