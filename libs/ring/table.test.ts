import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  activated,
  type Candidate,
  deactivated,
  decodeTable,
  drained,
  encodeTable,
  joined,
  keepsPartition,
  mustShip,
  type Owner,
  ordinalOf,
  type RingTable,
  readQuorum,
  shipped,
  type WriteLog,
  waived,
  withGateway,
  withoutGateway,
  writeQuorum,
} from './table.ts';

const settings = { clusterId: 'c', replicationFactor: 3 };
const nowMs = 1_000_000;

const candidate = (zone: string, partition: number, more: Partial<Candidate> = {}): Candidate => ({
  instance: `ingester-${zone}-${partition}`,
  zone,
  address: `${zone}${partition}:9095`,
  incarnation: `disk-${zone}-${partition}`,
  starts: 1,
  hasHole: false,
  hasSamples: false,
  completeFromMs: 5_000_000,
  ...more,
});

const joinAll = (table: RingTable | undefined, ...all: readonly Candidate[]): RingTable =>
  all.reduce<RingTable | undefined>((now, one) => joined(now, one, settings, nowMs), table) as RingTable;
const everybodyKnows = (epoch: number) => () => epoch;
const ownerOf = (table: RingTable, zone: string, id = 0): Owner =>
  table.partitions.find((one) => one.id === id)?.owners.find((owner) => owner.zone === zone) as Owner;

const threeZones = joinAll(undefined, candidate('a', 0), candidate('b', 0), candidate('c', 0));
const active = activated(threeZones, everybodyKnows(threeZones.epoch), 2, nowMs);

describe('the table of the ring', () => {
  for (const { rf, w, r } of [
    { rf: 1, w: 1, r: 1 },
    { rf: 2, w: 2, r: 1 },
    { rf: 3, w: 2, r: 2 },
  ]) {
    it(`RF ${rf}: ${w} must have a write, ${r} must answer a read, and they always meet`, () => {
      assert.deepEqual([writeQuorum(rf), readQuorum(rf)], [w, r]);
      assert.ok(w + r > rf);
    });
  }

  it('an instance owns the partition of the number at its end', () => {
    assert.deepEqual(['ingester-2', 'ingester-zone-a-17', '3', 'ingester', 'a-2-b', 'x-99999'].map(ordinalOf), [
      2,
      17,
      3,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('every change is an epoch; who is there already changes nothing', () => {
    assert.equal(threeZones.epoch, 3);
    assert.equal(joined(threeZones, candidate('b', 0), settings, nowMs), threeZones);
    assert.deepEqual(
      threeZones.partitions[0]?.owners.map(({ zone, completeFromMs }) => [zone, completeFromMs]),
      [
        ['a', 0],
        ['b', 0],
        ['c', 0],
      ],
    );
  });

  it('a partition becomes active when all its owners are there and know of it', () => {
    const two = joinAll(undefined, candidate('a', 0), candidate('b', 0));
    assert.equal(activated(two, everybodyKnows(two.epoch), 2, nowMs), two);
    assert.equal(
      activated(threeZones, (owner) => (owner.zone === 'c' ? 2 : 3), 2, nowMs),
      threeZones,
    );
    assert.equal(active.epoch, 4);
    assert.equal(active.partitions[0]?.state, 'active');
    assert.equal(activated(active, everybodyKnows(active.epoch), 2, nowMs), active);
  });

  it('a second partition waits until so many owners of the first one know of it that every read meets one', () => {
    const grown = joinAll(active, candidate('a', 1), candidate('b', 1), candidate('c', 1));
    assert.equal(grown.partitions[1]?.state, 'pending');
    const stateKnownTo = (asked: number, ...names: readonly string[]) =>
      activated(
        grown,
        ({ instance }) => (instance.endsWith('-1') || names.includes(instance) ? grown.epoch : 4),
        asked,
        nowMs,
      ).partitions[1]?.state;
    assert.equal(stateKnownTo(2, 'ingester-a-0'), 'pending');
    assert.equal(stateKnownTo(2, 'ingester-a-0', 'ingester-c-0'), 'active');
    // Where writes go through a log a read asks one owner, whichever that is.
    assert.equal(stateKnownTo(1, 'ingester-a-0', 'ingester-c-0'), 'pending');
    assert.equal(stateKnownTo(1, 'ingester-a-0', 'ingester-b-0', 'ingester-c-0'), 'active');
  });

  it('a restart on the same disk stays complete; on another, an older or a damaged one it is not before now', () => {
    const again = (more: Partial<Candidate>): number =>
      ownerOf(joinAll(active, candidate('b', 0, { starts: 2, ...more })), 'b').completeFromMs;
    assert.equal(again({ address: 'elsewhere:1' }), 0);
    assert.equal(again({ incarnation: 'new disk', starts: 1 }), 5_000_000);
    assert.equal(again({ hasHole: true }), 5_000_000);
    const third = joinAll(active, candidate('b', 0, { starts: 3 }));
    assert.equal(ownerOf(joinAll(third, candidate('b', 0, { starts: 2 })), 'b').completeFromMs, 5_000_000);
    // What it lacked it still lacks at the next start.
    const emptied = joinAll(active, candidate('b', 0, { incarnation: 'new disk' }));
    const next = joinAll(emptied, candidate('b', 0, { incarnation: 'new disk', starts: 2, completeFromMs: 9_000_000 }));
    assert.equal(ownerOf(next, 'b').completeFromMs, 5_000_000);
  });

  it('of a partition that was never written nobody lacks anything', () => {
    const emptied = joinAll(threeZones, candidate('b', 0, { incarnation: 'new disk' }));
    assert.equal(ownerOf(emptied, 'b').completeFromMs, 0);
  });

  it('who has no place is told why', () => {
    const refuse = (one: Candidate, words: RegExp, with_ = settings): void => {
      assert.throws(() => joined(active, one, with_, nowMs), words);
    };
    refuse(candidate('d', 0), /partition 0 has its 3 owners, in the zones a, b, c/);
    refuse(candidate('a', 0, { instance: 'impostor-0' }), /belongs to "ingester-a-0", not to "impostor-0"/);
    refuse(candidate('a', 0, { instance: 'nameless' }), /does not end in a number/);
    refuse(candidate('a', 0), /cluster\.replication-factor is 2/, { ...settings, replicationFactor: 2 });
    refuse(candidate('a', 0), /of cluster "c", this process of "other"/, { ...settings, clusterId: 'other' });
  });

  it('the log is that of the first ingester, and who has another one is refused', () => {
    const withLog = (table: RingTable | undefined, one: Candidate, log: WriteLog): RingTable =>
      joined(table, one, { ...settings, log }, nowMs);
    const first = withLog(undefined, candidate('a', 0), 'kafka');
    assert.equal(first.log, 'kafka');
    assert.throws(
      () => withLog(first, candidate('b', 0), 'local'),
      /ingesters of the cluster have ingest\.log=kafka, this process has ingest\.log=local/,
    );
    assert.equal(withLog(first, candidate('b', 0), 'kafka').log, 'kafka');
    // A store-gateway has none.
    const gateway = { instance: 'store-gateway-0', zone: 'a', address: 'a:1' };
    assert.equal(withGateway(first, gateway, settings).log, 'kafka');
    assert.equal(withLog(withGateway(undefined, gateway, settings), candidate('a', 0), 'kafka').log, 'kafka');
    // A table of the release before does not say.
    assert.equal(withLog(threeZones, candidate('b', 0), 'kafka'), threeZones);
    assert.equal(withLog(threeZones, candidate('b', 0, { starts: 2 }), 'kafka').log, 'kafka');
  });

  it('who brings samples that its replicas do not have is refused', () => {
    const words = /"ingester-a-\d" holds samples that the other 2 owners .* do not have: drain it/;
    const bringing = (partition: number): Candidate => candidate('a', partition, { hasSamples: true });
    assert.throws(() => joined(undefined, bringing(0), settings, nowMs), words);
    assert.throws(() => joined(active, bringing(1), settings, nowMs), words);
    assert.throws(() => joined(threeZones, bringing(0), settings, nowMs), words);
    // A place that was written to is its own, and alone nobody is believed in its stead.
    assert.equal(joined(active, { ...bringing(0), starts: 2 }, settings, nowMs).epoch, active.epoch + 1);
    assert.equal(joined(undefined, bringing(0), { ...settings, replicationFactor: 1 }, nowMs).epoch, 1);
  });

  describe('a partition leaves', () => {
    const grown = joinAll(active, candidate('a', 1), candidate('b', 1), candidate('c', 1));
    const both = activated(grown, everybodyKnows(grown.epoch), 2, nowMs);
    const inactive = deactivated(both, 1, nowMs + 1);
    const drainedBy = (table: RingTable, ...zones: readonly string[]): RingTable =>
      zones.reduce((now, zone) => drained(now, { instance: `ingester-${zone}-1`, zone }), table);

    it('it takes no writes; then each owner is drained; then it is gone', () => {
      assert.equal(inactive.partitions[1]?.state, 'inactive');
      assert.equal(inactive.partitions[1]?.stateSinceMs, nowMs + 1);
      assert.equal(deactivated(inactive, 1, nowMs + 2), inactive);
      const two = drainedBy(inactive, 'a', 'c');
      assert.equal(two.epoch, inactive.epoch + 2);
      assert.match(
        keepsPartition(two.partitions[1]?.owners ?? [], 3) ?? '',
        /not drained yet: ingester-b-1 \(zone b\)/,
      );
      assert.equal(drainedBy(two, 'a'), two);
      assert.deepEqual(decodeTable(encodeTable(two)), two);
      const gone = drainedBy(two, 'b');
      assert.deepEqual(gone.partitions, both.partitions.slice(0, 1));
      assert.equal(gone.epoch, two.epoch + 1);
    });

    it('an owner that was started anew drains anew', () => {
      const again = joinAll(drainedBy(inactive, 'a'), candidate('a', 1, { starts: 2 }));
      assert.equal(ownerOf(again, 'a', 1).isDrained, undefined);
      assert.equal(drainedBy(again, 'b', 'c').partitions.length, 2);
    });

    it('it stays where owners have lost what the others may not have had', () => {
      const lost = joinAll(both, candidate('a', 1, { incarnation: 'new' }), candidate('b', 1, { incarnation: 'new' }));
      const all = drainedBy(deactivated(lost, 1, nowMs), 'a', 'b', 'c');
      assert.equal(all.partitions.length, 2);
      assert.match(
        keepsPartition(all.partitions[1]?.owners ?? [], 3) ?? '',
        /1 of the 2 owners that must have lost nothing/,
      );
      const one = joinAll(both, candidate('a', 1, { incarnation: 'new' }));
      assert.equal(drainedBy(deactivated(one, 1, nowMs), 'a', 'b', 'c').partitions.length, 1);
    });

    it('one that was never written is gone at once; the last active one stays; nobody is drained of an active one', () => {
      assert.deepEqual(deactivated(grown, 1, nowMs).partitions, active.partitions);
      assert.throws(() => deactivated(active, 0, nowMs), /partition 0 is the only active one/);
      assert.throws(() => deactivated(grown, 0, nowMs), /partition 0 is the only active one/);
      assert.throws(() => deactivated(active, 7, nowMs), /no partition 7/);
      assert.equal(drainedBy(both, 'a'), both);
    });
  });

  describe('an owner that lost its disk', () => {
    const own = (zone: string) => ({ instance: `ingester-${zone}-0`, zone });
    const lost = joinAll(active, candidate('c', 0, { incarnation: 'new' }));

    it('is whole again when R others have brought to the bucket what they had', () => {
      assert.equal(ownerOf(lost, 'c').completeFromMs, 5_000_000);
      assert.deepEqual(
        ['a', 'b', 'c'].map((zone) => mustShip(lost, own(zone))),
        [true, true, false],
      );
      const one = shipped(lost, own('a'), lost.epoch);
      assert.equal(one.epoch, lost.epoch + 1);
      assert.equal(ownerOf(one, 'c').completeFromMs, 5_000_000);
      assert.equal(mustShip(one, own('a')), false);
      assert.equal(shipped(one, own('a'), lost.epoch), one);
      const both = shipped(one, own('b'), one.epoch);
      assert.equal(ownerOf(both, 'c').completeFromMs, 0);
      assert.equal(mustShip(both, own('b')), false);
      assert.deepEqual(decodeTable(encodeTable(both)), both);
    });

    it('what was brought before it came back says nothing', () => {
      const early = shipped(shipped(lost, own('a'), lost.epoch - 1), own('b'), lost.epoch - 1);
      assert.equal(ownerOf(early, 'c').completeFromMs, 5_000_000);
      assert.equal(mustShip(early, own('a')), true);
      // It lost its disk a second time.
      const again = joinAll(shipped(lost, own('a'), lost.epoch), candidate('c', 0, { incarnation: 'newer' }));
      assert.equal(mustShip(again, own('a')), true);
      assert.equal(ownerOf(shipped(again, own('b'), again.epoch), 'c').completeFromMs, 5_000_000);
    });

    it('a restart keeps what is known of it', () => {
      const restarted = joinAll(lost, candidate('c', 0, { incarnation: 'new', starts: 2 }));
      assert.equal(ownerOf(restarted, 'c').returnedIn, lost.epoch);
      const one = joinAll(shipped(lost, own('a'), lost.epoch), candidate('a', 0, { starts: 2 }));
      assert.equal(ownerOf(shipped(one, own('b'), one.epoch), 'c').completeFromMs, 0);
    });

    it('with two that lost theirs nobody is made whole, as some of it may be nowhere, until somebody accepts that', () => {
      const two = joinAll(lost, candidate('b', 0, { incarnation: 'new' }));
      const accepted = waived(two, 0);
      assert.deepEqual(
        accepted.partitions[0]?.owners.map(({ completeFromMs, returnedIn }) => [completeFromMs, returnedIn]),
        [
          [0, undefined],
          [0, undefined],
          [0, undefined],
        ],
      );
      assert.equal(waived(accepted, 0), accepted);
      assert.throws(() => waived(two, 4), /no partition 4/);
      assert.equal(mustShip(two, own('a')), false);
      const told = shipped(two, own('a'), two.epoch);
      assert.deepEqual([ownerOf(told, 'b').completeFromMs, ownerOf(told, 'c').completeFromMs], [5_000_000, 5_000_000]);
    });
  });

  it('store-gateways come and go by zone and name', () => {
    const gateway = { instance: 'g-0', zone: 'b', address: 'b0:9095' };
    const one = withGateway(undefined, gateway, settings);
    assert.deepEqual([one.epoch, one.gateways], [1, [gateway]]);
    assert.equal(withGateway(one, { ...gateway }, settings), one);
    const moved = withGateway(one, { ...gateway, address: 'elsewhere:1' }, settings);
    assert.deepEqual([moved.epoch, moved.gateways.length, moved.gateways[0]?.address], [2, 1, 'elsewhere:1']);
    const two = withGateway(one, { ...gateway, zone: 'a' }, settings);
    assert.deepEqual(
      two.gateways.map(({ zone }) => zone),
      ['a', 'b'],
    );
    assert.deepEqual(withoutGateway(two, { instance: 'g-0', zone: 'a' }).gateways, [gateway]);
    assert.equal(withoutGateway(two, { instance: 'g-1', zone: 'a' }), two);
    assert.throws(() => withGateway(one, gateway, { ...settings, clusterId: 'other' }), /of cluster "c"/);
    // A table of the release before.
    const { gateways: _, ...before } = active;
    assert.deepEqual(decodeTable(new TextEncoder().encode(JSON.stringify(before))).gateways, []);
  });

  it('is read back from its bytes, and nothing else is a table', () => {
    assert.deepEqual(decodeTable(encodeTable(active)), active);
    const bytesOf = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
    for (const wrong of [
      null,
      [],
      { ...active, version: 2 },
      { ...active, epoch: 0 },
      { ...active, log: 'paper' },
      { ...active, partitions: [{ id: 0 }] },
      { ...active, partitions: [{ ...active.partitions[0], state: 'gone' }] },
      { ...active, partitions: [{ ...active.partitions[0], owners: [] }] },
      { ...active, partitions: [{ ...active.partitions[0], owners: [{ instance: 'x' }] }] },
    ]) {
      assert.throws(() => decodeTable(bytesOf(wrong)), /table of the ring/);
    }
    assert.throws(() => decodeTable(new Uint8Array([0xff])), /no JSON/);
  });
});
