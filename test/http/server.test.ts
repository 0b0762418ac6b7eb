import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { overPlaintext, rightsOf } from '../../src/access/caller.ts';
import { type BoundName, bounds } from '../../src/bounds.ts';
import { Bodies } from '../../src/http/bodies.ts';
import { type Entry, pieces } from '../../src/http/page.ts';
import { startHttp } from '../../src/http/server.ts';
import { until } from '../support/until.ts';

const LONG = 20_000;
const list = (length: number): Iterable<unknown> => ({
  *[Symbol.iterator]() {
    for (let i = 0; i < length; i++) yield { name: `resource-${i}`, text: 'x'.repeat(100) };
  },
});

const pages: Readonly<Record<string, Entry>> = {
  '/ready': { help: 'probe', probe: true, page: () => ({ body: 'ready\n' }) },
  '/long': { help: 'long', page: () => ({ body: { list: list(LONG) } }) },
  '/broken': {
    help: 'broken',
    page() {
      throw new Error('no page');
    },
  },
  '/breaks': {
    help: 'breaks in the middle',
    page: () => ({
      body: {
        *[Symbol.iterator]() {
          yield 1;
          throw new Error('no more');
        },
      },
    }),
  },
};

async function server() {
  const met: BoundName[] = [];
  const failed: string[] = [];
  const address = { host: '127.0.0.1', port: 0 };
  const http = await startHttp(
    { name: 'http', address, pages, identify: overPlaintext },
    {
      rightsOf: caller => rightsOf(caller, { plaintextSecrets: 'nobody', debugNamespaces: new Set() }),
      refused: () => assert.fail(),
      failed: (_, path) => failed.push(path),
      bound: name => met.push(name),
    },
  );
  after(() => http.stop());
  const port = Number(http.address.split(':').at(-1));
  const open = (): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(socket));
      socket.on('error', reject);
      after(() => socket.destroy());
    });
  const get = (path: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: 'close' } });
  return { met, failed, open, get };
}

/** The same with every list an iterable and every object made by a function. */
function madeLate(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value))
    return {
      *[Symbol.iterator]() {
        for (const item of value) yield madeLate(item);
      },
    };
  return () => Object.fromEntries(Object.entries(value).map(([key, part]) => [key, madeLate(part)]));
}

test('pieces of a body are its JSON, whatever of it is made late', () => {
  let compared = 0;
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 7 }), value => {
      if (typeof value === 'string') return;
      const text = `${JSON.stringify(value, null, 2)}\n`;
      assert.equal([...pieces(value)].join(''), text);
      assert.equal([...pieces(madeLate(value))].join(''), text);
      compared++;
    }),
  );
  assert.ok(compared > 10);
  const late = { a: [{ b: list(3), c: undefined }], d: list(0) };
  const early = { a: [{ b: [...list(3)] }], d: [] };
  assert.equal([...pieces(late)].join(''), `${JSON.stringify(early, null, 2)}\n`);
});

test('a probe is answered whatever connections others hold: idle, in the middle of a request, without reading', async () => {
  const { met, open, get } = await server();
  const hold = async (i: number): Promise<void> => {
    const socket = await open();
    socket.on('error', () => {});
    if (i % 3 === 1) socket.write('GET /ready HTTP/1.1\r\nHost: a');
    if (i % 3 === 2) {
      socket.pause();
      socket.write('GET /long HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(bounds['http-requests-per-connection'].most));
    }
  };
  const connections = 'http-connections-per-address';
  // Where they come so slowly that they are closed for being idle, more have to come.
  for (let rounds = 0; !met.includes(connections); rounds++) {
    assert.ok(rounds < 100, `not ${connections}`);
    await Promise.all(Array.from({ length: 50 }, (_, i) => hold(i)));
    assert.equal(await (await get('/ready')).text(), 'ready\n');
  }
});

test('a client that sends many requests without waiting for answers is cut off', async () => {
  const { met, open } = await server();
  const socket = await open();
  const closed = new Promise<void>(resolve => socket.once('close', () => resolve()));
  socket.on('error', () => {});
  socket.write('GET /long HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(bounds['http-requests-per-connection'].most + 1));
  socket.resume();
  await closed;
  assert.deepEqual(met, ['http-requests-per-connection']);
});

test('a long page arrives whole, and other work has its turns meanwhile', async () => {
  const { get } = await server();
  let turns = 0;
  let over = false;
  const counting = (async () => {
    while (!over) {
      await turn();
      turns++;
    }
  })();
  const answers = await Promise.all([get('/long'), get('/long')].map(async answer => (await answer).json()));
  over = true;
  await counting;
  for (const { list: read } of answers as { list: { name: string }[] }[]) {
    assert.equal(read.length, LONG);
    assert.equal(read.at(-1)?.name, `resource-${LONG - 1}`);
  }
  // 2.5 MB each, at most 64 kB in a turn.
  assert.ok(turns > 40, `${turns} turns`);
});

test('a path that is none is refused, and the server goes on', async () => {
  const { open, get } = await server();
  const socket = await open();
  socket.write('GET http://a:port/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  let text = '';
  for await (const chunk of socket) text += chunk;
  assert.match(text, /^HTTP\/1\.1 400 [\s\S]*This is no path;/);
  assert.equal((await get('/ready')).status, 200);
});

test('a page that throws is reported, and the server goes on', async () => {
  const { failed, get } = await server();
  const broken = await get('/broken');
  assert.equal(broken.status, 500);
  await assert.rejects(async () => (await get('/breaks')).text());
  await until('both reports', () => failed.length === 2);
  assert.deepEqual(failed, ['/broken', '/breaks']);
  assert.equal((await get('/ready')).status, 200);
});

test('the body of a client that has gone before it is read is not waited for', async () => {
  const bodies = new Bodies();
  const { promise: read, resolve } = Promise.withResolvers<string>();
  const waiting = createServer((request, response) => {
    response.once('close', () => bodies.read(request, response).then(String, error => resolve(String(error))));
    request.socket.destroy();
  });
  after(() => waiting.close());
  await new Promise<void>(resolve => waiting.listen(0, '127.0.0.1', resolve));
  const { port } = waiting.address() as AddressInfo;
  await assert.rejects(fetch(`http://127.0.0.1:${port}/`, { method: 'PUT', body: 'x' }));
  assert.match(await read, /the client has gone/);
});
