import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { goAcos, goAsin, goCosh, goLog2, goPow, goSinh } from './go-math.ts';

const inf = Number.POSITIVE_INFINITY;

/** All answers are those of a Prometheus 3.15 on amd64. */
describe('goPow', () => {
  for (const [base, exponent, power] of [
    [3, 2, 9],
    [-1e200, 2, inf],
    [1.1e-160, 2, 1.21e-320],
    [3, 100, 5.153775207320114e47],
    [1.0000001, 1e9, 2.688103843211962e43],
    [0.99999, -200000.5, 7.3891669362055445],
    [10, 308, 1.0000000000000006e308],
    [10, -320, 1e-320],
    [60.5, 47, 5.527167279245089e83],
    [2, -1074, 5e-324],
    [2, -1075, 0],
    [3, -677, 1e-323],
    [2.5, -801.3, 1.35107e-319],
    [3, -650.5, 4.291645142558e-311],
    [0.1, 323.25, 5e-324],
    [1e-200, 1.6, 1e-320],
    [1e200, -1.6, 1e-320],
    [-1.5, -333, -2.2993799200999433e-59],
    [1.0000000001, 2 ** 53, inf],
    [-2, 1e300, inf],
    [0.5, 1e300, 0],
    [-0, -3, -inf],
    [-inf, 3, -inf],
    [-inf, -3, -0],
    [-inf, 0.5, inf],
    [-8, 1 / 3, Number.NaN],
    [1, Number.NaN, 1],
    [-1, inf, 1],
    [Number.NaN, 0, 1],
  ] as const) {
    it(`${base} ^ ${exponent}`, () => assert.equal(goPow(base, exponent), power));
  }
});

it('powers within the range and beyond it are made the same way', () => {
  // Scaling the base by a power of two scales the power exactly, and takes the other way through the code.
  for (const base of [1.1, 3.7, 0.9, 5.3e-3, 123.456, -7.7]) {
    for (const exponent of [3, 7, 10, -5]) {
      const scale = 2 ** (Math.sign(exponent) * Math.floor(1002 / Math.abs(exponent)));
      assert.equal(goPow(base * scale, exponent), goPow(base, exponent) * scale ** exponent, `${base} ^ ${exponent}`);
    }
  }
});

describe('the others', () => {
  for (const [name, apply, value, result] of [
    ['log2', goLog2, 1.0000001, 1.442694970155145e-7],
    ['log2', goLog2, 2 ** -1074, -1074],
    ['log2', goLog2, 8, 3],
    ['log2', goLog2, 0, -inf],
    ['log2', goLog2, -1, Number.NaN],
    ['log2', goLog2, inf, inf],
    ['asin', goAsin, 0.9999999, 1.5703491131957785],
    ['asin', goAsin, -2, Number.NaN],
    ['asin', goAsin, -0, -0],
    ['acos', goAcos, 0.9999999, 0.0004472135991180348],
    ['acos', goAcos, 1e-9, 1.5707963257948965],
    ['sinh', goSinh, 710.4, inf],
    ['sinh', goSinh, -800, -inf],
    ['cosh', goCosh, -710.4, inf],
  ] as const) {
    it(`${name} ${value}`, () => assert.equal(apply(value), result));
  }
});
