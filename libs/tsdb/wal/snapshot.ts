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
  type FileReport,
  isOutOfMemory,
  readFrames,
  writeFileHeader,
} from './frame.ts';

const snapshotKind = 'MaruSNAP';
const snapshotPattern = /^(\d{8,})\.snapshot$/;

/** Behind the name of a snapshot that is not complete. */
const unfinishedSuffix = '.tmp';

const payloadSeries = 1;
const payloadExtras = 2;
const payloadEnd = 3;

/** What can be written to a snapshot and restored from one: one tenant's head. Series ids are dense, from 1. */
export interface SnapshotState {
  readonly seriesCount: number;
  writeSlice(fromId: number, toId: number, out: ByteSink): void;
  readSlice(bytes: Uint8Array, begin: number, end: number): void;
  /** Exemplars and metadata. */
  writeExtras(out: ByteSink): void;
  readExtras(bytes: Uint8Array, begin: number, end: number): void;
}

/**
 * Numbers of one tenant's series while a restart is under way: the number that a file uses, the number that memory has now
 * (the same, unless a damaged file lost series before it), and the newest record that the series already holds.
 */
export class RestoredIds {
  #idOf = new Uint32Array(1024);
  readonly #sliceEnd: number[] = [];
  readonly #sliceSeq: number[] = [];
  /** Records up to here may be held by some series already. */
  seqMax = 0;

  addSlice(fromId: number, toId: number, firstIdNow: number, seq: number): void {
    for (let id = fromId; id < toId; id++) this.set(id, firstIdNow + id - fromId);
    this.#sliceEnd.push(toId);
    this.#sliceSeq.push(seq);
    if (seq > this.seqMax) this.seqMax = seq;
  }

  set(id: number, idNow: number): void {
    if (id >= this.#idOf.length) {
      const grown = new Uint32Array(Math.max(id + 1, this.#idOf.length * 2));
      grown.set(this.#idOf);
      this.#idOf = grown;
    }
    this.#idOf[id] = idNow;
  }

  /** 0 where the series is not known. */
  idNow(id: number): number {
    return this.#idOf[id] ?? 0;
  }

  /** Newest record that series `id` holds from a snapshot; 0 if it was in none. */
  seqOf(id: number): number {
    let low = 0;
    let high = this.#sliceEnd.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sliceEnd[middle] as number) <= id) low = middle + 1;
      else high = middle;
    }
    return this.#sliceSeq[low] ?? 0;
  }
}

export interface SnapshotWritten {
  readonly path: string;
  readonly bytes: number;
  readonly series: number;
}

const sliceSeries = 256;
const writeBytes = 1 << 20;

/**
 * Writes `<directory>/<segment>.snapshot`: complete, synced, read back and checked before it has that name.
 * @param segment the log from this segment on holds everything that slices may lack
 * @param lastSeq sequence number of the newest record applied to memory, asked again for every slice
 */
export async function writeSnapshot(
  disk: Disk,
  directory: string,
  segment: number,
  tenants: ReadonlyMap<TenantId, SnapshotState>,
  lastSeq: () => number,
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
      endFrame(sink, at, ++frames);
    };
    let seriesTotal = 0;
    for (const state of tenants.values()) seriesTotal += state.seriesCount;
    writeFileHeader(snapshotKind, sink);
    for (const [tenant, state] of [...tenants]) {
      const endId = state.seriesCount + 1;
      for (let fromId = 1; fromId < endId; fromId += sliceSeries) {
        const toId = Math.min(fromId + sliceSeries, endId);
        frame(() => {
          sink.writeUint8(payloadSeries);
          sink.writeText(tenant);
          sink.writeUvarint(fromId);
          sink.writeUvarint(toId);
          sink.writeFloat64(lastSeq());
          state.writeSlice(fromId, toId, sink);
        });
        series += toId - fromId;
        if (sink.length >= writeBytes) await flush();
        else await new Promise((resolve) => setImmediate(resolve));
        progress(series, seriesTotal);
      }
      frame(() => {
        sink.writeUint8(payloadExtras);
        sink.writeText(tenant);
        state.writeExtras(sink);
      });
      if (sink.length >= writeBytes) await flush();
    }
    frame(() => sink.writeUint8(payloadEnd));
    await flush();
    await file.sync();
    await file.close();
    closed = true;
    const report: FileReport = { damages: [], validEnd: 0, sizeBytes: 0 };
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
 * @throws UnknownVersionError for a file of a later version
 */
export async function loadSnapshot(
  disk: Disk,
  directory: string,
  segment: number,
  stateOf: (tenant: TenantId) => SnapshotState,
  progress: (bytesDone: number, bytesTotal: number) => void,
): Promise<SnapshotLoaded> {
  const path = snapshotPath(directory, segment);
  const report: FileReport = { damages: [], validEnd: 0, sizeBytes: 0 };
  const restored = new Map<TenantId, RestoredIds>();
  let lastSeq = 0;
  let series = 0;
  let ended = false;
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
        const firstIdNow = state.seriesCount + 1;
        try {
          state.readSlice(bytes, source.position, end);
        } finally {
          // All of the slice, or those before the place where it could not be read.
          const read = Math.min(toId - fromId, state.seriesCount + 1 - firstIdNow);
          series += read;
          let ids = restored.get(tenant);
          if (ids === undefined) restored.set(tenant, (ids = new RestoredIds()));
          ids.addSlice(fromId, fromId + read, firstIdNow, seq);
          if (seq > lastSeq) lastSeq = seq;
        }
        break;
      }
      case payloadExtras:
        stateOf(parseTenantId(source.readText())).readExtras(bytes, source.position, end);
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
  return { path, segment, restored, lastSeq, series, bytes: report.sizeBytes, damages };
}
