/**
 * The steps of a range query as cells: spans of time that begin and end at the same instants for everybody, an hour or a day long.
 * Owns which cells a query has, which of them may be kept, and their names. Only a cell whose every step was evaluated is kept, and
 * only of a time that is over for so long that senders have had their turn.
 */
import { createHash } from 'node:crypto';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import type { RangeQuestion } from './rewritable.ts';
import type { Steps } from './split-steps.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** Cells of an hour up to this step: they have a dozen steps then. */
const hourStepMsMax = 300_000;
/** A time is over when this has passed. */
const settledMs = 600_000;

export interface Cell extends Steps {
  /** The name of what is kept; undefined where nothing is. */
  readonly key: string | undefined;
  /** These are all steps of the cell. */
  readonly isWhole: boolean;
}

/** The cells of a query in order. Without `tenant` none has a key. */
export function cellsOf(question: RangeQuestion, nowMs: number, tenant: TenantId | undefined): Cell[] {
  const { query, startMs, endMs, stepMs, lookbackMs } = question;
  const spanMs = stepMs <= hourStepMsMax ? hourMs : dayMs;
  const lastMs = startMs + Math.floor((endMs - startMs) / stepMs) * stepMs;
  const phase = ((startMs % stepMs) + stepMs) % stepMs;
  const cells: Cell[] = [];
  for (let at = startMs; at <= lastMs; ) {
    const number = Math.floor(at / spanMs);
    const boundary = (number + 1) * spanMs;
    const endOfCell = at + (Math.ceil((boundary - at) / stepMs) - 1) * stepMs;
    const end = Math.min(lastMs, endOfCell);
    const isKept = tenant !== undefined && boundary <= nowMs - settledMs;
    const key = isKept ? nameOf([tenant, query, spanMs, number, stepMs, phase, lookbackMs]) : undefined;
    cells.push({ startMs: at, endMs: end, stepMs, key, isWhole: end === endOfCell && at - stepMs < number * spanMs });
    at = end + stepMs;
  }
  return cells;
}

const nameOf = (parts: readonly (string | number)[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
