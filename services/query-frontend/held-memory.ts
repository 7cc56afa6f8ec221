/**
 * How much memory the parts of answers take here: of one answer, and of all that are made or on their way to their clients.
 * Owns the counting. Surprising: who is refused loses nothing but the splitting: the whole is asked, and passes through as it comes.
 */
export class HeldMemory {
  readonly #bytesMax: number;
  readonly #answerBytesMax: number;
  #bytes = 0;

  /** @param answerBytesMax of one answer */
  constructor(bytesMax: number, answerBytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#answerBytesMax = answerBytesMax;
  }

  /** For one answer. */
  begin(): HeldParts {
    let own = 0;
    let isOver = false;
    return {
      take: (bytes) => {
        if (isOver) return false;
        own += bytes;
        this.#bytes += bytes;
        return bytes <= 0 || (own <= this.#answerBytesMax && this.#bytes <= this.#bytesMax);
      },
      isTooLarge: () => own > this.#answerBytesMax,
      release: () => {
        isOver = true;
        this.#bytes -= own;
        own = 0;
      },
    };
  }
}

export interface HeldParts {
  /** Counts so many bytes more, or fewer; whether there is room for them. Where there is none the answer is given up. */
  take(bytes: number): boolean;
  /** Whether it takes more than one answer may, whatever others take. */
  isTooLarge(): boolean;
  /** The answer is gone, with all its parts. */
  release(): void;
}
