/**
 * Evals of the corpus that are known to fail, each with its reason: `file.test:line` of the eval command. An entry that passes is
 * an error, so the list can only shrink, and it must become empty.
 */
export const knownFailures: ReadonlyMap<string, string> = new Map<string, string>([]);
