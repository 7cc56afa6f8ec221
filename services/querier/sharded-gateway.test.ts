/** Which store-gateway reads which block, and what happens where one fails: another one, or an error that names a block. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StoreGatewayContract } from '../../libs/contracts/store-gateway.ts';
import { Failure, type FailureKind } from '../../libs/errors/failure.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import type { Gateway } from '../../libs/ring/table.ts';
import { selectRows } from '../../libs/tsdb/block/block-source.testing.ts';
import { MemorySource } from './memory-source.testing.ts';
import { ShardedGateway } from './sharded-gateway.ts';

const tenant = parseTenantId('a');
const { signal } = new AbortController();
const whole = { matchers: [], minT: 0, maxT: 1e12 };
const blocks = Array.from({ length: 60 }, (_, i) => `01JDKQ00000000000000000${String(i).padStart(3, '0')}`);
const series = Array.from({ length: 11 }, (_, i) => ({
  labels: { __name__: 'm', i: String(i).padStart(2, '0') },
  samples: [[1000, i] as const, [2000, i + 1] as const],
}));

/** A store-gateway of which every block holds the same series. */
class FakeGateway implements StoreGatewayContract {
  readonly source_ = new MemorySource(series);
  readonly asked: string[][] = [];
  answers = true;

  source(_: unknown, names: readonly string[]): ReturnType<StoreGatewayContract['source']> {
    this.asked.push([...names]);
    return { source: this.source_, reads: () => ({ blocks: names, requests: 1, bytes: 10, cachedBytes: 0 }) };
  }

  get blocksAsked(): string[] {
    return this.asked.flat();
  }
}

class Room {
  readonly fakes: ReadonlyMap<string, FakeGateway>;
  readonly gateways: Gateway[];
  readonly retries: string[] = [];
  readonly sharded: ShardedGateway;

  constructor(names: readonly string[], zone = 'a') {
    this.fakes = new Map(names.map((name) => [name, new FakeGateway()]));
    this.gateways = names.map((instance) => ({ instance, zone: instance.slice(0, 1), address: '' }));
    this.sharded = new ShardedGateway({
      gateways: () => this.gateways,
      peerOf: ({ instance }) => {
        const gateway = this.fakes.get(instance);
        return gateway === undefined ? undefined : { answers: gateway.answers, gateway };
      },
      replicationFactor: 2,
      zone,
      onRetry: ({ instance }, reason) => this.retries.push(`${instance}: ${reason}`),
    });
  }

  of(name: string): FakeGateway {
    return this.fakes.get(name) as FakeGateway;
  }

  fail(name: string, kind: FailureKind = 'unavailable'): void {
    this.of(name).source_.failure = new Failure(kind, `${name} failed`);
  }
}

const expected = await selectRows(new MemorySource(series), whole);

describe('blocks over store-gateways', () => {
  it('each is asked of one of them; together they are all of them', async () => {
    const room = new Room(['a0', 'a1', 'a2']);
    const { source, reads } = room.sharded.source(tenant, blocks);
    assert.deepEqual(
      (await selectRows(source, whole)).map(([labels]) => labels),
      expected.map(([labels]) => labels),
    );
    const asked = [...room.fakes.values()].map(({ blocksAsked }) => blocksAsked);
    assert.deepEqual(asked.flat().toSorted(), blocks);
    for (const share of asked) assert.ok(share.length > 8, `${share.length}`);
    assert.deepEqual([...reads().blocks].toSorted(), blocks);
    assert.equal(reads().requests, 3);
  });

  it('the own zone is asked where it has an owner', async () => {
    for (const zone of ['a', 'b']) {
      const room = new Room(['a0', 'a1', 'b0', 'b1'], zone);
      await room.sharded.source(tenant, blocks).source.labelNames({ selectors: [], ...whole, limit: 0 }, signal);
      for (const [name, { blocksAsked }] of room.fakes)
        assert.equal(blocksAsked.length > 0, name.startsWith(zone), name);
    }
  });

  it('one more moves its share and nothing else', async () => {
    const shareOf = (room: Room, block: string): string | undefined => {
      for (const fake of room.fakes.values()) fake.asked.length = 0;
      room.sharded
        .source(tenant, [block])
        .source.labelNames({ selectors: [], ...whole, limit: 0 }, signal)
        .catch(() => 0);
      return [...room.fakes].find(([, { asked }]) => asked.length > 0)?.[0];
    };
    const before = new Room(['a0', 'a1', 'a2']);
    const after = new Room(['a0', 'a1', 'a2', 'a3']);
    const moved = blocks.filter((block) => shareOf(before, block) !== shareOf(after, block));
    assert.ok(moved.length > 5 && moved.length < 25, String(moved.length));
    for (const block of moved) assert.equal(shareOf(after, block), 'a3');
  });

  for (const kind of ['unavailable', 'timeout', 'internal'] as const) {
    it(`another one is asked where one fails: ${kind}`, async () => {
      const room = new Room(['a0', 'b0', 'c0']);
      room.fail('a0', kind);
      const { source, reads } = room.sharded.source(tenant, [blocks[0] as string]);
      assert.deepEqual(await selectRows(source, whole), expected);
      assert.deepEqual(reads().blocks, [blocks[0]]);
      assert.deepEqual(room.retries, ['a0: a0 failed']);
    });
  }

  it('a mistake of the caller, or a block that is gone, is not asked again elsewhere', async () => {
    const room = new Room(['a0', 'b0', 'c0']);
    room.fail('a0', 'not_found');
    await assert.rejects(selectRows(room.sharded.source(tenant, [blocks[0] as string]).source, whole), {
      kind: 'not_found',
    });
    assert.equal(room.of('b0').asked.length + room.of('c0').asked.length, 0);
  });

  it('who does not answer is asked last', async () => {
    const room = new Room(['a0', 'a1']);
    room.of('a0').answers = false;
    await selectRows(room.sharded.source(tenant, blocks).source, whole);
    assert.equal(room.of('a0').asked.length, 0);
    assert.deepEqual(room.of('a1').blocksAsked, blocks);
  });

  it('where nobody can, the error names a block and says why', async () => {
    const room = new Room(['a0', 'b0']);
    room.fail('a0');
    room.fail('b0');
    await assert.rejects(selectRows(room.sharded.source(tenant, blocks.slice(0, 3)).source, whole), {
      kind: 'unavailable',
      message: `block ${blocks[0]} and 2 more of tenant a cannot be read: a0 failed; b0 failed`,
    });
    room.fail('a0', 'internal');
    room.fail('b0', 'internal');
    await assert.rejects(selectRows(room.sharded.source(tenant, blocks.slice(0, 1)).source, whole), {
      kind: 'internal',
    });
    await assert.rejects(selectRows(new Room([]).sharded.source(tenant, blocks).source, whole), {
      kind: 'unavailable',
      message: /no store-gateway has joined the ring/,
    });
  });

  it('one that breaks off while its chunks come is replaced from the next series on, whatever its batches are', async () => {
    for (let breakAt = 0; breakAt < 6; breakAt++) {
      const room = new Room(['a0', 'b0', 'c0']);
      room.of('b0').source_.batchSize = 3;
      room.of('c0').source_.batchSize = 3;
      let given = 0;
      room.of('a0').source_.beforeBatch = async () => {
        if (given++ === breakAt) throw new Failure('unavailable', 'a0 was lost');
      };
      const { source, reads } = room.sharded.source(tenant, [blocks[0] as string]);
      assert.deepEqual(await selectRows(source, whole), expected, `break at ${breakAt}`);
      assert.deepEqual(room.retries, ['a0: a0 was lost']);
      assert.deepEqual(reads().blocks, [blocks[0]]);
    }
  });

  it('one that has other series than the one before is not mixed with it', async () => {
    const room = new Room(['a0', 'b0']);
    room.of('b0').source_.add({ __name__: 'other' }, [[1, 1]]);
    room.of('a0').source_.beforeBatch = () => Promise.reject(new Failure('unavailable', 'a0 was lost'));
    await assert.rejects(selectRows(room.sharded.source(tenant, [blocks[0] as string]).source, whole), /a0 was lost/);
  });

  it('one that is frozen is given up when it is seen not to answer', async () => {
    const room = new Room(['a0', 'b0']);
    room.of('a0').source_.labelNames = (_, stop?: AbortSignal) =>
      new Promise((_resolve, reject) => stop?.addEventListener('abort', () => reject(stop.reason)));
    const names = room.sharded
      .source(tenant, [blocks[0] as string])
      .source.labelNames({ selectors: [], ...whole, limit: 0 }, signal);
    room.of('a0').answers = false;
    assert.deepEqual((await names).values, ['__name__', 'i']);
    assert.deepEqual(room.retries, ['a0: a0 (zone a) does not answer']);
  });
});
