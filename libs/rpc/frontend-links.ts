/**
 * The query-frontends that a querier takes work from: a link to every address that their names stand for, which comes and goes
 * with it. Owns names and links. Does not own what is done with the work.
 */
import { lookup } from 'node:dns/promises';
import type { QueryWorkContract } from '../contracts/query-work.ts';
import type { Identity } from './greeting.ts';
import { dialGrpc, type TlsFiles } from './grpc-pipe.ts';
import { PeerLink } from './peer-link.ts';
import { remoteQueryWork } from './query-work-client.ts';

/** How often names are looked up again. */
const lookupEveryMs = 10_000;

export interface FrontendLinksOptions {
  /** `host:port` each. */
  readonly addresses: readonly string[];
  readonly identity: Identity;
  readonly tls: TlsFiles | undefined;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  /** A frontend was found; `gone` aborts when its address is not one any more. */
  readonly onFrontend: (frontend: QueryWorkContract, gone: AbortSignal) => void;
}

export class FrontendLinks {
  readonly #options: FrontendLinksOptions;
  readonly #links = new Map<string, { stop(): void }>();
  readonly #timer: NodeJS.Timeout;
  #stopped = false;

  constructor(options: FrontendLinksOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#lookUp(), lookupEveryMs);
    this.#timer.unref();
    void this.#lookUp();
  }

  /** Lets go of all of them: what is under way is lost. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
    for (const link of this.#links.values()) link.stop();
    this.#links.clear();
  }

  async #lookUp(): Promise<void> {
    const { addresses, log } = this.#options;
    const found = new Map<string, string>();
    for (const address of addresses) {
      const colon = address.lastIndexOf(':');
      const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
      const port = address.slice(colon + 1);
      try {
        for (const { address: ip, family } of await lookup(host, { all: true })) {
          found.set(family === 6 ? `[${ip}]:${port}` : `${ip}:${port}`, host);
        }
      } catch (error) {
        log.warn({ address, error: String(error) }, 'a query-frontend cannot be looked up');
        // Those that were found under the name before may well be there.
        for (const known of this.#links.keys()) if (known.endsWith(`:${port}`)) found.set(known, host);
      }
    }
    if (this.#stopped) return;
    for (const [address, link] of this.#links) {
      if (found.has(address)) continue;
      link.stop();
      this.#links.delete(address);
    }
    for (const [address, host] of found) {
      if (!this.#links.has(address)) this.#links.set(address, this.#open(address, host));
    }
  }

  #open(address: string, host: string): { stop(): void } {
    const { identity, tls, log, onFrontend } = this.#options;
    // Certificates are made out to names, not to what they stand for at the moment.
    const named = tls === undefined || tls.serverName !== '' ? tls : { ...tls, serverName: host };
    const { open, stop } = dialGrpc(address, named);
    let isLossTold = false;
    const link = new PeerLink({
      identity,
      name: `query-frontend ${address}`,
      open,
      tableEpoch: () => 0,
      onTableEpoch: () => undefined,
      onState: (isOpen, reason) => {
        if (isOpen) log.info({ address }, 'connected to a query-frontend');
        else if (!isLossTold) log.warn({ address, reason }, 'a query-frontend cannot be reached');
        isLossTold = !isOpen;
      },
      random: Math.random,
    });
    const gone = new AbortController();
    onFrontend(remoteQueryWork(link), gone.signal);
    return {
      stop: () => {
        gone.abort();
        link.stop();
        stop();
      },
    };
  }
}
