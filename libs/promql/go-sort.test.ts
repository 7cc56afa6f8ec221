import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { goSort } from './go-sort.ts';

/** Keys of `count` elements of which many are equal. */
function keysOf(shape: string, count: number, distinct: number): number[] {
  return Array.from({ length: count }, (_, i) => {
    switch (shape) {
      case 'rising':
        return Math.floor((i * distinct) / count);
      case 'falling':
        return Math.floor(((count - i) * distinct) / count);
      case 'scattered':
        return (i * 7919) % distinct;
      default:
        if (i === count - 3) return 0;
        return i < Math.floor(count / 2) ? i % distinct : (count - i) % distinct;
    }
  });
}

/** A number that says in which order the elements came to stand. */
function orderOf(keys: number[]): number {
  const places = keys.map((_, i) => i);
  const swap = (i: number, j: number): void => {
    for (const list of [keys, places]) [list[i], list[j]] = [list[j], list[i]];
  };
  goSort({ less: (i, j) => keys[i] < keys[j], swap }, keys.length);
  assert.ok(keys.every((key, i) => i === 0 || keys[i - 1] <= key));
  return places.reduce((hash, place) => (Math.imul(hash, 31) + place) >>> 0, 17);
}

describe('goSort leaves equal elements as Go 1.26 does', () => {
  for (const [count, distinct, shape, order] of [
    [13, 5, 'rising', 2958403669],
    [13, 5, 'falling', 3577831125],
    [13, 5, 'scattered', 3351885577],
    [13, 5, 'two runs', 3296534089],
    [13, 20, 'rising', 2958403669],
    [13, 20, 'falling', 2843203029],
    [13, 20, 'scattered', 1057132681],
    [13, 20, 'two runs', 2726365451],
    [20, 5, 'rising', 1102119323],
    [20, 5, 'falling', 2309332833],
    [20, 5, 'scattered', 3039496687],
    [20, 5, 'two runs', 4234024165],
    [20, 20, 'rising', 1102119323],
    [20, 20, 'falling', 3640686919],
    [20, 20, 'scattered', 1516294939],
    [20, 20, 'two runs', 4112633085],
    [51, 5, 'rising', 3274675080],
    [51, 5, 'falling', 808788576],
    [51, 5, 'scattered', 1094109172],
    [51, 5, 'two runs', 3791412792],
    [51, 20, 'rising', 3274675080],
    [51, 20, 'falling', 2963452582],
    [51, 20, 'scattered', 3106488098],
    [51, 20, 'two runs', 3515290252],
    [200, 5, 'rising', 3895566197],
    [200, 5, 'falling', 4040350011],
    [200, 5, 'scattered', 3357368301],
    [200, 5, 'two runs', 2853917665],
    [200, 20, 'rising', 3895566197],
    [200, 20, 'falling', 1652714453],
    [200, 20, 'scattered', 3996190785],
    [200, 20, 'two runs', 2099403305],
    [3000, 5, 'rising', 4036466413],
    [3000, 5, 'falling', 904046893],
    [3000, 5, 'scattered', 2290085059],
    [3000, 5, 'two runs', 2716205033],
    [3000, 20, 'rising', 4036466413],
    [3000, 20, 'falling', 1246159367],
    [3000, 20, 'scattered', 957443409],
    [3000, 20, 'two runs', 3810435365],
  ] as const) {
    it(`${count} elements, ${distinct} distinct, ${shape}`, () =>
      assert.equal(orderOf(keysOf(shape, count, distinct)), order));
  }
});
