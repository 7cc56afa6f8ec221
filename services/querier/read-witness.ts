/**
 * What an answer rests on, as a text that is kept with it: the marks of the ingesters that were read, the blocks that the bucket
 * had, and under which settings it was evaluated. Whoever keeps the answer asks with it whether it is still what it was.
 * Owns the text and that question. An answer of which something is not known has no witness, and is not kept.
 */
import { createHash } from 'node:crypto';
import type { BucketIndex } from '../../libs/blocks/bucket-index.ts';
import type { RecentChangesContract, RecentRead, TimeSpan } from '../../libs/contracts/ingester.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import { neededBlocks } from './block-consistency.ts';

interface BlocksRead extends TimeSpan {
  /** blocksMark() of what was there. */
  readonly blocks: string;
}

interface WitnessText {
  readonly settings: string;
  readonly recent: readonly RecentRead[];
  readonly blocks: readonly BlocksRead[];
}

/** Gathers while an answer is made. */
export class ReadWitness {
  readonly #recent: RecentRead[] = [];
  readonly #blocks: BlocksRead[] = [];
  /** Selects that were made. */
  selects = 0;
  /** Nothing else was read than by selects. */
  isWhole = true;

  readonly onRecent = (read: RecentRead): void => {
    this.#recent.push(read);
  };

  onBlocks(read: BlocksRead): void {
    this.#blocks.push(read);
  }

  /** '' where something that was read was not witnessed on both sides. */
  textOf(settings: string): string {
    if (!this.isWhole || this.#recent.length !== this.selects || this.#blocks.length !== this.selects) return '';
    const text: WitnessText = { settings, recent: this.#recent, blocks: this.#blocks };
    return JSON.stringify(text);
  }
}

/**
 * A text that is the same as long as the samples of [minT, maxT] in the bucket's blocks are: the blocks that ingesters wrote or that were
 * brought from elsewhere, out of which those that are there now were merged.
 */
export function blocksMark(index: BucketIndex, { minT, maxT }: TimeSpan): string {
  const needed = new Set(neededBlocks(index, minT, maxT, new Set()));
  const sources = new Set<string>();
  for (const { ulid, details } of index.blocks) {
    if (!needed.has(ulid)) continue;
    const made = details?.sources ?? [];
    for (const source of made.length === 0 ? [ulid] : made) sources.add(source);
  }
  return createHash('sha256')
    .update([...sources].sort().join())
    .digest('base64')
    .slice(0, 22);
}

export interface WitnessCheck {
  readonly settings: string;
  readonly changes: Pick<RecentChangesContract, 'isUnchanged'>;
  readonly indexOf: (tenant: TenantId, signal: AbortSignal) => Promise<BucketIndex>;
}

/** Whether the answer with this witness, or with several in lines of a text, is what an evaluation would say now. @throws Failure where that cannot be found out */
export async function isStillTrue(
  tenant: TenantId,
  witness: string,
  { settings, changes, indexOf }: WitnessCheck,
  signal: AbortSignal,
): Promise<boolean> {
  const texts = witness.split('\n').map((text) => JSON.parse(text) as WitnessText);
  for (const text of texts) if (!(await holds(tenant, text, { settings, changes, indexOf }, signal))) return false;
  return true;
}

async function holds(
  tenant: TenantId,
  text: WitnessText,
  { settings, changes, indexOf }: WitnessCheck,
  signal: AbortSignal,
): Promise<boolean> {
  if (text.settings !== settings) return false;
  if (text.recent.length > 0 && !(await changes.isUnchanged(tenant, text.recent, signal))) return false;
  if (text.blocks.length === 0) return true;
  const index = await indexOf(tenant, signal);
  return text.blocks.every((read) => blocksMark(index, read) === read.blocks);
}
