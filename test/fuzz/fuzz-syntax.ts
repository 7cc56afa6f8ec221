/**
 * Random expressions with random mistakes, parsed and formatted by Prometheus and by Maru: trees, texts, and errors with their words and
 * places must be the same bytes. Owns the mistakes. No data is needed.
 */
import { randomExpression } from '../../libs/promql/syntax/random-expression.testing.ts';
import { type SeededRandom, seededRandom } from '../support/seeded-random.ts';
import { startPrometheus } from '../support/start-prometheus.ts';
import { MaruFleet, profiles } from './two-servers.ts';

export interface SyntaxReport {
  asked: number;
  /** Refused by both in the same words. */
  refused: number;
  readonly findings: string[];
}

const pieces = [
  ...[
    '(',
    ')',
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    "'",
    '`',
    '\\',
    '#',
    '@',
    '=',
    '!',
    '~',
    '=~',
    '!~',
    '!=',
    '==',
    '</',
    '>/',
    ' ',
  ],
  ...[
    '+',
    '-',
    '*',
    '/',
    '%',
    '^',
    '<',
    '>',
    '.',
    '0x',
    '1e',
    '5m',
    '1y2',
    '1_0',
    '0',
    'Inf',
    'NaN',
    '\n',
    '\t',
    'é',
    '\u0000',
    '$',
  ],
  ...[
    'by',
    'without',
    'on',
    'ignoring',
    'group_left',
    'offset',
    'bool',
    'and',
    'or',
    'unless',
    'atan2',
    'start',
    'end',
    'sum',
    'rate',
  ],
  ...[
    'fill',
    'fill_left',
    'anchored',
    'smoothed',
    'step()',
    'range()',
    'min_of',
    'max_of(',
    'foo',
    'count_values',
    'quantile',
    'info',
  ],
];

/** Asks about `count` texts, or until there are enough findings. */
export async function fuzzSyntax(
  seed: number,
  count: number,
  findingsMax: number,
  tell: (line: string) => void,
): Promise<SyntaxReport> {
  const report: SyntaxReport = { asked: 0, refused: 0, findings: [] };
  const random = seededRandom(seed);
  const [profile] = profiles;
  if (profile === undefined) return report;
  await using fleet = new MaruFleet();
  await using prometheus = await startPrometheus({ version: 3, scrape: {}, features: profile.features });
  const maru = await fleet.of(profile);
  while (report.asked < count && report.findings.length < findingsMax) {
    const type = random.next() < 0.8 ? 'vector' : random.next() < 0.5 ? 'scalar' : 'matrix';
    const text = withMistakes(
      randomExpression(() => random.next(), type, random.between(0, 4)),
      random,
    );
    for (const path of ['parse_query', 'format_query']) {
      const [theirs, ours] = await Promise.all([
        answerOf(prometheus.baseUrl, path, text),
        answerOf(maru.queryUrl, path, text),
      ]);
      if (theirs === ours) {
        if (theirs.includes('"status":"error"')) report.refused++;
        continue;
      }
      report.findings.push(`${path} ${JSON.stringify(text)}\n  expected ${theirs}\n  got      ${ours}`);
      tell(report.findings.at(-1) ?? '');
      break;
    }
    report.asked++;
  }
  return report;
}

function withMistakes(text: string, random: SeededRandom): string {
  let mistaken = text;
  for (let i = random.between(0, 3); i > 0; i--) {
    const at = random.between(0, mistaken.length + 1);
    const cut = random.next() < 0.5 ? 0 : random.between(1, 4);
    const piece = random.next() < 0.6 ? (pieces[random.between(0, pieces.length)] as string) : '';
    mistaken = mistaken.slice(0, at) + piece + mistaken.slice(at + cut);
  }
  return mistaken.isWellFormed() ? mistaken : text;
}

async function answerOf(baseUrl: string, path: string, query: string): Promise<string> {
  const answer = await fetch(`${baseUrl}/api/v1/${path}`, {
    method: 'POST',
    body: new URLSearchParams({ query }),
    signal: AbortSignal.timeout(20_000),
  });
  // A text that is no UTF-8 is no JavaScript string either: Maru has the sign for it at once.
  return `${answer.status} ${(await answer.text()).trim().replaceAll('\\ufffd', '\ufffd')}`;
}
