/**
 * From file, environment and flags to one tree of values, later ones winning over earlier ones.
 * Owns the three spellings of a name and what is said about a key that is unknown or of the wrong type. Does not own which
 * keys there are (services/config.ts). Surprising: an empty value in the file (`key:`) counts as absent.
 */
import { readFileSync } from 'node:fs';
import { isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import { ConfigError } from './config-error.ts';
import { type ConfigKey, type ConfigTree, KeyTypeError, type ValuesOf } from './config-key.ts';
import { nearestName } from './nearest-name.ts';

export interface ConfigSources {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** One key with its name in the three spellings. */
export interface NamedKey {
  readonly path: readonly string[];
  readonly flag: string;
  readonly variable: string;
  readonly yaml: string;
  readonly key: ConfigKey<unknown>;
}

const environmentPrefix = 'MARU_';
/** Variables of the project's own tests and tools: nothing of the server. */
const foreignPrefixes = ['MARU_TEST_', 'MARU_TOOLS_', 'MARU_REQUIRE_', 'MARU_KILL_', 'MARU_CI_', 'MARU_LOAD_'];
/** What Kubernetes puts into every pod beside a Service whose name begins with `maru`: MARU_PORT, MARU_SERVICE_HOST, ... */
const kubernetesName = /_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/;
const kubernetesValue = /^(tcp|udp|sctp):\/\//;

function isKey(node: ConfigKey<unknown> | ConfigTree): node is ConfigKey<unknown> {
  return node.isKey === true;
}

function words(name: string): string[] {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`).split('_');
}

/** All keys of a tree in order. */
export function namedKeys(tree: ConfigTree, path: readonly string[] = []): NamedKey[] {
  return Object.entries(tree).flatMap(([name, node]): NamedKey[] => {
    const here = [...path, name];
    if (!isKey(node)) return namedKeys(node, here);
    const parts = here.map(words);
    return [
      {
        path: here,
        flag: `--${parts.map((part) => part.join('-')).join('.')}`,
        variable: environmentPrefix + parts.flat().join('_').toUpperCase(),
        yaml: parts.map((part) => part.join('_')).join('.'),
        key: node,
      },
    ];
  });
}

interface Given {
  readonly text: string;
  /** Where it stood, for errors. */
  readonly where: string;
}

/**
 * Reads all sources. `fileKey` names the key that holds the path of the file ('' for none).
 * @throws ConfigError for anything that is not a known key with a value of its type
 */
export function readConfig<T extends ConfigTree>(tree: T, sources: ConfigSources, fileKey: string): ValuesOf<T> {
  const keys = namedKeys(tree);
  const byFlag = new Map(keys.map((named) => [named.flag, named]));
  const byVariable = new Map(keys.map((named) => [named.variable, named]));
  const byYaml = new Map(keys.map((named) => [named.yaml, named]));
  const fromFlags = readFlags(sources.args, byFlag);
  const fromEnvironment = readEnvironment(sources.env, byVariable);
  const fileNamed = byFlag.get(fileKey);
  const path = fileNamed === undefined ? undefined : (fromFlags.get(fileNamed) ?? fromEnvironment.get(fileNamed))?.text;
  const fromFile = path === undefined || path === '' ? new Map<NamedKey, Given>() : readFile(path, byYaml);
  const values: Record<string, unknown> = {};
  for (const named of keys) {
    const given = fromFlags.get(named) ?? fromEnvironment.get(named) ?? fromFile.get(named);
    place(values, named.path, given === undefined ? named.key.defaultValue : parsed(named, given));
  }
  return values as ValuesOf<T>; // built key by key from the same tree
}

function parsed(named: NamedKey, given: Given): unknown {
  try {
    return named.key.parse(given.text);
  } catch (error) {
    if (!(error instanceof KeyTypeError)) throw error;
    throw new ConfigError(`${given.where}: ${JSON.stringify(given.text)} is not ${error.message}`);
  }
}

function place(values: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at = values;
  for (const name of path.slice(0, -1)) {
    at[name] ??= {};
    at = at[name] as Record<string, unknown>;
  }
  at[path.at(-1) ?? ''] = value;
}

function readFlags(args: readonly string[], known: ReadonlyMap<string, NamedKey>): Map<NamedKey, Given> {
  const given = new Map<NamedKey, Given>();
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? '';
    const equals = arg.indexOf('=');
    const name = equals < 0 ? arg : arg.slice(0, equals);
    const named = known.get(name);
    if (named === undefined) {
      if (!arg.startsWith('--'))
        throw new ConfigError(`argument ${JSON.stringify(arg)}: only flags are understood (see --help)`);
      throw new ConfigError(unknownKey(`flag ${name}`, name, [...known.keys()]));
    }
    let value = arg.slice(equals + 1);
    if (equals < 0) {
      const next = args[i + 1];
      if (next === undefined) throw new ConfigError(`flag ${name}: a value is missing (${named.key.type})`);
      value = next;
      i++;
    }
    given.set(named, { text: value, where: `flag ${name}` });
  }
  return given;
}

function readEnvironment(env: ConfigSources['env'], known: ReadonlyMap<string, NamedKey>): Map<NamedKey, Given> {
  const given = new Map<NamedKey, Given>();
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith(environmentPrefix) || value === undefined) continue;
    if (foreignPrefixes.some((prefix) => name.startsWith(prefix))) continue;
    if (kubernetesName.test(name) || kubernetesValue.test(value)) continue;
    const named = known.get(name);
    if (named === undefined) throw new ConfigError(unknownKey(`environment variable ${name}`, name, [...known.keys()]));
    given.set(named, { text: value, where: `environment variable ${name}` });
  }
  return given;
}

function readFile(path: string, known: ReadonlyMap<string, NamedKey>): Map<NamedKey, Given> {
  const file = parseYamlFile(path);
  const given = new Map<NamedKey, Given>();
  if (file.contents !== null) collectKeys(file, file.contents, '', known, given);
  return given;
}

/** A YAML file with the lines of its nodes, for errors. */
interface YamlFile {
  readonly path: string;
  readonly contents: unknown;
  readonly lineOf: (node: unknown) => number;
}

function parseYamlFile(path: string): YamlFile {
  let source: string;
  try {
    source = readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`configuration file ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, uniqueKeys: true });
  const [first] = document.errors;
  if (first !== undefined)
    throw new ConfigError(`configuration file ${path}:${lines.linePos(first.pos[0]).line}: ${first.message}`);
  return {
    path,
    contents: document.contents,
    lineOf: (node) => (isScalar(node) && node.range ? lines.linePos(node.range[0]).line : 1),
  };
}

/** The pairs of a map with the name of each and where it stands. */
function pairsOf(file: YamlFile, node: unknown, name: string): { name: string; where: string; value: unknown }[] {
  if (!isMap(node)) {
    throw new ConfigError(`configuration file ${file.path}: ${name === '' ? 'the file' : name} must be a map of keys`);
  }
  return node.items.map(({ key, value }) => {
    const own = isScalar(key) ? String(key.value) : '';
    const whole = name === '' ? own : `${name}.${own}`;
    return { name: own, where: `${file.path}:${file.lineOf(key)}: key ${whole}`, value };
  });
}

/** Keys below `node`, which stands at `prefix` of the tree of `known`; `shown` is what stands before it in the file. */
function collectKeys(
  file: YamlFile,
  node: unknown,
  prefix: string,
  known: ReadonlyMap<string, NamedKey>,
  given: Map<NamedKey, Given>,
  shown = '',
): void {
  for (const pair of pairsOf(file, node, [shown, prefix].filter((part) => part !== '').join('.'))) {
    const { where, value } = pair;
    const name = prefix === '' ? pair.name : `${prefix}.${pair.name}`;
    const named = known.get(name);
    const isEmpty = value === null || (isScalar(value) && value.value === null);
    if (named === undefined) {
      if (![...known.keys()].some((key) => key.startsWith(`${name}.`))) {
        throw new ConfigError(unknownKey(where, name, [...known.keys()]));
      }
      if (!isEmpty && !isMap(value)) throw new ConfigError(`${where}: a map of keys is wanted, not a value`);
      if (!isEmpty) collectKeys(file, value, name, known, given, shown);
      continue;
    }
    if (isEmpty) continue;
    if (isScalar(value)) given.set(named, { text: value.source ?? String(value.value), where });
    else if (isSeq(value)) {
      given.set(named, {
        text: value.items.map((item) => (isScalar(item) ? String(item.value) : '')).join(','),
        where,
      });
    } else throw new ConfigError(`${where}: a value is wanted (${named.key.type}), not a map`);
  }
}

/**
 * Reads a file that holds under the key `section`, for each of many names, some keys of a flat tree:
 * `overrides: { team-a: { ingestion_rate: 1000 } }`. An empty file has none.
 * @returns for each name the values of the keys that it gives
 * @throws ConfigError for anything that is not a known key with a value of its type
 */
export function readSections<T extends ConfigTree>(
  path: string,
  section: string,
  tree: T,
): Map<string, { readonly where: string; readonly values: Partial<ValuesOf<T>> }> {
  const file = parseYamlFile(path);
  const byYaml = new Map(namedKeys(tree).map((named) => [named.yaml, named]));
  const found = new Map<string, { where: string; values: Partial<ValuesOf<T>> }>();
  if (file.contents === null || (isScalar(file.contents) && file.contents.value === null)) return found;
  for (const top of pairsOf(file, file.contents, '')) {
    if (top.name !== section) throw new ConfigError(unknownKey(top.where, top.name, [section]));
    if (top.value === null || (isScalar(top.value) && top.value.value === null)) continue;
    for (const { name, where, value } of pairsOf(file, top.value, section)) {
      const given = new Map<NamedKey, Given>();
      const isEmpty = value === null || (isScalar(value) && value.value === null);
      if (!isEmpty) collectKeys(file, value, '', byYaml, given, `${section}.${name}`);
      const values: Record<string, unknown> = {};
      for (const [named, text] of given) place(values, named.path, parsed(named, text));
      found.set(name, { where, values: values as Partial<ValuesOf<T>> }); // built key by key from the same tree
    }
  }
  return found;
}

function unknownKey(where: string, name: string, known: readonly string[]): string {
  return `${where}: no such key; the nearest known one is ${nearestName(name, known)} (see --help)`;
}
