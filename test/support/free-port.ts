/**
 * A port of the loopback that nobody listened on a moment ago. A server that is to be killed and started again on the
 * same address needs to know its port beforehand; port 0 would move with every start.
 */
import { createServer } from 'node:net';

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a numbered address');
  return address.port;
}
