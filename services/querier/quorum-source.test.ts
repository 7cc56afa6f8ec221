import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HeadStatus, RecentRead, TimeSpan, WriteMarksOf } from '../../libs/contracts/ingester.ts';
import { Failure } from '../../libs/errors/failure.ts';
import type { Owner, PartitionState, RingTable } from '../../libs/ring/table.ts';
import { projectLabels } from '../../libs/series/project-labels.ts';
import type {
  ExemplarSeries,
  LabelQuery,
  Listed,
  SelectedSeries,
  SelectQuery,
  SeriesSource,
} from '../../libs/series/series-source.ts';
import { LogFreshness } from './log-freshness.ts';
import { MemorySource } from './memory-source.testing.ts';
import { QuorumSource, type ReadPeer } from './quorum-source.ts';

const query: LabelQuery = { selectors: [], minT: 1_000, maxT: 2_000, limit: 0 };
const noSignal = new AbortController().signal;

const away = new Failure('unavailable', 'it is away');

/** An ingester with one label value; it counts how often it was asked. */
class FakePeer implements ReadPeer {
  /** Number of its last write into any time. */
  lastWrite = 1;
  run = 7;

  async writeMarks(spans: readonly TimeSpan[]): Promise<WriteMarksOf> {
    if (this.failure !== undefined) throw this.failure;
    return { run: this.run, writes: spans.map(() => this.lastWrite) };
  }

  answers = true;
  durableBeforeMs = 0;
  asked = 0;
  failure: Failure | undefined;
  hangs = false;
  /** It answers with labels, and is gone before its chunks. */
  isLostMidway = false;
  onAsked: () => void = () => undefined;
  readonly value: string;

  constructor(value: string) {
    this.value = value;
  }

  source(): SeriesSource {
    const peer = this;
    return new (class extends MemorySource {
      override async labelValues(): Promise<Listed<string>> {
        peer.asked++;
        peer.onAsked();
        if (peer.hangs) return new Promise(() => undefined);
        if (peer.failure !== undefined) throw peer.failure;
        return { values: [peer.value, 'shared'], warnings: [] };
      }

      override async exemplars(): Promise<Listed<ExemplarSeries>> {
        if (peer.failure !== undefined) throw peer.failure;
        return { values: [], warnings: [] };
      }

      override async select(): Promise<SelectedSeries> {
        if (peer.failure !== undefined) throw peer.failure;
        if (peer.isLostMidway) {
          this.beforeBatch = () => Promise.reject(away);
        }
        return super.select({ matchers: [], minT: 0, maxT: 10_000 });
      }

      async selectProjected(_: SelectQuery, names: readonly string[], signal: AbortSignal): Promise<SelectedSeries> {
        const selected = await this.select();
        return { ...selected, labels: await projectLabels(selected.labels, names, signal) };
      }
    })([{ labels: { __name__: 'm', peer: peer.value }, samples: [[1_500, 1]] }]);
  }

  /** Where it has come in the log; what is asked of it beyond is not waited for. */
  position = 0;

  async applied(): Promise<number> {
    if (this.failure !== undefined) throw this.failure;
    return this.position;
  }

  async headStatus(): Promise<HeadStatus> {
    const counted = [{ name: this.value, count: 2 }];
    return {
      series: 2,
      labelPairs: 1,
      chunks: 1,
      minT: 5,
      maxT: 6,
      seriesByMetric: counted,
      valuesByLabel: counted,
      bytesByLabel: [],
      seriesByPair: [],
    };
  }
}

class Room {
  readonly peers = new Map<string, FakePeer>();
  heard = 1;
  refreshed = 0;
  /** What its selects rested on. */
  readonly reads: RecentRead[] = [];
  table: RingTable;
  onRefresh: () => void = () => undefined;
  readonly source: QuorumSource;

  constructor(zones: readonly string[], states: readonly PartitionState[], freshness?: LogFreshness) {
    const ownerOf = (zone: string, id: number): Owner => {
      const instance = `${zone}${id}`;
      this.peers.set(instance, new FakePeer(instance));
      return { instance, zone, address: '', incarnation: '', starts: 1, completeFromMs: 0 };
    };
    this.table = {
      version: 1,
      clusterId: 'c',
      epoch: 1,
      replicationFactor: zones.length,
      gateways: [],
      partitions: states.map((state, id) => ({
        id,
        state,
        stateSinceMs: 0,
        owners: zones.map((zone) => ownerOf(zone, id)),
      })),
    };
    this.source = this.sourceWith(freshness);
  }

  sourceWith(freshness: LogFreshness | undefined): QuorumSource {
    return new QuorumSource({
      table: () => this.table,
      heardEpoch: () => Math.max(this.heard, this.table.epoch),
      refresh: async () => {
        this.refreshed++;
        this.onRefresh();
      },
      peerOf: ({ instance }) => this.peers.get(instance),
      zone: 'b',
      freshness,
      onRead: (read) => this.reads.push(read),
    });
  }

  peer(name: string): FakePeer {
    return this.peers.get(name) as FakePeer;
  }

  async values(): Promise<readonly string[]> {
    return (await this.source.labelValues('x', query, noSignal)).values;
  }

  incomplete(zone: string, completeFromMs: number): void {
    const partitions = this.table.partitions.map((one) => ({
      ...one,
      owners: one.owners.map((owner) => (owner.zone === zone ? { ...owner, completeFromMs } : owner)),
    }));
    this.table = { ...this.table, partitions };
  }
}

const roomOf = (zones: readonly string[], states: readonly PartitionState[]): Room => new Room(zones, states);

const failureOf = async (promise: Promise<unknown>): Promise<Failure> => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof Failure, String(error));
  return error;
};

describe('a read of the ingesters', () => {
  it('asks R owners of each partition, those of the own zone first, and unites their answers', async () => {
    const room = roomOf(['a', 'b', 'c'], ['active', 'inactive']);
    const values = await room.values();
    assert.ok(values.includes('b0') && values.includes('b1') && values.includes('shared'));
    assert.equal(values.length, 5);
    assert.equal(
      [...room.peers.values()].reduce((sum, { asked }) => sum + asked, 0),
      4,
    );
    const { labels } = await room.source.select({ matchers: [], minT: 1_000, maxT: 2_000 }, noSignal);
    assert.equal(labels.begin.length - 1, 4);
  });

  it('leaves labels out where one answer is the whole', async () => {
    const select: SelectQuery = { matchers: [], minT: 1_000, maxT: 2_000 };
    const alone = roomOf(['a'], ['active']);
    const { labels } = (await alone.source.selectProjected?.(select, ['__name__'], noSignal)) ?? assert.fail();
    assert.deepEqual([labels.strings, labels.setOf], [['__name__', 'm'], Uint32Array.of(0)]);
    assert.equal(alone.reads.length, 1);
    alone.peer('a0').failure = away;
    await failureOf(alone.source.selectProjected?.(select, [], noSignal) ?? assert.fail());
    for (const room of [roomOf(['a'], ['active', 'inactive']), roomOf(['a', 'b', 'c'], ['active'])]) {
      assert.equal(room.source.selectProjected, undefined);
    }
    // A table that came meanwhile has another partition.
    const grown = roomOf(['a'], ['active', 'active']);
    const { table } = grown;
    grown.table = { ...table, partitions: table.partitions.slice(0, 1) };
    const source = grown.sourceWith(undefined);
    grown.table = table;
    const both = (await source.selectProjected?.(select, ['__name__'], noSignal)) ?? assert.fail();
    assert.equal(both.labels.begin.length - 1, 2);
    assert.ok(both.labels.strings.includes('a1'));
  });

  it('asks another one in the place of one that fails, and one that does not answer last', async () => {
    const room = roomOf(['a', 'b', 'c'], ['active']);
    room.peer('b0').failure = away;
    assert.deepEqual(await room.values(), ['a0', 'c0', 'shared']);
    room.peer('b0').failure = undefined;
    room.peer('a0').answers = false;
    assert.deepEqual(await room.values(), ['b0', 'c0', 'shared']);
  });

  it('one that is lost between labels and chunks is replaced', async () => {
    const room = roomOf(['a', 'b', 'c'], ['active']);
    room.peer('b0').isLostMidway = true;
    const selected = await room.source.select({ matchers: [], minT: 1_000, maxT: 2_000 }, noSignal);
    let series = 0;
    for await (const batch of selected.chunks(noSignal)) series += batch.chunkBegin.length - 1;
    assert.equal(series, 2);
    assert.ok(selected.labels.strings.includes('a0') && selected.labels.strings.includes('c0'));
  });

  it('one that hangs is not waited for', async () => {
    const room = roomOf(['a', 'b', 'c'], ['active']);
    room.peer('b0').hangs = true;
    assert.deepEqual(await room.values(), ['a0', 'c0', 'shared']);
  });

  it('with fewer than R there is no answer but an error that names what is missing', async () => {
    const room = roomOf(['a', 'b', 'c'], ['active', 'active']);
    room.peer('a1').failure = away;
    room.peer('c1').failure = new Failure('timeout', 'c1 is slow');
    const failure = await failureOf(room.values());
    assert.equal(failure.kind, 'unavailable');
    assert.match(failure.message, /partition 1: 1 of the 2 owners that must answer a read did: .*c1 is slow/);
  });

  it('who lacks what came before counts only for what came after', async () => {
    const room = roomOf(['a', 'b', 'c'], ['active']);
    room.incomplete('a', 1_001);
    room.peer('b0').failure = away;
    assert.match(
      (await failureOf(room.values())).message,
      /a0 \(zone a\) lacks what came before 1970-01-01T00:00:01.001Z/,
    );
    room.incomplete('a', 1_000);
    assert.deepEqual(await room.values(), ['a0', 'c0', 'shared']);
  });

  it('ends before what R owners have brought to the bucket: it is answered without those that are gone', async () => {
    const room = roomOf(['a', 'b', 'c'], ['active', 'active']);
    const others = ['a0', 'b0', 'shared'];
    const gone = ['a1', 'b1', 'c1'].map((name) => room.peer(name));
    const [a1, b1, c1] = gone as [FakePeer, FakePeer, FakePeer];
    for (const peer of gone) peer.failure = away;
    room.peer('c0').failure = away;
    a1.durableBeforeMs = 9_000;
    await failureOf(room.values());
    c1.durableBeforeMs = query.maxT;
    await failureOf(room.values());
    c1.durableBeforeMs = query.maxT + 1;
    assert.deepEqual(await room.values(), others, 'they were thought to be there');
    for (const peer of gone) peer.answers = false;
    assert.deepEqual(await room.values(), others);
    room.incomplete('a', 1_000);
    room.peer('c0').failure = undefined;
    assert.ok(
      (await failureOf(room.values())).message.startsWith('partition 1'),
      'one that lost its disk says nothing',
    );
    b1.durableBeforeMs = 9_000;
    assert.deepEqual(await room.values(), ['a0', 'b0', 'shared']);
    // Who answers is asked, whatever it said before.
    b1.failure = undefined;
    b1.answers = true;
    c1.failure = undefined;
    c1.answers = true;
    assert.deepEqual(await room.values(), ['a0', 'b0', 'b1', 'c1', 'shared']);
    // They are in no block.
    b1.failure = away;
    c1.failure = away;
    await failureOf(room.source.exemplars(query, noSignal));
  });

  it('of RF 2 one owner is enough, of RF 1 none can be away', async () => {
    const two = roomOf(['a', 'b'], ['active']);
    two.peer('b0').failure = away;
    assert.deepEqual(await two.values(), ['a0', 'shared']);
    const one = roomOf(['b'], ['active']);
    one.peer('b0').failure = away;
    await failureOf(one.values());
  });

  it('a mistake in the question is not asked of another one', async () => {
    const room = roomOf(['a', 'b', 'c'], ['active']);
    for (const { value } of room.peers.values())
      room.peer(value).failure = new Failure('bad_data', 'no regular expression');
    assert.equal((await failureOf(room.values())).kind, 'bad_data');
    assert.ok([...room.peers.values()].filter(({ asked }) => asked > 0).length <= 2);
  });

  it('asks everything again when somebody knows a newer table', async () => {
    const room = roomOf(['a'], ['active', 'pending']);
    room.peer('a0').onAsked = () => {
      room.heard = 2;
    };
    room.onRefresh = () => {
      room.table = {
        ...room.table,
        epoch: 2,
        partitions: room.table.partitions.map((one) => ({ ...one, state: 'active' })),
      };
    };
    assert.deepEqual(await room.values(), ['a0', 'a1', 'shared']);
    assert.equal(room.refreshed, 1);
  });

  it('a table that cannot be had ends in an error, not in an answer by the old one', async () => {
    const room = roomOf(['a'], ['active']);
    room.heard = 9;
    assert.match((await failureOf(room.values())).message, /table of the ring changed/);
  });

  it('a pending partition with all its owners is asked: in the next table it may have been written to', async () => {
    const room = roomOf(['a'], ['active', 'pending']);
    assert.deepEqual(await room.values(), ['a0', 'a1', 'shared']);
    const young = roomOf(['a'], ['pending']);
    assert.deepEqual(await young.values(), ['a0', 'shared']);
  });

  it('one that lacks owners is not, where there is another: it cannot be active before that is heard of', async () => {
    const room = roomOf(['a', 'b'], ['active', 'pending']);
    const [first, second] = room.table.partitions;
    assert.ok(first !== undefined && second !== undefined);
    room.table = { ...room.table, partitions: [first, { ...second, owners: second.owners.slice(0, 1) }] };
    room.peer('a1').failure = away;
    assert.deepEqual(await room.values(), ['b0', 'shared']);
  });

  it('owners of a pending partition that do not answer yet are waited for', async () => {
    const room = roomOf(['a'], ['active', 'pending']);
    room.peer('a1').failure = away;
    room.peer('a1').onAsked = () => {
      if (room.peer('a1').asked === 3) room.peer('a1').failure = undefined;
    };
    assert.deepEqual(await room.values(), ['a0', 'a1', 'shared']);
    assert.equal(room.peer('a1').asked, 3);
  });

  it('sums what heads hold over partitions, not over replicas', async () => {
    const room = roomOf(['a', 'b', 'c'], ['active', 'active']);
    const status = await room.source.headStatus(10, noSignal);
    assert.equal(status.series, 4);
    assert.equal(status.seriesByMetric.length, 2);
  });

  it('warns in every form of answer where the end of the log cannot be known', async () => {
    const freshness = new LogFreshness({ consistency: 'default', ends: () => Promise.reject(away) });
    const { source, reads } = new Room(['a', 'b'], ['active'], freshness);
    const answers = {
      select: await source.select({ matchers: [], minT: 1_000, maxT: 2_000 }, noSignal),
      labelNames: await source.labelNames(query, noSignal),
      labelValues: await source.labelValues('x', query, noSignal),
      series: await source.series(query, noSignal),
      exemplars: await source.exemplars(query, noSignal),
      metadata: await source.metadata(undefined, 0, 0),
    };
    assert.equal(reads.length, 1, 'the select has marks');
    for (const [form, { warnings }] of Object.entries(answers)) {
      assert.match(warnings.join(), /what was written last may be missing/, form);
    }
    assert.equal((await source.headStatus(10, noSignal)).series, 2);
  });

  it('says whether nothing was written since it read', async () => {
    const room = roomOf(['a', 'b', 'c'], ['active', 'active']);
    await room.source.select({ matchers: [], minT: 1_000, maxT: 2_000 }, noSignal);
    const reads = [...room.reads];
    const asked = reads[0]?.marks.map(({ owner }) => JSON.parse(owner)[0]) ?? [];
    assert.equal(asked.length, 4, 'R owners of both partitions');
    const isUnchanged = () => room.source.isUnchanged(reads, noSignal);
    assert.equal(await isUnchanged(), true);
    const one = room.peer(asked[0]);
    one.lastWrite++;
    assert.equal(await isUnchanged(), false, 'a write');
    one.lastWrite--;
    one.run++;
    assert.equal(await isUnchanged(), false, 'a restart, of which nobody knows what was written before');
    one.run--;
    one.failure = away;
    assert.equal(await isUnchanged(), false, 'an ingester that does not say');
    one.failure = undefined;
    assert.equal(await isUnchanged(), true);
    one.answers = false;
    assert.equal(await isUnchanged(), false, 'an ingester that would be waited for');
    one.answers = true;
    room.heard = 2;
    assert.equal(await isUnchanged(), false, 'a newer table');
    room.heard = 1;
    const [first] = room.table.partitions;
    room.table = {
      ...room.table,
      partitions: [...room.table.partitions, { ...(first as (typeof room.table.partitions)[number]), id: 7 }],
    };
    assert.equal(await isUnchanged(), false, 'a partition that was not read');
  });

  it('says so behind a log only when the owner that answered has applied what it holds', async () => {
    let end = 5;
    let ends: () => Promise<readonly number[]> = async () => [end];
    const freshness = (): LogFreshness => new LogFreshness({ consistency: 'default', ends: () => ends() });
    const room = new Room(['a', 'b'], ['active'], freshness());
    for (const peer of room.peers.values()) peer.position = end;
    await room.source.select({ matchers: [], minT: 1_000, maxT: 2_000 }, noSignal);
    const reads = [...room.reads];
    const asked = reads[0]?.marks.map(({ owner }) => JSON.parse(owner)[0]) ?? [];
    assert.deepEqual(asked, ['b0'], 'one owner, of the own zone');
    const isUnchanged = () => room.sourceWith(freshness()).isUnchanged(reads, noSignal);
    assert.equal(await isUnchanged(), true);
    room.peer('a0').failure = away;
    assert.equal(await isUnchanged(), true, 'the other owner has not answered');
    end = 6;
    assert.equal(await isUnchanged(), false, 'a record that is not applied yet may have changed it');
    room.peer('b0').position = 6;
    assert.equal(await isUnchanged(), true, 'it had nothing of that time');
    room.peer('b0').lastWrite++;
    assert.equal(await isUnchanged(), false, 'a write');
    room.peer('b0').lastWrite--;
    ends = () => Promise.reject(away);
    assert.equal(await isUnchanged(), false, 'nobody knows where the log ends');
    ends = async () => [];
    assert.equal(await isUnchanged(), false, 'a partition that the log does not have');
  });
});
