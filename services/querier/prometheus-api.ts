/**
 * The endpoints of Prometheus' read API that ask for samples, labels, metadata and rules.
 * Owns which parameters are read in which order, what their errors are called and what data an answer has (Prometheus 3.15
 * web/api/v1/api.go). Does not own the table of endpoints (endpoints.ts), routes and headers (libs/query-api), evaluation (query-worker.ts), or the language
 * (libs/promql). Label endpoints are answered on this thread, since the head that knows labels lives here, in pieces.
 */
import { Failure } from '../../libs/errors/failure.ts';
import type { MetricMetadata } from '../../libs/model/metadata.ts';
import { quoteText } from '../../libs/promql/syntax/go-text.ts';
import type { ApiAnswer } from '../../libs/query-api/api-answer.ts';
import { listAnswer, successAnswer } from '../../libs/query-api/api-answer.ts';
import type { ApiCall } from '../../libs/query-api/api-call.ts';
import { type JsonBytes, quoteJson } from '../../libs/query-api/json-bytes.ts';
import {
  invalidParameter,
  parseGoInteger,
  readInstant,
  readLimit,
  readLookbackMs,
  readOptionalRange,
  readSteps,
  readTimeoutMs,
} from '../../libs/query-api/query-parameters.ts';
import type { RequestForm } from '../../libs/query-api/request-form.ts';
import { bytesOfMetadata } from '../../libs/series/list-memory.ts';
import { truncated } from '../../libs/series/listed.ts';
import type { ExemplarSeries, LabelQuery } from '../../libs/series/series-source.ts';
import { traced } from '../../libs/telemetry/trace.ts';
import type { ApiDeps, Endpoint } from './endpoint.ts';
import type { ExpressionRequest } from './query-request.ts';
import { checkSelector, nothing, readExpressionSelectors, readSelectors } from './read-selectors.ts';
import { checkRulesParameters } from './rules-parameters.ts';
import { unescapeLabelName } from './unescape-label-name.ts';

/** A longer expression is cut in its span. */
const tracedQueryLengthMax = 1_000;

export async function query(call: ApiCall, deps: ApiDeps): Promise<ApiAnswer> {
  const { form } = call;
  const limit = readLimit(form);
  const timeMs = readInstant(form, deps.nowMs());
  const timeoutMs = readTimeoutMs(form);
  const lookbackMs = readLookbackMs(form);
  return evaluate(call, deps, timeoutMs, {
    kind: 'evaluate',
    query: form.get('query'),
    startMs: timeMs,
    endMs: timeMs,
    stepMs: 0,
    lookbackMs,
    limit,
    stats: form.get('stats'),
  });
}

export async function queryRange(call: ApiCall, deps: ApiDeps): Promise<ApiAnswer> {
  const { form } = call;
  const limit = readLimit(form);
  const steps = readSteps(form);
  const timeoutMs = readTimeoutMs(form);
  const lookbackMs = readLookbackMs(form);
  return evaluate(call, deps, timeoutMs, {
    kind: 'evaluate',
    query: form.get('query'),
    ...steps,
    lookbackMs,
    limit,
    stats: form.get('stats'),
  });
}

async function evaluate(
  { tenant, signal, gzip }: ApiCall,
  deps: ApiDeps,
  timeoutMs: number | undefined,
  request: ExpressionRequest,
): Promise<ApiAnswer> {
  const answer = await traced('querier.query', { 'maru.query': request.query.slice(0, tracedQueryLengthMax) }, () =>
    deps.pool.run({
      tenant,
      request,
      gzip,
      source: deps.sourceOf(tenant),
      signal,
      timeoutMs: Math.min(timeoutMs ?? deps.timeoutMs, deps.timeoutMs),
    }),
  );
  return { httpStatus: 200, gzip, body: answer.chunks, isOwn: true };
}

export function syntaxEndpoint(wanted: 'tree' | 'text'): Endpoint {
  return (call, deps) => evaluate(call, deps, undefined, { kind: 'syntax', wanted, query: call.form.get('query') });
}

export async function queryExemplars(call: ApiCall, deps: ApiDeps): Promise<ApiAnswer> {
  const { form, tenant, signal } = call;
  const range = readOptionalRange(form);
  if (range.endMs < range.startMs) throw new Failure('bad_data', 'end timestamp must not be before start timestamp');
  const selectors = await readExpressionSelectors(call, deps, range);
  // Prometheus has no content where nothing is selected.
  if (selectors.length === 0) return { httpStatus: 204, body: undefined };
  const labelQuery = { selectors, minT: range.startMs, maxT: range.endMs, limit: 0, memory: call.listMemory };
  const { values, warnings } = await deps.sourceOf(tenant).exemplars(labelQuery, signal);
  return listAnswer(values, { open: '[', close: ']', write: writeExemplars }, warnings);
}

function writeExemplars(json: JsonBytes, { labels, exemplars }: ExemplarSeries): void {
  json.raw('{"seriesLabels":');
  json.labelSet(labels.pairs);
  json.raw(',"exemplars":[');
  for (let i = 0; i < exemplars.length; i++) {
    const exemplar = exemplars[i];
    json.raw(i > 0 ? ',{"labels":' : '{"labels":');
    json.labelSet(exemplar.labels.pairs);
    json.raw(',"value":');
    json.float(exemplar.value);
    json.raw(',"timestamp":');
    json.timestamp(exemplar.timestampMs);
    json.raw('}');
  }
  json.raw(']}');
}

/** One more than may be answered, so that what is beyond the limit shows. */
function hintOf(limit: number): number {
  return limit > 0 ? limit + 1 : 0;
}

/** The list cut to its limit, saying so. */
function cut<T>(values: readonly T[], warnings: readonly string[], limit: number): [readonly T[], readonly string[]] {
  if (limit === 0 || values.length <= limit) return [values, warnings];
  return [values.slice(0, limit), warnings.includes(truncated) ? warnings : [...warnings, truncated]];
}

async function labelQuery(call: ApiCall, deps: ApiDeps): Promise<LabelQuery> {
  const limit = readLimit(call.form);
  const range = readOptionalRange(call.form);
  const selectors = await readSelectors(call, deps, range);
  return { selectors, minT: range.startMs, maxT: range.endMs, limit, memory: call.listMemory };
}

function textsAnswer(values: readonly string[], warnings: readonly string[]): ApiAnswer {
  const write = (json: JsonBytes, text: string) => json.text(text);
  return listAnswer(values, { open: '[', close: ']', write }, warnings);
}

export async function labels(call: ApiCall, deps: ApiDeps): Promise<ApiAnswer> {
  const { tenant, signal } = call;
  const asked = await labelQuery(call, deps);
  const source = deps.sourceOf(tenant);
  const { values, warnings } = await source.labelNames({ ...asked, limit: hintOf(asked.limit) }, signal);
  return textsAnswer(...cut(values, warnings, asked.limit));
}

export async function labelValues(call: ApiCall, deps: ApiDeps): Promise<ApiAnswer> {
  const { tenant, labelName, signal } = call;
  const name = unescapeLabelName(labelName);
  if (name === '' || !name.isWellFormed()) throw new Failure('bad_data', `invalid label name: ${quoteText(name)}`);
  const asked = await labelQuery(call, deps);
  const source = deps.sourceOf(tenant);
  const { values, warnings } = await source.labelValues(name, { ...asked, limit: hintOf(asked.limit) }, signal);
  return textsAnswer(...cut(values, warnings, asked.limit));
}

/** What was read, its failure that of the parameter. */
async function readingParameter<T>(name: string, read: Promise<T>): Promise<T> {
  try {
    return await read;
  } catch (error) {
    throw error instanceof Failure && error.kind === 'bad_data' ? invalidParameter(name, error.message) : error;
  }
}

export async function series(call: ApiCall, deps: ApiDeps): Promise<ApiAnswer> {
  const { form, tenant, signal } = call;
  if (form.error !== undefined) throw new Failure('bad_data', `error parsing form values: ${form.error}`);
  if (form.all('match[]').length === 0) throw new Failure('bad_data', 'no match[] parameter provided');
  const limit = readLimit(form);
  const range = readOptionalRange(form);
  const selectors = await readingParameter('match[]', readSelectors(call, deps, range));
  const { startMs: minT, endMs: maxT } = range;
  const asked = { selectors, minT, maxT, limit: hintOf(limit), memory: call.listMemory };
  const { values, warnings } = await deps.sourceOf(tenant).series(asked, signal);
  const [shown, said] = cut(values, warnings, limit);
  const write = (json: JsonBytes, one: { readonly pairs: readonly string[] }) => json.labelSet(one.pairs);
  return listAnswer(shown, { open: '[', close: ']', write }, said);
}

/** A limit of `metadata`, -1 for none. @throws Failure `bad_data` in Prometheus' words, which are these and no others. */
function readMetadataLimit(form: RequestForm, name: string): number {
  const text = form.get(name);
  if (text === '') return -1;
  try {
    return parseGoInteger(text);
  } catch {
    throw new Failure('bad_data', `${name} must be a number`);
  }
}

export async function metadata({ form, tenant, listMemory }: ApiCall, deps: ApiDeps): Promise<ApiAnswer> {
  const limit = readMetadataLimit(form, 'limit');
  const limitPerMetric = readMetadataLimit(form, 'limit_per_metric');
  if (limit === 0) return successAnswer('{}');
  const metric = form.get('metric');
  const source = deps.sourceOf(tenant);
  const { values, warnings } = await source.metadata(metric === '' ? undefined : metric, limit, limitPerMetric);
  const byMetric = new Map<string, MetricMetadata[]>();
  for (const one of values) {
    listMemory?.take(bytesOfMetadata(one));
    const known = byMetric.get(one.metric);
    if (known === undefined) {
      if (limit < 0 || byMetric.size < limit) byMetric.set(one.metric, [one]);
    } else if (limitPerMetric <= 0 || known.length < limitPerMetric) known.push(one);
  }
  const write = (json: JsonBytes, [name, all]: [string, MetricMetadata[]]) => {
    const texts = all.map(
      ({ type, unit, help }) => `{"type":${quoteJson(type)},"unit":${quoteJson(unit)},"help":${quoteJson(help)}}`,
    );
    json.rawText(`${quoteJson(name)}:[${texts.join(',')}]`);
  };
  return listAnswer([...byMetric], { open: '{', close: '}', write }, warnings);
}

export async function targetMetadata(call: ApiCall, deps: ApiDeps): Promise<ApiAnswer> {
  const { form } = call;
  readMetadataLimit(form, 'limit');
  const target = form.get('match_target');
  if (target !== '') await readingParameter('match_target', checkSelector(call, deps, target));
  return successAnswer('[]');
}

export async function rules(call: ApiCall, deps: ApiDeps): Promise<ApiAnswer> {
  const { form } = call;
  if (form.error !== undefined) throw new Failure('bad_data', `error parsing form values: ${form.error}`);
  await readSelectors(call, deps, nothing);
  checkRulesParameters(form);
  return successAnswer('{"groups":[]}');
}
