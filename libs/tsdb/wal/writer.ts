/**
 * The WAL's writer: what makes a write durable before it is acknowledged, one fsync for all that wait.
 * Owns the current segment, its position and the group commit. Does not own what a record means (record.ts) nor reading
 * (replay.ts). Surprising: when the disk is full the bytes that could not be written are kept, because the head already
 * holds what they say; nothing more is taken until they are on disk. A failed fsync is never tried again: the kernel may have
 * dropped the pages, so the writer is dead and its process must go.
 */
import { Failure } from '../../errors/failure.ts';
import { assert } from '../../std/assert.ts';
import { ByteSink } from '../../std/byte-sink.ts';
import { type Disk, type DiskFile, isDiskFull, isOutOfFiles } from '../../std/disk.ts';
import {
  beginFrame,
  endFrame,
  fileHeaderBytes,
  frameBytesMax,
  frameHeaderBytes,
  makeSalt,
  writeFileHeader,
} from './frame.ts';
import type { WalTail } from './replay.ts';
import { segmentKind, segmentPath } from './segment.ts';

export interface WalWriterOptions {
  readonly disk: Disk;
  readonly directory: string;
  /** A segment is closed when it has grown beyond this. */
  readonly segmentBytes: number;
  /** How long a full disk is left alone before the next try. */
  readonly fullRetryMs: number;
  /** Records that wait for the disk may take this much memory; beyond it none is taken until they are written. */
  readonly pendingBytesMax: number;
  /** Where to go on, or undefined for an empty folder. */
  readonly tail: WalTail | undefined;
  /** Number for a first new segment, above every number ever used. */
  readonly nextSegment: number;
  /** Sequence number of the first record. */
  readonly nextSeq: number;
  /** Called once when durability can no longer be promised; the process must stop. */
  readonly onFatal: (error: unknown) => void;
  /** Called when the disk becomes full, and when there is room again. */
  readonly onFull: (full: boolean) => void;
}

export type WalState = 'open' | 'full' | 'failed' | 'closed';

/** Records that will be made durable by one write and one fsync. */
class Commit {
  readonly sink: ByteSink;
  readonly done: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Failure) => void;
  waiters = 0;

  constructor(sink: ByteSink) {
    this.sink = sink;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.done = promise;
    this.resolve = resolve;
    this.reject = reject;
    // Nobody may be waiting when it fails (roll, close): that is not an unhandled rejection.
    this.done.catch(() => undefined);
  }
}

/** A sink that grew beyond this is not kept for the next commit. */
const keptSinkBytes = 32 << 20;

export class WalWriter {
  readonly #options: WalWriterOptions;
  /** Of all segments that this one writes: a record is framed before it is known to which of them it goes. */
  readonly #salt: number;
  #file: DiskFile;
  #segment: number;
  #position: number;
  #pending: Commit;
  #spare: ByteSink | undefined;
  #seq: number;
  #durableSeq: number;
  #busy = false;
  /** Ends with the commit loop that runs, or ran last. */
  #running: Promise<void> | undefined;
  #state: WalState = 'open';
  /** Somebody waits for a new segment. */
  #roll: PromiseWithResolvers<number> | undefined;
  #nextSegment: number;
  /** Bytes that a full disk did not take, in order, to be written at #position before anything else. */
  #held: Uint8Array[] = [];
  #retryTimer: NodeJS.Timeout | undefined;
  #wake: (() => void) | undefined;
  /** Counters for metrics: bytes and records written, syncs done, seconds spent in them. */
  readonly counters = { bytes: 0, records: 0, commits: 0, syncSeconds: 0 };

  private constructor(options: WalWriterOptions, salt: number, file: DiskFile, segment: number, position: number) {
    this.#options = options;
    this.#salt = salt;
    this.#file = file;
    this.#segment = segment;
    this.#position = position;
    this.#nextSegment = Math.max(options.nextSegment, segment + 1);
    this.#seq = options.nextSeq;
    this.#durableSeq = options.nextSeq - 1;
    this.#pending = new Commit(new ByteSink());
  }

  /** Goes on behind the good part of the last segment (what is torn is cut off), or begins the first one. */
  static async open(options: WalWriterOptions): Promise<WalWriter> {
    const { disk, directory, tail } = options;
    await disk.makeDirectory(directory);
    if (tail?.salt !== undefined) {
      const file = await disk.open(segmentPath(directory, tail.segment), 'write');
      await file.truncate(tail.validEnd);
      await file.sync();
      // The process that made it may have been killed before its name was durable.
      await disk.syncDirectory(directory);
      return new WalWriter(options, tail.salt, file, tail.segment, tail.validEnd);
    }
    if (tail !== undefined) {
      // Of an older version, or not even its header was synced, so that nothing in it was acknowledged. What is torn would be damage
      // when others follow it.
      const torn = await disk.open(segmentPath(directory, tail.segment), 'write');
      await torn.truncate(tail.validEnd);
      await torn.sync();
      await torn.close();
    }
    const salt = makeSalt();
    const file = await createSegment(disk, directory, options.nextSegment, salt);
    return new WalWriter(options, salt, file, options.nextSegment, fileHeaderBytes);
  }

  get state(): WalState {
    return this.#state;
  }

  /** Number of the segment that the next record may go to. */
  get segment(): number {
    return this.#segment;
  }

  /** Sequence number of the newest record, durable or not. */
  get lastSeq(): number {
    return this.#seq - 1;
  }

  /** Sequence number of the newest record that is durable, and all before it. */
  get durableSeq(): number {
    return this.#durableSeq;
  }

  takeGeneration(): number {
    return this.lastSeq;
  }

  /** @throws Failure `unavailable` when no record is taken now. Ask before anything of a write is applied. */
  checkOpen(): void {
    switch (this.#state) {
      case 'open':
        if (this.#pending.sink.length < this.#options.pendingBytesMax) return;
        throw new Failure('unavailable', 'the disk is slow: too many writes wait for it', { retryAfterSeconds: 1 });
      case 'full':
        throw new Failure('unavailable', 'the disk is full: writes are refused until there is room', {
          retryAfterSeconds: 5,
        });
      case 'failed':
        throw new Failure('unavailable', 'the write-ahead log failed: the process is stopping');
      case 'closed':
        throw new Failure('unavailable', 'the process is stopping');
    }
  }

  /**
   * Takes a record; `encode` writes its payload at once. Resolves when it is durable.
   * The caller must apply the record to memory in the same turn, so that order in the log is order of application.
   * @throws Failure `unavailable` (rejection) when it could not be made durable; `too_large` at once for a record beyond frameBytesMax
   */
  append(encode: (out: ByteSink) => void): Promise<void> {
    assert(this.#state === 'open', 'checkOpen was asked first');
    const commit = this.#pending;
    const { sink } = commit;
    const at = beginFrame(sink);
    try {
      encode(sink);
      if (sink.length - at - frameHeaderBytes > frameBytesMax) {
        throw new Failure('too_large', `the write is larger than ${frameBytesMax} bytes in the log`);
      }
    } catch (error) {
      sink.length = at;
      throw error;
    }
    endFrame(sink, at, this.#seq++, this.#salt);
    commit.waiters++;
    this.counters.records++;
    this.#start();
    return commit.done;
  }

  /** Begins a new segment behind everything taken so far; resolves with its number when all before it is durable. */
  async roll(): Promise<number> {
    if (this.#state !== 'open') this.checkOpen();
    this.#roll ??= Promise.withResolvers<number>();
    this.#start();
    return this.#roll.promise;
  }

  /** Takes nothing more, makes durable what was taken, closes. */
  async close(): Promise<void> {
    if (this.#state === 'open' || this.#state === 'full') this.#state = 'closed';
    clearTimeout(this.#retryTimer);
    this.#wake?.();
    await this.#running;
    await this.#file.close();
  }

  #start(): void {
    // The flag falls in the same turn in which the loop decides to end, so that no record finds it up and nobody at work.
    if (this.#busy) return;
    this.#busy = true;
    this.#running = this.#run().catch((error: unknown) => this.#fail(error, this.#pending));
  }

  async #run(): Promise<void> {
    // Let all pushes of this turn of the event loop join the first commit.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#state !== 'failed') {
      if (this.#pending.waiters === 0 && this.#held.length === 0) {
        if (this.#roll === undefined || this.#state === 'closed') {
          this.#busy = false;
          this.#refuseRoll(new Failure('unavailable', 'the process is stopping'));
          return;
        }
        await this.#rollNow();
        continue;
      }
      await this.#commit();
    }
  }

  async #commit(): Promise<void> {
    const commit = this.#pending;
    const { lastSeq } = this;
    this.#pending = new Commit(this.#spare ?? new ByteSink());
    this.#spare = undefined;
    const bytes = commit.sink.written();
    if (bytes.length > 0) this.#held.push(bytes);
    try {
      while (this.#held.length > 0) {
        const next = this.#held[0] as Uint8Array;
        await this.#file.write(next, this.#position);
        this.#position += next.length;
        this.counters.bytes += next.length;
        this.#held.shift();
      }
    } catch (error) {
      if (!isDiskFull(error)) return this.#fail(error, commit);
      const refusal = new Failure('unavailable', 'the disk is full: the write was not acknowledged', {
        cause: error,
        retryAfterSeconds: 5,
      });
      commit.reject(refusal);
      // The records that came meanwhile are in the head as well: keep their bytes, refuse their senders.
      const late = this.#pending;
      if (late.waiters > 0) {
        this.#held.push(late.sink.written());
        late.reject(refusal);
        this.#pending = new Commit(new ByteSink());
      }
      await this.#waitForRoom();
      return;
    }
    const begin = performance.now();
    try {
      await this.#file.sync();
    } catch (error) {
      return this.#fail(error, commit);
    }
    this.#durableSeq = lastSeq;
    this.counters.syncSeconds += (performance.now() - begin) / 1000;
    this.counters.commits++;
    if (this.#state === 'full') {
      this.#state = 'open';
      this.#options.onFull(false);
    }
    commit.resolve();
    commit.sink.reset();
    if (commit.sink.bytes.length <= keptSinkBytes) this.#spare = commit.sink;
    if (this.#roll !== undefined || this.#position >= this.#options.segmentBytes) await this.#rollNow();
  }

  /**
   * When there is no room for a new segment, or no more files can be opened, the old one simply grows on: the next write finds out
   * whether there is any.
   */
  async #rollNow(): Promise<void> {
    const { disk, directory } = this.#options;
    const number = this.#nextSegment;
    try {
      const file = await createSegment(disk, directory, number, this.#salt);
      const previous = this.#file;
      this.#file = file;
      this.#segment = number;
      this.#nextSegment = number + 1;
      this.#position = fileHeaderBytes;
      await previous.close();
      this.#roll?.resolve(number);
      this.#roll = undefined;
    } catch (error) {
      if (!isDiskFull(error) && !isOutOfFiles(error)) return this.#fail(error, this.#pending);
      const why = isDiskFull(error) ? 'the disk is full: no room for a' : 'too many files are open: no';
      this.#refuseRoll(new Failure('unavailable', `${why} new segment of the log`, { cause: error }));
    }
  }

  async #waitForRoom(): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'full';
      this.#options.onFull(true);
    }
    if (this.#state === 'closed') {
      // Nobody was told that these bytes are durable.
      this.#held = [];
      return;
    }
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#retryTimer = setTimeout(resolve, this.#options.fullRetryMs);
    });
    this.#wake = undefined;
  }

  #fail(error: unknown, commit: Commit): void {
    this.#state = 'failed';
    const refusal = new Failure('unavailable', 'the write-ahead log failed: the write was not acknowledged', {
      cause: error,
    });
    commit.reject(refusal);
    this.#pending.reject(refusal);
    this.#refuseRoll(refusal);
    this.#options.onFatal(error);
  }

  #refuseRoll(failure: Failure): void {
    this.#roll?.reject(failure);
    this.#roll = undefined;
  }
}

/** Leaves no file behind where there was no room for it. */
async function createSegment(disk: Disk, directory: string, number: number, salt: number): Promise<DiskFile> {
  const path = segmentPath(directory, number);
  const file = await disk.open(path, 'create');
  try {
    const header = new ByteSink(fileHeaderBytes);
    writeFileHeader(segmentKind, salt, header);
    await file.write(header.written(), 0);
    await file.sync();
    await disk.syncDirectory(directory);
    return file;
  } catch (error) {
    await file.close();
    await disk.remove(path);
    throw error;
  }
}
