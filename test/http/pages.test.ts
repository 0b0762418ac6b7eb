import assert from 'node:assert/strict';
import { request as overHttp, type RequestOptions } from 'node:http';
import { request as overHttps } from 'node:https';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import type { Identify } from '../../src/access/caller.ts';
import { bounds } from '../../src/bounds.ts';
import { status } from '../../src/grpc/status.ts';
import type { PageRequest, Pages } from '../../src/http/page.ts';
import { startHttp } from '../../src/http/server.ts';
import { ServerTls } from '../../src/tls.ts';
import { authority } from '../support/certificate.ts';
import { until } from '../support/until.ts';

const asked: PageRequest[] = [];
const pages: Pages = {
  '/read': { help: 'read', page: () => ({ body: 'read\n' }) },
  '/write': {
    help: 'write',
    methods: ['POST', 'DELETE'],
    page: request => {
      asked.push(request);
      return { status: 201, body: `${request.method} ${request.body.length}\n` };
    },
  },
  '/private': { help: 'private', shows: 'mesh', page: () => ({ body: 'private\n' }) },
};

/** Lets in who says `local` or `anonymous`. */
const byHeader: Identify = async peer => {
  const [kind] = peer.header('authorization');
  return kind === 'local' || kind === 'anonymous'
    ? { ok: true, caller: { kind } }
    : { ok: false, code: status.UNAUTHENTICATED, message: 'nobody knows you' };
};

interface Asked extends Pick<RequestOptions, 'method'> {
  readonly headers?: Readonly<Record<string, string>>;
  readonly ca?: Buffer;
  readonly body?: Buffer;
}

async function serve(tls?: ServerTls) {
  const met: string[] = [];
  const failed: unknown[] = [];
  const port = { name: 'test', address: { host: '127.0.0.1', port: 0 }, pages, identify: byHeader, tls };
  const server = await startHttp(port, {
    rightsOf: ({ kind }) => ({ credentials: { kind: 'all' }, debug: { kind: kind === 'local' ? 'all' : 'none' } }),
    refused: () => {},
    failed: error => failed.push(error),
    bound: bound => met.push(bound),
  });
  after(() => server.stop());
  const number = Number(server.address.split(':').at(-1));
  const ask = (path: string, options: Asked = {}) =>
    new Promise<{ status: number; body: string; allow: string | undefined }>((resolve, reject) => {
      const { body, headers, ...rest } = options;
      const said = { ...headers, ...(body && { 'content-length': body.length }) };
      const send = tls ? overHttps : overHttp;
      const sent = send(
        { host: 'localhost', port: number, path, agent: false, headers: said, ...rest },
        async response => {
          let text = '';
          for await (const chunk of response) text += chunk;
          resolve({ status: response.statusCode ?? 0, body: text, allow: response.headers.allow });
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  return { met, failed, ask, number };
}

test('repeated slashes in a path are one, as istioctl version has them; none makes a host of it, or a way round who may look', async () => {
  const { ask } = await serve();
  const local = { headers: { authorization: 'local' } };
  for (const path of ['//read', '///read', '//read?at=http://x//y', 'http://localhost//read']) {
    const { status, body } = await ask(path, local);
    assert.deepEqual([status, body], [200, 'read\n'], path);
  }
  assert.equal((await ask('//private', local)).status, 200);
  assert.equal((await ask('//private', { headers: { authorization: 'anonymous' } })).status, 401);
  assert.equal((await ask('//elsewhere/read', local)).status, 404);
});

test('a page has the methods that it names, and GET and HEAD where it names none', async () => {
  const { ask } = await serve();
  const [body, short] = [Buffer.alloc(300_000, 'x'), Buffer.alloc(10)];
  assert.deepEqual(await ask('/write', { method: 'POST', body }), {
    status: 201,
    body: 'POST 300000\n',
    allow: undefined,
  });
  assert.equal(asked.at(-1)?.body.compare(body), 0);
  assert.equal((await ask('/write', { method: 'DELETE', body: short })).body, 'DELETE 0\n', 'a body that is not read');
  assert.deepEqual(await ask('/write'), { status: 405, body: 'POST or DELETE.\n', allow: 'POST, DELETE' });
  assert.equal((await ask('/read', { method: 'HEAD' })).status, 200);
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH'])
    assert.equal((await ask('/read', { method, body: short })).status, 405, method);
});

test('a page that needs a right is for who has it', async () => {
  const { ask } = await serve();
  const as = (authorization: string) => ask('/private', { headers: { authorization } });
  assert.equal((await as('local')).body, 'private\n');
  assert.equal((await as('anonymous')).status, 401);
  // As with istiod: who is not known is not told why.
  assert.deepEqual(await as('somebody'), { status: 401, body: 'authentication required\n', allow: undefined });
  assert.equal((await ask('/read', { headers: { authorization: 'somebody' } })).status, 200, 'for everybody');
});

test('a body that is too long is refused, and its connection is closed', async () => {
  const { ask, met, failed } = await serve();
  const { most } = bounds['http-body-bytes'];
  assert.equal((await ask('/write', { method: 'POST', body: Buffer.alloc(most) })).body, `POST ${most}\n`);
  const longer = await ask('/write', { method: 'POST', body: Buffer.alloc(most + 1) });
  assert.equal(longer.status, 413);
  assert.match(longer.body, /http-body-bytes/);
  assert.deepEqual([met, failed], [['http-body-bytes'], []]);
});

test('bodies that together are too long: the longest makes room, and a short one is read', async () => {
  const { ask, met, failed, number } = await serve();
  const { most } = bounds['http-body-bytes'];
  const count = bounds['process-http-body-bytes'].most / most + 1;
  for (let i = 0; i < count; i++) {
    const socket = connect(number, '127.0.0.1');
    after(() => socket.destroy());
    socket.on('error', () => {});
    socket.write(`POST /write HTTP/1.1\r\nHost: a\r\nContent-Length: ${most}\r\n\r\n`);
    socket.write(Buffer.alloc(most - 1));
  }
  await until('one to be refused', () => met.length > 0);
  assert.equal((await ask('/write', { method: 'POST', body: Buffer.alloc(1000) })).body, 'POST 1000\n');
  assert.deepEqual([new Set(met), failed], [new Set(['process-http-body-bytes']), []]);
});

test('a client that goes in the middle of its body is no fault of the page', async () => {
  const { ask, met, failed, number } = await serve();
  const socket = connect(number, '127.0.0.1');
  socket.write('POST /write HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc');
  await ask('/read');
  socket.destroy();
  await new Promise(resolve => socket.once('close', resolve));
  await ask('/read');
  assert.deepEqual([met, failed], [[], []]);
});

test('over TLS: pages, a replaced certificate, and who holds connections without a handshake', async () => {
  const [before, now] = await Promise.all([authority(), authority()]);
  const tls = new ServerTls('http/1.1', await before.issue('DNS:localhost'));
  const { ask, met, number } = await serve(tls);
  assert.equal((await ask('/read', { ca: before.certificate })).body, 'read\n');
  tls.replace(await now.issue('DNS:localhost'));
  assert.equal((await ask('/read', { ca: now.certificate })).body, 'read\n');
  await assert.rejects(ask('/read', { ca: before.certificate }), 'the certificate of before');
  const { most } = bounds['http-connections-per-address'];
  for (let i = 0; i < most + 10; i++) {
    const socket = connect(number, '127.0.0.1');
    socket.on('error', () => {});
    after(() => socket.destroy());
  }
  const body = Buffer.alloc(100);
  await until('the oldest to make room', () => met.length > 0);
  assert.equal((await ask('/write', { ca: now.certificate, method: 'POST', body })).body, 'POST 100\n');
});
