/**
 * Runs Prometheus' own test scripts, read where they lie beside the repository, against the engine.
 * Owns where the scripts are and how a failure is named. The engine's switches are corpus-engine.ts.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { evaluateWithEngine } from './corpus-engine.ts';
import { runScript, type ScriptOutcome } from './run-script.ts';

/** Beside the repository's root. */
export const corpusPath: string = path.join(import.meta.dirname, '../../../../shared/promqltest');

/** Every line that begins an eval, in Prometheus 3.15. */
export const corpusEvalCount = 2243;

/** Names of the scripts; undefined if the corpus is not on this machine. */
export function listCorpus(): readonly string[] | undefined {
  if (!existsSync(corpusPath)) return undefined;
  return readdirSync(corpusPath)
    .filter((name) => name.endsWith('.test'))
    .sort();
}

/** @throws ScriptError, ParseError or Failure where the script itself is wrong */
export function runCorpusScript(name: string): ScriptOutcome {
  return runScript(readFileSync(path.join(corpusPath, name), 'utf8'), evaluateWithEngine);
}

/** What an eval command is called in reports and in known-failures.ts. */
export function evalName(script: string, line: number): string {
  return `${script}:${line}`;
}
