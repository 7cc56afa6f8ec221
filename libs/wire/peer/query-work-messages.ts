/** Work of a query-frontend and its answers, between processes (proto/peer.proto: QueryWork, WorkAnswer). */
import { readConsistencies } from '../../contracts/ingester.ts';
import {
  type CallWork,
  type CheckWork,
  type PartWork,
  type TakenWork,
  type WorkHead,
  type WorkWish,
  workLanes,
} from '../../contracts/query-work.ts';
import { Failure } from '../../errors/failure.ts';
import { parseTenantId } from '../../model/tenant-id.ts';
import type { CallFailureMessage } from './greeting-messages.ts';
import { codecOf, type MessageCodec } from './message-codec.ts';
import { shardField } from './source-messages.ts';

type Unbranded<T> = Omit<T, 'kind' | 'tenant'> & { readonly tenant: string };

interface QueryWorkMessage {
  readonly id: number;
  readonly timeoutMs: number;
  readonly traceparent: string;
  readonly call?: (Omit<Unbranded<CallWork>, 'consistency'> & { readonly consistency: string }) | null;
  readonly part?:
    | (Omit<Unbranded<PartWork>, 'shard' | 'weighing'> & {
        readonly shard?: PartWork['shard'] | null;
        readonly weighing?: PartWork['weighing'] | null;
      })
    | null;
  readonly check?: Unbranded<CheckWork> | null;
}

/** What a querier is told of a piece of work. */
type WorkToDo = Pick<TakenWork, 'work' | 'timeoutMs' | 'traceparent'>;

/** A part of an answer, or how it failed. */
export interface WorkAnswerMessage {
  readonly id: number;
  readonly head?: WorkHead | null;
  readonly piece: Uint8Array;
  readonly last: boolean;
  readonly failure?: CallFailureMessage | null;
}

const takeCodec: MessageCodec<{ readonly lane: string; readonly spares: number }> = codecOf('TakeRequest');
const workCodec: MessageCodec<QueryWorkMessage> = codecOf('QueryWork');
export const workAnswerCodec: MessageCodec<WorkAnswerMessage> = codecOf('WorkAnswer');

export function encodeTake(wish: WorkWish): Uint8Array {
  return takeCodec.encode(wish);
}

/** @throws Failure `bad_data` */
export function decodeTake(bytes: Uint8Array): WorkWish {
  const { lane, spares } = takeCodec.decode(bytes);
  const known = workLanes.find((one) => one === lane);
  if (known === undefined) throw new Failure('bad_data', `there is no work of kind ${JSON.stringify(lane)}`);
  return { lane: known, spares };
}

export function encodeWork(id: number, { timeoutMs, traceparent, work }: WorkToDo): Uint8Array {
  return workCodec.encode({ id, timeoutMs, traceparent, [work.kind]: work });
}

/** @throws Failure `bad_data` */
export function decodeWork(bytes: Uint8Array): WorkToDo & { readonly id: number } {
  const { id, timeoutMs, traceparent, call, part, check } = workCodec.decode(bytes);
  const head = { id, timeoutMs, traceparent };
  const tenant = parseTenantId((call ?? part ?? check)?.tenant);
  if (call !== undefined && call !== null) {
    // A word that a later release knows asks for no less than what is usual.
    const consistency = readConsistencies.find((one) => one === call.consistency) ?? 'default';
    return { ...head, work: { kind: 'call', ...call, tenant, consistency } };
  }
  if (part !== undefined && part !== null) {
    const { shard, weighing, ...rest } = part;
    const work = { kind: 'part', ...rest, tenant, ...shardField(shard) } as const;
    return { ...head, work: weighing === undefined || weighing === null ? work : { ...work, weighing } };
  }
  if (check !== undefined && check !== null) return { ...head, work: { kind: 'check', ...check, tenant } };
  throw new Failure('not_acceptable', 'work of a kind that is not known here');
}
