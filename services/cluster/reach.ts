/**
 * How others reach this process: the files of mutual TLS, where it may listen, and the address that it is known by.
 * Owns what of that an operator may have set wrongly. Does not own the listening itself (libs/rpc/grpc-pipe.ts).
 */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { ConfigError } from '../../libs/config/config-error.ts';
import type { TlsFiles } from '../../libs/rpc/grpc-pipe.ts';
import type { ClusterConfig } from './config.ts';

/** Undefined where there is none. @throws ConfigError when some but not all files are given, or one cannot be read */
export function readTls(config: ClusterConfig['tls']): TlsFiles | undefined {
  const { caFile, certFile, keyFile, serverName } = config;
  const given = [caFile, certFile, keyFile].filter((path) => path !== '').length;
  if (given === 0) return undefined;
  if (given < 3) {
    throw new ConfigError('keys cluster.tls.ca-file, cluster.tls.cert-file and cluster.tls.key-file: give all or none');
  }
  const read = (key: string, path: string): Buffer => {
    try {
      return readFileSync(path);
    } catch (error) {
      throw new ConfigError(`key cluster.tls.${key}: ${(error as Error).message}`);
    }
  };
  return { ca: read('ca-file', caFile), cert: read('cert-file', certFile), key: read('key-file', keyFile), serverName };
}

/** @throws ConfigError where strangers could reach the listener and nothing would keep them out */
export function checkListener(address: string, secret: string, hasTls: boolean): void {
  const isLoopback = address === 'localhost' || address === '::1' || /^127(?:\.\d{1,3}){3}$/.test(address);
  if (isLoopback || hasTls || secret !== '') return;
  throw new ConfigError(
    `key server.grpc-address: ${JSON.stringify(address)} can be reached from other hosts: set cluster.secret, or cluster.tls.* for mutual TLS`,
  );
}

/** Host by which others reach a process that listens on `address`. @param advertiseHost what is configured; '' for none */
export function advertisedHost(advertiseHost: string, address: string): string {
  if (advertiseHost !== '') return advertiseHost;
  if (address === '0.0.0.0' || address === '::') return hostname();
  return address.includes(':') ? `[${address}]` : address;
}
