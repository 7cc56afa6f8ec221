import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SeriesForgotten } from '../../libs/contracts/ingester.ts';
import type { WriteBatch } from '../../libs/contracts/write-batch.ts';
import { Failure } from '../../libs/errors/failure.ts';
import { canonicalizeLabels, labelsOfCanonical } from '../../libs/model/canonical-labels.ts';
import { Labels } from '../../libs/model/labels.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import type { Owner, RingTable } from '../../libs/ring/table.ts';
import { ByteSink } from '../../libs/std/byte-sink.ts';
import { decodePush, type PushReply } from '../../libs/wire/peer/push-message.ts';
import { ReplicatedWrite, type WritePeer } from './replicate-write.ts';

const tenant = parseTenantId('t');

/** An ingester that remembers what it was told, and can be away, slow, started anew. */
class FakeIngester implements WritePeer {
  answers = true;
  refEpoch = Math.floor(1 + Math.random() * 1e9);
  /** Series by number, from 1. */
  series: string[] = [''];
  readonly samples = new Set<string>();
  readonly metadata: string[] = [];
  /** Rows of each push that came with labels. */
  readonly labelled: number[] = [];
  refuse: RegExp | undefined;
  /** While set, replies wait. */
  held: Promise<void> | undefined;
  readonly #listeners: (() => void)[] = [];

  readonly client = {
    push: async (parts: readonly Uint8Array[]): Promise<PushReply> => {
      // The parts are reused when this returns.
      const request = Buffer.concat(parts);
      await this.held;
      if (!this.answers) throw new Failure('unavailable', 'it is away', { retryAfterSeconds: 1 });
      return this.#store(request);
    },
  };

  onReturn(listener: () => void): void {
    this.#listeners.push(listener);
  }

  leave(): void {
    this.answers = false;
  }

  comeBack(): void {
    this.answers = true;
    for (const listener of this.#listeners) listener();
  }

  startAnew(): void {
    this.refEpoch++;
    this.series = ['', ...this.series.slice(1).reverse()];
  }

  #store(request: Uint8Array): PushReply {
    const { batch, refEpoch } = decodePush(request);
    const none = { refEpoch: this.refEpoch, refs: new Uint32Array(0), rejected: [], exemplarsDropped: 0 };
    if (refEpoch !== 0 && refEpoch !== this.refEpoch) return { ...none, staleRefs: true };
    const refs: number[] = [];
    const rejected: PushReply['rejected'][number][] = [];
    let labelled = 0;
    for (let row = 0; row < batch.seriesCount; row++) {
      let ref = batch.refs[row] as number;
      if (ref === 0) {
        labelled++;
        const labels = labelsOfCanonical(
          batch.labelBytes,
          batch.labelsBegin[row] as number,
          batch.labelsEnd[row] as number,
        );
        const name = labels.get('__name__');
        if (this.refuse?.test(name) === true) {
          refs.push(0);
          rejected.push({ series: row, reason: `no ${name}`, samples: 1, histograms: 0, exemplars: 0 });
          continue;
        }
        ref = this.series.indexOf(name);
        if (ref < 0) ref = this.series.push(name) - 1;
        refs.push(ref);
      }
      const from = batch.sampleBegin[row] as number;
      for (let i = from; i < (batch.sampleBegin[row + 1] as number); i++) {
        this.samples.add(`${this.series[ref]} ${batch.sampleT[i]} ${batch.sampleV[i]}`);
      }
    }
    this.labelled.push(labelled);
    this.metadata.push(...batch.metadata.map(({ metric }) => metric));
    return { ...none, refs: Uint32Array.from(refs), rejected, staleRefs: false };
  }
}

function ownerOf(zone: string, id: number): Owner {
  const instance = `ingester-${zone}-${id}`;
  return { instance, zone, address: instance, incarnation: 'i', starts: 1, completeFromMs: 0 };
}

/** A distributor's half: it knows series by the numbers it was given, as push.ts does. */
class Room {
  readonly ingesters = new Map<string, FakeIngester>();
  readonly writes: ReplicatedWrite;
  table: RingTable;
  /** Newer ones, which were heard of and not fetched. */
  newer: RingTable[] = [];
  bucketIsAway = false;
  shardSize = 0;
  nowMs = 0;
  readonly requestBytesMax = 4_000;
  #known = new Map<string, number>();
  #refEpoch = 0;
  #t = 0;

  constructor(zones: readonly string[], partitions: number) {
    this.table = {
      version: 1,
      clusterId: 'c',
      epoch: 1,
      replicationFactor: zones.length,
      gateways: [],
      partitions: Array.from({ length: partitions }, (_, id) => ({
        id,
        state: 'active',
        stateSinceMs: 0,
        owners: zones.map((zone) => ownerOf(zone, id)),
      })),
    };
    for (const { owners } of this.table.partitions) {
      for (const { instance } of owners) this.ingesters.set(instance, new FakeIngester());
    }
    this.writes = new ReplicatedWrite({
      table: () => this.table,
      heardEpoch: () => this.newer.at(-1)?.epoch ?? this.table.epoch,
      refresh: async () => {
        if (this.bucketIsAway) throw new Failure('unavailable', 'the bucket is away');
        this.table = this.newer.at(-1) ?? this.table;
      },
      peerOf: ({ instance }) => this.ingesters.get(instance),
      shardSizeOf: () => this.shardSize,
      timeoutMs: 1_000,
      requestBytesMax: this.requestBytesMax,
      seriesBytesMax: 1 << 30,
      nowMs: () => this.nowMs,
    });
  }

  get(instance: string): FakeIngester {
    return this.ingesters.get(instance) as FakeIngester;
  }

  /** Writes one sample of each series. @returns the samples, as an ingester names them */
  async write(
    names: readonly string[],
    metadata: readonly string[] = [],
  ): Promise<{ samples: string[]; known: number; rejected: number[] }> {
    this.nowMs += 120_000;
    const refEpoch = this.writes.refEpoch();
    if (refEpoch !== this.#refEpoch) this.#known.clear();
    this.#refEpoch = refEpoch;
    const t = ++this.#t;
    const labels = new ByteSink();
    const begins: number[] = [];
    const ends: number[] = [];
    for (const name of names) {
      begins.push(labels.length);
      canonicalizeLabels(Labels.from([['__name__', name]]), labels);
      ends.push(labels.length);
    }
    const refs = Uint32Array.from(names, (name) => this.#known.get(name) ?? 0);
    const batch: WriteBatch = {
      tenant,
      receiveTimeMs: t,
      seriesCount: names.length,
      refs,
      labelBytes: labels.bytes,
      labelsBegin: Uint32Array.from(begins),
      labelsEnd: Uint32Array.from(ends),
      sampleBegin: Uint32Array.from({ length: names.length + 1 }, (_, i) => i),
      sampleT: new Float64Array(names.length).fill(t),
      sampleV: Float64Array.from(names, (_, i) => i),
      sampleST: null,
      histograms: [],
      exemplars: [],
      metadata: metadata.map((metric) => ({ metric, type: 'gauge', help: '', unit: '' })),
    };
    const outcome = await this.writes.push(batch);
    if (this.writes.refEpoch() === refEpoch) {
      names.forEach((name, i) => {
        if (outcome.refs[i] !== 0) this.#known.set(name, outcome.refs[i] as number);
      });
    }
    return {
      samples: names.map((name, i) => `${name} ${t} ${i}`),
      known: refs.filter((ref) => ref !== 0).length,
      rejected: outcome.rejected.map(({ series }) => series).toSorted((a, b) => a - b),
    };
  }
}

const names = Array.from({ length: 40 }, (_, i) => `m${i}`);
const failureOf = async (promise: Promise<unknown>): Promise<Failure> => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof Failure, String(error));
  return error;
};

describe('a replicated write', () => {
  it('brings labels once, then numbers; every owner has every sample of its partition', async () => {
    const room = new Room(['a', 'b', 'c'], 3);
    const first = await room.write(names, ['help_me']);
    const second = await room.write(names.toReversed());
    assert.deepEqual([first.known, second.known], [0, names.length]);
    for (const zone of ['a', 'b', 'c']) {
      const own = [0, 1, 2].map((id) => room.get(`ingester-${zone}-${id}`));
      assert.ok(own.every(({ samples }) => samples.size > 0));
      assert.deepEqual(
        own.flatMap(({ samples }) => [...samples]).toSorted(),
        [...first.samples, ...second.samples].toSorted(),
      );
      assert.deepEqual(
        own.flatMap(({ metadata }) => metadata),
        ['help_me'],
      );
      assert.deepEqual(
        own.map(({ labelled }) => labelled[1]),
        [0, 0, 0],
      );
    }
  });

  it('what no message may hold stays too large, however often it comes', async () => {
    const room = new Room(['a', 'b', 'c'], 1);
    for (const { client } of room.ingesters.values()) {
      client.push = () => Promise.reject(new Failure('too_large', 'a request of 70 bytes for it, 64 at most'));
    }
    const { kind, message } = await failureOf(room.write(names));
    assert.deepEqual(
      [kind, message],
      ['too_large', 'remote write: a request of 70 bytes for it, 64 at most; send smaller requests'],
    );
  });

  it('what is larger than a message for one partition goes to none, and the next one is taken', async () => {
    const room = new Room(['a', 'b', 'c'], 3);
    const large = 'x'.repeat(room.requestBytesMax);
    for (const write of [room.write([...names, large]), room.write(names, [large])]) {
      const { kind, message } = await failureOf(write);
      assert.equal(kind, 'too_large');
      assert.match(
        message,
        /^remote write: of this request \d+ bytes and more are for partition \d, 4000 at most; send/,
      );
    }
    for (const { labelled } of room.ingesters.values()) assert.deepEqual(labelled, []);
    const { samples } = await room.write(names);
    const held = [...room.ingesters.values()].flatMap((one) => [...one.samples]);
    for (const sample of samples) assert.equal(held.filter((one) => one === sample).length, 3);
    // As numbers they are small.
    assert.equal((await room.write(names)).known, names.length);
  });

  it('two of three are enough; who was away learns everything when it is back', async () => {
    const room = new Room(['a', 'b', 'c'], 1);
    const away = room.get('ingester-b-0');
    await room.write(names.slice(0, 10));
    away.leave();
    await room.write(names);
    assert.equal((await room.write(names)).known, names.length);
    away.comeBack();
    const { samples, known } = await room.write(names);
    assert.equal(known, 0);
    assert.ok(samples.every((sample) => away.samples.has(sample)));
    room.get('ingester-a-0').leave();
    const last = await room.write(names);
    for (const one of ['ingester-b-0', 'ingester-c-0']) {
      assert.ok(last.samples.every((sample) => room.get(one).samples.has(sample)));
    }
  });

  it('an owner that lacks numbers does not take them from the others', async () => {
    const room = new Room(['a', 'b', 'c'], 2);
    const forgetful = room.get('ingester-a-0');
    forgetful.answers = false;
    await room.write(names);
    // Back before anybody noticed that it was away.
    forgetful.answers = true;
    const second = await room.write(names);
    assert.equal(second.known, names.length);
    const third = await room.write(names);
    assert.equal(third.known, 0);
    const held = [...room.ingesters.values()].flatMap(({ samples }) => [...samples]);
    for (const sample of second.samples) assert.ok(held.filter((one) => one === sample).length >= 2);
    for (const sample of third.samples) assert.equal(held.filter((one) => one === sample).length, 3);
  });

  it('one of three is not: 503 that names the partition and who failed', async () => {
    const room = new Room(['a', 'b', 'c'], 2);
    await room.write(names);
    room.get('ingester-a-1').leave();
    room.get('ingester-c-1').leave();
    const failure = await failureOf(room.write(names));
    assert.equal(failure.kind, 'unavailable');
    assert.equal(failure.retryAfterSeconds, 1);
    assert.match(failure.message, /partition 1: . of the 2 owners/);
    assert.ok(!(failure instanceof SeriesForgotten), 'labels would not help');
    room.get('ingester-a-1').comeBack();
    await room.write(names);
  });

  it('numbers of a process before are never taken for those of the one now', async () => {
    const room = new Room(['a'], 1);
    await room.write(names);
    room.get('ingester-a-0').startAnew();
    assert.ok((await failureOf(room.write(names))) instanceof SeriesForgotten, 'labels would help');
    const { samples, known } = await room.write(names);
    assert.equal(known, 0);
    assert.ok(samples.every((sample) => room.get('ingester-a-0').samples.has(sample)));
    // With replicas the write goes on, and the next one brings labels again.
    const three = new Room(['a', 'b', 'c'], 1);
    await three.write(names);
    three.get('ingester-a-0').startAnew();
    await three.write(names);
    assert.equal((await three.write(names)).known, 0);
    const last = await three.write(names);
    assert.equal(last.known, names.length);
    for (const { samples: found } of three.ingesters.values())
      assert.ok(last.samples.every((sample) => found.has(sample)));
  });

  it('an owner that is slow is not waited for long, and told again', async () => {
    const room = new Room(['a', 'b', 'c'], 1);
    const slow = room.get('ingester-c-0');
    let release: () => void = () => undefined;
    slow.held = new Promise((resolve) => {
      release = resolve;
    });
    await room.write(names);
    slow.held = undefined;
    release();
    await new Promise((resolve) => setImmediate(resolve));
    const { samples, known } = await room.write(names);
    assert.equal(known, 0);
    assert.ok(samples.every((sample) => slow.samples.has(sample)));
    assert.equal((await room.write(names)).known, names.length);
  });

  it('a series is refused when fewer than W owners took it', async () => {
    const room = new Room(['a', 'b', 'c'], 1);
    room.get('ingester-a-0').refuse = /^m[12]$/;
    assert.deepEqual((await room.write(['m0', 'm1', 'm2', 'm3'])).rejected, []);
    room.get('ingester-b-0').refuse = /^m[25]$/;
    const { rejected, samples } = await room.write(['m5', 'm6', 'm2']);
    assert.deepEqual(rejected, [2]);
    assert.ok(room.get('ingester-c-0').samples.has(samples[1] as string));
  });

  it('a tenant stays within its subset, and keeps what it had when the subset changes', async () => {
    const room = new Room(['a'], 6);
    room.shardSize = 2;
    await room.write(names);
    const used = (): number => [...room.ingesters.values()].filter(({ samples }) => samples.size > 0).length;
    assert.equal(used(), 2);
    room.shardSize = 1;
    const { samples } = await room.write(names);
    const all = new Set([...room.ingesters.values()].flatMap((one) => [...one.samples]));
    assert.ok(samples.every((sample) => all.has(sample)));
    room.shardSize = 6;
    await room.write(names.map((name) => `other_${name}`));
    assert.equal(used(), 6);
  });

  it('a new table makes all numbers void', async () => {
    const room = new Room(['a'], 2);
    await room.write(names);
    room.table = { ...room.table, epoch: 2 };
    assert.equal((await room.write(names)).known, 0);
  });

  it('before a partition is active nothing is taken, and what is missing is said', async () => {
    const room = new Room(['a', 'b', 'c'], 1);
    const [partition] = room.table.partitions;
    assert.ok(partition !== undefined);
    room.table = {
      ...room.table,
      epoch: 2,
      partitions: [{ ...partition, state: 'pending', owners: partition.owners.slice(0, 2) }],
    };
    assert.match((await failureOf(room.write(names))).message, /partition 0 has 2 of 3 owners/);
  });

  describe('when a table comes while it is under way', () => {
    /** c has stored the write, b is away; then `change` is published, and a stores the write when it knows of that. */
    const during = async (change: (table: RingTable) => RingTable, room = new Room(['a', 'b', 'c'], 1)) => {
      const a = room.get('ingester-a-0');
      let release: () => void = () => undefined;
      a.held = new Promise((resolve) => {
        release = resolve;
      });
      const b = room.get('ingester-b-0');
      b.leave();
      const written = room.write(names);
      await new Promise((resolve) => setImmediate(resolve));
      room.newer.push(change(room.table));
      release();
      return await written;
    };
    const ofC =
      (changed: Partial<Owner>) =>
      (table: RingTable): RingTable => ({
        ...table,
        epoch: table.epoch + 1,
        partitions: table.partitions.map((partition) => ({
          ...partition,
          owners: partition.owners.map((owner) => (owner.zone === 'c' ? { ...owner, ...changed } : owner)),
        })),
      });
    const replaced = ofC({ incarnation: 'empty', completeFromMs: 17, returnedIn: 2 });

    for (const [name, change] of [
      ['has another disk', replaced],
      ['is whole again on another disk', ofC({ incarnation: 'empty' })],
      ['has come back with an older copy of its disk', ofC({ starts: 2, completeFromMs: 17, returnedIn: 2 })],
      ['is not of the partition any more', ofC({ zone: 'd' })],
    ] as const) {
      it(`an owner that ${name} does not count`, async () => {
        const failure = await failureOf(during(change));
        assert.equal(failure.kind, 'unavailable');
        assert.equal(failure.retryAfterSeconds, 1);
        assert.match(
          failure.message,
          /partition 0: 1 of the 2 owners .*ingester-c-0 \(zone c\) has lost its disk meanwhile/,
        );
      });
    }

    it('also one whose table this process has fetched already', async () => {
      const room = new Room(['a', 'b', 'c'], 1);
      const change = (table: RingTable): RingTable => {
        room.table = replaced(table);
        return room.table;
      };
      assert.equal((await failureOf(during(change, room))).kind, 'unavailable');
    });

    it('one that was started anew on its disk counts, and so does one whom the table has let go with all it had', async () => {
      for (const change of [
        ofC({ starts: 2, address: 'elsewhere' }),
        (table: RingTable) => ({ ...table, epoch: 2, partitions: [] }),
      ]) {
        const room = new Room(['a', 'b', 'c'], 1);
        const { samples } = await during(change, room);
        assert.ok(samples.every((sample) => room.get('ingester-c-0').samples.has(sample)));
      }
    });

    it('one that lacked something before and has lost nothing since counts', async () => {
      const room = new Room(['a', 'b', 'c'], 1);
      room.table = replaced(room.table);
      const { samples } = await during((table) => ({ ...table, epoch: table.epoch + 1 }), room);
      assert.ok(samples.every((sample) => room.get('ingester-c-0').samples.has(sample)));
    });

    it('the others are waited for', async () => {
      const room = new Room(['a', 'b', 'c'], 1);
      const releases: (() => void)[] = [];
      for (const zone of ['a', 'b']) {
        room.get(`ingester-${zone}-0`).held = new Promise((resolve) => {
          releases.push(resolve);
        });
      }
      const written = room.write(names);
      await new Promise((resolve) => setImmediate(resolve));
      room.newer.push(replaced(room.table));
      releases[0]?.();
      for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
      assert.equal(room.table.epoch, 2);
      releases[1]?.();
      const { samples } = await written;
      for (const zone of ['a', 'b'])
        assert.ok(samples.every((sample) => room.get(`ingester-${zone}-0`).samples.has(sample)));
    });

    it('a table that cannot be had leaves the write unacknowledged', async () => {
      const room = new Room(['a', 'b', 'c'], 1);
      room.bucketIsAway = true;
      const failure = await failureOf(during((table) => ({ ...table, epoch: 2 }), room));
      assert.deepEqual([failure.kind, failure.retryAfterSeconds], ['unavailable', 1]);
      assert.match(failure.message, /epoch 2 of the ring's table was heard of and could not be fetched/);
      room.bucketIsAway = false;
      room.get('ingester-a-0').held = undefined;
      await room.write(names);
    });
  });
});
