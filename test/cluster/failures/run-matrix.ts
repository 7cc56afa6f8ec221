/**
 * All cases of failure in both modes, by hand, and their table:
 *
 *   node_modules/.bin/node test/cluster/failures/run-matrix.ts --results=<file> [--mode=replicas|kafka] [--case=<part of a name>] [--hold=<ms>] [--short]
 *
 * Owns that it can be stopped at any time and goes on: each case that is over is a line of the file of results; those without a fault are not
 * run again. The table says which cases are not over yet; a run of some of them leaves it alone.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { failureCases } from './failure-cases.ts';
import { type CaseResult, runCases } from './run-cases.ts';
import { type Mode, type Shape, zonesOf } from './scene.ts';

const modes: readonly Mode[] = ['replicas', 'kafka'];
const table = join(import.meta.dirname, 'MATRIX.md');

const { values } = parseArgs({
  options: {
    results: { type: 'string' },
    mode: { type: 'string' },
    case: { type: 'string', default: '' },
    hold: { type: 'string', default: '5000' },
    short: { type: 'boolean', default: false },
  },
});
const file = values.results;
if (file === undefined) {
  console.error('--results=<file>: where results are kept, outside of the repository');
  process.exit(2);
}
// So that what was started ends as well.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
const keyOf = ({ mode, name }: { readonly mode: Mode; readonly name: string }): string => `${mode}: ${name}`;
const results = new Map<string, CaseResult>();
if (existsSync(file)) {
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line !== '') keep(JSON.parse(line) as CaseResult);
  }
}

for (const mode of modes) {
  if (values.mode !== undefined && values.mode !== mode) continue;
  for (const shape of Object.keys(zonesOf) as Shape[]) {
    // A case that throws leaves a cluster behind that the next ones cannot have.
    const tried = new Set<string>();
    for (;;) {
      const cases = failureCases.filter(
        ({ name, shape: one, allowed, isShort }) =>
          one === shape &&
          allowed[mode] !== undefined &&
          name.includes(values.case) &&
          (!values.short || isShort === true) &&
          results.get(keyOf({ mode, name }))?.faults.length !== 0 &&
          !tried.has(name),
      );
      if (cases.length === 0) break;
      try {
        await runCases({
          mode,
          shape,
          cases,
          holdMs: Number(values.hold),
          onCase: ({ name }) => tried.add(name),
          onResult: (result) => {
            appendFileSync(file, `${JSON.stringify(result)}\n`);
            keep(result);
            console.log(`${keyOf(result)}: ${JSON.stringify(result)}`);
          },
        });
        break;
      } catch (error) {
        console.error(`${mode}, ${shape}: ${[...tried].at(-1)}:`, error);
        process.exitCode = 1;
        if (tried.size === 0) break;
      }
    }
  }
}

const wanted = modes.flatMap((mode) =>
  failureCases.flatMap(({ name, allowed }) => (allowed[mode] === undefined ? [] : [keyOf({ mode, name })])),
);
const over = wanted.flatMap((key) => results.get(key) ?? []);
if (values.mode === undefined && values.case === '' && !values.short) {
  writeFileSync(
    table,
    tableOf(
      over,
      wanted.filter((key) => !results.has(key)),
    ),
  );
}

function keep(result: CaseResult): void {
  results.set(keyOf(result), result);
}

function tableOf(all: readonly CaseResult[], absent: readonly string[]): string {
  const seconds = (ms: number): string => (ms / 1000).toFixed(1);
  const sum = (of: (result: CaseResult) => number): number => all.reduce((total, one) => total + of(one), 0);
  const rows = all.map(
    ({ name, mode, acknowledgedSamples, lostSamples, wrongAnswers, msWithoutWrites, msWithoutReads, msToHealed }) =>
      [
        name,
        mode,
        acknowledgedSamples,
        lostSamples,
        wrongAnswers,
        seconds(msWithoutWrites),
        seconds(msWithoutReads),
        seconds(msToHealed),
      ].join(' | '),
  );
  const lines = [
    '# Cases of failure',
    '',
    '`node_modules/.bin/node test/cluster/failures/run-matrix.ts --results=<file>`: real processes, three zones unless the case says otherwise, replication factor',
    'as many as zones, leases of a second, S3 (versitygw), Redis, and Kafka where writes go through it. Two senders and three readers go on all',
    'the time: each sender keeps a write until it is acknowledged, and turns to the next door after 12 s without an answer, a reader after 20 s. "Without" is the longest that',
    `one of them went without an acknowledgement, or without an answer; what is allowed meanwhile is in \`failure-cases.ts\`. ${availableParallelism()} cores for`,
    `everything. The harm is left to work for ${Number(values.hold) / 1000} s, or longer until what is allowed has been seen.`,
    '',
    '| case | mode | acknowledged samples | lost | wrong or silently partial answers | s without writes | s without reads | s to healed |',
    '|---|---|---:|---:|---:|---:|---:|---:|',
    ...rows.map((row) => `| ${row} |`),
    `| all | | ${sum((one) => one.acknowledgedSamples)} | ${sum((one) => one.lostSamples)} | ${sum((one) => one.wrongAnswers)} | | | |`,
    '',
  ];
  const faults = all.flatMap(({ name, mode, faults }) => faults.map((fault) => `- ${name} (${mode}): ${fault}`));
  if (faults.length > 0) lines.push('Not as it should be:', '', ...faults, '');
  if (absent.length > 0) lines.push('Not run yet:', '', ...absent.map((key) => `- ${key}`), '');
  return lines.join('\n');
}
