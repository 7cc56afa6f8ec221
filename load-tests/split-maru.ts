/**
 * Maru as one process a room, for load tests: a parent whose children are the ingesters and a distributor with a querier, which
 * has the port. What they cost is what the tree of this process costs; it does nothing itself.
 * `node load-tests/split-maru.ts <folder> <port> <replication factor> [kafka | kafka-zstd]`
 * With Kafka a broker is started as well, in the same process group and not below this process: what it costs is not counted.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { serverPath } from '../test/support/find-server.ts';
import { kafkaClusterId, kafkaProperties } from '../test/support/start-kafka.ts';

const [folder = '', port = '0', replicas = '1', log = 'local'] = process.argv.slice(2);
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
      '--single-threaded-gc', // as bin/maru.js does
      '--max-semi-space-size=16',
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
      ...logFlags,
      ...flags,
    ],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
  children.push(child);
  child.once('exit', (code) => process.exit(code ?? 1));
}

/** Starts a broker; the flags by which it is reached. */
async function startBroker(): Promise<readonly string[]> {
  const [brokerPort, controllerPort] = [await freePort(), await freePort()];
  const file = join(folder, 'server.properties');
  writeFileSync(file, kafkaProperties(join(folder, 'kafka'), brokerPort, controllerPort));
  const kafka = `KAFKA_JAVA_OPTIONS=-Xmx1g '${serverPath('kafka')}'`;
  const format = `${kafka} kafka.tools.StorageTool format -t ${kafkaClusterId} -c '${file}' >/dev/null`;
  // The shell ends at once, and the broker is nobody's child.
  spawn('sh', ['-c', `(${format} && ${kafka} kafka.Kafka '${file}' >/dev/null) &`], { stdio: 'ignore' });
  return [
    '--ingest.log=kafka',
    `--kafka.brokers=127.0.0.1:${brokerPort}`,
    '--kafka.partitions=1',
    `--kafka.compression=${log === 'kafka-zstd' ? 'zstd' : 'none'}`,
  ];
}

const logFlags = log !== 'local' ? await startBroker() : [];
for (let i = 0; i < Number(replicas); i++) {
  const zone = `zone-${i}`;
  start('ingester', `ingester-${zone}-0`, zone, `--server.http-port=0`, `--server.grpc-port=${await freePort()}`);
}
start('distributor,querier', 'door', 'zone-0', `--server.http-port=${port}`, '--query.max-samples=1000000000');
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});
