import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  formatFloat,
  formatFloatDigits,
  formatFloatGeneral,
  formatFloatJson,
  formatFloatSixPlaces,
} from './format-float.ts';

describe('format float', () => {
  // Printed by Go 1.26: FormatFloat 'f', Prometheus' JSON form, %g, %.2g, %f. Some 12,000 others were compared once.
  for (const [value, plain, json, general, digits, places] of [
    [0, '0', '0', '0', '0', '0.000000'],
    [-0, '-0', '-0', '-0', '-0', '-0.000000'],
    [1, '1', '1', '1', '1', '1.000000'],
    [0.1, '0.1', '0.1', '0.1', '0.1', '0.100000'],
    [0.125, '0.125', '0.125', '0.125', '0.12', '0.125000'],
    [0.375, '0.375', '0.375', '0.375', '0.38', '0.375000'],
    [99.5, '99.5', '99.5', '99.5', '1e+02', '99.500000'],
    [100000, '100000', '100000', '100000', '1e+05', '100000.000000'],
    [1000000, '1000000', '1000000', '1e+06', '1e+06', '1000000.000000'],
    [123456789, '123456789', '123456789', '1.23456789e+08', '1.2e+08', '123456789.000000'],
    [1e21, '1000000000000000000000', '1e+21', '1e+21', '1e+21', '1000000000000000000000.000000'],
    [0.0001, '0.0001', '0.0001', '0.0001', '0.0001', '0.000100'],
    [0.00001, '0.00001', '0.00001', '1e-05', '1e-05', '0.000010'],
    [1e-6, '0.000001', '0.000001', '1e-06', '1e-06', '0.000001'],
    [1e-7, '0.0000001', '1e-07', '1e-07', '1e-07', '0.000000'],
    [-1.5e-9, '-0.0000000015', '-1.5e-09', '-1.5e-09', '-1.5e-09', '-0.000000'],
    [0.0078125, '0.0078125', '0.0078125', '0.0078125', '0.0078', '0.007812'],
    [Number.NaN, 'NaN', 'NaN', 'NaN', 'NaN', 'NaN'],
    [Number.POSITIVE_INFINITY, '+Inf', '+Inf', '+Inf', '+Inf', '+Inf'],
    [Number.NEGATIVE_INFINITY, '-Inf', '-Inf', '-Inf', '-Inf', '-Inf'],
  ] as const) {
    it(`${plain} / ${general}`, () => {
      assert.equal(formatFloat(value), plain);
      assert.equal(formatFloatJson(value), json);
      assert.equal(formatFloatGeneral(value), general);
      assert.equal(formatFloatDigits(value, 2), digits);
      assert.equal(formatFloatSixPlaces(value), places);
    });
  }

  it('writes what reads back as the same number', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        assert.equal(Number(formatFloat(value)), value);
        assert.equal(Number(formatFloatJson(value)), value);
        assert.equal(Number(formatFloatGeneral(value)), value);
        assert.ok(!formatFloat(value).includes('e'));
      }),
    );
  });
});
