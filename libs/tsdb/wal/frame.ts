/**
 * Frames: how records stand in a WAL segment or a snapshot file, so that each can be told from garbage on its own.
 * Owns the frame's bytes and the walk over a file of them. Surprising: a bad frame is not the end. The walk looks for the
 * next frame whose checksum holds, and says which bytes it had to pass over. It may come through what a sender wrote, who could have
 * put frames of his own there, for any tenant, or what looks like the beginnings of a million: so every frame of a file bears the
 * file's salt, which nobody is told. Layout in FORMAT.md.
 */
import { randomInt } from 'node:crypto';
import { crc32c } from '../../model/encoding/crc32c.ts';
import type { ByteSink } from '../../std/byte-sink.ts';
import type { Disk } from '../../std/disk.ts';

/** Bytes of a frame before its payload: magic, length, checksum, salt, sequence number. */
export const frameHeaderBytes = 24;
/** "MrF1", little-endian. */
const frameMagic = 0x3146724d;
/** A payload longer than this is taken for a lying length, and is never written: bodies are bounded far below. */
export const frameBytesMax = 1 << 30;

/** File header: eight bytes of name, the version of the format, the checksum of both; the salt and its checksum. */
export const fileHeaderBytes = 24;
/** Files of another version stop the start: they are never cut and never skipped. */
const formatVersion = 3;

/** How a version lays out files and frames. */
interface Layout {
  readonly fileHeaderBytes: number;
  readonly frameHeaderBytes: number;
  readonly seqAt: number;
}

const layouts: ReadonlyMap<number, Layout> = new Map([
  // Without salt: read, and never written on.
  [2, { fileHeaderBytes: 16, frameHeaderBytes: 20, seqAt: 12 }],
  [formatVersion, { fileHeaderBytes, frameHeaderBytes, seqAt: 16 }],
]);
const layoutNow = layouts.get(formatVersion) as Layout;

/** A salt for new files. */
export function makeSalt(): number {
  return randomInt(1, 2 ** 32);
}

/** Writes the bytes that begin a file: `kind` is 8 ASCII characters. */
export function writeFileHeader(kind: string, salt: number, out: ByteSink): void {
  for (let i = 0; i < 8; i++) out.writeUint8(kind.charCodeAt(i));
  out.writeUint32(formatVersion);
  out.writeUint32(crc32c(out.bytes, out.length - 12, out.length));
  out.writeUint32(salt);
  out.writeUint32(crc32c(out.bytes, out.length - 4, out.length));
}

/** Opens a frame in `out`; write the payload, then call endFrame with what this returned. */
export function beginFrame(out: ByteSink): number {
  const at = out.length;
  out.reserve(frameHeaderBytes);
  out.length += frameHeaderBytes;
  return at;
}

/** Closes the frame begun at `at`. `seq` is a whole number that rises within a file, `salt` the file's. */
export function endFrame(out: ByteSink, at: number, seq: number, salt: number): void {
  const { view } = out;
  view.setUint32(at, frameMagic, true);
  view.setUint32(at + 4, out.length - at - frameHeaderBytes, true);
  view.setUint32(at + 12, salt, true);
  view.setFloat64(at + 16, seq, true);
  view.setUint32(at + 8, crc32c(out.bytes, at + 12, out.length), true);
}

export interface Frame {
  readonly seq: number;
  /** Payload: bytes[begin, end). Valid until the walk goes on. */
  readonly bytes: Uint8Array;
  readonly begin: number;
  readonly end: number;
}

/** Bytes of a file that are in no frame, or in one that says nothing (then with the reason). */
export interface Damage {
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
  readonly reason?: string;
}

/** A frame that could not be taken in for this reason is not to blame: with more memory it can be. */
export function isOutOfMemory(error: unknown): boolean {
  return error instanceof RangeError && error.message.startsWith('Array buffer allocation');
}

/** What a walk learned about its file; complete when the walk is over. */
export interface FileReport {
  readonly damages: Damage[];
  /** Where the last good frame ends: what lies behind is torn. */
  validEnd: number;
  sizeBytes: number;
  /** What frames that are written on to it must bear; undefined where none may be: it is of an older version, or its header is damaged. */
  salt: number | undefined;
}

/** A report to be filled. */
export function newReport(): FileReport {
  return { damages: [], validEnd: 0, sizeBytes: 0, salt: undefined };
}

/** A file of a version that this program does not know. Not damage: never cut, never skipped. */
class UnknownVersionError extends Error {
  override readonly name = 'UnknownVersionError';
}

const windowBytes = 4 << 20;

/**
 * Walks the frames of a file in order, reading it in windows. `report` is filled on the way.
 * @throws UnknownVersionError when the file says it is of another version
 */
export async function* readFrames(disk: Disk, path: string, kind: string, report: FileReport): AsyncGenerator<Frame> {
  const file = await disk.open(path, 'read');
  try {
    const size = await file.size();
    report.sizeBytes = size;
    let window = new Uint8Array(Math.min(windowBytes, size));
    let view = new DataView(window.buffer);
    let windowBegin = 0;
    let filled = await file.read(window, 0);
    /** Makes `count` bytes from `offset` available, as far as the file has them; returns how many there are. */
    const ensure = async (offset: number, count: number): Promise<number> => {
      if (offset + count > windowBegin + filled && windowBegin + filled < size) {
        const kept = Math.max(0, windowBegin + filled - offset);
        const capacity = Math.min(Math.max(count, windowBytes), size - offset);
        const next = capacity > window.length || capacity * 4 < window.length ? new Uint8Array(capacity) : window;
        next.set(window.subarray(offset - windowBegin, offset - windowBegin + kept));
        window = next;
        view = new DataView(window.buffer);
        windowBegin = offset;
        filled = kept + (await file.read(window.subarray(kept), offset + kept));
      }
      return windowBegin + filled - offset;
    };

    const header = headerOf(path, kind, window, view);
    const { layout } = header;
    report.salt = header.salt;
    if (header.end === fileHeaderBytes && header.salt === undefined)
      report.damages.push({ path, offset: 16, bytes: 8 });
    // Where the header does not say it the first frame that checks does.
    let { salt } = header;
    let offset = header.end;
    report.validEnd = offset;
    let passedFrom = offset === 0 ? 0 : -1;
    while (offset < size) {
      let good = false;
      if ((await ensure(offset, layout.frameHeaderBytes)) >= layout.frameHeaderBytes) {
        const at = offset - windowBegin;
        const isSalted = layout !== layoutNow || salt === undefined || view.getUint32(at + 12, true) === salt;
        if (isSalted && view.getUint32(at, true) === frameMagic) {
          const length = view.getUint32(at + 4, true);
          const total = layout.frameHeaderBytes + length;
          if (length <= frameBytesMax && offset + total <= size && (await ensure(offset, total)) >= total) {
            const begin = offset - windowBegin;
            if (crc32c(window, begin + 12, begin + total) === view.getUint32(begin + 8, true)) {
              if (passedFrom >= 0) report.damages.push({ path, offset: passedFrom, bytes: offset - passedFrom });
              passedFrom = -1;
              good = true;
              salt ??= view.getUint32(begin + 12, true);
              const seq = view.getFloat64(begin + layout.seqAt, true);
              yield { seq, bytes: window, begin: begin + layout.frameHeaderBytes, end: begin + total };
              offset += total;
              report.validEnd = offset;
            }
          }
        }
      }
      if (!good) {
        if (passedFrom < 0) passedFrom = offset;
        offset++;
        // Look for the next place where a frame may begin, a window at a time.
        for (;;) {
          let available = windowBegin + filled - offset;
          if (available < layout.frameHeaderBytes)
            available = await ensure(offset, Math.min(windowBytes, size - offset));
          if (available < layout.frameHeaderBytes) {
            offset = size;
            break;
          }
          const wanted = layout === layoutNow ? salt : undefined;
          const found = findFrame(window, view, offset - windowBegin, offset - windowBegin + available, wanted);
          if (found >= 0) {
            offset = windowBegin + found;
            break;
          }
          offset += available - 3;
        }
      }
    }
  } finally {
    await file.close();
  }
}

/** What the header of a file says, in the first bytes of it; `end` is 0 where there is none that holds. @throws UnknownVersionError */
function headerOf(
  path: string,
  kind: string,
  bytes: Uint8Array,
  view: DataView,
): { layout: Layout; end: number; salt: number | undefined } {
  const none = { layout: layoutNow, end: 0, salt: undefined };
  if (bytes.length < 16 || headerKind(bytes) !== kind || crc32c(bytes, 0, 12) !== view.getUint32(12, true)) return none;
  const version = view.getUint32(8, true);
  const layout = layouts.get(version);
  if (layout === undefined) {
    throw new UnknownVersionError(`${path} has format version ${version}; this program knows ${formatVersion}`);
  }
  if (bytes.length < layout.fileHeaderBytes) return none;
  const isSalted = layout === layoutNow && crc32c(bytes, 16, 20) === view.getUint32(20, true);
  return { layout, end: layout.fileHeaderBytes, salt: isSalted ? view.getUint32(16, true) : undefined };
}

function headerKind(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, 8));
}

/** Where in bytes[begin, end) a frame may begin, of this salt if there is one; -1 for nowhere. */
function findFrame(bytes: Uint8Array, view: DataView, begin: number, end: number, salt: number | undefined): number {
  const first = frameMagic & 0xff;
  for (let at = bytes.indexOf(first, begin); at >= 0 && at + 4 <= end; at = bytes.indexOf(first, at + 1)) {
    if (view.getUint32(at, true) !== frameMagic) continue;
    if (salt === undefined || at + 16 > end || view.getUint32(at + 12, true) === salt) return at;
  }
  return -1;
}
