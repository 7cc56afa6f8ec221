import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Metrics } from './metrics.ts';

describe('Metrics', () => {
  it('gives others a turn between two metrics of many tenants', async () => {
    const metrics = new Metrics('1.2.3');
    const order: string[] = [];
    const others = (left: number): void => {
      order.push('other');
      if (left > 0) setImmediate(others, left - 1);
    };
    for (const name of ['maru_a', 'maru_b']) {
      metrics.gaugeOf(name, 'A gauge.', ['tenant'], () => {
        order.push(name);
        return Array.from({ length: 1_000 }, (_, i) => ({ labels: { tenant: `${i}` }, value: i }));
      });
    }
    setImmediate(others, 100);
    await metrics.registry.metrics();
    assert.ok(order.slice(order.indexOf('maru_a'), order.indexOf('maru_b')).includes('other'));
  });

  it('reads plain numbers when it is asked, and forgets what is no longer there', async () => {
    const metrics = new Metrics('1.2.3');
    let samples = [{ labels: { tenant: 'a' }, value: 1 }];
    metrics.counterOf('maru_seen_total', 'What was seen.', ['tenant'], () => samples);
    metrics.gaugeOf('maru_open', 'What is open.', ['tenant'], () => samples);
    const lines = async () =>
      (await metrics.registry.metrics()).split('\n').filter((line) => /^maru_(seen|open)/.test(line));
    assert.deepEqual(await lines(), ['maru_seen_total{tenant="a"} 1', 'maru_open{tenant="a"} 1']);
    samples = [{ labels: { tenant: 'b' }, value: 7 }];
    assert.deepEqual(await lines(), ['maru_seen_total{tenant="b"} 7', 'maru_open{tenant="b"} 7']);
    assert.deepEqual(
      await lines(),
      ['maru_seen_total{tenant="b"} 7', 'maru_open{tenant="b"} 7'],
      'asking adds nothing',
    );
  });
});
