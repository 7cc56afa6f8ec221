/**
 * The load tests' command: `npm run load -- <scenario>...` measures Maru and the peers that are on this machine, in turn, and
 * writes a table into load-tests/results/. Needs Linux (/proc). Peers are found as servers.ts says.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Progress } from '../libs/telemetry/progress.ts';
import { measureCompaction } from './compaction/measure.ts';
import { runSuite, suites } from './query-suite.ts';
import { type Measured, machineLine, markdownTable } from './report.ts';
import { measureServer, type Scenario, scenarios, splitScenarios } from './scenarios.ts';
import { type ServerKind, serverKinds } from './servers.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    /** Absent: Maru in one process and its peers, or what a scenario compares. */
    servers: { type: 'string' },
    scale: { type: 'string', default: '1' },
    connections: { type: 'string', default: '4' },
    /** Where the tables go; `-` writes none. */
    results: { type: 'string', default: join(import.meta.dirname, 'results') },
    /** Of the query suites: where filled folders stay for the next run, and which cases are asked. */
    keep: { type: 'string' },
    cases: { type: 'string', default: '' },
    'fill-seconds': { type: 'string', default: '3600' },
  },
});

const known = [...scenarios.keys(), ...suites.keys(), 'compaction', 'split'];
const names = positionals.includes('all') ? known : positionals;
const unknown = names.filter((name) => !known.includes(name));
if (names.length === 0 || unknown.length > 0) {
  console.error(
    `npm run load -- [--servers=a,b] [--scale=0.1] [--connections=4] [--results=-] [--keep=folder] [--cases=word] <scenario>...|all\n` +
      `scenarios: ${known.join(', ')}${unknown.length > 0 ? `; unknown: ${unknown.join(', ')}` : ''}`,
  );
  process.exit(2);
}

// Servers end with this process, also where it is told to.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const progress = new Progress(process.stderr);
const options = { scale: Number(values.scale), connections: Number(values.connections), progress };
const wanted =
  values.servers?.split(',') ?? serverKinds.flatMap(({ name, isSplit }) => (isSplit === true ? [] : [name]));

/** As it stands in results: where the folders of this machine are is nobody's business. */
const command = `npm run load -- ${process.argv
  .slice(2)
  .filter((word) => word !== '--')
  .map((word) => word.replace(/^--keep=.*/, '--keep=FOLDER'))
  .join(' ')}`;

function writeResult(name: string, title: string, body: string): void {
  const text = `# ${title}\n\n${new Date().toISOString()}, ${machineLine()}\n\n\`${command}\`\n\n${body}`;
  console.log(`\n${text}`);
  if (values.results === '-') return;
  mkdirSync(values.results, { recursive: true });
  writeFileSync(join(values.results, `${name}.md`), text);
}

if (names.includes('compaction')) {
  const table = measureCompaction({ ...options, keep: values.keep, only: values.cases });
  writeResult(values.cases === '' ? 'compaction' : `compaction-${values.cases}`, 'compaction of blocks', table);
}

for (const name of names) {
  const suite = suites.get(name);
  if (suite === undefined) continue;
  const table = await runSuite(name, suite, {
    ...options,
    servers: wanted,
    keep: values.keep,
    only: values.cases,
    fillSeconds: Number(values['fill-seconds']),
  });
  writeResult(name, `queries over ${suite.title}`, table);
}

/** Servers through one scenario; the text of a section, and its table. */
async function measureAll(scenario: Scenario, kinds: readonly ServerKind[]): Promise<string> {
  const plan = await scenario.plan(options);
  const samples = plan.seriesCount * plan.scrapes;
  progress.say(
    `${scenario.title}: ${(plan.rawBytes / samples).toFixed(1)} B a sample raw, ${(plan.wireBytes / samples).toFixed(1)} on the wire`,
  );
  const measured: Measured[] = [];
  for (const kind of kinds) {
    const one = await measureServer(kind, scenario, plan, options);
    if (one === undefined) continue;
    measured.push(one);
    progress.say(`${kind.name}: ${[...one.values].map(([name, value]) => `${name} ${value.toFixed(2)}`).join(', ')}`);
  }
  return (
    `${plan.seriesCount} series, ${plan.scrapes} scrapes, bodies of 2,000 series, ${values.connections} connections; ` +
    `${(plan.rawBytes / samples).toFixed(1)} bytes a sample, ${(plan.wireBytes / samples).toFixed(1)} compressed. ` +
    `CPU is user and system time of the process tree until it is quiet again.\n\n${markdownTable(scenario.figures, measured)}\n`
  );
}

const kindsOf = (those: readonly string[]): ServerKind[] => serverKinds.filter(({ name }) => those.includes(name));
for (const name of names) {
  const scenario = scenarios.get(name);
  if (scenario === undefined) continue;
  const those = values.servers === undefined ? (scenario.servers ?? wanted) : wanted;
  writeResult(name, scenario.title, await measureAll(scenario, kindsOf(those)));
}

if (names.includes('split')) {
  const houses = serverKinds.filter(({ name, isSplit }) => name === 'maru' || isSplit === true);
  const kinds = values.servers === undefined ? houses : kindsOf(wanted);
  const sections: string[] = [];
  for (const scenario of splitScenarios) sections.push(`## ${scenario.title}\n\n${await measureAll(scenario, kinds)}`);
  writeResult('split', 'one process beside a process a room', sections.join('\n'));
}
