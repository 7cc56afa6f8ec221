/**
 * Pages of the bucket's objects in memory, and a reader that asks for the rest.
 * Owns the size of a page and of the whole. The seam is `PageCache`: whatever keeps bytes by key, here or elsewhere, may stand in.
 * A page never changes, since blocks do not; so nothing in it can be out of date.
 */
import { assert } from '../../libs/std/assert.ts';
import type { ByteRange, RangeReader } from '../../libs/std/range-reader.ts';
import { Turns } from '../../libs/std/turns.ts';

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

/** A reader that counts what it reads, each time in all of `counts`. */
export function countedReader(reader: RangeReader, ...counts: Pick<ReadCounts, 'requests' | 'bytes'>[]): RangeReader {
  return {
    name: reader.name,
    size: reader.size,
    async read(begin, end, signal, into) {
      for (const one of counts) one.requests++;
      const bytes = await reader.read(begin, end, signal, into);
      for (const one of counts) one.bytes += end - begin;
      return bytes;
    },
  };
}

/** A gap is cheaper to read than a request is to make. */
const gapBytesMax = 512 << 10;
const requestBytesMax = 4 << 20;
/** Requests that one plan has on their way, and what they may hold together. */
const requestsAtOnceMax = 64;
const bytesAtOnceMax = 16 << 20;

/**
 * A reader that looks into the cache first. What is planned together and is not there is read in joined requests.
 * @param key of the object: pages are `key:number`
 */
export function cachedReader(reader: RangeReader, cache: PageCache, key: string, counts: ReadCounts): RangeReader {
  const { name, size } = reader;
  const read: RangeReader['read'] = (begin, end, signal) =>
    new PlannedReader(reader, cache, key, counts, [{ begin, end }]).read(begin, end, signal);
  return { name, size, read, plan: (ranges) => new PlannedReader(reader, cache, key, counts, ranges) };
}

/** A request for several ranges. */
interface JoinedRequest {
  readonly begin: number;
  readonly end: number;
  readonly firstRange: number;
  readonly lastRange: number;
  /** Ranges that were not taken from it yet. */
  left: number;
  answer: Promise<Uint8Array> | undefined;
}

class PlannedReader implements RangeReader {
  readonly name: string;
  readonly size: number;
  readonly #reader: RangeReader;
  readonly #cache: PageCache;
  readonly #key: string;
  readonly #counts: ReadCounts;
  readonly #ranges: readonly ByteRange[];
  #next = 0;
  #planning: Promise<JoinedRequest[]> | undefined;
  /** Pages that the cache had when the plan was made, by number. */
  readonly #pages = new Map<number, Uint8Array>();
  #begun = 0;

  constructor(reader: RangeReader, cache: PageCache, key: string, counts: ReadCounts, ranges: readonly ByteRange[]) {
    this.name = reader.name;
    this.size = reader.size;
    this.#reader = reader;
    this.#cache = cache;
    this.#key = key;
    this.#counts = counts;
    this.#ranges = ranges;
  }

  async read(begin: number, end: number, signal: AbortSignal): Promise<Uint8Array> {
    if (!(begin >= 0 && begin <= end && end <= this.size)) {
      throw new RangeError(`${this.name}: [${begin}, ${end}) of ${this.size}`);
    }
    if (begin === end) return new Uint8Array(0);
    // Ranges are read in their order: the number of a read is that of its range.
    const range = this.#next++;
    this.#planning ??= this.#plan(signal);
    const requests = await this.#planning;
    if (this.#hasAll(begin, end)) {
      const out = new Uint8Array(end - begin);
      const lastPage = Math.ceil(end / pageBytes);
      for (let number = Math.floor(begin / pageBytes); number < lastPage; number++) {
        const page = this.#pages.get(number);
        if (page !== undefined) place(out, begin, page, number * pageBytes);
      }
      this.#counts.cachedBytes += out.length;
      return out;
    }
    const request = requestOf(requests, range);
    this.#readAhead(requests, request, signal);
    const bytes = await request.answer;
    assert(bytes !== undefined, 'a range is read once');
    if (--request.left === 0) request.answer = undefined;
    // A view keeps all of the request for as long as whoever asked keeps the range.
    const isMost = (end - begin) * 2 >= bytes.length;
    return isMost
      ? bytes.subarray(begin - request.begin, end - request.begin)
      : bytes.slice(begin - request.begin, end - request.begin);
  }

  /** Looks which pages are there, and joins the ranges that miss one. */
  async #plan(signal: AbortSignal): Promise<JoinedRequest[]> {
    const turns = new Turns();
    const numbers: number[] = [];
    for (const { begin, end } of this.#ranges) {
      const lastPage = Math.ceil(end / pageBytes);
      let number = Math.floor(begin / pageBytes);
      // Ranges rise: a page that two share is the last one of the first.
      if (number === numbers.at(-1)) number++;
      for (; number < lastPage; number++) numbers.push(number);
    }
    const looked = this.#cache.get(numbers.map((number) => `${this.#key}:${number}`));
    const found = looked instanceof Promise ? await looked : looked;
    found.forEach((page, i) => {
      if (page !== undefined) this.#pages.set(numbers[i], page);
    });
    const requests: JoinedRequest[] = [];
    for (const [i, { begin, end }] of this.#ranges.entries()) {
      if (turns.isOver) await turns.next(signal);
      if (this.#hasAll(begin, end)) continue;
      const from = Math.floor(begin / pageBytes) * pageBytes;
      const to = Math.min(this.size, Math.ceil(end / pageBytes) * pageBytes);
      const last = requests.at(-1);
      if (last !== undefined && from - last.end <= gapBytesMax && to - last.begin <= requestBytesMax) {
        requests[requests.length - 1] = { ...last, end: Math.max(last.end, to), lastRange: i + 1, left: last.left + 1 };
      } else {
        requests.push({ begin: from, end: to, firstRange: i, lastRange: i + 1, left: 1, answer: undefined });
      }
    }
    return requests;
  }

  #hasAll(begin: number, end: number): boolean {
    for (let number = Math.floor(begin / pageBytes); number < Math.ceil(end / pageBytes); number++) {
      if (!this.#pages.has(number)) return false;
    }
    return true;
  }

  /** Begins this request and those behind it, as far as they may be on their way together. */
  #readAhead(requests: readonly JoinedRequest[], request: JoinedRequest, signal: AbortSignal): void {
    const at = requests.indexOf(request, Math.max(0, this.#begun - requestsAtOnceMax));
    let bytes = 0;
    for (let i = at; i < requests.length && i < at + requestsAtOnceMax; i++) {
      const one = requests[i];
      bytes += one.end - one.begin;
      if (i > at && bytes > bytesAtOnceMax) return;
      if (i < this.#begun) continue;
      this.#begun = i + 1;
      one.answer = this.#request(one, signal);
      // Told to whoever reads it.
      one.answer.catch(() => undefined);
    }
  }

  async #request({ begin, end, firstRange, lastRange }: JoinedRequest, signal: AbortSignal): Promise<Uint8Array> {
    const bytes = await this.#reader.read(begin, end, signal);
    // Only what was asked for is kept: what lies in the gaps would push out what is used.
    let kept = -1;
    for (let range = firstRange; range < lastRange; range++) {
      const planned = this.#ranges[range];
      const lastPage = Math.ceil(planned.end / pageBytes);
      for (let number = Math.max(kept + 1, Math.floor(planned.begin / pageBytes)); number < lastPage; number++) {
        const at = number * pageBytes - begin;
        this.#cache.set(`${this.#key}:${number}`, bytes.slice(at, at + pageBytes));
        kept = number;
      }
    }
    return bytes;
  }
}

/** The request of a range that the cache does not have. */
function requestOf(requests: readonly JoinedRequest[], range: number): JoinedRequest {
  let low = 0;
  let high = requests.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (requests[middle].lastRange <= range) low = middle + 1;
    else high = middle;
  }
  const request = requests[low];
  assert(request !== undefined && range >= request.firstRange, 'what the cache lacks is in a request');
  return request;
}

/** Copies what of `bytes`, which stand at `offset` of the file, belongs into `out`, which begins at `begin` of it. */
function place(out: Uint8Array, begin: number, bytes: Uint8Array, offset: number): void {
  const from = Math.max(begin, offset);
  const to = Math.min(begin + out.length, offset + bytes.length);
  if (from < to) out.set(bytes.subarray(from - offset, to - offset), from - begin);
}
