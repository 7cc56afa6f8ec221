/**
 * For developers: random data and random expressions, asked of a real Prometheus 3.15 and of Maru over HTTP.
 *
 *     node test/fuzz/promql.fuzz.ts [--seed=1] [--rounds=40] [--questions=250] [--findings=5] [--no-shrink]
 *     node test/fuzz/promql.fuzz.ts --syntax [--seed=1] [--questions=250] [--findings=5]
 *
 * Prints each difference with its seed and as a small promqltest script. With --syntax, texts with mistakes are parsed and formatted
 * only. Exit code 1 if there was any difference.
 */
import { functionsTable } from '../../libs/promql/syntax/functions-table.ts';
import { skipWithout } from '../support/find-server.ts';
import { fuzzPromql } from './fuzz-promql.ts';
import { fuzzSyntax } from './fuzz-syntax.ts';

const given = (name: string, otherwise: number): number => {
  const text = process.argv.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
  return text === undefined ? otherwise : Number(text);
};
const absent = skipWithout('prometheus');
if (absent !== false) throw new Error(absent);
if (process.argv.includes('--syntax')) {
  const { asked, refused, findings } = await fuzzSyntax(
    given('seed', 1),
    given('questions', 250),
    given('findings', 5),
    console.log,
  );
  console.log(`${asked} texts, ${refused} refusals, ${findings.length} differences`);
  process.exit(findings.length === 0 ? 0 : 1);
}
const report = await fuzzPromql({
  seed: given('seed', 1),
  rounds: given('rounds', 40),
  questionsPerRound: given('questions', 250),
  findingsMax: given('findings', 5),
  shrink: !process.argv.includes('--no-shrink'),
  tell: console.log,
});
const unseen = [...functionsTable.keys()].filter((name) => !report.seen.has(name));
if (unseen.length > 0) console.log(`never with a sample in the answer: ${unseen.join(' ')}`);
console.log(`${report.asked} questions, ${report.findings.length} differences`);
process.exitCode = report.findings.length === 0 ? 0 : 1;
