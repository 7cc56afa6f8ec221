/** The server as its rooms and its operator meet it, over real sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { Failure } from '../errors/failure.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { refusal } from './refusal.ts';
import { createHttpServer, type HttpServer } from './server.ts';
import { tenantReader } from './tenant-header.ts';

describe('the HTTP server', { timeout: 60_000 }, () => {
  let server: HttpServer;
  let url = '';
  let notReady: string[] = [];
  let logged = '';
  let release: () => void = () => undefined;
  /** Settles when the connection is closed that was asked for much. */
  let gone: Promise<void> = Promise.resolve();

  beforeEach(async () => {
    notReady = [];
    logged = '';
    const log = pino(
      new Writable({
        write(line: Buffer, _encoding, done) {
          logged += line.toString();
          done();
        },
      }),
    );
    server = createHttpServer(
      { httpAddress: '127.0.0.1', httpPort: 0, readTimeout: 1000 },
      {
        metrics: new Metrics('1.2.3'),
        log,
        tenantOf: tenantReader('anonymous'),
        notReady: () => notReady,
        refuse: (request, reply) => (request.raw.url === '/own/%ff' ? reply.code(400).send('no such name') : undefined),
      },
    );
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    server.app.post('/push', async () => 'pushed');
    server.app.delete('/push', { config: refusal }, async () => 'refused');
    gone = new Promise<void>((resolve) => {
      server.app.get('/large', (_request, reply) => {
        reply.raw.once('close', () => resolve());
        return reply.send(Buffer.alloc(64 << 20));
      });
    });
    server.app.get('/origin', (request, reply) =>
      reply.header('access-control-allow-origin', request.headers.origin).send(Buffer.from('here')),
    );
    server.app.get('/held', async () => {
      await held;
      return 'finished';
    });
    server.app.get('/busy', () => {
      throw new Failure('unavailable', 'no room now', { retryAfterSeconds: 3 });
    });
    server.app.get('/broken', () => {
      throw new Error('the secret of the house');
    });
    url = await server.listen();
  });
  afterEach(async () => {
    release();
    await server.close();
  });

  const ask = async (path: string, method = 'GET') => {
    const answer = await fetch(`${url}${path}`, { method });
    return { status: answer.status, text: await answer.text(), headers: answer.headers };
  };

  for (const [path, status] of [
    ['/nowhere', 404],
    ['/ready', 405],
    ['/push', 200],
  ] as const) {
    it(`takes no body that nobody reads: ${path}`, async () => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      socket.write(
        `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n\r\n`,
      );
      const [answer] = await once(socket, 'data');
      assert.match(String(answer), new RegExp(`^HTTP/1.1 ${status} `));
      socket.destroy();
    });
  }

  for (const path of ['/ready', '/-/ready']) {
    it(`${path} says ready, or why not, a line for each reason`, async () => {
      assert.deepEqual([(await ask(path)).status, (await ask(path)).text], [200, 'ready\n']);
      notReady = ['ingester: replaying, 3 %', 'querier: no worker'];
      const answer = await ask(path);
      assert.deepEqual([answer.status, answer.text], [503, 'ingester: replaying, 3 %\nquerier: no worker\n']);
      const head = await ask(path, 'HEAD');
      assert.deepEqual([head.status, head.text], [503, '']);
    });
  }

  for (const path of ['/healthz', '/-/healthy', '/', '/metrics']) {
    it(`${path} answers while nothing is ready`, async () => {
      notReady = ['everything: is late'];
      assert.equal((await ask(path)).status, 200);
    });
  }

  it('/metrics has the build and only names of ours', async () => {
    const { text } = await ask('/metrics');
    assert.match(text, /^maru_build_info\{version="1\.2\.3"\} 1$/m);
    assert.match(text, /^maru_nodejs_eventloop_lag_seconds /m);
    for (const line of text.split('\n')) assert.match(line, /^$|^#|^maru_/);
  });

  it('gives an origin back byte for byte, whatever its body is', async () => {
    for (const origin of ['http://a.example', 'http://\xe9.example']) {
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      socket.end(`GET /origin HTTP/1.1\r\nhost: a\r\norigin: ${origin}\r\nconnection: close\r\n\r\n`, 'latin1');
      const pieces: Buffer[] = [];
      for await (const piece of socket) pieces.push(piece);
      const answer = Buffer.concat(pieces).toString('latin1');
      assert.ok(answer.includes(`access-control-allow-origin: ${origin}\r\n`), answer);
      assert.ok(answer.endsWith('\r\n\r\nhere'), answer);
    }
  });

  for (const [line, expected] of [
    ['GET /healthz?\xc3\xbc HTTP/1.1', '400 the URL has characters that must be percent-encoded'],
    [`GET /healthz?${'x'.repeat(140_000)} HTTP/1.1`, '431 URL and headers are larger than 131072 bytes: ask by POST'],
    ['GET /healthz HTTP/9.9', '400 no HTTP request: Invalid HTTP version'],
    ['nothing', '400 no HTTP request: Invalid method encountered'],
  ] as const) {
    it(`says what is wrong with ${line.slice(0, 20)}`, async () => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      socket.write(`${line}\r\nhost: a\r\n\r\n`, 'latin1');
      const pieces: Buffer[] = [];
      for await (const piece of socket) pieces.push(piece);
      const [head = '', body = ''] = Buffer.concat(pieces).toString().split('\r\n\r\n');
      assert.equal(`${head.split(' ')[1]} ${body}`, `${expected}\n`);
      assert.match(head, /\r\ncontent-type: text\/plain; charset=utf-8\r\n/);
    });
  }

  it('says what is not there, and which method is', async () => {
    const absent = await ask('/nothing?token=x');
    assert.deepEqual([absent.status, absent.text], [404, 'no such endpoint: GET /nothing\n']);
    const wrong = await ask('/push', 'PUT');
    assert.deepEqual([wrong.status, wrong.headers.get('allow')], [405, 'POST']);
    assert.equal((await ask('/push', 'DELETE')).text, 'refused');
    const broken = await ask('/%ff');
    assert.deepEqual([broken.status, broken.text], [400, "'/%ff' is not a valid url component\n"]);
    const own = await ask('/own/%ff');
    assert.deepEqual([own.status, own.text], [400, 'no such name']);
  });

  it('a slash too many changes nothing, as after a base URL that ends with one', async () => {
    assert.equal((await ask('//healthz')).status, 200);
    assert.equal((await ask('/-//healthy?match[]=a//b')).status, 200);
    assert.equal((await ask('//nothing')).status, 404);
  });

  it('takes the long URLs of queries, and not endless ones', async () => {
    assert.equal((await ask(`/healthz?match[]=${'x'.repeat(100_000)}`)).status, 200);
    assert.equal((await ask(`/healthz?match[]=${'x'.repeat(200_000)}`)).status, 431);
  });

  it('a failure is a status, a line, and when to come again', async () => {
    const answer = await ask('/busy');
    assert.deepEqual([answer.status, answer.text, answer.headers.get('retry-after')], [503, 'no room now\n', '3']);
    assert.equal(logged, '', 'it was expected');
  });

  it('our own mistake is told to the log, not to the client', async () => {
    const answer = await ask('/broken');
    assert.deepEqual([answer.status, answer.text], [500, 'internal error\n']);
    assert.match(logged, /the secret of the house/);
  });

  it('closes connections that never finish a request, and serves others meanwhile', async () => {
    const texts = ['', 'GET / HTTP/1.1\r\n', 'POST /push HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf'];
    const slow = texts.map((text) => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1', () => void socket.write(text));
      socket.on('error', () => undefined); // a reset is a way to close
      socket.resume();
      return new Promise((resolve) => socket.once('close', resolve));
    });
    assert.equal((await ask('/push', 'POST')).status, 200);
    await Promise.all(slow);
  });

  it('closes connections that take nothing of their answer', async () => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => {
      socket.write('GET /large HTTP/1.1\r\nhost: x\r\n\r\n');
      socket.pause();
    });
    socket.on('error', () => undefined); // a reset is a way to close
    await gone;
    socket.destroy();
  });

  it('finishes what it has when it closes, and takes nothing more', async () => {
    const held = ask('/held');
    // The answer to another request on the way shows that the first is being handled.
    await ask('/healthz');
    const closed = server.close();
    await assert.rejects(fetch(`${url}/healthz`, { headers: { connection: 'close' } }));
    release();
    assert.deepEqual([(await held).status, (await held).text], [200, 'finished']);
    await closed;
  });

  it('answers what comes over a connection that it has while it closes, and says that it ends', async () => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(requestOf('/held')));
    let said = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const ended = new Promise((resolve) => socket.once('close', resolve));
    await ask('/healthz');
    const closed = server.close();
    await assert.rejects(fetch(`${url}/healthz`, { headers: { connection: 'close' } }));
    const arrived = once(server.app.server, 'request');
    socket.write(requestOf('/healthz'));
    await arrived;
    release();
    await closed;
    await ended;
    const [held, other] = said.split(/(?=HTTP\/1\.1 )/);
    assert.match(held ?? '', /^HTTP\/1\.1 200 .*finished/s);
    assert.match(other ?? '', /^HTTP\/1\.1 200 .*connection: close.*ok\n/is);
  });
});

const requestOf = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`;
