/**
 * A failure as an answer: status, Retry-After, one line of text; or as JSON, of what operators ask. The query API writes its own.
 */
import type { FastifyReply } from 'fastify';
import { Failure } from '../errors/failure.ts';
import { wireStatus } from '../errors/wire-status.ts';

/** Answers with what went wrong; of an unexpected error the client learns nothing but that. */
export function sendFailure(reply: FastifyReply, error: unknown): FastifyReply {
  const { status, text, retryAfterSeconds } = describe(error);
  if (retryAfterSeconds !== undefined) reply.header('retry-after', String(retryAfterSeconds));
  return reply.code(status).type('text/plain; charset=utf-8').send(`${text}\n`);
}

/** Answers with a Failure in the envelope of the query API. @throws any other error */
export function sendJsonFailure(reply: FastifyReply, error: unknown): FastifyReply {
  if (!(error instanceof Failure)) throw error;
  const { http, prometheus } = wireStatus[error.kind];
  return reply.code(http).send({ status: 'error', errorType: prometheus, error: error.message });
}

/** The status that `sendFailure` answers with. */
export function failureStatus(error: unknown): number {
  return describe(error).status;
}

/** Whether it is our mistake rather than the world's. */
export function isUnexpected(error: unknown): boolean {
  return !(error instanceof Failure) && ownStatus(error) === undefined;
}

function describe(error: unknown): { status: number; text: string; retryAfterSeconds?: number | undefined } {
  if (error instanceof Failure) {
    return { status: wireStatus[error.kind].http, text: error.message, retryAfterSeconds: error.retryAfterSeconds };
  }
  const status = ownStatus(error);
  if (status !== undefined && error instanceof Error) return { status, text: error.message };
  return { status: 500, text: 'internal error' };
}

/** Errors of fastify itself carry a status: a body too large, a bad URL. */
function ownStatus(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('statusCode' in error) || typeof error.statusCode !== 'number') return undefined;
  return error.statusCode >= 400 && error.statusCode < 500 ? error.statusCode : undefined;
}
