/**
 * Blocks are split, merged, marked, deleted, and now and then taken away by a stranger; a query reads of them what it needs. Whatever the
 * state of the index, nothing that a block holds is left out, and nothing goes that is not elsewhere. A model: no byte is written.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { IndexedBlock } from '../../libs/blocks/bucket-index.ts';
import { emptyBucketIndex } from '../../libs/blocks/bucket-index.ts';
import { Prng } from '../../libs/std/testing/prng.ts';
import { shardLabel, shardLabelValue } from '../../libs/tsdb/block/label-shard.ts';
import { parseUlid, type Ulid } from '../../libs/tsdb/block/ulid.ts';
import { coveredBlocks } from '../../services/compactor/coverage.ts';
import { type PlannedJob, planJobs } from '../../services/compactor/plan-jobs.ts';
import { neededBlocks } from '../../services/querier/block-consistency.ts';

const hour = 3_600_000;
const steps = 14;
/** Steps from a mark to a deletion. */
const delay = 3;
const nothing: ReadonlySet<Ulid> = new Set();

/** An index, and what each block of it holds: `block/shard` for every block that was cut. */
class Model {
  readonly #prng: Prng;
  readonly #shardCount: number;
  readonly #content = new Map<Ulid, ReadonlySet<string>>();
  /** Shards that have series at all. */
  readonly #shards: readonly number[];
  #blocks: IndexedBlock[] = [];
  #marks = new Map<Ulid, number>();
  #made = 0;

  constructor(seed: number) {
    this.#prng = new Prng(seed);
    this.#shardCount = [1, 2, 3][this.#prng.below(3)] as number;
    const shards = Array.from({ length: this.#shardCount }, (_, i) => i).filter(() => this.#prng.below(3) > 0);
    this.#shards = shards.length > 0 ? shards : [0];
  }

  /** One that was cut. */
  cut(): void {
    const ulid = this.#name();
    const range = this.#prng.below(13) * 2;
    const shards = this.#shards.filter(() => this.#prng.below(4) > 0);
    const content = (shards.length > 0 ? shards : [0]).map((shard) => `${ulid}/${shard}`);
    this.#add(new Set(content), { ulid, from: range * hour, to: (range + 2) * hour, level: 1, sources: [ulid] });
  }

  /** A job, which ends before its sources are marked, or behind that. */
  merge(step: number): void {
    const excluded = new Set(this.#marks.keys());
    const rangesMs = [2 * hour, 12 * hour, 24 * hour];
    const shardCount = this.#shardCount > 1 ? this.#shardCount : 0;
    const jobs = planJobs(this.#blocks, { rangesMs, shardCount, nowMs: 1e13, firstLevelWaitMs: 0, excluded });
    const job = jobs[this.#prng.below(Math.max(1, jobs.length))];
    if (job === undefined) return;
    this.#publish(job);
    this.check();
    if (this.#prng.below(5) > 0) for (const { ulid } of job.sources) this.#mark(ulid, step);
  }

  #publish({ sources, shard, shardCount }: PlannedJob): void {
    const all = this.#contentOf(sources.map(({ ulid }) => ulid));
    const parts =
      shardCount > 1
        ? Array.from({ length: shardCount }, (_, i) => ({
            shard: shardLabelValue(i, shardCount),
            content: new Set([...all].filter((one) => one.endsWith(`/${i}`))),
          }))
        : [{ shard, content: all }];
    const outputs = parts.filter(({ content }) => content.size > 0).map((part) => ({ ...part, ulid: this.#name() }));
    const made = {
      from: Math.min(...sources.map(({ minTime }) => minTime)),
      to: Math.max(...sources.map(({ maxTime }) => maxTime)),
      level: Math.max(...sources.map(({ compactionLevel }) => compactionLevel)) + 1,
      sources: [...new Set(sources.flatMap(({ details }) => details?.sources ?? []))],
      jobOutputs: outputs.map(({ ulid }) => ulid),
    };
    for (const { ulid, shard: own, content } of outputs) this.#add(content, { ...made, ulid, shard: own });
  }

  /** What a cleaning does. */
  clean(step: number): void {
    const covered = coveredBlocks(this.#blocks, nothing);
    for (const [ulid, by] of covered) {
      const missing = [...this.#contentOf([ulid])].filter((one) => !this.#contentOf(by).has(one));
      assert.deepEqual(missing, [], `${ulid} is covered by ${by}`);
      this.#mark(ulid, step);
    }
    const due = [...this.#marks].filter(([ulid, markedAt]) => markedAt + delay < step && covered.has(ulid));
    const before = this.#contentOf(this.#blocks.map(({ ulid }) => ulid));
    for (const [ulid] of due) this.#remove(ulid);
    assert.deepEqual(this.#contentOf(this.#blocks.map(({ ulid }) => ulid)), before, 'nothing is lost by a deletion');
  }

  /** A stranger marks a block, or takes it away. */
  meddle(step: number): void {
    const block = this.#blocks[this.#prng.below(Math.max(1, this.#blocks.length))];
    if (block === undefined) return;
    if (this.#prng.below(2) === 0) this.#mark(block.ulid, step);
    else this.#remove(block.ulid);
  }

  check(): void {
    const deletionMarks = [...this.#marks].map(([ulid, markedAtMs]) => ({ ulid, markedAtMs }));
    const needed = neededBlocks({ ...emptyBucketIndex, blocks: this.#blocks, deletionMarks }, 0, 1e12, nothing);
    const read = this.#contentOf(needed.map(parseUlid));
    const missing = [...this.#contentOf(this.#blocks.map(({ ulid }) => ulid))].filter((one) => !read.has(one));
    assert.deepEqual(missing, [], 'a query leaves out what is there');
  }

  #add(
    content: ReadonlySet<string>,
    made: { ulid: Ulid; from: number; to: number; level: number; sources: Ulid[]; shard?: string; jobOutputs?: Ulid[] },
  ): void {
    const { ulid, from, to, level, sources, shard = '', jobOutputs = [] } = made;
    this.#content.set(ulid, content);
    this.#blocks.push({
      ...{ ulid, minTime: from, maxTime: to, uploadedAtMs: 0, segmentCount: 1, compactionLevel: level },
      ...{ outOfOrder: false, source: '', labels: new Map(shard === '' ? [] : [[shardLabel, shard]]) },
      details: {
        ...{ numSeries: 1, numSamples: 1, numChunks: 1, resolutionMs: 0, indexBytes: 1, segmentBytes: [1] },
        ...{ tombstonesBytes: 0, sources, jobOutputs },
      },
    });
  }

  #mark(ulid: Ulid, step: number): void {
    if (!this.#marks.has(ulid)) this.#marks.set(ulid, step);
  }

  #remove(gone: Ulid): void {
    this.#blocks = this.#blocks.filter(({ ulid }) => ulid !== gone);
    this.#marks.delete(gone);
  }

  #contentOf(ulids: readonly Ulid[]): Set<string> {
    return new Set(ulids.flatMap((ulid) => [...(this.#content.get(ulid) ?? [])]));
  }

  #name(): Ulid {
    return parseUlid(`01JDKQ00000000000000${String(++this.#made).padStart(6, '0')}`);
  }
}

describe('blocks that stand for others', () => {
  it('are read for those that are marked, and nothing is left out or lost', () => {
    for (let seed = 1; seed <= 1_000; seed++) {
      const model = new Model(seed);
      const prng = new Prng(-seed);
      try {
        for (let i = 0; i < 4; i++) model.cut();
        for (let step = 0; step < steps; step++) {
          if (prng.below(3) === 0) model.cut();
          model.merge(step);
          model.check();
          if (prng.below(5) === 0) model.meddle(step);
          model.check();
          if (prng.below(4) === 0) model.clean(step);
          model.check();
        }
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
  });
});
