import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { badLabelPath } from './bad-label-path.ts';

describe('badLabelPath', () => {
  for (const [url, message] of [
    ['/api/v1/label/%FF/values', 'invalid label name: "\\xff"'],
    ['/prometheus/api/v1/label/a%c3%a9%C3/values?limit=1', 'invalid label name: "aé\\xc3"'],
    ['/api/v1/label/%22%e2%82/values', 'invalid label name: "\\"\\xe2\\x82"'],
    ['/api/v1/label/%zz/values', undefined],
    ['/api/v1/labels/%FF', undefined],
  ] as const) {
    it(url, () => assert.equal(badLabelPath(url)?.message, message));
  }
});
