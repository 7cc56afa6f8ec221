/**
 * Does every operator, function and selector of a tree have operands that it can work on?
 * Owns the rules that need types, and settles the matching of binary operators: it is dropped where an operand is no
 * vector and becomes many-to-many for set operators. The order of the checks decides which fault is told, and is
 * Prometheus' (promql/parser/parse.go checkAST). Chains to the left (`a + b + c`, subqueries of subqueries) are walked
 * without recursion: they may be as long as the text.
 */
import type { Matcher } from '../../model/matcher.ts';
import { type Worked, workPerNode } from '../worked.ts';
import {
  type AggregateExpr,
  aggregateParamType,
  type BinaryExpr,
  type Call,
  type Expr,
  isComparisonOp,
  isSetOp,
  type ValueType,
  type VectorSelector,
} from './ast.ts';
import { quoteText } from './go-text.ts';
import { patternMatchesEmpty } from './matcher-pattern.ts';
import { ParseError } from './parse-error.ts';

/** A sound tree higher than this is refused: a limit of ours, so that everything after the parser may recurse. */
const heightMax = 2000;

/** Of a pattern, which takes some microseconds a character. */
const workPerCharacter = 4;

const onlyScalarsAndVectors = 'binary expression must contain only scalar and instant vector types';

/** @throws ParseError for the first rule that is broken, and for a tree that is too high */
export function checkTypes(expr: Expr, query: string, worked: Worked): void {
  const height = new TypeChecker(query, worked).check(expr);
  if (height > heightMax) throw new ParseError(query, expr.start, `expression is more than ${heightMax} levels high`);
}

/** The words of Prometheus' documentation for a type. */
export function documentedType(type: ValueType): string {
  return type === 'vector' ? 'instant vector' : type === 'matrix' ? 'range vector' : type;
}

class TypeChecker {
  readonly #query: string;
  readonly #worked: Worked;

  constructor(query: string, worked: Worked) {
    this.#query = query;
    this.#worked = worked;
  }

  #fail(start: number, reason: string): never {
    throw new ParseError(this.#query, start, reason);
  }

  /** Checks a tree and returns its height. */
  check(root: Expr): number {
    // Down the left edge first, then back up: a node is judged after its operands.
    const edge: Expr[] = [];
    let node: Expr | undefined = root;
    while (node !== undefined) {
      this.#worked(workPerNode);
      edge.push(node);
      node = leftOperand(node);
    }
    let height = 0;
    for (let i = edge.length - 1; i >= 0; i--) height = 1 + this.#judge(edge[i] as Expr, height);
    return height;
  }

  /** Judges one node whose left operand is sound and so high; returns the height of its highest operand. */
  #judge(node: Expr, leftHeight: number): number {
    switch (node.kind) {
      case 'binary': {
        const rightHeight = this.check(node.rhs);
        this.#judgeBinary(node);
        return Math.max(leftHeight, rightHeight);
      }
      case 'unary':
        if (node.expr.type !== 'scalar' && node.expr.type !== 'vector') {
          const got = documentedType(node.expr.type);
          this.#fail(
            node.start,
            `unary expression only allowed on expressions of type scalar or instant vector, got "${got}"`,
          );
        }
        return leftHeight;
      case 'subquery':
        if (node.expr.type !== 'vector') {
          this.#fail(node.start, `subquery is only allowed on instant vector, got ${node.expr.type} instead`);
        }
        return leftHeight;
      case 'aggregate':
        return this.#judgeAggregate(node);
      case 'call':
        return this.#judgeCall(node);
      case 'vectorSelector':
        this.#judgeSelector(node, true);
        return 0;
      case 'matrixSelector':
        this.#judgeSelector(node.selector, true);
        return 1;
      default:
        return leftHeight;
    }
  }

  #judgeBinary(node: BinaryExpr): void {
    const { op, lhs, rhs, matching, returnBool } = node;
    const setOp = isSetOp(op);
    if (returnBool && !isComparisonOp(op)) {
      this.#fail(this.#operatorStart(node), 'bool modifier can only be used on comparison operators');
    }
    if (isComparisonOp(op) && !returnBool && lhs.type === 'scalar' && rhs.type === 'scalar') {
      this.#fail(this.#operatorStart(node), 'comparisons between scalars must use BOOL modifier');
    }
    if (matching === undefined) return; // checked before
    const twice = matching.on ? matching.labels.find((label) => matching.include.includes(label)) : undefined;
    if (twice !== undefined) {
      this.#fail(this.#operatorStart(node), `label ${quoteText(twice)} must not occur in ON and GROUP clause at once`);
    }
    if (lhs.type !== 'scalar' && lhs.type !== 'vector') this.#fail(lhs.start, onlyScalarsAndVectors);
    if (rhs.type !== 'scalar' && rhs.type !== 'vector') this.#fail(rhs.start, onlyScalarsAndVectors);

    const fills = matching.fillLhs !== undefined || matching.fillRhs !== undefined;
    if (lhs.type !== 'vector' || rhs.type !== 'vector') {
      if (matching.labels.length > 0) this.#fail(node.start, 'vector matching only allowed between instant vectors');
      if (fills) this.#fail(node.start, 'filling in missing series only allowed between instant vectors');
      if (setOp) this.#fail(node.start, `set operator "${op}" not allowed in binary scalar expression`);
      node.matching = undefined;
    } else if (setOp) {
      if (matching.card !== 'one-to-one') this.#fail(node.start, `no grouping allowed for "${op}" operation`);
      if (fills) this.#fail(node.start, 'filling in missing series not allowed for set operators');
      node.matching = { ...matching, card: 'many-to-many' };
    }
  }

  /** Where the operator begins: behind the left operand and the spaces after it. */
  #operatorStart(node: BinaryExpr): number {
    const bytes = Buffer.from(this.#query);
    let at = node.lhs.end;
    while (bytes[at] === 0x20 || bytes[at] === 0x09 || bytes[at] === 0x0a || bytes[at] === 0x0d) at++;
    return at;
  }

  #judgeAggregate(node: AggregateExpr): number {
    const height = this.check(node.expr);
    this.#expectType(node.expr, 'vector', 'aggregation expression');
    const paramType = aggregateParamType(node.op);
    if (paramType === undefined || node.param === undefined) return height;
    const paramHeight = this.check(node.param);
    this.#expectType(node.param, paramType, 'aggregation parameter');
    return Math.max(height, paramHeight);
  }

  #expectType(expr: Expr, type: ValueType, place: string): void {
    if (expr.type === type) return;
    this.#fail(expr.start, `expected type ${documentedType(type)} in ${place}, got ${documentedType(expr.type)}`);
  }

  #judgeCall(node: Call): number {
    const { func, args } = node;
    const { name, argTypes, variadic } = func;
    const call = `argument(s) in call to "${name}", got ${args.length}`;
    const countMin = variadic === 0 ? argTypes.length : argTypes.length - 1;
    if (variadic === 0 && args.length !== countMin) this.#fail(node.start, `expected ${countMin} ${call}`);
    if (args.length < countMin) this.#fail(node.start, `expected at least ${countMin} ${call}`);
    if (variadic > 0 && args.length > countMin + variadic) {
      this.#fail(node.start, `expected at most ${countMin + variadic} ${call}`);
    }
    const labels = name === 'info' ? args[1] : undefined;
    if (labels !== undefined) this.#judgeInfoLabels(node, labels);
    let height = 0;
    for (const [i, arg] of args.entries()) {
      // The labels of info() may be such that they match everything: no data is selected by them alone.
      if (arg === labels && arg.kind === 'vectorSelector') this.#judgeSelector(arg, false);
      else height = Math.max(height, this.check(arg));
      this.#expectType(arg, argTypes[Math.min(i, argTypes.length - 1)] as ValueType, `call to function "${name}"`);
    }
    return height;
  }

  #judgeInfoLabels(call: Call, labels: Expr): void {
    if (labels.type !== 'vector') {
      const got = documentedType(labels.type);
      this.#fail(call.start, `expected type instant vector in call to function "info", got ${got}`);
    }
    if (labels.kind !== 'vectorSelector') this.#fail(labels.start, 'expected label selectors only');
    if (labels.name !== '') this.#fail(labels.start, 'expected label selectors only, got vector selector instead');
  }

  #judgeSelector(node: VectorSelector, needsMatcher: boolean): void {
    const { name, matchers } = node;
    if (name !== '') {
      // The last matcher is the name outside the braces.
      const twice = matchers.slice(0, -1).find((matcher) => matcher.name === '__name__');
      if (twice === undefined) return;
      this.#fail(node.start, `metric name must not be set twice: ${quoteText(name)} or ${quoteText(twice.value)}`);
    }
    const isEmpty = (matcher: Matcher): boolean => {
      this.#worked(workPerCharacter * matcher.value.length);
      return matchesEmpty(matcher);
    };
    if (needsMatcher && matchers.every(isEmpty)) {
      this.#fail(node.start, 'vector selector must contain at least one non-empty matcher');
    }
  }
}

function matchesEmpty({ type, value }: Matcher): boolean {
  switch (type) {
    case '=':
      return value === '';
    case '!=':
      return value !== '';
    case '=~':
      return patternMatchesEmpty(value);
    case '!~':
      return !patternMatchesEmpty(value);
  }
}

/** The operand that an expression begins with, if it begins with one. */
function leftOperand(node: Expr): Expr | undefined {
  switch (node.kind) {
    case 'binary':
      return node.lhs;
    case 'unary':
    case 'paren':
    case 'subquery':
      return node.expr;
    default:
      return undefined;
  }
}
