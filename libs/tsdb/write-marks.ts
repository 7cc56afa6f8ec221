/**
 * When samples of a time were last written: who kept an answer learns whether anything was accepted since that could change it.
 * Owns one number for each ten minutes of samples: that of the last write into them, counted over all writes of this process.
 * Surprising: a number means nothing to another process or after a restart, so it goes with a number drawn at the start. Of the
 * oldest times that were written to only the last write to any of them is known.
 */
import { randomInt } from 'node:crypto';
import type { WriteBatch } from '../contracts/write-batch.ts';
import type { TenantId } from '../model/tenant-id.ts';

const bucketMs = 600_000;
/** A month of them. */
const bucketsMax = 4_500;

interface TenantMarks {
  readonly lastWrite: Map<number, number>;
  /** Buckets below this are not told apart, and the last write to any of them. */
  oldBelow: number;
  lastWriteToOld: number;
}

export class WriteMarks {
  /** Drawn at every start. */
  readonly run: number = randomInt(1, 0xffffffff);
  readonly #tenants = new Map<TenantId, TenantMarks>();
  #writes = 0;

  /** A batch is being applied in this turn. */
  note({ tenant, sampleBegin, seriesCount, sampleT, histograms }: WriteBatch): void {
    let minT = Number.POSITIVE_INFINITY;
    let maxT = Number.NEGATIVE_INFINITY;
    const end = sampleBegin[seriesCount] as number;
    for (let i = sampleBegin[0] as number; i < end; i++) {
      const t = sampleT[i] as number;
      if (t < minT) minT = t;
      if (t > maxT) maxT = t;
    }
    for (const { t } of histograms) {
      if (t < minT) minT = t;
      if (t > maxT) maxT = t;
    }
    if (minT <= maxT) this.noteRange(tenant, minT, maxT);
  }

  noteRange(tenant: TenantId, minT: number, maxT: number): void {
    let marks = this.#tenants.get(tenant);
    if (marks === undefined) {
      marks = { lastWrite: new Map(), oldBelow: Number.NEGATIVE_INFINITY, lastWriteToOld: 0 };
      this.#tenants.set(tenant, marks);
    }
    const write = ++this.#writes;
    const first = Math.floor(minT / bucketMs);
    const last = Math.floor(maxT / bucketMs);
    if (first < marks.oldBelow || last - first >= bucketsMax) {
      marks.lastWriteToOld = write;
      marks.oldBelow = Math.max(marks.oldBelow, last - bucketsMax + 1);
    }
    for (let bucket = Math.max(first, marks.oldBelow); bucket <= last; bucket++) marks.lastWrite.set(bucket, write);
    if (marks.lastWrite.size > bucketsMax) forgetOldest(marks);
  }

  /** The last write to samples of [minT, maxT], 0 where there was none. */
  lastWrite(tenant: TenantId, minT: number, maxT: number): number {
    const marks = this.#tenants.get(tenant);
    if (marks === undefined) return 0;
    const first = Math.floor(minT / bucketMs);
    const last = Math.floor(maxT / bucketMs);
    let write = first < marks.oldBelow ? marks.lastWriteToOld : 0;
    for (const [bucket, at] of marks.lastWrite) if (bucket >= first && bucket <= last && at > write) write = at;
    return write;
  }
}

function forgetOldest(marks: TenantMarks): void {
  const buckets = [...marks.lastWrite.keys()].sort((a, b) => a - b);
  const kept = buckets[Math.floor(buckets.length / 4)] as number;
  for (const bucket of buckets) {
    if (bucket >= kept) break;
    marks.lastWriteToOld = Math.max(marks.lastWriteToOld, marks.lastWrite.get(bucket) as number);
    marks.lastWrite.delete(bucket);
  }
  marks.oldBelow = Math.max(marks.oldBelow, kept);
}
