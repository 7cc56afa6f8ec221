/**
 * The recent samples of one tenant from the ingesters of all partitions: so many owners of each that every acknowledged write is
 * met (R), merged; where writes go through a log, one that has applied what is in it. An answer is complete or an error that names what is missing.
 * Owns who is asked, in which order, and whose answer counts. Does not own the links (libs/rpc) nor the merging (libs/series).
 * Surprising: when an owner that was asked knows a newer table, everything is asked again by that table: a write may have gone to
 * a partition that this reader did not know.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  HeadStatus,
  OwnerMark,
  RecentRead,
  RecentSource,
  TimeSpan,
  WriteMarksOf,
} from '../../libs/contracts/ingester.ts';
import { Failure } from '../../libs/errors/failure.ts';
import { compareLabels, compareUtf8, type Labels } from '../../libs/model/labels.ts';
import type { MetricMetadata } from '../../libs/model/metadata.ts';
import { type Owner, type Partition, type RingTable, readQuorum } from '../../libs/ring/table.ts';
import { type HeldListed, heldList, mergeHeld } from '../../libs/series/held-lists.ts';
import { mergeSelections } from '../../libs/series/merge-sources.ts';
import type {
  ChunkBatch,
  ExemplarSeries,
  LabelQuery,
  Listed,
  SelectedSeries,
  SelectQuery,
  SeriesSource,
  TableMemory,
} from '../../libs/series/series-source.ts';
import { TakenMemory } from '../../libs/series/taken-memory.ts';
import { isOfMemory, isOfOwner, type LogFreshness } from './log-freshness.ts';
import { mergeExemplars, mergeMetadata, mergeStatuses } from './merge-lists.ts';

/** An owner that has not answered within this is not waited for alone: the next one is asked too. */
const patienceMs = 400;
/** Bytes of chunks that are there before an owner's answer counts: one that is lost while it is read is replaced until then. */
const aheadBytes = 4 << 20;
/** So long an owner is waited for that is to say whether anything changed: evaluating anew waits as well. */
const catchUpMs = 2_000;
/** Tables that may come one after another while a read is under way. */
const repeatsMax = 5;
/** Owners of a partition that is just beginning are waited for, so long and so often asked again. */
const beginningMs = 5_000;
const beginningPauseMs = 50;
/** Of what has no time nobody lacks anything, and nothing lies in blocks. */
const noTime: TimeSpan = { minT: Number.POSITIVE_INFINITY, maxT: Number.POSITIVE_INFINITY };

/** An ingester that can be read. */
export interface ReadPeer {
  /** One that does not answer is asked last. */
  answers: boolean;
  /** All it has that was accepted and is older is in blocks that every reader has heard of, and nothing so old is accepted any more; 0: it is not known. */
  readonly durableBeforeMs: number;
  source(): SeriesSource;
  headStatus(countMax: number, signal: AbortSignal): Promise<HeadStatus>;
  /** Where writes go through a log: everything below the answer is applied. */
  applied(offset: number, timeoutMs: number, signal: AbortSignal): Promise<number>;
  /** The numbers of its last writes; what is read afterwards has them. */
  writeMarks(spans: readonly TimeSpan[], signal: AbortSignal): Promise<WriteMarksOf>;
}

/** Who is read, as what. */
interface ReadPlace {
  readonly partition: number;
  readonly owner: string;
}

/** Reads one owner; its label table is counted in `memory`. */
type ReadOne<T> = (peer: ReadPeer, signal: AbortSignal, place: ReadPlace, memory: TableMemory) => Promise<T>;
type ReadOwner<T> = (owner: Owner, partition: number, memory: TableMemory) => Promise<T>;

export interface QuorumSourceDeps {
  readonly table: () => RingTable | undefined;
  /** The newest epoch that anybody was heard to know. */
  readonly heardEpoch: () => number;
  /** Fetches newer tables. */
  readonly refresh: () => Promise<void>;
  readonly peerOf: (owner: Owner) => ReadPeer | undefined;
  /** Zone of this process: its owners are asked first. */
  readonly zone: string;
  /** Of the read that this source is for, where writes go through a log. */
  readonly freshness: LogFreshness | undefined;
  /** Is told what each select rests on. */
  readonly onRead: ((read: RecentRead) => void) | undefined;
}

export class QuorumSource implements RecentSource {
  /** Replicas cut blocks of their own: none answers for the block of another, and what is read twice is merged. */
  readonly blocks: readonly string[] = [];
  /** Where one answer is the whole: several are joined by all their labels. */
  readonly selectProjected: SeriesSource['selectProjected'];
  readonly #deps: QuorumSourceDeps;

  constructor(deps: QuorumSourceDeps) {
    this.#deps = deps;
    const table = deps.table();
    const wanted = table === undefined ? [] : wantedPartitions(table, this.#asked(table));
    const isOne = wanted.length === 1 && wanted[0].needed === 1;
    this.selectProjected = isOne ? (query, names, signal) => this.#projected(query, names, signal) : undefined;
  }

  async select(query: SelectQuery, signal: AbortSignal): Promise<SelectedSeries> {
    const answers = await this.#select(query, signal, (source, own, stop) => source.select(own, stop));
    return mergeSelections(answers, signal);
  }

  async #projected(query: SelectQuery, names: readonly string[], signal: AbortSignal): Promise<SelectedSeries> {
    const memory = new TakenMemory(query.memory);
    const answers = await this.#select(
      { ...query, memory },
      signal,
      (source, own, stop) => source.selectProjected?.(own, names, stop) ?? source.select(own, stop),
    );
    if (answers.length <= 1) return mergeSelections(answers, signal);
    // The table has changed meanwhile.
    memory.release();
    return this.select(query, signal);
  }

  async #select(
    query: SelectQuery,
    signal: AbortSignal,
    select: (source: SeriesSource, own: SelectQuery, stop: AbortSignal) => Promise<SelectedSeries>,
  ): Promise<readonly SelectedSeries[]> {
    const { onRead } = this.#deps;
    const selectFrom = (peer: ReadPeer, stop: AbortSignal, memory: TableMemory): Promise<SelectedSeries> =>
      withFirst(select(peer.source(), { ...query, memory }, stop), stop);
    if (onRead === undefined) {
      return this.#all(query, signal, (peer, stop, _, memory) => selectFrom(peer, stop, memory), query.memory);
    }
    const { minT, maxT } = query;
    const read = async (peer: ReadPeer, stop: AbortSignal, place: ReadPlace, memory: TableMemory) => {
      // Asked first, so that a write that is not in the answer changes the mark.
      const marking = peer.writeMarks([{ minT, maxT }], stop);
      const selecting = selectFrom(peer, stop, memory);
      const [{ run, writes }, selection] = await Promise.all([marking, selecting]);
      const mark: OwnerMark = { ...place, run, write: writes[0] ?? 0 };
      return { ...selection, mark };
    };
    const answers = await this.#all(query, signal, read, query.memory);
    onRead({ minT, maxT, marks: answers.map(({ mark }) => mark) });
    return answers;
  }

  /**
   * Whether nothing was accepted since that could change what these reads found: of every partition there is now, so many owners
   * as a read needs still have the marks they had; where writes go through a log, the one that answered, when it has applied all that the
   * log holds by now.
   */
  async isUnchanged(reads: readonly RecentRead[], signal: AbortSignal): Promise<boolean> {
    const { table: tableNow, heardEpoch, peerOf, freshness } = this.#deps;
    const table = tableNow();
    if (table === undefined || reads.length === 0) return false;
    const wanted = wantedPartitions(table, this.#asked(table));
    const owners = new Map(table.partitions.flatMap((one) => one.owners).map((owner) => [keyOf(owner), owner]));
    const marksNow = new Map<string, Promise<WriteMarksOf | undefined>>();
    const askPeer = async (peer: ReadPeer, partition: number): Promise<WriteMarksOf | undefined> => {
      if (freshness !== undefined) {
        const end = await freshness.endOf(partition);
        if ((await peer.applied(end, catchUpMs, signal)) < end) return undefined;
      }
      return await peer.writeMarks(reads, signal);
    };
    const ask = (key: string, partition: number): Promise<WriteMarksOf | undefined> => {
      const owner = owners.get(key);
      const peer = owner === undefined ? undefined : peerOf(owner);
      // Who cannot be asked has not said that nothing changed; one that is frozen would be waited for.
      if (peer?.answers !== true) return Promise.resolve(undefined);
      return askPeer(peer, partition).catch(() => undefined);
    };
    for (const { owner, partition } of reads.flatMap(({ marks }) => marks)) {
      if (!marksNow.has(owner)) marksNow.set(owner, ask(owner, partition));
    }
    for (const [index, { marks }] of reads.entries()) {
      for (const { partition, needed } of wanted) {
        let same = 0;
        for (const { owner, run, write } of marks.filter((mark) => mark.partition === partition.id)) {
          const now = await marksNow.get(owner);
          if (now === undefined) continue;
          if (now.run !== run || now.writes[index] !== write) return false;
          same++;
        }
        if (same < needed) return false;
      }
    }
    // A write may have gone to a partition that is not known here.
    return heardEpoch() <= table.epoch;
  }

  async labelNames(query: LabelQuery, signal: AbortSignal): Promise<Listed<string>> {
    const lists = await this.#held(query, signal, (source, own, stop) => source.labelNames(own, stop));
    return mergeHeld(lists, compareUtf8, query, signal);
  }

  async labelValues(name: string, query: LabelQuery, signal: AbortSignal): Promise<Listed<string>> {
    const lists = await this.#held(query, signal, (source, own, stop) => source.labelValues(name, own, stop));
    return mergeHeld(lists, compareUtf8, query, signal);
  }

  async series(query: LabelQuery, signal: AbortSignal): Promise<Listed<Labels>> {
    const lists = await this.#held(query, signal, (source, own, stop) => source.series(own, stop));
    return mergeHeld(lists, compareLabels, query, signal);
  }

  async exemplars(query: LabelQuery, signal: AbortSignal): Promise<Listed<ExemplarSeries>> {
    // They are in no block, however old they are.
    const span = { minT: query.minT, maxT: Number.POSITIVE_INFINITY };
    return mergeExemplars(await this.#all(span, signal, (peer, stop) => peer.source().exemplars(query, stop)));
  }

  async metadata(metric: string | undefined, limit: number, limitPerMetric: number): Promise<Listed<MetricMetadata>> {
    // What is said of a metric has no time: who has it, has it.
    const lists = await this.#all(noTime, new AbortController().signal, (peer) =>
      peer.source().metadata(metric, limit, limitPerMetric),
    );
    return mergeMetadata(lists, limit, limitPerMetric);
  }

  /** What the heads hold, of each partition the fullest replica. A value that several partitions have is counted in one. */
  async headStatus(countMax: number, signal: AbortSignal): Promise<HeadStatus> {
    // Statistics have no warnings: they are as old as what was applied.
    const read = async (peer: ReadPeer, stop: AbortSignal) => ({
      status: await peer.headStatus(countMax, stop),
      warnings: [],
    });
    const statuses = await this.#ask<{ status: HeadStatus } & Warned>(noTime, signal, read);
    return mergeStatuses(
      statuses.map((replicas) => replicas.map(({ status }) => status)),
      countMax,
    );
  }

  /** Owners of a partition that must answer: those who follow a log know all of it, each of them. */
  #asked({ replicationFactor }: RingTable): number {
    return this.#deps.freshness === undefined ? readQuorum(replicationFactor) : 1;
  }

  /** Lists of all who are asked, with what is counted of each. */
  #held<T>(
    query: LabelQuery,
    signal: AbortSignal,
    ask: (source: SeriesSource, query: LabelQuery, stop: AbortSignal) => Promise<Listed<T>>,
  ): Promise<readonly HeldListed<T>[]> {
    const read = (peer: ReadPeer, stop: AbortSignal) =>
      heldList(query.memory, (memory) => ask(peer.source(), { ...query, memory }, stop));
    return this.#all(query, signal, read);
  }

  /** The answers of #ask in one list. */
  async #all<T extends Warned>(
    span: TimeSpan,
    signal: AbortSignal,
    read: ReadOne<T>,
    memory?: TableMemory,
  ): Promise<readonly T[]> {
    return (await this.#ask(span, signal, read, memory)).flat();
  }

  /**
   * By partition, answers of so many owners of every partition that together they know every sample of the time.
   * @param memory where the label tables of these answers are counted, and of no others
   */
  async #ask<T extends Warned>(
    span: TimeSpan,
    signal: AbortSignal,
    read: ReadOne<T>,
    memory?: TableMemory,
  ): Promise<readonly (readonly T[])[]> {
    const { table: tableNow, heardEpoch, refresh } = this.#deps;
    const { minT, maxT } = span;
    for (let repeat = 0; ; repeat++) {
      const table = tableNow();
      if (table === undefined) throw unavailable('the table of the ring is not known yet');
      const leftovers = new AbortController();
      const stop = AbortSignal.any([signal, leftovers.signal]);
      const held = new TakenMemory(memory);
      const readFrom: ReadOwner<T> = (owner, partition, own) => {
        const peer = this.#deps.peerOf(owner);
        if (peer === undefined) return Promise.reject(unavailable(`${nameOf(owner)} is not connected`));
        return read(peer, stop, { partition, owner: keyOf(owner) }, own);
      };
      let answers: (readonly T[])[];
      try {
        answers = await Promise.all(
          wantedPartitions(table, this.#asked(table)).map((wanted) =>
            this.#unlessDurable(wanted, maxT, () =>
              this.#onceBegun(wanted, table, stop, () => this.#askWanted(wanted, minT, readFrom, held, stop)),
            ),
          ),
        );
      } catch (error) {
        leftovers.abort(error);
        held.release();
        if (heardEpoch() <= table.epoch || repeat >= repeatsMax) throw error;
        await refresh();
        continue;
      }
      if (heardEpoch() <= table.epoch) return answers;
      leftovers.abort();
      held.release();
      if (repeat >= repeatsMax) throw unavailable(`the table of the ring changed ${repeatsMax} times during a read`);
      await refresh();
    }
  }

  #askWanted<T extends Warned>(
    { partition, needed }: Wanted,
    minT: number,
    readFrom: ReadOwner<T>,
    memory: TableMemory,
    signal: AbortSignal,
  ): Promise<T[]> {
    const { freshness } = this.#deps;
    return freshness === undefined
      ? this.#askPartition(partition, needed, minT, readFrom, memory, signal)
      : this.#askFollower(partition, freshness, readFrom, memory, signal);
  }

  /** Where owners do not answer and everything so old is in blocks, nothing is missing without them. */
  async #unlessDurable<T>(
    { partition, needed }: Wanted,
    maxT: number,
    ask: () => Promise<readonly T[]>,
  ): Promise<readonly T[]> {
    const peers = partition.owners.map((owner) => ({ owner, peer: this.#deps.peerOf(owner) }));
    const floors = peers.map(({ owner, peer }) => (owner.completeFromMs === 0 ? (peer?.durableBeforeMs ?? 0) : 0));
    const floor = floors.sort((a, b) => b - a)[needed - 1] ?? 0;
    if (maxT >= floor) return await ask();
    if (peers.filter(({ peer }) => peer?.answers === true).length < needed) return [];
    try {
      return await ask();
    } catch (error) {
      if (error instanceof Failure && isOfOwner(error)) return [];
      throw error;
    }
  }

  /** Owners of a pending partition may be in the table an instant before they answer. */
  async #onceBegun<T>({ partition }: Wanted, table: RingTable, signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
    const deadlineMs = performance.now() + beginningMs;
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        const mayBegin = partition.state === 'pending' && error instanceof Failure && isOfOwner(error);
        const isOver = signal.aborted || performance.now() > deadlineMs || this.#deps.heardEpoch() > table.epoch;
        if (!mayBegin || isOver) throw error;
      }
      await sleep(beginningPauseMs);
    }
  }

  /** The answer of one owner that has followed the log far enough, with a warning where none has. */
  async #askFollower<T extends Warned>(
    partition: Partition,
    freshness: LogFreshness,
    readFrom: ReadOwner<T>,
    memory: TableMemory,
    signal: AbortSignal,
  ): Promise<T[]> {
    const reads: { readonly own: TakenMemory; answer: T | undefined }[] = [];
    const owners = this.#inOrder(partition.owners).map((owner) => ({
      name: nameOf(owner),
      applied: async (offset: number, timeoutMs: number): Promise<number> => {
        const peer = this.#deps.peerOf(owner);
        if (peer === undefined) throw unavailable(`${nameOf(owner)} is not connected`);
        return await peer.applied(offset, timeoutMs, signal);
      },
      read: async () => {
        const read: (typeof reads)[number] = { own: new TakenMemory(memory), answer: undefined };
        reads.push(read);
        try {
          read.answer = await readFrom(owner, partition.id, read.own);
        } catch (error) {
          read.own.release();
          throw error;
        }
        return read.answer;
      },
    }));
    const { answer, warning } = await freshness.ask(partition.id, owners).catch((error: unknown) => {
      for (const { own } of reads) own.release();
      throw error;
    });
    for (const read of reads) if (read.answer !== answer) read.own.release();
    return [warning === undefined ? answer : { ...answer, warnings: [...answer.warnings, warning] }];
  }

  #askPartition<T>(
    partition: Partition,
    needed: number,
    minT: number,
    readFrom: ReadOwner<T>,
    memory: TableMemory,
    signal: AbortSignal,
  ): Promise<T[]> {
    const isComplete = ({ completeFromMs }: Owner): boolean => completeFromMs === 0 || completeFromMs <= minT;
    const owners = this.#inOrder(partition.owners.filter(isComplete));
    const incomplete = partition.owners.filter((owner) => !isComplete(owner));
    return new Promise((resolve, reject) => {
      const answers: T[] = [];
      const failures: string[] = incomplete.map(
        (owner) => `${nameOf(owner)} lacks what came before ${new Date(owner.completeFromMs).toISOString()}`,
      );
      let next = 0;
      /** Asked and not heard of yet. */
      let asked = 0;
      /** What each that was asked has taken. */
      const taken: TakenMemory[] = [];
      const heard: TakenMemory[] = [];
      let patience: NodeJS.Timeout | undefined;
      let over = false;
      const end = (settle: () => void, kept: readonly TakenMemory[] = []): void => {
        over = true;
        clearTimeout(patience);
        for (const own of taken) if (!kept.includes(own)) own.release();
        settle();
      };
      const fail = (): void => {
        const text = `partition ${partition.id}: ${answers.length} of the ${needed} owners that must answer a read did`;
        end(() => reject(unavailable(`${text}: ${failures.join('; ')}`)));
      };
      const askNext = (): void => {
        const owner = owners[next];
        if (owner === undefined) return;
        next++;
        asked++;
        const own = new TakenMemory(memory);
        taken.push(own);
        readFrom(owner, partition.id, own).then(
          (answer) => {
            asked--;
            if (over) return;
            answers.push(answer);
            heard.push(own);
            if (answers.length >= needed) end(() => resolve(answers), heard);
          },
          (error: unknown) => {
            asked--;
            own.release();
            if (over) return;
            // Its table was one too many; without it there is room for those that are still coming.
            if (!signal.aborted && isOfMemory(error) && answers.length + asked >= needed) return;
            if (signal.aborted || (error instanceof Failure && !isOfOwner(error))) {
              end(() => reject(error));
              return;
            }
            failures.push(error instanceof Error ? error.message : String(error));
            if (next < owners.length) askNext();
            else if (answers.length + asked < needed) fail();
          },
        );
      };
      const wait = (): void => {
        patience = setTimeout(() => {
          const before = next;
          askNext();
          if (next > before) wait();
        }, patienceMs);
      };
      if (owners.length < needed) {
        fail();
        return;
      }
      for (let i = 0; i < needed; i++) askNext();
      wait();
    });
  }

  /** Who answers before who does not, the own zone before the others. */
  #inOrder(owners: readonly Owner[]): readonly Owner[] {
    const cost = (owner: Owner): number =>
      (this.#deps.peerOf(owner)?.answers === true ? 0 : 2) + (owner.zone === this.#deps.zone ? 0 : 1);
    return [...owners].sort((a, b) => cost(a) - cost(b));
  }
}

/** A selection whose first chunks are there; most have no more. */
async function withFirst(selecting: Promise<SelectedSeries>, signal: AbortSignal): Promise<SelectedSeries> {
  const selected = await selecting;
  const batches = selected.chunks(signal)[Symbol.asyncIterator]();
  const first: ChunkBatch[] = [];
  let isEnd = false;
  for (let bytes = 0; bytes < aheadBytes && !isEnd; ) {
    const { done, value } = await batches.next();
    if (done === true) isEnd = true;
    else {
      first.push(value);
      bytes += value.bytes.length;
    }
  }
  async function* chunks(): AsyncGenerator<ChunkBatch> {
    try {
      for (let batch = first.shift(); batch !== undefined; batch = first.shift()) yield batch;
      while (!isEnd) {
        const { done, value } = await batches.next();
        if (done === true) return;
        yield value;
      }
    } finally {
      await batches.return?.();
    }
  }
  // Not its parts, nor where it lies: the first chunks were taken from it.
  const { labels, warnings, costs } = selected;
  return { labels, warnings, chunks, ...(costs === undefined ? {} : { costs: () => costs.call(selected) }) };
}

/** What every answer has: an answer of one who may not have followed the log far enough says so. */
interface Warned {
  readonly warnings: readonly string[];
}

interface Wanted {
  readonly partition: Partition;
  readonly needed: number;
}

/**
 * The partitions that may hold samples, in every state. A pending one with all its owners may be active in the next table, of which nobody
 * but who writes needs to have heard; one that lacks owners comes two tables later, and of the one before the owners of the others tell.
 * Where there are no others, those of a pending one are to be heard, however many there are.
 */
function wantedPartitions({ partitions, replicationFactor }: RingTable, needed: number): readonly Wanted[] {
  const used = partitions.filter(({ state, owners }) => state !== 'pending' || owners.length >= replicationFactor);
  if (used.length > 0) return used.map((partition) => ({ partition, needed }));
  return partitions.map((partition) => ({ partition, needed: Math.min(needed, partition.owners.length) }));
}

/** An ingester with its disk. */
const keyOf = ({ instance, zone, incarnation }: Owner): string => JSON.stringify([instance, zone, incarnation]);

const nameOf = (owner: Owner): string => `${owner.instance} (zone ${owner.zone})`;

function unavailable(text: string): Failure {
  return new Failure('unavailable', text, { retryAfterSeconds: 1 });
}
