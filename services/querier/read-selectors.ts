/**
 * Selectors of a request: `match[]`, or those of an expression.
 * Owns where they are read. Short texts are parsed here; what may hold a costly pattern goes to a query worker, which parses it,
 * and gives back values in the place of such patterns (resolve-patterns.ts).
 */
import { Failure } from '../../libs/errors/failure.ts';
import type { Matcher } from '../../libs/model/matcher.ts';
import type { ApiCall } from '../../libs/query-api/api-call.ts';
import type { TimeRangeMs } from '../../libs/query-api/query-parameters.ts';
import type { ApiDeps } from './endpoint.ts';
import { mayBeCostly } from './resolve-patterns.ts';

type Selectors = readonly (readonly Matcher[])[];

/** Selectors that one request may have: each is looked up by itself, on the thread that takes writes. */
const selectorsMax = 10_000;
/** Up to here all of them are parsed at once: in less than a millisecond, or in some ten where their patterns are as costly as may be. */
const charactersMax = 2_000;

/** The selectors of `match[]`, each once; of none, none. @throws Failure `bad_data`. */
export async function readMatches(call: ApiCall, deps: ApiDeps, range: TimeRangeMs): Promise<Selectors> {
  const texts = [...new Set(call.form.all('match[]'))];
  if (texts.length > selectorsMax) {
    throw new Failure('bad_data', `too many match[] parameters: ${texts.length}, at most ${selectorsMax} are allowed`);
  }
  return readTexts(call, deps, range, texts);
}

/** Whether a text is a selector at all. @throws Failure `bad_data` where it is none */
export async function checkSelector(call: ApiCall, deps: ApiDeps, text: string): Promise<void> {
  await readTexts(call, deps, nothing, [text]);
}

/** A range for selectors that are only read to see whether they are sound. */
export const nothing: TimeRangeMs = { startMs: 0, endMs: 0 };

async function readTexts(
  call: ApiCall,
  deps: ApiDeps,
  range: TimeRangeMs,
  texts: readonly string[],
): Promise<Selectors> {
  const length = texts.reduce((sum, text) => sum + text.length, 0);
  if (length > charactersMax || texts.some(mayBeCostly)) return resolveInWorker(call, deps, range, texts, false);
  return texts.map((text) => deps.syntax.parseSelector(text));
}

/** The same, none of which may match every series. @throws Failure `bad_data`. */
export async function readSelectors(call: ApiCall, deps: ApiDeps, range: TimeRangeMs): Promise<Selectors> {
  const selectors = await readMatches(call, deps, range);
  for (const matchers of selectors) {
    if (matchers.every((matcher) => deps.syntax.matchesEmpty(matcher))) {
      throw new Failure('bad_data', 'match[] must contain at least one non-empty matcher');
    }
  }
  return selectors;
}

/** The selectors of the expression in `query`. @throws Failure `bad_data`. */
export async function readExpressionSelectors(call: ApiCall, deps: ApiDeps, range: TimeRangeMs): Promise<Selectors> {
  const text = call.form.get('query');
  if (mayBeCostly(text)) return resolveInWorker(call, deps, range, [text], true);
  return deps.syntax.selectorsOf(text);
}

async function resolveInWorker(
  { tenant, signal }: ApiCall,
  deps: ApiDeps,
  { startMs, endMs }: TimeRangeMs,
  texts: readonly string[],
  ofExpression: boolean,
): Promise<Selectors> {
  const { chunks } = await deps.pool.run({
    tenant,
    request: { kind: 'selectors', texts, ofExpression, minT: startMs, maxT: endMs },
    source: deps.sourceOf(tenant),
    signal,
    timeoutMs: deps.timeoutMs,
  });
  const pieces: Uint8Array[] = [];
  for await (const piece of chunks) pieces.push(piece);
  return JSON.parse(Buffer.concat(pieces).toString()) as Selectors;
}
