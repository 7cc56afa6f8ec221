/**
 * Where the real servers are that the tests speak to, and what a test says when one is absent.
 * Owns the search order: the folder that `.ci/run` filled, then the PATH. Does not own how a server is started. On a
 * machine without them the tests that need them are skipped with a sentence; with MARU_REQUIRE_SERVERS=1, as in CI,
 * an absent server is an error.
 */
import { createHash } from 'node:crypto';
import { accessSync, constants, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

interface ServerPlace {
  /** Below the folder of tools. */
  readonly cached: string;
  /** File below .ci/tools that names the folder of tools; absent for the go.sum that stands there itself. */
  readonly pin?: string;
  /** On the PATH; absent where a program of that name may be another version. */
  readonly command?: string;
}

const places = {
  /** Prometheus 3.15, the reference. */
  prometheus: { cached: 'bin/prometheus' },
  promtool: { cached: 'bin/promtool' },
  /** Debian's Prometheus 2.42: only a sender, its semantics are old. */
  'prometheus-2': { cached: 'debian/prometheus/usr/bin/prometheus' },
  'node-exporter': {
    cached: 'debian/prometheus-node-exporter/usr/bin/prometheus-node-exporter',
    command: 'prometheus-node-exporter',
  },
  /** An S3 server over a folder. */
  versitygw: { cached: 'bin/versitygw', pin: 'versitygw/go.sum' },
  /** Debian's engine and its client, version 20.10. */
  dockerd: { cached: 'debian/docker.io/usr/sbin/dockerd' },
  docker: { cached: 'debian/docker.io/usr/bin/docker' },
  'docker-compose': { cached: 'bin/docker-compose', pin: 'compose/go.sum' },
  helm: { cached: 'bin/helm', pin: 'helm/go.sum' },
  'kubectl-validate': { cached: 'bin/kubectl-validate', pin: 'kubectl-validate/go.sum' },
  /** Runs a class of the broker's: `kafka kafka.Kafka server.properties`. */
  kafka: { cached: 'bin/kafka', pin: 'kafka/pom.xml' },
  redis: { cached: 'debian/redis-tools/usr/bin/redis-server', command: 'redis-server' },
} as const satisfies Record<string, ServerPlace>;

export type ServerName = keyof typeof places;

/** The path of a server's program, undefined where it is absent. */
function findServer(name: ServerName): string | undefined {
  const place: ServerPlace = places[name];
  const candidates = [join(toolsFolder(place.pin), place.cached)];
  if (place.command !== undefined) {
    for (const folder of (process.env.PATH ?? '').split(delimiter)) candidates.push(join(folder, place.command));
  }
  return candidates.find(isExecutable);
}

/**
 * The path of a server's program.
 * @throws Error where it is absent: ask `skipWithout` first.
 */
export function serverPath(name: ServerName): string {
  const path = findServer(name);
  if (path === undefined) throw new Error(`${name} is absent: run .ci/run once to have it`);
  return path;
}

/** A path below the folder that `.ci/run` filled, for what is no program of its own. */
export function toolPath(...parts: readonly string[]): string {
  return join(toolsFolder(), ...parts);
}

/** Where the shared libraries of unpacked Debian packages lie, for LD_LIBRARY_PATH. */
export function libraryPath(...packages: readonly string[]): string {
  const architecture = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  return packages.map((name) => join(toolsFolder(), 'debian', name, 'usr/lib', architecture)).join(delimiter);
}

/**
 * The value of a test's `skip` option: false where all servers are there, else the reason.
 * @throws Error in place of the reason when MARU_REQUIRE_SERVERS is 1.
 */
export function skipWithout(...names: readonly ServerName[]): string | false {
  const absent = names.filter((name) => findServer(name) === undefined);
  if (absent.length === 0) return false;
  return skipFor(`${absent.join(' and ')} not found in ${toolsFolder()}: run .ci/run once to have it`);
}

/** The value of `skip` of a test that needs root, likewise. */
export function skipUnlessRoot(): string | false {
  return process.getuid?.() === 0 ? false : skipFor('it needs root');
}

/** A reason to skip, which is an error where every test must run. */
function skipFor(reason: string): string {
  if (process.env.MARU_REQUIRE_SERVERS === '1') throw new Error(`MARU_REQUIRE_SERVERS=1, but ${reason}`);
  return reason;
}

/** The folder that `.ci/run` fills: named after the file that pins what is in it. */
function toolsFolder(pin = 'go.sum'): string {
  const file = readFileSync(join(import.meta.dirname, '../../.ci/tools', pin));
  const pinned = createHash('sha256').update(file).digest('hex').slice(0, 16);
  return join(process.env.MARU_TOOLS_DIR ?? join(homedir(), '.cache/maru-tools'), pinned);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
