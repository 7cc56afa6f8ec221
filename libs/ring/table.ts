/**
 * The ring's table: which partitions there are, who owns them, and from when on an owner's data is complete. Pure: a table and a
 * wish make the next table, which is published by whoever wins the epoch (table-store.ts).
 * Owns every rule about joining, activating and leaving. Surprising: an owner that lost its disk stays an owner; only
 * what it says about the time before does not count.
 */
import { Failure } from '../errors/failure.ts';

export interface Owner {
  readonly instance: string;
  readonly zone: string;
  /** `host:port` of its gRPC listener. */
  readonly address: string;
  /** Of its data folder: another one is another disk. */
  readonly incarnation: string;
  /** Starts of the process on that folder: fewer than the table knows is an older copy of the disk. */
  readonly starts: number;
  /** It has every accepted sample from this time on; 0: from ever. */
  readonly completeFromMs: number;
  /** Where that is not 0: the epoch in which it came back without what it had. */
  readonly returnedIn?: number;
  /** All that it had received when it heard of that epoch is in indexed blocks that every reader has heard of. */
  readonly shippedIn?: number;
  /** It takes no writes any more, and all that it had is in indexed blocks that every reader has heard of. */
  readonly isDrained?: true;
}

/** pending: not written yet. active: written and read. inactive: only read, until it is empty. */
export type PartitionState = 'pending' | 'active' | 'inactive';

export interface Partition {
  readonly id: number;
  readonly state: PartitionState;
  readonly stateSinceMs: number;
  /** At most one in each zone; all of them once it is active. */
  readonly owners: readonly Owner[];
}

/** A process that reads blocks of the bucket for others. It holds nothing that another could not read. */
export interface Gateway {
  readonly instance: string;
  readonly zone: string;
  /** `host:port` of its gRPC listener. */
  readonly address: string;
}

/** The log of each ingester, or one that all of them follow. */
export type WriteLog = 'local' | 'kafka';

export interface RingTable {
  readonly version: 1;
  readonly clusterId: string;
  /** From 1, one more with each table. */
  readonly epoch: number;
  readonly replicationFactor: number;
  /** What makes writes durable (`ingest.log`); absent in tables of the release before until an ingester joins. */
  readonly log?: WriteLog;
  /** By rising id. */
  readonly partitions: readonly Partition[];
  /** By zone and name. */
  readonly gateways: readonly Gateway[];
}

/** Who wants to own the partition of its ordinal in its zone. */
export interface Candidate {
  readonly instance: string;
  readonly zone: string;
  readonly address: string;
  readonly incarnation: string;
  readonly starts: number;
  /** Its disk lacks something that it had accepted. */
  readonly hasHole: boolean;
  /** It comes with samples in its head. */
  readonly hasSamples: boolean;
  /** A sample of a later time can only have been received after now. */
  readonly completeFromMs: number;
}

export interface RingSettings {
  readonly clusterId: string;
  readonly replicationFactor: number;
  /** Undefined where it makes no difference to the process. */
  readonly log?: WriteLog | undefined;
}

/** Owners that must have a write durably. */
export function writeQuorum(replicationFactor: number): number {
  return Math.floor(replicationFactor / 2) + 1;
}

/** Owners that must answer a read: any so many have met any that took a write. */
export function readQuorum(replicationFactor: number): number {
  return replicationFactor - writeQuorum(replicationFactor) + 1;
}

/** The number at the end of an instance's name, which is its partition: `ingester-zone-a-2` has 2. */
export function ordinalOf(instance: string): number | undefined {
  const digits = /(?:^|[^0-9])(\d{1,4})$/.exec(instance)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/**
 * The table with the candidate in its place; the same table where it is there already.
 * @throws Failure `bad_data` where it cannot be: another cluster, replication factor or log, a place that is taken
 */
export function joined(
  before: RingTable | undefined,
  candidate: Candidate,
  settings: RingSettings,
  nowMs: number,
): RingTable {
  const table = withOwner(before, candidate, settings, nowMs);
  const { log } = settings;
  return table === before || table.log !== undefined || log === undefined ? table : { ...table, log };
}

function withOwner(
  table: RingTable | undefined,
  candidate: Candidate,
  settings: RingSettings,
  nowMs: number,
): RingTable {
  const id = ordinalOf(candidate.instance);
  if (id === undefined) {
    throw new Failure('bad_data', `cluster.instance ${JSON.stringify(candidate.instance)} does not end in a number`);
  }
  if (table === undefined) {
    checkBringsNothing(candidate, settings);
    return withPartition(emptyTable(settings), {
      id,
      state: 'pending',
      stateSinceMs: nowMs,
      owners: [ownerOf(candidate, 0)],
    });
  }
  checkSettings(table, settings);
  const partition = table.partitions.find((one) => one.id === id);
  if (partition === undefined) {
    checkBringsNothing(candidate, settings);
    return withPartition(table, { id, state: 'pending', stateSinceMs: nowMs, owners: [ownerOf(candidate, 0)] });
  }
  // Nothing was ever written to a pending partition, so nobody can lack anything of it.
  const isNew = partition.state === 'pending';
  if (isNew) checkBringsNothing(candidate, settings);
  const inZone = partition.owners.find((owner) => owner.zone === candidate.zone);
  if (inZone === undefined) {
    if (partition.owners.length >= table.replicationFactor) {
      const zones = partition.owners.map((owner) => owner.zone).join(', ');
      throw new Failure(
        'bad_data',
        `partition ${id} has its ${table.replicationFactor} owners, in the zones ${zones}: there is no place in zone ${JSON.stringify(candidate.zone)}`,
      );
    }
    const owner = isNew ? ownerOf(candidate, 0) : lackingOwner(table, candidate);
    return withPartition(table, { ...partition, owners: [...partition.owners, owner].sort(byZone) });
  }
  if (inZone.instance !== candidate.instance) {
    throw new Failure(
      'bad_data',
      `partition ${id} of zone ${JSON.stringify(candidate.zone)} belongs to ${JSON.stringify(inZone.instance)}, not to ${JSON.stringify(candidate.instance)}`,
    );
  }
  // A restart takes writes again.
  const { isDrained: _, ...known } = inZone;
  const { incarnation, starts, address } = inZone;
  // Published before, and the reply was lost.
  if (incarnation === candidate.incarnation && starts === candidate.starts && address === candidate.address)
    return table;
  const isWhole = incarnation === candidate.incarnation && candidate.starts > starts && !candidate.hasHole;
  const owner = isNew
    ? ownerOf(candidate, 0)
    : isWhole
      ? { ...known, ...ownerOf(candidate, inZone.completeFromMs) }
      : lackingOwner(table, candidate);
  const owners = partition.owners.map((one) => (one === inZone ? owner : one));
  return withPartition(table, { ...partition, owners });
}

/**
 * Samples of a data folder that was not of this partition are on one disk alone, and readers would believe any other owner.
 * @throws Failure `bad_data`
 */
function checkBringsNothing({ hasSamples, instance }: Candidate, { replicationFactor }: RingSettings): void {
  if (!hasSamples || replicationFactor === 1) return;
  throw new Failure(
    'bad_data',
    `the data folder of ${JSON.stringify(instance)} holds samples that the other ${replicationFactor - 1} owners of its partition do not have: drain it ` +
      'with the settings it was written with (POST /ingester/drain), then start with an empty one',
  );
}

function emptyTable({ clusterId, replicationFactor }: RingSettings): RingTable {
  return { version: 1, clusterId, replicationFactor, epoch: 0, partitions: [], gateways: [] };
}

/**
 * The table with a store-gateway in it, under its name; the same table where it is there already.
 * @throws Failure `bad_data` where the table is another cluster's
 */
export function withGateway(table: RingTable | undefined, gateway: Gateway, settings: RingSettings): RingTable {
  const before = table ?? emptyTable(settings);
  checkSettings(before, settings);
  const known = before.gateways.find((one) => isSame(one, gateway));
  if (known?.address === gateway.address) return before;
  const gateways = [...before.gateways.filter((one) => one !== known), gateway].sort(
    (a, b) => byZone(a, b) || (a.instance < b.instance ? -1 : 1),
  );
  return { ...before, epoch: before.epoch + 1, gateways };
}

/** The table without a store-gateway; the same table where it is not there. */
export function withoutGateway(table: RingTable, gateway: Pick<Gateway, 'instance' | 'zone'>): RingTable {
  const gateways = table.gateways.filter((one) => !isSame(one, gateway));
  return gateways.length === table.gateways.length ? table : { ...table, epoch: table.epoch + 1, gateways };
}

function isSame(a: Pick<Owner, 'instance' | 'zone'>, b: Pick<Owner, 'instance' | 'zone'>): boolean {
  return a.instance === b.instance && a.zone === b.zone;
}

/** @throws Failure `bad_data` where the table is of another cluster, or another replication factor or log is configured */
export function checkSettings(table: RingTable, settings: RingSettings): void {
  if (table.clusterId !== settings.clusterId) {
    throw new Failure(
      'bad_data',
      `the table in the bucket is of cluster ${JSON.stringify(table.clusterId)}, this process of ${JSON.stringify(settings.clusterId)} (cluster.id)`,
    );
  }
  if (table.replicationFactor !== settings.replicationFactor) {
    throw new Failure(
      'bad_data',
      `the cluster has replication factor ${table.replicationFactor}, cluster.replication-factor is ${settings.replicationFactor}`,
    );
  }
  // Writes would go where nobody reads them, or be acknowledged by who does not keep them.
  if (table.log !== undefined && settings.log !== undefined && table.log !== settings.log) {
    throw new Failure(
      'bad_data',
      `the ingesters of the cluster have ingest.log=${table.log}, this process has ingest.log=${settings.log}`,
    );
  }
}

/**
 * The table with every partition active that may be; the same table where none may.
 * A pending partition may once all its owners are there, and so many owners of every other one know of it that every read meets
 * one of them: whoever reads learns of it before a sample can only be found there.
 * @param knownEpoch the epoch that an owner is known to know, 0 if nothing is
 * @param asked owners of each partition that a read asks
 */
export function activated(
  table: RingTable,
  knownEpoch: (owner: Owner) => number,
  asked: number,
  nowMs: number,
): RingTable {
  const needed = table.replicationFactor - asked + 1;
  const isKnown = table.partitions.every(
    ({ state, owners }) =>
      state === 'pending' || owners.filter((owner) => knownEpoch(owner) >= table.epoch).length >= needed,
  );
  if (!isKnown) return table;
  let changed = false;
  const partitions = table.partitions.map((partition): Partition => {
    const { state, owners } = partition;
    if (state !== 'pending' || owners.length < table.replicationFactor) return partition;
    // Its own owners know too, else they would not know that they may be asked.
    if (owners.some((owner) => knownEpoch(owner) < table.epoch)) return partition;
    changed = true;
    return { ...partition, state: 'active', stateSinceMs: nowMs };
  });
  return changed ? { ...table, epoch: table.epoch + 1, partitions } : table;
}

/**
 * The table in which a partition takes no writes any more; the same table where that is so already. One that was never written is gone at once.
 * @throws Failure `bad_data` where writes would have nowhere to go, `not_found` where there is no such partition
 */
export function deactivated(table: RingTable, id: number, nowMs: number): RingTable {
  const partition = table.partitions.find((one) => one.id === id);
  if (partition === undefined) throw new Failure('not_found', `the ring has no partition ${id}`);
  if (partition.state === 'inactive') return table;
  if (partition.state === 'pending') return withoutPartition(table, id);
  if (!table.partitions.some((one) => one.state === 'active' && one.id !== id)) {
    throw new Failure('bad_data', `partition ${id} is the only active one: writes would have nowhere to go`);
  }
  return withPartition(table, { ...partition, state: 'inactive', stateSinceMs: nowMs });
}

/**
 * The table in which an owner of an inactive partition is drained; without the partition when that is so of all of them, and enough of them
 * never lost anything: each write that was acknowledged is in a block then. The same table where nothing changes.
 */
export function drained(table: RingTable, { instance, zone }: Pick<Owner, 'instance' | 'zone'>): RingTable {
  const partition = table.partitions.find(({ owners }) => owners.some((one) => isSame(one, { instance, zone })));
  if (partition?.state !== 'inactive') return table;
  const owners = partition.owners.map(
    (one): Owner => (isSame(one, { instance, zone }) ? { ...one, isDrained: true } : one),
  );
  if (keepsPartition(owners, table.replicationFactor) === undefined) return withoutPartition(table, partition.id);
  if (partition.owners.every((one, i) => one.isDrained === owners[i]?.isDrained)) return table;
  return withPartition(table, { ...partition, owners });
}

/** Why an inactive partition may not leave the table yet, in a sentence; undefined where it may. */
export function keepsPartition(owners: readonly Owner[], replicationFactor: number): string | undefined {
  const waiting = owners.filter(({ isDrained }) => isDrained !== true);
  if (waiting.length > 0) {
    return `not drained yet: ${waiting.map(({ instance, zone }) => `${instance} (zone ${zone})`).join(', ')}`;
  }
  const whole = owners.filter(({ completeFromMs }) => completeFromMs === 0).length;
  const needed = readQuorum(replicationFactor);
  return whole >= needed
    ? undefined
    : `${whole} of the ${needed} owners that must have lost nothing have: without the partition what is missing would be missed silently`;
}

function withoutPartition(table: RingTable, id: number): RingTable {
  return { ...table, epoch: table.epoch + 1, partitions: table.partitions.filter((one) => one.id !== id) };
}

function ownerOf(candidate: Candidate, completeFromMs: number): Owner {
  const { instance, zone, address, incarnation, starts } = candidate;
  return { instance, zone, address, incarnation, starts, completeFromMs };
}

function lackingOwner(table: RingTable, candidate: Candidate): Owner {
  return { ...ownerOf(candidate, candidate.completeFromMs), returnedIn: table.epoch + 1 };
}

/**
 * Whether an owner has to bring what it holds to the bucket, so that another one of its partition which has lost its disk is whole again.
 * Whatever was acknowledged with the help of the lost disk it had before it heard of the return: a write that is stored later does not count that
 * disk (stillHolds).
 */
export function mustShip(table: RingTable, own: Pick<Owner, 'instance' | 'zone'>): boolean {
  const owners = table.partitions.find((one) => one.owners.some((owner) => isSame(owner, own)))?.owners ?? [];
  const owner = owners.find((one) => isSame(one, own));
  const whole = owners.filter(({ completeFromMs }) => completeFromMs === 0).length;
  // With too few that are whole it may be that nobody knows all of it.
  if (owner?.completeFromMs !== 0 || whole < readQuorum(table.replicationFactor)) return false;
  return owners.some(
    ({ completeFromMs, returnedIn = 0 }) => completeFromMs !== 0 && returnedIn > (owner.shippedIn ?? 0),
  );
}

/**
 * The table in which an owner has brought all that it held when it heard of an epoch to the bucket. One that had come back without its disk
 * before that is whole again when so many whole ones have that together they knew every acknowledged write.
 */
export function shipped(table: RingTable, own: Pick<Owner, 'instance' | 'zone'>, epoch: number): RingTable {
  const partition = table.partitions.find(({ owners }) => owners.some((one) => isSame(one, own)));
  const before = partition?.owners.find((one) => isSame(one, own));
  if (partition === undefined || before === undefined || (before.shippedIn ?? 0) >= epoch) return table;
  const told = partition.owners.map((one): Owner => (one === before ? { ...one, shippedIn: epoch } : one));
  const owners = told.map((one): Owner => {
    const { returnedIn, ...rest } = one;
    if (one.completeFromMs === 0 || returnedIn === undefined) return one;
    const knowing = told.filter((other) => other.completeFromMs === 0 && (other.shippedIn ?? 0) >= returnedIn);
    return knowing.length >= readQuorum(table.replicationFactor) ? { ...rest, completeFromMs: 0 } : one;
  });
  return withPartition(table, { ...partition, owners });
}

/**
 * Whether what an owner stored when it was as `before` is, by this later table, where a read looks for it: on the same disk, which has lost nothing
 * since. Of a partition that has left the table all is in blocks.
 */
export function stillHolds(table: RingTable, id: number, before: Owner): boolean {
  const partition = table.partitions.find((one) => one.id === id);
  if (partition === undefined) return true;
  const now = partition.owners.find((one) => isSame(one, before));
  if (now?.incarnation !== before.incarnation) return false;
  return (
    now.completeFromMs === 0 || (now.completeFromMs === before.completeFromMs && now.returnedIn === before.returnedIn)
  );
}

/**
 * The table in which the owners of a partition count as whole, whatever they have lost; the same table where they do.
 * @throws Failure `not_found` where there is no such partition
 */
export function waived(table: RingTable, id: number): RingTable {
  const partition = table.partitions.find((one) => one.id === id);
  if (partition === undefined) throw new Failure('not_found', `the ring has no partition ${id}`);
  if (partition.owners.every(({ completeFromMs }) => completeFromMs === 0)) return table;
  const owners = partition.owners.map(({ returnedIn: _, ...owner }): Owner => ({ ...owner, completeFromMs: 0 }));
  return withPartition(table, { ...partition, owners });
}

function withPartition(table: RingTable, partition: Partition): RingTable {
  const others = table.partitions.filter(({ id }) => id !== partition.id);
  const partitions = [...others, partition].sort((a, b) => a.id - b.id);
  return { ...table, epoch: table.epoch + 1, partitions };
}

function byZone(a: { readonly zone: string }, b: { readonly zone: string }): number {
  return a.zone < b.zone ? -1 : a.zone > b.zone ? 1 : 0;
}

export function encodeTable(table: RingTable): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(table, undefined, 1));
}

/** @throws Failure `bad_data` when the bytes are no table of a version that this release knows */
export function decodeTable(bytes: Uint8Array): RingTable {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new Failure('bad_data', 'the table of the ring is no JSON', { cause });
  }
  if (!isTable(value)) throw new Failure('bad_data', 'the table of the ring is not one that this release can read');
  // Tables of the release before have none.
  return { ...value, gateways: value.gateways ?? [] };
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === 'string';
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

type StoredTable = Omit<RingTable, 'gateways'> & Partial<Pick<RingTable, 'gateways'>>;

function isTable(value: unknown): value is StoredTable {
  if (!isRecord(value) || value['version'] !== 1 || !isText(value['clusterId'])) return false;
  const { epoch, replicationFactor, log, partitions, gateways } = value;
  if (log !== undefined && log !== 'local' && log !== 'kafka') return false;
  if (gateways !== undefined && !(Array.isArray(gateways) && gateways.every(isGateway))) return false;
  if (!isCount(epoch) || epoch < 1 || !isCount(replicationFactor) || replicationFactor < 1) return false;
  return Array.isArray(partitions) && partitions.every((one) => isPartition(one, replicationFactor));
}

function isGateway(value: unknown): boolean {
  return isRecord(value) && ['instance', 'zone', 'address'].every((name) => isText(value[name]));
}

function isPartition(value: unknown, replicationFactor: number): boolean {
  if (!isRecord(value) || !isCount(value['id']) || !isCount(value['stateSinceMs'])) return false;
  const { state, owners } = value;
  if (state !== 'pending' && state !== 'active' && state !== 'inactive') return false;
  if (!Array.isArray(owners) || owners.length === 0 || owners.length > replicationFactor) return false;
  return owners.every(
    (owner) =>
      isRecord(owner) &&
      ['instance', 'zone', 'address', 'incarnation'].every((name) => isText(owner[name])) &&
      isCount(owner['starts']) &&
      isCount(owner['completeFromMs']),
  );
}
