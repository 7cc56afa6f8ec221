/**
 * Numbers of one tenant's series while a restart is under way: those that the files know, the number that memory has now for
 * each (the same, but after damage), and the newest record that a series already holds from the snapshot.
 */
import { IdMarks } from '../head/id-marks.ts';

export class RestoredIds {
  readonly #known = new IdMarks();
  readonly #moved = new Map<number, number>();
  readonly #sliceBegin: number[] = [];
  readonly #sliceEnd: number[] = [];
  readonly #sliceSeq: number[] = [];
  /** Records up to here may be held by some series already. */
  seqMax = 0;

  /** The series [fromId, toId) hold every record up to `seq`. Slices come in order, but damage may have taken some. */
  addSlice(fromId: number, toId: number, seq: number): void {
    this.#sliceBegin.push(fromId);
    this.#sliceEnd.push(toId);
    this.#sliceSeq.push(seq);
    if (seq > this.seqMax) this.seqMax = seq;
  }

  set(id: number, idNow: number): void {
    this.#known.add(id);
    if (id !== idNow) this.#moved.set(id, idNow);
    else this.#moved.delete(id);
  }

  delete(id: number): void {
    this.#known.remove(id);
    this.#moved.delete(id);
  }

  /** 0 where the series is not known. */
  idNow(id: number): number {
    if (this.#known.get(id) === 0) return 0;
    return this.#moved.size === 0 ? id : (this.#moved.get(id) ?? id);
  }

  /** Newest record that series `id` holds from a snapshot; 0 if it was in none. */
  seqOf(id: number): number {
    let low = 0;
    let high = this.#sliceEnd.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sliceEnd[middle] as number) <= id) low = middle + 1;
      else high = middle;
    }
    return id < (this.#sliceBegin[low] ?? Number.POSITIVE_INFINITY) ? 0 : (this.#sliceSeq[low] as number);
  }
}
