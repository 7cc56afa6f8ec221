/**
 * Head snapshots: everything in memory, written beside the log, so that a restart replays only the log's end.
 * Owns the snapshot file. Does not own what a slice of series says (libs/tsdb/head). Surprising: pushes go on while one is
 * written. Each slice of series carries the sequence number up to which it holds everything, so that replay gives every
 * series exactly the records that its slice lacks. Layout in FORMAT.md.
 */
import { join } from 'node:path';
import { parseTenantId, type TenantId } from '../../model/tenant-id.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import { ByteSource } from '../../std/byte-source.ts';
import type { Disk } from '../../std/disk.ts';
import {
  beginFrame,
  type Damage,
  endFrame,
  isOutOfMemory,
  makeSalt,
  newReport,
  readFrames,
  writeFileHeader,
} from './frame.ts';
import { RestoredIds } from './restored-ids.ts';

const snapshotKind = 'MaruSNAP';
const snapshotPattern = /^(\d{8,})\.snapshot$/;

/** Behind the name of a snapshot that is not complete. */
const unfinishedSuffix = '.tmp';

const payloadSeries = 1;
const payloadExtras = 2;
const payloadEnd = 3;
const payloadLoggedFrom = 4;
const payloadLeaderEpoch = 5;

/** What can be written to a snapshot and restored from one: one tenant's head. */
export interface SnapshotState {
  readonly seriesCount: number;
  /** The greatest number that a series was ever given. */
  readonly lastId: number;
  /** Behind the number of the `count`th series from `fromId` on; behind `lastId` if there are no more. */
  sliceEnd(fromId: number, count: number): number;
  writeSlice(fromId: number, toId: number, out: ByteSink): void;
  readSlice(bytes: Uint8Array, begin: number, end: number, fromId: number): void;
  /** Numbers of the series [fromId, toId), rising. */
  idsBetween(fromId: number, toId: number): readonly number[];
  /** Numbers up to this one are not given again. */
  startAfter(id: number): void;
  /** Exemplars and metadata. */
  writeExtras(out: ByteSink): void;
  readExtras(bytes: Uint8Array, begin: number, end: number): void;
  /** Where in the log each range began. */
  writeLoggedFrom(out: ByteSink): void;
  readLoggedFrom(bytes: Uint8Array, begin: number, end: number): void;
}

export interface SnapshotWritten {
  readonly path: string;
  readonly bytes: number;
  readonly series: number;
}

/** Series of a slice at most. It is written in one turn and held in memory whole, so there are fewer where they are large. */
const sliceSeriesMax = 256;
const writeBytes = 1 << 20;

/**
 * Writes `<directory>/<segment>.snapshot`: complete, synced, read back and checked before it has that name.
 * @param segment the log from this segment on holds everything that slices may lack
 * @param lastSeq sequence number of the newest record applied to memory, asked again for every slice
 * @param leaderEpoch of the record before `segment`, which then is an offset: where the log is kept elsewhere
 */
export async function writeSnapshot(
  disk: Disk,
  directory: string,
  segment: number,
  tenants: ReadonlyMap<TenantId, SnapshotState>,
  lastSeq: () => number,
  leaderEpoch: number | undefined,
  progress: (seriesDone: number, seriesTotal: number) => void,
): Promise<SnapshotWritten> {
  await disk.makeDirectory(directory);
  const path = join(directory, `${String(segment).padStart(8, '0')}.snapshot`);
  const temporary = `${path}${unfinishedSuffix}`;
  await disk.remove(temporary);
  const file = await disk.open(temporary, 'create');
  let closed = false;
  try {
    const sink = new ByteSink(2 * writeBytes);
    const salt = makeSalt();
    let position = 0;
    let frames = 0;
    let series = 0;
    const flush = async () => {
      const bytes = sink.written();
      await file.write(bytes, position);
      position += bytes.length;
      sink.reset();
    };
    const frame = (write: () => void) => {
      const at = beginFrame(sink);
      write();
      endFrame(sink, at, ++frames, salt);
    };
    let seriesTotal = 0;
    for (const state of tenants.values()) seriesTotal += state.seriesCount;
    writeFileHeader(snapshotKind, salt, sink);
    for (const [tenant, state] of [...tenants]) {
      const endId = state.lastId + 1;
      let sliceSeries = 1;
      for (let fromId = 1, toId = 0; fromId < endId; fromId = toId) {
        toId = Math.min(state.sliceEnd(fromId, sliceSeries), endId);
        const begin = sink.length;
        frame(() => {
          sink.writeUint8(payloadSeries);
          sink.writeText(tenant);
          sink.writeUvarint(fromId);
          sink.writeUvarint(toId);
          sink.writeFloat64(lastSeq());
          state.writeSlice(fromId, toId, sink);
        });
        series = Math.min(series + sliceSeries, seriesTotal);
        const fitting = Math.floor((sliceSeries * writeBytes) / (sink.length - begin));
        sliceSeries = Math.max(1, Math.min(fitting, sliceSeries * 2, sliceSeriesMax));
        if (sink.length >= writeBytes) await flush();
        else await new Promise((resolve) => setImmediate(resolve));
        progress(series, seriesTotal);
      }
      frame(() => {
        sink.writeUint8(payloadExtras);
        sink.writeText(tenant);
        state.writeExtras(sink);
      });
      if (leaderEpoch !== undefined) {
        frame(() => {
          sink.writeUint8(payloadLoggedFrom);
          sink.writeText(tenant);
          state.writeLoggedFrom(sink);
        });
      }
      if (sink.length >= writeBytes) await flush();
    }
    if (leaderEpoch !== undefined) {
      frame(() => {
        sink.writeUint8(payloadLeaderEpoch);
        sink.writeFloat64(leaderEpoch);
      });
    }
    frame(() => sink.writeUint8(payloadEnd));
    await flush();
    await file.sync();
    await file.close();
    closed = true;
    const report = newReport();
    let framesRead = 0;
    for await (const _ of readFrames(disk, temporary, snapshotKind, report)) framesRead++;
    if (framesRead !== frames || report.damages.length > 0 || report.validEnd !== position) {
      throw new Error(`snapshot ${temporary} does not read back: ${framesRead} of ${frames} frames`);
    }
    await disk.rename(temporary, path);
    return { path, bytes: position, series };
  } catch (error) {
    if (!closed) await file.close();
    await disk.remove(temporary);
    throw error;
  }
}

export interface SnapshotLoaded {
  readonly path: string;
  /** Replay the log from here. */
  readonly segment: number;
  readonly restored: ReadonlyMap<TenantId, RestoredIds>;
  /** Greatest sequence number that any slice holds. */
  readonly lastSeq: number;
  /** Of the record before `segment`, where the log is kept elsewhere; else -1. */
  readonly leaderEpoch: number;
  readonly series: number;
  readonly bytes: number;
  readonly damages: readonly Damage[];
}

/** Numbers of the snapshots in a folder, rising. */
export async function listSnapshots(disk: Disk, directory: string): Promise<number[]> {
  const numbers: number[] = [];
  for (const name of await disk.list(directory)) {
    const match = snapshotPattern.exec(name);
    if (match?.[1] !== undefined) numbers.push(Number(match[1]));
  }
  return numbers.sort((a, b) => a - b);
}

/** Removes what a crash left of snapshots under way: nobody else would, their numbers never come again. */
export async function removeUnfinishedSnapshots(disk: Disk, directory: string): Promise<void> {
  for (const name of await disk.list(directory)) {
    if (name.endsWith(`.snapshot${unfinishedSuffix}`)) await disk.remove(join(directory, name));
  }
}

/** Path of the snapshot that belongs to a segment. */
export function snapshotPath(directory: string, segment: number): string {
  return join(directory, `${String(segment).padStart(8, '0')}.snapshot`);
}

/**
 * Restores a snapshot slice by slice into the states that `stateOf` gives. What cannot be read is reported, the rest is kept.
 * @throws UnknownVersionError for a file of another version
 */
export async function loadSnapshot(
  disk: Disk,
  directory: string,
  segment: number,
  stateOf: (tenant: TenantId) => SnapshotState,
  progress: (bytesDone: number, bytesTotal: number) => void,
): Promise<SnapshotLoaded> {
  const path = snapshotPath(directory, segment);
  const report = newReport();
  const restored = new Map<TenantId, RestoredIds>();
  let lastSeq = 0;
  let series = 0;
  let ended = false;
  let leaderEpoch = -1;
  const unread: Damage[] = [];
  const take = (bytes: Uint8Array, begin: number, end: number): void => {
    const source = new ByteSource(bytes, begin, end);
    switch (source.readUint8()) {
      case payloadSeries: {
        const tenant = parseTenantId(source.readText());
        const fromId = source.readUvarint();
        const toId = source.readUvarint();
        const seq = source.readFloat64();
        const state = stateOf(tenant);
        let isWhole = false;
        try {
          state.readSlice(bytes, source.position, end, fromId);
          isWhole = true;
        } finally {
          // All of the slice, or those before the place where it could not be read.
          const read = state.idsBetween(fromId, toId);
          series += read.length;
          let ids = restored.get(tenant);
          if (ids === undefined) restored.set(tenant, (ids = new RestoredIds()));
          ids.addSlice(fromId, isWhole ? toId : (read.at(-1) ?? fromId - 1) + 1, seq);
          for (const id of read) ids.set(id, id);
          state.startAfter(toId - 1);
          if (seq > lastSeq) lastSeq = seq;
        }
        break;
      }
      case payloadExtras:
        stateOf(parseTenantId(source.readText())).readExtras(bytes, source.position, end);
        break;
      case payloadLoggedFrom:
        stateOf(parseTenantId(source.readText())).readLoggedFrom(bytes, source.position, end);
        break;
      case payloadLeaderEpoch:
        leaderEpoch = source.readFloat64();
        break;
      case payloadEnd:
        ended = true;
        break;
    }
  };
  for await (const { bytes, begin, end } of readFrames(disk, path, snapshotKind, report)) {
    const offset = report.validEnd;
    try {
      take(bytes, begin, end);
    } catch (error) {
      if (isOutOfMemory(error)) throw error;
      unread.push({ path, offset, bytes: end - begin, reason: String(error) });
    }
    progress(report.validEnd, report.sizeBytes);
  }
  const damages = [...report.damages, ...unread];
  if (!ended || report.validEnd < report.sizeBytes) {
    damages.push({ path, offset: report.validEnd, bytes: report.sizeBytes - report.validEnd });
  }
  return { path, segment, restored, lastSeq, leaderEpoch, series, bytes: report.sizeBytes, damages };
}
