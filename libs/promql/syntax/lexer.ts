/**
 * Text of a PromQL expression (or of a series description) becomes tokens, one at a time and only when asked for.
 * Owns where a token begins and ends and what is wrong with one. It does not know the grammar.
 * The surprising fact: what a character means depends on the braces and brackets that are open, and after the first
 * number inside [...] on yet another rule; that and every text of an error follow Prometheus 3.15 promql/parser/lex.go,
 * because clients see them. Positions inside are UTF-16 indexes; `byteOffset` turns them into the UTF-8 bytes of the
 * outside.
 */
import { describeChar, quoteChar, quoteText } from './go-text.ts';

/** A keyword, operator or bracket is its own type (`sum`, `==`, `[`); what has many spellings is in capitals. */
export type TokenType = string;

/** Keywords of expressions, by their spelling in lower case. */
const keywords = new Map<string, TokenType>();
for (const word of (
  'and or unless atan2 sum avg count min max group stddev stdvar topk bottomk count_values quantile limitk limit_ratio ' +
  'offset smoothed anchored by without on ignoring group_left group_right fill fill_left fill_right bool ' +
  'start end step range max_of min_of'
).split(' ')) {
  keywords.set(word, word);
}
keywords.set('inf', 'NUMBER');
keywords.set('nan', 'NUMBER');
const keywordLengthMax = 12;

const durationKeywords: ReadonlySet<string> = new Set(['step', 'range', 'max_of', 'min_of']);

/** Keys inside {{...}} of a series description. */
const histogramKeys: ReadonlySet<string> = new Set(
  'sum count schema offset n_offset buckets n_buckets z_bucket z_bucket_w custom_values counter_reset_hint'.split(' '),
);
const resetHints: ReadonlySet<string> = new Set(['unknown', 'reset', 'not_reset', 'gauge']);

// What the next character means. `done` yields EOF for ever.
const inStatement = 0;
const inBraces = 1;
const inDuration = 2;
const inString = 3;
const inRawString = 4;
const inSequence = 5;
const inHistogram = 6;
const inBuckets = 7;
const inBucketNumber = 8;
const done = 9;
type State = number;

// Inside a histogram description, or before the operator that follows one.
const histogramNone = 0;
const histogramOpen = 1;
const histogramOperator = 2;

const alphaClass = 1;
const digitClass = 2;
const spaceClass = 4;
const charClass = new Uint8Array(128);
for (let code = 0; code < 128; code++) {
  const char = String.fromCharCode(code);
  if (/[a-zA-Z_]/.test(char)) charClass[code] = alphaClass;
  else if (/[0-9]/.test(char)) charClass[code] = digitClass;
  else if (/[ \t\n\r]/.test(char)) charClass[code] = spaceClass;
}

function hasClass(char: string, wanted: number): boolean {
  const code = char.charCodeAt(0); // NaN for the end of the input
  return code < 128 && (charClass[code] & wanted) !== 0;
}

/** True if `char` is one of `set`; the end of the input, '', is in no set. */
function isOneOf(char: string, set: string): boolean {
  return char !== '' && set.includes(char);
}

function digitValue(char: string): number {
  const value = char === '' ? Number.NaN : Number.parseInt(char, 16);
  return Number.isNaN(value) ? 16 : value;
}

/** Scanner of one input. After `next()` the fields say what it found. */
export class Lexer {
  readonly input: string;
  /** Type of the token found last; `ERROR` and `EOF` end the input. */
  type: TokenType = '';
  /** UTF-16 index of its first character. */
  start = 0;
  /** UTF-16 index behind its last character. */
  end = 0;
  /** What is wrong, if the type is `ERROR`. */
  errorText = '';

  readonly #ascii: boolean;
  #byteOffsets: Uint32Array | undefined;
  readonly #seriesDescription: boolean;
  #state: State = inStatement;
  #pos = 0;
  /** Where the token being scanned begins. */
  #begin = 0;
  #found = false;
  #parenDepth = 0;
  #braceOpen = false;
  #bracketOpen = false;
  #gotColon = false;
  #gotDuration = false;
  #quote = '';
  #histogram = histogramNone;

  constructor(input: string, { seriesDescription = false }: { seriesDescription?: boolean } = {}) {
    this.input = input;
    this.#ascii = Buffer.byteLength(input) === input.length;
    this.#seriesDescription = seriesDescription;
  }

  /** Text of the token found last. */
  get text(): string {
    return this.input.slice(this.start, this.end);
  }

  /** UTF-8 bytes before the UTF-16 index. */
  byteOffset(index: number): number {
    if (this.#ascii) return index;
    this.#byteOffsets ??= countBytes(this.input);
    return this.#byteOffsets[index];
  }

  /** Finds the next token. */
  next(): void {
    if (this.#state === done) {
      this.#begin = this.#pos;
      this.#emit('EOF');
      return;
    }
    this.#found = false;
    while (!this.#found) this.#state = this.#step();
  }

  /**
   * After the parser has read one token too many behind `index` and that token is a right parenthesis: the place behind
   * the parenthesis before it, if only spaces lie between. Else `index`. (An aggregation ends there; prometheus issue
   * 16053.)
   */
  previousRightParen(index: number): number {
    const { input, start } = this;
    if (index <= 0 || start <= 0 || start >= input.length || input[start] !== ')') return index;
    for (let i = start - 1; i > 0; i--) {
      const char = input[i] as string;
      if (char === ')') return i + 1;
      if (!hasClass(char, spaceClass)) return index;
    }
    return index;
  }

  #step(): State {
    switch (this.#state) {
      case inBraces:
        return this.#insideBraces();
      case inDuration:
        return this.#insideDuration();
      case inString:
        return this.#string();
      case inRawString:
        return this.#rawString();
      case inSequence:
        return this.#sequence();
      case inHistogram:
        return this.#insideHistogram();
      case inBuckets:
        return this.#insideBuckets();
      case inBucketNumber:
        return this.#number(inHistogram);
      default:
        return this.#statement();
    }
  }

  /** Reads one character; '' at the end of the input. A character beyond U+FFFF is one. */
  #read(): string {
    const char = this.#peek();
    this.#pos += char.length;
    return char;
  }

  #peek(): string {
    const { input } = this;
    const pos = this.#pos;
    if (pos >= input.length) return '';
    const code = input.charCodeAt(pos);
    if (code < 0xd800 || code > 0xdfff) return input[pos] as string;
    const point = input.codePointAt(pos) ?? code;
    return point > 0xffff ? String.fromCodePoint(point) : (input[pos] as string);
  }

  #emit(type: TokenType): void {
    this.type = type;
    this.start = this.#begin;
    this.end = this.#pos;
    this.#begin = this.#pos;
    this.#found = true;
  }

  #emitThen(type: TokenType, state: State): State {
    this.#emit(type);
    return state;
  }

  #fail(text: string): State {
    this.type = 'ERROR';
    this.start = this.#begin;
    this.end = this.#begin;
    this.errorText = text;
    this.#found = true;
    return done;
  }

  #accept(set: string): boolean {
    const char = this.#peek();
    if (!isOneOf(char, set)) return false;
    this.#pos += char.length;
    return true;
  }

  #skipSpaces(): void {
    while (hasClass(this.#peek(), spaceClass)) this.#pos++;
    this.#begin = this.#pos;
  }

  #skipSpacesThen(state: State): State {
    this.#skipSpaces();
    return state;
  }

  #comment(): State {
    const { input } = this;
    let pos = this.#pos;
    while (pos < input.length && input[pos] !== '\n' && input[pos] !== '\r') pos++;
    this.#pos = pos;
    this.#begin = pos;
    return inStatement;
  }

  #statement(): State {
    if (this.#histogram !== histogramNone) return this.#insideHistogram();
    if (this.#braceOpen) return this.#insideBraces();
    const char = this.#read();
    if (hasClass(char, spaceClass)) return this.#skipSpacesThen(inStatement);
    if (hasClass(char, alphaClass) || char === ':') return this.#word(char);
    if (hasClass(char, digitClass) || (char === '.' && hasClass(this.#peek(), digitClass))) {
      this.#pos--;
      return this.#numberOrDuration();
    }
    switch (char) {
      case '':
        if (this.#parenDepth !== 0) return this.#fail('unclosed left parenthesis');
        if (this.#bracketOpen) return this.#fail('unclosed left bracket');
        return this.#emitThen('EOF', done);
      case '#':
        return this.#comment();
      case ',':
      case '*':
      case '/':
      case '%':
      case '+':
      case '-':
      case '^':
      case '@':
        return this.#emitThen(char, inStatement);
      case '=': {
        const second = this.#peek();
        if (second === '~') return this.#fail(`unexpected character after '=': ${quoteChar(second)}`);
        if (second === '=') this.#pos++;
        return this.#emitThen(second === '=' ? '==' : '=', inStatement);
      }
      case '!': {
        const second = this.#read();
        if (second !== '=') return this.#fail(`unexpected character after '!': ${quoteChar(second)}`);
        return this.#emitThen('!=', inStatement);
      }
      case '<':
      case '>': {
        const second = this.#peek();
        const long = second === '=' || second === '/';
        if (long) this.#pos++;
        return this.#emitThen(long ? char + second : char, inStatement);
      }
      case '"':
      case "'":
        this.#quote = char;
        return this.#string();
      case '`':
        this.#quote = char;
        return this.#rawString();
      case '(':
      case ')':
        return this.#paren(char, inStatement);
      case '{':
        this.#emit('{');
        this.#braceOpen = true;
        return inBraces;
      case '[':
        if (this.#bracketOpen) return this.#fail(`unexpected left bracket ${quoteChar(char)}`);
        this.#gotColon = false;
        this.#emit('[');
        this.#skipSpaces();
        this.#bracketOpen = true;
        return inDuration;
      case ']':
        if (!this.#bracketOpen) return this.#fail(`unexpected right bracket ${quoteChar(char)}`);
        this.#bracketOpen = false;
        return this.#emitThen(']', inStatement);
      default:
        return this.#fail(`unexpected character: ${quoteChar(char)}`);
    }
  }

  #paren(char: '(' | ')', state: State): State {
    this.#emit(char);
    this.#parenDepth += char === '(' ? 1 : -1;
    return this.#parenDepth < 0 ? this.#fail(`unexpected right parenthesis ${quoteChar(char)}`) : state;
  }

  /** A letter or colon has been read where a statement is expected. */
  #word(first: string): State {
    if (!this.#bracketOpen) return this.#keywordOrIdentifier();
    if (first === ':') {
      if (this.#gotColon) return this.#fail(`unexpected colon ${quoteChar(first)}`);
      this.#gotColon = true;
      return this.#emitThen(':', inStatement);
    }
    if (this.#durationKeyword(first)) return inStatement;
    return this.#fail(`unexpected character: ${quoteChar(first)}, expected ':'`);
  }

  /** Emits step, range, max_of or min_of, of which the first letter has been read; false if it is another word. */
  #durationKeyword(first: string): boolean {
    if (!'srmSRM'.includes(first)) return false;
    while (hasClass(this.#peek(), alphaClass)) this.#pos++;
    const word = this.input.slice(this.#begin, this.#pos).toLowerCase();
    if (!durationKeywords.has(word)) return false;
    this.#emit(word);
    return true;
  }

  /** The first character has been read. */
  #keywordOrIdentifier(): State {
    const { input } = this;
    let pos = this.#pos;
    let code = 0;
    let colon = input[this.#begin] === ':';
    for (; pos < input.length; pos++) {
      code = input.charCodeAt(pos);
      if (code === 58) colon = true;
      else if (code >= 128 || (charClass[code] & (alphaClass | digitClass)) === 0) break;
    }
    this.#pos = pos;
    const keyword =
      pos - this.#begin <= keywordLengthMax ? keywords.get(input.slice(this.#begin, pos).toLowerCase()) : undefined;
    if (keyword !== undefined && !(keyword.startsWith('fill') && !this.#parenFollows())) this.#emit(keyword);
    else this.#emit(colon ? 'METRIC_IDENTIFIER' : 'IDENTIFIER');
    return this.#seriesDescription && this.#peek() !== '{' ? inSequence : inStatement;
  }

  /** fill, fill_left and fill_right are keywords only before a parenthesis, so that metrics may have their names. */
  #parenFollows(): boolean {
    const { input } = this;
    let pos = this.#pos;
    while (pos < input.length && hasClass(input[pos] as string, spaceClass)) pos++;
    return input[pos] === '(';
  }

  #insideBraces(): State {
    const char = this.#read();
    if (hasClass(char, spaceClass)) return this.#skipSpacesThen(inBraces);
    if (hasClass(char, alphaClass)) {
      while (hasClass(this.#peek(), alphaClass | digitClass)) this.#pos++;
      return this.#emitThen('IDENTIFIER', inBraces);
    }
    switch (char) {
      case '':
        return this.#fail('unexpected end of input inside braces');
      case '#':
        return this.#comment();
      case ',':
        return this.#emitThen(',', inBraces);
      case '"':
      case "'":
        this.#quote = char;
        return this.#string();
      case '`':
        this.#quote = char;
        return this.#rawString();
      case '=':
        return this.#emitThen(this.#accept('~') ? '=~' : '=', inBraces);
      case '!': {
        const second = this.#read();
        if (second !== '~' && second !== '=') {
          return this.#fail(`unexpected character after '!' inside braces: ${quoteChar(second)}`);
        }
        return this.#emitThen(char + second, inBraces);
      }
      case '{':
        return this.#fail(`unexpected left brace ${quoteChar(char)}`);
      case '}':
        this.#braceOpen = false;
        return this.#emitThen('}', this.#seriesDescription ? inSequence : inStatement);
      default:
        return this.#fail(`unexpected character inside braces: ${quoteChar(char)}`);
    }
  }

  /** Directly behind [ and until its first number. */
  #insideDuration(): State {
    const char = this.#read();
    if (hasClass(char, spaceClass)) return this.#skipSpacesThen(inDuration);
    switch (char) {
      case '':
        return this.#fail('unexpected end of input in duration expression');
      case ']':
        this.#bracketOpen = false;
        this.#gotColon = false;
        return this.#emitThen(']', inStatement);
      case ':':
        this.#emit(':');
        if (!this.#gotDuration) return this.#fail('unexpected colon before duration in duration expression');
        if (this.#gotColon) return this.#fail('unexpected repeated colon in duration expression');
        this.#gotColon = true;
        return inDuration;
      case '(':
      case ')':
        return this.#paren(char, inDuration);
      case '+':
      case '-':
      case '*':
      case '/':
      case '%':
      case '^':
      case ',':
        return this.#emitThen(char, inDuration);
      default:
        break;
    }
    if (this.#durationKeyword(char)) return inDuration;
    if (hasClass(char, digitClass) || (char === '.' && hasClass(this.#peek(), digitClass))) {
      this.#pos--;
      this.#gotDuration = true;
      return this.#numberOrDuration();
    }
    return this.#fail(`unexpected character in duration expression: ${quoteChar(char)}`);
  }

  /** The opening quote, or a part of the string up to an escape, has been read. */
  #string(): State {
    for (;;) {
      const char = this.#read();
      if (char === this.#quote) return this.#emitThen('STRING', inStatement);
      if (char === '' || char === '\n') return this.#fail('unterminated quoted string');
      if (isBroken(char)) return this.#fail('invalid UTF-8 rune');
      if (char !== '\\') continue;
      const escaped = this.#peek();
      if (escaped !== '' && ('abfnrtv\\'.includes(escaped) || escaped === this.#quote)) {
        this.#pos += escaped.length;
        continue;
      }
      const problem = this.#escape();
      if (problem !== undefined) return this.#fail(problem);
    }
  }

  /** Reads \123, \x12, \u1234 or \U12345678 behind the backslash; returns what is wrong with it. */
  #escape(): string | undefined {
    let char = this.#read();
    let count: number;
    let base = 16;
    let max = 0x10ffff;
    if (char >= '0' && char <= '7' && char.length === 1) {
      [count, base, max] = [3, 8, 255];
    } else if (char === 'x' || char === 'u' || char === 'U') {
      count = char === 'x' ? 2 : char === 'u' ? 4 : 8;
      if (char === 'x') max = 255;
      char = this.#read();
    } else {
      return char === '' ? 'escape sequence not terminated' : `unknown escape sequence ${describeChar(char)}`;
    }
    let value = 0;
    for (; count > 0; count--) {
      const digit = digitValue(char);
      if (digit >= base) {
        return char === ''
          ? 'escape sequence not terminated'
          : `illegal character ${describeChar(char)} in escape sequence`;
      }
      value = value * base + digit;
      if (count > 1) char = this.#read();
    }
    const valid = value <= max && !(value >= 0xd800 && value < 0xe000);
    return valid ? undefined : 'escape sequence is an invalid Unicode code point';
  }

  #rawString(): State {
    for (;;) {
      const char = this.#read();
      if (char === this.#quote) return this.#emitThen('STRING', inStatement);
      if (char === '') return this.#fail('unterminated raw string');
      if (isBroken(char)) return this.#fail('invalid UTF-8 rune');
    }
  }

  #number(state: State): State {
    if (!this.#scanNumber()) return this.#fail(`bad number syntax: ${this.#quoteRead()}`);
    return this.#emitThen('NUMBER', state);
  }

  #numberOrDuration(): State {
    if (this.#scanNumber()) return this.#emitThen('NUMBER', inStatement);
    if (this.#scanDurationRest()) return this.#emitThen('DURATION', inStatement);
    return this.#fail(`bad number or duration syntax: ${this.#quoteRead()}`);
  }

  #quoteRead(): string {
    return quoteText(this.input.slice(this.#begin, this.#pos));
  }

  /** Behind the first digits: units and further digits. What the units are worth is the parser's work. */
  #scanDurationRest(): boolean {
    if (!this.#accept('smhdwy')) return false;
    this.#accept('s');
    while (this.#accept('0123456789')) {
      while (this.#accept('0123456789'));
      // A year may only come first.
      if (!this.#accept('smhdw')) return false;
      this.#accept('s');
    }
    if (!hasClass(this.#peek(), alphaClass | digitClass)) return true;
    this.#read(); // the error shows the character that is too much
    return false;
  }

  /** Reads what looks like a number. The parser says whether it is one. */
  #scanNumber(): boolean {
    const begin = this.#pos;
    let digits = '0123456789';
    // In a series description 0x1 means zero, once.
    if (!this.#seriesDescription && this.#accept('0') && this.#accept('xX')) {
      this.#accept('_');
      digits = '0123456789abcdefABCDEF';
    }
    this.#accept('.');
    this.#accept(digits);
    let dot = false;
    let exponent = false;
    for (;;) {
      const char = this.#peek();
      const isExponent = isOneOf(char, 'eE');
      if (!isExponent && !isOneOf(char, '._') && !isOneOf(char, digits)) break;
      if ((char === '.' && dot) || (isExponent && exponent)) {
        this.#pos++;
        return false;
      }
      this.#pos++;
      if (char === '.') {
        dot = true;
        if (this.#accept('_.')) return false;
        if (digits.length > 10) return false; // no fractions in hexadecimal
      } else if (isExponent) {
        exponent = true;
        this.#accept('+-');
        if (this.#accept('._eE') || this.#peek() === '') return false;
      } else if (char === '_') {
        if (this.#accept('._eE') || this.#peek() === '') return false;
      } else {
        while (this.#accept(digits));
      }
    }
    if (this.#pos === begin) return false;
    const after = this.#peek();
    return (this.#seriesDescription && after === 'x') || !hasClass(after, alphaClass | digitClass);
  }

  /** Values of a series description. */
  #sequence(): State {
    if (this.#histogram !== histogramNone) return this.#insideHistogram();
    const char = this.#read();
    if (hasClass(char, spaceClass)) {
      this.#emit('SPACE');
      return this.#skipSpacesThen(inSequence);
    }
    if (char === '{' && this.#peek() === '{') {
      this.#histogram = histogramOpen;
      this.#pos++;
      return this.#emitThen('{{', inHistogram);
    }
    switch (char) {
      case '':
        return inStatement;
      case '+':
      case '-':
        return this.#emitThen(char, inSequence);
      case 'x':
        return this.#emitThen('TIMES', inSequence);
      case '_':
        return this.#emitThen('BLANK', inSequence);
      default:
        break;
    }
    if (hasClass(char, digitClass) || (char === '.' && hasClass(this.#peek(), digitClass))) {
      this.#pos--;
      return this.#number(inSequence);
    }
    if (hasClass(char, alphaClass)) return this.#keywordOrIdentifier();
    return this.#fail(`unexpected character in series sequence: ${quoteChar(char)}`);
  }

  #insideHistogram(): State {
    if (this.#histogram === histogramOperator) {
      this.#histogram = histogramNone;
      const operator = this.#read();
      return this.#emitThen(operator === 'x' ? 'TIMES' : operator, inSequence);
    }
    if (this.#bracketOpen) return this.#insideBuckets();
    const char = this.#read();
    if (hasClass(char, spaceClass)) {
      this.#emit('SPACE');
      return this.#skipSpacesThen(inHistogram);
    }
    if (hasClass(char, alphaClass)) {
      this.#pos--;
      return this.#histogramWord();
    }
    if (hasClass(char, digitClass)) {
      this.#pos--;
      return this.#number(inHistogram);
    }
    if (char === ':' || char === '-') return this.#emitThen(char, inHistogram);
    if (char === '[') {
      this.#bracketOpen = true;
      return this.#emitThen('[', inBuckets);
    }
    if (char === '}' && this.#peek() === '}') {
      this.#pos++;
      this.#emit('}}');
      const operatorFollows = isOneOf(this.#peek(), 'x+-');
      this.#histogram = operatorFollows ? histogramOperator : histogramNone;
      return operatorFollows ? inHistogram : inSequence;
    }
    return this.#fail(`histogram description incomplete unexpected: ${quoteChar(char)}`);
  }

  #histogramWord(): State {
    while (hasClass(this.#peek(), alphaClass)) this.#pos++;
    const word = this.input.slice(this.#begin, this.#pos);
    const key = word.toLowerCase();
    if (histogramKeys.has(key)) {
      if (this.#peek() !== ':') return this.#fail('missing `:` for histogram descriptor');
      return this.#emitThen('HISTOGRAM_KEY', inHistogram);
    }
    if (keywords.get(key) === 'NUMBER') return this.#emitThen('NUMBER', inHistogram);
    if (resetHints.has(key)) return this.#emitThen('RESET_HINT', inHistogram);
    return this.#fail(`bad histogram descriptor found: ${quoteText(word)}`);
  }

  #insideBuckets(): State {
    const char = this.#read();
    if (hasClass(char, spaceClass)) {
      this.#emit('SPACE');
      return this.#skipSpacesThen(inHistogram);
    }
    if (char === '-') return this.#emitThen('-', inBucketNumber);
    if (hasClass(char, digitClass)) {
      this.#pos--;
      return this.#number(inHistogram);
    }
    if (char === ']') {
      this.#bracketOpen = false;
      return this.#emitThen(']', inHistogram);
    }
    if (hasClass(char, alphaClass)) {
      const word = this.input.slice(this.#begin, this.#pos).toLowerCase();
      return keywords.get(word) === 'NUMBER' ? this.#emitThen('NUMBER', inHistogram) : inBuckets;
    }
    return this.#fail(`invalid character in buckets description: ${quoteChar(char)}`);
  }
}

/** U+FFFD is what invalid UTF-8 was decoded to before it came here; half a surrogate pair is as invalid. */
function isBroken(char: string): boolean {
  const code = char.charCodeAt(0);
  return code === 0xfffd || (char.length === 1 && code >= 0xd800 && code <= 0xdfff);
}

/** For each UTF-16 index, and the end, the UTF-8 bytes before it. */
function countBytes(input: string): Uint32Array {
  const offsets = new Uint32Array(input.length + 1);
  let bytes = 0;
  for (let i = 0; i < input.length; i++) {
    offsets[i] = bytes;
    const point = input.codePointAt(i) ?? 0;
    if (point > 0xffff) {
      offsets[++i] = bytes;
      bytes += 4;
    } else {
      bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : 3;
    }
  }
  offsets[input.length] = bytes;
  return offsets;
}
