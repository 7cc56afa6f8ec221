/** The querier's slice of the configuration tree: the group `query`. Durations are milliseconds once read. */
import type { ValuesOf } from '../../libs/config/config-key.ts';
import { bytes, duration, integer, list, timer } from '../../libs/config/config-key.ts';

export const querierKeys = {
  timeout: timer(
    '2m',
    'Longest time a query, or a list of labels or series, may take, waiting included; a query may ask for less.',
  ),
  frontendAddresses: list(
    '',
    'Addresses (host:port, of gRPC) of the query-frontends that a querier takes queries from, all that a name stands for; none: it only answers itself.',
  ),
  maxConcurrency: integer(
    20,
    'Most queries that evaluate at once, and one more of a tenant of whom none does; never more than there are cores, nor so many that query.max-memory-bytes of each would be more than three quarters of the memory, but two at least.',
    1,
  ),
  maxQueued: integer(2000, 'Most queries that wait for a worker; beyond them the answer is 429.', 1),
  maxQueuedPerTenant: integer(
    1000,
    'Most queries of one tenant that wait for a worker, and most lists of labels or series that wait for their turn.',
    1,
  ),
  maxSamples: integer(50_000_000, 'Most samples that one query may hold in memory at a time.', 1),
  maxMemoryBytes: bytes(
    '0',
    'Most memory that the samples of one query may take at a time, and the labels that come for it from other processes; 0 is a quarter of what the process may use, and 1GiB at most.',
  ),
  lookbackDelta: duration('5m', 'How far back a selector looks for the newest sample.'),
  bucketIndexMaxAge: duration(
    '15m',
    'Oldest list of the blocks in the bucket that a query goes by; where none so young can be had, queries that need blocks fail.',
  ),
  bucketIndexRefresh: duration('1m', 'A list older than this is read again, while queries go on with it.'),
  maxFormBytes: bytes(
    '4MiB',
    'Largest body of a request to the query API; beyond it the answer is 413. All that are there at once may take a 16th of the memory, at least four of these; beyond it 503.',
  ),
  searchLimitMax: integer(10_000, 'Most results that a request to the search API may ask for; 0 is any number.'),
};

export type QuerierConfig = ValuesOf<typeof querierKeys>;
