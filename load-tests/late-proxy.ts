/**
 * A server that is so many milliseconds away: a process that passes bytes on, what comes back that much later. A process of its own,
 * so that passing bytes on takes nothing of the time of whoever asks. `node load-tests/late-proxy.ts <host:port> <ms>`; it says its port.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';

/** Starts the process; it ends when it is disposed of, or with this one. */
export async function startLateProxy(target: string, delayMs: number): Promise<{ endpoint: string } & Disposable> {
  const child: ChildProcess = fork(import.meta.filename, [new URL(target).host, String(delayMs)]);
  const [port] = (await once(child, 'message')) as [number];
  return { endpoint: `http://127.0.0.1:${port}`, [Symbol.dispose]: () => void child.kill() };
}

function serve(host: string, port: number, delayMs: number): void {
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ host, port, noDelay: true });
    near.on('data', (bytes) => far.write(bytes));
    // Timers of one duration end in their order.
    far.on('data', (bytes) => setTimeout(() => near.write(bytes), delayMs));
    far.on('end', () => setTimeout(() => near.end(), delayMs));
    near.on('end', () => far.end());
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
  process.on('disconnect', () => process.exit());
}

if (process.argv[1] === import.meta.filename) {
  const [host = '', port = ''] = (process.argv[2] ?? '').split(':');
  serve(host, Number(port), Number(process.argv[3]));
}
