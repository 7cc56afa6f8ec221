/**
 * A Docker engine of a test, apart from any other of this machine: Debian's, unpacked by .ci/run, its images kept in the folder of tools
 * so that they are built once; ended by its pid. It needs root, and changes nothing of the host's network: no firewall rules, no
 * forwarding, no bridge but those of the networks that a test makes; a published port is passed on by Docker's proxy.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { libraryPath, serverPath, toolPath } from './find-server.ts';
import { runProcess } from './run-process.ts';
import { GiveUp, waitFor } from './wait-until.ts';

const packages = ['docker.io', 'containerd', 'runc', 'iptables'];
const libraries = [
  'iptables',
  'libip4tc2',
  'libip6tc2',
  'libmnl0',
  'libnetfilter-conntrack3',
  'libnfnetlink0',
  'libnftnl11',
  'libxtables12',
];

export interface Docker extends AsyncDisposable {
  /** Runs `docker ARGS` to its end and returns what it printed. @throws Error with that when it fails. */
  docker(...args: readonly string[]): Promise<string>;
  /** Runs `docker-compose ARGS` to its end, likewise. */
  compose(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<string>;
}

/** Starts the engine and waits until it answers; waits for one that runs on the same folder. Disposing ends it and its containers. */
export async function startDocker(): Promise<Docker> {
  const folder = toolPath('docker');
  const socket = `unix://${join(folder, 'docker.sock')}`;
  const env = {
    PATH: [
      ...packages.flatMap((name) => ['usr/sbin', 'usr/bin'].map((bin) => toolPath('debian', name, bin))),
      process.env.PATH ?? '',
    ].join(delimiter),
    LD_LIBRARY_PATH: libraryPath(...libraries),
    XTABLES_LIBDIR: join(libraryPath('iptables'), 'xtables'),
    DOCKER_HOST: socket,
    // Its successor is a plug-in that Debian does not have.
    DOCKER_BUILDKIT: '0',
  };
  await mkdir(folder, { recursive: true });
  const launch = () =>
    runProcess(
      serverPath('dockerd'),
      [
        `--data-root=${join(folder, 'data')}`,
        `--exec-root=${join(folder, 'exec')}`,
        `--pidfile=${join(folder, 'pid')}`,
        `--host=${socket}`,
        '--bridge=none',
        '--iptables=false',
        '--ip-forward=false',
        '--log-level=warn',
      ],
      { env },
    );
  let engine = launch();
  const stop = async () => {
    engine.signal('SIGTERM');
    const force = setTimeout(() => engine.signal('SIGKILL'), 60_000);
    await engine.exited;
    clearTimeout(force);
    // What it leaves mounted where a container had a network.
    const network = join(folder, 'exec/netns/default');
    if (existsSync(network)) await runProcess('umount', [network]).exited;
  };
  const run = async (command: string, args: readonly string[], more: Readonly<Record<string, string>> = {}) => {
    const child = runProcess(command, args, { env: { ...env, ...more }, cwd: join(import.meta.dirname, '../..') });
    const { code, signal } = await child.exited;
    if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code ?? signal}:\n${child.output()}`);
    return child.output();
  };
  const docker = (...args: readonly string[]) => run(serverPath('docker'), args);
  try {
    await waitFor(
      'the Docker engine answers',
      async () => {
        if (!engine.isRunning()) {
          if (!/pid file found/.test(engine.output())) throw new GiveUp(`dockerd ended at once:\n${engine.output()}`);
          engine = launch();
        }
        return docker('version').then(() => true as const);
      },
      { deadlineMs: 300_000, everyMs: 500 },
    );
    // What a run that was killed has left would start with the engine.
    const left = (await docker('ps', '--all', '--quiet')).split('\n').filter((id) => id !== '');
    if (left.length > 0) await docker('rm', '--force', '--volumes', ...left);
    for (const kind of ['network', 'volume']) await docker(kind, 'prune', '--force');
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    docker,
    compose: (args, more) => run(serverPath('docker-compose'), args, more),
    [Symbol.asyncDispose]: stop,
  };
}
