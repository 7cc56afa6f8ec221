/** The querier's slice of the configuration tree. Memory and cores decide where a value is 0. */

export interface QuerierConfig {
  readonly timeoutMs: number;
  readonly maxConcurrency: number;
  readonly maxQueued: number;
  readonly maxQueuedPerTenant: number;
  readonly maxSamples: number;
  readonly maxMemoryBytes: number;
  readonly lookbackDeltaMs: number;
  readonly maxFormBytes: number;
}

export const querierDefaults: QuerierConfig = {
  /** How long a query may take, waiting included; a request may ask for less. */
  timeoutMs: 120_000,
  /** Queries that evaluate at once, each in a thread; never more than there are cores. */
  maxConcurrency: 20,
  /** Queries that may wait for a thread; what comes beyond them is answered 429. */
  maxQueued: 2_000,
  /** Of those, how many may be one tenant's. */
  maxQueuedPerTenant: 1_000,
  /** Samples that one query may hold in memory at a time. */
  maxSamples: 50_000_000,
  /** Bytes that one query may hold in memory at a time. */
  maxMemoryBytes: 1024 * 1024 * 1024,
  /** How far back an instant selector looks for a sample. */
  lookbackDeltaMs: 300_000,
  /** Largest form body of a request. */
  maxFormBytes: 4 * 1024 * 1024,
};
