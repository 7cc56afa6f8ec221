/** Two ends of a pipe in one process, which a test can cut or hold. */
import type { OpenPipe, Pipe, PipeListener } from './channel.ts';

export interface MemoryNetwork {
  /** For the calling end. */
  readonly open: OpenPipe;
  /** While true nothing arrives anywhere; it does when it is false again. */
  held: boolean;
  release(): void;
  /** Breaks every pipe. */
  cut(reason: string): void;
  /** Pipes that were opened so far. */
  opened: number;
  /** While it is set nobody can be reached, for this reason. */
  unreachable: string | undefined;
}

export function memoryNetwork(accept: (pipe: Pipe) => PipeListener): MemoryNetwork {
  const waiting: (() => void)[] = [];
  const pipes = new Set<(reason: string) => void>();
  const network: MemoryNetwork = {
    held: false,
    opened: 0,
    unreachable: undefined,
    release: () => {
      network.held = false;
      for (const deliver of waiting.splice(0)) deliver();
    },
    cut: (reason) => {
      for (const close of [...pipes]) close(reason);
    },
    open: (caller) => {
      network.opened++;
      let closed = false;
      let called: PipeListener | undefined;
      const close = (reason: string): void => {
        if (closed) return;
        closed = true;
        pipes.delete(close);
        setImmediate(() => {
          caller.closed(reason);
          called?.closed(reason);
        });
      };
      const to = (end: () => PipeListener | undefined): Pipe => ({
        send: (message) => {
          const copy = message.slice();
          const deliver = (): void => {
            if (!closed) end()?.message(copy);
          };
          setImmediate(() => (network.held ? waiting.push(deliver) : deliver()));
        },
        // What was sent before arrives before.
        close: (reason) => setImmediate(() => setImmediate(() => close(reason))),
      });
      if (network.unreachable !== undefined) {
        close(network.unreachable);
        return to(() => undefined);
      }
      pipes.add(close);
      called = accept(to(() => caller));
      return to(() => called);
    },
  };
  return network;
}
