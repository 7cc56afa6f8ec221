import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Failure } from '../errors/failure.ts';
import { tenantReader } from './tenant-header.ts';

describe('the tenant of a request', () => {
  const lenient = tenantReader('anonymous');
  const strict = tenantReader('reject');

  it('is what the header says', () => {
    for (const read of [lenient, strict]) assert.equal(read({ 'x-scope-orgid': 'team-a' }), 'team-a');
  });

  it('is anonymous without a header only where that is allowed', () => {
    assert.equal(lenient({}), 'anonymous');
    assert.throws(() => strict({}), new Failure('unauthenticated', 'no org id'));
  });

  for (const header of ['', '..', 'a/b', '%2e', 'x'.repeat(151), 'a\u0000b', 'a, b', 'a|b', 'é']) {
    it(`is refused where the header is ${JSON.stringify(header.slice(0, 20))}, also where none is needed`, () => {
      for (const read of [lenient, strict]) assert.throws(() => read({ 'x-scope-orgid': header }), Failure);
    });
  }

  it('may be called as anything in JavaScript is', () => {
    for (const name of ['__proto__', 'constructor', 'toString']) {
      assert.equal(strict({ 'x-scope-orgid': name }), name);
    }
  });
});
