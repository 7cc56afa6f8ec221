/**
 * A write batch with only some of its rows: what is left when series were refused, or are held already.
 * The slow path of a batch; the fast one never copies.
 */
import type { WriteBatch } from './write-batch.ts';

/** The rows of `batch` for which keep[row] is not 0, in order, with their samples, histograms and exemplars. */
export function keepRows(batch: WriteBatch, keep: Uint8Array): WriteBatch {
  const { seriesCount, sampleBegin, sampleT, sampleV, sampleST } = batch;
  const rowNow = new Int32Array(seriesCount).fill(-1);
  let rows = 0;
  let samples = 0;
  for (let i = 0; i < seriesCount; i++) {
    if (keep[i] === 0) continue;
    rowNow[i] = rows++;
    samples += (sampleBegin[i + 1] as number) - (sampleBegin[i] as number);
  }
  const refs = new Uint32Array(rows);
  const labelsBegin = new Uint32Array(rows);
  const labelsEnd = new Uint32Array(rows);
  const begin = new Uint32Array(rows + 1);
  const t = new Float64Array(samples);
  const v = new Float64Array(samples);
  const vBytes = new Uint8Array(v.buffer);
  const vFrom = new Uint8Array(sampleV.buffer, sampleV.byteOffset);
  const st = sampleST === null ? null : new Float64Array(samples);
  let at = 0;
  for (let i = 0; i < seriesCount; i++) {
    const row = rowNow[i] as number;
    if (row < 0) continue;
    refs[row] = batch.refs[i] as number;
    labelsBegin[row] = batch.labelsBegin[i] as number;
    labelsEnd[row] = batch.labelsEnd[i] as number;
    begin[row] = at;
    const from = sampleBegin[i] as number;
    const to = sampleBegin[i + 1] as number;
    t.set(sampleT.subarray(from, to), at);
    vBytes.set(vFrom.subarray(from * 8, to * 8), at * 8);
    if (st !== null && sampleST !== null) st.set(sampleST.subarray(from, to), at);
    at += to - from;
  }
  begin[rows] = at;
  return {
    ...batch,
    seriesCount: rows,
    refs,
    labelsBegin,
    labelsEnd,
    sampleBegin: begin,
    sampleT: t,
    sampleV: v,
    sampleST: st,
    histograms: batch.histograms
      .filter((sample) => (rowNow[sample.series] as number) >= 0)
      .map((sample) => ({ ...sample, series: rowNow[sample.series] as number })),
    exemplars: batch.exemplars
      .filter((sample) => (rowNow[sample.series] as number) >= 0)
      .map((sample) => ({ ...sample, series: rowNow[sample.series] as number })),
  };
}
