/**
 * A real Redis of a test, on its own port of the loopback, that forgets everything when it ends; ended by its pid.
 */
import { connect } from 'node:net';
import { libraryPath, serverPath } from './find-server.ts';
import { freePort } from './free-port.ts';
import { type RunningProcess, runProcess } from './run-process.ts';
import { tempFolder } from './temp-folder.ts';
import { GiveUp, waitFor } from './wait-until.ts';

export interface RedisServer extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  signal(name: NodeJS.Signals): void;
  /** SIGKILL, and resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts it again, empty, on the same port. */
  launch(): Promise<void>;
}

/**
 * Starts the server and waits until it takes connections. Disposing kills it.
 * @param flagsOf where it listens, and as what; it may write into the folder
 */
export async function startRedis(
  flagsOf: (port: number, folder: string) => readonly string[] = (port) => ['--port', String(port)],
): Promise<RedisServer> {
  const folder = await tempFolder('redis');
  const port = await freePort();
  const listens = flagsOf(port, folder.path);
  let child: RunningProcess | undefined;
  const kill = async (): Promise<void> => {
    child?.signal('SIGKILL');
    await child?.exited;
  };
  const launch = async (): Promise<void> => {
    const keepsNothing = listens.includes('--sentinel') ? [] : ['--save', '', '--appendonly', 'no'];
    const flags = [...listens, '--bind', '127.0.0.1', ...keepsNothing];
    const running = runProcess(serverPath('redis'), flags, {
      cwd: folder.path,
      env: { LD_LIBRARY_PATH: libraryPath('libjemalloc2', 'liblzf1') },
    });
    child = running;
    await waitFor('Redis takes connections', async () => {
      if (!running.isRunning()) throw new GiveUp(`Redis ended at once:\n${running.output()}`);
      return (await canConnect(port)) ? true : undefined;
    });
  };
  await launch();
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    signal: (name) => child?.signal(name),
    kill,
    launch,
    [Symbol.asyncDispose]: async () => {
      await kill();
      await folder[Symbol.asyncDispose]();
    },
  };
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
