/**
 * Maru as one process a room, for load tests: a parent whose children are the ingesters and a distributor with a querier, which
 * has the port. What they cost is what the tree of this process costs; it does nothing itself.
 * `node load-tests/split-maru.ts <folder> <port> <replication factor>`
 */
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';

const [folder = '', port = '0', replicas = '1'] = process.argv.slice(2);
const main = join(import.meta.dirname, '../services/main.ts');
const nodeFlags = (process.env.MARU_TEST_NODE_FLAGS ?? '').split(' ').filter((flag) => flag !== '');
const flags = (process.env.MARU_TEST_FLAGS ?? '').split(' ').filter((flag) => flag !== '');

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

const children: ReturnType<typeof spawn>[] = [];

function start(target: string, instance: string, zone: string, ...more: readonly string[]): void {
  const child = spawn(
    process.execPath,
    [
      ...nodeFlags,
      main,
      `--target=${target}`,
      `--data-dir=${join(folder, instance)}`,
      `--bucket.filesystem.directory=${join(folder, 'bucket')}`,
      `--cluster.instance=${instance}`,
      `--cluster.zone=${zone}`,
      `--cluster.replication-factor=${replicas}`,
      '--tenancy.missing-header=anonymous',
      ...more,
      ...flags,
    ],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  children.push(child);
  child.once('exit', (code) => process.exit(code ?? 1));
}

for (let i = 0; i < Number(replicas); i++) {
  const zone = `zone-${i}`;
  start('ingester', `ingester-${zone}-0`, zone, `--server.http-port=0`, `--server.grpc-port=${await freePort()}`);
}
start('distributor,querier', 'door', 'zone-0', `--server.http-port=${port}`, '--query.max-samples=1000000000');
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});
