/**
 * Runs in a process of a test before anything else (zone-network.ts): what it connects to in other zones goes through a proxy.
 */
import { Socket } from 'node:net';

/** `port=port of the proxy` between commas. */
const routes = new Map(
  (process.env['MARU_TEST_ROUTES'] ?? '').split(',').map((route) => {
    const [port, proxy] = route.split('=').map(Number);
    return [port, proxy] as const;
  }),
);

const { connect } = Socket.prototype;
Socket.prototype.connect = function (this: Socket, ...args: unknown[]): Socket {
  // The options, also where node has wrapped all arguments into one.
  for (const one of args.flat()) {
    if (typeof one !== 'object' || one === null || !('port' in one)) continue;
    const proxy = routes.get(Number(one.port));
    if (proxy !== undefined) one.port = proxy;
  }
  return Reflect.apply(connect, this, args) as Socket;
};
