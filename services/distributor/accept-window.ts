/**
 * Which samples are accepted: decided here, once, from the request and the time it was received (architecture §2).
 * Owns the rule and the slow path that leaves samples out. Nobody behind this asks a clock again.
 */
import type { WriteBatch } from '../../libs/contracts/write-batch.ts';
import { Failure } from '../../libs/errors/failure.ts';
import { seriesText } from '../../libs/model/canonical-labels.ts';
import { rangeMs } from '../../libs/tsdb/head/head-range.ts';
import type { WriteScan } from '../../libs/wire/write-scan.ts';

export interface AcceptWindow {
  /** Milliseconds since the epoch; both ends are accepted. */
  readonly minT: number;
  readonly maxT: number;
}

/** Nothing is further from the epoch (some 140,000 years): the range of two hours around it must be whole milliseconds, and a date. */
const timeMax = 2 ** 52;

/**
 * The window of a request.
 * @param pastGraceMs 0 is any age
 */
export function acceptWindow(receiveTimeMs: number, pastGraceMs: number, creationGraceMs: number): AcceptWindow {
  return {
    minT: pastGraceMs === 0 ? -timeMax : Math.max(receiveTimeMs - pastGraceMs, -timeMax),
    maxT: Math.min(receiveTimeMs + creationGraceMs, timeMax),
  };
}

/** Each costs a head some kilobytes, and later a block. */
const rangesMax = 4096;

/**
 * Where any age is accepted a few megabytes of samples could each have a range of their own.
 * @throws Failure `too_large` where those inside the window would open more than there may be
 */
export function checkRanges(scan: WriteScan, { minT, maxT }: AcceptWindow): void {
  if (Math.min(scan.maxT, maxT) - Math.max(scan.minT, minT) < (rangesMax - 1) * rangeMs) return;
  const ranges = new Set<number>();
  const note = (t: number): void => {
    if (t < minT || t > maxT) return;
    ranges.add(Math.floor(t / rangeMs));
    if (ranges.size <= rangesMax) return;
    throw new Failure(
      'too_large',
      `remote write: samples of more than ${rangesMax} ranges of two hours in one request; send smaller ones`,
    );
  };
  for (let i = 0; i < scan.sampleCount; i++) note(scan.sampleT[i] as number);
  for (const { t } of scan.histograms) note(t);
}

export interface OutsideWindow {
  /** Samples and histograms left out. */
  readonly count: number;
  /** Row and time of the first of them. */
  readonly firstRow: number;
  readonly firstT: number;
}

/**
 * `batch` without the samples and histograms outside the window. Rows stay, even if nothing of them is left.
 * @param counted 0 for each row whose samples are refused already and not counted again; undefined: all are counted
 */
export function keepInside(
  batch: WriteBatch,
  window: AcceptWindow,
  counted: Uint8Array | undefined,
): { batch: WriteBatch; outside: OutsideWindow } {
  const { seriesCount, sampleBegin, sampleT, sampleV, sampleST } = batch;
  const total = sampleBegin[seriesCount] as number;
  const t = new Float64Array(total);
  const v = new Float64Array(total);
  const bits = new Int32Array(v.buffer);
  const bitsFrom = new Int32Array(sampleV.buffer, sampleV.byteOffset, total * 2);
  const st = sampleST === null ? null : new Float64Array(total);
  const begin = new Uint32Array(seriesCount + 1);
  const { minT, maxT } = window;
  let at = 0;
  let firstRow = -1;
  let firstT = 0;
  let count = 0;
  for (let i = 0; i < seriesCount; i++) {
    begin[i] = at;
    for (let j = sampleBegin[i] as number; j < (sampleBegin[i + 1] as number); j++) {
      const time = sampleT[j] as number;
      if (time < minT || time > maxT) {
        if (counted !== undefined && counted[i] === 0) continue;
        count++;
        if (firstRow < 0) {
          firstRow = i;
          firstT = time;
        }
        continue;
      }
      t[at] = time;
      bits[at * 2] = bitsFrom[j * 2] as number;
      bits[at * 2 + 1] = bitsFrom[j * 2 + 1] as number;
      if (st !== null && sampleST !== null) st[at] = sampleST[j] as number;
      at++;
    }
  }
  begin[seriesCount] = at;
  const histograms = batch.histograms.filter(({ series, t }) => {
    if (t >= minT && t <= maxT) return true;
    if (counted !== undefined && counted[series] === 0) return false;
    count++;
    if (firstRow < 0) {
      firstRow = series;
      firstT = t;
    }
    return false;
  });
  return {
    batch: { ...batch, sampleBegin: begin, sampleT: t, sampleV: v, sampleST: st, histograms },
    outside: { count, firstRow, firstT },
  };
}

/** The sentence for the sender, with Mimir's error id. */
export function outsideText(outside: OutsideWindow, future: boolean, scan: WriteScan): string {
  const [where, id, key] = future
    ? ['future', 'too-far-in-future', 'limits.creation-grace-period']
    : ['past', 'too-far-in-past', 'limits.past-grace-period'];
  return (
    `received a sample whose timestamp is too far in the ${where}, timestamp: ${outside.firstT} series: ` +
    `'${seriesText(scan, outside.firstRow)}' (err-mimir-${id}). To adjust the related per-tenant limit, configure ${key}, ` +
    'or contact your service administrator.'
  );
}
