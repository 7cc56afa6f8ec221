/**
 * A real Kafka broker of a test (KRaft; alone or with others), on ports of its own of the loopback; ended by its pid. Its data outlives
 * a kill, so that it can be away and come back. Owns the broker's settings. Does not own topics.
 */
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { serverPath } from './find-server.ts';
import { freePort } from './free-port.ts';
import { type RunningProcess, runProcess } from './run-process.ts';
import { tempFolder } from './temp-folder.ts';
import { GiveUp, waitFor } from './wait-until.ts';

export interface KafkaBroker extends AsyncDisposable {
  /** `host:port` of the listener that needs neither TLS nor a name. */
  readonly address: string;
  readonly controllerPort: number;
  /** Where it keeps its topics. */
  readonly dataFolder: string;
  pid(): number;
  /** SIGKILL, and resolves when it is gone. */
  kill(): Promise<void>;
  signal(name: NodeJS.Signals): void;
  /** Starts it again on the same data and ports. */
  launch(): Promise<void>;
}

export interface KafkaOptions {
  /** Further lines of its server.properties. */
  readonly properties?: readonly string[];
  /** The broker that is its controller, and its own number; without it it is the first one, and its own controller. */
  readonly joins?: { readonly controllerPort: number; readonly id: number };
  /** A second listener: its name, its protocol, and lines that configure it. */
  readonly secure?: {
    readonly port: number;
    readonly protocol: 'SSL' | 'SASL_SSL' | 'SASL_PLAINTEXT';
    readonly properties: readonly string[];
    /** `SCRAM-SHA-512=[name=…,password=…]` and the like, known from the first start. */
    readonly credentials: readonly string[];
  };
}

/** Starts the broker and waits until it takes connections. Disposing kills it. */
export async function startKafka({ properties = [], joins, secure }: KafkaOptions = {}): Promise<KafkaBroker> {
  const folder = await tempFolder('kafka');
  const [port, controllerPort] = await Promise.all([freePort(), joins?.controllerPort ?? freePort()]);
  const address = `127.0.0.1:${port}`;
  const file = join(folder.path, 'server.properties');
  const options = { properties, ...(joins && { joins }), ...(secure && { secure }) };
  const dataFolder = join(folder.path, 'data');
  await writeFile(file, kafkaProperties(dataFolder, port, controllerPort, options));
  const run = (heap: string, ...args: readonly string[]): RunningProcess =>
    runProcess(serverPath('kafka'), args, {
      cwd: folder.path,
      env: { KAFKA_JAVA_OPTIONS: `-Xmx${heap} -XX:TieredStopAtLevel=1 -XX:+UseSerialGC` },
    });
  let child: RunningProcess | undefined;
  const kill = async (): Promise<void> => {
    child?.signal('SIGKILL');
    await child?.exited;
  };
  const launch = async (): Promise<void> => {
    const running = run('512m', 'kafka.Kafka', file);
    child = running;
    await waitFor(
      `Kafka takes connections on ${address}`,
      async () => {
        if (!running.isRunning()) throw new GiveUp(`Kafka ended at once:\n${running.output()}`);
        return (await canConnect(port)) ? true : undefined;
      },
      { deadlineMs: 180_000 },
    );
  };
  const dispose = async (): Promise<void> => {
    await kill();
    await folder[Symbol.asyncDispose]();
  };
  try {
    const scram = (secure?.credentials ?? []).flatMap((one) => ['--add-scram', one]);
    const format = run('128m', 'kafka.tools.StorageTool', 'format', '-t', kafkaClusterId, '-c', file, ...scram);
    const { code } = await format.exited;
    if (code !== 0) throw new Error(`the folder of Kafka cannot be made:\n${format.output()}`);
    await launch();
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    address,
    controllerPort,
    dataFolder,
    pid: () => child?.pid ?? 0,
    kill,
    signal: (name) => child?.signal(name),
    launch,
    [Symbol.asyncDispose]: dispose,
  };
}

/** Any name of a cluster will do: 16 bytes in base64. */
export const kafkaClusterId = 'bWFydS10ZXN0LWNsdXN0ZQ';

/** The server.properties of a broker. */
export function kafkaProperties(
  dataFolder: string,
  port: number,
  controllerPort: number,
  { properties = [], joins, secure }: KafkaOptions = {},
): string {
  const controls = joins === undefined;
  const more = secure === undefined ? '' : `,SECURE://127.0.0.1:${secure.port}`;
  return [
    `process.roles=broker${controls ? ',controller' : ''}`,
    `node.id=${joins?.id ?? 1}`,
    `controller.quorum.voters=1@127.0.0.1:${controllerPort}`,
    `listeners=PLAINTEXT://127.0.0.1:${port}${controls ? `,CONTROLLER://127.0.0.1:${controllerPort}` : ''}${more}`,
    `advertised.listeners=PLAINTEXT://127.0.0.1:${port}${more}`,
    'controller.listener.names=CONTROLLER',
    'inter.broker.listener.name=PLAINTEXT',
    `listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURE:${secure?.protocol ?? 'PLAINTEXT'}`,
    `log.dirs=${dataFolder}`,
    'offsets.topic.replication.factor=1',
    'transaction.state.log.replication.factor=1',
    'transaction.state.log.min.isr=1',
    'auto.create.topics.enable=false',
    ...(secure?.properties ?? []),
    ...properties,
    '',
  ].join('\n');
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
