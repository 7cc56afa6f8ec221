/**
 * Figures of several servers as one table: what was measured, and Maru against each peer.
 */
import { cpus, loadavg, release, totalmem } from 'node:os';

export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly digits: number;
  /** Whether less is better; decides nothing but the words of the ratio. */
  readonly lessIsBetter: boolean;
}

/** Figures of one server by the name of the figure; NaN where it has none. */
export interface Measured {
  readonly server: string;
  readonly values: ReadonlyMap<string, number>;
  /** What went wrong, if anything: it stands under the table. */
  readonly remarks: readonly string[];
}

/** A Markdown table: a row a figure, a column a server, and how Maru stands to each peer. */
export function markdownTable(figures: readonly Figure[], measured: readonly Measured[]): string {
  const [maru, ...peers] = [...measured].sort((a, b) => Number(b.server === 'maru') - Number(a.server === 'maru'));
  if (maru === undefined) return '';
  const all = [maru, ...peers];
  const withRatios = maru.server === 'maru';
  const header = [
    'figure',
    ...all.map((one) => one.server),
    ...(withRatios ? peers.map((peer) => `maru / ${peer.server}`) : []),
  ];
  const lines = [`| ${header.join(' | ')} |`, `|${header.map(() => '---').join('|')}|`];
  for (const figure of figures) {
    const of = (one: Measured): number => one.values.get(figure.name) ?? Number.NaN;
    if (all.every((one) => Number.isNaN(of(one)))) continue;
    const row = [`${figure.name} (${figure.unit}, ${figure.lessIsBetter ? 'less' : 'more'} is better)`];
    for (const one of all) row.push(shown(of(one), figure.digits));
    if (withRatios) for (const peer of peers) row.push(shown(of(maru) / of(peer), 2));
    lines.push(`| ${row.join(' | ')} |`);
  }
  for (const one of all) for (const remark of one.remarks) lines.push('', `${one.server}: ${remark}`);
  return lines.join('\n');
}

function shown(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : '-';
}

/** The machine, in a line, and how busy it was: a server that is measured alone makes a load of one or two. */
export function machineLine(): string {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} x ${cpu?.model ?? 'unknown CPU'}, ${memory} GB, Linux ${release()}, Node ${process.version}, load average ${loadavg()[1]?.toFixed(1)}`;
}
