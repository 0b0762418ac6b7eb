import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Protocol } from '../../src/xds/frame.ts';
import type { XdsType } from '../../src/xds/resource-types.ts';
import { Exchange, grace } from './exchange.ts';
import { madeSnapshot, type World } from './made-up.ts';

const one: World = { cluster: { a: 1 }, endpoint: { a: 1 }, listener: { l: 1 }, route: { r: 1 } };
const two: World = { cluster: { a: 1, b: 1 }, endpoint: { a: 1, b: 1 }, listener: { l: 2 }, route: { r: 2 } };
const types = ['cluster', 'endpoint', 'listener', 'route'] as const;

/** A proxy that has all of world `one`. */
function running(protocol: Protocol, world: World = one): Exchange {
  const x = new Exchange(protocol, world);
  x.subscribe('cluster');
  x.subscribe('endpoint', ['a']);
  x.subscribe('listener');
  x.subscribe('route', ['r']);
  assert.equal(x.sends().length, 4);
  x.ack(...types);
  assert.deepEqual(x.sends(), []);
  return x;
}

for (const protocol of ['sotw', 'delta'] as const) {
  const delta = protocol === 'delta';
  describe(`pushes in ${protocol}`, () => {
    test('a client that has nothing is answered at once, in order', () => {
      const x = new Exchange(protocol, one);
      x.subscribe('route', ['r']);
      x.subscribe('listener');
      x.subscribe('endpoint', ['a']);
      x.subscribe('cluster');
      assert.deepEqual(x.sends(), ['cluster +a', 'endpoint +a', 'listener +l', 'route +r']);
    });

    test('a change of one type goes at once, while another is unanswered', () => {
      const x = running(protocol);
      x.world({ ...one, route: { r: 2 } });
      assert.deepEqual(x.sends(), ['route +r']);
      x.world({ ...one, route: { r: 2 }, endpoint: { a: 2 } });
      assert.deepEqual(x.sends(), ['endpoint +a']);
      x.ack('route');
      x.world({ ...one, route: { r: 3 }, endpoint: { a: 2 } });
      assert.deepEqual(x.sends(), ['route +r'], 'endpoints under way add no cluster');
    });

    test('one response a type is under way, and changes meanwhile are merged', () => {
      const x = running(protocol);
      for (const content of [2, 3, 4]) {
        x.world({ ...one, endpoint: { a: content } });
        assert.deepEqual(x.sends(), content === 2 ? ['endpoint +a'] : []);
      }
      x.ack('endpoint');
      assert.deepEqual(x.sends(), ['endpoint +a']);
      x.ack('endpoint');
      assert.deepEqual(x.sends(), []);
    });

    test('routes wait for a new cluster and its endpoints', () => {
      const x = running(protocol);
      x.world(two);
      assert.deepEqual(x.sends(), ['cluster +b']);
      x.ack('cluster');
      assert.deepEqual(x.sends(), [], 'not subscribed to its endpoints yet');
      x.subscribe('endpoint', delta ? ['b'] : ['a', 'b']);
      assert.deepEqual(x.sends(), ['endpoint +b']);
      assert.deepEqual(x.sends(), []);
      x.ack('endpoint');
      assert.deepEqual(x.sends(), ['listener +l', 'route +r']);
    });

    test('endpoints do not wait for clusters, which Envoy acknowledges when they are warm', () => {
      const x = running(protocol);
      x.world(two);
      assert.deepEqual(x.sends(), ['cluster +b']);
      x.subscribe('endpoint', delta ? ['b'] : ['a', 'b']);
      assert.deepEqual(x.sends(), ['endpoint +b']);
      x.ack('endpoint');
      assert.deepEqual(x.sends(), []);
      x.ack('cluster');
      assert.deepEqual(x.sends(), ['listener +l', 'route +r']);
    });

    test('clusters that never get warm do not hold up their own cure', () => {
      const x = running(protocol);
      x.world(two);
      assert.deepEqual(x.sends(), ['cluster +b']);
      x.world({ ...two, cluster: { a: 1, b: 2 } });
      assert.deepEqual(x.sends(), []);
      x.now += grace;
      assert.deepEqual(x.sends()[0], 'cluster +b');
    });

    test('a refused cluster is answered too', () => {
      const x = running(protocol);
      x.world({ ...one, cluster: { a: 2 }, route: { r: 2 } });
      assert.deepEqual(x.sends(), ['cluster +a', 'endpoint +a']);
      x.nack('cluster');
      assert.deepEqual(x.sends(), ['route +r']);
    });

    test('a changed cluster is followed by its endpoints', () => {
      const x = running(protocol);
      x.world({ ...one, cluster: { a: 2 } });
      assert.deepEqual(x.sends(), ['cluster +a', 'endpoint +a']);
      x.ack('cluster', 'endpoint');
      assert.deepEqual(x.sends(), []);
    });

    test('a client that never asks for the endpoints gets its routes after a while, later ones at once', () => {
      const x = running(protocol);
      x.world(two);
      assert.deepEqual(x.sends(), ['cluster +b']);
      x.ack('cluster');
      x.now += grace - 1;
      assert.deepEqual(x.sends(), []);
      x.now += 1;
      assert.deepEqual(x.sends(), ['listener +l', 'route +r']);
      x.ack('listener', 'route');
      x.world({ ...two, route: { r: 3 } });
      assert.deepEqual(x.sends(), ['route +r']);
    });

    test('ever new clusters hold routes up for a while only', () => {
      const x = running(protocol);
      const cluster: Record<string, number> = { a: 1 };
      const endpoint: Record<string, number> = { a: 1 };
      const sent: string[] = [];
      for (let i = 0; i < 12; i++) {
        cluster[`c${i}`] = 1;
        endpoint[`c${i}`] = 1;
        x.world({ cluster: { ...cluster }, endpoint: { ...endpoint }, listener: { l: 1 }, route: { r: 2 } });
        const lines = x.sends();
        sent.push(...lines.filter(line => line.startsWith('route')));
        if (lines.some(line => line.startsWith('cluster'))) x.ack('cluster');
        x.now += 1000;
      }
      assert.deepEqual(sent, ['route +r']);
    });

    test('a cluster goes after the routes that named it, and its endpoints after it', () => {
      const x = running(protocol, two);
      x.subscribe('endpoint', delta ? ['b'] : ['a', 'b']);
      x.settle();
      x.world(one);
      assert.deepEqual(x.sends(), ['listener +l', 'route +r']);
      x.ack('listener');
      assert.deepEqual(x.sends(), []);
      x.ack('route');
      assert.deepEqual(x.sends(), ['cluster -b']);
      x.ack('cluster');
      assert.deepEqual(x.sends(), delta ? ['endpoint -b'] : []);
    });

    test('a cluster that takes the place of another comes first, and the other goes last', () => {
      const x = running(protocol);
      x.world({ cluster: { b: 1 }, endpoint: { b: 1 }, listener: { l: 1 }, route: { r: 2 } });
      assert.deepEqual(x.sends(), ['cluster +b']);
      x.subscribe('endpoint', delta ? ['b'] : ['a', 'b']);
      assert.deepEqual(x.sends(), ['endpoint +b']);
      x.ack('cluster', 'endpoint');
      assert.deepEqual(x.sends(), ['route +r']);
      x.ack('route');
      assert.deepEqual(x.sends(), ['cluster -a']);
    });

    test('a cluster that comes back before it was taken away stays', () => {
      const x = running(protocol);
      x.world({ ...one, cluster: {}, route: { r: 2 } });
      assert.deepEqual(x.sends(), ['route +r']);
      x.world({ ...one, route: { r: 2 } });
      x.ack('route');
      assert.deepEqual(x.sends(), []);
    });

    test('a listener goes at once, in the response that may put another on its address', () => {
      const x = running(protocol);
      x.world({ ...one, listener: { k: 1 } });
      assert.deepEqual(x.sends(), ['listener +k -l']);
    });

    test('an extension is never removed', () => {
      const x = new Exchange(protocol, { extension: { e: 1 } });
      x.subscribe('extension', ['e']);
      assert.deepEqual(x.sends(), ['extension +e']);
      x.ack('extension');
      x.world({ extension: {} });
      assert.deepEqual(x.sends(), []);
    });

    test('a client that comes back waits for its clusters before it gets new routes', () => {
      const x = new Exchange(protocol, two);
      x.subscribe('cluster', [], { a: 'old' }, 'v');
      x.subscribe('endpoint', ['a', 'b'], { a: 'old' }, 'v');
      x.subscribe('listener', [], { l: 'old' }, 'v');
      x.subscribe('route', ['r'], { r: 'old' }, 'v');
      assert.deepEqual(x.sends(), ['cluster +a +b', 'endpoint +a +b']);
      x.ack('endpoint', 'cluster');
      assert.deepEqual(x.sends(), ['listener +l', 'route +r']);
    });
  });
}

describe('pushes in delta', () => {
  const versions = (type: XdsType, world: World): Record<string, string> =>
    Object.fromEntries(madeSnapshot(world)[type].list.map(r => [r.name, r.version]));

  test('a client that comes back with everything gets empty answers', () => {
    const x = new Exchange('delta', one);
    x.subscribe('cluster', [], versions('cluster', one));
    x.subscribe('endpoint', ['a'], versions('endpoint', one));
    x.subscribe('listener', [], versions('listener', one));
    x.subscribe('route', ['r'], versions('route', one));
    assert.deepEqual(x.sends(), ['cluster', 'endpoint', 'listener', 'route']);
    x.ack(...types);
    assert.deepEqual(x.sends(), []);
    x.world({ ...one, endpoint: { a: 2 } });
    assert.deepEqual(x.sends(), ['endpoint +a']);
  });

  test('a client that comes back with another cluster gets that endpoint again', () => {
    const now: World = { ...two, cluster: { a: 2, b: 1 } };
    const x = new Exchange('delta', now);
    x.subscribe('cluster', [], versions('cluster', two));
    x.subscribe('endpoint', ['a', 'b'], versions('endpoint', two));
    assert.deepEqual(x.sends(), ['cluster +a', 'endpoint +a']);
  });

  test('a cluster that vanished meanwhile goes after the routes that named it', () => {
    const x = new Exchange('delta', { ...one, route: { r: 2 } });
    x.subscribe('cluster', [], versions('cluster', two));
    assert.deepEqual(x.sends(), ['cluster']);
    x.ack('cluster');
    assert.deepEqual(x.sends(), [], 'listeners and routes are to be asked for yet');
    x.subscribe('endpoint', ['a'], versions('endpoint', one));
    x.subscribe('listener', [], versions('listener', one));
    x.subscribe('route', ['r'], versions('route', one));
    assert.deepEqual(x.sends(), ['endpoint', 'listener', 'route +r']);
    x.ack('listener', 'route');
    assert.deepEqual(x.sends(), ['cluster -b']);
  });
});
