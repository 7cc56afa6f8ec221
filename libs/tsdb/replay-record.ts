/**
 * One record of the log after another applied to the heads, at a restart.
 * Owns what is left out because a snapshot holds it already, and numbers of series that damage has moved. Comes from
 * wal/replay.ts; goes to head/tenant-head.ts.
 */
import { keepRows } from '../contracts/keep-rows.ts';
import type { TenantId } from '../model/tenant-id.ts';
import type { TenantHead } from './head/tenant-head.ts';
import type { LogRecord } from './wal/range-record.ts';
import type { PushRecord } from './wal/record.ts';
import { RestoredIds } from './wal/restored-ids.ts';

export class RecordApplier {
  readonly #headOf: (tenant: TenantId) => TenantHead;
  readonly #restored: Map<TenantId, RestoredIds>;
  /** Rows that had to be left out because their series is not known. */
  orphanRows = 0;
  /** Whether a series has another number now than the log has for it. */
  renumbered = false;
  /** Heads of whose series some were dropped. */
  readonly forgot = new Set<TenantHead>();

  /** @param restored what each tenant has from a snapshot */
  constructor(headOf: (tenant: TenantId) => TenantHead, restored: Map<TenantId, RestoredIds>) {
    this.#headOf = headOf;
    this.#restored = restored;
  }

  apply(record: LogRecord, seq: number): void {
    const tenant = record.kind === 'push' ? record.batch.tenant : record.tenant;
    const head = this.#headOf(tenant);
    let ids = this.#restored.get(tenant);
    if (ids === undefined) {
      ids = new RestoredIds();
      this.#restored.set(tenant, ids);
    }
    switch (record.kind) {
      case 'push':
        this.#push(record, seq, head, ids);
        return;
      case 'freeze':
        // None is frozen while a snapshot is written, so it holds all of a freeze or nothing.
        if (seq > ids.seqMax) head.freeze(record.range, seq);
        return;
      case 'drop':
        head.drop(record.generation);
        return;
      case 'gone':
        this.#forget(record.ids, seq, head, ids);
    }
  }

  #push(record: PushRecord, seq: number, head: TenantHead, ids: RestoredIds): void {
    const { batch, newIds } = record;
    const mayBeHeld = seq <= ids.seqMax;
    for (let i = 0; i < newIds.length; i++) {
      const id = newIds[i] as number;
      if (mayBeHeld && seq <= ids.seqOf(id)) continue;
      const begin = record.newLabelsBegin[i] as number;
      const idNow = head.series.takeIn(id, batch.labelBytes, begin, record.newLabelsEnd[i] as number);
      if (idNow !== id) this.renumbered = true;
      ids.set(id, idNow);
    }
    const { seriesCount, refs } = batch;
    const idsNow = new Uint32Array(seriesCount);
    let kept = 0;
    for (let i = 0; i < seriesCount; i++) {
      const id = refs[i] as number;
      if (mayBeHeld && seq <= ids.seqOf(id)) continue;
      const idNow = ids.idNow(id);
      if (idNow === 0) {
        this.orphanRows++;
      } else {
        idsNow[i] = idNow;
        kept++;
      }
    }
    const renumbered = { ...batch, refs: idsNow };
    if (kept === seriesCount) {
      head.append(renumbered, idsNow);
    } else {
      const rest = keepRows(
        renumbered,
        Uint8Array.from(idsNow, (id) => (id === 0 ? 0 : 1)),
      );
      head.append(rest, rest.refs);
    }
  }

  #forget(gone: Uint32Array, seq: number, head: TenantHead, ids: RestoredIds): void {
    for (const id of gone) {
      if (seq <= ids.seqOf(id)) continue;
      const idNow = ids.idNow(id);
      ids.delete(id);
      // Where files are damaged the head may hold more than it did then.
      if (idNow === 0 || head.needsSeries(idNow)) continue;
      head.series.forget(idNow);
      this.forgot.add(head);
    }
  }
}
