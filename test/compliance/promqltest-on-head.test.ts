/**
 * The scripts that Prometheus 3.15 tests its own engine with, over what Maru really keeps: each load block goes as remote_write 2.0
 * in order of time through distributor, ingester and log into a head of its own, and each eval is asked in a query worker that reads
 * that head over the bridge. Only HTTP and the JSON of answers are left out.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parseTenantId, type TenantId } from '../../libs/model/tenant-id.ts';
import { parseScript } from '../../libs/promql/testing/parse-script.ts';
import { corpusEvalCount, corpusPath, listCorpus } from '../../libs/promql/testing/run-corpus.ts';
import type { EvalFailure } from '../../libs/promql/testing/run-script.ts';
import { realDisk } from '../../libs/std/disk.ts';
import { createLogger } from '../../libs/telemetry/log.ts';
import { Tsdb } from '../../libs/tsdb/tsdb.ts';
import { AliasRegistry } from '../../libs/wire/alias-registry.ts';
import { WriteScan } from '../../libs/wire/write-scan.ts';
import { IngestionRate } from '../../services/distributor/ingestion-rate.ts';
import { handlePush, type PushRouteDeps } from '../../services/distributor/push-route.ts';
import { ResolvedSeries } from '../../services/distributor/resolve-series.ts';
import { IngesterHandler } from '../../services/ingester/ingester-handler.ts';
import { QueryPool } from '../../services/querier/query-pool.ts';
import { contentTypes, pushBody } from '../support/push-client.ts';
import { requestsOfLoad } from '../support/sent-load.ts';
import { tempFolder } from '../support/temp-folder.ts';
import type { EvalJob } from './corpus-worker.ts';

const scripts = listCorpus();
const skip = scripts === undefined ? `the corpus is not on this machine: ${corpusPath}` : false;
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

describe('promqltest over a head', { skip }, () => {
  const folder = tempFolder('corpus');
  const ingester = new IngesterHandler({ of: () => [], missingFrom: () => undefined }, () => 0);
  let pushDeps: PushRouteDeps;
  let pool: QueryPool;
  let tenants = 0;
  let evalsRun = 0;

  before(async () => {
    const { tsdb, report } = await Tsdb.open(
      {
        disk: realDisk,
        directory: (await folder).path,
        segmentBytes: 1 << 26,
        snapshotBytes: 1 << 30,
        fullRetryMs: 1000,
        log: silent,
        onFatal: (error) => {
          throw error;
        },
        seriesMax: () => 0,
        seriesRefusal: () => '',
        headOptions: () => ({ exemplarsMax: 0 }),
      },
      () => undefined,
    );
    ingester.restored(tsdb, report);
    const registry = new AliasRegistry(1 << 26, () => 0);
    pushDeps = {
      ingester,
      aliasesOf: (tenant) => registry.of(tenant),
      limitsOf: () => ({
        ...{ requestRate: 0, requestBurstSize: 0, ingestionRate: 0, ingestionBurstSize: 0 },
        ...{ labelNameLengthMax: 0, labelValueLengthMax: 0, labelNamesPerSeriesMax: 0, labelNamesPerInfoSeriesMax: 0 },
        // Scripts begin in 1970.
        ...{ pastGraceMs: 0, creationGraceMs: 600_000, metadataLengthMax: 0, exemplarsMax: 0 },
      }),
      rate: new IngestionRate(
        () => 0,
        () => 1,
      ),
      resolved: new ResolvedSeries(1 << 26),
      keepsStartTimes: true,
      scan: new WriteScan(),
      decompressedBytesMax: 1 << 26,
      counters: { wireBytes: 0, rawBytes: 0, samples: 0, histograms: 0, exemplars: 0, refused: () => undefined },
      log: createLogger({ level: 'error', format: 'json' }).child({}, { level: 'silent' }),
    };
    pool = new QueryPool({
      workersMax: 1,
      queuedMax: 1,
      queuedPerTenantMax: 1,
      heapMb: 1024,
      workerUrl: new URL('./corpus-worker.ts', import.meta.url),
      workerData: undefined,
    });
  });
  after(async () => {
    await pool?.close();
    await ingester.tsdb?.close();
    await (await folder)[Symbol.asyncDispose]();
  });

  const write = (tenant: TenantId, command: Parameters<typeof requestsOfLoad>[0]) =>
    // Each is applied before the next one is looked at; only the log is waited for together.
    Promise.all(
      requestsOfLoad(command).map(async (series) => {
        const body = pushBody('v2', series);
        const request = { contentType: contentTypes.v2, contentEncoding: 'snappy', body, receiveTimeMs: Date.now() };
        const { status, text } = await handlePush(tenant, request, pushDeps);
        assert.equal(status, 204, `line ${command.line}: ${text}`);
      }),
    );

  const evaluate = async (tenant: TenantId, job: EvalJob): Promise<EvalFailure[]> => {
    const question = { startMs: 0, endMs: 0, stepMs: 0, lookbackMs: 0, limit: 0, stats: '' };
    const answer = await pool.run({
      tenant,
      request: { kind: 'evaluate', query: JSON.stringify(job), ...question },
      source: ingester.source(tenant),
      signal: new AbortController().signal,
      timeoutMs: 120_000,
    });
    const chunks: Uint8Array[] = [];
    for await (const chunk of answer.chunks) chunks.push(chunk);
    return JSON.parse(Buffer.concat(chunks).toString()) as EvalFailure[];
  };

  for (const script of scripts ?? []) {
    it(script, async (t) => {
      const scriptPath = path.join(corpusPath, script);
      const commands = parseScript(readFileSync(scriptPath, 'utf8'));
      const nextTenant = () => parseTenantId(`corpus-${++tenants}`);
      let tenant = nextTenant();
      let total = 0;
      const failures: EvalFailure[] = [];
      for (let i = 0; i < commands.length; ) {
        const command = commands[i];
        if (command.kind === 'eval') {
          const begin = i;
          while (i < commands.length && commands[i].kind === 'eval') i++;
          total += i - begin;
          failures.push(...(await evaluate(tenant, { path: scriptPath, begin, end: i })));
          continue;
        }
        if (command.kind === 'clear') tenant = nextTenant();
        else await write(tenant, command);
        i++;
      }
      evalsRun += total;
      t.diagnostic(`${script}: ${total - failures.length} of ${total} pass`);
      const reports = failures.map(({ line, report }) => `${script}:${line} ${report}`);
      assert.equal(failures.length, 0, `${failures.length} evals fail:\n${reports.join('\n')}`);
    });
  }

  it('ran whole', (t) => {
    t.diagnostic(`${evalsRun} evals ran`);
    assert.equal(evalsRun, corpusEvalCount);
  });
});
