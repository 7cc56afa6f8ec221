import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { PlaceNumbers } from './place-numbers.ts';

it('numbers of places are those of a search, and -1 for all others', () => {
  const list = fc.uniqueArray(fc.nat(400), { maxLength: 300 });
  fc.assert(
    fc.property(list, fc.constantFrom(0, 5, 2 ** 32 - 401), (offsets, base) => {
      const places = Uint32Array.from(offsets, (offset) => base + offset).sort();
      const numbers = new PlaceNumbers(places);
      const asked = Array.from({ length: 460 }, (_, i) => Math.min(Math.max(0, base - 30) + i, 2 ** 32 - 1));
      assert.deepEqual(
        asked.map((place) => numbers.at(place)),
        asked.map((place) => places.indexOf(place)),
      );
    }),
  );
});
