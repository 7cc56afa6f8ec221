/**
 * Pipes over gRPC (@grpc/grpc-js): one bidirectional stream each, messages as bytes (service Peer of proto/peer.proto).
 * Owns listening, dialling, TLS and keepalive. Does not own what the messages say (peer-link.ts, serve-link.ts).
 * A pipe has a connection of its own, so that long reads never stand in the way of writes.
 */
import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  credentials,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceDefinition,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { OpenPipe, Pipe, PipeListener } from './channel.ts';

const path = '/maru.peer.v1.Peer/Link';
const asBytes = (bytes: Buffer): Buffer => bytes;

/** No message is larger: requests and items are bounded far below. */
const messageBytesMax = 80 << 20;

const channelOptions: ChannelOptions = {
  'grpc.max_receive_message_length': messageBytesMax,
  'grpc.max_send_message_length': messageBytesMax,
  // A peer that is frozen, or behind a cut network, is noticed by this.
  'grpc.keepalive_time_ms': 5_000,
  'grpc.keepalive_timeout_ms': 5_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc-node.flow_control_window': 8 << 20,
  // Peers are reached as they are named, never through what a machine is set to for the outer world.
  'grpc.enable_http_proxy': 0,
  // The link comes back by itself; a buffer for retries would be a second copy of every message.
  'grpc.enable_retries': 0,
  'grpc.enable_channelz': 0,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 1_000,
  'grpc.service_config_disable_resolution': 1,
};

/** PEM texts of mutual TLS. */
export interface TlsFiles {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Name that certificates of peers are made out to; '': each to its own host. */
  readonly serverName: string;
}

/**
 * A dialler of one address, and how to let go of it. Each pipe looks its host up anew and has a connection of its own: a name may stand
 * for another address by now, and who answered at the one before may be somebody else.
 */
export function dialGrpc(address: string, tls: TlsFiles | undefined): { open: OpenPipe; stop(): void } {
  const secured: ChannelCredentials =
    tls === undefined ? credentials.createInsecure() : credentials.createSsl(tls.ca, tls.key, tls.cert);
  const name = tls === undefined || tls.serverName === '' ? {} : { 'grpc.ssl_target_name_override': tls.serverName };
  let client: Client | undefined;
  return {
    open: (listener) => {
      client?.close();
      client = new Client(address, secured, { ...channelOptions, ...name });
      const call: ClientDuplexStream<Buffer, Buffer> = client.makeBidiStreamRequest(path, asBytes, asBytes);
      return pipeOver(call, listener, () => call.cancel());
    },
    stop: () => client?.close(),
  };
}

export interface GrpcListener {
  readonly port: number;
  /** Closes every pipe. */
  stop(): Promise<void>;
}

/** Listens; `accept` is asked for a listener of each pipe that comes. */
export async function listenGrpc(
  host: string,
  port: number,
  tls: TlsFiles | undefined,
  accept: (pipe: Pipe) => PipeListener,
): Promise<GrpcListener> {
  const server = new Server(channelOptions);
  const service: ServiceDefinition = {
    Link: {
      path,
      requestStream: true,
      responseStream: true,
      requestSerialize: asBytes,
      requestDeserialize: asBytes,
      responseSerialize: asBytes,
      responseDeserialize: asBytes,
      originalName: 'link',
    },
  };
  const link = (call: ServerDuplexStream<Buffer, Buffer>): void => {
    let listener: PipeListener | undefined;
    const pipe = pipeOver(
      call,
      { message: (bytes) => listener?.message(bytes), closed: (reason) => listener?.closed(reason) },
      () => call.end(),
    );
    listener = accept(pipe);
  };
  const rooms: UntypedServiceImplementation = { Link: link };
  server.addService(service, rooms);
  const secured =
    tls === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(tls.ca, [{ cert_chain: tls.cert, private_key: tls.key }], true);
  const bound = await new Promise<number>((resolve, reject) => {
    const done: sendUnaryData<number> = (error, value) =>
      error === null || error === undefined ? resolve(value ?? 0) : reject(error);
    server.bindAsync(`${host.includes(':') ? `[${host}]` : host}:${port}`, secured, (error, at) => done(error, at));
  });
  return {
    port: bound,
    stop: async () => server.forceShutdown(),
  };
}

type Duplex = ClientDuplexStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>;

function pipeOver(call: Duplex, listener: PipeListener, end: () => void): Pipe {
  let closed = false;
  const close = (reason: string): void => {
    if (closed) return;
    closed = true;
    listener.closed(reason);
  };
  call.on('data', (bytes: Buffer) => {
    if (!closed) listener.message(bytes);
  });
  call.on('error', (error: Error & { readonly details?: string }) => close(error.details ?? error.message));
  call.on('end', () => {
    close('the other side closed the link');
    end();
  });
  call.on('cancelled', () => close('the other side is gone'));
  return {
    send: (message) => {
      if (closed) return;
      call.write(Buffer.from(message.buffer, message.byteOffset, message.byteLength));
    },
    close: (reason) => {
      close(reason);
      end();
    },
  };
}
