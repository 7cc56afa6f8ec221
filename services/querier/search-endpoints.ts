/**
 * The search API: names of metrics, labels and values as somebody types them, a line of JSON a batch.
 * Owns its parameters and the stream (results ..., then a trailer). How well a name fits is search-score.ts. Behind
 * `search-api`, as in Prometheus 3.15 (web/api/v1/search.go). Names are looked at in slices of time: this thread takes writes.
 */
import { Failure } from '../../libs/errors/failure.ts';
import type { MetricMetadata } from '../../libs/model/metadata.ts';
import type { ApiAnswer } from '../../libs/query-api/api-answer.ts';
import { disabledAnswer } from '../../libs/query-api/api-answer.ts';
import type { ApiCall } from '../../libs/query-api/api-call.ts';
import { quoteJson } from '../../libs/query-api/json-bytes.ts';
import { parseGoInteger, quoteGiven, readPlainRange } from '../../libs/query-api/query-parameters.ts';
import type { RequestForm } from '../../libs/query-api/request-form.ts';
import type { LabelQuery, Listed } from '../../libs/series/series-source.ts';
import type { ApiDeps, Endpoint } from './endpoint.ts';
import { readSelectors } from './read-selectors.ts';
import { type SearchFilter, searchFilter } from './search-score.ts';

const defaultRangeMs = 3_600_000;
const defaultLimit = 100;
const defaultBatchSize = 100;
const termsMax = 32;
/** As long as a label value may be unless a tenant has it otherwise. Each term is looked for in each name on the thread that takes writes. */
const termLengthMax = 2_048;
const algorithms = ['subsequence', 'jarowinkler'] as const;
/**
 * How long names are looked at before others get their turn, and after how much work the clock is: characters of a name by those of all
 * terms, which is what a term that fits badly costs.
 */
const sliceMs = 2;
const workPerLook = 1 << 16;
/** The least that a name is. */
const workPerName = 512;

type Order = 'ascending' | 'descending' | 'score';

interface Search {
  readonly query: LabelQuery;
  readonly filter: SearchFilter | undefined;
  /** Characters of all terms. */
  readonly termsLength: number;
  readonly order: Order;
  readonly includeScore: boolean;
  readonly limit: number;
  readonly batchSize: number;
}

interface Found {
  readonly name: string;
  readonly score: number;
}

export const searchMetricNames: Endpoint = (call, deps) =>
  answer(call, deps, 'metric_names', async (search) => {
    const withMetadata = readBoolean(call.form, 'include_metadata', false);
    const source = deps.sourceOf(call.tenant);
    const listed = await source.labelValues('__name__', search.query, call.signal);
    const known = withMetadata ? await firstMetadata(call, deps) : undefined;
    return {
      listed,
      write: ({ name, score }) => {
        const one = known?.get(name);
        const described =
          one === undefined ? '' : `${member('type', one.type)}${member('help', one.help)}${member('unit', one.unit)}`;
        return `{"name":${quoteJson(name)}${scoreOf(search, score)}${described}}`;
      },
    };
  });

export const searchLabelNames: Endpoint = (call, deps) =>
  answer(call, deps, 'label_names', async (search) => ({
    listed: await deps.sourceOf(call.tenant).labelNames(search.query, call.signal),
    write: ({ name, score }) => `{"name":${quoteJson(name)}${scoreOf(search, score)}}`,
  }));

export const searchLabelValues: Endpoint = (call, deps) =>
  answer(call, deps, 'label_values', async (search) => {
    const label = call.form.get('label');
    if (label === '') throw new Failure('bad_data', 'missing required parameter "label"');
    return {
      listed: await deps.sourceOf(call.tenant).labelValues(label, search.query, call.signal),
      write: ({ name, score }) => `{"value":${quoteJson(name)}${scoreOf(search, score)}}`,
    };
  });

async function answer(
  call: ApiCall,
  deps: ApiDeps,
  endpoint: string,
  list: (search: Search) => Promise<{ listed: Listed<string>; write: (found: Found) => string }>,
): Promise<ApiAnswer> {
  if (!deps.features.has('search-api')) return disabledAnswer('search API disabled');
  if (call.form.error !== undefined) throw new Failure('bad_data', `error parsing form values: ${call.form.error}`);
  const search = await readSearch(call, deps, endpoint);
  const { listed, write } = await list(search);
  const found = await choose(listed.values, search, call.signal);
  return {
    httpStatus: 200,
    contentType: 'application/x-ndjson; charset=utf-8',
    // That the list was cut is what `has_more` says.
    body: lines(found, search, search.query.limit > 0 ? [] : listed.warnings, write),
  };
}

/** The names that are accepted, in order; one more than the limit, so that it shows whether there are more. */
async function choose(names: readonly string[], search: Search, signal: AbortSignal): Promise<readonly Found[]> {
  const { filter, termsLength, order, limit } = search;
  const wanted = limit + 1;
  const found: Found[] = [];
  let begin = performance.now();
  let work = 0;
  for (let i = 0; i < names.length; i++) {
    const name = names[order === 'descending' ? names.length - 1 - i : i];
    work += Math.max(workPerName, name.length * termsLength);
    if (work >= workPerLook) {
      work = 0;
      if (performance.now() - begin > sliceMs) {
        await new Promise((resolve) => setImmediate(resolve));
        signal.throwIfAborted();
        begin = performance.now();
      }
    }
    const score = filter === undefined ? 1 : filter(name);
    if (score < 0) continue;
    found.push({ name, score });
    if (order !== 'score' && found.length === wanted) break;
    if (order === 'score' && found.length >= 2 * wanted) keepBest(found, wanted);
  }
  if (order === 'score') keepBest(found, wanted);
  return found;
}

/** Names came in their order and the sort is stable: it decides between equal scores. */
function keepBest(found: Found[], count: number): void {
  found.sort((a, b) => b.score - a.score);
  found.length = Math.min(found.length, count);
}

async function* lines(
  found: readonly Found[],
  { limit, batchSize }: Search,
  warnings: readonly string[],
  write: (found: Found) => string,
): AsyncGenerator<Uint8Array> {
  const end = Math.min(found.length, limit);
  const said = warnings.length === 0 ? '' : `,"warnings":[${[...warnings].sort().map(quoteJson).join(',')}]`;
  // The first line is there even where nothing was found: it carries the warnings.
  for (let begin = 0; begin === 0 || begin < end; begin += batchSize) {
    const texts = found.slice(begin, Math.min(end, begin + batchSize)).map(write);
    yield Buffer.from(`{"results":[${texts.join(',')}]${begin === 0 ? said : ''}}\n`);
  }
  yield Buffer.from(`{"status":"success","has_more":${found.length > limit}}\n`);
}

function scoreOf({ includeScore }: Search, score: number): string {
  return includeScore ? `,"score":${score}` : '';
}

/** A member that is left out where it is empty. */
function member(name: string, text: string): string {
  return text === '' ? '' : `,"${name}":${quoteJson(text)}`;
}

async function firstMetadata({ tenant }: ApiCall, deps: ApiDeps): Promise<ReadonlyMap<string, MetricMetadata>> {
  const { values } = await deps.sourceOf(tenant).metadata(undefined, 0, 1);
  const first = new Map<string, MetricMetadata>();
  for (const one of values) if (!first.has(one.metric)) first.set(one.metric, one);
  return first;
}

/** @throws Failure `bad_data`, checks and words in Prometheus' order. */
async function readSearch(call: ApiCall, deps: ApiDeps, endpoint: string): Promise<Search> {
  const { form } = call;
  const now = deps.nowMs();
  const range = readPlainRange(form, { startMs: now - defaultRangeMs, endMs: now });
  const { startMs, endMs } = range;
  if (endMs < startMs) throw new Failure('bad_data', 'end timestamp must not be before start timestamp');
  const selectors = await readSelectors(call, deps, range);
  const terms = form.all('search[]');
  if (terms.length > termsMax) {
    throw new Failure('bad_data', `too many search[] terms: got ${terms.length}, maximum is ${termsMax}`);
  }
  const tooLong = terms.find(({ length }) => length > termLengthMax);
  if (tooLong !== undefined) {
    throw new Failure(
      'bad_data',
      `search[] term too long: got ${tooLong.length} characters, maximum is ${termLengthMax}`,
    );
  }
  const threshold = readWhole(form, 'fuzz_threshold', 0, 0, 100, 'must be 0-100') / 100;
  const asked = form.get('fuzz_alg');
  const algorithm = algorithms.find((name) => name === (asked || algorithms[0]));
  if (algorithm === undefined) {
    throw new Failure(
      'bad_data',
      `unsupported fuzz_alg ${quoteGiven(asked)}: must be one of [${algorithms.join(' ')}]`,
    );
  }
  const caseSensitive = readBoolean(form, 'case_sensitive', true);
  const includeScore = readBoolean(form, 'include_score', false);
  const { sortBy, order } = readOrder(form, terms.length > 0);
  const limit = readSearchLimit(form, deps.searchLimitMax);
  const batchSize = readWhole(form, 'batch_size', defaultBatchSize, 1, Infinity, 'must be a positive integer');
  if (!['', 'alpha', 'score'].includes(sortBy)) {
    throw new Failure('bad_data', `invalid sort_by ${quoteGiven(sortBy)} for ${endpoint}: must be "alpha" or "score"`);
  }
  const filter = searchFilter({ terms, algorithm, threshold, caseSensitive });
  // Only names in their own order, all of them wanted, can be cut where they are listed.
  const listLimit = filter === undefined && order !== 'descending' ? limit + 1 : 0;
  const query = { selectors, minT: startMs, maxT: endMs, limit: listLimit, memory: call.listMemory };
  const termsLength = terms.reduce((sum, { length }) => sum + length, 0);
  return { query, filter, termsLength, order, includeScore, limit, batchSize };
}

function readOrder(form: RequestForm, hasTerms: boolean): { sortBy: string; order: Order } {
  const sortBy = form.get('sort_by');
  const direction = form.get('sort_dir');
  if (direction !== '' && sortBy === '') {
    throw new Failure('bad_data', 'sort_dir is only valid when sort_by is set');
  }
  if (direction !== '' && sortBy === 'score') {
    throw new Failure('bad_data', 'sort_dir is not supported for sort_by=score');
  }
  if (!['', 'asc', 'dsc'].includes(direction)) {
    throw new Failure('bad_data', `invalid sort_dir ${quoteGiven(direction)}: must be "asc" or "dsc"`);
  }
  if (sortBy === 'score' && !hasTerms) {
    throw new Failure('bad_data', 'sort_by=score requires search[] to be set');
  }
  if (sortBy === 'score') return { sortBy, order: 'score' };
  return { sortBy, order: sortBy === 'alpha' && direction === 'dsc' ? 'descending' : 'ascending' };
}

function readSearchLimit(form: RequestForm, limitMax: number): number {
  const byDefault = limitMax > 0 ? Math.min(defaultLimit, limitMax) : defaultLimit;
  const limit = readWhole(form, 'limit', byDefault, 1, Infinity, 'must be a positive integer');
  if (limitMax > 0 && limit > limitMax) {
    throw new Failure(
      'bad_data',
      `limit ${limit} exceeds the configured maximum (${limitMax}, see --query.search-limit-max)`,
    );
  }
  return limit;
}

function readWhole(
  form: RequestForm,
  name: string,
  absent: number,
  min: number,
  max: number,
  otherwise: string,
): number {
  const text = form.get(name);
  if (text === '') return absent;
  let value = Number.NaN;
  try {
    value = parseGoInteger(text);
  } catch {
    // Not a number is out of bounds, too.
  }
  if (!(value >= min && value <= max))
    throw new Failure('bad_data', `invalid ${name} ${quoteGiven(text)}: ${otherwise}`);
  return value;
}

const trueTexts = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const falseTexts = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

function readBoolean(form: RequestForm, name: string, absent: boolean): boolean {
  const text = form.get(name);
  if (text === '') return absent;
  if (trueTexts.has(text)) return true;
  if (falseTexts.has(text)) return false;
  throw new Failure('bad_data', `invalid ${name} ${quoteGiven(text)}: must be boolean`);
}
