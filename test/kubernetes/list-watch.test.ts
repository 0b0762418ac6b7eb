import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { test } from 'node:test';
import type { RawObject } from '../../src/config/raw.ts';
import { Discovery } from '../../src/sources/kubernetes/discovery.ts';
import { ListWatch } from '../../src/sources/kubernetes/list-watch.ts';
import { DEFAULT_TIMING } from '../../src/sources/kubernetes/timing.ts';
import { WatchHealth } from '../../src/sources/kubernetes/watch-health.ts';
import { patiently } from '../support/patiently.ts';
import { clientOf } from './client-of.ts';
import { memoryLog } from './log.ts';
import { until } from './until.ts';

// What the real API server cannot be made to do on demand.

interface Ask {
  readonly url: URL;
  readonly at: number;
  readonly response: ServerResponse;
  /** Sends one watch event. */
  event(type: string, object: object): void;
  json(status: number, body: object, headers?: Record<string, string>): void;
}

const item = (name: string, version: number, extra: object = {}) => ({
  metadata: { name, namespace: 'n', resourceVersion: `${version}`, uid: name },
  spec: extra,
});
const listed = (version: number) => ({
  metadata: { resourceVersion: `${version}`, annotations: { 'k8s.io/initial-events-end': 'true' } },
});
const expired = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version: 1 (2)' };

const isWatch = ({ url }: Ask) => url.searchParams.has('watch');
const isListing = ({ url }: Ask) => url.searchParams.get('sendInitialEvents') === 'true';

/** Watches Services of an API server played by `answer`, which sees the requests in order. */
async function against(
  answer: (ask: Ask, nth: number) => void,
  body: (seen: Seen) => Promise<void>,
  timing: object = {},
): Promise<void> {
  const asks: Ask[] = [];
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const ask: Ask = {
      url: new URL(request.url ?? '', 'http://fake'),
      at: performance.now(),
      response,
      event: (type, object) => void response.write(`${JSON.stringify({ type, object })}\n`),
      json: (status, value, headers = {}) => void response.writeHead(status, headers).end(JSON.stringify(value)),
    };
    asks.push(ask);
    answer(ask, asks.length);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const client = await clientOf(`http://127.0.0.1:${port}/at/a/path`);
  const { log, lines } = memoryLog();
  const health = new WatchHealth(log);
  const objects = new Map<string, RawObject>();
  const told: string[] = [];
  const watch = new ListWatch(
    'Service',
    { kind: 'Service', group: '', versions: ['v1'], plural: 'services' },
    {
      listed: all => {
        for (const object of all) objects.set(object.metadata.name, object);
        told.push(`listed ${all.map(object => object.metadata.name).join()}`);
      },
      changed: object => {
        objects.set(object.metadata.name, object);
        told.push(`changed ${object.metadata.name}`);
      },
      gone: (_, name) => {
        objects.delete(name);
        told.push(`gone ${name}`);
      },
    },
    {
      client,
      health,
      discovery: new Discovery(client, 100),
      timing: { ...DEFAULT_TIMING, retryMs: 20, retryMaxMs: 200, livedMs: 1_000, ...timing },
    },
  );
  const stop = new AbortController();
  const ended = watch.run(stop.signal);
  try {
    await body({ asks, told, objects, health, lines, synced: watch.synced });
  } finally {
    stop.abort();
    await ended;
    server.closeAllConnections();
    server.close();
  }
}

interface Seen {
  readonly asks: readonly Ask[];
  readonly told: readonly string[];
  readonly objects: ReadonlyMap<string, RawObject>;
  readonly health: WatchHealth;
  readonly lines: ReturnType<typeof memoryLog>['lines'];
  readonly synced: Promise<void>;
}

/** Lists `objects` through the watch and keeps it open. */
const whole = (ask: Ask, version: number, ...objects: object[]) => {
  for (const object of objects) ask.event('ADDED', object);
  ask.event('BOOKMARK', listed(version));
};

test('429 is obeyed: not before Retry-After, and the watch begins where it was', async () => {
  await against(
    (ask, nth) => {
      if (nth === 1)
        ask.json(
          429,
          { kind: 'Status', message: 'too many requests', reason: 'TooManyRequests' },
          { 'retry-after': '1' },
        );
      else if (nth === 2) {
        whole(ask, 5, item('a', 3));
        setTimeout(() => ask.response.end(), 50);
      } else if (nth === 3) ask.json(429, { message: 'again', details: { retryAfterSeconds: 1 } });
      else ask.event('MODIFIED', item('a', 7));
    },
    async ({ asks, told }) => {
      await until(() => told.length === 2);
      const [first, second, third, fourth] = asks;
      assert.ok(first && second && third && fourth);
      // A timer may come a millisecond early.
      assert.ok(second.at - first.at > 998 && fourth.at - third.at > 998);
      assert.equal(fourth.url.searchParams.get('resourceVersion'), '5');
      assert.deepEqual(told, ['listed a', 'changed a']);
      assert.equal(first.url.pathname, '/at/a/path/api/v1/services');
    },
  );
});

for (const [name, refuse] of [
  [
    'refuses it',
    (ask: Ask) => ask.json(422, { code: 422, reason: 'Invalid', message: 'sendInitialEvents is forbidden' }),
  ],
  ['ignores it', (ask: Ask) => ask.event('BOOKMARK', { metadata: { resourceVersion: '1' } })],
] as const) {
  test(`pages are read from a server that knows no listing watch and ${name}`, async () => {
    await against(
      ask => {
        if (isListing(ask)) refuse(ask);
        else if (isWatch(ask)) ask.event('DELETED', item('b', 11));
        else if (!ask.url.searchParams.has('continue'))
          ask.json(200, { metadata: { resourceVersion: '9', continue: 'more' }, items: [item('a', 1)] });
        else ask.json(200, { metadata: { resourceVersion: '9' }, items: [item('b', 2), item('c', 3)] });
      },
      async ({ told, asks, objects, health }) => {
        await until(() => told.length === 2);
        assert.deepEqual(told, ['listed a,b,c', 'gone b']);
        assert.equal(objects.get('a')?.apiVersion, 'v1');
        assert.equal(asks.find(ask => isWatch(ask) && !isListing(ask))?.url.searchParams.get('resourceVersion'), '9');
        assert.deepEqual(
          health.statuses().map(({ state, lastError }) => [state, lastError]),
          [['watching', undefined]],
        );
      },
    );
  });
}

test('a page that expires begins the list anew, at last in one piece', async () => {
  await against(
    ask => {
      const { searchParams } = ask.url;
      if (isListing(ask)) ask.json(400, { message: 'no' });
      else if (isWatch(ask)) ask.event('BOOKMARK', { metadata: { resourceVersion: '10' } });
      else if (searchParams.has('continue')) ask.json(410, expired);
      else if (searchParams.has('limit'))
        ask.json(200, { metadata: { resourceVersion: '9', continue: 'more' }, items: [item('a', 1)] });
      else ask.json(200, { metadata: { resourceVersion: '9' }, items: [item('a', 1), item('b', 2)] });
    },
    async ({ told, synced }) => {
      await synced;
      assert.deepEqual(told, ['listed a,b']);
    },
  );
});

test('an expired watch lists again and tells only what differs', async () => {
  await against(
    (ask, nth) => {
      if (nth === 1) {
        whole(ask, 5, item('same', 1), item('changes', 2), item('goes', 3));
        setTimeout(() => ask.event('ERROR', expired), 50);
      } else whole(ask, 50, item('same', 1), item('changes', 40), item('comes', 41));
    },
    async ({ told, asks, health }) => {
      await until(() => told.length === 4);
      assert.deepEqual(told, ['listed same,changes,goes', 'gone goes', 'changed changes', 'changed comes']);
      assert.equal(asks.length, 2);
      assert.equal(health.statuses()[0]?.relists, 1);
    },
  );
});

test('a server that ends each watch at once, or expires each, is not stormed', async () => {
  for (const end of [(ask: Ask) => ask.response.end(), (ask: Ask) => ask.event('ERROR', expired)]) {
    await against(
      ask => {
        if (isListing(ask)) whole(ask, 5, item('a', 1));
        end(ask);
      },
      async ({ asks, told }) => {
        await until(() => asks.length >= 8);
        // Waits of 20 ms, 40, 80, 160 and 200 from then on, half of each at least; before them one of any length where it is expired.
        const took = (asks[7]?.at ?? 0) - (asks[0]?.at ?? 0);
        assert.ok(took > 340, `eight requests in ${took} ms`);
        assert.deepEqual(told, ['listed a']);
      },
      { livedMs: 3_600_000 },
    );
  }
});

test('a watch is resumed after bookmarks, and what it repeats is not told again', async () => {
  await against(
    (ask, nth) => {
      if (nth === 1) {
        whole(ask, 5, item('a', 1));
        ask.event('MODIFIED', item('a', 6));
        ask.event('BOOKMARK', { metadata: { resourceVersion: '8' } });
        ask.response.end();
      } else if (nth === 2) {
        ask.event('MODIFIED', item('a', 6));
        ask.event('DELETED', item('unknown', 9));
        ask.event('ADDED', item('b', 10));
      }
    },
    async ({ asks, told }) => {
      await until(() => told.includes('changed b'));
      assert.equal(asks[1]?.url.searchParams.get('resourceVersion'), '8');
      assert.deepEqual(told, ['listed a', 'changed a', 'changed b']);
    },
  );
});

test('garbage in a watch ends the watch, not the source', async () => {
  await against(
    (ask, nth) => {
      if (nth === 1) {
        whole(ask, 5, item('a', 1));
        ask.response.write('<html>bad gateway</html>\n');
      } else ask.event('ADDED', item('b', 6));
    },
    async ({ told, lines }) => {
      await until(() => told.includes('changed b'));
      assert.equal(lines.filter(line => /failed/.test(line.msg)).length, 1);
    },
  );
});

test('a watch on which nothing ever comes is replaced, then doubted', () =>
  patiently(300, silenceMs =>
    against(
      (ask, nth) => {
        if (nth === 1) whole(ask, 5, item('a', 1));
        else if (nth === 2) ask.response.flushHeaders();
        else whole(ask, 3, item('b', 2));
      },
      async ({ told, asks }) => {
        await until(() => told.length >= 3);
        assert.deepEqual(asks.slice(0, 3).map(isListing), [true, false, true]);
        assert.deepEqual(told, ['listed a', 'gone a', 'changed b']);
      },
      { silenceMs },
    ),
  ));

test('an answer that is forbidden or broken keeps what is known, and is said once', async () => {
  await against(
    (ask, nth) => {
      if (nth === 1) {
        whole(ask, 5, item('a', 1));
        setTimeout(() => ask.response.destroy(), 20);
      } else if (nth < 5) ask.json(403, { reason: 'Forbidden', message: 'services is forbidden' });
      else if (nth < 8) ask.json(500, { message: 'etcd leader changed' });
      else ask.event('MODIFIED', item('a', 9));
    },
    async ({ told, lines }) => {
      await until(() => told.length === 2);
      assert.deepEqual(told, ['listed a', 'changed a']);
      assert.equal(lines.filter(({ err }) => err?.includes('services is forbidden')).length, 1);
      assert.equal(lines.filter(({ err }) => err?.includes('etcd leader changed')).length, 1);
    },
  );
});
