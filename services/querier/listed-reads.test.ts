import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Failure } from '../../libs/errors/failure.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import type { ApiAnswer } from '../../libs/query-api/api-answer.ts';
import { type HeldList, ListMemory } from '../../libs/series/list-memory.ts';
import { ListedReads } from './listed-reads.ts';

const [greedy, modest] = [parseTenantId('greedy'), parseTenantId('modest')];
const never = new AbortController().signal;
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A read that goes on until it is told to end. */
class Read {
  hasBegun = false;
  end: (text: string) => void = () => undefined;
  readonly #done = new Promise<string>((resolve) => {
    this.end = resolve;
  });

  readonly run = async (signal: AbortSignal): Promise<string> => {
    this.hasBegun = true;
    signal.addEventListener('abort', () => this.end('given up'));
    return await this.#done;
  };
}

describe('reads that the main thread answers', () => {
  const memory = new ListMemory(1 << 20);
  const options = { atOnceMax: 4, waitingMax: 3, timeoutMs: 60_000, memory };

  it('of one tenant go on as many at a time as may, whatever others do, and no more wait than may', async () => {
    const listed = new ListedReads(options);
    const reads = Array.from({ length: 7 }, () => new Read());
    const answers = reads.map((read) => listed.take(greedy, never, read.run));
    const isLimited = (error: unknown) => error instanceof Failure && error.kind === 'rate_limited';
    await assert.rejects(listed.take(greedy, never, new Read().run), isLimited);
    assert.equal(await listed.take(modest, never, async () => 'at once'), 'at once');
    const begun = () => reads.filter(({ hasBegun }) => hasBegun).length;
    assert.equal(begun(), 4);
    for (let ended = 0; ended < reads.length; ended++) {
      reads[ended]?.end(`${ended}`);
      assert.equal(await answers[ended], `${ended}`);
      await turn();
      assert.equal(begun(), Math.min(reads.length, 5 + ended));
    }
    assert.equal(await listed.take(greedy, never, async () => 'again'), 'again');
  });

  it('that fail, and whose clients leave, make room', async () => {
    const listed = new ListedReads(options);
    const failing = listed.take(greedy, never, async () => {
      throw new Error('no');
    });
    await assert.rejects(failing, /no/);
    const client = new AbortController();
    const reads = Array.from({ length: 6 }, () => new Read());
    const answers = reads.map((read, i) => listed.take(greedy, i % 2 === 0 ? client.signal : never, read.run));
    const left = Promise.allSettled(answers.filter((_, i) => i % 2 === 0));
    client.abort(new Error('left'));
    assert.deepEqual(
      (await left).map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'rejected'],
    );
    await turn();
    assert.deepEqual(
      reads.map(({ hasBegun }) => hasBegun),
      [true, true, true, true, false, true],
    );
    for (const read of reads) read.end('done');
    await Promise.allSettled(answers);
  });

  it('go on until their answer is out, or its client has left', async () => {
    const listed = new ListedReads(options);
    async function* pieces(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 3; i++) yield new Uint8Array(1);
    }
    const long = async () => ({ httpStatus: 200, body: pieces() });
    const client = new AbortController();
    const given = [client.signal, client.signal, never, never].map((signal) => listed.answer(greedy, signal, long));
    const bodies = (await Promise.all(given)).map(({ body }) => body as AsyncGenerator<Uint8Array>);
    const reads = Array.from({ length: 3 }, () => new Read());
    const answers = reads.map((read) => listed.take(greedy, never, read.run));
    const begun = () => reads.filter(({ hasBegun }) => hasBegun).length;
    await bodies[2]?.next();
    await turn();
    assert.equal(begun(), 0);
    client.abort(new Error('left'));
    await turn();
    assert.equal(begun(), 2);
    for await (const _piece of bodies[2] ?? []);
    await turn();
    assert.equal(begun(), 3);
    await bodies[3]?.return(undefined);
    assert.equal(await listed.take(greedy, never, async () => 'room'), 'room');
    for (const read of reads) read.end('done');
    await Promise.all(answers);
    const short = await listed.answer(greedy, never, async () => ({ httpStatus: 204, body: undefined }));
    assert.equal(short.httpStatus, 204);
    const failing = listed.answer(greedy, never, async () => Promise.reject(new Error('no')));
    await assert.rejects(failing, /no/);
  });

  it('hold what they found until their answer is out, its client has left, or they fail', async () => {
    const listed = new ListedReads(options);
    const found = (bytes: number, body: () => ApiAnswer['body']) => (_: AbortSignal, held: HeldList) => {
      held.take(bytes);
      return Promise.resolve({ httpStatus: 200, body: body() });
    };
    async function* pieces(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(1);
      yield new Uint8Array(1);
    }
    const client = new AbortController();
    const [left, read] = await Promise.all([
      listed.answer(greedy, client.signal, found(100_000, pieces)),
      listed.answer(modest, never, found(200_000, pieces)),
    ]);
    assert.equal(memory.used, 300_000);
    const isFull = (error: unknown) => error instanceof Failure && error.kind === 'unavailable';
    await assert.rejects(listed.answer(greedy, never, found(400_000, pieces)), isFull);
    assert.equal(memory.used, 300_000);
    client.abort(new Error('left'));
    await turn();
    assert.equal(memory.used, 200_000);
    for await (const _piece of read.body as AsyncGenerator<Uint8Array>);
    await turn();
    assert.equal(memory.used, 0);
    const isTooMuch = (error: unknown) => error instanceof Failure && error.kind === 'query_limit';
    await assert.rejects(listed.answer(greedy, never, found(600_000, pieces)), isTooMuch);
    await listed.answer(
      greedy,
      never,
      found(1_000, () => new Uint8Array(1)),
    );
    await turn();
    assert.equal(memory.used, 0);
    assert.ok(left.body !== undefined);
  });

  it('end when they take too long, waiting included', async () => {
    const listed = new ListedReads({ ...options, timeoutMs: 20 });
    assert.equal(await listed.take(modest, never, new Read().run), 'given up');
    for (let i = 0; i < 4; i++) void listed.take(greedy, never, () => new Promise(() => undefined));
    const isLate = (error: unknown) => error instanceof Failure && error.kind === 'timeout';
    await assert.rejects(listed.take(greedy, never, new Read().run), isLate);
  });
});
