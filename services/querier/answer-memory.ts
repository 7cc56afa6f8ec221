/** What of an answer must be held until it can be sent is counted: owns the words for too much of it. */
import { Failure } from '../../libs/errors/failure.ts';
import type { QueryLimits } from '../../libs/promql/execute/execution-context.ts';

/** @throws Failure `query_limit` */
export function checkMemory(bytes: number, { memoryBytesMax }: QueryLimits): void {
  if (memoryBytesMax === 0 || bytes <= memoryBytesMax) return;
  throw new Failure(
    'query_limit',
    `the answer takes more than the ${memoryBytesMax} bytes of memory that a query may use (query.max-memory-bytes)`,
  );
}
