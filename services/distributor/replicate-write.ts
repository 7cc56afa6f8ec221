/**
 * A write to the owners of its partitions: acknowledged when W of the RF owners of every partition have it durably.
 * Owns which row goes where, the numbers by which the distributor knows series (its own: they stand for a partition and each
 * owner's number), and what counts as stored. Comes from push.ts as an ingester; goes to the owners over libs/rpc, rows as columns.
 *
 * Surprising: when an owner that had missed new series is back, all numbers are forgotten at once (a new refEpoch), so that the
 * next write brings labels again. Known rows have no labels here, and an owner without a number for them could not be told.
 * And: an owner that has stored a write does not count where a table that anybody was heard to know by then says that its disk is gone. The others
 * bring what they held when they heard of that table to the bucket for it; what one of them stores later, it lacks.
 */
import { type PushOutcome, type RejectedSeries, SeriesForgotten } from '../../libs/contracts/ingester.ts';
import type { WriteBatch } from '../../libs/contracts/write-batch.ts';
import { Failure, toFailure } from '../../libs/errors/failure.ts';
import type { MetricMetadata } from '../../libs/model/metadata.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import { hashSeries, hashText, placeOf } from '../../libs/ring/place-series.ts';
import { type Owner, type Partition, type RingTable, stillHolds, writeQuorum } from '../../libs/ring/table.ts';
import { ByteSink } from '../../libs/std/byte-sink.ts';
import { untilAborted } from '../../libs/std/until-aborted.ts';
import type { PushReply } from '../../libs/wire/peer/push-message.ts';
import { type ChosenRows, encodePushRefs, encodePushRows, PushScratch } from '../../libs/wire/peer/push-message.ts';
import { SeriesPlaces } from './series-places.ts';
import { metadataByPartition, sortByPartition, WriteRoute } from './write-route.ts';

/** How long a write with new series waits for the owners beyond W; if one is later, the next write brings labels again. */
const lastOwnersMs = 250;
/** All numbers are forgotten for the sake of one owner at most so often; the pause doubles as it goes on. */
const forgetPauseMs = 1_000;
const forgetPauseMsMax = 60_000;
/** Tables that may come one after another while a write is under way. */
const tablesMax = 10;

/** An ingester that can be written to. */
export interface WritePeer {
  readonly client: { push(request: readonly Uint8Array[], timeoutMs: number): Promise<PushReply> };
  /** Whether it answered when it was last looked at. */
  readonly answers: boolean;
  /** Calls back whenever it is there again after it was not. */
  onReturn(listener: () => void): void;
}

export interface ReplicateDeps {
  /** The newest table that is known. */
  readonly table: () => RingTable | undefined;
  /** The newest epoch that anybody was heard to know. */
  readonly heardEpoch: () => number;
  /** Fetches newer tables. @throws Failure when nobody can be asked */
  readonly refresh: () => Promise<void>;
  readonly peerOf: (owner: Owner) => WritePeer | undefined;
  /** Partitions that a tenant is spread over; 0 is all. */
  readonly shardSizeOf: (tenant: TenantId) => number;
  readonly timeoutMs: number;
  /** Most bytes that go to an owner at once. */
  readonly requestBytesMax: number;
  /** Memory that what is remembered of series may take. */
  readonly seriesBytesMax: number;
  /** A monotonic clock. */
  readonly nowMs: () => number;
}

interface OwnerState {
  readonly peer: WritePeer;
  /** Epoch of all numbers of this owner that are remembered; 0 while none is. */
  refEpoch: number;
  /** Series are remembered that it has no number for: it was not there when they were new. */
  owes: boolean;
  forgetAtMs: number;
  pauseMs: number;
}

/** Rows of one partition on their way to its owners. */
interface Group {
  readonly partition: Partition;
  /** W: owners that must have it. */
  readonly quorum: number;
  readonly chosen: ChosenRows;
  /** Rows of the batch that came without a number, rising. */
  readonly newRows: Uint32Array;
  readonly sent: readonly Sent[];
}

interface Sent {
  readonly owner: OwnerState | undefined;
  /** As the table had it. */
  readonly place: Owner;
  reply: PushReply | undefined;
  failure: Failure | undefined;
  /** It would have it if it had come with labels. */
  wantsLabels: boolean;
  readonly settled: Promise<void>;
}

export class ReplicatedWrite {
  readonly #deps: ReplicateDeps;
  readonly #places: SeriesPlaces;
  readonly #owners = new Map<WritePeer, OwnerState>();
  readonly #scratch = new PushScratch();
  readonly #rowsSink = new ByteSink(1 << 16);
  readonly #refsSink = new ByteSink(1 << 12);
  #route: WriteRoute | undefined;
  #refEpoch = 1;
  #refreshing: Promise<void> | undefined;
  /** An owner that was found to lack numbers while a push is being sent. */
  #mustForgetFor: OwnerState | undefined;
  /** Partition of each row of the batch under way. */
  #placeOfRow = new Uint16Array(1024);
  /** Bytes of the labels that go to each partition with it, by its id. */
  #labelBytesOf = new Float64Array(0);
  #rows = new Uint32Array(1024);
  #refs = new Uint32Array(1024);

  constructor(deps: ReplicateDeps) {
    this.#deps = deps;
    this.#places = new SeriesPlaces(deps.seriesBytesMax);
  }

  refEpoch(): number {
    // A table that came meanwhile makes its own epoch.
    this.#routeNow();
    return this.#refEpoch;
  }

  /**
   * @throws Failure `unavailable` when fewer than W owners of a partition have it; SeriesForgotten when labels would help;
   * `too_large` for more than goes to an owner at once
   */
  async push(batch: WriteBatch): Promise<PushOutcome> {
    const refEpoch = this.#refEpoch;
    const groups = this.#send(batch);
    await this.#stored(groups, this.#routeNow().table);
    if (groups.some(({ newRows }) => newRows.length > 0)) await this.#lastOwners(groups);
    return this.#outcomeOf(batch, groups, refEpoch);
  }

  #routeNow(): WriteRoute {
    const table = this.#deps.table();
    if (this.#route !== undefined && this.#route.table === table) return this.#route;
    const route = new WriteRoute(table);
    this.#route = route;
    this.#forget();
    const { partitions } = route.table;
    const peers = new Set(partitions.flatMap(({ owners }) => owners.map((owner) => this.#deps.peerOf(owner))));
    for (const peer of this.#owners.keys()) if (!peers.has(peer)) this.#owners.delete(peer);
    return route;
  }

  /** What is known of series is void: the next writes bring labels. */
  #forget(): void {
    this.#places.clear();
    this.#refEpoch = (this.#refEpoch % 0xffffffff) + 1;
  }

  /** Everything of a push that reads the batch, in one turn. What is remembered of series stays as it is meanwhile. */
  #send(batch: WriteBatch): Group[] {
    this.#mustForgetFor = undefined;
    const groups = this.#sendGroups(batch);
    if (this.#mustForgetFor === undefined) return groups;
    // Too few have it already: the sender comes again, and must find labels asked for.
    const isRefused = groups.some(
      ({ sent, quorum }) => sent.filter(({ failure }) => failure === undefined).length < quorum,
    );
    if (isRefused) this.#forget();
    else this.#forgetFor(this.#mustForgetFor);
    return groups;
  }

  #sendGroups(batch: WriteBatch): Group[] {
    const route = this.#routeNow();
    const ids = route.idsOf(batch.tenant, this.#deps.shardSizeOf(batch.tenant));
    const begins = this.#sortRows(batch, route, ids);
    const metadata = metadataByPartition(batch, ids);
    this.#checkSizes(batch, metadata);
    const groups: Group[] = [];
    for (const { id } of route.table.partitions) {
      const rows = this.#rows.slice(begins[id] as number, begins[id + 1] as number);
      const entries = metadata.get(id) ?? [];
      if (rows.length > 0 || entries.length > 0) groups.push(this.#sendGroup(batch, route, id, rows, entries));
    }
    return groups;
  }

  /**
   * What would not fit is not even encoded: that takes as long, and as much memory, as sending it. Here counts what may be large, so
   * what passes may still be too large (peer-link.ts). @throws Failure `too_large`
   */
  #checkSizes(batch: WriteBatch, metadata: ReadonlyMap<number, readonly MetricMetadata[]>): void {
    const bytes = this.#labelBytesOf;
    const { histograms, exemplars } = batch;
    for (const { series, histogram: h } of histograms) {
      const numbers = h.positiveBuckets.length + h.negativeBuckets.length + h.customValues.length;
      bytes[this.#placeOfRow[series] as number] += 8 * numbers + 4 * (h.positiveSpans.length + h.negativeSpans.length);
    }
    for (const { series, labels } of exemplars) bytes[this.#placeOfRow[series] as number] += labels.length;
    for (const [id, entries] of metadata)
      for (const { metric, help } of entries) bytes[id] += metric.length + help.length;
    const { requestBytesMax } = this.#deps;
    const id = bytes.findIndex((count) => count > requestBytesMax);
    if (id === -1) return;
    throw new Failure(
      'too_large',
      `remote write: of this request ${bytes[id]} bytes and more are for partition ${id}, ${requestBytesMax} at most; send smaller requests`,
    );
  }

  /** Sorts the rows by partition into #rows. @returns where those of each begin, by its id */
  #sortRows(batch: WriteBatch, { idEnd }: WriteRoute, ids: readonly number[]): Uint32Array {
    const { seriesCount, refs, labelBytes, labelsBegin, labelsEnd } = batch;
    if (this.#placeOfRow.length < seriesCount) {
      this.#placeOfRow = new Uint16Array(seriesCount * 2);
      this.#refs = new Uint32Array(seriesCount * 2);
      this.#rows = new Uint32Array(seriesCount * 2);
    }
    const placeOfRow = this.#placeOfRow;
    const places = this.#places.of(batch.tenant);
    const tenantHash = hashText(batch.tenant);
    const view = new DataView(labelBytes.buffer, labelBytes.byteOffset, labelBytes.byteLength);
    const bytes = new Float64Array(idEnd);
    this.#labelBytesOf = bytes;
    for (let row = 0; row < seriesCount; row++) {
      const handle = refs[row] as number;
      let id: number;
      // A series that is known stays where it is, also when its tenant's subset has changed since.
      if (handle !== 0) id = places.partitionOf(handle);
      else {
        const begin = labelsBegin[row] as number;
        const end = labelsEnd[row] as number;
        id = ids.length === 1 ? (ids[0] as number) : placeOf(hashSeries(labelBytes, view, begin, end), tenantHash, ids);
        bytes[id] += end - begin;
      }
      placeOfRow[row] = id;
    }
    return sortByPartition(placeOfRow, seriesCount, idEnd, this.#rows);
  }

  #sendGroup(
    batch: WriteBatch,
    route: WriteRoute,
    id: number,
    rows: Uint32Array,
    metadata: readonly MetricMetadata[],
  ): Group {
    const partition = route.partitions.get(id) as Partition;
    const count = rows.length;
    let newCount = 0;
    for (let i = 0; i < count; i++) if (batch.refs[rows[i] as number] === 0) newCount++;
    const newRows = newCount === count ? rows : rows.filter((row) => batch.refs[row] === 0);
    const chosen = { rows, count };
    this.#rowsSink.reset();
    encodePushRows(batch, chosen, metadata, this.#scratch, this.#rowsSink);
    const sent = partition.owners.map((owner, column) => this.#sendTo(owner, column, batch, chosen, newCount));
    return { partition, quorum: writeQuorum(route.table.replicationFactor), chosen, newRows, sent };
  }

  #sendTo(owner: Owner, column: number, batch: WriteBatch, chosen: ChosenRows, newCount: number): Sent {
    const name = nameOf(owner);
    const peer = this.#deps.peerOf(owner);
    const state = peer === undefined ? undefined : this.#ownerState(peer);
    const failed = (text: string): Sent => {
      const failure = new Failure('unavailable', text, { retryAfterSeconds: 1 });
      return { owner: state, place: owner, reply: undefined, failure, wantsLabels: false, settled: Promise.resolve() };
    };
    if (state === undefined) return failed(`${name} is not connected`);
    if (!this.#gatherRefs(batch, chosen, column, newCount)) {
      // It is told of these series when it is back and all numbers are forgotten.
      state.owes = true;
      if (state.peer.answers) this.#mustForgetFor = state;
      return { ...failed(`${name} does not know some of the series yet`), wantsLabels: state.peer.answers };
    }
    const request = [this.#rowsSink.written()];
    if (newCount < chosen.count) {
      this.#refsSink.reset();
      encodePushRefs(this.#refs, chosen.count, state.refEpoch, this.#refsSink);
      request.push(this.#refsSink.written());
    }
    const sent: { -readonly [K in keyof Sent]: Sent[K] } = {
      owner: state,
      place: owner,
      reply: undefined,
      failure: undefined,
      wantsLabels: false,
      settled: Promise.resolve(),
    };
    sent.settled = state.peer.client.push(request, this.#deps.timeoutMs).then(
      (reply) => {
        if (reply.staleRefs) {
          const text = `${name} does not know the numbers of some series any more`;
          sent.failure = new Failure('unavailable', text, { retryAfterSeconds: 1 });
          sent.wantsLabels = true;
        } else if (sent.failure === undefined) sent.reply = reply;
        if (reply.staleRefs || (state.refEpoch !== 0 && state.refEpoch !== reply.refEpoch)) this.#forget();
        state.refEpoch = reply.refEpoch;
        if (state.owes) this.#forgetFor(state);
      },
      (error: unknown) => {
        sent.failure = toFailure(error);
      },
    );
    return sent;
  }

  /** The owner's numbers of the chosen rows; false where it has none for a row that comes without labels. */
  #gatherRefs(batch: WriteBatch, { rows, count }: ChosenRows, column: number, newCount: number): boolean {
    if (newCount === count) return true;
    const places = this.#places.of(batch.tenant);
    const refs = this.#refs;
    for (let i = 0; i < count; i++) {
      const handle = batch.refs[rows[i] as number] as number;
      const ref = handle === 0 ? 0 : places.refOf(handle, column);
      if (ref === 0 && handle !== 0) return false;
      refs[i] = ref;
    }
    return true;
  }

  #ownerState(peer: WritePeer): OwnerState {
    const known = this.#owners.get(peer);
    if (known !== undefined) return known;
    const state: OwnerState = { peer, refEpoch: 0, owes: false, forgetAtMs: 0, pauseMs: forgetPauseMs };
    this.#owners.set(peer, state);
    peer.onReturn(() => {
      if (state.owes) this.#forgetFor(state);
    });
    return state;
  }

  #forgetFor(state: OwnerState): void {
    const nowMs = this.#deps.nowMs();
    if (nowMs < state.forgetAtMs) return;
    if (nowMs > state.forgetAtMs + 4 * state.pauseMs) state.pauseMs = forgetPauseMs;
    state.forgetAtMs = nowMs + state.pauseMs;
    state.pauseMs = Math.min(forgetPauseMsMax, state.pauseMs * 2);
    state.owes = false;
    this.#forget();
  }

  /**
   * Resolves when W owners have each group and, by the newest table that anybody was heard to know, still do.
   * @param table by which they were sent @throws Failure
   */
  async #stored(groups: readonly Group[], table: RingTable): Promise<void> {
    let { epoch } = table;
    for (let tables = 0; tables < tablesMax; tables++) {
      await Promise.all(groups.map((group) => this.#quorumOf(group)));
      // A reply brings the epoch that its owner knew when it had stored the write.
      if (this.#newestEpoch() <= epoch) return;
      const newest = await this.#newestTable();
      for (const { partition, sent } of groups) {
        for (const one of sent) if (!stillHolds(newest, partition.id, one.place)) lose(one);
      }
      ({ epoch } = newest);
    }
    throw new Failure('unavailable', `the table of the ring changed ${tablesMax} times during a write`, {
      retryAfterSeconds: 1,
    });
  }

  #newestEpoch(): number {
    const { table, heardEpoch } = this.#deps;
    return Math.max(heardEpoch(), table()?.epoch ?? 0);
  }

  /** A table of the newest epoch that was heard of before. @throws Failure `unavailable` where it cannot be had in time */
  async #newestTable(): Promise<RingTable> {
    const { table, refresh, timeoutMs } = this.#deps;
    const epoch = this.#newestEpoch();
    const unknown = (cause?: unknown): Failure => {
      const text = `whether the owners still have a write cannot be said: epoch ${epoch} of the ring's table was heard of and could not be fetched`;
      return new Failure('unavailable', text, { retryAfterSeconds: 1, cause });
    };
    for (let tries = 0; tries < 2; tries++) {
      const now = table();
      if (now !== undefined && now.epoch >= epoch) return now;
      // One that others began may have begun before that epoch was heard of.
      this.#refreshing ??= refresh().finally(() => {
        this.#refreshing = undefined;
      });
      await untilAborted(this.#refreshing, AbortSignal.timeout(timeoutMs)).catch((cause: unknown) => {
        throw unknown(cause);
      });
    }
    const now = table();
    if (now !== undefined && now.epoch >= epoch) return now;
    throw unknown();
  }

  /** Resolves when W owners have the group. @throws Failure when so many cannot have it any more */
  #quorumOf(group: Group): Promise<void> {
    const { sent, partition, quorum } = group;
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const stored = sent.filter(({ reply }) => reply !== undefined).length;
        const failures = sent.filter(({ failure }) => failure !== undefined);
        if (stored >= quorum) resolve();
        else if (sent.length - failures.length < quorum) reject(notStored(partition, stored, quorum, failures));
      };
      look();
      for (const one of sent) void one.settled.then(look);
    });
  }

  /** Gives the owners beyond W that are there a moment, so that they know the new series as well. */
  async #lastOwners(groups: readonly Group[]): Promise<void> {
    const late = groups
      .filter(({ newRows }) => newRows.length > 0)
      .flatMap(({ sent }) => sent)
      .filter(({ reply, failure, owner }) => reply === undefined && failure === undefined && isThere(owner));
    if (late.length === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, lastOwnersMs);
    });
    await Promise.race([Promise.all(late.map(({ settled }) => settled)), enough]);
    clearTimeout(timer);
  }

  #outcomeOf(
    batch: { readonly tenant: TenantId; readonly seriesCount: number },
    groups: readonly Group[],
    refEpoch: number,
  ): PushOutcome {
    const refs = new Uint32Array(batch.seriesCount);
    const rejected: RejectedSeries[] = [];
    let exemplarsDropped = 0;
    const isCurrent = refEpoch === this.#refEpoch;
    for (const { partition, quorum, chosen, newRows, sent } of groups) {
      const replies = sent.map(({ reply }) => reply);
      const answered = replies.filter((reply) => reply !== undefined);
      exemplarsDropped += Math.max(0, ...answered.map((reply) => reply.exemplarsDropped));
      rejected.push(...rejectedBy(answered, chosen, quorum));
      // A number is only good while what it stands for is remembered.
      if (!isCurrent || newRows.length === 0) continue;
      // Who is there and was late gets the labels again: else one owner less would be one too few for these series.
      if (sent.some(({ reply, owner }) => reply === undefined && isThere(owner))) continue;
      for (const { reply, owner } of sent) if (reply === undefined && owner !== undefined) owner.owes = true;
      const places = this.#places.of(batch.tenant);
      for (let i = 0; i < newRows.length; i++) {
        if (!answered.every((reply) => reply.refs[i] !== undefined && reply.refs[i] !== 0)) continue;
        const handle = places.add(partition.id);
        for (let column = 0; column < replies.length; column++) {
          places.setRef(handle, column, replies[column]?.refs[i] ?? 0);
        }
        refs[newRows[i] as number] = handle;
      }
    }
    if (this.#places.isFull) this.#forget();
    return { refs, rejected, exemplarsDropped };
  }
}

const nameOf = ({ instance, zone }: Owner): string => `${instance} (zone ${zone})`;

/** What it has stored of a write, or will have, does not count. */
function lose(sent: Sent): void {
  const text = `${nameOf(sent.place)} has lost its disk meanwhile`;
  sent.failure = new Failure('unavailable', text, { retryAfterSeconds: 1 });
  sent.reply = undefined;
}

const isThere = (owner: OwnerState | undefined): boolean => owner?.peer.answers === true;

/** Rows that fewer than W owners stored: each owner names its own in the order of the rows it got. */
function rejectedBy(replies: readonly PushReply[], { rows }: ChosenRows, quorum: number): RejectedSeries[] {
  const times = new Map<number, number>();
  const rejected: RejectedSeries[] = [];
  for (const reply of replies) {
    for (const one of reply.rejected) {
      const count = (times.get(one.series) ?? 0) + 1;
      times.set(one.series, count);
      // The first time that so few are left that W cannot be.
      if (replies.length - count === quorum - 1) rejected.push({ ...one, series: rows[one.series] as number });
    }
  }
  return rejected;
}

function notStored(partition: Partition, stored: number, quorum: number, failures: readonly Sent[]): Failure {
  // It stays too large, however often it comes.
  const tooLarge = failures.find(({ failure }) => failure?.kind === 'too_large')?.failure;
  if (tooLarge !== undefined) {
    return new Failure('too_large', `remote write: ${tooLarge.message}; send smaller requests`, { cause: tooLarge });
  }
  const reasons = failures.map(({ failure }) => failure?.message).join('; ');
  const Kind = failures.some(({ wantsLabels }) => wantsLabels) ? SeriesForgotten : Failure;
  return new Kind(
    'unavailable',
    `partition ${partition.id}: ${stored} of the ${quorum} owners that must have a write have it: ${reasons}`,
    { retryAfterSeconds: 1 },
  );
}
