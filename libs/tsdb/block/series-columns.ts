/**
 * All series of one block, decoded and checked once: what a local block that is asked often keeps, so that a query reads no index.
 * Owns the columns, the choice from them, and how many bytes all blocks of a process may keep. Does not own when a block is worth it
 * (kept-series.ts). Blocks do not change, so nothing here ever grows old.
 */
import { Failure } from '../../errors/failure.ts';
import type { LabelTable } from '../../series/series-source.ts';
import { Turns } from '../../std/turns.ts';
import { CorruptBlock } from './corrupt-block.ts';
import { seriesAlignment, seriesEnd } from './index-layout.ts';
import type { IndexLookup } from './index-lookup.ts';
import { SeriesScanner } from './index-reader.ts';
import { gallop, withoutRepeats } from './rising-lists.ts';
import { chunksMax, type SelectedChunks } from './series-selection.ts';

const windowBytes = 256 << 10;
/** A text of a symbol beside its characters, and where it stands. */
const textBytes = 40;
/** Of one of its values, where somebody has asked for those of its label (`LabelExamples`). */
const exampleBytes = 16;
const seriesBytes = 16;
const chunkBytes = 24;
const refBytes = 4;
/** Looked at between two looks at the clock. */
const seriesPerLook = 512;
const symbolsPerLook = 1024;
const refsPerLook = 1 << 16;
/** With fewer labels than one in so many symbols, sorting them is cheaper than a column over all symbols. */
const sparseFactor = 16;

/** Bytes that the blocks of a process may keep together. */
export class SeriesMemory {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether there was room; who got it gives it back. */
  reserve(bytes: number): boolean {
    if (this.#bytes + bytes > this.#bytesMax) return false;
    this.#bytes += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/** Which series have the same names of labels. */
interface NameSets {
  readonly ofSeries: Uint32Array;
  /** A series of each set: at most times it has samples when any of them has. */
  readonly example: Uint32Array;
}

/** The values that series have of one label, in order, and a series with each of them. */
interface LabelExamples {
  readonly symbol: Uint32Array;
  readonly texts: readonly string[];
  readonly example: Uint32Array;
}

/** Series that were chosen: number i has the chunks [first[i], last[i]). */
interface Chosen {
  readonly series: Uint32Array;
  readonly first: Uint32Array;
  readonly last: Uint32Array;
}

export class SeriesColumns {
  readonly #lookup: IndexLookup;
  readonly #place: Uint32Array;
  readonly #labelBegin: Uint32Array;
  /** Numbers of symbols, whose order is that of their texts. */
  readonly #refs: Uint32Array;
  readonly #chunkBegin: Uint32Array;
  readonly #minT: Float64Array;
  readonly #maxT: Float64Array;
  readonly #ref: Float64Array;
  readonly #texts: (string | undefined)[];
  #nameSets: NameSets | undefined;
  /** By name, of labels that somebody has asked for: each is a part of all values. */
  readonly #examples = new Map<string, LabelExamples>();

  private constructor(
    lookup: IndexLookup,
    series: readonly [place: Uint32Array, labelBegin: Uint32Array, refs: Uint32Array, chunkBegin: Uint32Array],
    chunks: readonly [minT: Float64Array, maxT: Float64Array, ref: Float64Array],
  ) {
    this.#lookup = lookup;
    [this.#place, this.#labelBegin, this.#refs, this.#chunkBegin] = series;
    [this.#minT, this.#maxT, this.#ref] = chunks;
    this.#texts = new Array<string | undefined>(lookup.symbols.count);
  }

  /**
   * Bytes that the columns take.
   * @param labels of all series together
   */
  static bytesOf(lookup: IndexLookup, series: number, chunks: number, labels: number): number {
    const { toc } = lookup.index;
    const texts = toc.series - toc.symbols + lookup.symbols.count * (textBytes + exampleBytes);
    return texts + (series + 1) * seriesBytes + chunks * chunkBytes + labels * 2 * refBytes;
  }

  /**
   * Reads all series.
   * @param counts how many there are, as who wrote the block says
   * @returns undefined where there are more
   * @throws CorruptBlock, or what the reader throws
   */
  static async read(
    lookup: IndexLookup,
    counts: { readonly series: number; readonly chunks: number; readonly labels: number },
    signal: AbortSignal,
  ): Promise<SeriesColumns | undefined> {
    const place = new Uint32Array(counts.series);
    const labelBegin = new Uint32Array(counts.series + 1);
    const chunkBegin = new Uint32Array(counts.series + 1);
    const refs = new Uint32Array(counts.labels * 2);
    const minT = new Float64Array(counts.chunks);
    const maxT = new Float64Array(counts.chunks);
    const ref = new Float64Array(counts.chunks);
    const scanner = new SeriesScanner(lookup.index, windowBytes, signal);
    const { entry } = scanner;
    const turns = new Turns();
    let series = 0;
    let labels = 0;
    let chunks = 0;
    while (scanner.next() || (await scanner.fill())) {
      const { refCount, chunkCount } = entry;
      if (series === counts.series || labels + refCount > refs.length || chunks + chunkCount > ref.length) {
        return undefined;
      }
      for (let i = 0; i < refCount; i++) {
        if (entry.refs[i] >= lookup.symbols.count) lookup.symbolText(entry.refs[i], scanner.offset);
        refs[labels++] = entry.refs[i];
      }
      for (let i = 0; i < chunkCount; i++) {
        minT[chunks] = entry.minT[i];
        maxT[chunks] = entry.maxT[i];
        ref[chunks++] = entry.ref[i];
      }
      place[series++] = scanner.place;
      labelBegin[series] = labels;
      chunkBegin[series] = chunks;
      if (series % seriesPerLook === 0 && turns.isOver) await turns.next(signal);
    }
    return new SeriesColumns(
      lookup,
      [
        place.subarray(0, series),
        labelBegin.subarray(0, series + 1),
        refs.slice(0, labels),
        chunkBegin.subarray(0, series + 1),
      ],
      [minT, maxT, ref],
    );
  }

  get seriesCount(): number {
    return this.#place.length;
  }

  get chunkCount(): number {
    return this.#chunkBegin[this.#place.length];
  }

  get labelCount(): number {
    return this.#refs.length / 2;
  }

  /**
   * As selectSeries: the series at these places that have a chunk in [minT, maxT], in order.
   * @throws CorruptBlock
   */
  async select(
    places: Uint32Array,
    minT: number,
    maxT: number,
    signal: AbortSignal,
  ): Promise<{ labels: LabelTable; chunks: SelectedChunks }> {
    const chosen = await this.#choose(places, minT, maxT, signal);
    return { labels: await this.#labelTable(chosen, signal), chunks: this.#chunks(chosen) };
  }

  /**
   * Names of labels that series have with a chunk in [minT, maxT], in order.
   * @param places undefined for all series
   */
  async names(places: Uint32Array | undefined, minT: number, maxT: number, signal: AbortSignal): Promise<string[]> {
    const { ofSeries, example } = (this.#nameSets ??= await this.#numberNameSets(signal));
    const met = new Uint8Array(example.length);
    let left = example.length;
    if (places === undefined) {
      for (let set = 0; set < example.length; set++) {
        if (!this.#hasChunk(example[set], minT, maxT)) continue;
        met[set] = 1;
        left--;
      }
    }
    if (left > 0) {
      await this.#each(places, signal, (series) => {
        const set = ofSeries[series];
        if (met[set] === 1 || !this.#hasChunk(series, minT, maxT)) return true;
        met[set] = 1;
        return --left > 0;
      });
    }
    const seen = new Uint8Array(this.#texts.length);
    for (let set = 0; set < met.length; set++) {
      if (met[set] === 0) continue;
      const end = this.#labelBegin[example[set] + 1];
      for (let j = this.#labelBegin[example[set]]; j < end; j += 2) seen[this.#refs[j]] = 1;
    }
    return this.#textsOf(seen, signal);
  }

  /** Series have few sets of names, however many they are. */
  async #numberNameSets(signal: AbortSignal): Promise<NameSets> {
    const numbers = new Map<string, number>();
    const ofSeries = new Uint32Array(this.seriesCount);
    const example: number[] = [];
    const turns = new Turns();
    for (let series = 0; series < ofSeries.length; series++) {
      if (series % seriesPerLook === 0 && turns.isOver) await turns.next(signal);
      let key = '';
      const end = this.#labelBegin[series + 1];
      for (let j = this.#labelBegin[series]; j < end; j += 2)
        key += String.fromCharCode(this.#refs[j] & 0xffff, this.#refs[j] >>> 16);
      let number = numbers.get(key);
      if (number === undefined) {
        numbers.set(key, (number = numbers.size));
        example.push(series);
      }
      ofSeries[series] = number;
    }
    return { ofSeries, example: Uint32Array.from(example) };
  }

  /** Values of a label, as names. */
  async values(
    name: string,
    places: Uint32Array | undefined,
    minT: number,
    maxT: number,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const wanted = this.#lookup.symbolOf(name);
    const rows = this.#lookup.rowsOf(name);
    if (wanted < 0 || rows === undefined) return [];
    if (places === undefined) return this.#allValues(name, wanted, minT, maxT, signal);
    const seen = new Uint8Array(this.#texts.length);
    await this.#eachValue(wanted, places, rows.end - rows.begin, signal, (series, symbol) => {
      if (seen[symbol] === 1 || !this.#hasChunk(series, minT, maxT)) return false;
      seen[symbol] = 1;
      return true;
    });
    return this.#textsOf(seen, signal);
  }

  async #allValues(
    name: string,
    wanted: number,
    minT: number,
    maxT: number,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    let known = this.#examples.get(name);
    if (known === undefined) {
      known = await this.#examplesOf(wanted, signal);
      this.#examples.set(name, known);
    }
    const { symbol, texts, example } = known;
    const missing = new Set<number>();
    const turns = new Turns();
    for (let i = 0; i < symbol.length; i++) {
      if (!this.#hasChunk(example[i], minT, maxT)) missing.add(symbol[i]);
      if (i % symbolsPerLook === 0 && turns.isOver) await turns.next(signal);
    }
    if (missing.size === 0) return texts;
    // Others may have samples then.
    await this.#eachValue(wanted, undefined, missing.size, signal, (series, one) => {
      return missing.has(one) && this.#hasChunk(series, minT, maxT) && missing.delete(one);
    });
    const found: string[] = [];
    for (let i = 0; i < texts.length; i++) {
      if (!missing.has(symbol[i])) found.push(texts[i]);
      if (i % symbolsPerLook === 0 && turns.isOver) await turns.next(signal);
    }
    return found;
  }

  async #examplesOf(wanted: number, signal: AbortSignal): Promise<LabelExamples> {
    const of = new Uint32Array(this.#texts.length);
    await this.#eachValue(wanted, undefined, Number.POSITIVE_INFINITY, signal, (series, one) => {
      if (of[one] === 0) of[one] = series + 1;
      return false;
    });
    const texts: string[] = [];
    const symbol = new Uint32Array(this.#texts.length);
    const example = new Uint32Array(this.#texts.length);
    const turns = new Turns();
    for (let one = 0; one < of.length; one++) {
      if (of[one] !== 0) {
        symbol[texts.length] = one;
        example[texts.length] = of[one] - 1;
        texts.push(this.#text(one));
      }
      if (one % symbolsPerLook === 0 && turns.isOver) await turns.next(signal);
    }
    return { symbol: symbol.slice(0, texts.length), texts, example: example.slice(0, texts.length) };
  }

  /** Shows `visit` each series that has the label, with its value, until it has said true so many times: there is no more to find. */
  #eachValue(
    wanted: number,
    places: Uint32Array | undefined,
    findMax: number,
    signal: AbortSignal,
    visit: (series: number, symbol: number) => boolean,
  ): Promise<void> {
    const refs = this.#refs;
    let found = 0;
    return this.#each(places, signal, (series) => {
      const end = this.#labelBegin[series + 1];
      for (let j = this.#labelBegin[series]; j < end; j += 2) {
        if (refs[j] !== wanted) continue;
        if (visit(series, refs[j + 1])) found++;
        break;
      }
      return found < findMax;
    });
  }

  /** Shows `visit` each series, until it says false: the block has no more to find. */
  async #each(places: Uint32Array | undefined, signal: AbortSignal, visit: (series: number) => boolean): Promise<void> {
    const count = places?.length ?? this.seriesCount;
    const turns = new Turns();
    let at = 0;
    for (let i = 0; i < count; i++) {
      at = places === undefined ? i : this.#find(places[i], at);
      if (!visit(at)) return;
      if (i % seriesPerLook === 0 && turns.isOver) await turns.next(signal);
    }
  }

  #hasChunk(series: number, minT: number, maxT: number): boolean {
    const end = this.#chunkBegin[series + 1];
    let begin = this.#chunkBegin[series];
    while (begin < end && this.#maxT[begin] < minT) begin++;
    return begin < end && this.#minT[begin] <= maxT;
  }

  async #choose(places: Uint32Array, minT: number, maxT: number, signal: AbortSignal): Promise<Chosen> {
    const count = places.length;
    const series = new Uint32Array(count);
    const first = new Uint32Array(count);
    const last = new Uint32Array(count);
    const turns = new Turns();
    let kept = 0;
    let at = 0;
    for (let i = 0; i < count; i++) {
      at = this.#find(places[i], at);
      const end = this.#chunkBegin[at + 1];
      let begin = this.#chunkBegin[at];
      while (begin < end && this.#maxT[begin] < minT) begin++;
      let behind = begin;
      while (behind < end && this.#minT[behind] <= maxT) behind++;
      if (begin < behind) {
        series[kept] = at;
        first[kept] = begin;
        last[kept++] = behind;
      }
      if (i % seriesPerLook === 0 && turns.isOver) await turns.next(signal);
    }
    return { series: series.subarray(0, kept), first: first.subarray(0, kept), last: last.subarray(0, kept) };
  }

  /** Number of the series at a place, which is not before number `from`. */
  #find(place: number, from: number): number {
    const at = gallop(this.#place, from, place);
    if (at < this.#place.length && this.#place[at] === place) return at;
    const { reader } = this.#lookup.index;
    throw new CorruptBlock(reader.name, place * seriesAlignment, 'postings point where no series begins');
  }

  /** Strings in the order of their bytes. */
  async #labelTable({ series }: Chosen, signal: AbortSignal): Promise<LabelTable> {
    const { length } = series;
    const begin = new Uint32Array(length + 1);
    for (let i = 0; i < length; i++) {
      begin[i + 1] = begin[i] + this.#labelBegin[series[i] + 1] - this.#labelBegin[series[i]];
    }
    const refs = new Uint32Array(begin[length]);
    const turns = new Turns();
    for (let i = 0; i < length; i++) {
      const end = this.#labelBegin[series[i] + 1];
      for (let j = this.#labelBegin[series[i]], to = begin[i]; j < end; j++) refs[to++] = this.#refs[j];
      if (i % seriesPerLook === 0 && turns.isOver) await turns.next(signal);
    }
    const strings: string[] = [];
    if (refs.length * sparseFactor < this.#texts.length) {
      const distinct = withoutRepeats(refs.slice().sort());
      for (let i = 0; i < distinct.length; i++) strings.push(this.#text(distinct[i]));
      for (let i = 0; i < refs.length; i++) refs[i] = gallop(distinct, 0, refs[i]);
      return { strings, begin, refs };
    }
    const seen = new Uint32Array(this.#texts.length);
    for (let i = 0; i < refs.length; i++) seen[refs[i]] = 1;
    for (let symbol = 0; symbol < seen.length; symbol++) {
      if (seen[symbol] === 1) seen[symbol] = strings.push(this.#text(symbol)) - 1;
      if (symbol % (seriesPerLook * 8) === 0 && turns.isOver) await turns.next(signal);
    }
    for (let i = 0; i < refs.length; i++) {
      refs[i] = seen[refs[i]];
      if (i % refsPerLook === 0 && turns.isOver) await turns.next(signal);
    }
    return { strings, begin, refs };
  }

  #chunks({ series, first, last }: Chosen): SelectedChunks {
    const { length } = series;
    const chunkBegin = new Uint32Array(length + 1);
    for (let i = 0; i < length; i++) chunkBegin[i + 1] = chunkBegin[i] + last[i] - first[i];
    const total = chunkBegin[length];
    if (total > chunksMax) {
      throw new Failure('query_limit', `the query selects more than ${chunksMax} chunks of one block`);
    }
    const place = new Uint32Array(length);
    const minT = new Float64Array(total);
    const maxT = new Float64Array(total);
    const ref = new Float64Array(total);
    const nextRef = new Float64Array(total);
    let at = 0;
    for (let i = 0; i < length; i++) {
      place[i] = this.#place[series[i]];
      const end = this.#chunkBegin[series[i] + 1];
      for (let c = first[i]; c < last[i]; c++) {
        minT[at] = this.#minT[c];
        maxT[at] = this.#maxT[c];
        ref[at] = this.#ref[c];
        nextRef[at++] = c + 1 < end ? this.#ref[c + 1] : 0;
      }
    }
    return { place, chunkBegin, minT, maxT, ref, nextRef };
  }

  async #textsOf(seen: Uint8Array, signal: AbortSignal): Promise<string[]> {
    const texts: string[] = [];
    const turns = new Turns();
    for (let symbol = 0; symbol < seen.length; symbol++) {
      if (seen[symbol] === 1) texts.push(this.#text(symbol));
      if (symbol % symbolsPerLook === 0 && turns.isOver) await turns.next(signal);
    }
    return texts;
  }

  #text(symbol: number): string {
    let text = this.#texts[symbol];
    if (text === undefined) {
      text = this.#lookup.symbolText(symbol, seriesEnd(this.#lookup.index.toc));
      this.#texts[symbol] = text;
    }
    return text;
  }
}
