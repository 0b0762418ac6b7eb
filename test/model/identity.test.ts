import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RawObject } from '../../src/config/raw.ts';
import type { Identity } from '../../src/model/identify.ts';
import { bookinfo, networking, ofPod, pod, security, service, slice, World, world } from './support.ts';

const shop = () =>
  world(
    service('app.a', {}, { created: 1 }),
    service('other.b', {}, { created: 2 }),
    service('private.b', {}, { annotations: { 'networking.istio.io/exportTo': '.' } }),
    pod('app-1.a', '10.1.0.1'),
    pod('app-2.a', '10.1.0.2'),
    pod('other-1.b', '10.2.0.1'),
    slice('app.a', [ofPod('app-1', '10.1.0.1'), ofPod('app-2', '10.1.0.2')]),
    slice('other.b', [ofPod('other-1', '10.2.0.1')]),
    networking('VirtualService', 'app.a', { hosts: ['app'], http: [{ route: [{ destination: { host: 'app' } }] }] }),
    networking('VirtualService', 'private.b', {
      hosts: ['private'],
      exportTo: ['.'],
      http: [{ route: [{ destination: { host: 'private' } }] }],
    }),
    networking('DestinationRule', 'app.a', { host: 'app', subsets: [{ name: 'v1' }] }),
    networking('DestinationRule', 'private.b', { host: 'private', exportTo: ['.'] }),
  );

const inA = 'sidecar~10.1.0.1~app-1.a';
const alsoInA = 'sidecar~10.1.0.2~app-2.a';
const inB = 'sidecar~10.2.0.1~other-1.b';

const kept = (before: Identity, after: Identity) =>
  (['scope', 'workload', 'traits'] as const).filter(part => before[part] === after[part]).join();
const all = 'scope,workload,traits';

test('equal proxies share the three values', () => {
  const w = shop();
  assert.equal(kept(w.identify(inA), w.identify(alsoInA)), all);
});

test('what keeps its identity when something changes', () => {
  const cases: readonly (readonly [name: string, change: readonly RawObject[], ofA: string, ofB: string])[] = [
    ['endpoint gone', [slice('app.a', [ofPod('app-1', '10.1.0.1')])], all, all],
    [
      'endpoint not ready',
      [slice('app.a', [ofPod('app-1', '10.1.0.1', { ready: false, terminating: false })])],
      all,
      all,
    ],
    ['pod of another node', [pod('other-1.b', '10.2.0.1', { nodeName: 'node-9' })], all, all],
    ['new identity', [pod('other-1.b', '10.2.0.1', { serviceAccountName: 'new' })], 'workload,traits', 'traits'],
    [
      'Service seen by all',
      [service('other.b', { clusterIP: '10.0.0.9' }, { created: 2 })],
      'workload,traits',
      'traits',
    ],
    ['new Service', [service('new.a')], 'workload,traits', 'workload,traits'],
    [
      'private Service',
      [service('private.b', { clusterIP: '10.0.0.9' }, { annotations: { 'networking.istio.io/exportTo': '.' } })],
      all,
      'workload,traits',
    ],
    [
      'private VirtualService',
      [
        networking('VirtualService', 'private.b', {
          hosts: ['private'],
          exportTo: ['.'],
          http: [{ route: [{ destination: { host: 'other' } }] }],
        }),
      ],
      all,
      'workload,traits',
    ],
    [
      'VirtualService seen by all',
      [networking('VirtualService', 'app.a', { hosts: ['app'], http: [{ route: [{ destination: { host: 'x' } }] }] })],
      'workload,traits',
      'workload,traits',
    ],
    [
      'private DestinationRule',
      [networking('DestinationRule', 'private.b', { host: 'private', exportTo: ['.'], subsets: [{ name: 'x' }] })],
      all,
      'workload,traits',
    ],
    ['AuthorizationPolicy', [security('AuthorizationPolicy', 'p.b', {})], all, 'scope,traits'],
    ['PeerAuthentication', [security('PeerAuthentication', 'p.b', {})], 'workload,traits', 'traits'],
    ['Sidecar', [networking('Sidecar', 's.b', { egress: [{ hosts: ['./*'] }] })], all, 'traits'],
    [
      'Gateway',
      [
        networking('Gateway', 'g.b', {
          selector: { app: 'x' },
          servers: [{ port: { number: 1, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
        }),
      ],
      all,
      all,
    ],
    [
      'WorkloadEntry of nobody',
      [networking('WorkloadEntry', 'w.b', { address: '10.7.0.1', labels: { app: 'none' } })],
      all,
      all,
    ],
    ['metadata only', [pod('app-1.a', '10.1.0.1', {}, { annotations: { x: 'y' } })], all, all],
  ];
  for (const [name, change, ofA, ofB] of cases) {
    const w = shop();
    const a = w.identify(inA);
    const b = w.identify(inB);
    w.applyObjects(change);
    assert.equal(kept(a, w.identify(inA)), ofA, `${name}: a proxy of namespace a`);
    assert.equal(kept(b, w.identify(inB)), ofB, `${name}: a proxy of namespace b`);
  }
});

test('values come back when a change is taken back while they are in use', () => {
  const w = shop();
  const before = w.identify(inA);
  const { endpoints } = w.mesh;
  w.applyObjects([slice('app.a', [ofPod('app-1', '10.1.0.1')])]);
  w.applyObjects([slice('app.a', [ofPod('app-1', '10.1.0.1'), ofPod('app-2', '10.1.0.2')])]);
  assert.equal(kept(before, w.identify(inA)), all);
  const key = 'other.b.svc.cluster.local/b';
  assert.equal(w.mesh.endpoints.get(key), endpoints.get(key));
});

test('an endpoint that stays is the same object, and so are the endpoints of other Services', () => {
  const w = shop();
  const before = w.mesh.endpoints;
  w.applyObjects([slice('app.a', [{ addresses: ['10.1.0.9'] }, ofPod('app-2', '10.1.0.2')])]);
  const endpointsOf = (host: string, of = w.mesh.endpoints) =>
    of.get(`${host}.svc.cluster.local/${host.split('.')[1]}`);
  assert.equal(endpointsOf('other.b'), endpointsOf('other.b', before));
  assert.notEqual(endpointsOf('app.a'), endpointsOf('app.a', before));
  assert.equal(endpointsOf('app.a')?.endpoints[1], endpointsOf('app.a', before)?.endpoints[1]);
});

test('the same contents are the same mesh', () => {
  const w = shop();
  const { mesh } = w;
  assert.equal(w.rebuild().mesh, mesh);
});

test('a mesh built step by step equals one built at once, whatever the order', () => {
  const w = new World(bookinfo());
  const { services, endpoints } = w.mesh;
  const documents = bookinfo()
    .split(/^---$/m)
    .filter(text => text.trim());
  const stepwise = new World();
  for (const document of documents.reverse()) stepwise.apply(document);
  assert.deepEqual(stepwise.mesh.services, services);
  assert.deepEqual(new Map([...stepwise.mesh.endpoints].sort()), new Map([...endpoints].sort()));
  const ids = [w, stepwise].map(x => x.identify('sidecar~10.1.0.4~productpage-v1.default'));
  assert.deepEqual(ids[1]?.scope.egress, ids[0]?.scope.egress);
  assert.deepEqual(ids[1]?.workload, ids[0]?.workload);
});
