/**
 * Rounds of random data and random questions, asked of Prometheus and of Maru.
 * Owns the loop and what is reported. A round is all that one seed makes: a profile, a dataset, some questions; so a round that found
 * something is repeated by its seed alone.
 */
import { seededRandom } from '../support/seeded-random.ts';
import { agreementOf } from './agreement.ts';
import { partsOf } from './parts.ts';
import { randomData } from './random-data.ts';
import { type Question, randomQuestion } from './random-question.ts';
import { readyCase } from './ready-case.ts';
import { shrinkData, shrinkQuestion } from './shrink.ts';
import { MaruFleet, type Profile, profiles, TwoServers, treeOf } from './two-servers.ts';

export interface FuzzOptions {
  /** Of the first round; the next ones follow. */
  readonly seed: number;
  readonly rounds: number;
  readonly questionsPerRound: number;
  /** Look for smaller cases of what was found. */
  readonly shrink: boolean;
  /** Findings after which it ends. */
  readonly findingsMax: number;
  readonly tell: (line: string) => void;
}

export interface FuzzReport {
  asked: number;
  /** Of these, with at least one sample in the answer. */
  withData: number;
  /** Both refused with the same words. */
  failed: number;
  /** Prometheus did not agree with itself. */
  unsettled: number;
  /** Expressions of which nothing could be demanded, and which were not asked. */
  passedOver: number;
  readonly findings: string[];
  /** Functions, aggregations and operators of the questions that had samples in their answers. */
  readonly seen: Set<string>;
}

/** Asks all rounds, or until there are enough findings. */
export async function fuzzPromql(options: FuzzOptions): Promise<FuzzReport> {
  const report: FuzzReport = {
    asked: 0,
    withData: 0,
    failed: 0,
    unsettled: 0,
    passedOver: 0,
    findings: [],
    seen: new Set(),
  };
  await using fleet = new MaruFleet();
  for (let round = 0; round < options.rounds && report.findings.length < options.findingsMax; round++) {
    await oneRound(fleet, options.seed + round, options, report);
    options.tell(
      `seed ${options.seed + round}: ${report.asked} asked, ${report.withData} with data, ${report.failed} refused, ` +
        `${report.unsettled} unsettled, ${report.passedOver} passed over, ${report.findings.length} differences`,
    );
  }
  return report;
}

async function oneRound(fleet: MaruFleet, seed: number, options: FuzzOptions, report: FuzzReport): Promise<void> {
  const random = seededRandom(seed);
  const profile = profiles[seed % profiles.length] as Profile;
  const dataset = randomData(random, random.next() < 0.35);
  await using servers = await TwoServers.load(fleet, profile, dataset);
  for (let i = 0; i < options.questionsPerRound; i++) {
    const question = comparableQuestion(random, report);
    const outcome = await servers.compare(question);
    report.asked++;
    if (outcome.kind === 'unsettled') report.unsettled++;
    else if (outcome.kind === 'same') {
      if (outcome.hasData) {
        report.withData++;
        noteWords(question.expr, report.seen);
      }
      if (outcome.failed) report.failed++;
    } else {
      const title = `seed ${seed}, question ${i}, profile ${profile.name}`;
      options.tell(
        `${title}: ${question.expr}\n  ${JSON.stringify(question.when)}\n  ${outcome.differences.join('\n  ')}`,
      );
      report.findings.push(
        options.shrink
          ? await smallest(fleet, servers, profile, dataset, question, title)
          : `${title}: ${question.expr}`,
      );
      if (options.shrink) options.tell(`smallest:\n${report.findings.at(-1)}`);
      if (report.findings.length >= options.findingsMax) return;
    }
  }
}

function noteWords(text: string, seen: Set<string>): void {
  const tree = treeOf(text);
  if (tree === undefined) return;
  for (const part of [tree, ...partsOf(tree)]) {
    if (part.kind === 'call') seen.add(part.func.name);
    if (part.kind === 'aggregate' || part.kind === 'binary') seen.add(part.op);
  }
}

function comparableQuestion(random: ReturnType<typeof seededRandom>, report: FuzzReport): Question {
  for (;;) {
    const question = randomQuestion(random);
    const tree = treeOf(question.expr);
    if (tree === undefined || agreementOf(tree) !== undefined) return question;
    report.passedOver++;
  }
}

async function smallest(
  fleet: MaruFleet,
  servers: TwoServers,
  profile: Profile,
  dataset: Parameters<typeof TwoServers.load>[2],
  question: Question,
  title: string,
): Promise<string> {
  const differs = async (on: TwoServers, asked: Question) => (await on.compare(asked)).kind === 'different';
  const small = await shrinkQuestion(question, (candidate) => differs(servers, candidate));
  const data = await shrinkData(dataset, async (candidate) => {
    await using other = await TwoServers.load(fleet, profile, candidate);
    return await differs(other, small);
  });
  await using last = await TwoServers.load(fleet, profile, data);
  const outcome = await last.compare(small);
  const differences = outcome.kind === 'different' ? outcome.differences : ['(gone again)'];
  return `# ${title}\n${readyCase(data, small)}\n  # ${differences.join('\n  # ')}\n`;
}
