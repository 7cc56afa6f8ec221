/**
 * The corpus lies beside the repository and may not be there. These tests' own cases must cover the language without it: every
 * function, aggregation, operator and modifier stands in an eval of a script of ours.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { Failure } from '../../errors/failure.ts';
import { type AggregateOp, type BinaryOp, type Expr, isComparisonOp } from '../syntax/ast.ts';
import { functionsTable } from '../syntax/functions-table.ts';
import { parseExpr } from '../syntax/parser.ts';

const folder = path.join(import.meta.dirname, '..');
const syntax = { experimentalFunctions: true, extendedRangeSelectors: true, binopFillModifiers: true };
const evalLine = /^\s*eval (?:instant at \S+|range from \S+ to \S+ step \S+) (.+?)`?,?$/gm;

const tableEval = /eval (?:instant|range)[^\n]*\$\{/;

const aggregations: Record<AggregateOp, true> = {
  ...{ sum: true, avg: true, count: true, min: true, max: true, group: true, stddev: true, stdvar: true },
  ...{ topk: true, bottomk: true, quantile: true, count_values: true, limitk: true, limit_ratio: true },
};
const operators: Record<BinaryOp, true> = {
  ...{ '+': true, '-': true, '*': true, '/': true, '%': true, '^': true, atan2: true, '</': true, '>/': true },
  ...{ '==': true, '!=': true, '<': true, '<=': true, '>': true, '>=': true, and: true, or: true, unless: true },
};
/** Between vectors, and between a vector and a scalar. */
const shapes = ['vectors', 'scalar'];
const modifiers =
  'bool on ignoring group_left group_right fill fill_left fill_right by without offset @ start/end anchored smoothed ' +
  'subquery default-step duration-expression unary-minus';

describe('our own cases', () => {
  const seen = new Set<string>();

  before(() => {
    for (const file of globSync('**/*.test.ts', { cwd: folder })) {
      const text = readFileSync(path.join(folder, file), 'utf8');
      for (const [, expr] of text.matchAll(evalLine)) {
        // As it stands in a template literal; for what is filled in, any name will do.
        const plain = (expr as string).replace(/(?<!\\)\$\{\w+\}/g, 'sum').replace(/\\([\\$`])/g, '$1');
        note(plain, seen);
      }
      // A table of names, each of which an eval is made from.
      if (tableEval.test(text)) for (const [, name] of text.matchAll(/[[( ]'(\w+)'/g)) noteName(name as string, seen);
    }
  });

  for (const { what, names } of [
    { what: 'function', names: [...functionsTable.keys()] },
    { what: 'aggregation', names: Object.keys(aggregations) },
    { what: 'operator', names: Object.keys(operators).flatMap((op) => shapes.map((shape) => `${op} ${shape}`)) },
    { what: 'modifier', names: modifiers.split(' ') },
  ]) {
    it(`cover every ${what}`, () => {
      const setBetweenScalars = /^(and|or|unless) scalar$/;
      const missing = names.filter((name) => !setBetweenScalars.test(name) && !seen.has(`${what} ${name}`));
      assert.deepEqual(missing, [], `no script of ours evaluates them`);
    });
  }
});

function note(text: string, seen: Set<string>): void {
  try {
    noteTree(parseExpr(text, syntax), seen);
  } catch (error) {
    // Some scripts are wrong on purpose.
    if (!(error instanceof Failure)) throw error;
  }
}

function noteName(name: string, seen: Set<string>): void {
  if (functionsTable.has(name)) seen.add(`function ${name}`);
  if (Object.hasOwn(aggregations, name)) seen.add(`aggregation ${name}`);
}

/** Enters what the tree is made of. */
function noteTree(expr: Expr, seen: Set<string>): void {
  const modifier = (name: string, isThere: boolean) => isThere && seen.add(`modifier ${name}`);
  switch (expr.kind) {
    case 'number':
    case 'string':
      return;
    case 'vectorSelector':
    case 'subquery':
      modifier('offset', expr.offsetSet || expr.originalOffsetExpr !== undefined);
      modifier('@', expr.atMs !== undefined);
      modifier('start/end', expr.startOrEnd !== undefined);
      if (expr.kind === 'vectorSelector') {
        modifier('anchored', expr.anchored);
        modifier('smoothed', expr.smoothed);
        return;
      }
      modifier('subquery', true);
      modifier('default-step', expr.stepMs === 0 && expr.stepExpr === undefined);
      modifier('duration-expression', expr.rangeExpr !== undefined);
      noteTree(expr.expr, seen);
      return;
    case 'matrixSelector':
      modifier('duration-expression', expr.rangeExpr !== undefined);
      noteTree(expr.selector, seen);
      return;
    case 'call':
      seen.add(`function ${expr.func.name}`);
      for (const arg of expr.args) noteTree(arg, seen);
      return;
    case 'aggregate':
      seen.add(`aggregation ${expr.op}`);
      modifier(expr.without ? 'without' : 'by', expr.without || expr.grouping.length > 0);
      if (expr.param !== undefined) noteTree(expr.param, seen);
      noteTree(expr.expr, seen);
      return;
    case 'unary':
      modifier('unary-minus', expr.op === '-');
      noteTree(expr.expr, seen);
      return;
    case 'paren':
      noteTree(expr.expr, seen);
      return;
    case 'binary': {
      const { matching } = expr;
      seen.add(`operator ${expr.op} ${matching === undefined ? 'scalar' : 'vectors'}`);
      modifier('bool', isComparisonOp(expr.op) && expr.returnBool);
      if (matching !== undefined) {
        modifier('on', matching.on);
        modifier('ignoring', !matching.on && matching.labels.length > 0);
        modifier('group_left', matching.card === 'many-to-one');
        modifier('group_right', matching.card === 'one-to-many');
        modifier('fill_left', matching.fillLhs !== undefined && matching.fillRhs === undefined);
        modifier('fill_right', matching.fillRhs !== undefined && matching.fillLhs === undefined);
        modifier('fill', matching.fillLhs !== undefined && matching.fillRhs !== undefined);
      }
      noteTree(expr.lhs, seen);
      noteTree(expr.rhs, seen);
    }
  }
}
