/**
 * What of an index is held in memory to answer a matcher: its symbols, and for each label pair where the list of its series
 * stands. Some 40 bytes a symbol and 20 a pair beside the text.
 * Owns the two tables and the search in them. Does not own the lists of series (select-places.ts) nor how long tables are
 * kept (whoever opened the block).
 */
import { Failure } from '../../errors/failure.ts';
import { compareUtf8 } from '../../model/labels.ts';
import { bytesOfText } from '../../series/list-memory.ts';
import type { ByteAllowance } from '../../std/inflight-bytes.ts';
import type { RangeReader } from '../../std/range-reader.ts';
import type { Steps } from '../../std/steps.ts';
import { CorruptBlock } from './corrupt-block.ts';
import { tocBytes } from './index-layout.ts';
import { type BlockIndex, openIndex, PostingsTableScanner, readSymbols } from './index-reader.ts';
import { compareBytes, SortedSymbols } from './symbols.ts';

const windowBytes = 256 << 10;
const stepValues = 512;
/** Beside the text: address, length, place of the list. */
const rowBytes = 16;
const symbolBytes = 8;

interface NameRows {
  readonly text: string;
  /** Rows [begin, end) are its values in the order of their bytes. */
  readonly begin: number;
  end: number;
}

const encoder = new TextEncoder();
// A byte order mark is a character of a label like any other.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export class IndexLookup {
  readonly index: BlockIndex;
  /** Symbol i of the index has the number i + 1. */
  readonly symbols: SortedSymbols;
  /** The value of row r has the number r + 1. */
  readonly #values: SortedSymbols;
  readonly #listOffset: Float64Array;
  readonly #names: readonly NameRows[];
  #nameTexts: readonly string[] | undefined;
  /** Memory taken, about. */
  readonly bytes: number;

  private constructor(
    index: BlockIndex,
    symbols: SortedSymbols,
    values: SortedSymbols,
    listOffset: Float64Array,
    names: readonly NameRows[],
  ) {
    const { toc, reader } = index;
    this.index = index;
    this.symbols = symbols;
    this.#values = values;
    this.#listOffset = listOffset;
    this.#names = names;
    const text = toc.series - toc.symbols + (reader.size - toc.postingsTable);
    this.bytes = text + symbols.count * symbolBytes + values.count * rowBytes;
  }

  /**
   * Reads both tables.
   * @param bytesMax of both together
   * @throws Failure `unavailable` where they have more; CorruptBlock; what the reader throws
   */
  static async load(reader: RangeReader, bytesMax: number, signal: AbortSignal): Promise<IndexLookup> {
    const index = await openIndex(reader, signal);
    const { toc } = index;
    const bytes = toc.series - toc.symbols + reader.size - tocBytes - toc.postingsTable;
    if (bytes > bytesMax) {
      throw new Failure(
        'unavailable',
        `${reader.name}: symbols and tables of ${bytes} bytes, there is memory for ${bytesMax}`,
      );
    }
    const symbols = await readSymbols(index, bytesMax, signal);
    const scanner = await PostingsTableScanner.open(index, windowBytes, signal);
    const values = new SortedSymbols();
    const listOffset = new Float64Array(scanner.total);
    const names: NameRows[] = [];
    let name = new Uint8Array(0);
    while (scanner.next() || (await scanner.fill())) {
      const { bytes, nameBegin, nameEnd, valueBegin, valueEnd } = scanner;
      const row = values.append(bytes, valueBegin, valueEnd) - 1;
      listOffset[row] = scanner.listOffset;
      const last = names.at(-1);
      if (last !== undefined && compareBytes(name, 0, name.length, bytes, nameBegin, nameEnd) === 0) {
        last.end = row + 1;
        if (order(values, row - 1, row) >= 0) throw disorder(reader.name, scanner.rowOffset);
        continue;
      }
      if (last !== undefined && compareBytes(name, 0, name.length, bytes, nameBegin, nameEnd) > 0) {
        throw disorder(reader.name, scanner.rowOffset);
      }
      name = bytes.slice(nameBegin, nameEnd);
      names.push({ text: decoder.decode(name), begin: row, end: row + 1 });
    }
    return new IndexLookup(index, symbols, values, listOffset, names);
  }

  /** Names of labels in order, without the empty one that stands for all series. */
  get names(): readonly string[] {
    this.#nameTexts ??= this.#names.map(({ text }) => text).filter((text) => text !== '');
    return this.#nameTexts;
  }

  /** Rows of a name's values; undefined where no series has the label. */
  rowsOf(name: string): { readonly begin: number; readonly end: number } | undefined {
    let low = 0;
    let high = this.#names.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareUtf8(this.#names[middle].text, name) < 0) low = middle + 1;
      else high = middle;
    }
    const found = this.#names[low];
    return found?.text === name ? found : undefined;
  }

  /** Rows of those values that begin with a text. */
  rowsWithPrefix({ begin, end }: { readonly begin: number; readonly end: number }, prefix: string) {
    const wanted = encoder.encode(prefix);
    const first = firstRow(this.#values, wanted, begin, end, 0);
    return { begin: first, end: firstRow(this.#values, wanted, first, end, 1) };
  }

  /** The row of a pair; -1 where no series has it. */
  rowOf(name: string, value: string): number {
    const rows = this.rowsOf(name);
    if (rows === undefined) return -1;
    return indexOf(this.#values, encoder.encode(value), rows.begin, rows.end);
  }

  /** The number of a text as series refer to it; -1 where it is no symbol. */
  symbolOf(text: string): number {
    return indexOf(this.symbols, encoder.encode(text), 0, this.symbols.count);
  }

  /**
   * All values of a name, in order.
   * @param memory where they are counted
   */
  *valuesOf(name: string, memory?: ByteAllowance): Steps<string[]> {
    const { begin, end } = this.rowsOf(name) ?? { begin: 0, end: 0 };
    const texts: string[] = [];
    for (let row = begin; row < end; row++) {
      const text = this.valueText(row);
      memory?.take(bytesOfText(text));
      if (texts.push(text) % stepValues === 0) yield;
    }
    return texts;
  }

  valueText(row: number): string {
    return textOf(this.#values, row + 1);
  }

  /** Where the list of a row stands in the index; `end` may be past it. */
  listRange(row: number): { begin: number; end: number } {
    const begin = this.#listOffset[row];
    const next = row + 1 < this.#listOffset.length ? this.#listOffset[row + 1] : this.index.toc.postingsTable;
    // Writers put lists in the order of rows. Where one did not, the list says how long it is.
    return { begin, end: next > begin ? next : Math.min(begin + 8, this.index.reader.size) };
  }

  /** Text of symbol `ref` of a series. @throws CorruptBlock where there is none */
  symbolText(ref: number, offset: number): string {
    if (ref >= this.symbols.count) {
      throw new CorruptBlock(this.index.reader.name, offset, `a series has symbol ${ref}, which is none`);
    }
    return textOf(this.symbols, ref + 1);
  }
}

/** Index of a text among the sorted ones from `begin` to `end`; -1 where it is none of them. */
function indexOf(texts: SortedSymbols, wanted: Uint8Array, begin: number, end: number): number {
  let low = begin;
  let high = end;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareTo(texts, middle, wanted) < 0) low = middle + 1;
    else high = middle;
  }
  return low < end && compareTo(texts, low, wanted) === 0 ? low : -1;
}

/** The first row whose beginning is not before `wanted` (0), or behind it (1). */
function firstRow(texts: SortedSymbols, wanted: Uint8Array, begin: number, end: number, atLeast: 0 | 1): number {
  let low = begin;
  let high = end;
  while (low < high) {
    const middle = (low + high) >> 1;
    const at = texts.offset(middle + 1);
    const length = Math.min(texts.length(middle + 1), wanted.length);
    const order = compareBytes(texts.page(middle + 1), at, at + length, wanted, 0, wanted.length);
    if (Math.sign(order) < atLeast) low = middle + 1;
    else high = middle;
  }
  return low;
}

function compareTo(texts: SortedSymbols, index: number, wanted: Uint8Array): number {
  const begin = texts.offset(index + 1);
  return compareBytes(texts.page(index + 1), begin, begin + texts.length(index + 1), wanted, 0, wanted.length);
}

function order(values: SortedSymbols, a: number, b: number): number {
  const x = values.offset(a + 1);
  const y = values.offset(b + 1);
  return compareBytes(values.page(a + 1), x, x + values.length(a + 1), values.page(b + 1), y, y + values.length(b + 1));
}

function textOf(symbols: SortedSymbols, id: number): string {
  const begin = symbols.offset(id);
  return decoder.decode(symbols.page(id).subarray(begin, begin + symbols.length(id)));
}

function disorder(name: string, offset: number): CorruptBlock {
  return new CorruptBlock(name, offset, 'the rows of postings are not in order');
}
