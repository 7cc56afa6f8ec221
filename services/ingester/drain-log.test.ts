import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DrainLog } from './drain-log.ts';

/** What follows a log, as far as draining looks at it. */
const followerAt = (position: number, end: number) => ({
  position,
  end,
  floor: 0 as number | undefined,
  damagedAt: undefined as number | undefined,
  gap: undefined as string | undefined,
  async endNow(): Promise<number> {
    return this.end;
  },
});

describe('draining a log', () => {
  it('waits for what the log held when it began, and for that to be below the floor; not for what comes later', async () => {
    const follower = followerAt(3, 5);
    const drain = new DrainLog(() => follower);
    assert.equal(drain.unsafe(), undefined, 'it has not begun');
    assert.equal(await drain.behind(), 'the log: offset 3 of 5 is applied');
    follower.end = 9;
    follower.position = 5;
    assert.equal(await drain.behind(), undefined);
    follower.floor = 4;
    assert.match(drain.unsafe() ?? '', /it is at offset 4, and must be at 5/);
    follower.floor = 5;
    assert.equal(drain.unsafe(), undefined);
  });

  it('names a record that was set aside, and does not go on without the log', async () => {
    const follower = followerAt(5, 5);
    const drain = new DrainLog(() => follower);
    await drain.behind();
    follower.floor = 2;
    follower.damagedAt = 2;
    assert.match(drain.unsafe() ?? '', /could not be taken in, at offset 2/);
    await assert.rejects(new DrainLog(() => undefined).behind(), { kind: 'unavailable' });
    follower.gap = 'the log was cut short';
    await assert.rejects(drain.behind(), { kind: 'unavailable', message: 'the log was cut short' });
  });
});
