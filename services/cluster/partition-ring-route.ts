/**
 * `GET /ingester/partition-ring`: members, zones, partitions, states, epochs and ages, as JSON or as a small page.
 * For operators; not routed by the door of a cluster.
 */
import type { FastifyInstance } from 'fastify';
import { Failure } from '../../libs/errors/failure.ts';
import { sendJsonFailure } from '../../libs/http/failure-response.ts';
import type { ClusterView } from './metrics.ts';

interface OwnerRow {
  readonly instance: string;
  readonly zone: string;
  readonly address: string;
  readonly incarnation: string;
  readonly starts: number;
  readonly completeFrom: string | null;
  /** As this process sees it; null where it has no link to it. */
  readonly answers: boolean | null;
  readonly knownEpoch: number | null;
  /** Whether it holds a lease in Redis; null where that is not known. */
  readonly holdsLease: boolean | null;
}

interface PartitionRow {
  readonly partition: number;
  readonly state: string;
  readonly stateAgeSeconds: number;
  readonly owners: readonly OwnerRow[];
}

interface GatewayRow {
  readonly instance: string;
  readonly zone: string;
  readonly address: string;
  readonly answers: boolean | null;
  readonly holdsLease: boolean | null;
}

interface RingPage {
  readonly clusterId: string | null;
  readonly epoch: number;
  readonly replicationFactor: number | null;
  readonly partitions: readonly PartitionRow[];
  readonly storeGateways: readonly GatewayRow[];
}

interface RingView extends ClusterView {
  /** Whether this process looks at the table at all. */
  readonly hasTable: boolean;
  readonly holdsLease: (instance: string) => boolean | undefined;
  readonly nowMs: () => number;
}

/** Registers the route. */
export function partitionRingRoute(app: FastifyInstance, view: RingView): void {
  app.get('/ingester/partition-ring', async (request, reply) => {
    if (!view.hasTable) {
      const words = 'this process needs no table of the ring: ask an ingester, distributor, querier or store-gateway';
      return sendJsonFailure(reply, new Failure('not_found', words));
    }
    const page = pageOf(view);
    if (!String(request.headers.accept ?? '').includes('text/html')) return page;
    return reply.type('text/html; charset=utf-8').send(htmlOf(page));
  });
}

function pageOf({ table: tableNow, peers, gateways, holdsLease, nowMs }: RingView): RingPage {
  const table = tableNow();
  const partitions = (table?.partitions ?? []).map(({ id, state, stateSinceMs, owners }) => ({
    partition: id,
    state,
    stateAgeSeconds: Math.max(0, Math.round((nowMs() - stateSinceMs) / 1000)),
    owners: owners.map((owner) => {
      const peer = peers()?.of(owner);
      const { instance, zone, address, incarnation, starts, completeFromMs } = owner;
      return {
        instance,
        zone,
        address,
        incarnation,
        starts,
        completeFrom: completeFromMs === 0 ? null : new Date(completeFromMs).toISOString(),
        answers: peer?.answers ?? null,
        knownEpoch: peer?.knownEpoch ?? null,
        holdsLease: holdsLease(instance) ?? null,
      };
    }),
  }));
  const storeGateways = (table?.gateways ?? []).map((gateway) => ({
    ...gateway,
    answers: gateways()?.of(gateway)?.answers ?? null,
    holdsLease: holdsLease(gateway.instance) ?? null,
  }));
  return {
    clusterId: table?.clusterId ?? null,
    epoch: table?.epoch ?? 0,
    replicationFactor: table?.replicationFactor ?? null,
    partitions,
    storeGateways,
  };
}

function htmlOf(page: RingPage): string {
  const rows = page.partitions.flatMap(({ partition, state, stateAgeSeconds, owners }) =>
    owners.map((owner) =>
      row('td', [
        partition,
        state,
        `${stateAgeSeconds} s`,
        owner.zone,
        owner.instance,
        owner.address,
        answerText(owner.answers),
        owner.knownEpoch ?? '',
        leaseText(owner.holdsLease),
        owner.completeFrom ?? 'always',
        `${owner.incarnation} (${owner.starts})`,
      ]),
    ),
  );
  const head = [
    'partition',
    'state',
    'since',
    'zone',
    'instance',
    'address',
    '',
    'knows epoch',
    'lease',
    'complete from',
    'disk',
  ];
  const gateways = page.storeGateways.map(({ zone, instance, address, answers, holdsLease }) =>
    row('td', [zone, instance, address, answerText(answers), leaseText(holdsLease)]),
  );
  const gatewayHead = row('th', ['zone', 'instance', 'address', '', 'lease']);
  const title = `Partition ring of ${page.clusterId ?? 'no cluster yet'}: epoch ${page.epoch}, replication factor ${page.replicationFactor ?? '-'}`;
  return (
    `<!doctype html><meta charset="utf-8"><title>${escaped(title)}</title><h1>${escaped(title)}</h1>` +
    `<h2>Ingesters</h2><table border="1">${row('th', head)}${rows.join('')}</table>` +
    `<h2>Store-gateways</h2><table border="1">${gatewayHead}${gateways.join('')}</table>`
  );
}

/** What this process knows; nothing where it has no link. */
const answerText = (answers: boolean | null): string =>
  answers === null ? '' : answers ? 'answers' : 'does not answer';
const leaseText = (holds: boolean | null): string => (holds === null ? '' : holds ? 'held' : 'ran out');

const row = (cell: string, values: readonly (string | number)[]): string =>
  `<tr>${values.map((value) => `<${cell}>${escaped(String(value))}</${cell}>`).join('')}</tr>`;

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
