/**
 * A call of the read API, and how its answer is dressed as HTTP.
 * Owns the shapes between the routes (api-routes.ts), the table of paths (api-paths.ts) and whoever answers.
 */
import type { ReadConsistency } from '../contracts/ingester.ts';
import type { Failure } from '../errors/failure.ts';
import type { TenantId } from '../model/tenant-id.ts';
import type { ByteAllowance } from '../std/inflight-bytes.ts';
import { type ApiAnswer, failureAnswer, plainFailureAnswer } from './api-answer.ts';
import type { RequestForm } from './request-form.ts';

export interface ApiCall {
  readonly tenant: TenantId;
  readonly form: RequestForm;
  /** Aborts when the client has left. */
  readonly signal: AbortSignal;
  /** The label name in the path of `label/<name>/values`, else ''. */
  readonly labelName: string;
  /** A body that is no form. */
  readonly body: Uint8Array;
  /**
   * Counts bytes that are made of the body, and held until the answer is out, among those of all bodies. Absent where no bodies are counted.
   * @throws Failure `unavailable` where there is no room
   */
  readonly hold?: (bytes: number) => void;
  /** Where what is listed is counted until the answer is out; absent where the answer is no list. */
  readonly listMemory?: ByteAllowance;
  /** The header `Accept`. */
  readonly accept: string;
  /** Whether whoever writes the answer should compress it; it then says so. */
  readonly gzip: boolean;
  /** The client wants nothing that was computed before (`Cache-Control: no-store`). */
  readonly noStore: boolean;
  /** What the answer may miss of what was written last (`X-Read-Consistency`). */
  readonly consistency: ReadConsistency;
}

/** How the answers of an endpoint look as HTTP: not all of Prometheus' handlers stand behind the same wrappers. */
export interface Dress {
  readonly cors: boolean;
  readonly compresses: boolean;
  readonly failure: (failure: Failure) => ApiAnswer;
}

/** Most of the API. */
export const apiDress: Dress = { cors: true, compresses: true, failure: failureAnswer };
/** What streams or is small. */
export const uncompressedDress: Dress = { cors: true, compresses: false, failure: failureAnswer };
/** What browsers do not ask for: errors are a line of text. */
export const plainDress: Dress = { cors: false, compresses: false, failure: plainFailureAnswer };
/** Of /federate. */
export const federateDress: Dress = { cors: false, compresses: true, failure: plainFailureAnswer };
