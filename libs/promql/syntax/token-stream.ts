/**
 * The tokens of one input with one token of lookahead, read as late as the reference reads it.
 * Owns the lookahead, the end of the last closing token, and the words for a token that does not fit. The moment of
 * reading is visible: a fault of the next token outranks a fault in what was just read only if the reference had to
 * look at it. Facts: Prometheus promql/parser/{parse.go,lex.go}: Lex, unexpected, Item.desc.
 */
import { neverEnded, type Worked } from '../worked.ts';
import { quoteText } from './go-text.ts';
import { Lexer } from './lexer.ts';
import { ParseError } from './parse-error.ts';

/** A token that has been taken, with its place in UTF-8 bytes. */
export interface Token {
  readonly type: string;
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

const aggregators: ReadonlySet<string> = new Set(
  'sum avg count min max group stddev stdvar topk bottomk count_values quantile limitk limit_ratio'.split(' '),
);
const operators: ReadonlySet<string> = new Set(
  '+ / == =~ >= > </ >/ and or < <= unless % * != !~ ^ - @ atan2'.split(' '),
);
const modifierWords: ReadonlySet<string> = new Set(
  'bool by group_left group_right fill fill_left fill_right ignoring offset smoothed anchored on without'.split(' '),
);
const namedTypes: ReadonlyMap<string, string> = new Map([
  ['IDENTIFIER', 'identifier'],
  ['METRIC_IDENTIFIER', 'metric identifier'],
  ['STRING', 'string'],
  ['NUMBER', 'number'],
  ['DURATION', 'duration'],
  ['HISTOGRAM_KEY', 'histogram key'],
  ['RESET_HINT', 'counter reset hint'],
]);

/** Whether a token of this type is the name of an aggregation. */
export function isAggregator(type: string): boolean {
  return aggregators.has(type);
}

/** With what becomes of it in the tree. */
const workPerToken = 16;
/** A text may be a pattern, which takes some microseconds a character. */
const workPerCharacter = 4;

interface StreamOptions {
  readonly seriesDescription?: boolean;
  /** Is told of each token that was found. */
  readonly worked?: Worked;
}

export class TokenStream {
  readonly input: string;
  readonly #lexer: Lexer;
  readonly #worked: Worked;
  #ahead = false;
  /** End, in UTF-8 bytes, of the last } ) ] number or duration that was read, lookahead included. */
  lastClosing = 0;
  #lastClosingIndex = 0;

  constructor(input: string, { seriesDescription = false, worked = neverEnded }: StreamOptions = {}) {
    this.input = input;
    this.#lexer = new Lexer(input, { seriesDescription });
    this.#worked = worked;
  }

  /** Type of the next token, which stays. @throws ParseError if it is none. */
  peek(): string {
    const lexer = this.#lexer;
    if (this.#ahead) return lexer.type;
    lexer.next();
    this.#worked(workPerToken + workPerCharacter * (lexer.end - lexer.start));
    const { type } = lexer;
    if (type === 'ERROR') this.fail(lexer.byteOffset(lexer.start), lexer.errorText);
    this.#ahead = true;
    if (type === ')' || type === '}' || type === ']' || type === 'NUMBER' || type === 'DURATION') {
      this.#lastClosingIndex = lexer.end;
      this.lastClosing = lexer.byteOffset(lexer.end);
    }
    return type;
  }

  /** Takes the next token. */
  take(): Token {
    this.peek();
    this.#ahead = false;
    const lexer = this.#lexer;
    return {
      type: lexer.type,
      text: lexer.text,
      start: lexer.byteOffset(lexer.start),
      end: lexer.byteOffset(lexer.end),
    };
  }

  /** Takes the next token without looking at its text, which `peek` has seen. */
  skip(): void {
    this.#ahead = false;
  }

  /** Whether the next token has this type; then it is taken. */
  accept(type: string): boolean {
    if (this.peek() !== type) return false;
    this.#ahead = false;
    return true;
  }

  /** Place of the token read last, taken or not, in UTF-8 bytes. */
  get lastStart(): number {
    return this.#lexer.byteOffset(this.#lexer.start);
  }

  /** End of a construct that the reference could only close after reading one token more. */
  get overreadEnd(): number {
    return this.#lexer.byteOffset(this.#lexer.previousRightParen(this.#lastClosingIndex));
  }

  /** The token read last does not fit: says where it stood and what was expected there. @throws ParseError always */
  unexpected(context = '', expected = ''): never {
    const inContext = context === '' ? '' : ` in ${context}`;
    const wanted = expected === '' ? '' : `, expected ${expected}`;
    this.fail(this.lastStart, `unexpected ${this.#describe()}${inContext}${wanted}`);
  }

  /** @throws ParseError always, at a UTF-8 byte */
  fail(start: number, reason: string): never {
    throw new ParseError(this.input, start, reason);
  }

  #describe(): string {
    const { type, text } = this.#lexer;
    if (type === 'EOF') return 'end of input';
    if (type === 'IDENTIFIER' || type === 'METRIC_IDENTIFIER') return `${namedTypes.get(type)} ${quoteText(text)}`;
    if (modifierWords.has(type)) return `<${text}>`;
    if (operators.has(type)) return `<op:${text}>`;
    if (aggregators.has(type)) return `<aggr:${text}>`;
    const quoted =
      Buffer.byteLength(text) > 10 ? `${quoteText(Array.from(text).slice(0, 10).join(''))}...` : quoteText(text);
    const name = namedTypes.get(type);
    return name === undefined ? quoted : `${name} ${quoted}`;
  }
}
