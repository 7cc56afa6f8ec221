/**
 * How far a long step is: a bar on a terminal, a line now and then elsewhere.
 */
const barWidth = 30;
const lineEveryMs = 5000;

export class Progress {
  #title = '';
  #total = 1;
  #shownAt = 0;
  readonly #out: NodeJS.WriteStream;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  begin(title: string, total: number): void {
    this.#title = title;
    this.#total = Math.max(1, total);
    this.#shownAt = performance.now();
    if (!this.#out.isTTY) this.say(`${title} ...`);
  }

  step(done: number): void {
    const now = performance.now();
    const share = Math.min(1, done / this.#total);
    if (this.#out.isTTY) {
      if (now - this.#shownAt < 100 && share < 1) return;
      const full = Math.round(share * barWidth);
      this.#out.write(
        `\r[${'#'.repeat(full)}${'.'.repeat(barWidth - full)}] ${Math.round(share * 100)}% ${this.#title}\x1b[K`,
      );
    } else {
      if (now - this.#shownAt < lineEveryMs) return;
      this.say(`${this.#title}: ${Math.round(share * 100)}%`);
    }
    this.#shownAt = now;
  }

  end(): void {
    if (this.#out.isTTY) this.#out.write('\r\x1b[K');
  }

  say(line: string): void {
    if (this.#out.isTTY) this.#out.write('\r\x1b[K');
    this.#out.write(`${line}\n`);
  }
}
