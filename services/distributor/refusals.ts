/**
 * What of a request was refused: how much, for which reasons, and the first sentence for the sender.
 */

export class Refusals {
  /** Series, samples and histograms refused. */
  count = 0;
  /** The first reason, in words; undefined while nothing was refused. */
  first: string | undefined;
  /** How many for each reason id (Mimir's, without `err-mimir-`). */
  readonly byId: Map<string, number> = new Map();

  /** @param text made only for the first refusal: the others cost a count */
  add(id: string, count: number, text: () => string): void {
    this.count += count;
    this.first ??= text();
    this.byId.set(id, (this.byId.get(id) ?? 0) + count);
  }
}
