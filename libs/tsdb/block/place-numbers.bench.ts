/** Nanoseconds per place of a list whose number is asked for, where the list has every place, one in five, one in a hundred of a block: by bits, and by a search from the last one on. */
import { bench } from '../../std/testing/bench.ts';
import { Prng } from '../../std/testing/prng.ts';
import { PlaceNumbers } from './place-numbers.ts';
import { gallop } from './rising-lists.ts';

const seriesCount = 100_000;
const prng = new Prng(7);
let place = 0;
const places = Uint32Array.from({ length: seriesCount }, () => (place += 3 + prng.below(8)));
const numbers = new PlaceNumbers(places);

for (const every of [1, 5, 100]) {
  const asked = places.filter(() => prng.below(every) === 0);
  const size = { smokeCount: asked.length, fullCount: asked.length * Math.ceil(5_000_000 / asked.length) };
  bench(`one in ${every}, by bits`, size, (count) => () => {
    let sum = 0;
    for (let done = 0; done < count; done += asked.length) {
      for (let i = 0; i < asked.length; i++) sum += numbers.at(asked[i]);
    }
    return sum;
  });
  bench(`one in ${every}, by a search`, size, (count) => () => {
    let sum = 0;
    for (let done = 0; done < count; done += asked.length) {
      let at = 0;
      for (let i = 0; i < asked.length; i++) sum += at = gallop(places, at, asked[i]);
    }
    return sum;
  });
}
