/**
 * All series of one block, decoded and checked once: what a local block that is asked often keeps, so that a query reads no index.
 * Owns the columns, the choice from them, and how many bytes all blocks of a process may keep. Does not own when a block is worth it
 * (kept-series.ts). Blocks do not change, so nothing here ever grows old.
 */
import { Failure } from '../../errors/failure.ts';
import type { LabelTable } from '../../series/series-source.ts';
import { RecentlyUsed } from '../../std/recently-used.ts';
import { Turns } from '../../std/turns.ts';
import { CorruptBlock } from './corrupt-block.ts';
import { seriesAlignment, seriesEnd } from './index-layout.ts';
import type { IndexLookup } from './index-lookup.ts';
import { SeriesScanner } from './index-reader.ts';
import { PlaceNumbers } from './place-numbers.ts';
import { gallop, withoutRepeats } from './rising-lists.ts';
import { chunksMax, type SelectedChunks } from './series-selection.ts';

const windowBytes = 256 << 10;
/** A text of a symbol beside its characters, and where it stands. */
const textBytes = 40;
const seriesBytes = 16;
/** What columns of labels may take together (`LabelColumn`): of a series, and of a symbol. */
const columnSeriesBytes = 16;
const columnTextBytes = 12;
const chunkBytes = 24;
const refBytes = 4;
/** Looked at between two looks at the clock. */
const seriesPerLook = 512;
const symbolsPerLook = 1024;
const refsPerLook = 1 << 16;
/** With fewer labels than one in so many symbols, sorting them is cheaper than a column over all symbols. */
const sparseFactor = 16;
/** Values of fewer series than one in so many are looked up one by one, where the label has no column. */
const columnFactor = 8;

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
  /** All names, in order, and their symbols. */
  readonly texts: readonly string[];
  readonly symbols: Uint32Array;
  readonly ofSeries: Uint32Array;
  /** A series of each set: at most times it has samples when any of them has. */
  readonly example: Uint32Array;
}

/** The values that series have of one label, in order. */
interface LabelColumn {
  readonly texts: readonly string[];
  /** The number of each series' value among them, from 1; 0 without the label. */
  readonly ofSeries: Uint32Array;
  /** A series with each of them: at most times it has samples when any of theirs has. */
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
  readonly #numbers: PlaceNumbers;
  readonly #labelBegin: Uint32Array;
  /** Numbers of symbols, whose order is that of their texts. */
  readonly #refs: Uint32Array;
  readonly #chunkBegin: Uint32Array;
  readonly #minT: Float64Array;
  readonly #maxT: Float64Array;
  readonly #ref: Float64Array;
  readonly #texts: (string | undefined)[];
  #nameSets: NameSets | undefined;
  /** By name, of labels that somebody has asked for. */
  readonly #columns: RecentlyUsed<LabelColumn>;

  private constructor(
    lookup: IndexLookup,
    series: readonly [place: Uint32Array, labelBegin: Uint32Array, refs: Uint32Array, chunkBegin: Uint32Array],
    chunks: readonly [minT: Float64Array, maxT: Float64Array, ref: Float64Array],
  ) {
    this.#lookup = lookup;
    [this.#place, this.#labelBegin, this.#refs, this.#chunkBegin] = series;
    this.#numbers = new PlaceNumbers(this.#place);
    [this.#minT, this.#maxT, this.#ref] = chunks;
    this.#texts = new Array<string | undefined>(lookup.symbols.count);
    this.#columns = new RecentlyUsed(columnBytes(lookup, this.seriesCount));
  }

  /**
   * Bytes that the columns take.
   * @param labels of all series together
   */
  static bytesOf(lookup: IndexLookup, series: number, chunks: number, labels: number): number {
    const { toc } = lookup.index;
    const texts = toc.series - toc.symbols + lookup.symbols.count * textBytes;
    const numbers = PlaceNumbers.bytesOf((seriesEnd(toc) - toc.series) / seriesAlignment);
    return (
      texts +
      numbers +
      columnBytes(lookup, series) +
      (series + 1) * seriesBytes +
      chunks * chunkBytes +
      labels * 2 * refBytes
    );
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
  async names(
    places: Uint32Array | undefined,
    minT: number,
    maxT: number,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const { texts, symbols, ofSeries, example } = (this.#nameSets ??= await this.#numberNameSets(signal));
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
    if (left === 0) return texts;
    const seen = await this.#namesOf(example, met, signal);
    return texts.filter((_, i) => seen[symbols[i]] === 1);
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
    const met = new Uint8Array(example.length).fill(1);
    const seen = await this.#namesOf(example, met, signal);
    const found: number[] = [];
    for (let symbol = 0; symbol < seen.length; symbol++) {
      if (seen[symbol] === 1) found.push(symbol);
      if (symbol % symbolsPerLook === 0 && turns.isOver) await turns.next(signal);
    }
    const symbols = Uint32Array.from(found);
    return { texts: await this.#textsOf(symbols, signal), symbols, ofSeries, example: Uint32Array.from(example) };
  }

  /** Marks the symbols of names that the sets which were met have. */
  async #namesOf(example: ArrayLike<number>, met: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const seen = new Uint8Array(this.#texts.length);
    const turns = new Turns();
    for (let set = 0; set < met.length; set++) {
      if (set % seriesPerLook === 0 && turns.isOver) await turns.next(signal);
      if (met[set] === 0) continue;
      const end = this.#labelBegin[example[set] + 1];
      for (let j = this.#labelBegin[example[set]]; j < end; j += 2) seen[this.#refs[j]] = 1;
    }
    return seen;
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
    if (wanted < 0 || this.#lookup.rowsOf(name) === undefined) return [];
    let column = this.#columns.get(name);
    if (column === undefined) {
      if (places !== undefined && places.length * columnFactor < this.seriesCount) {
        return this.#valuesOfFew(wanted, places, minT, maxT, signal);
      }
      column = await this.#columnOf(wanted, signal);
      this.#columns.set(name, column, column.ofSeries.byteLength + column.texts.length * columnTextBytes);
    }
    const { texts, ofSeries, example } = column;
    const seen = new Uint8Array(texts.length + 1);
    let left = texts.length;
    const turns = new Turns();
    for (let i = 0; i < example.length && places === undefined; i++) {
      if (i % symbolsPerLook === 0 && turns.isOver) await turns.next(signal);
      if (!this.#hasChunk(example[i], minT, maxT)) continue;
      seen[i + 1] = 1;
      left--;
    }
    if (left > 0) {
      await this.#each(places, signal, (series) => {
        const number = ofSeries[series];
        if (number === 0 || seen[number] === 1 || !this.#hasChunk(series, minT, maxT)) return true;
        seen[number] = 1;
        return --left > 0;
      });
    }
    if (left === 0) return texts;
    const found: string[] = [];
    for (let i = 0; i < texts.length; i++) {
      if (seen[i + 1] === 1) found.push(texts[i]);
      if (i % symbolsPerLook === 0 && turns.isOver) await turns.next(signal);
    }
    return found;
  }

  /** As `values`, at the cost of these series alone. */
  async #valuesOfFew(
    wanted: number,
    places: Uint32Array,
    minT: number,
    maxT: number,
    signal: AbortSignal,
  ): Promise<string[]> {
    const found = new Set<number>();
    await this.#each(places, signal, (series) => {
      const symbol = this.#valueOf(series, wanted);
      if (symbol >= 0 && !found.has(symbol) && this.#hasChunk(series, minT, maxT)) found.add(symbol);
      return true;
    });
    return this.#textsOf(Uint32Array.from(found).sort(), signal);
  }

  async #columnOf(wanted: number, signal: AbortSignal): Promise<LabelColumn> {
    const ofSeries = new Uint32Array(this.seriesCount);
    const numbers = new Uint32Array(this.#texts.length);
    await this.#each(undefined, signal, (series) => {
      const symbol = this.#valueOf(series, wanted);
      if (symbol >= 0) numbers[symbol] = 1;
      ofSeries[series] = symbol + 1;
      return true;
    });
    const texts: string[] = [];
    const turns = new Turns();
    for (let symbol = 0; symbol < numbers.length; symbol++) {
      if (numbers[symbol] === 1) numbers[symbol] = texts.push(this.#text(symbol));
      if (symbol % symbolsPerLook === 0 && turns.isOver) await turns.next(signal);
    }
    const example = new Uint32Array(texts.length);
    await this.#each(undefined, signal, (series) => {
      const symbol = ofSeries[series] - 1;
      if (symbol < 0) return true;
      ofSeries[series] = numbers[symbol];
      example[numbers[symbol] - 1] = series;
      return true;
    });
    return { texts, ofSeries, example };
  }

  /** Symbol of the value that a series has of a label, -1 without it. */
  #valueOf(series: number, wanted: number): number {
    const end = this.#labelBegin[series + 1];
    for (let j = this.#labelBegin[series]; j < end; j += 2) if (this.#refs[j] === wanted) return this.#refs[j + 1];
    return -1;
  }

  /** Shows `visit` each series, until it says false: the block has no more to find. */
  async #each(places: Uint32Array | undefined, signal: AbortSignal, visit: (series: number) => boolean): Promise<void> {
    const count = places?.length ?? this.seriesCount;
    const turns = new Turns();
    for (let i = 0; i < count; i++) {
      if (!visit(places === undefined ? i : this.#find(places[i]))) return;
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
    for (let i = 0; i < count; i++) {
      const at = this.#find(places[i]);
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

  #find(place: number): number {
    const at = this.#numbers.at(place);
    if (at >= 0) return at;
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

  async #textsOf(symbols: Uint32Array, signal: AbortSignal): Promise<string[]> {
    const texts: string[] = [];
    const turns = new Turns();
    for (let i = 0; i < symbols.length; i++) {
      texts.push(this.#text(symbols[i]));
      if (i % symbolsPerLook === 0 && turns.isOver) await turns.next(signal);
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

function columnBytes(lookup: IndexLookup, series: number): number {
  return series * columnSeriesBytes + lookup.symbols.count * columnTextBytes;
}
