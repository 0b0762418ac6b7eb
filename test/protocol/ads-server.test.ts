import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { counters } from '../../src/xds/counters.ts';
import type { Protocol } from '../../src/xds/frame.ts';
import type { Admission } from '../../src/xds/handler.ts';
import { encodeResource, type Snapshot, snapshot } from '../../src/xds/resource-set.ts';
import { type AdsClient, type AdsResponse, messageOf } from '../support/ads-client.ts';
import { until } from '../support/until.ts';
import { resourceSet, type World } from './made-up.ts';
import { type Client, Rig } from './rig.ts';

const world: World = { cluster: { a: 1, b: 1 }, endpoint: { a: 1, b: 1 }, listener: { l: 1 }, route: { r: 1, q: 1 } };
const names = (r: AdsResponse): readonly string[] => r.resources.map(resource => resource.name);
const both: readonly Protocol[] = ['sotw', 'delta'];

/** Has everything of a world, acknowledged. */
async function running(rig: Rig, protocol: Protocol, id = 'proxy'): Promise<AdsClient> {
  const client = rig.client(protocol, id);
  client.autoAck = true;
  for (const [type, wanted] of Object.entries({ cluster: [], endpoint: ['a', 'b'], listener: [], route: ['r', 'q'] })) {
    client.subscribe(type, wanted);
    await client.next(type);
  }
  await until('all acknowledged', () => rig.connection(id).settled);
  return client;
}

for (const protocol of both) {
  describe(`the ADS server in ${protocol}`, () => {
    test('sends what is asked for, as it was encoded', async () => {
      const rig = await new Rig(world).start();
      const client = rig.client(protocol);
      client.subscribe('cluster');
      const response = await client.next();
      assert.deepEqual(names(response), ['a', 'b']);
      assert.equal(response.identifier, 'made-up');
      assert.notEqual(response.nonce, '');
      const [first] = response.resources;
      assert.ok(first);
      assert.equal(messageOf('cluster', first.any).connect_timeout?.seconds, 1);
      client.ack(response);
      client.subscribe('route', ['q']);
      assert.deepEqual(names(await client.next()), ['q']);
    });

    test('pushes a change, and tells when it was acknowledged', async () => {
      const rig = await new Rig(world).start();
      const client = await running(rig, protocol);
      rig.acks.length = 0;
      rig.world({ ...world, route: { r: 2, q: 1 } }, 'VirtualService');
      assert.deepEqual(names(await client.next('route')), ['r']);
      await until('the acknowledgement', () => rig.acks.length > 0);
      assert.deepEqual(
        rig.acks.map(a => [a.type, a.causes.map(c => c.kind)]),
        [['route', ['VirtualService']]],
      );
    });

    test('takes a cluster away last', async () => {
      const rig = await new Rig(world).start();
      const client = await running(rig, protocol);
      const before = client.received.length;
      rig.world({ cluster: { b: 1, c: 1 }, endpoint: { b: 1 }, listener: { l: 1 }, route: { r: 2, q: 1 } });
      const told = (r: AdsResponse): string =>
        [r.typeUrl.split('.').at(-1), ...names(r), ...r.removed.map(n => `-${n}`)].join(' ');
      await until('the last', () => client.received.length >= before + (protocol === 'delta' ? 4 : 3));
      await until('all acknowledged', () => rig.connection().settled);
      assert.deepEqual(
        client.received.slice(before).map(told),
        protocol === 'delta'
          ? ['Cluster c', 'RouteConfiguration r', 'Cluster -a', 'ClusterLoadAssignment -a']
          : ['Cluster b c a', 'RouteConfiguration r', 'Cluster b c'],
      );
    });

    test('shows what each type was sent and acknowledged', async () => {
      const rig = await new Rig(world).start();
      const client = await running(rig, protocol);
      rig.world({ ...world, cluster: { a: 2, b: 1 } });
      client.autoAck = false;
      const response = await client.next('cluster');
      const [cluster] = rig.connection().status();
      assert.equal(cluster?.type, 'cluster');
      assert.equal(cluster.names, 'all');
      assert.equal(cluster.pending, true);
      assert.equal(cluster.nonceSent, response.nonce);
      assert.notEqual(cluster.nonceAcked, response.nonce);
      assert.notEqual(cluster.versionAcked, cluster.versionSent);
      client.nack(response, 'cluster a: bad');
      await until('the rejection', () => rig.nacks.length > 0);
      const [nacked] = rig.nacks;
      assert.equal(nacked?.type, 'cluster');
      assert.equal(nacked.rejection.message, 'cluster a: bad');
      assert.deepEqual(nacked.rejection.names, ['a']);
      assert.equal(rig.connection().status()[0]?.rejection?.message, 'cluster a: bad');
      assert.deepEqual(Array.from(rig.connection().held().resources('route'), r => r.name).sort(), ['q', 'r']);
    });

    test('answers an unknown type emptily, and goes on', async () => {
      const rig = await new Rig(world).start();
      const client = rig.client(protocol);
      client.subscribe('type.googleapis.com/made.up.Type', ['x']);
      const response = await client.next();
      assert.equal(response.typeUrl, 'type.googleapis.com/made.up.Type');
      assert.deepEqual(response.resources, []);
      assert.deepEqual(response.removed, protocol === 'delta' ? ['x'] : []);
      client.ack(response);
      client.subscribe('listener');
      assert.deepEqual(names(await client.next()), ['l']);
      assert.deepEqual(
        rig.others.map(o => [o.typeUrl, o.first]),
        [['type.googleapis.com/made.up.Type', true]],
      );
    });

    test('answers another type with what the handler gives, and not at all if it says so', async () => {
      const rig = await new Rig(world).start();
      rig.answerOther = (_, { typeUrl }) =>
        typeUrl === 'health' ? 'ignore' : [{ typeUrl: 'type.googleapis.com/x.Y', name: 'n', value: Buffer.from('v') }];
      const client = rig.client(protocol);
      client.subscribe('health');
      client.subscribe('debug');
      const response = await client.next();
      assert.equal(response.typeUrl, 'debug');
      assert.equal(response.resources[0]?.any.type_url, 'type.googleapis.com/x.Y');
      assert.equal(Buffer.from(response.resources[0]?.any.value ?? '').toString(), 'v');
    });

    test('waits for a handler that has to think about a stream', async () => {
      const rig = await new Rig(world).start();
      const decided = Promise.withResolvers<Admission<Client>>();
      rig.admission = () => decided.promise;
      const client = rig.client(protocol, 'proxy', { headers: { authorization: 'Bearer x' } });
      client.subscribe('cluster');
      client.subscribe('listener');
      await until('the question', () => rig.peers.length > 0);
      assert.deepEqual(rig.peers[0]?.header('authorization'), ['Bearer x']);
      assert.equal(rig.peers[0]?.port, 'test');
      decided.resolve({ ok: true, client: { id: 'proxy' } });
      await client.next('cluster');
      await client.next('listener');
    });

    for (const [what, say, code] of [
      [
        'a malformed request',
        (c: AdsClient) => c.sendBytes(Buffer.from([0x0a, 0xff, 0xff, 0xff])),
        status.INVALID_ARGUMENT,
      ],
      [
        'a request that is too large',
        (c: AdsClient) => c.subscribe('route', ['x'.repeat(5 << 20)]),
        status.RESOURCE_EXHAUSTED,
      ],
      [
        'a first request without a node',
        (c: AdsClient) => c.sendBytes(encodeTypeOnly(protocol)),
        status.INVALID_ARGUMENT,
      ],
      [
        'ever more unknown types',
        (c: AdsClient) => {
          for (let i = 0; i < 100; i++) c.subscribe(`type-${i}`);
        },
        status.RESOURCE_EXHAUSTED,
      ],
    ] as const) {
      test(`${what} ends its stream only`, async () => {
        const rig = await new Rig(world).start();
        const good = await running(rig, protocol, 'good');
        const bad = rig.client(protocol, 'bad');
        say(bad);
        assert.equal((await bad.ended).code, code);
        rig.world({ ...world, listener: { l: 2 } });
        assert.deepEqual(names(await good.next('listener')), ['l']);
        await until('the stream to be forgotten', () => rig.open === 1 && rig.server.connectionCount === 1);
      });
    }

    test('refuses as the handler says', async () => {
      const rig = await new Rig(world).start();
      rig.admission = () => ({ ok: false, code: status.UNAVAILABLE, message: 'not yet' });
      const client = rig.client(protocol);
      client.subscribe('cluster');
      assert.deepEqual(await client.ended, { code: status.UNAVAILABLE, details: 'not yet' });
      rig.admission = () => {
        throw new Error('a mistake');
      };
      const other = rig.client(protocol);
      other.subscribe('cluster');
      assert.equal((await other.ended).code, status.INTERNAL);
      assert.equal(rig.errors.length, 1);
    });

    test('equal proxies cost one difference and one frame, written by all', async () => {
      const rig = await new Rig(world).start();
      const clients = await Promise.all(Array.from({ length: 60 }, (_, i) => running(rig, protocol, `proxy-${i}`)));
      rig.sends.length = 0;
      const before = { ...counters };
      rig.world({ ...world, endpoint: { a: 2, b: 1 } });
      for (const client of clients) assert.deepEqual(names(await client.next('endpoint')), ['a']);
      assert.equal(counters.frames - before.frames, 1);
      assert.equal(counters.differences - before.differences, 1);
      assert.equal(rig.sends.length, clients.length);
      assert.equal(new Set(rig.sends.map(s => s.bytes)).size, 1, 'one buffer');
    });

    test('a client that does not read is sent one response, and keeps nobody waiting', async () => {
      const rig = await new Rig(world, { limits: { inFlight: 1, stall: 50 } }).start();
      const big = (content: number): Snapshot => {
        const route = encodeResource('route', {
          name: 'r',
          virtual_hosts: [{ name: `${content}${'x'.repeat(8 << 20)}`, domains: ['*'] }],
        });
        return snapshot({ route: resourceSet('route', [route]) });
      };
      rig.replace(big(0));
      const stuck = Array.from({ length: 3 }, (_, i) => rig.client(protocol, `stuck-${i}`));
      for (const client of stuck) {
        client.pause();
        client.subscribe('route', ['r']);
      }
      await until('their responses', () => rig.sends.length === stuck.length);
      const good = rig.client(protocol, 'good');
      good.autoAck = true;
      good.subscribe('route', ['r']);
      await good.next();
      for (let i = 1; i <= 5; i++) {
        rig.replace(big(i));
        await good.next();
      }
      assert.equal(rig.sends.filter(s => s.id !== 'good').length, stuck.length);
      assert.equal(rig.server.queueLength, 0);
      const [first] = stuck;
      assert.ok(first);
      first.autoAck = true;
      first.resume();
      await first.next();
      const last = await first.next();
      assert.ok(last.resources[0]);
      assert.equal(messageOf('route', last.resources[0].any).virtual_hosts?.[0]?.name?.[0], '5');
    });

    test('many that come at once are all served', async () => {
      const rig = await new Rig(world, { limits: { inFlight: 100, slice: 0 } }).start();
      const clients = Array.from({ length: 80 }, (_, i) => rig.client(protocol, `proxy-${i}`));
      for (const client of clients) client.subscribe('cluster');
      for (const client of clients) assert.deepEqual(names(await client.next()), ['a', 'b']);
    });

    test('stops with a word to every client, and cuts off those that do not listen', async () => {
      const rig = await new Rig(world).start();
      const client = await running(rig, protocol);
      const deaf = rig.client(protocol, 'deaf');
      deaf.pause();
      deaf.subscribe('cluster');
      await until('its stream', () => rig.server.connectionCount === 2);
      await rig.stop(100);
      assert.equal((await client.ended).code, status.UNAVAILABLE);
      assert.equal(rig.open, 0);
    });
  });
}

function encodeTypeOnly(protocol: Protocol): Buffer {
  const url = Buffer.from('type.googleapis.com/envoy.config.listener.v3.Listener');
  return Buffer.concat([Buffer.from([protocol === 'sotw' ? 0x22 : 0x12, url.length]), url]);
}
