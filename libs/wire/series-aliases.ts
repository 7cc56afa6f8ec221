/**
 * Series aliases: from the bytes a sender used for a series to the number its receiver gave it, for one tenant.
 * Owns the bounded memory of what senders repeat. Never identity: a series in other bytes (another order, another protocol)
 * misses here and is found by its canonical labels. Surprising: nothing is evicted one by one. When the budget is spent new
 * series are simply not remembered, and when that befalls most of them everything is forgotten at once.
 */
import { type ByteBudget, ByteTable } from '../model/encoding/byte-table.ts';

/** After this many lookups it is judged whether what is remembered is still of use. */
const judgedLookups = 1 << 17;

/** Stands for a symbol that found no room. */
const noSymbol = 0xffffffff;

/** Type, symbol of help, symbol of unit. */
const metadataWords = 3;

/** What one request needs while its series are looked up. All tenants share it: each with its own would keep that of its largest one. */
export class LookupScratch {
  /** Number of each symbol of the request under way: 0 not asked yet, noSymbol without a number. */
  symbolIds: Uint32Array<ArrayBuffer> = new Uint32Array(64);
  keys: Uint32Array<ArrayBuffer> = new Uint32Array(32);
  keyBytes: DataView = new DataView(this.keys.buffer);
  keyBegin: Uint32Array<ArrayBuffer> = new Uint32Array(16);

  /** Makes room for a request. */
  begin(symbolCount: number, keyCount: number, seriesCount: number): void {
    this.symbolIds = roomy(this.symbolIds, symbolCount);
    const keys = roomy(this.keys, keyCount);
    if (keys !== this.keys) {
      this.keys = keys;
      this.keyBytes = new DataView(keys.buffer);
    }
    this.keyBegin = roomy(this.keyBegin, seriesCount + 1);
  }
}

/** Words that are kept from request to request; more is given back. */
const keptWordsMax = 1 << 20;

/** The column, or another one where it has too little room or far too much. What stood in it means nothing. */
function roomy(column: Uint32Array<ArrayBuffer>, needed: number): Uint32Array<ArrayBuffer> {
  if (needed <= column.length && (column.length <= keptWordsMax || needed > keptWordsMax)) return column;
  return new Uint32Array(Math.max(needed, Math.min(needed * 2, keptWordsMax)));
}

export class SeriesAliases {
  /** Regions of v1 label fields. */
  readonly #v1: ByteTable;
  /** Symbols of v2 requests. */
  readonly #symbols: ByteTable;
  /** Sequences of symbol numbers. */
  readonly #v2: ByteTable;
  #v1Refs = new Uint32Array(0);
  #v2Refs = new Uint32Array(0);
  /** Metadata that came with a v2 series last: room for that of every alias in `#v2Refs`. */
  #v2Metadata = new Uint32Array(0);
  #refEpoch = 0;
  #lookups = 0;
  /** Series among them that found no room to be remembered. */
  #notKept = 0;
  readonly #scratch: LookupScratch;
  #lastSymbol = 0;
  /** Counts how often everything was forgotten: an alias number of another generation means nothing. */
  generation = 1;

  constructor(budget: ByteBudget, scratch = new LookupScratch()) {
    this.#scratch = scratch;
    this.#v1 = new ByteTable(budget);
    this.#symbols = new ByteTable(budget);
    this.#v2 = new ByteTable(budget);
  }

  /** Bytes held against the budget. */
  get bytes(): number {
    return this.#v1.bytes + this.#symbols.bytes + this.#v2.bytes;
  }

  /** Call before a request is resolved: forgets numbers of another epoch of the receiver. */
  begin(refEpoch: number): void {
    if (refEpoch !== this.#refEpoch) {
      this.forget();
      this.#refEpoch = refEpoch;
    } else if (this.#lookups >= judgedLookups) {
      if (this.#notKept * 2 > this.#lookups) this.forget();
      this.#lookups = 0;
      this.#notKept = 0;
    }
  }

  /**
   * Numbers of the series whose v1 label fields are bytes[begins[i], ends[i]): fills refs[i] and aliases[i], both 0 where
   * the bytes are not known.
   * @returns how many are not known, or known without a number
   */
  resolveV1(
    bytes: DataView,
    begins: Uint32Array,
    ends: Uint32Array,
    count: number,
    refs: Uint32Array,
    aliases: Uint32Array,
  ): number {
    return this.#resolve(this.#v1, this.#v1Refs, bytes, begins, ends, count, refs, aliases);
  }

  /** Remembers v1 bytes that missed; the number follows with setRef. @returns its alias, 0 if there is no room */
  internV1(bytes: DataView, begin: number, end: number): number {
    const alias = this.#v1.intern(bytes, begin, end);
    if (alias === 0) this.#notKept++;
    if (alias >= this.#v1Refs.length) this.#v1Refs = grown(this.#v1Refs, alias);
    return alias;
  }

  /**
   * The same for v2: `refs2` are the label references of all series into the request's symbols, series i having
   * refs2[begins[i], begins[i + 1]). Keys of series that use a symbol without a number are never known.
   */
  resolveV2(
    bytes: DataView,
    symbolBegin: Uint32Array,
    symbolEnd: Uint32Array,
    symbolCount: number,
    refs2: Uint32Array,
    begins: Uint32Array,
    count: number,
    refs: Uint32Array,
    aliases: Uint32Array,
  ): number {
    // Only symbols that a series uses are taken in: those of exemplars never come again.
    const total = begins[count] as number;
    this.#scratch.begin(symbolCount, total, count);
    const { keys, keyBegin, keyBytes } = this.#scratch;
    const ids = this.#scratch.symbolIds.fill(0, 0, symbolCount);
    this.#lastSymbol = 0;
    for (let i = 0; i < total; i++) {
      const symbol = refs2[i] as number;
      const id = ids[symbol] as number;
      keys[i] =
        id !== 0 ? id : this.#symbolId(symbol, bytes, symbolBegin[symbol] as number, symbolEnd[symbol] as number);
    }
    for (let i = 0; i <= count; i++) keyBegin[i] = (begins[i] as number) * 4;
    return this.#resolve(this.#v2, this.#v2Refs, keyBytes, keyBegin, keyBegin.subarray(1), count, refs, aliases);
  }

  /** Remembers the key of series `row` of the request that was resolved last. @returns its alias, 0 if there is no room */
  internV2(begins: Uint32Array, row: number): number {
    const begin = begins[row] as number;
    const end = begins[row + 1] as number;
    for (let i = begin; i < end; i++) {
      if (this.#scratch.keys[i] !== noSymbol) continue;
      this.#notKept++;
      return 0;
    }
    const alias = this.#v2.intern(this.#scratch.keyBytes, begin * 4, end * 4);
    if (alias === 0) this.#notKept++;
    if (alias >= this.#v2Refs.length) {
      this.#v2Refs = grown(this.#v2Refs, alias);
      this.#v2Metadata = resized(this.#v2Metadata, this.#v2Refs.length * metadataWords);
    }
    return alias;
  }

  /** Notes the number that the receiver gave to the series of an alias, within the same generation. */
  setRef(version: 1 | 2, alias: number, ref: number): void {
    if (version === 1) this.#v1Refs[alias] = ref;
    else this.#v2Refs[alias] = ref;
  }

  /**
   * Whether a v2 series came with other metadata than last time (or its alias is not known); remembers it.
   * `help` and `unit` are references into the symbols of the request that was resolved last.
   */
  metadataChanged(
    alias: number,
    type: number,
    help: number,
    unit: number,
    bytes: DataView,
    symbolBegin: Uint32Array,
    symbolEnd: Uint32Array,
  ): boolean {
    if (alias === 0) return true;
    const ids = this.#scratch.symbolIds;
    const helpId = ids[help] || this.#symbolId(help, bytes, symbolBegin[help] as number, symbolEnd[help] as number);
    const unitId = ids[unit] || this.#symbolId(unit, bytes, symbolBegin[unit] as number, symbolEnd[unit] as number);
    const at = alias * metadataWords;
    const known = this.#v2Metadata;
    if (known[at] === type + 1 && known[at + 1] === helpId && known[at + 2] === unitId) return false;
    known[at] = type + 1;
    known[at + 1] = helpId;
    known[at + 2] = unitId;
    return true;
  }

  /** Forgets what metadataChanged remembered last of an alias of this generation: it was not stored. */
  forgetMetadata(alias: number): void {
    this.#v2Metadata[alias * metadataWords] = 0;
  }

  /** Takes in a symbol of the request under way, trying first the one that followed the last taken. */
  #symbolId(symbol: number, bytes: DataView, begin: number, end: number): number {
    const symbols = this.#symbols;
    const last = this.#lastSymbol;
    const guess = last === 0 ? 0 : (symbols.next[last] as number);
    const known = guess !== 0 && symbols.is(guess, bytes, begin, end) ? guess : symbols.intern(bytes, begin, end);
    const id = known === 0 ? noSymbol : known;
    this.#scratch.symbolIds[symbol] = id;
    if (known !== 0) {
      if (last !== 0) symbols.next[last] = known;
      this.#lastSymbol = known;
    }
    return id;
  }

  #resolve(
    table: ByteTable,
    known: Uint32Array,
    bytes: DataView,
    begins: Uint32Array,
    ends: Uint32Array,
    count: number,
    refs: Uint32Array,
    aliases: Uint32Array,
  ): number {
    let unknown = 0;
    let before = 0;
    for (let i = 0; i < count; i++) {
      const begin = begins[i] as number;
      const end = ends[i] as number;
      const guess = before === 0 ? 0 : (table.next[before] as number);
      const alias = guess !== 0 && table.is(guess, bytes, begin, end) ? guess : table.find(bytes, begin, end);
      aliases[i] = alias;
      const ref = alias === 0 ? 0 : (known[alias] as number);
      refs[i] = ref;
      if (ref === 0) unknown++;
      if (before !== 0 && alias !== 0) table.next[before] = alias;
      before = alias;
    }
    this.#lookups += count;
    return unknown;
  }

  /** Forgets everything; alias numbers given out before mean nothing any more. */
  forget(): void {
    this.#v1.clear();
    this.#symbols.clear();
    this.#v2.clear();
    this.#v1Refs = new Uint32Array(0);
    this.#v2Refs = new Uint32Array(0);
    this.#v2Metadata = new Uint32Array(0);
    this.#lookups = 0;
    this.#notKept = 0;
    this.generation++;
  }
}

function grown(column: Uint32Array, index: number): Uint32Array<ArrayBuffer> {
  return resized(column, Math.max(index + 1, 64, Math.ceil(column.length * 1.5)));
}

function resized(column: Uint32Array, length: number): Uint32Array<ArrayBuffer> {
  const next = new Uint32Array(length);
  next.set(column);
  return next;
}
