/**
 * A write into the log: rows go to the partitions of their labels as records that name every series in full, acknowledged when the
 * log has them all. Owns which row goes where and how large a record may be. Comes from push.ts as an ingester; goes to the log
 * through libs/kafka, and from there to every owner of the partition.
 *
 * What is known of series, and so how many a tenant has, outlives a table; where other partitions are active by it they are placed anew.
 *
 * Surprising: an acknowledgement is given only where the partition was known to be read a moment ago: one that was left meanwhile may be
 * read by nobody any more, and the sender must come again. What was logged twice is kept once.
 */
import type { PushOutcome, RejectedSeries } from '../../libs/contracts/ingester.ts';
import type { ExemplarSample, WriteBatch } from '../../libs/contracts/write-batch.ts';
import { Failure } from '../../libs/errors/failure.ts';
import { recordBytes, recordOverheadBytes } from '../../libs/kafka/config.ts';
import type { PlacedRecord } from '../../libs/kafka/produce.ts';
import { seriesLimitText } from '../../libs/limits/limits.ts';
import { viewOf } from '../../libs/model/encoding/bytes.ts';
import type { MetricMetadata } from '../../libs/model/metadata.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import { hashSeries, hashText, placeOf } from '../../libs/ring/place-series.ts';
import type { RingTable } from '../../libs/ring/table.ts';
import { traceparent } from '../../libs/telemetry/trace.ts';
import { clusterHeader, encodeLogRecord, traceHeader } from '../../libs/wire/log-record.ts';
import { WriteRequestV2 } from '../../libs/wire/write-request-v2.ts';
import { wireMetricTypes } from '../../libs/wire/write-scan.ts';
import { LoggedSeries, noPartition } from './logged-series.ts';
import { LoggedTenants } from './logged-tenants.ts';
import { metadataByPartition, sortByPartition, WriteRoute } from './write-route.ts';

export interface LogWriteDeps {
  readonly clusterId: string;
  /** The newest table that is known. */
  readonly table: () => RingTable | undefined;
  /** Whether what was written to a partition until now will be read from there. */
  readonly isRead: (partition: number) => Promise<boolean>;
  /** Appends all of them, or none where there is no room; resolves when they are acknowledged. @throws Failure `unavailable` */
  readonly append: (tenant: TenantId, records: readonly PlacedRecord[]) => Promise<void>;
  /** Most bytes of records that it takes at once. */
  readonly appendBytesMax: number;
  /** Most bytes of a batch of records. @throws Failure `unavailable` while the log cannot be written */
  readonly batchBytesMax: () => number;
  /** Partitions that a tenant is spread over; 0 is all. */
  readonly shardSizeOf: (tenant: TenantId) => number;
  /** Most series of a tenant; 0 is no limit. */
  readonly seriesMaxOf: (tenant: TenantId) => number;
  /** Most tenants of a partition. */
  readonly tenantsMax: number;
  /** Memory that the labels of series may take. */
  readonly seriesBytesMax: number;
  /** A monotonic clock. */
  readonly nowMs: () => number;
}

/** A record that is larger, where brokers take it, could name more labels than whoever reads it takes at once (libs/wire/write-scan.ts). */
const recordBytesMax = 4 << 20;
/** Samples of one series in one entry of a request. */
const samplesPerEntry = 2_048;
/** Room that is left for the entry that comes last: it is known how large it was when it is there. */
const entryRoomShare = 1 / 4;
/** A tenant at its limit is counted anew after this: series that ended must not count for ever. */
const recountMs = 3_600_000;

export class LogWrite {
  readonly #deps: LogWriteDeps;
  readonly #series: LoggedSeries;
  readonly #tenants: LoggedTenants;
  readonly #request = new WriteRequestV2();
  #route: WriteRoute | undefined;
  #refEpoch = 1;
  #forgotAtMs: number;
  /** A series was refused since then. */
  #isAtLimit = false;
  #partitionOfRow = new Uint16Array(1024);
  #handleOfRow = new Uint32Array(1024);
  #rows = new Uint32Array(1024);

  constructor(deps: LogWriteDeps) {
    this.#deps = deps;
    this.#series = new LoggedSeries(deps.seriesBytesMax);
    this.#tenants = new LoggedTenants(deps.tenantsMax);
    this.#forgotAtMs = deps.nowMs();
  }

  refEpoch(): number {
    const isDue = this.#isAtLimit && this.#deps.nowMs() - this.#forgotAtMs > recountMs;
    if (this.#series.isFull || isDue) this.#forget();
    // A table that came meanwhile makes its own epoch.
    this.#routeNow();
    return this.#refEpoch;
  }

  /**
   * @throws Failure `unavailable` when the log did not acknowledge all of it, or for one tenant too many; `too_large` for one sample
   * larger than a record, and for more than goes to the log at once: nothing of it is logged then
   */
  async push(batch: WriteBatch): Promise<PushOutcome> {
    const { outcome, partitions, appended } = this.#send(batch);
    await appended;
    for (const id of partitions) {
      if (!(await this.#deps.isRead(id))) {
        throw new Failure('unavailable', `partition ${id} was left while it was written`, { retryAfterSeconds: 1 });
      }
    }
    return outcome;
  }

  /** Everything that reads the batch, in one turn. */
  #send(batch: WriteBatch): { outcome: PushOutcome; partitions: number[]; appended: Promise<void> } {
    const route = this.#routeNow();
    const bytesMax = Math.min(this.#deps.batchBytesMax(), recordBytesMax) - 2 * recordOverheadBytes;
    const ids = route.idsOf(batch.tenant, this.#deps.shardSizeOf(batch.tenant));
    this.#tenants.note(batch.tenant, ids, this.#deps.nowMs());
    const refs = new Uint32Array(batch.seriesCount);
    const rejected: RejectedSeries[] = [];
    const begins = this.#sortRows(batch, route, ids, refs, rejected);
    const metadata = metadataByPartition(batch, ids);
    const trace = traceparent();
    const headers: Record<string, string> = { [clusterHeader]: this.#deps.clusterId };
    if (trace !== '') headers[traceHeader] = trace;
    const key = Buffer.from(batch.tenant);
    const records: PlacedRecord[] = [];
    let bytes = 0;
    for (let id = 0; id < route.idEnd; id++) {
      const add = (value: Buffer): void => {
        const record = { key, value, headers };
        bytes += recordBytes(record);
        if (bytes > this.#deps.appendBytesMax) throw tooLarge(this.#deps.appendBytesMax);
        records.push({ partition: id, record });
      };
      const rows = this.#rows.subarray(begins[id], begins[id + 1]);
      if (rows.length > 0) this.#encodeRows(batch, rows, id, bytesMax, add);
      const entries = metadata.get(id);
      if (entries !== undefined) this.#encodeMetadata(batch, entries, bytesMax, add);
    }
    const appended = this.#deps.append(batch.tenant, records);
    const partitions = [...new Set(records.map(({ partition }) => partition))];
    return { outcome: { refs, rejected, exemplarsDropped: 0 }, partitions, appended };
  }

  #routeNow(): WriteRoute {
    const table = this.#deps.table();
    if (this.#route !== undefined && this.#route.table === table) return this.#route;
    const route = new WriteRoute(table);
    // Whoever owns a partition reads what is in the log.
    if (this.#route?.hasSameActive(route) === false) {
      this.#series.displace();
      this.#voidNumbers();
    }
    this.#route = route;
    return route;
  }

  /** The next writes bring labels. */
  #voidNumbers(): void {
    this.#refEpoch = (this.#refEpoch % 0xffffffff) + 1;
  }

  #forget(): void {
    this.#series.forget();
    this.#voidNumbers();
    this.#forgotAtMs = this.#deps.nowMs();
    this.#isAtLimit = false;
  }

  /** Sorts the rows by partition into #rows, those that are refused left out. @returns where those of each begin, by its id */
  #sortRows(
    batch: WriteBatch,
    { idEnd }: WriteRoute,
    ids: readonly number[],
    refs: Uint32Array,
    rejected: RejectedSeries[],
  ): Uint32Array {
    const { seriesCount, labelBytes, labelsBegin, labelsEnd, tenant } = batch;
    if (this.#rows.length < seriesCount) {
      this.#partitionOfRow = new Uint16Array(seriesCount * 2);
      this.#handleOfRow = new Uint32Array(seriesCount * 2);
      this.#rows = new Uint32Array(seriesCount * 2);
    }
    const partitionOfRow = this.#partitionOfRow;
    const known = this.#series.of(tenant);
    const tenantHash = hashText(tenant);
    const view = viewOf(labelBytes);
    const seriesMax = this.#deps.seriesMaxOf(tenant);
    for (let row = 0; row < seriesCount; row++) {
      let handle = batch.refs[row];
      if (handle === 0) {
        const begin = labelsBegin[row];
        const end = labelsEnd[row];
        // It may have come before, and was not acknowledged, or who recognises series has forgotten it.
        handle = this.#series.find(tenant, labelBytes, view, begin, end);
        if (handle === 0) {
          if (seriesMax > 0 && known.count >= seriesMax) {
            rejected.push(refusal(batch, row, seriesMax));
            partitionOfRow[row] = idEnd;
            continue;
          }
          handle = this.#series.add(tenant, labelBytes, view, begin, end);
        }
        if (known.partitionOf(handle) === noPartition) {
          const id = ids.length === 1 ? ids[0] : placeOf(hashSeries(labelBytes, view, begin, end), tenantHash, ids);
          known.place(handle, id);
        }
        refs[row] = handle;
      }
      this.#handleOfRow[row] = handle;
      // A series that is known stays where it is, also when its tenant's subset has changed since.
      partitionOfRow[row] = known.partitionOf(handle);
    }
    this.#isAtLimit ||= rejected.length > 0;
    return sortByPartition(partitionOfRow, seriesCount, idEnd, this.#rows);
  }

  #encodeRows(
    batch: WriteBatch,
    rows: Uint32Array,
    partition: number,
    bytesMax: number,
    add: (record: Buffer) => void,
  ): void {
    const { sampleBegin, sampleT, sampleV, sampleST, histograms, exemplars } = batch;
    const { refs, strings } = this.#series;
    const known = this.#series.of(batch.tenant);
    const request = this.#request;
    const bits = new Int32Array(sampleV.buffer, sampleV.byteOffset, sampleV.length * 2);
    const softMax = bytesMax * (1 - entryRoomShare);
    const flush = (): void => {
      if (!request.isEmpty) add(this.#record(batch, bytesMax));
      request.begin(strings);
    };
    request.begin(strings);
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i];
      const handle = this.#handleOfRow[row];
      const begin = known.beginOf(handle);
      const count = known.textsOf(handle);
      const end = sampleBegin[row + 1];
      for (let from = sampleBegin[row]; from < end; from += samplesPerEntry) {
        const to = Math.min(from + samplesPerEntry, end);
        request.addFloats(refs, begin, count, sampleT, bits, sampleST, from, to);
        if (request.bytes > softMax) flush();
      }
    }
    const labelsOf = (series: number): readonly [Uint32Array, number, number] | undefined => {
      if (this.#partitionOfRow[series] !== partition) return undefined;
      const handle = this.#handleOfRow[series];
      return [refs, known.beginOf(handle), known.textsOf(handle)];
    };
    for (const { series, t, st, histogram } of histograms) {
      const labels = labelsOf(series);
      if (labels === undefined) continue;
      request.addHistogram(...labels, t, st, histogram);
      if (request.bytes > softMax) flush();
    }
    for (const exemplar of exemplars) {
      const labels = labelsOf(exemplar.series);
      if (labels === undefined) continue;
      request.addExemplar(...labels, exemplar.t, exemplar.value, textsOf(exemplar));
      if (request.bytes > softMax) flush();
    }
    flush();
  }

  #encodeMetadata(
    batch: WriteBatch,
    entries: readonly MetricMetadata[],
    bytesMax: number,
    add: (record: Buffer) => void,
  ): void {
    const request = this.#request;
    request.begin(this.#series.strings);
    for (const { metric, type, help, unit } of entries) {
      request.addMetadata(metric, Math.max(0, (wireMetricTypes as readonly string[]).indexOf(type)), help, unit);
      if (request.bytes <= bytesMax * (1 - entryRoomShare)) continue;
      add(this.#record(batch, bytesMax));
      request.begin(this.#series.strings);
    }
    if (!request.isEmpty) add(this.#record(batch, bytesMax));
  }

  #record({ tenant, receiveTimeMs }: WriteBatch, bytesMax: number): Buffer {
    const record = encodeLogRecord(tenant, receiveTimeMs, this.#request.finish());
    if (record.length <= bytesMax) return record;
    throw new Failure('too_large', `a sample of ${record.length} bytes is larger than a record of the log may be`);
  }
}

function tooLarge(bytesMax: number): Failure {
  const words = `remote write: more than the ${bytesMax} bytes of records that go to the log at once; send smaller requests`;
  return new Failure('too_large', words);
}

/** Names and values of an exemplar's canonical labels in turn. */
function textsOf({ labels }: ExemplarSample): Uint8Array[] {
  const texts: Uint8Array[] = [];
  for (let at = 0; at < labels.length; ) {
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = labels[at++];
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    texts.push(labels.subarray(at, at + length));
    at += length;
  }
  return texts;
}

function refusal(batch: WriteBatch, series: number, seriesMax: number): RejectedSeries {
  const of = (samples: readonly { readonly series: number }[]): number =>
    samples.reduce((count, sample) => (sample.series === series ? count + 1 : count), 0);
  return {
    series,
    reason: seriesLimitText(seriesMax),
    samples: batch.sampleBegin[series + 1] - batch.sampleBegin[series],
    histograms: of(batch.histograms),
    exemplars: of(batch.exemplars),
  };
}
