import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { PushOutcome } from '../../libs/contracts/ingester.ts';
import type { WriteBatch } from '../../libs/contracts/write-batch.ts';
import { Failure } from '../../libs/errors/failure.ts';
import { recordOverheadBytes } from '../../libs/kafka/config.ts';
import type { LogRecord, PlacedRecord } from '../../libs/kafka/produce.ts';
import { canonicalizeLabels, canonicalizeV2, labelsOfCanonical } from '../../libs/model/canonical-labels.ts';
import { Labels } from '../../libs/model/labels.ts';
import { parseTenantId } from '../../libs/model/tenant-id.ts';
import type { RingTable } from '../../libs/ring/table.ts';
import { ByteSink } from '../../libs/std/byte-sink.ts';
import { decodeLogRecord } from '../../libs/wire/log-record.ts';
import { scanWriteRequestV2 } from '../../libs/wire/remote-write-v2.ts';
import { WriteScan } from '../../libs/wire/write-scan.ts';
import { LogWrite } from './log-write.ts';

const tenant = parseTenantId('team-a');
const hourMs = 3_600_000;
const noLimits = {
  labelNameLengthMax: 0,
  labelValueLengthMax: 0,
  labelNamesPerSeriesMax: 0,
  labelNamesPerInfoSeriesMax: 0,
};

function tableOf(states: readonly ('active' | 'inactive')[], epoch: number): RingTable {
  return {
    version: 1,
    clusterId: 'c',
    epoch,
    replicationFactor: 1,
    gateways: [],
    partitions: states.map((state, id) => ({ id, state, stateSinceMs: 0, owners: [] })),
  };
}

/** What a record holds, as texts: `name t v`, `name? metric help` for metadata. */
function contentOf({ value }: LogRecord): string[] {
  const envelope = decodeLogRecord(value);
  assert.equal(envelope.tenant, tenant);
  const scan = new WriteScan();
  scanWriteRequestV2(envelope.request, envelope.request.length, scan);
  assert.equal(scan.faultCount, 0);
  const found: string[] = [];
  for (let row = 0; row < scan.seriesCount; row++) {
    const labels = new ByteSink(64);
    assert.equal(canonicalizeV2(scan, row, labels, noLimits), 0);
    const name = labelsOfCanonical(labels.bytes, 0, labels.length).get('__name__').slice(0, 20);
    if (scan.hasMetadata[row] !== 0) found.push(`${name} is described`);
    const end = scan.sampleBegin[row + 1] as number;
    for (let i = scan.sampleBegin[row] as number; i < end; i++)
      found.push(`${name} ${scan.sampleT[i]} ${scan.sampleV[i]}`);
  }
  return found;
}

/** A distributor's half, and a log that takes everything. */
class Room {
  readonly appended: PlacedRecord[] = [];
  readonly writes: LogWrite;
  table = tableOf(['active', 'active', 'active'], 1);
  readonly left = new Set<number>();
  batchBytesMax = 1 << 20;
  readonly appendBytesMax = 32 << 20;
  seriesMax = 0;
  nowMs = 0;
  /** Nothing is acknowledged. */
  isAway = false;
  #known = new Map<string, number>();
  #refEpoch = 0;

  constructor(seriesBytesMax = 1 << 30) {
    this.writes = new LogWrite({
      clusterId: 'c',
      table: () => this.table,
      isRead: async (partition) => !this.left.has(partition),
      append: async (_tenant, records) => {
        if (this.isAway) throw new Failure('unavailable', 'Kafka is away');
        this.appended.push(...records);
      },
      appendBytesMax: this.appendBytesMax,
      batchBytesMax: () => this.batchBytesMax,
      shardSizeOf: () => 0,
      seriesMaxOf: () => this.seriesMax,
      tenantsMax: 10,
      seriesBytesMax,
      nowMs: () => this.nowMs,
    });
  }

  /** Writes `samples` samples of each series; @returns them as contentOf says them. */
  async write(names: readonly string[], samples = 1): Promise<{ texts: string[]; outcome: PushOutcome }> {
    const refEpoch = this.writes.refEpoch();
    if (refEpoch !== this.#refEpoch) this.#known.clear();
    this.#refEpoch = refEpoch;
    const labels = new ByteSink(64);
    const begins: number[] = [];
    const ends: number[] = [];
    for (const name of names) {
      begins.push(labels.length);
      canonicalizeLabels(Labels.from([['__name__', name]]), labels);
      ends.push(labels.length);
    }
    const count = names.length * samples;
    const batch: WriteBatch = {
      tenant,
      receiveTimeMs: 7,
      seriesCount: names.length,
      refs: Uint32Array.from(names, (name) => this.#known.get(name) ?? 0),
      labelBytes: labels.bytes,
      labelsBegin: Uint32Array.from(begins),
      labelsEnd: Uint32Array.from(ends),
      sampleBegin: Uint32Array.from({ length: names.length + 1 }, (_, i) => i * samples),
      sampleT: Float64Array.from({ length: count }, (_, i) => 1_700_000_000_000 + i),
      sampleV: Float64Array.from({ length: count }, (_, i) => i / 2),
      sampleST: null,
      histograms: [],
      exemplars: [],
      metadata: names.map((metric) => ({ metric, type: 'gauge', help: 'h', unit: '' })),
    };
    const outcome = await this.writes.push(batch);
    names.forEach((name, i) => {
      if (outcome.refs[i] !== 0) this.#known.set(name, outcome.refs[i] as number);
    });
    const texts = names.flatMap((name, row) => [
      `${name.slice(0, 20)} is described`,
      ...Array.from(
        { length: samples },
        (_, i) => `${name.slice(0, 20)} ${1_700_000_000_000 + row * samples + i} ${(row * samples + i) / 2}`,
      ),
    ]);
    return { texts, outcome };
  }

  /** Every series comes with its labels again. */
  forget(): void {
    this.#known.clear();
  }

  /** What lies in the log; it is emptied. */
  take(): string[] {
    return this.appended.splice(0).flatMap(({ record }) => contentOf(record));
  }
}

const names = Array.from({ length: 60 }, (_, i) => `m${i}`);

describe('a write into the log', () => {
  it('names every series in full, each time in the same partition', async () => {
    const room = new Room();
    const partitionsOf: string[][] = [];
    for (let time = 0; time < 2; time++) {
      const { texts } = await room.write(names);
      assert.equal(new Set(room.appended.map(({ partition }) => partition)).size, 3);
      partitionsOf.push(
        room.appended.flatMap(({ partition, record }) => contentOf(record).map((text) => `${partition} ${text}`)),
      );
      assert.deepEqual(room.take().toSorted(), texts.toSorted());
    }
    assert.deepEqual(partitionsOf[0]?.toSorted(), partitionsOf[1]?.toSorted());
  });

  it('makes no record that its reader could not take, however large the brokers take them', async () => {
    const room = new Room();
    room.batchBytesMax = 100 << 20;
    const names = Array.from({ length: 60_000 }, (_, i) => `a_name_that_no_other_series_has_${i}`.padEnd(200, 'x'));
    await room.write(names);
    for (const { record } of room.appended) assert.ok(record.value.length <= 4 << 20, `${record.value.length} bytes`);
  });

  it('is cut into records that a batch may hold, and nothing of it is left out or there twice', async () => {
    const room = new Room();
    for (const [batchBytesMax, samples] of [
      [3_000, 20],
      [60_000, 2_500],
    ] as const) {
      room.batchBytesMax = batchBytesMax;
      const { texts } = await room.write(names.slice(0, 30), samples);
      assert.ok(room.appended.length > 10);
      for (const { record } of room.appended) {
        assert.ok(record.key.length + record.value.length + recordOverheadBytes <= batchBytesMax);
      }
      assert.deepEqual(room.take().toSorted(), texts.toSorted());
    }
  });

  it('refuses what no record may hold', async () => {
    const room = new Room();
    room.batchBytesMax = 3_000;
    await assert.rejects(room.write(['x'.repeat(5_000)]), { kind: 'too_large' });
    assert.equal((await room.write(names)).outcome.rejected.length, 0);
  });

  it('refuses what the log would not take at once, and logs nothing of it', async () => {
    const room = new Room();
    const many = Array.from({ length: 400 }, (_, i) => `${i}`.padEnd(room.appendBytesMax / 400, 'x'));
    await assert.rejects(room.write(many), { kind: 'too_large', message: /^remote write: .* send smaller requests$/ });
    assert.deepEqual(room.take(), []);
    assert.equal((await room.write(many.slice(0, 100))).outcome.rejected.length, 0);
  });

  it('is not acknowledged where a partition was left meanwhile', async () => {
    const room = new Room();
    room.left.add(1);
    await assert.rejects(room.write(names), {
      kind: 'unavailable',
      message: 'partition 1 was left while it was written',
    });
    room.table = tableOf(['active', 'inactive', 'active'], 2);
    room.appended.length = 0;
    await room.write(names);
    assert.ok(room.appended.every(({ partition }) => partition !== 1));
  });

  it('takes no more series than a tenant may have; those that ended do not count for ever', async () => {
    const room = new Room();
    room.seriesMax = 40;
    const { outcome } = await room.write(names);
    assert.deepEqual(
      outcome.rejected.map(({ series, samples }) => [series, samples]),
      names.slice(40).map((_, i) => [40 + i, 1]),
    );
    assert.match(outcome.rejected[0]?.reason ?? '', /limit of 40 .*err-mimir-max-series-per-user/);
    assert.equal(room.take().filter((text) => !text.endsWith('described')).length, 40);
    // Known ones go on.
    assert.equal((await room.write(names.slice(0, 40))).outcome.rejected.length, 0);
    room.nowMs += 1.5 * hourMs;
    assert.equal((await room.write(names.slice(40))).outcome.rejected.length, 0);
  });

  it('numbers outlive a table by which the same partitions are active, whoever owns them', async () => {
    const room = new Room();
    room.table = tableOf(['active', 'active', 'inactive'], 1);
    await room.write(names);
    const refEpoch = room.writes.refEpoch();
    const owner = { instance: 'i-0', zone: 'z', address: 'a', incarnation: 'i', starts: 2, completeFromMs: 0 };
    const gateways = [{ instance: 'g-0', zone: 'z', address: 'g' }];
    const { partitions, ...rest } = tableOf(['active', 'active'], 2);
    room.table = { ...rest, gateways, partitions: partitions.map((one) => ({ ...one, owners: [owner] })) };
    room.take();
    const { texts } = await room.write(names);
    assert.deepEqual(room.take().toSorted(), texts.toSorted());
    assert.equal(room.writes.refEpoch(), refEpoch);
  });

  it('a maximum of series holds whatever becomes of the table', async () => {
    const room = new Room();
    room.seriesMax = 40;
    await room.write(names);
    const gateways = [{ instance: 'g-0', zone: 'z', address: 'a' }];
    for (const [epoch, states] of [
      [2, ['active', 'active', 'active']],
      [3, ['active', 'active', 'inactive']],
      [4, ['active', 'active']],
      [5, ['active', 'active', 'active', 'active']],
    ] as const) {
      room.table = { ...tableOf(states, epoch), gateways };
      room.take();
      const { outcome } = await room.write([`new_${epoch}`, ...names.slice(0, 40)]);
      assert.deepEqual(
        outcome.rejected.map(({ series }) => series),
        [0],
        `epoch ${epoch}`,
      );
      const partitions = new Set(room.appended.map(({ partition }) => partition));
      const active = states.flatMap((state, id) => (state === 'active' ? [id] : []));
      assert.deepEqual([...partitions].toSorted(), active, `epoch ${epoch}`);
    }
  });

  it('counts a series once, however often it comes with its labels', async () => {
    const room = new Room();
    room.seriesMax = names.length;
    room.isAway = true;
    for (let retry = 0; retry < 10; retry++) await assert.rejects(room.write(names), { message: 'Kafka is away' });
    room.isAway = false;
    for (let time = 0; time < 3; time++) {
      const { texts, outcome } = await room.write(names);
      assert.deepEqual(outcome.rejected, []);
      assert.deepEqual(room.take().toSorted(), texts.toSorted());
      room.forget();
    }
    const { outcome } = await room.write([...names, 'one more']);
    assert.deepEqual(
      outcome.rejected.map(({ series }) => series),
      [names.length],
    );
  });

  it('forgets series before their labels take more memory than they may, however many come and go', async () => {
    const room = new Room(1 << 20);
    const epochs = new Set<number>();
    for (let i = 0; i < 40; i++) {
      const { texts } = await room.write(Array.from({ length: 1_000 }, (_, row) => `comes_and_goes_${i}_${row}`));
      assert.deepEqual(room.take().toSorted(), texts.toSorted());
      epochs.add(room.writes.refEpoch());
    }
    assert.ok(epochs.size > 1 && epochs.size < 20, `${epochs.size} epochs`);
  });
});
