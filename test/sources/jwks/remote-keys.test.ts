import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { bounds } from '../../../src/bounds.ts';
import type { ConfigChange } from '../../../src/config/store.ts';
import type { RemoteKeys } from '../../../src/istio/remote-keys.ts';
import { RemoteKeySource } from '../../../src/sources/jwks/remote-keys.ts';
import { HeldClock } from '../../support/clock.ts';
import { until } from '../../support/until.ts';
import { KeyServer, loopback, publicKey, thisMachine } from './key-server.ts';

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function started() {
  const server = await KeyServer.start();
  const clock = new HeldClock();
  const stop = new AbortController();
  ends.push(
    () => server.close(),
    () => stop.abort(),
  );
  const known = new Map<string, RemoteKeys | undefined>();
  let changes = 0;
  const emit = (change: ConfigChange): void => {
    assert.equal(change.op, 'keys');
    if (change.op !== 'keys') return;
    changes++;
    known.set(change.url, change.keys);
  };
  const source = new RemoteKeySource({
    ...{ ranges: loopback, ca: undefined, clock, signal: stop.signal, emit, resolve: thisMachine },
    onFetch: () => {},
  });
  const base = `http://keys.example:${server.port}`;
  return {
    ...{ server, clock, source, known, base, stop },
    changes: () => changes,
    follow: (...paths: string[]) =>
      source.follow(new Map(paths.map(path => [`${base}${path}`, { url: `${base}${path}`, timeoutMs: 5_000 }]))),
    /** Lets time pass, and waits until something was said by it. */
    async after(ms: number): Promise<void> {
      const before = changes;
      clock.pass(ms);
      await until('an attempt', () => changes > before);
    },
  };
}

const minute = 60_000;

test('keys are fetched anew every 20 minutes; the same ones are the same object', async () => {
  const { server, clock, source, known, base, follow, after } = await started();
  server.serves({ keys: [publicKey('a')] });
  follow('/a');
  await source.tried();
  const first = known.get(`${base}/a`);
  assert.match(first?.jwks?.text ?? '', /"kid":"a"/);
  clock.pass(17 * minute);
  assert.equal(server.asked.length, 1);
  await after(6 * minute);
  assert.equal(known.get(`${base}/a`)?.jwks, first?.jwks);
  server.serves({ keys: [publicKey('b')] });
  await after(23 * minute);
  assert.match(known.get(`${base}/a`)?.jwks?.text ?? '', /"kid":"b"/);
  assert.equal(server.asked.length, 3);
});

test('after a failure it is tried again soon, later each time, and the last good keys stay meanwhile', async () => {
  const { server, clock, source, known, base, follow, after } = await started();
  server.serves({ keys: [publicKey('a')] });
  follow('/a');
  await source.tried();
  const good = known.get(`${base}/a`)?.jwks;
  assert.ok(good);
  server.answer = (_, response) => void response.writeHead(500).end();
  await after(23 * minute);
  for (let failures = 1; failures < 12; failures++) {
    assert.equal(known.get(`${base}/a`)?.jwks, good);
    assert.match(known.get(`${base}/a`)?.failure ?? '', /status 500/);
    // At least half of what it comes to, and never longer than a minute.
    const full = Math.min(minute, 1_000 * 2 ** (failures - 1));
    const asked = server.asked.length;
    clock.pass(full / 2 - 1);
    assert.equal(server.asked.length, asked);
    await after(full / 2 + 1);
  }
  server.serves({ keys: [publicKey('b')] });
  await after(minute);
  assert.match(known.get(`${base}/a`)?.jwks?.text ?? '', /"kid":"b"/);
  assert.equal(known.get(`${base}/a`)?.failure, undefined);
  server.answer = (_, response) => void response.writeHead(500).end();
  await after(23 * minute);
  await after(1_000);
});

test('where there never were keys the reason is told, and they are there soon after the server is', async () => {
  const { server, source, known, base, follow, after } = await started();
  follow('/a');
  await source.tried();
  assert.deepEqual(known.get(`${base}/a`), { jwks: undefined, failure: `${base}/a answered with status 404` });
  server.serves({ keys: [publicKey('a')] });
  await after(1_000);
  assert.ok(known.get(`${base}/a`)?.jwks);
});

test('who does not answer is given up after the time that its policies give, and keeps nobody waiting at the start', async () => {
  const { server, clock, source, known, base } = await started();
  server.answer = () => {};
  const url = `${base}/slow`;
  source.follow(new Map([[url, { url, timeoutMs: 300 }]]));
  const tried = source.tried();
  clock.pass(5_000);
  await tried;
  assert.equal(known.size, 0);
  await until('it to be given up', () => known.get(url)?.failure === 'no whole answer within 0.3 s');
});

test('what nobody names any more is forgotten, and is not fetched again', async () => {
  const { server, clock, source, known, base, follow, after } = await started();
  server.serves({ keys: [publicKey('a')] });
  follow('/a', '/b');
  await source.tried();
  follow('/b');
  await until('it to be forgotten', () => known.has(`${base}/a`) && known.get(`${base}/a`) === undefined);
  server.asked.length = 0;
  await after(23 * minute);
  clock.pass(1_000);
  assert.deepEqual(server.asked, ['/b']);
});

test('so many at once and no more are asked, and so many in all: the rest is told why', async () => {
  const { server, known, base, follow } = await started();
  let underWay = 0;
  let most = 0;
  const waiting: (() => void)[] = [];
  server.answer = (_, response) => {
    most = Math.max(most, ++underWay);
    waiting.push(() => {
      underWay--;
      response.end(JSON.stringify({ keys: [publicKey('a')] }));
    });
  };
  const { most: urls } = bounds['jwks-urls'];
  const { most: atOnce } = bounds['jwks-fetches'];
  follow(...Array.from({ length: urls + 1 }, (_, n) => `/${n}`));
  await until('as many requests as there may be', () => waiting.length === atOnce);
  const answering = setInterval(() => {
    for (const answer of waiting.splice(0)) answer();
  }, 1);
  ends.push(() => clearInterval(answering));
  await until('all of them', () => known.size === urls + 1);
  assert.equal(most, atOnce);
  assert.match(known.get(`${base}/${urls}`)?.failure ?? '', /jwks-urls/);
  assert.equal([...known.values()].filter(keys => keys?.jwks).length, urls);
});
