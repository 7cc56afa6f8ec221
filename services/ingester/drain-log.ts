/**
 * What draining means where writes come through a log: that is not closed, so all it holds when draining begins is applied, and in the end its
 * floor has risen above that. Whoever writes knew by then that the partition takes no more (cluster/leave-ring.ts has waited).
 * Owns the offset up to which it goes. Does not own the order (drain.ts) nor the floor (follow-log.ts).
 */
import { Failure } from '../../libs/errors/failure.ts';
import type { FollowLog } from './follow-log.ts';

export class DrainLog {
  readonly #follow: () => Pick<FollowLog, 'endNow' | 'position' | 'floor' | 'damagedAt' | 'gap'> | undefined;
  #end: number | undefined;

  /** @param follow undefined until it follows */
  constructor(follow: () => Pick<FollowLog, 'endNow' | 'position' | 'floor' | 'damagedAt' | 'gap'> | undefined) {
    this.#follow = follow;
  }

  /** Why something that the log held at the first call is not in the heads, in a sentence. @throws Failure while the log cannot be asked */
  async behind(): Promise<string | undefined> {
    const follow = this.#follow();
    if (follow === undefined) throw new Failure('unavailable', 'the ingester does not follow the log yet');
    if (follow.gap !== undefined) throw new Failure('unavailable', follow.gap);
    this.#end ??= await follow.endNow();
    return follow.position >= this.#end ? undefined : `the log: offset ${follow.position} of ${this.#end} is applied`;
  }

  /** Why something of it is in no indexed block, in a sentence, where all blocks that are here are indexed. */
  unsafe(): string | undefined {
    const follow = this.#follow();
    const floor = follow?.floor ?? 0;
    if (this.#end === undefined || floor >= this.#end) return undefined;
    const { damagedAt } = follow ?? {};
    return damagedAt !== undefined && damagedAt <= floor
      ? `a record of the log that could not be taken in, at offset ${damagedAt}`
      : `the floor of the log: it is at offset ${floor}, and must be at ${this.#end}`;
  }
}
