import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigStore } from '../src/config/store.ts';
import { parseNode } from '../src/model/proxy/node.ts';
import type { Node } from '../src/proto/generated/envoy/config/core/v3.ts';
import { struct } from '../src/proto/wellknown.ts';
import { World } from '../src/world.ts';
import { counters } from '../src/xds/counters.ts';
import { pushOrder } from '../src/xds/resource-types.ts';
import { meshObjects } from './bench/mesh.ts';

const store = new ConfigStore();
for (const object of meshObjects({ services: 40, endpoints: 3, rules: true })) store.apply({ op: 'upsert', object });
const world = new World(store.contents(), {
  domain: 'cluster.local',
  clusterId: 'Kubernetes',
  rootNamespace: 'istio-system',
});

const nodeOf = (id: string, metadata: object, rest: Node = {}): Node => ({
  id,
  metadata: struct({ NAMESPACE: 'load', ISTIO_VERSION: '1.31.0', ...metadata }),
  ...rest,
});
const ID = 'sidecar~10.0.0.1~a.load~load.svc.cluster.local';

/** What each part of a Node makes the n-th proxy. */
const varied: Readonly<Record<string, (n: number) => Node>> = {
  'its namespace': n => nodeOf(`sidecar~10.0.0.1~a.n-${n}~n-${n}.svc.cluster.local`, { NAMESPACE: `n-${n}` }),
  'its namespace alone': n => nodeOf(ID, { NAMESPACE: `n-${n}` }),
  'its labels': n => nodeOf(ID, { LABELS: { app: `a-${n}` } }),
  'its cluster': n => nodeOf(ID, { CLUSTER_ID: `c-${n}` }),
  'its mesh': n => nodeOf(ID, { MESH_ID: `m-${n}` }),
  'its network': n => nodeOf(ID, { NETWORK: `n-${n}` }),
  "its agent's version": n => nodeOf(ID, { ISTIO_VERSION: `1.${n}.0` }),
  'its ProxyConfig': n => nodeOf(ID, { PROXY_CONFIG: { tracing: { sampling: n } } }),
  'its locality': n => nodeOf(ID, {}, { locality: { region: `r-${n}`, zone: 'z' } }),
  'its build': n => nodeOf(ID, {}, { user_agent_version: `1.36.${n}` }),
  'its node and address': n => nodeOf(`sidecar~10.0.1.${n}~a.load~load.svc.cluster.local`, { NODE_NAME: `n-${n}` }),
};

const of = (node: Node) => {
  const parsed = parseNode(node);
  assert.ok(parsed.ok);
  return world.of(parsed.proxy).snapshot;
};

for (const [what, node] of Object.entries(varied)) {
  test(`a proxy that differs in ${what} has listeners of its own at most`, () => {
    const first = of(node(1));
    const before = counters.resources;
    const second = of(node(2));
    assert.ok(counters.resources - before <= first.listener.list.length, `${counters.resources - before} are encoded`);
    for (const type of pushOrder) {
      assert.deepEqual(
        second[type].list.map(r => r.name),
        first[type].list.map(r => r.name),
        type,
      );
      if (type !== 'listener' && type !== 'nameTable' && type !== 'trustBundle')
        assert.equal(second[type], first[type], type);
    }
    assert.ok(first.cluster.list.length > 40 && first.route.list.length > 0);
  });
}
