import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type CallWork, QuerierLost, type TakenWork, type WorkHead } from '../../libs/contracts/query-work.ts';
import { Failure } from '../../libs/errors/failure.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import { type WorkAnswer, WorkRunner } from './run-work.ts';

const head: WorkHead = {
  httpStatus: 200,
  contentType: '',
  headers: [],
  gzip: false,
  hasBody: true,
  retryAfterSeconds: 0,
};
const never = new AbortController().signal;

function workOf(tenant: string, form = ''): CallWork {
  const rest = {
    form,
    labelName: '',
    body: new Uint8Array(0),
    accept: '',
    gzip: false,
    consistency: 'default',
  } as const;
  return { kind: 'call', tenant: parseTenantId(tenant), path: '/api/v1/query', ...rest };
}

function runnerOf(queuedMax = 100, perTenantMax = 100) {
  const counts = { retries: 0, waited: () => undefined };
  return { counts, runner: new WorkRunner(queuedMax, perTenantMax, counts) };
}

const ask = (runner: WorkRunner, work: CallWork, signal: AbortSignal = never, timeoutMs = 60_000) =>
  runner.run(work, { timeoutMs, signal });
const take = (runner: WorkRunner, querier: string, spares = 0) =>
  runner.take({ lane: 'evaluations', spares }, querier, never);
const bytes = (text: string) => Buffer.from(text);
const answerWith = (taken: TakenWork, text: string) => taken.give({ head, piece: bytes(text), last: true });

async function textOf({ pieces }: WorkAnswer): Promise<string> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all).toString();
}

const rejectsWith = (kind: string, words: RegExp) => (error: unknown) =>
  error instanceof Failure && error.kind === kind && words.test(error.message);

describe('work for queriers', () => {
  it('goes to whoever waits, and its answer comes back whole', async () => {
    const { runner } = runnerOf();
    const waiting = take(runner, 'q1');
    const answer = ask(runner, workOf('a', 'x=1'));
    const taken = await waiting;
    assert.equal(taken.work.kind === 'call' && taken.work.form, 'x=1');
    await taken.give({ head, piece: bytes('one '), last: false });
    await answerWith(taken, 'two');
    assert.equal(await textOf(await answer), 'one two');
    assert.equal(runner.queue.inHand, 0);
  });

  it('waits in turn by tenant, and lists have a lane of their own', async () => {
    const { runner } = runnerOf();
    const order: string[] = [];
    for (const tenant of ['a', 'a', 'a', 'b']) void ask(runner, workOf(tenant)).catch(() => undefined);
    void ask(runner, { ...workOf('c'), path: '/api/v1/labels' }).catch(() => undefined);
    for (let i = 0; i < 4; i++) order.push((await take(runner, 'q')).work.tenant);
    assert.deepEqual(order, ['a', 'b', 'a', 'a']);
    assert.equal((await runner.take({ lane: 'lists', spares: 0 }, 'q', never)).work.tenant, 'c');
  });

  it('leaves a querier room for a tenant of whom it has nothing', async () => {
    const { runner } = runnerOf();
    const takes = ['q', 'q', 'q', 'q'].map((querier) => take(runner, querier, 1));
    assert.equal(runner.queue.evaluators, 3);
    for (let i = 0; i < 5; i++) void ask(runner, workOf('a', `${i}`)).catch(() => undefined);
    const [first] = await Promise.all(takes.slice(0, 3));
    assert.deepEqual([runner.queue.inHand, runner.queue.lengthOf('evaluations')], [3, 2]);
    void ask(runner, workOf('b')).catch(() => undefined);
    const other = await (takes[3] as Promise<TakenWork>);
    assert.equal(other.work.tenant, 'b');
    void ask(runner, workOf('b')).catch(() => undefined);
    assert.equal(runner.queue.lengthOf('evaluations'), 3);
    // It does one less than it usually may, and then has the last one left.
    await answerWith(other, '');
    await answerWith(first as TakenWork, '');
    assert.equal((await take(runner, 'q', 1)).work.tenant, 'b');
    const last = take(runner, 'q', 1);
    await assert.rejects(Promise.race([last, Promise.reject(new Error('nothing for it'))]), /nothing for it/);
    void ask(runner, workOf('c')).catch(() => undefined);
    assert.equal((await last).work.tenant, 'c');
    assert.equal((await take(runner, 'elsewhere', 1)).work.tenant, 'a');
  });

  it('leaves it room for lists of another tenant as well, and for the question whether what is kept is still true', async () => {
    const { runner } = runnerOf();
    const list = (tenant: string) =>
      void ask(runner, { ...workOf(tenant), path: '/api/v1/labels' }).catch(() => undefined);
    const takes = [1, 2, 3].map(() => runner.take({ lane: 'lists', spares: 1 }, 'q', never));
    for (let i = 0; i < 5; i++) list('a');
    for (const one of takes.slice(0, 2)) assert.equal((await one).work.tenant, 'a');
    assert.equal(runner.queue.lengthOf('lists'), 3);
    const check = { kind: 'check', tenant: parseTenantId('b'), witnesses: [] } as const;
    void runner.run(check, { timeoutMs: 60_000, signal: never }).catch(() => undefined);
    assert.equal((await takes[2])?.work.kind, 'check');
  });

  it('ten thousand of one tenant are refused at its maximum, and another is served', async () => {
    const { runner } = runnerOf(2000, 1000);
    const outcomes = Array.from({ length: 10_000 }, () => ask(runner, workOf('many')));
    const refused = outcomes.map((one) =>
      one.then(
        () => undefined,
        (error: unknown) => error,
      ),
    );
    const other = ask(runner, workOf('other'));
    assert.equal(runner.queue.lengthOf('evaluations'), 1001);
    const failures = await Promise.all(refused.slice(1000));
    assert.ok(failures.every(rejectsWith('rate_limited', /too many outstanding requests/)));
    await take(runner, 'q');
    const taken = await take(runner, 'q');
    assert.equal(taken.work.tenant, 'other');
    await answerWith(taken, 'served');
    assert.equal(await textOf(await other), 'served');
  });

  it('is tried at another querier when one is lost with it, and nothing of the first answer stays', async () => {
    const { runner, counts } = runnerOf();
    const answer = ask(runner, workOf('a'));
    const first = await take(runner, 'q1');
    await first.give({ head, piece: bytes('half of'), last: false });
    const sameAgain = take(runner, 'q1');
    await first.fail(new Failure('unavailable', 'lost'));
    const second = await take(runner, 'q2');
    await assert.rejects(first.give({ head, piece: bytes('late'), last: true }), rejectsWith('canceled', /nobody/));
    await answerWith(second, 'whole');
    assert.equal(await textOf(await answer), 'whole');
    assert.equal(counts.retries, 1);
    void ask(runner, workOf('b')).catch(() => undefined);
    assert.equal((await sameAgain).work.tenant, 'b');
  });

  it('comes back to the only querier there is, and is given up after some tries', async () => {
    const { runner, counts } = runnerOf();
    const answer = ask(runner, workOf('a'));
    answer.catch(() => undefined);
    for (let i = 0; i < 4; i++) await (await take(runner, 'q')).fail(new Failure('internal', `died ${i}`));
    await assert.rejects(answer, rejectsWith('internal', /died 3/));
    assert.equal(counts.retries, 3);
  });

  it('is given to one more querier when one is lost with it, and to none when that is lost too', async () => {
    const { runner, counts } = runnerOf();
    const answer = ask(runner, workOf('a'));
    answer.catch(() => undefined);
    await (await take(runner, 'q1')).fail(new Failure('internal', 'its worker died'));
    for (const name of ['q2', 'q3'])
      await (await take(runner, name)).fail(new QuerierLost('unavailable', `${name} lost`));
    await assert.rejects(answer, rejectsWith('unavailable', /q3 lost/));
    assert.deepEqual([counts.retries, runner.queue.lengthOf('evaluations'), runner.queue.inHand], [2, 0, 0]);
  });

  it('what is wrong with the question is not tried again', async () => {
    const { runner, counts } = runnerOf();
    const answer = ask(runner, workOf('a'));
    answer.catch(() => undefined);
    await (await take(runner, 'q')).fail(new Failure('bad_data', 'no'));
    await assert.rejects(answer, rejectsWith('bad_data', /no/));
    assert.equal(counts.retries, 0);
  });

  it('a client that leaves takes its work along, out of the queue or out of a querier', async () => {
    const { runner } = runnerOf();
    const client = new AbortController();
    const answers = [ask(runner, workOf('a'), client.signal), ask(runner, workOf('a'), client.signal)];
    for (const one of answers) one.catch(() => undefined);
    const taken = await take(runner, 'q');
    client.abort(new Failure('canceled', 'left'));
    for (const one of answers) await assert.rejects(one, rejectsWith('canceled', /left/));
    assert.equal(taken.signal.aborted, true);
    assert.equal(runner.queue.lengthOf('evaluations'), 0);
    await taken.fail(new Failure('canceled', 'stopped'));
    assert.equal(runner.queue.inHand, 0);
  });

  it('what nobody takes in its time is told so', async () => {
    const { runner } = runnerOf();
    await assert.rejects(ask(runner, workOf('a'), never, 5), rejectsWith('timeout', /query timed out in query queue/));
    assert.equal(runner.queue.lengthOf('evaluations'), 0);
  });

  it('an answer too large to be gathered streams, as fast as it is read', async () => {
    const { runner } = runnerOf();
    const answer = ask(runner, workOf('a'));
    const taken = await take(runner, 'q');
    const piece = Buffer.alloc(1 << 20, 1);
    let given = 0;
    const giving = (async () => {
      for (; given < 40; given++) await taken.give({ head, piece, last: false });
      await taken.give({ piece, last: true });
    })();
    const { pieces } = await answer;
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(given < 40, `${given} pieces are ahead of a reader that has not begun`);
    let read = 0;
    for await (const one of pieces) read += one.length;
    await giving;
    assert.equal(read, 41 << 20);
  });

  it('answers that were gathered count until they are written; beyond what they may take others stream', async () => {
    const { runner } = runnerOf();
    const piece = Buffer.alloc(8 << 20);
    const gather = async (): Promise<WorkAnswer> => {
      const answer = ask(runner, workOf('a'));
      const taken = await take(runner, 'q');
      const giving = taken
        .give({ head, piece, last: false })
        .then(() => taken.give({ piece: bytes('the end'), last: true }));
      const found = await answer;
      if (!('length' in found.pieces)) for await (const _ of found.pieces);
      await giving;
      return found;
    };
    const answers: WorkAnswer[] = [];
    while (answers.length < 100) {
      const answer = await gather();
      if (!('length' in answer.pieces)) break;
      answers.push(answer);
    }
    assert.ok(answers.length >= 30 && answers.length <= 32, `${answers.length} answers of 8 MB were gathered`);
    for (const { release } of answers) release();
    for (const { release } of answers) release();
    const { pieces, release } = await gather();
    assert.ok('length' in pieces);
    release();
  });

  it('what of a streamed answer was gathered counts until it is read', async () => {
    const { runner } = runnerOf();
    const piece = Buffer.alloc(16 << 20);
    const begin = async (): Promise<WorkAnswer> => {
      const answer = ask(runner, workOf('a'));
      const taken = await take(runner, 'q');
      await taken.give({ head, piece, last: false });
      const found = await answer;
      await taken.give({ piece: bytes('the end'), last: true });
      return found;
    };
    const answers = await Promise.all(Array.from({ length: 16 }, begin));
    const isGathered = async (): Promise<boolean> => {
      const answer = ask(runner, workOf('a'));
      const taken = await take(runner, 'q');
      const giving = taken
        .give({ head, piece: bytes('one'), last: false })
        .then(() => taken.give({ piece: bytes('two'), last: true }));
      const { pieces, release } = await answer;
      await giving;
      release();
      return 'length' in pieces;
    };
    assert.equal(await isGathered(), false);
    assert.equal((await textOf(answers[0] as WorkAnswer)).length, (16 << 20) + 7);
    assert.equal(await isGathered(), true);
  });
});
