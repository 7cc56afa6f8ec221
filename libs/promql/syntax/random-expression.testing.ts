/**
 * Random expressions of the whole grammar, sound in their types, as text. For tests: of the parser against its printer
 * here, and of whole engines against each other. Owns the shapes; the words are a vocabulary, and the caller owns the randomness.
 */
import { type AggregateOp, aggregateParamType, type ValueType } from './ast.ts';
import { type FunctionSignature, functionsTable } from './functions-table.ts';

/** Uniform in [0, 1). */
export type Random = () => number;

/** The words that expressions are made of, each as it is written. */
export interface Vocabulary {
  readonly metrics: readonly string[];
  /** In their quotes, for inside of braces. */
  readonly quotedMetrics: readonly string[];
  readonly labels: readonly string[];
  /** Without quotes. */
  readonly matcherValues: readonly string[];
  /** Labels of on() and ignoring(). */
  readonly matchingLabels: readonly string[];
  /** What may follow group_left and group_right. */
  readonly includes: readonly string[];
  readonly numbers: readonly string[];
  readonly durations: readonly string[];
  readonly strings: readonly string[];
  /** What may follow `@`. */
  readonly times: readonly string[];
  /** How often the function is chosen, compared to others. */
  weight(functionName: string): number;
  /** Operands that go together, with the matching between them (` on(x) group_left`); undefined for any. */
  operands(random: Random): { readonly left: string; readonly how: string; readonly right: string } | undefined;
  /** What stands at a place among the arguments of a function or aggregation; undefined where any expression of its type may. */
  argument(name: string, index: number, random: Random): string | undefined;
}

/** Everything that the lexer knows, and nothing that means anything. */
const anyWords: Vocabulary = {
  metrics: ['foo', 'bar', 'http_requests_total', 'a:b', 'sum', 'offset', 'step'],
  quotedMetrics: ['"quoted.name"'],
  labels: ['job', 'le', 'by', 'instance', '"utf8.name"', "'__x'"],
  matcherValues: ['a', '', 'a.*|b', '.+', '[a-c]+'],
  matchingLabels: ['job', 'le', 'instance'],
  includes: ['', ' (x)', ' (x, y)'],
  numbers: '0 1 2.5 .5 5. 1e3 0x1f 077 1_000 5m 1h30m 250ms (Inf) NaN 0.0001'.split(' '),
  durations: ['5m', '1h', '90s', '1d', '300', '2.5', '1w'],
  strings: ['"x"', "'y'", '`z`', '"\\u00e9\\n"', '"\\xff"', '"q\\"q"'],
  times: ['1234.567', '-5', 'start()', 'end()', '1m'],
  weight: () => 1,
  operands: () => undefined,
  argument: () => undefined,
};

const aggregations: readonly AggregateOp[] = [
  ...(['sum', 'avg', 'count', 'min', 'max', 'group', 'stddev', 'stdvar', 'topk', 'bottomk'] as const),
  ...(['count_values', 'quantile', 'limitk', 'limit_ratio'] as const),
];
const arithmetic = ['+', '-', '*', '/', '%', '^', 'atan2', '</', '>/'];
const comparisons = ['==', '!=', '<', '<=', '>', '>='];

/** A random expression of the type, at most about so many levels deep. */
export function randomExpression(random: Random, type: ValueType, depth: number, words = anyWords): string {
  return new Generator(random, words).ofType(type, depth);
}

class Generator {
  readonly #random: Random;
  readonly #words: Vocabulary;

  constructor(random: Random, words: Vocabulary) {
    this.#random = random;
    this.#words = words;
  }

  ofType(type: ValueType, depth: number): string {
    switch (type) {
      case 'string':
        return this.#oneOf(this.#words.strings);
      case 'matrix':
        return this.#matrix(depth);
      case 'scalar':
        return this.#scalar(depth);
      case 'vector':
        return this.#vector(depth);
    }
  }

  #chance(likelihood: number): boolean {
    return this.#random() < likelihood;
  }

  #oneOf<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.#random() * choices.length)] as T;
  }

  #list(choices: readonly string[], countMin: number): string {
    const count = countMin + Math.floor(this.#random() * 3);
    return Array.from({ length: count }, () => this.#oneOf(choices)).join(this.#oneOf([',', ', ', ' , ']));
  }

  #scalar(depth: number): string {
    if (depth <= 0 || this.#chance(0.3)) return this.#oneOf(this.#words.numbers);
    switch (Math.floor(this.#random() * 4)) {
      case 0:
        return `${this.#scalar(depth - 1)} ${this.#oneOf(arithmetic)} ${this.#scalar(depth - 1)}`;
      case 1:
        return `(${this.#scalar(depth - 1)} ${this.#oneOf(comparisons)} bool ${this.#scalar(depth - 1)})`;
      case 2:
        return this.#oneOf(['-', '+']) + this.#scalar(depth - 1);
      default:
        return this.#call('scalar', depth);
    }
  }

  #vector(depth: number): string {
    if (depth <= 0 || this.#chance(0.2)) return this.#selector() + this.#modifiers();
    switch (Math.floor(this.#random() * 6)) {
      case 0:
        return this.#aggregation(depth);
      case 1:
      case 2:
        return this.#call('vector', depth);
      case 3:
        return `(${this.#vector(depth - 1)})`;
      case 4:
        return this.#oneOf(['-', '+']) + this.#vector(depth - 1);
      default:
        return this.#binary(depth);
    }
  }

  #matrix(depth: number): string {
    const range = this.#duration(2);
    if (depth <= 0 || this.#chance(0.6)) return `${this.#selector()}[${range}]${this.#modifiers()}`;
    const step = this.#chance(0.5) ? this.#duration(1) : '';
    // Prometheus takes no colon before the first number.
    const begun = /[0-9]/.test(range) ? range : `5m + ${range}`;
    const extended = / (anchored|smoothed)/g; // not for subqueries
    return `(${this.#vector(depth - 1)})[${begun}:${step}]${this.#modifiers().replace(extended, '')}`;
  }

  #selector(): string {
    const matcher = (): string => {
      const op = this.#oneOf(['=', '!=', '=~', '!~']);
      return `${this.#oneOf(this.#words.labels)}${op}"${this.#oneOf(this.#words.matcherValues)}"`;
    };
    const matchers = Array.from({ length: Math.floor(this.#random() * 3) }, matcher);
    if (this.#chance(0.2)) {
      return `{${this.#oneOf(this.#words.quotedMetrics)}${matchers.map((text) => `, ${text}`).join('')}}`;
    }
    return `${this.#oneOf(this.#words.metrics)}${matchers.length === 0 && this.#chance(0.8) ? '' : `{${matchers.join(',')}}`}`;
  }

  #modifiers(): string {
    const texts: string[] = [];
    if (this.#chance(0.15)) texts.push(` @ ${this.#oneOf(this.#words.times)}`);
    if (this.#chance(0.2)) texts.push(` offset ${this.#offset()}`);
    if (this.#chance(0.1)) texts.push(this.#oneOf([' anchored', ' smoothed']));
    return (this.#chance(0.5) ? texts : texts.reverse()).join('');
  }

  #offset(): string {
    if (this.#chance(0.6)) return this.#oneOf(['', '-', '+']) + this.#oneOf(this.#words.durations);
    // Without a sign, operators behind the parenthesis would go on with the duration; and a `+` is not printed.
    return `-${this.#oneOf([`(${this.#duration(2)})`, 'step()', 'range()', 'max_of(step(), 5m)'])}`;
  }

  /** Never literally zero or below. */
  #duration(depth: number): string {
    if (depth <= 0 || this.#chance(0.5)) return this.#oneOf(this.#words.durations);
    const operand = (): string => this.#duration(depth - 1);
    const binary = `${operand()} ${this.#oneOf(['+', '-', '*', '/', '%', '^'])} ${operand()}`;
    return this.#oneOf([
      binary,
      `(${binary})`,
      'step()',
      'range()',
      `min_of(${operand()}, ${operand()})`,
      `-(${binary})`,
    ]);
  }

  #aggregation(depth: number): string {
    const op = this.#oneOf(aggregations);
    const paramType = aggregateParamType(op);
    const param = paramType === undefined ? [] : [paramType];
    const args = `(${[...param, 'vector' as const].map((type, i) => this.#argument(op, i, type, depth)).join(', ')})`;
    if (this.#chance(0.4)) return op + args;
    const grouping = ` ${this.#oneOf(['by', 'without'])} (${this.#list(this.#words.labels, 0)}) `;
    return this.#chance(0.5) ? op + grouping + args : op + args + grouping;
  }

  #call(returnType: ValueType, depth: number): string {
    const candidates = [...functionsTable.values()].filter((func) => func.returnType === returnType);
    const func = this.#weighted(candidates);
    return `${func.name}(${this.#args(func, depth).join(', ')})`;
  }

  #args({ name, argTypes, variadic }: FunctionSignature, depth: number): string[] {
    if (name === 'info') {
      const base = this.#argument(name, 0, 'vector', depth);
      // The second one is a selector of labels, not of series.
      const selector = this.#words.argument(name, 1, this.#random) ?? '{__name__=~".+_info"}';
      return this.#chance(0.5) ? [base, selector] : [base];
    }
    const types = [...argTypes];
    const last = types.at(-1);
    if (variadic !== 0 && this.#chance(0.3)) types.pop();
    else if (variadic < 0 && last !== undefined && this.#chance(0.5)) types.push(last, last);
    return types.map((type, i) => this.#argument(name, i, type, depth));
  }

  #argument(name: string, index: number, type: ValueType, depth: number): string {
    return this.#words.argument(name, index, this.#random) ?? this.ofType(type, depth - 1);
  }

  #weighted(functions: readonly FunctionSignature[]): FunctionSignature {
    const weights = functions.map(({ name }) => this.#words.weight(name));
    let left = this.#random() * weights.reduce((sum, weight) => sum + weight, 0);
    const found = functions.find((_, i) => (left -= weights[i]) < 0);
    return found ?? (functions[0] as FunctionSignature);
  }

  #binary(depth: number): string {
    const made = this.#words.operands(this.#random);
    if (made !== undefined) {
      const { left, how, right } = made;
      const isSet = !/ group_(left|right)/.test(how) && this.#chance(0.2);
      const op = isSet ? this.#oneOf(['and', 'or', 'unless']) : this.#vectorOperator();
      return `(${left}) ${op}${how}${isSet ? '' : this.#fill()} +${right}`;
    }
    const left = this.#vector(depth - 1);
    if (this.#chance(0.1)) return `(${left}) ${this.#oneOf([this.#vectorOperator(), 'or', 'unless'])} (${left})`;
    if (this.#chance(0.2)) return `${this.#scalar(depth - 1)} ${this.#vectorOperator()} (${left})`;
    if (this.#chance(0.2)) return `(${left}) ${this.#vectorOperator()} ${this.#scalar(depth - 1)}`;
    // Matching is for vectors only, and what is not in parentheses may bind its scalars closer.
    const right = `(${this.#vector(depth - 1)})`;
    const how = this.#chance(0.5)
      ? ` ${this.#oneOf(['on', 'ignoring'])}(${this.#list(this.#words.matchingLabels, 0)})`
      : '';
    if (this.#chance(0.2)) return `(${left}) ${this.#oneOf(['and', 'or', 'unless'])}${how} ${right}`;
    const include = this.#oneOf(this.#words.includes);
    const group = how !== '' && this.#chance(0.4) ? ` ${this.#oneOf(['group_left', 'group_right'])}${include}` : '';
    // A parenthesis behind group_left would be its list of labels, so a sign stands between.
    return `(${left}) ${this.#vectorOperator()}${how}${group}${this.#fill()} +${right}`;
  }

  #vectorOperator(): string {
    if (this.#chance(0.6)) return this.#oneOf(arithmetic);
    return this.#oneOf(comparisons) + (this.#chance(0.5) ? ' bool' : '');
  }

  #fill(): string {
    return this.#chance(0.2) ? this.#oneOf([' fill(0)', ' fill_left(-1.5)', ' fill_right(1) fill_left(2e9)']) : '';
  }
}
