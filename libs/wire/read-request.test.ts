import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { Failure } from '../errors/failure.ts';
import { ReadForm, readReadRequest } from './read-request.ts';

const schema = protobuf.parse(`syntax = "proto3";
message LabelMatcher { int32 type = 1; string name = 2; string value = 3; }
message ReadHints { int64 step_ms = 1; string func = 2; }
message Query { int64 start_timestamp_ms = 1; int64 end_timestamp_ms = 2; repeated LabelMatcher matchers = 3; ReadHints hints = 4; }
message ReadRequest { repeated Query queries = 1; repeated int32 accepted_response_types = 2; }
message Loose { repeated int32 accepted_response_types = 2 [packed = false]; }`).root;
const requestType = schema.lookupType('ReadRequest');

function encode(message: object): Uint8Array {
  return requestType.encode(requestType.fromObject(message)).finish();
}

const read = (bytes: Uint8Array) => readReadRequest(bytes, bytes.length);

describe('a read request', () => {
  it('is read whole', () => {
    const bytes = encode({
      queries: [
        {
          startTimestampMs: -5,
          endTimestampMs: 1_700_000_000_123,
          matchers: [
            { type: 0, name: '__name__', value: 'up' },
            { type: 1, name: 'a', value: '' },
            { type: 2, name: 'b', value: 'x|\u{1f30a}' },
            { type: 3, name: 'c', value: '.*' },
          ],
          hints: { stepMs: 5, func: 'rate' },
        },
        {},
      ],
      acceptedResponseTypes: [7, 1, 0],
    });
    assert.deepEqual(read(bytes), {
      queries: [
        {
          minT: -5,
          maxT: 1_700_000_000_123,
          matchers: [
            { type: '=', name: '__name__', value: 'up' },
            { type: '!=', name: 'a', value: '' },
            { type: '=~', name: 'b', value: 'x|\u{1f30a}' },
            { type: '!~', name: 'c', value: '.*' },
          ],
        },
        { minT: 0, maxT: 0, matchers: [] },
      ],
      form: ReadForm.streamedChunks,
    });
  });

  it('asks for samples where it names nothing, and takes types one by one', () => {
    assert.equal(read(encode({})).form, ReadForm.samples);
    const loose = schema.lookupType('Loose');
    const bytes = loose.encode(loose.fromObject({ acceptedResponseTypes: [9, 1] })).finish();
    assert.equal(read(bytes).form, ReadForm.streamedChunks);
  });

  it('has its times within what a number holds', () => {
    const [query] = read(
      encode({ queries: [{ startTimestampMs: '-9223372036854775808', endTimestampMs: '9223372036854775807' }] }),
    ).queries;
    assert.deepEqual([query?.minT, query?.maxT], [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]);
  });

  for (const [name, message, words] of [
    ['no type that is known', { acceptedResponseTypes: [5] }, /response types 5/],
    ['a matcher of no type', { queries: [{ matchers: [{ type: 4 }] }] }, /invalid matcher type/],
  ] as const) {
    it(`fails with ${name}`, () => assert.throws(() => read(encode(message)), words));
  }

  for (const { what, max, message } of [
    { what: 'queries', max: 1_000, message: (count: number) => ({ queries: Array(count).fill({}) }) },
    {
      what: 'matchers',
      max: 10_000,
      message: (count: number) => ({ queries: [{ matchers: [{}] }, { matchers: Array(count - 1).fill({}) }] }),
    },
    { what: 'response types', max: 100, message: (count: number) => ({ acceptedResponseTypes: Array(count).fill(1) }) },
  ]) {
    it(`has no more ${what} than anybody needs`, () => {
      read(encode(message(max)));
      const words = `Failure: a read request has too many ${what}: at most ${max} are allowed`;
      assert.throws(() => read(encode(message(max + 1))), new RegExp(`^${words}$`));
    });
  }

  it('of any bytes is read or fails as bad data', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          read(bytes);
        } catch (error) {
          assert.ok(error instanceof Failure && error.kind === 'bad_data', String(error));
        }
      }),
    );
  });
});
