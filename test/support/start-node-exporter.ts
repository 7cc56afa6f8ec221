/** A real node_exporter of a test, on its own port of the loopback. */
import { serverPath } from './find-server.ts';
import { freePort } from './free-port.ts';
import { runProcess } from './run-process.ts';
import { GiveUp, waitFor } from './wait-until.ts';

export interface NodeExporter extends AsyncDisposable {
  /** `host:port`, as a scrape configuration has it. */
  readonly address: string;
}

export async function startNodeExporter(): Promise<NodeExporter> {
  const address = `127.0.0.1:${await freePort()}`;
  const child = runProcess(serverPath('node-exporter'), [`--web.listen-address=${address}`]);
  const stop = async () => {
    child.signal('SIGKILL');
    await child.exited;
  };
  try {
    await waitFor(`node_exporter on ${address}`, async () => {
      if (!child.isRunning()) throw new GiveUp(`node_exporter ended at once:\n${child.output()}`);
      return (await fetch(`http://${address}/metrics`)).ok ? true : undefined;
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { address, [Symbol.asyncDispose]: stop };
}
