/**
 * The network between two zones of a cluster of real processes: everything that one connects to in the other goes through TCP proxies, and
 * can be cut. Owns the proxies. Does not own how a process is made to go through them (route-zones.preload.ts).
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';

const preload = join(import.meta.dirname, 'route-zones.preload.ts');

/** `silent`: what is sent arrives nowhere and nobody is told; `refusing`: connections break and are not made. */
export type CutKind = 'silent' | 'refusing';

interface Route {
  readonly from: string;
  readonly port: number;
  readonly proxy: number;
}

export class ZoneNetwork implements AsyncDisposable {
  readonly #zones: readonly [string, string];
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #routes: Route[] = [];
  #cut: CutKind | undefined;

  constructor(zones: readonly [string, string]) {
    this.#zones = zones;
  }

  /** A listener in `zone` will be at this port. */
  readonly add = async (zone: string, port: number): Promise<void> => {
    if (!this.#zones.includes(zone)) return;
    for (const from of this.#zones) {
      if (from === zone) continue;
      const server = createServer({ pauseOnConnect: true }, (socket) => this.#forward(socket, port));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      this.#servers.push(server);
      const address = server.address();
      if (typeof address !== 'object' || address === null) throw new Error('a proxy without an address');
      this.#routes.push({ from, port, proxy: address.port });
    }
  };

  /** Environment and modules to be loaded first of a process in `zone`. */
  of(zone: string): { readonly env: Readonly<Record<string, string>>; readonly preload: string } | undefined {
    const routes = this.#routes.filter(({ from }) => from === zone).map(({ port, proxy }) => `${port}=${proxy}`);
    return routes.length === 0 ? undefined : { env: { MARU_TEST_ROUTES: routes.join(',') }, preload };
  }

  cut(kind: CutKind): void {
    this.#cut = kind;
    for (const socket of this.#sockets) {
      if (kind === 'refusing') socket.destroy();
      else socket.pause();
    }
  }

  mend(): void {
    this.#cut = undefined;
    for (const socket of this.#sockets) socket.resume();
  }

  #forward(near: Socket, port: number): void {
    if (this.#cut === 'refusing') {
      near.destroy();
      return;
    }
    const far = connect(port, '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.setNoDelay(true);
      this.#sockets.add(one);
      one.on('data', (bytes) => {
        if (!other.write(bytes)) one.pause();
      });
      one.on('drain', () => {
        if (this.#cut === undefined) other.resume();
      });
      one.on('end', () => other.end());
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
      if (this.#cut === undefined) one.resume();
      else one.pause();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}
