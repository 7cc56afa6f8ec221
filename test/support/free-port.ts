/**
 * A port of the loopback that nobody listens on. A server that is to be killed and started again on the
 * same address needs to know its port beforehand; port 0 would move with every start.
 * Owns that none is given to two: test files run side by side, so each process has ports of its own, below those that the system gives to
 * connections that go out. One is given again after all others.
 */
import { createServer } from 'node:net';

const firstPort = 10_000;
const portsOfProcess = 100;
/** Those of the system begin at 32,768 on Linux. */
const processes = Math.floor((32_768 - firstPort) / portsOfProcess);
const ownFirst = firstPort + (process.pid % processes) * portsOfProcess;
let given = 0;

export async function freePort(): Promise<number> {
  for (let tries = 0; tries < portsOfProcess; tries++) {
    const port = ownFirst + (given++ % portsOfProcess);
    if (await isFree(port)) return port;
  }
  throw new Error(`all ports from ${ownFirst} to ${ownFirst + portsOfProcess - 1} are taken`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
  } catch {
    return false;
  }
  await new Promise((resolve) => server.close(resolve));
  return true;
}
