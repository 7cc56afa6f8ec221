/**
 * When samples of a time were last written: who kept an answer learns whether anything was accepted since that could change it.
 * Owns one number for each ten minutes of samples, and for each day of older ones: that of the last write into them, counted over all
 * writes of this process. Surprising: a number means nothing to another process or after a restart, so it goes with a number drawn at
 * the start. Of the oldest times that were written to only the last write to any of them is known, and of tenants that have not written
 * for longest, where there were many, only the last write of any of them.
 */
import { randomInt } from 'node:crypto';
import type { WriteBatch } from '../contracts/write-batch.ts';
import type { TenantId } from '../model/tenant-id.ts';

const fineMs = 600_000;
const finePerDay = 144;
/** Two days and some, after which the older ones become days. */
const fineMax = 3 * finePerDay;
const daysMax = 400;

/** Numbers of buckets; those below `below` are kept elsewhere, in larger ones. */
interface Buckets {
  readonly lastWrite: Map<number, number>;
  below: number;
}

interface TenantMarks {
  readonly fine: Buckets;
  readonly days: Buckets;
  /** The last write to any time that is older than all of these. */
  lastWriteToOld: number;
  /** The last write of those who were forgotten before these marks began: the tenant may have been one of them. */
  readonly lastWriteBefore: number;
}

export class WriteMarks {
  /** Drawn at every start. */
  readonly run: number = randomInt(1, 0xffffffff);
  readonly #tenantsMax: number;
  /** Who wrote last comes last. */
  readonly #tenants = new Map<TenantId, TenantMarks>();
  #writes = 0;
  /** The last write of tenants that were forgotten. */
  #lastWriteOfForgotten = 0;

  /** @param tenantsMax of whom marks are kept: names can be made up, and these outlive the samples */
  constructor(tenantsMax: number) {
    this.#tenantsMax = tenantsMax;
  }

  get tenantCount(): number {
    return this.#tenants.size;
  }

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
    const marks = this.#marksOf(tenant);
    const write = ++this.#writes;
    const { fine, days } = marks;
    const first = Math.floor(minT / fineMs);
    const last = Math.floor(maxT / fineMs);
    // Of a wide range the newest end is told apart.
    fine.below = Math.max(fine.below, last - first >= fineMax ? last - fineMax + 1 : Number.NEGATIVE_INFINITY);
    for (let bucket = Math.max(first, fine.below); bucket <= last; bucket++) fine.lastWrite.set(bucket, write);
    if (first < fine.below) {
      const firstDay = dayOf(first);
      const lastDay = dayOf(Math.min(last, fine.below - 1));
      if (lastDay - firstDay >= daysMax) days.below = Math.max(days.below, lastDay - daysMax + 1);
      for (let day = Math.max(firstDay, days.below); day <= lastDay; day++) days.lastWrite.set(day, write);
      if (firstDay < days.below) marks.lastWriteToOld = write;
    }
    if (fine.lastWrite.size > fineMax) {
      moveOldest(fine, (bucket, at) => raise(days, dayOf(bucket), at, marks));
    }
    if (days.lastWrite.size > daysMax) {
      moveOldest(days, (_day, at) => {
        marks.lastWriteToOld = Math.max(marks.lastWriteToOld, at);
      });
    }
  }

  /** The last write to samples of [minT, maxT], 0 where there was none. */
  lastWrite(tenant: TenantId, minT: number, maxT: number): number {
    const marks = this.#tenants.get(tenant);
    if (marks === undefined) return this.#lastWriteOfForgotten;
    return Math.max(marks.lastWriteBefore, this.#lastWriteSince(marks, minT, maxT));
  }

  #marksOf(tenant: TenantId): TenantMarks {
    const known = this.#tenants.get(tenant);
    if (known !== undefined) this.#tenants.delete(tenant);
    else if (this.#tenants.size >= this.#tenantsMax) this.#forgetOldest();
    const none = (): Buckets => ({ lastWrite: new Map(), below: Number.NEGATIVE_INFINITY });
    const marks = known ?? {
      fine: none(),
      days: none(),
      lastWriteToOld: 0,
      lastWriteBefore: this.#lastWriteOfForgotten,
    };
    this.#tenants.set(tenant, marks);
    return marks;
  }

  #forgetOldest(): void {
    const [oldest] = this.#tenants.keys();
    if (oldest !== undefined) this.#tenants.delete(oldest);
    this.#lastWriteOfForgotten = this.#writes;
  }

  #lastWriteSince({ fine, days, lastWriteToOld }: TenantMarks, minT: number, maxT: number): number {
    const first = Math.floor(minT / fineMs);
    const last = Math.floor(maxT / fineMs);
    const write = newest(fine, first, last);
    if (first >= fine.below) return write;
    const firstDay = dayOf(first);
    const older = newest(days, firstDay, dayOf(last));
    return Math.max(write, older, firstDay < days.below ? lastWriteToOld : 0);
  }
}

const dayOf = (fine: number): number => Math.floor(fine / finePerDay);

function raise(days: Buckets, day: number, write: number, marks: TenantMarks): void {
  if (day < days.below) marks.lastWriteToOld = Math.max(marks.lastWriteToOld, write);
  else days.lastWrite.set(day, Math.max(days.lastWrite.get(day) ?? 0, write));
}

function newest({ lastWrite }: Buckets, first: number, last: number): number {
  let write = 0;
  for (const [bucket, at] of lastWrite) if (bucket >= first && bucket <= last && at > write) write = at;
  return write;
}

/** Takes the oldest third out. */
function moveOldest(buckets: Buckets, move: (bucket: number, write: number) => void): void {
  const { lastWrite } = buckets;
  const sorted = [...lastWrite.keys()].sort((a, b) => a - b);
  const kept = sorted[Math.floor(sorted.length / 3)] as number;
  for (const bucket of sorted) {
    if (bucket >= kept) break;
    move(bucket, lastWrite.get(bucket) as number);
    lastWrite.delete(bucket);
  }
  buckets.below = Math.max(buckets.below, kept);
}
