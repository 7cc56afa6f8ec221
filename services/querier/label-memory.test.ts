import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Failure } from '../../libs/errors/failure.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { TakenMemory } from '../../libs/series/taken-memory.ts';
import { LabelMemory } from './label-memory.ts';

const [a, b] = [parseTenantId('a'), parseTenantId('b')];
const request = { kind: 'syntax', wanted: 'text', query: 'count(m)' } as const;

const failsWith = (kind: string, message: string) => (error: unknown) =>
  error instanceof Failure && error.kind === kind && error.message === message;

it('labels of one query take no more than its memory, and the error says how much, and of which query', () => {
  const held = new LabelMemory(1000, 10_000).hold(a, request);
  held.take(400, 600);
  assert.throws(
    () => held.take(0, 1),
    failsWith(
      'query_limit',
      'the query needs 1001 bytes of memory for labels, more than query.max-memory-bytes allows (1000): count(m)',
    ),
  );
});

it('nor may their texts fill the heap', () => {
  for (const queryBytesMax of [0, 1 << 30]) {
    const held = new LabelMemory(queryBytesMax, 1000).hold(a, request);
    held.take(500, 100_000);
    assert.throws(
      () => held.take(1, 0),
      failsWith(
        'query_limit',
        'the query needs 501 bytes of memory for labels, more than may be of one query in the heap (500): count(m)',
      ),
    );
  }
});

it('all queries have one maximum: a tenant leaves as much to others as he has, and what ended is free', () => {
  const memory = new LabelMemory(0, 1000);
  const held = memory.hold(a, request);
  held.take(300, 0);
  const second = memory.hold(a, request);
  assert.throws(
    () => second.take(300, 0),
    (error: unknown) => error instanceof Failure && error.kind === 'rate_limited' && error.retryAfterSeconds === 1,
  );
  memory.hold(b, request).take(300, 0);
  held.release();
  held.release();
  held.take(10_000, 0);
  assert.equal(memory.used, 300);
  second.take(300, 0);
  assert.equal(memory.used, 600);
});

it('what is given back may be taken again, and nothing is given back twice', () => {
  const memory = new LabelMemory(1000, 10_000);
  const held = memory.hold(a, request);
  const [first, second] = [new TakenMemory(held), new TakenMemory(held)];
  first.take(400, 500);
  second.take(50, 0);
  first.release();
  first.release();
  first.give(400, 500);
  assert.equal(memory.used, 50);
  assert.throws(() => first.take(1, 0), { kind: 'unavailable' });
  second.take(450, 500);
  assert.equal(memory.used, 500);
  second.give(450, 500);
  assert.equal(memory.used, 50);
  held.release();
  second.release();
  assert.equal(memory.used, 0);
});

it('whatever reads series is named', () => {
  const matchers = [{ type: '=~', name: 'job', value: 'a"b' }] as const;
  for (const [named, text] of [
    [{ kind: 'federate', selectors: [matchers], minT: 0, maxT: 1, form: { format: 'text' } }, '{job=~"a\\"b"}'],
    [{ kind: 'read', form: 'samples', queries: [{ matchers, minT: 0, maxT: 1 }] }, '{job=~"a\\"b"}'],
    [{ kind: 'selectors', texts: ['m', 'n'], ofExpression: false, minT: 0, maxT: 1 }, 'm n'],
    [{ ...request, query: 'x'.repeat(300) }, `${'x'.repeat(200)}...`],
  ] as const) {
    const held = new LabelMemory(1, 1000).hold(a, named as never);
    assert.throws(
      () => held.take(2, 0),
      (error: unknown) => error instanceof Failure && error.message.endsWith(`(1): ${text}`),
    );
  }
});
