/**
 * A record of the log as a batch of columns for the head: one scan over its request, known series by their bytes.
 * Owns the columns, reused from record to record. Nothing is refused here: what was accepted is decided; a record that says
 * something that none of ours can say does not decode.
 */

import { keepRows } from '../../libs/contracts/keep-rows.ts';
import type { ExemplarSample, WriteBatch } from '../../libs/contracts/write-batch.ts';
import { Failure } from '../../libs/errors/failure.ts';
import { canonicalizeExemplar, canonicalizeV2, type LabelLimits } from '../../libs/model/canonical-labels.ts';
import type { MetricMetadata } from '../../libs/model/metadata.ts';
import { ByteSink } from '../../libs/std/byte-sink.ts';
import type { AliasRegistry } from '../../libs/wire/alias-registry.ts';
import type { LogRecordEnvelope } from '../../libs/wire/log-record.ts';
import { scanWriteRequestV2 } from '../../libs/wire/remote-write-v2.ts';
import type { SeriesAliases } from '../../libs/wire/series-aliases.ts';
import { WriteScan, wireMetricTypes } from '../../libs/wire/write-scan.ts';

const noLimits: LabelLimits = {
  labelNameLengthMax: 0,
  labelValueLengthMax: 0,
  labelNamesPerSeriesMax: 0,
  labelNamesPerInfoSeriesMax: 0,
};

export class LoggedBatches {
  readonly #registry: AliasRegistry;
  readonly #scan = new WriteScan();
  readonly #labels = new ByteSink(1 << 16);
  #refs = new Uint32Array(256);
  #aliases = new Uint32Array(256);
  #labelsBegin = new Uint32Array(256);
  #labelsEnd = new Uint32Array(256);
  /** Rows whose alias waits for the number of its series. */
  #awaited: number[] = [];
  #known: SeriesAliases | undefined;

  constructor(registry: AliasRegistry) {
    this.#registry = registry;
  }

  /**
   * The batch of a record, valid until the next one is read.
   * @param clearDropped makes numbers 0 that mean nothing to the head any more
   * @throws Failure `bad_data`, `too_large` when it does not decode
   */
  read(record: LogRecordEnvelope, clearDropped: (refs: Uint32Array, count: number) => number): WriteBatch {
    const { tenant, receiveTimeMs, request } = record;
    const scan = this.#scan;
    scanWriteRequestV2(request, request.length, scan);
    const { seriesCount } = scan;
    if (scan.faultCount > 0 || scan.faultyExemplars > 0) throw new Failure('bad_data', 'a series has no label set');
    const [refused] = scan.refusedHistograms;
    if (refused !== undefined) throw new Failure('bad_data', refused.reason);
    if (seriesCount > this.#refs.length) this.#grow(seriesCount * 2);
    const known = this.#registry.of(tenant);
    this.#known = known;
    // Numbers live as long as this process.
    known.begin(1);
    let unknown = known.resolveV2(
      scan.view,
      scan.symbolBegin,
      scan.symbolEnd,
      scan.symbolCount,
      scan.refs,
      scan.refsBegin,
      seriesCount,
      this.#refs,
      this.#aliases,
    );
    unknown += clearDropped(this.#refs, seriesCount);
    this.#awaited = [];
    this.#labels.reset();
    if (unknown > 0) this.#takeUnknown(known);
    const batch: WriteBatch = {
      tenant,
      receiveTimeMs,
      seriesCount,
      refs: this.#refs,
      labelBytes: this.#labels.bytes,
      labelsBegin: this.#labelsBegin,
      labelsEnd: this.#labelsEnd,
      sampleBegin: scan.sampleBegin,
      sampleT: scan.sampleT,
      sampleV: scan.sampleV,
      sampleST: scan.hasStartTimes ? scan.sampleST : null,
      histograms: scan.histograms,
      exemplars: this.#exemplars(),
      metadata: [],
    };
    return this.#withMetadata(batch);
  }

  /** Notes the numbers that the head gave to the series of the batch read last. */
  learn(refs: Uint32Array): void {
    for (const row of this.#awaited) {
      const ref = refs[row];
      if (ref !== 0 && ref !== undefined) this.#known?.setRef(2, this.#aliases[row], ref);
    }
  }

  #takeUnknown(known: SeriesAliases): void {
    const scan = this.#scan;
    const labels = this.#labels;
    for (let row = 0; row < scan.seriesCount; row++) {
      if (this.#refs[row] !== 0) continue;
      this.#labelsBegin[row] = labels.length;
      if (scan.hasMetadata[row] === 0 && canonicalizeV2(scan, row, labels, noLimits) !== 0) {
        throw new Failure('bad_data', `the labels of series ${row} make no label set`);
      }
      this.#labelsEnd[row] = labels.length;
      if (this.#aliases[row] === 0) this.#aliases[row] = known.internV2(scan.refsBegin, row);
      if (this.#aliases[row] !== 0) this.#awaited.push(row);
    }
  }

  #exemplars(): ExemplarSample[] {
    const scan = this.#scan;
    return scan.exemplars.map((exemplar) => {
      const sink = new ByteSink(64);
      if (!canonicalizeExemplar(scan, exemplar, sink)) throw new Failure('bad_data', 'an exemplar has no label set');
      return { series: exemplar.series, t: exemplar.t, value: exemplar.value, labels: sink.written() };
    });
  }

  /** Rows that bring metadata are no series: they become entries of the batch. */
  #withMetadata(batch: WriteBatch): WriteBatch {
    const scan = this.#scan;
    const metadata: MetricMetadata[] = [];
    let keep: Uint8Array | undefined;
    for (let row = 0; row < scan.seriesCount; row++) {
      if (scan.hasMetadata[row] === 0) continue;
      keep ??= new Uint8Array(scan.seriesCount).fill(1);
      keep[row] = 0;
      const value = scan.refs[scan.refsBegin[row] + 1];
      metadata.push({
        metric: this.#symbol(value),
        type: wireMetricTypes[scan.metadataType[row]] ?? 'unknown',
        help: this.#symbol(scan.metadataHelp[row]),
        unit: this.#symbol(scan.metadataUnit[row]),
      });
    }
    if (keep === undefined) return batch;
    // Numbers of rows are not those of the batch any more; such records are few.
    this.#awaited = [];
    return { ...keepRows(batch, keep), metadata };
  }

  #symbol(index: number): string {
    const { bytes, symbolBegin, symbolEnd } = this.#scan;
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(
      'utf8',
      symbolBegin[index],
      symbolEnd[index],
    );
  }

  #grow(length: number): void {
    this.#refs = new Uint32Array(length);
    this.#aliases = new Uint32Array(length);
    this.#labelsBegin = new Uint32Array(length);
    this.#labelsEnd = new Uint32Array(length);
  }
}
