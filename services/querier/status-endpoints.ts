/**
 * The endpoints that speak of the server: features, build, runtime, the size of a tenant's head, and what a backend that
 * scrapes nothing says about targets.
 * Tenants do not see the server's settings (config and flags are empty, as in Mimir), nor where it runs: the folder and host of
 * runtimeinfo are empty too. Facts: Prometheus 3.15 web/api/v1/api.go.
 */
import { availableParallelism } from 'node:os';
import type { HeadStatus } from '../../libs/contracts/ingester.ts';
import { Failure } from '../../libs/errors/failure.ts';
import type { ApiAnswer } from '../../libs/query-api/api-answer.ts';
import { disabledAnswer, successAnswer } from '../../libs/query-api/api-answer.ts';
import type { ApiCall } from '../../libs/query-api/api-call.ts';
import { quoteJson } from '../../libs/query-api/json-bytes.ts';
import { parseGoInteger } from '../../libs/query-api/query-parameters.ts';
import type { ApiDeps, Endpoint } from './endpoint.ts';
import { featuresJson } from './features-json.ts';

/** An endpoint whose data never changes. */
export function fixed(dataJson: string): Endpoint {
  return async () => successAnswer(dataJson);
}

/** An endpoint that Prometheus has behind a flag, off. */
export function disabled(words: string): Endpoint {
  return async () => disabledAnswer(words);
}

export async function features(_call: ApiCall, deps: ApiDeps): Promise<ApiAnswer> {
  return successAnswer(featuresJson(deps.features));
}

export async function runtimeInfo(_call: ApiCall, deps: ApiDeps): Promise<ApiAnswer> {
  const started = new Date(deps.startMs).toISOString();
  return successAnswer(
    JSON.stringify({
      startTime: started,
      CWD: '',
      hostname: '',
      serverTime: new Date(deps.nowMs()).toISOString(),
      reloadConfigSuccess: true,
      lastConfigTime: started,
      corruptionCount: 0,
      // The numbers of a Go runtime have no counterpart but this one.
      goroutineCount: 0,
      GOMAXPROCS: availableParallelism(),
      GOMEMLIMIT: 0,
      GOGC: '',
      GODEBUG: '',
      storageRetention: '',
    }),
  );
}

/** Bytes of the restart where Prometheus counts segments of its log: what is shown of it is the share. */
export async function walReplay(_call: ApiCall, deps: ApiDeps): Promise<ApiAnswer> {
  const { bytesDone, bytesTotal } = deps.ingester.restoreProgress();
  return successAnswer(JSON.stringify({ min: 0, max: bytesTotal, current: bytesDone }));
}

const countDefault = 10;
const countMax = 10_000;
/** What Prometheus says of an empty head: int64's ends. */
const noMinTime = '9223372036854775807';
const noMaxTime = '-9223372036854775808';

export async function tsdbStatus({ form, tenant, signal }: ApiCall, deps: ApiDeps): Promise<ApiAnswer> {
  const text = form.get('limit');
  const limit = text === '' ? countDefault : readCount(text);
  return successAnswer(headStatusJson(await deps.ingester.headStatus(tenant, limit, signal)));
}

/** The blocks of the bucket that stand, the oldest first, as Prometheus lists those of its disk: what the index has of their meta.json. */
export async function tsdbBlocks({ tenant, signal }: ApiCall, deps: ApiDeps): Promise<ApiAnswer> {
  const index = await deps.bucketIndexOf(tenant, signal);
  const marked = new Set<string>(index.deletionMarks.map(({ ulid }) => ulid));
  const standing = index.blocks.filter(({ ulid }) => !marked.has(ulid));
  standing.sort((a, b) => a.minTime - b.minTime || (a.ulid < b.ulid ? -1 : 1));
  const blocks = standing.map(({ ulid, minTime, maxTime, compactionLevel, details }) => {
    const { numSamples, numSeries, numChunks, sources = [] } = details ?? {};
    return {
      ulid,
      minTime,
      maxTime,
      stats: details === undefined ? {} : { numSamples, numSeries, numChunks },
      compaction: { level: compactionLevel, sources },
      version: 1,
    };
  });
  return successAnswer(JSON.stringify({ blocks }));
}

/** @throws Failure `bad_data` in Prometheus' words. */
function readCount(text: string): number {
  let limit: number;
  try {
    limit = parseGoInteger(text);
  } catch {
    limit = 0;
  }
  if (limit < 1) throw new Failure('bad_data', 'limit must be a positive number');
  if (limit > countMax) throw new Failure('bad_data', `limit must not exceed ${countMax}`);
  return limit;
}

function headStatusJson(status: HeadStatus): string {
  const { series, labelPairs, chunks, minT, maxT } = status;
  const list = (entries: HeadStatus['seriesByMetric']) =>
    `[${entries.map(({ name, count }) => `{"name":${quoteJson(name)},"value":${count}}`).join(',')}]`;
  return (
    `{"headStats":{"numSeries":${series},"numLabelPairs":${labelPairs},"chunkCount":${chunks},` +
    `"minTime":${minT ?? noMinTime},"maxTime":${maxT ?? noMaxTime}},` +
    `"seriesCountByMetricName":${list(status.seriesByMetric)},` +
    `"labelValueCountByLabelName":${list(status.valuesByLabel)},` +
    `"memoryInBytesByLabelName":${list(status.bytesByLabel)},` +
    `"seriesCountByLabelValuePair":${list(status.seriesByPair)}}`
  );
}
