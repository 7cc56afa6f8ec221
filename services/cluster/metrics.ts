/** What a process reports of the ring: the table as it knows it, and who answers. */
import type { RingTable } from '../../libs/ring/table.ts';
import type { Metrics } from '../../libs/telemetry/metrics.ts';
import type { GatewayPeers, IngesterPeers } from './service.ts';

export interface ClusterView {
  readonly table: () => RingTable | undefined;
  readonly peers: () => IngesterPeers | undefined;
  readonly gateways: () => GatewayPeers | undefined;
}

export function registerClusterMetrics(metrics: Metrics, { table, peers, gateways }: ClusterView): void {
  metrics.gaugeOf('maru_ring_epoch', 'Epoch of the table of the ring that this process goes by.', [], () => [
    { value: table()?.epoch ?? 0 },
  ]);
  metrics.gaugeOf('maru_ring_partitions', 'Partitions by state.', ['state'], () =>
    (['pending', 'active', 'inactive'] as const).map((state) => ({
      labels: { state },
      value: table()?.partitions.filter((one) => one.state === state).length ?? 0,
    })),
  );
  metrics.gaugeOf(
    'maru_ring_owner_answers',
    'Whether an ingester answered when this process last looked at it.',
    ['peer', 'zone'],
    () =>
      (table()?.partitions ?? []).flatMap(({ owners }) =>
        owners.flatMap((owner) => {
          const known = peers()?.of(owner);
          const { instance, zone } = owner;
          return known === undefined ? [] : [{ labels: { peer: instance, zone }, value: known.answers ? 1 : 0 }];
        }),
      ),
  );
  metrics.gaugeOf(
    'maru_ring_owner_whole',
    'Whether an ingester has all that was acknowledged with its help, by the table: 0 until what it has lost is in the bucket for it, or waived.',
    ['partition', 'peer', 'zone'],
    () =>
      (table()?.partitions ?? []).flatMap(({ id, owners }) =>
        owners.map(({ instance, zone, completeFromMs }) => ({
          labels: { partition: String(id), peer: instance, zone },
          value: completeFromMs === 0 ? 1 : 0,
        })),
      ),
  );
  metrics.gaugeOf(
    'maru_ring_gateway_answers',
    'Whether a store-gateway answered when this process last looked at it.',
    ['peer', 'zone'],
    () =>
      (table()?.gateways ?? []).flatMap((gateway) => {
        const known = gateways()?.of(gateway);
        const { instance, zone } = gateway;
        return known === undefined ? [] : [{ labels: { peer: instance, zone }, value: known.answers ? 1 : 0 }];
      }),
  );
}
