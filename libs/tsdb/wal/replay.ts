/**
 * Reading the WAL back at start: every good record in order, whatever lies between them said aloud.
 * Owns the order of segments and the verdict on what could not be read: torn (the end of the last segment, cut off by a
 * crash before it was acknowledged) or damaged (anything else). Does not own what a record does: the caller applies it.
 */

import { ByteSourceError } from '../../std/byte-source.ts';
import type { Disk } from '../../std/disk.ts';
import { type Damage, isOutOfMemory, newReport, readFrames } from './frame.ts';
import { decodeRecord, type LogRecord } from './range-record.ts';
import { listSegments, segmentKind, segmentPath } from './segment.ts';

export interface ReplayProgress {
  readonly bytesDone: number;
  readonly bytesTotal: number;
}

/** The last segment, and the end of its good part. */
export interface WalTail {
  readonly segment: number;
  readonly validEnd: number;
  /** What further frames must bear; undefined where none may be written to it. */
  readonly salt: number | undefined;
}

export interface ReplayResult {
  /** Undefined where there is no segment. */
  readonly tail: WalTail | undefined;
  /** Greatest sequence number seen, 0 for none. */
  readonly lastSeq: number;
  /** Greatest segment number seen, 0 for none. */
  readonly lastSegment: number;
  /** The torn end of the last segment: cut off when writing goes on. */
  readonly torn: Damage | undefined;
  /** Bytes that were lost although they may have been acknowledged; what could not be applied is among them. */
  readonly damages: readonly Damage[];
  /** Records whose frame was good and whose payload was not. */
  readonly undecodable: number;
  readonly records: number;
  readonly bytes: number;
  /**
   * Times of receipt of the pushes next to what was lost, in milliseconds: infinite where there is none on that side. Undefined where
   * nothing was lost.
   */
  readonly lost: { readonly afterMs: number; readonly beforeMs: number } | undefined;
}

/**
 * Applies every record of the segments from `fromSegment` on, in order.
 * @throws UnknownVersionError for a file of another version
 */
export async function replayWal(
  disk: Disk,
  directory: string,
  fromSegment: number,
  apply: (record: LogRecord, seq: number) => void,
  progress: (state: ReplayProgress) => void,
): Promise<ReplayResult> {
  const all = await listSegments(disk, directory);
  const segments = all.filter((number) => number >= fromSegment);
  let bytesTotal = 0;
  for (const number of segments) bytesTotal += await fileBytes(disk, segmentPath(directory, number));
  let bytesBefore = 0;
  let lastSeq = 0;
  let records = 0;
  let undecodable = 0;
  let torn: Damage | undefined;
  let tail: ReplayResult['tail'];
  const damages: Damage[] = [];
  let lost: { afterMs: number; beforeMs: number } | undefined;
  let receivedMs = Number.NEGATIVE_INFINITY;
  let damagesSeen = 0;
  const noteLost = (damageCount: number, beforeMs: number): void => {
    if (damageCount === damagesSeen) return;
    damagesSeen = damageCount;
    lost = { afterMs: lost?.afterMs ?? receivedMs, beforeMs };
  };
  let expected = fromSegment > 0 ? fromSegment : (segments[0] ?? 0);
  for (const [index, number] of segments.entries()) {
    const path = segmentPath(directory, number);
    // Numbers are given without gaps, so a gap is files that somebody lost. It may be as wide as a name that somebody made up.
    if (expected < number) {
      const reason = number - expected === 1 ? 'the file is missing' : `all files up to ${path} are missing`;
      damages.push({ path: segmentPath(directory, expected), offset: 0, bytes: 0, reason });
    }
    expected = number + 1;
    const report = newReport();
    for await (const frame of readFrames(disk, path, segmentKind, report)) {
      if (frame.seq > lastSeq) lastSeq = frame.seq;
      let record: LogRecord;
      try {
        record = decodeRecord(frame.bytes, frame.begin, frame.end);
      } catch (error) {
        if (!(error instanceof ByteSourceError)) throw error;
        undecodable++;
        damages.push({ path, offset: report.validEnd, bytes: frame.end - frame.begin, reason: error.message });
        continue;
      }
      if (record.kind === 'push') {
        noteLost(damages.length + report.damages.length, record.batch.receiveTimeMs);
        receivedMs = record.batch.receiveTimeMs;
      }
      try {
        apply(record, frame.seq);
        records++;
      } catch (error) {
        if (isOutOfMemory(error)) throw error;
        // One that cannot be applied would stop every start: it is set aside with its file.
        damages.push({ path, offset: report.validEnd, bytes: frame.end - frame.begin, reason: String(error) });
      }
      progress({ bytesDone: bytesBefore + report.validEnd, bytesTotal });
    }
    damages.push(...report.damages);
    const rest = report.sizeBytes - report.validEnd;
    const isLast = index === segments.length - 1;
    if (rest > 0) {
      const damage = { path, offset: report.validEnd, bytes: rest };
      if (isLast) torn = damage;
      else damages.push(damage);
    }
    if (isLast) tail = { segment: number, validEnd: report.validEnd, salt: report.salt };
    bytesBefore += report.sizeBytes;
    progress({ bytesDone: bytesBefore, bytesTotal });
  }
  // A snapshot's segment is there before the snapshot is.
  if (segments.length === 0 && fromSegment > 0) {
    damages.push({ path: segmentPath(directory, fromSegment), offset: 0, bytes: 0, reason: 'the file is missing' });
  }
  noteLost(damages.length, Number.POSITIVE_INFINITY);
  const lastSegment = all.at(-1) ?? 0;
  return { tail, lastSeq, lastSegment, torn, damages, undecodable, records, bytes: bytesTotal, lost };
}

async function fileBytes(disk: Disk, path: string): Promise<number> {
  const file = await disk.open(path, 'read');
  try {
    return await file.size();
  } finally {
    await file.close();
  }
}
