/**
 * Assertions: for our own mistakes, never for the world's (that is Failure). On in production.
 */

/** A broken invariant: a mistake in this program. */
class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/**
 * States a fact, phrased positively, one a call.
 * @throws AssertionError when it does not hold
 */
export function assert(condition: boolean, fact: string): asserts condition {
  if (!condition) throw new AssertionError(`broken invariant: ${fact}`);
}
