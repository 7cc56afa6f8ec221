/**
 * Tokens become the tree of an expression, by precedence climbing.
 * Owns the grammar. Tokens are token-stream.ts, typing rules check-types.ts. The first fault ends it with Prometheus'
 * words at Prometheus' place, so the order in which faults are looked for is part of the contract: it is the order in
 * which Prometheus' LALR parser (promql/parser/generated_parser.y, 3.15) reduces its rules. A token that fits nowhere
 * is blamed on the innermost construct that has words of its own; else only its name is said.
 */
import type { Matcher } from '../../model/matcher.ts';
import { neverEnded, type Worked } from '../worked.ts';
import {
  type AggregateExpr,
  type AggregateOp,
  aggregateParamType,
  type BinaryExpr,
  type BinaryOp,
  type Call,
  type DurationExpr,
  type DurationOp,
  type DurationOperand,
  type Expr,
  type NumberLiteral,
  type StringLiteral,
  type TimeModifiers,
  type UnaryOp,
  type VectorMatching,
  type VectorSelector,
} from './ast.ts';
import { checkTypes } from './check-types.ts';
import { functionsTable } from './functions-table.ts';
import { formatFixedFloat, quoteText } from './go-text.ts';
import { msOfSeconds, parseDurationMs, parseNumber, secondsOfMs, unquote } from './literals.ts';
import { patternProblem } from './matcher-pattern.ts';
import { isAggregator, type Token, TokenStream } from './token-stream.ts';

/**
 * What of the language is on, beside what is stable; each is off unless true, as behind Prometheus' flag of the same
 * name.
 */
export interface ParseOptions {
  /** `promql-experimental-functions` */
  readonly experimentalFunctions?: boolean;
  /** `promql-extended-range-selectors`: anchored and smoothed */
  readonly extendedRangeSelectors?: boolean;
  /** `promql-binop-fill-modifiers`: fill, fill_left, fill_right */
  readonly binopFillModifiers?: boolean;
}

/**
 * Expressions inside one another beyond this are refused: a limit of ours that keeps every later walk off the stack's
 * end.
 */
const nestingMax = 500;

const metricName = '__name__';
/** Binary operators by how tightly they bind; only ^ binds to the right. */
const precedence: ReadonlyMap<string, number> = new Map([
  ['or', 1],
  ['and', 2],
  ['unless', 2],
  ...['==', '!=', '<=', '<', '>=', '>', '</', '>/'].map((op): [string, number] => [op, 3]),
  ['+', 4],
  ['-', 4],
  ['*', 5],
  ['/', 5],
  ['%', 5],
  ['atan2', 5],
  ['^', 6],
]);
const signPrecedence = 5;
const powerPrecedence = 6;
const durationOperators: ReadonlySet<string> = new Set(['+', '-', '*', '/', '%', '^']);

/** Words that name a function when a parenthesis follows. */
const functionWords: ReadonlySet<string> = new Set(['IDENTIFIER', 'start', 'end', 'step', 'range', 'max_of', 'min_of']);
/** Further words that may name a metric. */
const metricWords: ReadonlySet<string> = new Set([
  'METRIC_IDENTIFIER',
  ...'by fill fill_left fill_right and or unless offset without anchored smoothed'.split(' '),
]);
/** Words that may stand as a label in by(...), on(...) and their like: all of them but `without`. */
const labelWords: ReadonlySet<string> = new Set([
  ...[...functionWords, ...metricWords].filter((word) => word !== 'without'),
  ...'bool group_left group_right ignoring on atan2'.split(' '),
]);

/** Whether a token of this type may name a metric: identifiers and all keywords that cannot be mistaken there. */
export function mayNameMetric(type: string): boolean {
  return isAggregator(type) || functionWords.has(type) || metricWords.has(type);
}

const noTimeModifiers: TimeModifiers = {
  originalOffsetMs: 0,
  offsetSet: false,
  originalOffsetExpr: undefined,
  atMs: undefined,
  startOrEnd: undefined,
};

/** Where a duration stands: what an unexpected token in it is blamed on. */
interface DurationPlace {
  readonly context: string;
  readonly expected: string;
}
const afterOffset: DurationPlace = { context: 'offset', expected: 'number, duration, step(), or range()' };
const asRange: DurationPlace = {
  context: 'subquery or range selector',
  expected: 'number, duration, step(), or range()',
};
const asStep: DurationPlace = { context: 'subquery selector', expected: 'number, duration, step(), range(), or "]"' };

/**
 * Parses and type-checks an expression.
 * @param worked may throw to end it
 * @throws ParseError with Prometheus' message, or one of ours for an expression that nests too deeply
 */
export function parseExpr(text: string, options: ParseOptions = {}, worked: Worked = neverEnded): Expr {
  const tokens = new TokenStream(text, { worked });
  const expr = new ExprParser(tokens, options).parseWhole();
  checkTypes(expr, text, worked);
  return expr;
}

/**
 * Parses a selector as `match[]` has it: a metric name, braces, or both; nothing behind it.
 * A selector that matches everything is let through: the caller decides.
 * @throws ParseError
 */
export function parseMetricSelector(text: string, worked: Worked = neverEnded): readonly Matcher[] {
  const tokens = new TokenStream(text, { worked });
  return new ExprParser(tokens, {}).parseSelectorAlone().matchers;
}

class ExprParser {
  readonly #tokens: TokenStream;
  readonly #options: ParseOptions;
  #nesting = 0;
  /** Aggregations whose arguments are open. */
  #aggregations = 0;

  constructor(tokens: TokenStream, options: ParseOptions) {
    this.#tokens = tokens;
    this.#options = options;
  }

  parseWhole(): Expr {
    const tokens: TokenStream = this.#tokens;
    if (tokens.peek() === 'EOF') tokens.fail(0, 'no expression found in input');
    const expr = this.#expr(0);
    if (tokens.peek() !== 'EOF') tokens.unexpected();
    return expr;
  }

  parseSelectorAlone(): VectorSelector {
    const tokens: TokenStream = this.#tokens;
    const type = tokens.peek();
    let selector: VectorSelector;
    if (type === '{') selector = this.#selector(undefined);
    else if (mayNameMetric(type)) selector = this.#selector(tokens.take());
    else tokens.unexpected();
    if (tokens.peek() !== 'EOF') tokens.unexpected();
    return selector;
  }

  /** A token that no rule with words of its own expects. */
  #unexpected(): never {
    this.#tokens.unexpected(this.#aggregations > 0 ? 'aggregation' : '');
  }

  #expect(type: string): Token {
    if (this.#tokens.peek() !== type) this.#unexpected();
    return this.#tokens.take();
  }

  #enter(): void {
    if (++this.#nesting > nestingMax) {
      this.#tokens.fail(this.#tokens.lastStart, `expressions nested more than ${nestingMax} deep`);
    }
  }

  #startsExpr(type: string): boolean {
    switch (type) {
      case 'NUMBER':
      case 'DURATION':
      case 'STRING':
      case '(':
      case '{':
      case '+':
      case '-':
        return true;
      default:
        return mayNameMetric(type);
    }
  }

  /** An operand and all operators behind it that bind at least as tightly as `bindingMin`. */
  #expr(bindingMin: number): Expr {
    this.#enter();
    const tokens: TokenStream = this.#tokens;
    let expr = this.#operand();
    for (;;) {
      const type = tokens.peek();
      const binding = precedence.get(type);
      if (binding !== undefined) {
        if (binding < bindingMin) break;
        expr = this.#binary(expr, type as BinaryOp, binding);
      } else if (type === '[') {
        expr = this.#bracket(expr);
      } else if (type === 'offset') {
        tokens.skip();
        expr = this.#offset(expr);
      } else if (type === '@') {
        tokens.skip();
        expr = this.#at(expr);
      } else if (type === 'anchored' || type === 'smoothed') {
        tokens.skip();
        expr = this.#extended(expr, type);
      } else {
        break;
      }
    }
    this.#nesting--;
    return expr;
  }

  #operand(): Expr {
    const tokens: TokenStream = this.#tokens;
    const type = tokens.peek();
    switch (type) {
      case 'NUMBER':
      case 'DURATION':
        return this.#number();
      case 'STRING':
        return this.#string();
      case '{':
        return this.#selector(undefined);
      case '(': {
        const { start } = tokens.take();
        const expr = this.#expr(0);
        const { end } = this.#expect(')');
        return { kind: 'paren', type: expr.type, expr, start, end };
      }
      case '+':
      case '-':
        return this.#signed();
      default:
        break;
    }
    if (isAggregator(type)) {
      const name = tokens.take();
      const next = tokens.peek();
      return next === '(' || next === 'by' || next === 'without' ? this.#aggregate(name) : this.#selector(name);
    }
    if (functionWords.has(type)) {
      const name = tokens.take();
      return tokens.peek() === '(' ? this.#call(name) : this.#selector(name);
    }
    if (metricWords.has(type)) return this.#selector(tokens.take());
    this.#unexpected();
  }

  #signed(): Expr {
    const sign = this.#tokens.take();
    const op = sign.type as UnaryOp;
    const expr = this.#expr(signPrecedence + 1);
    const { start } = sign;
    if (expr.kind === 'number') return { ...expr, value: op === '-' ? -expr.value : expr.value, start };
    return { kind: 'unary', type: expr.type, op, expr, start, end: expr.end };
  }

  #number(): NumberLiteral {
    const { type, text, start, end } = this.#tokens.take();
    const duration = type === 'DURATION';
    const value = duration ? parseDurationMs(text) : parseNumber(text);
    if (typeof value !== 'number') this.#tokens.fail(start, value.problem);
    return { kind: 'number', type: 'scalar', value: duration ? secondsOfMs(value) : value, duration, start, end };
  }

  #string(): StringLiteral {
    const { text, start, end } = this.#tokens.take();
    return { kind: 'string', type: 'string', value: unquote(text), start, end };
  }

  // Calls and aggregations

  /** Arguments in parentheses, the opening one next. */
  #arguments(): Expr[] {
    const tokens: TokenStream = this.#tokens;
    const args: Expr[] = [];
    this.#expect('(');
    if (tokens.accept(')')) return args;
    for (;;) {
      args.push(this.#expr(0));
      if (tokens.accept(')')) return args;
      const comma = this.#expect(',');
      if (!this.#startsExpr(tokens.peek()))
        tokens.fail(comma.start, 'trailing commas not allowed in function call args');
    }
  }

  #call(name: Token): Call {
    const tokens: TokenStream = this.#tokens;
    const args = this.#arguments();
    const func = functionsTable.get(name.text);
    if (func === undefined) tokens.fail(name.start, `unknown function with name "${name.text}"`);
    if (func.experimental && this.#options.experimentalFunctions !== true) {
      tokens.fail(name.start, `function "${name.text}" is not enabled`);
    }
    return { kind: 'call', type: func.returnType, func, args, start: name.start, end: tokens.lastClosing };
  }

  #aggregate(name: Token): AggregateExpr {
    const tokens: TokenStream = this.#tokens;
    const op = name.type as AggregateOp;
    this.#aggregations++;
    let modifier = this.#grouping();
    const args = this.#arguments();
    let end: number;
    if (modifier !== undefined) {
      end = tokens.lastClosing;
    } else {
      tokens.peek();
      const overreadEnd = tokens.overreadEnd;
      modifier = this.#grouping();
      end = modifier === undefined ? overreadEnd : tokens.lastClosing;
    }
    this.#aggregations--;

    const { start } = name;
    if (args.length === 0) tokens.fail(start, 'no arguments for aggregate expression provided');
    const paramType = aggregateParamType(op);
    if ((op === 'limitk' || op === 'limit_ratio') && this.#options.experimentalFunctions !== true) {
      tokens.fail(
        start,
        `${op}() is experimental and must be enabled with --enable-feature=promql-experimental-functions`,
      );
    }
    const wanted = paramType === undefined ? 1 : 2;
    if (args.length !== wanted) {
      const got = `expected ${wanted}, got ${args.length}`;
      tokens.fail(start, `wrong number of arguments for aggregate expression provided, ${got}`);
    }
    return {
      kind: 'aggregate',
      type: 'vector',
      op,
      expr: args[wanted - 1] as Expr,
      param: paramType === undefined ? undefined : args[0],
      grouping: modifier?.labels ?? [],
      without: modifier?.without ?? false,
      start,
      end,
    };
  }

  #grouping(): { readonly labels: string[]; readonly without: boolean } | undefined {
    const type = this.#tokens.peek();
    if (type !== 'by' && type !== 'without') return undefined;
    this.#tokens.skip();
    return { labels: this.#groupingLabels(), without: type === 'without' };
  }

  #groupingLabels(): string[] {
    const tokens: TokenStream = this.#tokens;
    const labels: string[] = [];
    if (!tokens.accept('(')) tokens.unexpected('grouping opts', '"("');
    while (!tokens.accept(')')) {
      labels.push(this.#groupingLabel());
      const next = tokens.peek();
      if (next === ',') tokens.skip();
      else if (next !== ')') tokens.unexpected('grouping opts', '"," or ")"');
    }
    return labels;
  }

  #groupingLabel(): string {
    const tokens: TokenStream = this.#tokens;
    const type = tokens.peek();
    if (type !== 'STRING') {
      if (!isAggregator(type) && !labelWords.has(type)) tokens.unexpected('grouping opts', 'label');
      return tokens.take().text;
    }
    const { text, start } = tokens.take();
    const label = unquote(text);
    if (label === '' || !label.isWellFormed()) {
      tokens.fail(start, `invalid label name for grouping: ${quoteText(label)}`);
    }
    return label;
  }

  // Binary operators

  #binary(lhs: Expr, op: BinaryOp, binding: number): BinaryExpr {
    const tokens: TokenStream = this.#tokens;
    tokens.skip();
    const returnBool = tokens.accept('bool');
    const matching = this.#matching();
    const rhs = this.#expr(binding === powerPrecedence ? binding : binding + 1);
    const { fillLhs, fillRhs } = matching;
    if ((fillLhs !== undefined || fillRhs !== undefined) && this.#options.binopFillModifiers !== true) {
      tokens.fail(lhs.start, 'binop fill modifiers are experimental and not enabled');
    }
    const type = lhs.type === 'scalar' && rhs.type === 'scalar' ? 'scalar' : 'vector';
    return { kind: 'binary', type, op, lhs, rhs, matching, returnBool, start: lhs.start, end: rhs.end };
  }

  #matching(): VectorMatching {
    const tokens: TokenStream = this.#tokens;
    let matching = plainMatching;
    const how = tokens.peek();
    if (how === 'on' || how === 'ignoring') {
      tokens.skip();
      matching = { ...matching, labels: this.#groupingLabels(), on: how === 'on' };
      const side = tokens.peek();
      if (side === 'group_left' || side === 'group_right') {
        tokens.skip();
        const card = side === 'group_left' ? 'many-to-one' : 'one-to-many';
        matching = { ...matching, card, include: this.#includedLabels() };
      }
    }
    const fill = tokens.peek();
    if (fill !== 'fill' && fill !== 'fill_left' && fill !== 'fill_right') return matching;
    tokens.skip();
    const value = this.#fillValue();
    if (fill === 'fill') return { ...matching, fillLhs: value, fillRhs: value };
    const other = fill === 'fill_left' ? 'fill_right' : 'fill_left';
    const otherValue = tokens.accept(other) ? this.#fillValue() : undefined;
    return fill === 'fill_left'
      ? { ...matching, fillLhs: value, fillRhs: otherValue }
      : { ...matching, fillLhs: otherValue, fillRhs: value };
  }

  /** Labels behind group_left or group_right, which may be left out altogether. */
  #includedLabels(): string[] {
    const type = this.#tokens.peek();
    return type !== '(' && this.#startsExpr(type) ? [] : this.#groupingLabels();
  }

  #fillValue(): number {
    const tokens: TokenStream = this.#tokens;
    this.#expect('(');
    const sign = tokens.peek();
    if (sign === '+' || sign === '-') tokens.skip();
    const { value } = this.#literalOrElse(() => this.#unexpected());
    this.#expect(')');
    return sign === '-' ? -value : value;
  }

  #literalOrElse(otherwise: () => never): NumberLiteral {
    const type = this.#tokens.peek();
    return type === 'NUMBER' || type === 'DURATION' ? this.#number() : otherwise();
  }

  // Selectors

  /** A selector whose name, if it has one outside the braces, has been taken. */
  #selector(name: Token | undefined): VectorSelector {
    const tokens: TokenStream = this.#tokens;
    const matchers: Matcher[] = [];
    let start = name?.start ?? 0;
    let end = name?.end ?? 0;
    if (name === undefined || tokens.peek() === '{') {
      const brace = tokens.take();
      if (name === undefined) start = brace.start;
      end = this.#labelMatchers(matchers);
    }
    if (name !== undefined) matchers.push({ type: '=', name: metricName, value: name.text });
    return {
      kind: 'vectorSelector',
      type: 'vector',
      name: name?.text ?? '',
      matchers,
      ...noTimeModifiers,
      anchored: false,
      smoothed: false,
      start,
      end,
    };
  }

  /** Behind the opening brace; returns where the closing one ends. */
  #labelMatchers(matchers: Matcher[]): number {
    const tokens: TokenStream = this.#tokens;
    for (let first = true; ; first = false) {
      // A comma may stand before the closing brace, but not alone.
      if (tokens.peek() === '}') return tokens.take().end;
      if (!first) {
        if (tokens.peek() !== ',') tokens.unexpected('label matching', '"," or "}"');
        tokens.skip();
        if (tokens.peek() === '}') return tokens.take().end;
      }
      matchers.push(this.#labelMatcher());
    }
  }

  #labelMatcher(): Matcher {
    const tokens: TokenStream = this.#tokens;
    const type = tokens.peek();
    if (type !== 'IDENTIFIER' && type !== 'STRING') tokens.unexpected('label matching', 'identifier or "}"');
    const label = tokens.take();
    const name = type === 'STRING' ? unquote(label.text) : label.text;
    const op = tokens.peek();
    if (op !== '=' && op !== '!=' && op !== '=~' && op !== '!~') {
      if (type === 'STRING') return { type: '=', name: metricName, value: name };
      tokens.unexpected('label matching', 'label matching operator');
    }
    tokens.skip();
    if (tokens.peek() !== 'STRING') tokens.unexpected('label matching', 'string');
    const value = unquote(tokens.take().text);
    if (op === '=~' || op === '!~') {
      const problem = patternProblem(value);
      if (problem !== undefined) tokens.fail(label.start, problem);
    }
    return { type: op, name, value };
  }

  /** `expr` followed by [range] or [range:step]; the bracket is next. */
  #bracket(expr: Expr): Expr {
    const tokens: TokenStream = this.#tokens;
    const bracket = tokens.take();
    const range = this.#positive(this.#duration(0, asRange));
    const rangeMs = range.kind === 'number' ? msOfSeconds(range.value).ms : 0;
    const rangeExpr = range.kind === 'duration' ? range : undefined;
    if (tokens.accept(']')) {
      if (expr.kind !== 'vectorSelector') tokens.fail(bracket.start, 'ranges only allowed for vector selectors');
      if (expr.offsetSet || expr.originalOffsetExpr !== undefined) {
        tokens.fail(bracket.start, 'no offset modifiers allowed before range');
      }
      if (expr.atMs !== undefined || expr.startOrEnd !== undefined) {
        tokens.fail(bracket.start, 'no @ modifiers allowed before range');
      }
      const { start } = expr;
      return {
        kind: 'matrixSelector',
        type: 'matrix',
        selector: expr,
        rangeMs,
        rangeExpr,
        start,
        end: tokens.lastClosing,
      };
    }
    if (!tokens.accept(':')) tokens.unexpected('subquery or range', '":" or "]"');
    let step: DurationOperand | undefined;
    if (tokens.peek() !== ']') {
      step = this.#positive(this.#duration(0, asStep));
      if (tokens.peek() !== ']') tokens.unexpected('subquery selector', '"]"');
    }
    const { end } = tokens.take();
    return {
      kind: 'subquery',
      type: 'matrix',
      expr,
      rangeMs,
      rangeExpr,
      stepMs: step?.kind === 'number' ? msOfSeconds(step.value).ms : 0,
      stepExpr: step?.kind === 'duration' ? step : undefined,
      ...noTimeModifiers,
      start: expr.start,
      end,
    };
  }

  #positive(duration: DurationOperand): DurationOperand {
    if (duration.kind === 'number' && duration.value <= 0) {
      this.#tokens.fail(duration.start, 'duration must be greater than 0');
    }
    return duration;
  }

  // Modifiers of selectors and subqueries

  /** What `offset` and `@` may stand behind; else undefined. */
  #modifiersOf(expr: Expr): TimeModifiers | undefined {
    if (expr.kind === 'matrixSelector') return expr.selector;
    return expr.kind === 'vectorSelector' || expr.kind === 'subquery' ? expr : undefined;
  }

  /** The same expression with other modifiers, ending at the last closing token. */
  #withModifiers(expr: Expr, modifiers: Partial<TimeModifiers>): Expr {
    const end = this.#tokens.lastClosing;
    if (expr.kind === 'matrixSelector') return { ...expr, selector: { ...expr.selector, ...modifiers }, end };
    if (expr.kind === 'vectorSelector' || expr.kind === 'subquery') return { ...expr, ...modifiers, end };
    return expr;
  }

  #offset(expr: Expr): Expr {
    const tokens: TokenStream = this.#tokens;
    const offset = this.#offsetDuration();
    const modifiers = this.#modifiersOf(expr);
    if (modifiers === undefined) {
      const places = 'an instant vector selector or range vector selector or a subquery';
      tokens.fail(expr.start, `offset modifier must be preceded by ${places}`);
    }
    if (modifiers.offsetSet || modifiers.originalOffsetExpr !== undefined) {
      tokens.fail(expr.start, 'offset may not be set multiple times');
    }
    if (offset.kind === 'duration') return this.#withModifiers(expr, { originalOffsetExpr: offset });
    const { ms, isZero } = msOfSeconds(offset.value);
    return this.#withModifiers(expr, { originalOffsetMs: isZero ? 0 : ms, offsetSet: !isZero });
  }

  #at(expr: Expr): Expr {
    const tokens: TokenStream = this.#tokens;
    const expectTimestamp = (): never => tokens.unexpected('@', 'timestamp');
    const type = tokens.peek();
    if (type === 'start' || type === 'end') {
      tokens.skip();
      if (!tokens.accept('(') || !tokens.accept(')')) expectTimestamp();
      this.#checkAtAllowed(expr);
      return this.#withModifiers(expr, { startOrEnd: type });
    }
    if (type === '+' || type === '-') tokens.skip();
    const { value } = this.#literalOrElse(expectTimestamp);
    const seconds = type === '-' ? -value : value;
    if (!(Math.abs(seconds) < 2 ** 63)) {
      tokens.fail(expr.start, `timestamp out of bounds for @ modifier: ${formatFixedFloat(seconds)}`);
    }
    this.#checkAtAllowed(expr);
    return this.#withModifiers(expr, { atMs: timestampMs(seconds) });
  }

  #checkAtAllowed(expr: Expr): void {
    const modifiers = this.#modifiersOf(expr);
    if (modifiers === undefined) {
      const places = 'an instant vector selector or range vector selector or a subquery';
      this.#tokens.fail(expr.start, `@ modifier must be preceded by ${places}`);
    }
    if (modifiers.atMs !== undefined || modifiers.startOrEnd !== undefined) {
      this.#tokens.fail(expr.start, '@ <timestamp> may not be set multiple times');
    }
  }

  #extended(expr: Expr, word: 'anchored' | 'smoothed'): Expr {
    const tokens: TokenStream = this.#tokens;
    if (this.#options.extendedRangeSelectors !== true) {
      tokens.fail(expr.start, `${word} modifier is experimental and not enabled`);
    }
    if (expr.kind === 'subquery') tokens.fail(expr.start, `${word} modifier is not supported for subqueries`);
    if (expr.kind !== 'vectorSelector' && expr.kind !== 'matrixSelector') {
      tokens.fail(expr.start, `${word} modifier not implemented`);
    }
    const { anchored, smoothed } = expr.kind === 'matrixSelector' ? expr.selector : expr;
    if (word === 'anchored' ? smoothed : anchored) {
      tokens.fail(expr.start, 'anchored and smoothed modifiers cannot be used together');
    }
    const flag = word === 'anchored' ? { anchored: true } : { smoothed: true };
    return expr.kind === 'matrixSelector' ? { ...expr, selector: { ...expr.selector, ...flag } } : { ...expr, ...flag };
  }

  // Durations

  /** A duration inside brackets or parentheses, with all operators that bind at least as tightly as `bindingMin`. */
  #duration(bindingMin: number, place: DurationPlace): DurationOperand {
    this.#enter();
    const duration = this.#durationOperators(this.#durationOperand(place), bindingMin, place);
    this.#nesting--;
    return duration;
  }

  #durationOperators(first: DurationOperand, bindingMin: number, place: DurationPlace): DurationOperand {
    const tokens: TokenStream = this.#tokens;
    let lhs = first;
    for (let height = 1; ; height++) {
      const type = tokens.peek();
      const binding = precedence.get(type) ?? 0;
      if (!durationOperators.has(type) || binding < bindingMin) return lhs;
      const op = tokens.take();
      if (height > nestingMax) tokens.fail(op.start, `more than ${nestingMax} operators in one duration`);
      const rhs = this.#duration(binding === powerPrecedence ? binding : binding + 1, place);
      if (rhs.kind === 'number' && rhs.value === 0) {
        if (type === '/') tokens.fail(op.start, 'division by zero');
        if (type === '%') tokens.fail(op.start, 'modulo by zero');
      }
      lhs = { kind: 'duration', op: type as DurationOp, lhs, rhs, wrapped: false, start: lhs.start, end: rhs.end };
    }
  }

  #durationOperand(place: DurationPlace): DurationOperand {
    const tokens: TokenStream = this.#tokens;
    const type = tokens.peek();
    switch (type) {
      case 'NUMBER':
      case 'DURATION':
        return this.#durationLiteral();
      case '+':
      case '-': {
        const sign = tokens.take();
        return this.#signedDuration(sign, this.#duration(signPrecedence + 1, place));
      }
      case '(': {
        const { start } = tokens.take();
        const inner = this.#duration(0, place);
        if (!tokens.accept(')')) tokens.unexpected(place.context, place.expected);
        return wrapDuration(inner, start);
      }
      case 'step':
      case 'range':
      case 'max_of':
      case 'min_of':
        return this.#durationFunction(type, place);
      default:
        tokens.unexpected(place.context, place.expected);
    }
  }

  #durationLiteral(): NumberLiteral {
    const literal = this.#number();
    if (isOutOfRange(literal.value)) this.#tokens.fail(literal.start, 'duration out of range');
    return literal;
  }

  /** step(), range(), max_of(a, b) or min_of(a, b), the name next. */
  #durationFunction(op: 'step' | 'range' | 'max_of' | 'min_of', place: DurationPlace): DurationExpr {
    const tokens: TokenStream = this.#tokens;
    const expect = (type: string): Token => {
      if (tokens.peek() !== type) tokens.unexpected(place.context, place.expected);
      return tokens.take();
    };
    const name = tokens.take();
    expect('(');
    let lhs: DurationOperand | undefined;
    let rhs: DurationOperand | undefined;
    if (op === 'max_of' || op === 'min_of') {
      lhs = this.#duration(0, place);
      expect(',');
      rhs = this.#duration(0, place);
    }
    const close = expect(')');
    const start = lhs?.start ?? name.start;
    return { kind: 'duration', op, lhs, rhs, wrapped: false, start, end: rhs?.end ?? close.end };
  }

  #signedDuration(sign: Token, operand: DurationOperand): DurationOperand {
    const op = sign.type as UnaryOp;
    if (operand.kind === 'number') {
      return { ...operand, value: op === '-' ? -operand.value : operand.value, start: sign.start };
    }
    if (op === '+') return operand;
    return { kind: 'duration', op, lhs: undefined, rhs: operand, wrapped: false, start: sign.start, end: operand.end };
  }

  /**
   * What stands behind `offset`. A number, a signed number and a function end there, so that `foo offset -2 ^ 2` is a
   * power of foo; only what begins with a parenthesis, or with two signs, goes on with operators.
   */
  #offsetDuration(): DurationOperand {
    const tokens: TokenStream = this.#tokens;
    const type = tokens.peek();
    if (type === '(') return this.#durationOperators(this.#durationOperand(afterOffset), 0, afterOffset);
    if (type !== '+' && type !== '-') return this.#durationOperand(afterOffset);
    const sign = tokens.take();
    const next = tokens.peek();
    switch (next) {
      case '+':
      case '-': {
        const operand = this.#duration(signPrecedence + 1, afterOffset);
        return this.#durationOperators(this.#signedDuration(sign, operand), 0, afterOffset);
      }
      case 'step':
      case 'range':
      case 'max_of':
      case 'min_of': {
        const rhs = this.#durationFunction(next, afterOffset);
        const op = type satisfies DurationOp;
        return { kind: 'duration', op, lhs: undefined, rhs, wrapped: false, start: sign.start, end: rhs.end };
      }
      case 'NUMBER':
      case 'DURATION': {
        const literal = this.#number();
        if (isOutOfRange(literal.value)) tokens.fail(sign.start, 'duration out of range');
        return this.#signedDuration(sign, literal);
      }
      case '(': {
        tokens.skip();
        const inner = this.#duration(0, afterOffset);
        if (!tokens.accept(')')) tokens.unexpected(afterOffset.context, afterOffset.expected);
        return this.#signedDuration(sign, wrapDuration(inner, inner.start));
      }
      default:
        tokens.unexpected(afterOffset.context, afterOffset.expected);
    }
  }
}

const plainMatching: VectorMatching = {
  card: 'one-to-one',
  labels: [],
  on: false,
  include: [],
  fillLhs: undefined,
  fillRhs: undefined,
};

/** Whether so many seconds overflow an int64 of nanoseconds. */
function isOutOfRange(seconds: number): boolean {
  return Math.abs(seconds) > 2 ** 63 / 1e9;
}

/** A number gets a sign around it that is never printed, so that its parentheses are remembered. */
function wrapDuration(inner: DurationOperand, start: number): DurationExpr {
  if (inner.kind === 'duration') return { ...inner, wrapped: true };
  return { kind: 'duration', op: '+', lhs: undefined, rhs: inner, wrapped: true, start, end: inner.end };
}

/**
 * Milliseconds of a timestamp in seconds, halves away from zero; what overflows an int64 is its smallest value, as on
 * amd64.
 */
function timestampMs(seconds: number): number {
  const size = Math.abs(seconds * 1000);
  const ms = size - Math.floor(size) >= 0.5 ? Math.floor(size) + 1 : Math.floor(size);
  if (ms >= 2 ** 63) return -(2 ** 63);
  return seconds < 0 && ms !== 0 ? -ms : ms;
}
