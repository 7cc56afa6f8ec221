/**
 * Does a JSON value have the shape that an OpenAPI document says?
 * Owns the part of JSON Schema that the documents here use; a keyword that is not known is an error, never passed over.
 */

interface Schema {
  readonly [keyword: string]: unknown;
}

export interface OpenApiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

interface Operation {
  readonly responses: Readonly<Record<string, ResponseObject>>;
}

interface ResponseObject {
  readonly $ref?: string;
  readonly content?: Readonly<Record<string, { readonly schema?: Schema }>>;
}

/** Keywords that say nothing about the shape. */
const silent = new Set(['description', 'example', 'examples', 'default', 'format', 'title']);

/** What is wrong with the value, as sentences with paths; none where it fits. */
export function schemaProblems(document: OpenApiDocument, schema: Schema, value: unknown, at = '$'): string[] {
  const problems: string[] = [];
  for (const [keyword, wanted] of Object.entries(schema)) {
    if (!silent.has(keyword)) problems.push(...keywordProblems(document, schema, keyword, wanted, value, at));
  }
  return problems;
}

function keywordProblems(
  document: OpenApiDocument,
  schema: Schema,
  keyword: string,
  wanted: unknown,
  value: unknown,
  at: string,
): string[] {
  const check = (inner: Schema, part: unknown, where: string) => schemaProblems(document, inner, part, where);
  switch (keyword) {
    case '$ref':
      return check(resolve<Schema>(document, wanted as string), value, at);
    case 'type':
      return [wanted].flat().some((type) => hasType(value, type as string)) ? [] : [`${at} is no ${wanted}`];
    case 'const':
      return value === wanted ? [] : [`${at} is not ${wanted}`];
    case 'enum':
      return (wanted as unknown[]).includes(value) ? [] : [`${at} is none of ${wanted}`];
    case 'minimum':
      return typeof value !== 'number' || value >= (wanted as number) ? [] : [`${at} is below ${wanted}`];
    case 'maximum':
      return typeof value !== 'number' || value <= (wanted as number) ? [] : [`${at} is above ${wanted}`];
    case 'minItems':
      return !Array.isArray(value) || value.length >= (wanted as number) ? [] : [`${at} has fewer than ${wanted}`];
    case 'maxItems':
      return !Array.isArray(value) || value.length <= (wanted as number) ? [] : [`${at} has more than ${wanted}`];
    case 'required':
      return isObject(value)
        ? (wanted as string[]).filter((name) => !(name in value)).map((name) => `${at} has no ${name}`)
        : [];
    case 'properties':
      return isObject(value)
        ? Object.entries(wanted as Record<string, Schema>).flatMap(([name, inner]) =>
            name in value ? check(inner, value[name], `${at}.${name}`) : [],
          )
        : [];
    case 'additionalProperties':
      return isObject(value)
        ? Object.keys(value)
            .filter((name) => !(name in ((schema.properties as object | undefined) ?? {})))
            .flatMap((name) => {
              if (typeof wanted === 'object') return check(wanted as Schema, value[name], `${at}.${name}`);
              return wanted === false ? [`${at} has ${name}, which is not known`] : [];
            })
        : [];
    case 'prefixItems':
      return Array.isArray(value)
        ? (wanted as Schema[]).flatMap((inner, i) => (i < value.length ? check(inner, value[i], `${at}[${i}]`) : []))
        : [];
    case 'items':
      return Array.isArray(value) ? value.flatMap((part, i) => check(wanted as Schema, part, `${at}[${i}]`)) : [];
    case 'anyOf':
    case 'oneOf': {
      const tried = (wanted as Schema[]).map((inner) => check(inner, value, at));
      const fitting = tried.filter((problems) => problems.length === 0).length;
      if (fitting === 1 || (fitting > 1 && keyword === 'anyOf')) return [];
      if (fitting > 1) return [`${at} fits ${fitting} of the shapes`];
      return [`${at} fits none of the shapes: ${tried.map(([first]) => first).join('; ')}`];
    }
    default:
      throw new Error(`the keyword ${keyword} is not known to check-schema.ts`);
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function hasType(value: unknown, type: string): boolean {
  switch (type) {
    case 'object':
      return isObject(value);
    case 'array':
      return Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    case 'null':
      return value === null;
    default:
      return typeof value === type;
  }
}

function resolve<T>(document: OpenApiDocument, ref: string): T {
  const found = ref
    .replace('#/', '')
    .split('/')
    .reduce<unknown>((part, name) => (part as Record<string, unknown> | undefined)?.[name], document);
  if (found === undefined) throw new Error(`${ref} is not in the document`);
  return found as T;
}

/** The schema of an answer; undefined where the document has no such path, method or JSON content. */
export function answerSchema(
  document: OpenApiDocument,
  path: string,
  method: string,
  status: number,
): Schema | undefined {
  const responses = document.paths[path]?.[method.toLowerCase()]?.responses;
  const response = responses?.[String(status)] ?? responses?.default;
  const resolved = response?.$ref === undefined ? response : resolve<ResponseObject>(document, response.$ref);
  return resolved?.content?.['application/json']?.schema;
}
