/**
 * For developers: runs the corpus and prints how many evals of each script pass, and the first that do not.
 *
 *     node libs/promql/testing/run-promqltest.ts [part of a script's name] [failures to print, 20]
 */
import { knownFailures } from './known-failures.ts';
import { corpusPath, evalName, listCorpus, runCorpusScript } from './run-corpus.ts';

const [part = '', printedText = '20'] = process.argv.slice(2);
const printedMax = Number(printedText);
const scripts = listCorpus();
if (scripts === undefined) {
  console.error(`the corpus is not on this machine: ${corpusPath}`);
  process.exit(1);
}

const reports: string[] = [];
let passedSum = 0;
let totalSum = 0;
for (const script of scripts) {
  if (!script.includes(part)) continue;
  const { total, failures } = runCorpusScript(script);
  const passed = total - failures.length;
  passedSum += passed;
  totalSum += total;
  console.log(`${script.padEnd(28)} ${String(passed).padStart(4)} / ${total}`);
  for (const { line, report } of failures) {
    const name = evalName(script, line);
    reports.push(`${name}${knownFailures.has(name) ? ' (known)' : ''} ${report}`);
  }
}
console.log(`${'all'.padEnd(28)} ${String(passedSum).padStart(4)} / ${totalSum}`);
for (const report of reports.slice(0, printedMax)) console.log(`\n${report}`);
if (reports.length > printedMax) console.log(`\nand ${reports.length - printedMax} more`);
process.exitCode = reports.length === 0 ? 0 : 1;
