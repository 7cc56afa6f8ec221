/**
 * The Prometheus query API as a test speaks it.
 * Owns requests and the shape of answers. Does not own how two answers are compared (compare-answers.ts).
 */

export interface Answer {
  readonly httpStatus: number;
  readonly status: 'success' | 'error';
  readonly data?: unknown;
  readonly errorType?: string;
  readonly error?: string;
  readonly warnings?: readonly string[];
  readonly infos?: readonly string[];
}

export type MetricLabels = Readonly<Record<string, string>>;
export type SamplePair = readonly [number, string];

export interface HistogramValue {
  readonly count: string;
  readonly sum: string;
  readonly buckets?: readonly (readonly [number, string, string, string])[];
}

export interface SeriesAnswer {
  readonly metric: MetricLabels;
  readonly value?: SamplePair;
  readonly values?: readonly SamplePair[];
  readonly histogram?: readonly [number, HistogramValue];
  readonly histograms?: readonly (readonly [number, HistogramValue])[];
}

export interface QueryData {
  readonly resultType: 'vector' | 'matrix' | 'scalar' | 'string';
  readonly result: readonly SeriesAnswer[];
}

/** Where to ask: the address before `/api/v1`, and as whom. */
export interface QueryTarget {
  readonly baseUrl: string;
  readonly tenant?: string;
}

/** Asks `/api/v1/<path>` with form parameters; a value that is a list is sent once an item. */
export async function ask(
  target: QueryTarget,
  path: string,
  parameters: Readonly<Record<string, string | number | readonly string[]>> = {},
  method: 'GET' | 'POST' = 'GET',
): Promise<Answer> {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of typeof value === 'object' ? value : [String(value)]) form.append(name, one);
  }
  const url = `${target.baseUrl}/api/v1/${path}`;
  const headers: Record<string, string> = target.tenant === undefined ? {} : { 'x-scope-orgid': target.tenant };
  const signal = AbortSignal.timeout(60_000);
  const response =
    method === 'GET'
      ? await fetch(`${url}?${form}`, { headers, signal })
      : await fetch(url, { method, headers, body: form, signal });
  const text = await response.text();
  try {
    return { httpStatus: response.status, ...(JSON.parse(text) as Omit<Answer, 'httpStatus'>) };
  } catch (cause) {
    throw new Error(`${url} answered ${response.status} with what is no JSON: ${text.slice(0, 500)}`, { cause });
  }
}

/**
 * Asks an instant query at `time` (seconds) and returns its data.
 * @throws Error with the server's words where the answer is not a success.
 */
export async function queryAt(target: QueryTarget, query: string, time: number): Promise<QueryData> {
  const answer = await ask(target, 'query', { query, time }, 'POST');
  if (answer.status !== 'success')
    throw new Error(`${query}: ${answer.httpStatus} ${answer.errorType}: ${answer.error}`);
  return answer.data as QueryData;
}
