/**
 * A real S3 server of a test: versitygw over a folder of its own, on its own port of the loopback, ended by its pid.
 * Owns the account and the one bucket `maru`.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { serverPath } from './find-server.ts';
import { freePort } from './free-port.ts';
import { runProcess } from './run-process.ts';
import { tempFolder } from './temp-folder.ts';
import { GiveUp, waitFor } from './wait-until.ts';

export interface S3Server extends AsyncDisposable {
  readonly endpoint: string;
  readonly bucket: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Where its objects lie as files. */
  readonly folder: string;
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
  const child = runProcess(serverPath('versitygw'), ['--port', `127.0.0.1:${port}`, 'posix', objects], {
    cwd: folder.path,
    env: { ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey },
  });
  const stop = async () => {
    child.signal('SIGTERM');
    const force = setTimeout(() => child.signal('SIGKILL'), 5_000);
    await child.exited;
    clearTimeout(force);
    await folder[Symbol.asyncDispose]();
  };
  try {
    await waitFor(`versitygw answers on ${endpoint}`, async () => {
      if (!child.isRunning()) throw new GiveUp(`versitygw ended at once:\n${child.output()}`);
      return (await fetch(endpoint)).status > 0 ? true : undefined;
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { endpoint, bucket, credentials, folder: join(objects, bucket), [Symbol.asyncDispose]: stop };
}
