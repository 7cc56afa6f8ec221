import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ConfigError } from './config-error.ts';
import { bytes, duration, integer, list, oneOf, text, timer } from './config-key.ts';
import { printReference } from './print-reference.ts';
import { readConfig } from './read-config.ts';

const tree = {
  dataDir: text('./data', 'Where data is.'),
  config: { file: text('', 'The file.') },
  server: {
    httpPort: integer(9009, 'The port.', 0, 65_535),
    maxBodyBytes: bytes('100MB', 'A size.'),
  },
  limits: { pastGracePeriod: duration('12h', 'A duration.'), names: list('a,b', 'Words.') },
  log: { format: oneOf(['auto', 'json'], 'auto', 'A word.'), period: timer('10s', 'A timer.') },
};

const read = (args: string[], env: Record<string, string> = {}) => readConfig(tree, { args, env }, '--config.file');

function file(content: string): string {
  const path = join(mkdtempSync(join(tmpdir(), 'maru-config-')), 'maru.yaml');
  writeFileSync(path, content);
  return path;
}

describe('readConfig', () => {
  it('has a default for every key', () => {
    assert.deepEqual(read([]), {
      dataDir: './data',
      config: { file: '' },
      server: { httpPort: 9009, maxBodyBytes: 100_000_000 },
      limits: { pastGracePeriod: 12 * 3_600_000, names: ['a', 'b'] },
      log: { format: 'auto', period: 10_000 },
    });
  });

  it('takes file, environment and flags, the later winning, one name in three spellings', () => {
    const path = file('server:\n  http_port: 1\n  max_body_bytes: 1MiB\ndata_dir: /file\nlimits:\n  names: [x, y]\n');
    assert.equal(read([`--config.file=${path}`]).server.httpPort, 1);
    assert.deepEqual(read([`--config.file=${path}`]).limits.names, ['x', 'y']);
    const env = {
      MARU_CONFIG_FILE: path,
      MARU_SERVER_HTTP_PORT: '2',
      MARU_DATA_DIR: '/env',
      OTHER: 'x',
      MARU_TEST_X: 'y',
    };
    assert.deepEqual(read([], env).server, { httpPort: 2, maxBodyBytes: 1 << 20 });
    const all = read(['--server.http-port=3', '--limits.past-grace-period', '1h30m'], env);
    assert.equal(all.server.httpPort, 3);
    assert.equal(all.dataDir, '/env');
    assert.equal(all.limits.pastGracePeriod, 5_400_000);
  });

  it('takes an empty value or section of the file for none', () => {
    assert.deepEqual(
      read([`--config.file=${file('data_dir:\nserver:\n  # http_port: 1\nlimits: ~\n')}`]).server,
      read([]).server,
    );
  });

  for (const { name, args = [], env = {}, yaml, message } of [
    {
      name: 'flag',
      args: ['--server.http-prot=1'],
      message: /^flag --server\.http-prot: no such key.*--server\.http-port/,
    },
    {
      name: 'flag without its section',
      args: ['--http-port=1'],
      message: /^flag --http-port: no such key; the nearest known one is --server\.http-port/,
    },
    {
      name: 'flag of a word that ends one',
      args: ['--port=1'],
      message: /^flag --port: no such key; the nearest known one is --server\.http-port/,
    },
    {
      name: 'variable',
      env: { MARU_SERVER_HTTP_PROT: '1' },
      message: /^environment variable MARU_SERVER_HTTP_PROT: no such key.*MARU_SERVER_HTTP_PORT/,
    },
    {
      name: 'key of the file',
      yaml: 'data_dir: x\nserver:\n  http_prot: 1\n',
      message: /maru\.yaml:3: key server\.http_prot: no such key.*server\.http_port/,
    },
    {
      name: 'ill-typed flag',
      args: ['--server.http-port=many'],
      message: /^flag --server\.http-port: "many" is not a whole number from 0 to 65535/,
    },
    {
      name: 'ill-typed in the file',
      yaml: 'limits:\n  past_grace_period: 12 hours\n',
      message: /maru\.yaml:2: key limits\.past_grace_period: "12 hours" is not a duration/,
    },
    { name: 'a timer of nothing', args: ['--log.period=0'], message: /"0" is not a duration from 1ms to 24d/ },
    { name: 'a timer beyond what one can be', args: ['--log.period=25d'], message: /"25d" is not a duration from 1ms/ },
    { name: 'a timer that is none', args: ['--log.period=x'], message: /"x" is not a duration like/ },
    { name: 'a map for a value', yaml: 'server:\n  http_port:\n    x: 1\n', message: /a value is wanted/ },
    { name: 'a value for a map', yaml: 'server: 5\n', message: /maru\.yaml:1: key server: a map of keys is wanted/ },
    { name: 'broken YAML', yaml: 'server: [', message: /configuration file .*maru\.yaml:/ },
    { name: 'a file that is not there', args: ['--config.file=/nowhere/maru.yaml'], message: /\/nowhere\/maru\.yaml/ },
    { name: 'a flag without a value', args: ['--data-dir'], message: /--data-dir: a value is missing/ },
    { name: 'an argument', args: ['serve'], message: /argument "serve"/ },
    { name: '__proto__', yaml: '__proto__:\n  x: 1\n', message: /no such key/ },
  ] as { name: string; args?: string[]; env?: Record<string, string>; yaml?: string; message: RegExp }[]) {
    it(`names what is wrong: ${name}`, () => {
      const all = yaml === undefined ? args : [...args, `--config.file=${file(yaml)}`];
      assert.throws(
        () => read(all, env),
        (error) => (error instanceof ConfigError && message.test(error.message)) || assert.fail(String(error)),
      );
    });
  }

  it('passes over what Kubernetes says about a Service called maru, or maru-server-http', () => {
    const env = {
      MARU_PORT: 'tcp://10.0.0.7:9009',
      MARU_SERVICE_HOST: '10.0.0.7',
      MARU_SERVICE_PORT: '9009',
      MARU_SERVICE_PORT_HTTP: '9009',
      MARU_PORT_9009_TCP: 'tcp://10.0.0.7:9009',
      MARU_PORT_9009_TCP_ADDR: '10.0.0.7',
      MARU_SERVER_HTTP_PORT: 'tcp://10.0.0.7:9009',
    };
    assert.deepEqual(read([], env), read([]));
  });

  it('prints every key with its default and its sentence', () => {
    const reference = printReference(tree);
    assert.match(reference, /--server\.http-port=9009\n\s+The port\. \(whole number\)/);
    assert.equal(reference.match(/--/g)?.length, 8);
  });
});
