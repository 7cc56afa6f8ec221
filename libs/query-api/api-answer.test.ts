import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Failure } from '../errors/failure.ts';
import { failureAnswer, listAnswer, writeAnnotations } from './api-answer.ts';
import { JsonBytes } from './json-bytes.ts';

function annotations(warnings: readonly string[], infos: readonly string[]): string {
  let text = '';
  const json = new JsonBytes((chunk) => {
    text += Buffer.from(chunk).toString();
  });
  writeAnnotations(json, warnings, infos);
  json.finish();
  return text;
}

const numbered = (count: number) => Array.from({ length: count }, (_, i) => `w${i}`);

describe('warnings and infos', () => {
  it('are left out where there are none', () => assert.equal(annotations([], []), ''));
  it('stand in this order', () => assert.equal(annotations(['<'], ['b']), ',"warnings":["\\u003c"],"infos":["b"]'));
  it('are ten each at most, and a sentence about the rest', () => {
    const { warnings, infos } = JSON.parse(`{"x":1${annotations(numbered(12), numbered(11))}}`);
    assert.deepEqual(warnings, [...numbered(10), '2 more warning annotations omitted']);
    assert.deepEqual(infos, [...numbered(10), '1 more info annotations omitted']);
  });
  it('may be ten', () => {
    assert.deepEqual(JSON.parse(`{"x":1${annotations(numbered(10), [])}}`).warnings, numbered(10));
  });
});

describe('an answer', () => {
  it('of a failure has its status and its words', () => {
    const failure = new Failure('rate_limited', 'too <many>', { retryAfterSeconds: 2 });
    const { httpStatus, body, retryAfterSeconds } = failureAnswer(failure);
    assert.deepEqual([httpStatus, retryAfterSeconds], [429, 2]);
    const text = '{"status":"error","errorType":"too_many_requests","error":"too \\u003cmany\\u003e"}';
    assert.equal(Buffer.from(body as Uint8Array).toString(), text);
  });

  it('that is a short list comes whole', () => {
    for (const count of [0, 1, 5_000]) {
      const items = Array.from({ length: count }, (_, i) => `item ${i}`);
      const write = (json: JsonBytes, item: string) => json.labelText(item);
      const { body } = listAnswer(items, { open: '[', close: ']', write }, []);
      assert.ok(body instanceof Uint8Array);
      assert.deepEqual(JSON.parse(Buffer.from(body).toString()), { status: 'success', data: items });
    }
  });

  it('that is a long list comes in pieces, with turns of the event loop between them', async () => {
    let turns = 0;
    let counting = true;
    const count = (): void => {
      turns++;
      if (counting) setImmediate(count);
    };
    setImmediate(count);
    const items = Array.from({ length: 100_000 }, (_, i) => `item ${i}`);
    const write = (json: JsonBytes, item: string) => json.labelText(item);
    const pieces: Uint8Array[] = [];
    const { body } = listAnswer(items, { open: '[', close: ']', write }, ['cut']);
    assert.ok(body !== undefined && !(body instanceof Uint8Array));
    for await (const piece of body) pieces.push(piece);
    counting = false;
    assert.ok(pieces.length > 5);
    assert.ok(turns >= pieces.length - 2, `${turns} turns for ${pieces.length} pieces`);
    const answer = JSON.parse(Buffer.concat(pieces).toString());
    assert.deepEqual(answer, { status: 'success', data: items, warnings: ['cut'] });
  });
});
