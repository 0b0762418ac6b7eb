import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigStore } from '../../src/config/store.ts';
import { World } from '../../src/world.ts';
import { options, proxy } from '../model/support.ts';
import { assertLinear } from './growth.ts';
import { meshes } from './meshes.ts';

const proxies = [
  proxy('sidecar~10.9.9.9~a.shop~shop.svc.cluster.local', { LABELS: { app: 'a' } }),
  proxy('router~10.9.9.8~g.shop~shop.svc.cluster.local', { LABELS: { app: 'gateway' } }),
];

test('no mesh takes more than linear time, from its objects to what proxies are sent', () => {
  let sent = 0;
  for (const [name, objects] of Object.entries(meshes)) {
    const work = (n: number) => {
      const raw = objects(n);
      return () => {
        const store = new ConfigStore();
        for (const object of raw) store.apply({ op: 'upsert', object });
        const world = new World(store.contents(), options);
        for (const each of proxies) sent += world.of(each).snapshot.cluster.size;
      };
    };
    assertLinear(name, work, 100);
  }
  assert.ok(sent);
});
