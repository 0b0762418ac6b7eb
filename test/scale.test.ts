import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { RawObject } from '../src/config/raw.ts';
import type { Proxy } from '../src/model/proxy/proxy.ts';
import { counters, type XdsCounters } from '../src/xds/counters.ts';
import type { Protocol } from '../src/xds/frame.ts';
import { meshObjects, slice, virtualService } from './bench/mesh.ts';
import { proxyNode } from './bench/proxy-node.ts';
import { proxyOf, storeOf, WorldServer } from './bench/world-server.ts';
import { AdsClient } from './support/ads-client.ts';
import { until } from './support/until.ts';

const services = 100;
const objects = meshObjects({ services, endpoints: 10 });

/** What is counted while something happens. */
function counted(run: () => void): XdsCounters {
  const before = { ...counters };
  run();
  return {
    resources: counters.resources - before.resources,
    fragments: counters.fragments - before.fragments,
    differences: counters.differences - before.differences,
    frames: counters.frames - before.frames,
  };
}

/** A server and clients that have everything. */
async function connected(protocol: Protocol, count: number, onSend: (proxy: Proxy) => void = () => {}) {
  const server = new WorldServer(storeOf(objects), onSend);
  const address = await server.listen();
  after(() => server.stop());
  const { endpoint, route } = server.world.of(proxyOf(0)).snapshot;
  const clients = Array.from({ length: count }, (_, i) => {
    const client = new AdsClient(address, protocol, proxyNode(i, 1));
    client.autoAck = true;
    after(() => client.close());
    client.subscribe('cluster');
    client.subscribe(
      'endpoint',
      endpoint.list.map(r => r.name),
    );
    client.subscribe('listener');
    client.subscribe(
      'route',
      route.list.map(r => r.name),
    );
    return client;
  });
  const settled = () =>
    until(
      'every stream to have what it is owed',
      () => server.ads.queueLength === 0 && [...server.ads.connections].every(connection => connection.settled),
    );
  await Promise.all(clients.map(client => client.next('route')));
  await settled();
  return { server, clients, settled };
}

test('a thousand equal proxies cost one translation', () => {
  const { world } = new WorldServer(storeOf(objects));
  const first = world.of(proxyOf(0));
  const others = counted(() => {
    for (let i = 1; i < 1_000; i++) assert.equal(world.of(proxyOf(i)), first);
  });
  assert.deepEqual(others, { resources: 0, fragments: 0, differences: 0, frames: 0 });
});

test('proxies of other workloads share what does not tell them apart', () => {
  const { world } = new WorldServer(storeOf(objects));
  world.of(proxyOf(0, 20));
  const others = counted(() => {
    for (let i = 1; i < 20; i++) world.of(proxyOf(i, 20));
  });
  assert.ok(others.resources <= 19 * 10, `${others.resources} resources for 19 more workloads`);
  assert.ok(others.fragments <= 19 * 10, `${others.fragments} virtual hosts for 19 more workloads`);
});

const change: readonly [what: string, object: RawObject, type: string, encoded: number, virtualHosts: number][] = [
  ['an endpoint', slice(3, 10, 1), 'endpoint', 1, 0],
  ['a VirtualService', virtualService(3, 'mark'), 'route', 1, 1],
];

for (const protocol of ['sotw', 'delta'] as const) {
  for (const [what, object, type, resources, fragments] of change) {
    test(`${what} changes for 20 equal proxies: one resource is encoded, one response built (${protocol})`, async () => {
      const { server, clients, settled } = await connected(protocol, 20);
      const before = clients.map(({ received }) => received.length);
      const start = { ...counters };
      server.change(object);
      await Promise.all(clients.map(client => client.next(type)));
      await settled();
      assert.equal(counters.resources - start.resources, resources);
      assert.equal(counters.fragments - start.fragments, fragments);
      assert.equal(counters.frames - start.frames, 1);
      for (const [i, { received }] of clients.entries()) {
        assert.equal(received.length, (before[i] ?? 0) + 1);
        assert.equal(received.at(-1)?.resources.length, 1);
      }
    });
  }
}

test('an object that changes in nothing that is sent costs no response', async () => {
  const { server, clients, settled } = await connected('delta', 3);
  const before = clients.map(({ received }) => received.length);
  const start = { ...counters };
  const [service] = objects.filter(({ kind }) => kind === 'Service');
  assert.ok(service);
  server.change({ ...service, metadata: { ...service.metadata, annotations: { seen: 'today' } } });
  await settled();
  server.change(slice(5, 10, 7));
  await Promise.all(clients.map(client => client.next('endpoint')));
  assert.equal(counters.frames - start.frames, 1);
  assert.deepEqual(
    clients.map(({ received }) => received.length),
    before.map(count => count + 1),
  );
});

test('a VirtualService causes nothing for proxies that do not see it', async () => {
  const { server, clients, settled } = await connected('delta', 2);
  server.change({
    apiVersion: 'networking.istio.io/v1',
    kind: 'Sidecar',
    metadata: { name: 'default', namespace: 'load' },
    spec: { egress: [{ hosts: ['./svc-1.load.svc.cluster.local'] }] },
  });
  await Promise.all(clients.map(client => client.next('route')));
  await settled();
  const before = clients.map(({ received }) => received.length);
  const start = { ...counters };
  server.change(virtualService(3, 'unseen'));
  await settled();
  assert.deepEqual(
    clients.map(({ received }) => received.length),
    before,
  );
  assert.equal(counters.resources - start.resources, 0);
});

test('a proxy that stops reading is sent no more until it reads again', async () => {
  const sent = new Map<string, number>();
  const { server, clients, settled } = await connected('delta', 2, ({ id }) => sent.set(id, (sent.get(id) ?? 0) + 1));
  const [slow, quick] = clients;
  assert.ok(slow && quick);
  slow.pause();
  sent.clear();
  const rounds = 60;
  for (let i = 0; i < rounds; i++) {
    server.change(virtualService(3, `round-${i}`));
    await quick.next('route');
  }
  const counts = [...sent.values()].sort((a, b) => a - b);
  assert.equal(counts.at(-1), rounds);
  // What one HTTP/2 window and one response hold, whatever happens meanwhile.
  assert.ok((counts[0] ?? 0) < rounds / 4, `${counts[0]} responses were handed to the socket`);
  slow.resume();
  await settled();
  const last = slow.received.at(-1)?.resources[0]?.any.value;
  assert.ok(last && Buffer.from(last).includes(`round-${rounds - 1}`));
});
