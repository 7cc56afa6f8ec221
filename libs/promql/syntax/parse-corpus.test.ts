/**
 * Every answer that a real Prometheus 3.15 gave to parse_query and format_query, read where it lies beside the
 * repository.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { Expr } from './ast.ts';
import { exprToJson } from './ast-json.ts';
import { ParseError } from './parse-error.ts';
import { parseExpr } from './parser.ts';
import { prettyExpr } from './prettier.ts';

interface Row {
  readonly query: string | undefined;
  readonly ast?: unknown;
  readonly formatted?: string;
  readonly errorType?: string;
  readonly error?: string;
  /** Prometheus could not write the tree as JSON. */
  readonly unencodable?: string;
}

const repoRoot = path.join(import.meta.dirname, '../../..');
const corpusPath = path.join(repoRoot, '../shared/prometheus-answers/parse-and-format.ndjson');
const skip = existsSync(corpusPath) ? false : `the corpus is not on this machine: ${corpusPath}`;
const options = { experimentalFunctions: true, extendedRangeSelectors: true, binopFillModifiers: true };
const errorPrefix = 'invalid parameter "query": ';

function readRows(): readonly Row[] {
  const lines = readFileSync(corpusPath, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Row);
}

/** What is wrong with our answer to a row; undefined if nothing. */
function difference(row: Row): string | undefined {
  let expr: Expr;
  try {
    expr = parseExpr(row.query ?? '', options);
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    const sameError = errorPrefix + error.message === row.error && error.kind === row.errorType;
    return sameError ? undefined : `error ${error.message}, wanted ${row.error}`;
  }
  if (row.error !== undefined) return `no error, wanted ${row.error}`;
  const formatted = prettyExpr(expr);
  if (formatted !== row.formatted) return `formatted ${formatted}, wanted ${row.formatted}`;
  const wellFormed = (_key: string, value: unknown) => (typeof value === 'string' ? value.toWellFormed() : value);
  const json = JSON.stringify(exprToJson(expr), wellFormed);
  if (row.unencodable === undefined && json !== JSON.stringify(row.ast))
    return `tree ${json}, wanted ${JSON.stringify(row.ast)}`;
  return undefined;
}

describe('recorded answers of Prometheus 3.15', () => {
  it('are ours too: trees, formatted texts, errors with their places and words', { skip }, (t) => {
    const rows = readRows();
    const faults: string[] = [];
    for (const row of rows) {
      const fault = difference(row);
      if (fault !== undefined) faults.push(`${row.query}: ${fault}`);
    }
    const errors = rows.filter((row) => row.error !== undefined).length;
    t.diagnostic(`${rows.length - faults.length} of ${rows.length} rows agree (${errors} of them errors)`);
    assert.deepEqual(faults, []);
    assert.ok(rows.length > 2000, 'the corpus is whole');
  });
});
