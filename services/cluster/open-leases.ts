/** The leases of this process in Redis: what its own one says, and that Redis' coming and going is told. */
import { openRedis } from '../../libs/kv/redis.ts';
import type { Identity } from '../../libs/rpc/greeting.ts';
import type { Logger } from '../../libs/telemetry/log.ts';
import { Leases } from './leases.ts';

interface LeasesSetup {
  readonly url: string;
  readonly identity: Identity;
  /** Names of the rooms that this process runs. */
  readonly rooms: readonly string[];
  readonly tableEpoch: () => number;
  readonly leaseMs: number;
  readonly log: Logger;
}

/** Begins to renew the own lease and to read the others'. @throws ConfigError when the URL is none of libs/kv/redis.ts */
export function openLeases({ url, identity, rooms, tableEpoch, leaseMs, log }: LeasesSetup): Leases {
  const { clusterId, instance, zone } = identity;
  const store = openRedis(url, (isReachable, reason) => {
    if (isReachable) {
      log.info({ redis: store.name }, 'Redis answers: leases are renewed');
      leases.renewSoon();
    } else log.warn({ redis: store.name, reason }, 'Redis is away: who is alive is judged by links alone');
  });
  const leases = new Leases({
    store,
    clusterId,
    instance,
    value: () => JSON.stringify({ rooms, zone, epoch: tableEpoch() }),
    leaseMs,
    nowMs: () => performance.now(),
  });
  leases.start();
  return leases;
}
