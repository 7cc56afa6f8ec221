/**
 * The symbols of several blocks as those of one, so that a series of any of them is a list of numbers whose order is that of its labels.
 * Owns the merged texts and the numbers. Streams: of each source a window is in memory.
 */
import { LoserTree } from '../../std/loser-tree.ts';
import { type BlockIndex, SymbolScanner } from './index-reader.ts';
import { compareBytes, SortedSymbols } from './symbols.ts';

/** Symbols of all sources, and for each source the number that its symbol i has among them. */
export async function mergeSymbols(
  indexes: readonly BlockIndex[],
  windowBytes: number,
  signal: AbortSignal,
): Promise<{ symbols: SortedSymbols; numbers: readonly Uint32Array[] }> {
  const scanners: SymbolScanner[] = [];
  for (const index of indexes) scanners.push(await SymbolScanner.open(index, windowBytes, signal));
  const live: boolean[] = [];
  for (const scanner of scanners) live.push(scanner.next() || (await scanner.fill()));
  const numbers = scanners.map(({ total }) => new Uint32Array(total));
  const symbols = new SortedSymbols();
  const tree = new LoserTree(scanners.length, (a, b) => {
    if (!live[a] || !live[b]) return live[a];
    const x = scanners[a];
    const y = scanners[b];
    return compareBytes(x.bytes, x.begin, x.end, y.bytes, y.begin, y.end) < 0;
  });
  while (live[tree.winner]) {
    const first = scanners[tree.winner];
    const number = symbols.append(first.bytes, first.begin, first.end);
    const page = symbols.page(number);
    const at = symbols.offset(number);
    const end = at + symbols.length(number);
    for (;;) {
      const i = tree.winner;
      const scanner = scanners[i];
      if (!live[i] || compareBytes(scanner.bytes, scanner.begin, scanner.end, page, at, end) !== 0) break;
      numbers[i][scanner.count - 1] = number;
      live[i] = scanner.next() || (await scanner.fill());
      tree.replay();
    }
  }
  return { symbols, numbers };
}
