import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { endpoint, given, layout, ROUTER, rule, SHOP, SIDECAR, slice, world } from './clusters-world.ts';

const HOST = 'shop.default.svc.cluster.local';
const NAME = `outbound|80||${HOST}`;

const layoutWith = (policy: string, who = SIDECAR): readonly string[] =>
  layout(given(world(SHOP, rule('shop', `trafficPolicy: {${policy}}`)), who).assignment(NAME));

test('endpoints by locality, with health, weight and the workload that they are', () => {
  const assignment = given(world(SHOP)).assignment(NAME);
  assert.deepEqual(layout(assignment), ['0 r1/z1: 10.0.0.2 (1)', '0 r1/z2: 10.0.0.3 (1)', '0 r2/z3: 10.0.0.4 (1)']);
  assert.match(
    JSON.stringify(assignment),
    /"health_status":"HEALTHY","metadata":{"filter_metadata":{"envoy.transport_socket_match":{"tlsMode":"istio"},"istio":{"workload":"shop-a;default;shop;v1;Kubernetes"}}}/,
  );
});

test('a subset has the pods with its labels; one that no pod has is empty', () => {
  const subsets = 'subsets: [{name: v2, labels: {version: v2}}, {name: v9, labels: {version: v9}}]';
  const got = given(world(SHOP, rule('shop', subsets)));
  assert.deepEqual(layout(got.assignment(`outbound|80|v2|${HOST}`)), ['0 r2/z3: 10.0.0.4 (1)']);
  assert.deepEqual(got.assignment(`outbound|80|v9|${HOST}`), { cluster_name: `outbound|80|v9|${HOST}` });
});

describe('health', () => {
  const states = slice(
    'shop',
    endpoint('10.0.0.2', 'shop-a', 'near'),
    endpoint('10.0.0.3', 'shop-b', 'near', 'ready: false, serving: false, terminating: false'),
    endpoint('10.0.0.4', 'shop-c', 'near', 'ready: false, serving: true, terminating: true'),
  );
  const statuses = (...documents: readonly string[]): readonly string[] => {
    const text = JSON.stringify(given(world(SHOP, states, ...documents)).assignment(NAME));
    return [...text.matchAll(/"health_status":"([A-Z]+)"/g)].map(match => match[1] ?? '').sort();
  };

  test('what is not ready is sent as unhealthy, what terminates is not sent', () => {
    assert.deepEqual(statuses(), ['HEALTHY', 'UNHEALTHY']);
  });
  test('with a panic threshold only healthy endpoints are sent', () => {
    assert.deepEqual(statuses(rule('shop', 'trafficPolicy: {outlierDetection: {minHealthPercent: 20}}')), ['HEALTHY']);
  });
  test('a Service with persistent sessions keeps what drains', () => {
    const sticky = `
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: default, labels: {istio.io/persistent-session: cookie}}
spec: {clusterIP: 10.96.0.1, selector: {app: shop}, ports: [{name: http, port: 80, targetPort: 8080}]}`;
    assert.deepEqual(statuses(sticky), ['DRAINING', 'HEALTHY', 'UNHEALTHY']);
  });
});

describe('locality load balancing', () => {
  const near = ['0 r1/z1: 10.0.0.2 (1)', '0 r1/z2: 10.0.0.3 (1)', '0 r2/z3: 10.0.0.4 (1)'];

  test('without outlier detection nothing fails over', () =>
    assert.deepEqual(layoutWith('loadBalancer: {simple: RANDOM}'), near));
  test('with it, zones of the own region come before other regions', () => {
    assert.deepEqual(layoutWith('outlierDetection: {interval: 1s}'), [
      '0 r1/z1: 10.0.0.2 (1)',
      '1 r1/z2: 10.0.0.3 (1)',
      '2 r2/z3: 10.0.0.4 (1)',
    ]);
  });
  test('distribute', () => {
    const to = '{"r1/z1/*": 70, "r2/*": 30}';
    assert.deepEqual(layoutWith(`loadBalancer: {localityLbSetting: {distribute: [{from: r1/z1/*, to: ${to}}]}}`), [
      '0 r1/z1: 10.0.0.2 (70)',
      '0 r1/z2:  (1)',
      '0 r2/z3: 10.0.0.4 (30)',
    ]);
  });
  test('failoverPriority by a label of the proxy, and by a value', () => {
    const labels = '["topology.kubernetes.io/region", "version=v1"]';
    const policy = `loadBalancer: {localityLbSetting: {failoverPriority: ${labels}}}, outlierDetection: {interval: 1s}`;
    assert.deepEqual(layoutWith(policy), ['0 r1/z1: 10.0.0.2 (1)', '0 r1/z2: 10.0.0.3 (1)', '1 r2/z3: 10.0.0.4 (1)']);
  });
  test('switched off', () => {
    assert.deepEqual(layoutWith('loadBalancer: {localityLbSetting: {enabled: false}}, outlierDetection: {}'), near);
  });
  test('zone-aware: the own region first, zones within it left to Envoy', () => {
    assert.deepEqual(layoutWith('loadBalancer: {zoneAwareLbSetting: {enabled: true}}'), [
      '0 r1/z1: 10.0.0.2 (1)',
      '0 r1/z2: 10.0.0.3 (1)',
      '1 r2/z3: 10.0.0.4 (1)',
    ]);
  });
  test('proxies of one region share what depends on the region alone', () => {
    const w = world(SHOP);
    const there = { ...SIDECAR, metadata: { ...SIDECAR.metadata, NODE_NAME: 'far' } };
    assert.equal(given(w).assigned(NAME), given(w, there).assigned(NAME));
  });
});

describe('mutual TLS of an endpoint', () => {
  const tls = (...documents: readonly string[]): boolean =>
    JSON.stringify(given(world(SHOP, ...documents)).assignment(NAME)).includes('tlsMode');
  const policy = (spec: string): string =>
    `apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p, namespace: default}\nspec: {${spec}}`;

  test('by default', () => assert.equal(tls(), true));
  test('switched off for the namespace', () => assert.equal(tls(policy('mtls: {mode: DISABLE}')), false));
  test('switched off for the workload', () => {
    assert.equal(tls(policy('selector: {matchLabels: {app: shop}}, mtls: {mode: DISABLE}')), false);
  });
  test('switched off for the port only', () => {
    const ports = (port: number): string =>
      `selector: {matchLabels: {app: shop}}, mtls: {mode: STRICT}, portLevelMtls: {${port}: {mode: DISABLE}}`;
    assert.equal(tls(policy(ports(8080))), false);
    assert.equal(tls(policy(ports(9090))), true);
  });
  test('another workload keeps out of it', () => {
    assert.equal(tls(policy('selector: {matchLabels: {app: client}}, mtls: {mode: DISABLE}')), true);
  });
  test('a rule that says how to speak', () => {
    assert.equal(tls(rule('shop', 'trafficPolicy: {tls: {mode: SIMPLE}}')), false);
    const level = 'portLevelSettings: [{port: {number: 80}, connectionPool: {}}]';
    assert.equal(tls(rule('shop', `trafficPolicy: {tls: {mode: DISABLE}, ${level}}`)), false);
  });
});

test('a gateway that passes TLS on by SNI has each Service once more, with mutual TLS endpoints only', () => {
  const gateway = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: cross, namespace: default}
spec: {selector: {app: client}, servers: [{port: {number: 15443, name: tls, protocol: TLS}, tls: {mode: AUTO_PASSTHROUGH}, hosts: ["*.local"]}]}`;
  const got = given(world(SHOP, gateway), ROUTER);
  const shop = got.cluster(`outbound_.80_._.${HOST}`);
  assert.equal(shop['transport_socket_matches'], undefined);
  assert.equal(layout(got.assignment(`outbound_.80_._.${HOST}`)).length, 3);
  assert.deepEqual(layout(got.assignment('outbound_.80_._.client.default.svc.cluster.local')), ['0 r1/z1:  ()']);
});

test('one changed endpoint makes only the assignments of its Service again', () => {
  const w = world(SHOP, rule('shop', 'subsets: [{name: v1, labels: {version: v1}}]'));
  const before = given(w);
  w.apply(slice('shop', endpoint('10.0.0.3', 'shop-b', 'next')));
  const after = given(w);
  const changed = after.assignments.filter(name => after.assigned(name) !== before.assigned(name));
  assert.deepEqual(changed, [`outbound|80|v1|${HOST}`, NAME]);
});
