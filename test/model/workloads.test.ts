import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Workload } from '../../src/model/proxy/workload.ts';
import { networking, pod, raw, security, service, slice, type World, world } from './support.ts';

type Fields = Readonly<Record<string, unknown>>;

const workloadOf = (w: World, name = 'app-1.default', ip = '10.1.0.1', metadata: Fields = {}): Workload =>
  w.identify(`sidecar~${ip}~${name}`, metadata).workload;
const targets = (workload: Workload) =>
  workload.targets.map(t => `${t.service.hostname.split('.')[0]}:${t.port.port}->${t.targetPort}`);

const ports = [
  { name: 'http', port: 80, targetPort: 8080 },
  { name: 'again', port: 81, targetPort: 8080 },
  { name: 'http-again', port: 82, targetPort: 8080 },
  { name: 'named', port: 83, targetPort: 'x' },
  { name: 'lost', port: 84, targetPort: 'nowhere' },
];
const container = { containers: [{ ports: [{ name: 'x', containerPort: 9999 }] }] };

test('targets are the ports of the Services that select the pod, each target port and protocol once', () => {
  const w = world(
    service('app', { ports }, { created: 2 }),
    service('older', { selector: { app: 'app' }, ports: [{ name: 'tcp', port: 1 }] }, { created: 1 }),
    service('none', { selector: {} }),
    service('app.elsewhere'),
    pod('app-1', '10.1.0.1', container),
  );
  assert.deepEqual(targets(workloadOf(w)), ['older:1->1', 'app:80->8080', 'app:81->8080', 'app:83->9999']);
});

test('a proxy without a pod is known by its metadata', () => {
  const w = world(
    service('app', { ports }),
    slice('app', [{ addresses: ['10.1.0.1'] }], { ports: [{ name: 'named', port: 7 }] }),
  );
  const LABELS = { app: 'app' };
  assert.deepEqual(targets(workloadOf(w, undefined, undefined, { LABELS })), [
    'app:80->8080',
    'app:81->8080',
    'app:83->7',
  ]);
  const POD_PORTS = '[{"name":"x","containerPort":6,"protocol":"TCP"}]';
  assert.deepEqual(targets(workloadOf(w, undefined, undefined, { LABELS, POD_PORTS }))[2], 'app:83->6');
  const { name, serviceAccount } = workloadOf(w, undefined, undefined, { WORKLOAD_NAME: 'n', SERVICE_ACCOUNT: 's' });
  assert.deepEqual([name, serviceAccount], ['n', 's']);
});

test('the labels of the pod count, those of the Node where there is no pod', () => {
  const w = world(pod('app-1', '10.1.0.1'));
  const LABELS = { app: 'other' };
  assert.deepEqual(workloadOf(w, undefined, undefined, { LABELS }).labels, { app: 'app' });
  assert.deepEqual(workloadOf(w, 'gone.default', '10.1.0.9', { LABELS }).labels, LABELS);
  assert.deepEqual(workloadOf(w, 'renamed.default', '10.1.0.1', { LABELS }).labels, { app: 'app' });
});

test('without a selecting Service, one without a selector that has the address', () => {
  const w = world(
    service('app', { selector: {}, clusterIP: 'None' }),
    pod('app-1', '10.1.0.1'),
    slice('app', [{ addresses: ['10.1.0.1'] }]),
  );
  assert.deepEqual(targets(workloadOf(w)), ['app:80->8080']);
  assert.deepEqual(targets(workloadOf(w, 'app-2.default', '10.1.0.2')), []);
});

test('a ServiceEntry that has the address as an endpoint is a target', () => {
  const spec = {
    hosts: ['a.com'],
    resolution: 'STATIC',
    ports: [{ number: 80, name: 'http', protocol: 'HTTP', targetPort: 8080 }],
  };
  const w = world(
    networking('ServiceEntry', 'e', { ...spec, endpoints: [{ address: '10.1.0.1' }] }),
    networking('ServiceEntry', 'e.elsewhere', { ...spec, endpoints: [{ address: '10.1.0.1' }] }),
  );
  assert.deepEqual(targets(workloadOf(w)), ['a:80->8080']);
  w.applyObjects([
    networking('ServiceEntry', 'e', { ...spec, workloadSelector: { labels: { app: 'app' } } }),
    pod('app-1', '10.1.0.1'),
  ]);
  assert.deepEqual(targets(workloadOf(w)), ['a:80->8080']);
});

test('only pods of headless Services know their own address', () => {
  const w = world(
    service('app'),
    service('headless', { clusterIP: 'None' }),
    pod('app-1', '10.1.0.1'),
    pod('headless-1', '10.1.0.2'),
  );
  assert.deepEqual(workloadOf(w).ownAddresses, []);
  assert.deepEqual(workloadOf(w, 'headless-1.default', '10.1.0.2').ownAddresses, ['10.1.0.2']);
});

const select = (app: string) => ({ selector: { matchLabels: { app } } });

test('policies select by labels, of the namespace and the root namespace, in istiod’s order', () => {
  const telemetry = (name: string, spec: Fields) => raw('telemetry.istio.io/v1', 'Telemetry', name, { spec });
  const filter = (name: string, spec: Fields, more = {}) =>
    raw('networking.istio.io/v1alpha3', 'EnvoyFilter', name, { spec: { configPatches: [], ...spec } }, more);
  const kinds = ['PeerAuthentication', 'RequestAuthentication', 'AuthorizationPolicy'];
  const w = world(
    pod('app-1', '10.1.0.1'),
    ...kinds.flatMap(kind => [
      security(kind, 'root.istio-system', {}, { created: 0 }),
      security(kind, 'chosen.istio-system', select('app'), { created: 1 }),
      security(kind, 'young', select('app'), { created: 9 }),
      security(kind, 'old', {}, { created: 2 }),
      security(kind, 'other', select('other')),
      security(kind, 'elsewhere.b', {}),
    ]),
    telemetry('root.istio-system', {}),
    telemetry('wide', {}),
    telemetry('second', { metrics: [] }),
    telemetry('chosen', select('app')),
    telemetry('other', select('other')),
    filter('late', { priority: 5 }),
    filter('early', { priority: -5, workloadSelector: { labels: { app: 'app' } } }),
    filter('root.istio-system', {}),
    filter('own', {}),
    filter('other', { workloadSelector: { labels: { app: 'x' } } }),
  );
  const { policies } = workloadOf(w);
  const names = (list: readonly { readonly meta: { readonly name: string } }[]) => list.map(p => p.meta.name);
  assert.deepEqual(names(policies.peerAuthentications), ['old', 'young', 'root', 'chosen']);
  assert.deepEqual(names(policies.requestAuthentications), ['old', 'young', 'root', 'chosen']);
  assert.deepEqual(names(policies.authorizationPolicies), ['root', 'chosen', 'old', 'young']);
  assert.deepEqual(names(policies.telemetries), ['root', 'second', 'chosen']);
  assert.deepEqual(names(policies.envoyFilters), ['early', 'root', 'own', 'late']);
});

test('a second PeerAuthentication for a whole namespace is a problem and does not count', () => {
  const w = world(
    security('PeerAuthentication', 'old', {}, { created: 1 }),
    security('PeerAuthentication', 'young', {}, { created: 2 }),
  );
  assert.deepEqual(
    w.mesh.problems.map(p => p.object),
    ['PeerAuthentication/default/young'],
  );
  assert.equal(workloadOf(w).policies.peerAuthentications.length, 1);
});

test('policies with targetRefs are for Kubernetes Gateways only', () => {
  const targetRefs = [{ kind: 'Gateway', group: 'gateway.networking.k8s.io', name: 'gw' }];
  const w = world(security('AuthorizationPolicy', 'p', { targetRefs }));
  assert.equal(workloadOf(w).policies.authorizationPolicies.length, 0);
  const LABELS = { 'gateway.networking.k8s.io/gateway-name': 'gw' };
  assert.equal(workloadOf(w, undefined, undefined, { LABELS }).policies.authorizationPolicies.length, 1);
});
