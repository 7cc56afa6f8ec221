import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { escapeName } from './escape-name.ts';
import { expositionFormOf } from './exposition-form.ts';
import { unescapeLabelName } from './unescape-label-name.ts';

describe('a name for readers of old names', () => {
  for (const [name, underscores, dots, values] of [
    ['http_total', 'http_total', 'http_total', 'http_total'],
    ['a:b', 'a:b', 'a:b', 'a:b'],
    ['http.total_x', 'http_total_x', 'http_dot_total__x', 'U__http_2e_total__x'],
    ['1a', '_a', '__a', 'U___31_a'],
    ['\u{1f30a} x', '__x', '____x', 'U___1f30a__20_x'],
  ] as const) {
    it(name, () => {
      assert.equal(escapeName(name, 'underscores'), underscores);
      assert.equal(escapeName(name, 'dots'), dots);
      assert.equal(escapeName(name, 'values'), values);
      assert.equal(escapeName(name, 'allow-utf-8'), name);
      assert.equal(unescapeLabelName(values), name);
    });
  }
});

describe('the form of an exposition', () => {
  const protobuf = 'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited';
  for (const [accept, kind, escaping] of [
    ['', 'text', 'underscores'],
    ['*/*', 'text', 'underscores'],
    [`${protobuf};q=0.7,text/plain;q=0.3`, 'protobuf', 'underscores'],
    [`text/plain;version=0.0.4;q=0.3,${protobuf};escaping=allow-utf-8;q=0.7`, 'protobuf', 'allow-utf-8'],
    [`text/plain;q=0.9,${protobuf};q=0.7`, 'text', 'underscores'],
    ['application/openmetrics-text;version=1.0.0;escaping=dots,text/plain;version=0.0.4;q=0.3', 'text', 'dots'],
    ['text/plain;version=1.0.0;escaping=values', 'text', 'values'],
    ['application/vnd.google.protobuf;proto=other;encoding=delimited', 'text', 'underscores'],
  ] as const) {
    it(accept, () => assert.deepEqual(expositionFormOf(accept), { kind, escaping }));
  }
});
