/**
 * Cells of answers that are kept, with what they rest on.
 * Owns their form and that they take no more memory than they may. Whether one is still true is never decided here: a querier says
 * so each time (answer-range.ts). Two stores: this process' memory, and a Redis that all frontends share; one that is away is passed by.
 */
import type { ByteCache } from '../../libs/kv/byte-cache.ts';
import { decodePart, encodePart, encodeWitness, type PartAnswer } from '../../libs/wire/peer/part-message.ts';
import type { Steps } from './split-steps.ts';

/** A cell that takes more is not kept. */
const cellBytesMax = 4 << 20;

export interface KeptCell {
  readonly answer: PartAnswer;
  /** Its steps, of which a query may want fewer. */
  readonly steps: Steps;
}

export class ResultsCache {
  readonly #store: ByteCache;
  readonly #onProblem: (error: unknown) => void;

  constructor(store: ByteCache, onProblem: (error: unknown) => void) {
    this.#store = store;
    this.#onProblem = onProblem;
  }

  /** What is kept under each key, undefined where nothing is. */
  async get(keys: readonly string[]): Promise<(KeptCell | undefined)[]> {
    if (keys.length === 0) return [];
    try {
      const found = await this.#store.get(keys);
      return found.map((bytes) => (bytes === undefined ? undefined : keptCell(bytes)));
    } catch (error) {
      this.#onProblem(error);
      return keys.map(() => undefined);
    }
  }

  /** Keeps an answer, if it may be kept: it has a witness and nothing was said beside it. */
  put(key: string, answer: PartAnswer, steps: Steps): void {
    if (answer.witness === '' || answer.annotations.length > 0 || answer.sourceWarnings.length > 0) return;
    const head = Buffer.alloc(24);
    head.writeDoubleLE(steps.startMs, 0);
    head.writeDoubleLE(steps.endMs, 8);
    head.writeDoubleLE(steps.stepMs, 16);
    const bytes = Buffer.concat([head, encodePart(answer, steps), encodeWitness(answer.witness)]);
    if (bytes.length > cellBytesMax) return;
    this.#store.put(key, bytes).catch(this.#onProblem);
  }
}

function keptCell(bytes: Uint8Array): KeptCell {
  const head = new DataView(bytes.buffer, bytes.byteOffset, 24);
  const steps = {
    startMs: head.getFloat64(0, true),
    endMs: head.getFloat64(8, true),
    stepMs: head.getFloat64(16, true),
  };
  return { answer: decodePart(bytes.subarray(24), steps), steps };
}

/** The answer to some of the steps; series without a point there are left out. */
export function sliceAnswer(answer: PartAnswer, { startMs, endMs }: Steps): PartAnswer {
  const series = answer.series.flatMap(({ labels, t, v, h }) => {
    let begin = 0;
    while (begin < t.length && (t[begin] as number) < startMs) begin++;
    let end = t.length;
    while (end > begin && (t[end - 1] as number) > endMs) end--;
    if (begin === end) return [];
    if (begin === 0 && end === t.length) return [{ labels, t, v, h }];
    return [{ labels, t: t.subarray(begin, end), v: v.subarray(begin, end), h: h?.slice(begin, end) ?? null }];
  });
  return { ...answer, series };
}
