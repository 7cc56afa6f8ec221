/**
 * Where another owner of this ingester's partition has lost its disk: what this one holds goes to the bucket, and when enough of them have done so the
 * other one is as good as before. Until then its answers about the time before do not count.
 * Owns when that is begun and told. Does not own the rule (libs/ring/table.ts) nor the way to the bucket (the ingester's flush).
 */
import { mustShip, type RingTable, shipped } from '../../libs/ring/table.ts';
import type { Logger } from '../../libs/telemetry/log.ts';

interface HealingDeps {
  readonly own: { readonly instance: string; readonly zone: string };
  /** Brings all that was received before the call to the bucket. @returns false where the process stops before */
  readonly flush: () => Promise<boolean>;
  readonly table: () => RingTable | undefined;
  /** Publishes what `change` makes of the newest table. @throws Failure */
  readonly publish: (change: (table: RingTable) => RingTable) => Promise<RingTable>;
  readonly log: Logger;
}

export class ReplicaHealing {
  readonly #deps: HealingDeps;
  #running: Promise<void> | undefined;

  constructor(deps: HealingDeps) {
    this.#deps = deps;
  }

  /** Called now and then, and when the table is another one. */
  look(): void {
    const { table, own, log } = this.#deps;
    const now = table();
    if (now === undefined || !mustShip(now, own)) return;
    this.#running ??= this.#heal(now.epoch)
      .catch((error: unknown) =>
        log.warn({ error: String(error) }, 'what is in the bucket for a lost disk could not be told yet'),
      )
      .finally(() => {
        this.#running = undefined;
      });
  }

  async #heal(epoch: number): Promise<void> {
    const { own, flush, publish, log } = this.#deps;
    log.info(
      { epoch },
      'another ingester of this partition has lost its disk: what it had goes to the bucket from here',
    );
    if (!(await flush())) return;
    const table = await publish((current) => shipped(current, own, epoch));
    log.info({ epoch: table.epoch }, 'what another ingester of this partition has lost is in the bucket');
  }
}
