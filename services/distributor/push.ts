/**
 * The spine of a write: scanned request → known series → validate → accept → ingester → what was written.
 * Owns the order of these steps. One bad series or sample never rejects its neighbours. Comes from push-route.ts; goes to the
 * ingester through libs/contracts. Surprising: everything up to the ingester's answer happens in one turn of the event loop,
 * on columns that the next request reuses.
 */
import type { IngesterContract, PushOutcome } from '../../libs/contracts/ingester.ts';
import { keepRows } from '../../libs/contracts/keep-rows.ts';
import type { ExemplarSample, WriteBatch } from '../../libs/contracts/write-batch.ts';
import { canonicalizeExemplar, type LabelLimits } from '../../libs/model/canonical-labels.ts';
import type { TenantId } from '../../libs/model/tenant-id.ts';
import { ByteSink } from '../../libs/std/byte-sink.ts';
import { traced } from '../../libs/telemetry/trace.ts';
import type { SeriesAliases } from '../../libs/wire/series-aliases.ts';
import type { WriteScan } from '../../libs/wire/write-scan.ts';
import { acceptWindow, checkRanges, keepInside, outsideText } from './accept-window.ts';
import type { RateLimits } from './ingestion-rate.ts';
import { Refusals } from './refusals.ts';
import type { ResolvedSeries } from './resolve-series.ts';
import { scanMetadataV1, scanMetadataV2 } from './scan-metadata.ts';

/** The limits of one tenant that a write meets here. */
export interface PushLimits extends RateLimits, LabelLimits {
  /** 0 is any age. */
  readonly pastGraceMs: number;
  readonly creationGraceMs: number;
  readonly metadataLengthMax: number;
  /** Exemplars that the tenant may keep; 0: none is stored. */
  readonly exemplarsMax: number;
}

export interface PushDeps {
  readonly ingester: IngesterContract;
  readonly aliasesOf: (tenant: TenantId) => SeriesAliases;
  readonly limitsOf: (tenant: TenantId) => PushLimits;
  readonly resolved: ResolvedSeries;
  /** `st-storage`: without it start timestamps are taken and forgotten, as in Prometheus. */
  readonly keepsStartTimes: boolean;
}

/** What is stored now, and what is not. */
export interface PushResult {
  readonly samples: number;
  readonly histograms: number;
  readonly exemplars: number;
  readonly refusals: Refusals;
}

/**
 * Stores what is good in `scan` and says what is not. The tenant's rates were asked before.
 * @throws Failure `too_large` where its times lie too far apart; `unavailable` when it could not be made durable; SeriesForgotten when it could if it came again at once
 */
export async function push(
  tenant: TenantId,
  scan: WriteScan,
  receiveTimeMs: number,
  deps: PushDeps,
): Promise<PushResult> {
  const limits = deps.limitsOf(tenant);
  const window = acceptWindow(receiveTimeMs, limits.pastGraceMs, limits.creationGraceMs);
  checkRanges(scan, window);
  const refusals = new Refusals();
  const aliases = deps.aliasesOf(tenant);
  aliases.begin(deps.ingester.refEpoch());

  const { resolved } = deps;
  resolved.resolve(scan, aliases, limits, refusals, (refs, count) => deps.ingester.clearDropped(tenant, refs, count));
  for (const refused of scan.refusedHistograms) refusals.add('native-histogram-invalid', 1, () => refused.reason);
  const toldMetadata: number[] = [];
  let batch = batchOf(tenant, receiveTimeMs, scan, resolved, aliases, limits, toldMetadata);
  if (!deps.keepsStartTimes) batch = withoutStartTimes(batch);
  if (scan.minT < window.minT || scan.maxT > window.maxT) {
    const inside = keepInside(batch, window, resolved.keep);
    batch = inside.batch;
    const { outside } = inside;
    const future = outside.firstT > window.maxT;
    if (outside.count > 0) {
      refusals.add(future ? 'too-far-in-future' : 'too-far-in-past', outside.count, () =>
        outsideText(outside, future, scan),
      );
    }
  }
  const { keep, awaited } = resolved;
  if (keep !== undefined) batch = keepRows(batch, keep);
  let samples = batch.sampleBegin[batch.seriesCount] as number;
  let histograms = batch.histograms.length;
  let exemplars = batch.exemplars.length;
  if (batch.seriesCount === 0 && batch.metadata.length === 0) return { samples, histograms, exemplars, refusals };

  const { generation } = aliases;
  const { version } = scan;
  let outcome: PushOutcome;
  try {
    outcome = await traced('ingester.push', { 'maru.series': batch.seriesCount, 'maru.samples': samples }, () =>
      deps.ingester.push(batch),
    );
  } catch (error) {
    // The sender comes again with it.
    if (aliases.generation === generation) for (const alias of toldMetadata) aliases.forgetMetadata(alias);
    throw error;
  }
  exemplars -= outcome.exemplarsDropped;
  for (const rejected of outcome.rejected) {
    samples -= rejected.samples;
    histograms -= rejected.histograms;
    exemplars -= rejected.exemplars;
    refusals.add('max-series-per-user', 1, () => rejected.reason);
  }
  if (awaited.length > 0 && aliases.generation === generation) {
    const rowNow = keep === undefined ? undefined : rowsNow(keep);
    for (const { row, alias } of awaited) {
      const ref = outcome.refs[rowNow === undefined ? row : (rowNow[row] as number)] as number;
      if (ref !== 0) aliases.setRef(version, alias, ref);
    }
  }
  return { samples, histograms, exemplars, refusals };
}

function batchOf(
  tenant: TenantId,
  receiveTimeMs: number,
  scan: WriteScan,
  resolved: ResolvedSeries,
  aliases: SeriesAliases,
  limits: PushLimits,
  toldMetadata: number[],
): WriteBatch {
  return {
    tenant,
    receiveTimeMs,
    seriesCount: scan.seriesCount,
    refs: resolved.refs,
    labelBytes: resolved.labels.bytes,
    labelsBegin: resolved.labelsBegin,
    labelsEnd: resolved.labelsEnd,
    sampleBegin: scan.sampleBegin,
    sampleT: scan.sampleT,
    sampleV: scan.sampleV,
    sampleST: scan.hasStartTimes ? scan.sampleST : null,
    histograms: scan.histograms,
    exemplars: limits.exemplarsMax > 0 ? exemplarsOf(scan, receiveTimeMs + limits.creationGraceMs) : [],
    metadata:
      scan.version === 1
        ? scanMetadataV1(scan, limits.metadataLengthMax)
        : scanMetadataV2(
            scan,
            aliases,
            resolved.aliases,
            limits.metadataLengthMax,
            resolved.labelBytesMax,
            toldMetadata,
          ),
  };
}

function withoutStartTimes(batch: WriteBatch): WriteBatch {
  const { sampleST, histograms } = batch;
  if (sampleST === null && !histograms.some(({ st }) => st !== 0)) return batch;
  return { ...batch, sampleST: null, histograms: histograms.map((sample) => ({ ...sample, st: 0 })) };
}

/** Exemplars may be of any age. One that is no exemplar (labels over 128 characters, the future) is left out without an error. */
function exemplarsOf(scan: WriteScan, maxT: number): ExemplarSample[] {
  const kept: ExemplarSample[] = [];
  for (const exemplar of scan.exemplars) {
    if (exemplar.t > maxT || exemplar.t < -Number.MAX_SAFE_INTEGER) continue;
    const sink = new ByteSink(64);
    if (!canonicalizeExemplar(scan, exemplar, sink)) continue;
    kept.push({ series: exemplar.series, t: exemplar.t, value: exemplar.value, labels: sink.written() });
  }
  return kept;
}

/** Where each row that was kept stands now. */
function rowsNow(keep: Uint8Array): Uint32Array {
  const rows = new Uint32Array(keep.length);
  let at = 0;
  for (let i = 0; i < keep.length; i++) {
    rows[i] = at;
    if (keep[i] !== 0) at++;
  }
  return rows;
}
