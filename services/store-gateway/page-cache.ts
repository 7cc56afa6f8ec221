/**
 * Pages of the bucket's objects in memory, and a reader that asks for the rest.
 * Owns the size of a page and of the whole. The seam is `PageCache`: whatever keeps bytes by key, here or elsewhere, may stand in.
 * A page never changes, since blocks do not; so nothing in it can be out of date.
 */
import type { RangeReader } from '../../libs/std/range-reader.ts';

const pageBytes = 16 << 10;

export interface PageCache {
  /** Pages in the order of the keys; undefined where there is none. A cache that is away has none. */
  get(keys: readonly string[]): (Uint8Array | undefined)[] | Promise<(Uint8Array | undefined)[]>;
  /** Keeps a page; the bytes are its own from then on. */
  set(key: string, page: Uint8Array): void;
}

export interface CacheCounters {
  hits: number;
  misses: number;
  evictions: number;
}

/** The pages used last, up to a number of bytes. */
export class MemoryPageCache implements PageCache {
  readonly #bytesMax: number;
  /** In the order of their last use. */
  readonly #pages = new Map<string, Uint8Array>();
  readonly counters: CacheCounters = { hits: 0, misses: 0, evictions: 0 };
  bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(keys: readonly string[]): (Uint8Array | undefined)[] {
    return keys.map((key) => {
      const page = this.#pages.get(key);
      if (page === undefined) {
        this.counters.misses++;
        return undefined;
      }
      this.counters.hits++;
      this.#pages.delete(key);
      this.#pages.set(key, page);
      return page;
    });
  }

  set(key: string, page: Uint8Array): void {
    const before = this.#pages.get(key);
    if (before !== undefined) this.bytes -= before.length;
    this.#pages.delete(key);
    this.#pages.set(key, page);
    this.bytes += page.length;
    for (const [oldest, { length }] of this.#pages) {
      if (this.bytes <= this.#bytesMax) break;
      this.#pages.delete(oldest);
      this.bytes -= length;
      this.counters.evictions++;
    }
  }

  /** Lets go of the pages of everything whose key begins so. */
  dropPrefix(prefix: string): void {
    for (const [key, { length }] of this.#pages) {
      if (!key.startsWith(prefix)) continue;
      this.#pages.delete(key);
      this.bytes -= length;
    }
  }
}

/** What the reads of one query cost. */
export interface ReadCounts {
  requests: number;
  bytes: number;
  cachedBytes: number;
}

/** A reader that counts what it reads. */
export function countedReader(reader: RangeReader, counts: ReadCounts): RangeReader {
  return {
    name: reader.name,
    size: reader.size,
    async read(begin, end, signal, into) {
      counts.requests++;
      const bytes = await reader.read(begin, end, signal, into);
      counts.bytes += end - begin;
      return bytes;
    },
  };
}

/**
 * A reader that looks into the cache first and reads what is missing in one go.
 * @param key of the object: pages are `key:number`
 */
export function cachedReader(reader: RangeReader, cache: PageCache, key: string, counts: ReadCounts): RangeReader {
  const { name, size } = reader;
  return {
    name,
    size,
    async read(begin, end, signal) {
      if (!(begin >= 0 && begin <= end && end <= size)) throw new RangeError(`${name}: [${begin}, ${end}) of ${size}`);
      if (begin === end) return new Uint8Array(0);
      const firstPage = Math.floor(begin / pageBytes);
      const pageCount = Math.ceil(end / pageBytes) - firstPage;
      const keys = Array.from({ length: pageCount }, (_, i) => `${key}:${firstPage + i}`);
      const looked = cache.get(keys);
      const pages = looked instanceof Promise ? await looked : looked;
      const firstMissing = pages.indexOf(undefined);
      const offset = firstPage * pageBytes;
      const out = new Uint8Array(end - begin);
      for (let i = 0; i < pageCount; i++) {
        const page = pages[i];
        if (page === undefined) continue;
        counts.cachedBytes += page.length;
        place(out, begin, page, offset + i * pageBytes);
      }
      if (firstMissing < 0) return out;
      const lastMissing = pages.lastIndexOf(undefined);
      const readBegin = offset + firstMissing * pageBytes;
      const readEnd = Math.min(size, offset + (lastMissing + 1) * pageBytes);
      const bytes = await reader.read(readBegin, readEnd, signal);
      place(out, begin, bytes, readBegin);
      for (let i = firstMissing; i <= lastMissing; i++) {
        if (pages[i] !== undefined) continue;
        const at = (i - firstMissing) * pageBytes;
        cache.set(keys[i], bytes.slice(at, at + pageBytes));
      }
      return out;
    },
  };
}

/** Copies what of `bytes`, which stand at `offset` of the file, belongs into `out`, which begins at `begin` of it. */
function place(out: Uint8Array, begin: number, bytes: Uint8Array, offset: number): void {
  const from = Math.max(begin, offset);
  const to = Math.min(begin + out.length, offset + bytes.length);
  if (from < to) out.set(bytes.subarray(from - offset, to - offset), from - begin);
}
