/**
 * A smaller question, and less data, that two servers still differ about.
 * Owns what is tried: parts of the expression in its place, one instant for a range, fewer series, fewer samples.
 */
import type { Expr } from '../../libs/promql/syntax/ast.ts';
import { formatExpr } from '../../libs/promql/syntax/printer.ts';
import { agreementOf } from './agreement.ts';
import { childrenOf, partsOf } from './parts.ts';
import type { Dataset } from './random-data.ts';
import type { Question, When } from './random-question.ts';
import { treeOf } from './two-servers.ts';

const questionAttemptsMax = 300;
const dataAttemptsMax = 40;

/** The smallest question found of which `differs` is still true. */
export async function shrinkQuestion(
  question: Question,
  differs: (question: Question) => Promise<boolean>,
): Promise<Question> {
  let best = question;
  let attempts = 0;
  for (let found = true; found; ) {
    found = false;
    for (const candidate of smallerQuestions(best)) {
      if (++attempts > questionAttemptsMax) return best;
      const tree = treeOf(candidate.expr);
      if (tree === undefined || agreementOf(tree) === undefined) continue;
      if (!(await differs(candidate))) continue;
      best = candidate;
      found = true;
      break;
    }
  }
  return best;
}

/** The smallest dataset found of which `differs` is still true. */
export async function shrinkData(dataset: Dataset, differs: (dataset: Dataset) => Promise<boolean>): Promise<Dataset> {
  let best = dataset;
  let attempts = 0;
  const attempt = async (candidate: Dataset): Promise<boolean> => {
    if (++attempts > dataAttemptsMax || !(await differs(candidate))) return false;
    best = candidate;
    return true;
  };
  const seriesCount = dataset.loads[0]?.series.length ?? 0;
  for (let size = Math.ceil(seriesCount / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let begin = 0; begin < (best.loads[0]?.series.length ?? 0); ) {
      const without = (_: unknown, row: number) => row < begin || row >= begin + size;
      const loads = best.loads.map((load) => ({ ...load, series: load.series.filter(without) }));
      if (!(await attempt({ loads }))) begin += size;
    }
  }
  const length = Math.max(0, ...best.loads.flatMap(({ series }) => series.map(({ values }) => values.length)));
  for (let size = Math.ceil(length / 2); size >= 10; size = Math.ceil(size / 2)) {
    for (let begin = 0; begin < length; begin += size) {
      const loads = best.loads.map((load) => ({
        ...load,
        series: load.series.map((one) => ({
          ...one,
          values: one.values.map((value, i) =>
            i < begin || i >= begin + size ? value : ({ kind: 'omitted' } as const),
          ),
        })),
      }));
      if (JSON.stringify(loads) !== JSON.stringify(best.loads)) await attempt({ loads });
    }
  }
  return best;
}

function* smallerQuestions({ expr, when }: Question): Generator<Question> {
  const tree = treeOf(expr);
  if (tree === undefined) return;
  for (const smaller of smallerTrees(tree)) {
    const text = formatExpr(smaller);
    if (text.length >= expr.length) continue;
    if (smaller.type === 'matrix' && when.kind === 'range') continue;
    yield { expr: text, when };
  }
  if (when.kind === 'range') for (const other of smallerRanges(when)) yield { expr, when: other };
}

function* smallerRanges({ start, end, step }: When & { kind: 'range' }): Generator<When> {
  const count = Math.floor((end - start) / step) + 1;
  if (count > 1) {
    const middle = start + Math.floor(count / 2) * step;
    yield { kind: 'range', start, end: middle - step, step };
    yield { kind: 'range', start: middle, end, step };
  } else {
    yield { kind: 'instant', time: start };
  }
}

/** Trees with one node less or more, the smallest first: any part for the whole, and parts for their parents. */
function* smallerTrees(tree: Expr): Generator<Expr> {
  yield* partsOf(tree)
    .filter(({ type }) => type !== 'string')
    .reverse();
  yield* rewrites(tree);
}

/** The tree with one of its nodes in a simpler form. */
function* rewrites(node: Expr): Generator<Expr> {
  const children = childrenOf(node);
  for (const child of children) if (child.type === node.type) yield child;
  for (const [i, child] of children.entries()) {
    for (const smaller of rewrites(child)) yield withChild(node, i, smaller);
  }
  switch (node.kind) {
    case 'vectorSelector': {
      if (node.atMs !== undefined || node.startOrEnd !== undefined) {
        yield { ...node, atMs: undefined, startOrEnd: undefined };
      }
      if (node.offsetSet) yield { ...node, originalOffsetMs: 0, offsetSet: false };
      for (const matcher of node.matchers) {
        if (matcher.name !== '__name__') yield { ...node, matchers: node.matchers.filter((one) => one !== matcher) };
      }
      break;
    }
    case 'aggregate':
      for (const label of node.grouping) yield { ...node, grouping: node.grouping.filter((one) => one !== label) };
      break;
    case 'number':
      if (node.value !== 1) yield { ...node, value: 1, duration: false };
      break;
  }
}

function withChild(node: Expr, index: number, child: Expr): Expr {
  switch (node.kind) {
    case 'matrixSelector':
      return child.kind === 'vectorSelector' ? { ...node, selector: child } : node;
    case 'subquery':
    case 'unary':
    case 'paren':
      return { ...node, expr: child };
    case 'call':
      return { ...node, args: node.args.map((arg, i) => (i === index ? child : arg)) };
    case 'aggregate':
      return node.param !== undefined && index === 0 ? { ...node, param: child } : { ...node, expr: child };
    case 'binary':
      return index === 0 ? { ...node, lhs: child } : { ...node, rhs: child };
    default:
      return node;
  }
}
