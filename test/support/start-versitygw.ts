/**
 * A real S3 server of a test: versitygw over a folder of its own, on its own port of the loopback, ended by its pid.
 * Owns the account and the one bucket `maru`.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { serverPath } from './find-server.ts';
import { freePort } from './free-port.ts';
import { type RunningProcess, runProcess } from './run-process.ts';
import { tempFolder } from './temp-folder.ts';
import { GiveUp, waitFor } from './wait-until.ts';

export interface S3Server extends AsyncDisposable {
  readonly endpoint: string;
  readonly bucket: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Where its objects lie as files. */
  readonly folder: string;
  signal(name: NodeJS.Signals): void;
  /** SIGKILL, and resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same objects and port. */
  launch(): Promise<void>;
}

/** Starts the server with an empty bucket and waits until it answers. Disposing ends it and removes its folder. */
export async function startVersitygw(): Promise<S3Server> {
  const folder = await tempFolder('versitygw');
  const bucket = 'maru';
  const objects = join(folder.path, 'objects');
  await mkdir(join(objects, bucket), { recursive: true });
  const credentials = { accessKeyId: 'maru-test', secretAccessKey: 'maru-test-secret' };
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  let child: RunningProcess | undefined;
  const launch = async (): Promise<void> => {
    const running = runProcess(
      serverPath('versitygw'),
      ['--port', `127.0.0.1:${port}`, '--keep-alive', '--quiet', 'posix', objects],
      {
        cwd: folder.path,
        env: { ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey },
      },
    );
    child = running;
    await waitFor(`versitygw answers on ${endpoint}`, async () => {
      if (!running.isRunning()) throw new GiveUp(`versitygw ended at once:\n${running.output()}`);
      return (await fetch(endpoint)).status > 0 ? true : undefined;
    });
  };
  const kill = async (): Promise<void> => {
    child?.signal('SIGKILL');
    await child?.exited;
  };
  const dispose = async (): Promise<void> => {
    await kill();
    await folder[Symbol.asyncDispose]();
  };
  try {
    await launch();
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    endpoint,
    bucket,
    credentials,
    folder: join(objects, bucket),
    signal: (name) => child?.signal(name),
    kill,
    launch,
    [Symbol.asyncDispose]: dispose,
  };
}
