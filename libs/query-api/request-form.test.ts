import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RequestForm } from './request-form.ts';

function formOf(...parts: readonly string[]): RequestForm {
  const form = new RequestForm();
  for (const part of parts) form.append(part);
  return form;
}

describe('a form', () => {
  for (const { name, text, values } of [
    { name: 'plain', text: 'a=1&a=2&b=3', values: { a: ['1', '2'], b: ['3'] } },
    {
      name: 'escapes and spaces',
      text: 'a=x+%2B%20%F0%9F%8C%8A&match%5B%5D=up',
      values: { a: ['x + 🌊'], 'match[]': ['up'] },
    },
    { name: 'no value, no name', text: 'a&=b&&c=', values: { a: [''], '': ['b'], c: [''] } },
    { name: 'a second equals sign', text: 'a=b=c', values: { a: ['b=c'] } },
    { name: 'bytes that are no UTF-8', text: 'a=%ff%41%c3%a9', values: { a: ['\ufffdAé'] } },
    {
      name: 'names of Object',
      text: '__proto__=1&constructor=2',
      values: { ['__proto__']: ['1'], constructor: ['2'] },
    },
  ]) {
    it(`is read: ${name}`, () => {
      const form = formOf(text);
      for (const [key, expected] of Object.entries(values)) assert.deepEqual(form.all(key), expected);
      assert.equal(form.error, undefined);
    });
  }

  it('gives the first value, of the body before the URL', () => {
    const form = formOf('a=body', 'a=url&b=url');
    assert.equal(form.get('a'), 'body');
    assert.deepEqual(form.all('a'), ['body', 'url']);
    assert.equal(form.get('b'), 'url');
    assert.equal(form.get('c'), '');
  });

  for (const { text, error } of [
    { text: 'x=%zz&a=1', error: 'invalid URL escape "%zz"' },
    { text: 'x=%&a=1', error: 'invalid URL escape "%"' },
    { text: '%f=1&a=1', error: 'invalid URL escape "%f"' },
    { text: 'x=1;y=2&a=1&z=%', error: 'invalid semicolon separator in query' },
  ]) {
    it(`leaves out what it cannot read, and says so: ${text}`, () => {
      const form = formOf(text);
      assert.equal(form.error, error);
      assert.deepEqual(form.all('a'), ['1']);
      assert.deepEqual(form.all('x'), []);
    });
  }

  it('reads back from what it is encoded as, whatever was added', () => {
    const form = formOf('a=x+y%20z');
    const texts = ['', 'plain', '&=;+% \r\n\u0000', 'ü🌊', '%zz'];
    for (const name of texts) for (const value of texts) form.add({ name, value });
    form.append('b=1;2&a=3');
    const again = formOf(form.encoded);
    for (const name of [...texts, 'a']) assert.deepEqual(again.all(name), form.all(name));
    assert.deepEqual(form.all('&=;+% \r\n\u0000'), texts);
    assert.equal(again.error, form.error);
  });

  it('refuses more pairs than anybody needs, and says so', () => {
    const many = 'a=1&'.repeat(10_000);
    assert.equal(formOf(many, many).all('a').length, 20_000);
    assert.throws(() => formOf(many, many, 'a=1'), /^Failure: too many parameters: at most 20000 are allowed$/);
    assert.throws(() => formOf(many, many).add({ name: 'a', value: '1' }), /^Failure: too many parameters: /);
  });
});

it('pairs that are no UTF-8 take no longer than others', () => {
  const timeOf = (pair: string): number => {
    const times = [1, 2, 3, 4, 5].map(() => {
      const begin = performance.now();
      formOf(pair.repeat(10_000));
      return performance.now() - begin;
    });
    return Math.min(...times);
  };
  const [bad, good] = [timeOf('%f0&'), timeOf('%41&')];
  assert.ok(bad < 5 * good, `${bad} and ${good} ms`);
});
