import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ReadConsistency } from '../../libs/contracts/ingester.ts';
import { Failure } from '../../libs/errors/failure.ts';
import { LogFreshness, type LogOwner } from './log-freshness.ts';

const away = new Failure('unavailable', 'it is away');

/** An owner of a partition that has applied the log up to a position. */
class FakeOwner implements LogOwner<string> {
  readonly name: string;
  position: number;
  failure: Failure | undefined;
  /** Offsets that it was asked to wait for. */
  readonly waited: number[] = [];
  reads = 0;
  /** It gets there while it is waited for. */
  reaches: number | undefined;

  constructor(name: string, position: number) {
    this.name = name;
    this.position = position;
  }

  async applied(offset: number): Promise<number> {
    this.waited.push(offset);
    await Promise.resolve();
    if (this.failure !== undefined) throw this.failure;
    if (this.reaches !== undefined) this.position = this.reaches;
    return this.position;
  }

  async read(): Promise<string> {
    this.reads++;
    if (this.failure !== undefined) throw this.failure;
    return this.name;
  }
}

/** A read of a log whose partitions end where `ends` says when it is asked. */
function readOf(consistency: ReadConsistency, ends: () => Promise<readonly number[]>): LogFreshness {
  return new LogFreshness({ consistency, ends });
}

const endsAt = (end: number) => async () => [end];

describe('a read of who follows a log', () => {
  it('takes the end of the log once, when it begins', async () => {
    let end = 5;
    let asked = 0;
    const read = readOf('default', async () => {
      asked++;
      return [end];
    });
    read.begin();
    end = 9;
    const owner = new FakeOwner('a', 5);
    assert.deepEqual(await read.ask(0, [owner]), { answer: 'a', warning: undefined });
    assert.deepEqual(await read.ask(0, [owner]), { answer: 'a', warning: undefined });
    assert.equal(asked, 1);
    assert.deepEqual(owner.waited, [5, 5]);
  });

  it('is answered by an owner that has applied what came before the end, not by one that has not', async () => {
    const [behind, there] = [new FakeOwner('behind', 4), new FakeOwner('there', 5)];
    assert.deepEqual(await readOf('default', endsAt(5)).ask(0, [behind, there]), {
      answer: 'there',
      warning: undefined,
    });
    assert.equal(behind.reads, 0);
    behind.reaches = 5;
    assert.deepEqual(await readOf('strong', endsAt(5)).ask(0, [behind]), { answer: 'behind', warning: undefined });
  });

  it('where nobody gets there the owner that is furthest answers, with a warning; a strong one fails', async () => {
    const owners = [new FakeOwner('a', 3), new FakeOwner('b', 4), new FakeOwner('c', 2)];
    const { answer, warning } = await readOf('default', endsAt(5)).ask(0, owners);
    assert.equal(answer, 'b');
    assert.match(warning ?? '', /^partition 0: what was written last may be missing: offset 4 of 5 is applied/);
    await assert.rejects(readOf('strong', endsAt(5)).ask(0, owners), { kind: 'unavailable', message: warning });
  });

  it('the same where it cannot be known where the log ends', async () => {
    const noEnds = () => Promise.reject(away);
    const owners = [new FakeOwner('a', 3), new FakeOwner('b', 4)];
    const { answer, warning } = await readOf('default', noEnds).ask(0, owners);
    assert.equal(answer, 'b');
    assert.match(warning ?? '', /where the log ends cannot be known: it is away/);
    await assert.rejects(readOf('strong', noEnds).ask(0, owners), { kind: 'unavailable' });
  });

  it('the same for a partition of whose end nothing was said', async () => {
    const owner = new FakeOwner('a', 3);
    const { answer, warning } = await readOf('default', endsAt(5)).ask(1, [owner]);
    assert.equal(answer, 'a');
    assert.match(warning ?? '', /^partition 1: what was written last may be missing: where the log ends is not known/);
    await assert.rejects(readOf('strong', endsAt(5)).ask(1, [owner]), { kind: 'unavailable' });
  });

  it('an eventual one asks nobody where the log ends, and waits for nobody', async () => {
    const owner = new FakeOwner('a', 0);
    const read = readOf('eventual', () => Promise.reject(new Error('it was asked')));
    read.begin();
    assert.deepEqual(await read.ask(0, [owner]), { answer: 'a', warning: undefined });
    assert.deepEqual(owner.waited, []);
  });

  it('an owner that fails is replaced, a mistake in the question is not asked of another one', async () => {
    const [failing, there] = [new FakeOwner('failing', 5), new FakeOwner('there', 5)];
    failing.failure = away;
    assert.equal((await readOf('default', endsAt(5)).ask(0, [failing, there])).answer, 'there');
    await assert.rejects(readOf('default', endsAt(5)).ask(0, [failing]), { message: /no owner answers: it is away/ });
    failing.failure = new Failure('bad_data', 'no regular expression');
    await assert.rejects(readOf('default', endsAt(5)).ask(0, [failing, there]), { kind: 'bad_data' });
  });
});
