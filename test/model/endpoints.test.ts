import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Endpoint, endpointsKey } from '../../src/model/endpoints/endpoint.ts';
import { networking, ofPod, pod, raw, service, slice, type World, world } from './support.ts';

const endpointsOf = (w: World, host = 'app.default.svc.cluster.local', namespace = 'default'): readonly Endpoint[] =>
  w.mesh.services
    .filter(s => s.hostname === host && s.namespace === namespace)
    .slice(0, 1)
    .flatMap(s => w.mesh.endpoints.get(endpointsKey(s))?.endpoints ?? []);

const node = raw(
  'v1',
  'Node',
  'node-1',
  {},
  {
    namespace: undefined,
    labels: { 'topology.kubernetes.io/region': 'r', 'topology.kubernetes.io/zone': 'z' },
  },
);

test('an endpoint has what its pod and node say', () => {
  const more = { labels: { app: 'app', 'security.istio.io/tlsMode': 'istio', 'pod-template-hash': 'abc' } };
  const object = pod(
    'app-1',
    '10.1.0.1',
    { subdomain: 'sub' },
    {
      ...more,
      ownerReferences: [{ controller: true, kind: 'ReplicaSet', name: 'app-v1-abc' }],
    },
  );
  const [endpoint] = endpointsOf(world(node, service('app'), object, slice('app', [ofPod('app-1', '10.1.0.1')])));
  assert.deepEqual(endpoint, {
    address: '10.1.0.1',
    port: 8080,
    portName: 'http',
    servicePort: 0,
    health: 'healthy',
    weight: 0,
    locality: { region: 'r', zone: 'z', subzone: '' },
    labels: {
      ...more.labels,
      'topology.kubernetes.io/region': 'r',
      'topology.kubernetes.io/zone': 'z',
      'topology.istio.io/cluster': 'Kubernetes',
      'kubernetes.io/hostname': 'node-1',
    },
    namespace: 'default',
    workload: 'app-v1',
    pod: 'app-1',
    node: 'node-1',
    network: '',
    clusterId: 'Kubernetes',
    identity: 'spiffe://cluster.local/ns/default/sa/sa',
    tlsMode: 'istio',
    hostname: 'app-1',
    subdomain: 'sub',
  });
});

test('the workload is named after what owns the pod', () => {
  const cases = [
    [undefined, {}, 'app-1'],
    ['ReplicaSet', { 'pod-template-hash': 'h1' }, 'owner'],
    ['ReplicaSet', {}, 'owner-h1'],
    ['StatefulSet', {}, 'owner-h1'],
    ['Job', {}, 'owner-h1'],
    ['ReplicaSet', { 'service.istio.io/workload-name': 'named' }, 'named'],
  ] as const;
  for (const [kind, labels, expected] of cases) {
    const ownerReferences = kind ? [{ controller: true, kind, name: 'owner-h1' }] : [];
    const w = world(
      service('app'),
      pod('app-1', '10.1.0.1', {}, { labels, ownerReferences }),
      slice('app', [ofPod('app-1', '10.1.0.1')]),
    );
    assert.equal(endpointsOf(w)[0]?.workload, expected, `${kind} ${JSON.stringify(labels)}`);
  }
});

test('the locality label of a pod goes before its node', () => {
  const labels = { 'istio-locality': 'a.b.c' };
  const w = world(
    node,
    service('app'),
    pod('app-1', '10.1.0.1', {}, { labels }),
    slice('app', [ofPod('app-1', '10.1.0.1')]),
  );
  assert.deepEqual(endpointsOf(w)[0]?.locality, { region: 'a', zone: 'b', subzone: 'c' });
});

test('health follows the conditions', () => {
  const cases = [
    [{}, 'healthy'],
    [{ ready: false, serving: true, terminating: true }, 'draining'],
    [{ ready: false, serving: false, terminating: true }, undefined],
    [{ ready: false, terminating: false }, 'unhealthy'],
  ] as const;
  for (const [conditions, expected] of cases) {
    const w = world(service('app'), slice('app', [{ addresses: ['10.1.0.1'], conditions }]));
    assert.equal(endpointsOf(w)[0]?.health, expected, JSON.stringify(conditions));
  }
});

test('an endpoint waits for the pod that it names; an address without a pod is taken as it is', () => {
  const w = world(service('app'), slice('app', [ofPod('app-1', '10.1.0.1'), { addresses: ['10.1.0.2'] }]));
  assert.deepEqual(
    endpointsOf(w).map(e => [e.address, e.identity]),
    [['10.1.0.2', '']],
  );
  w.applyObjects([pod('app-1', '10.1.0.1'), pod('other-1', '10.1.0.2', { serviceAccountName: 'other' })]);
  assert.deepEqual(
    endpointsOf(w).map(e => [e.address, e.identity]),
    [
      ['10.1.0.1', 'spiffe://cluster.local/ns/default/sa/sa'],
      ['10.1.0.2', 'spiffe://cluster.local/ns/default/sa/other'],
    ],
  );
});

test('Endpoints count only where there is no slice; an address in two slices counts once', () => {
  const objects = raw('v1', 'Endpoints', 'app', {
    subsets: [{ addresses: [{ ip: '10.9.9.9' }], ports: [{ name: 'http', port: 1 }] }],
  });
  const w = world(service('app'), objects);
  assert.deepEqual(
    endpointsOf(w).map(e => e.address),
    ['10.9.9.9'],
  );
  const one = { addresses: ['10.1.0.1'] };
  w.applyObjects([slice('app', [one]), slice('app', [one, { addresses: ['10.1.0.2'] }], {}, 'app-second')]);
  assert.deepEqual(
    endpointsOf(w).map(e => e.address),
    ['10.1.0.1', '10.1.0.2'],
  );
  w.delete('EndpointSlice', 'default', 'app').delete('EndpointSlice', 'default', 'app-second');
  assert.deepEqual(
    endpointsOf(w).map(e => e.address),
    ['10.9.9.9'],
  );
  w.delete('Service', 'default', 'app');
  assert.equal(w.mesh.endpoints.size, 0);
});

test('a moved node moves its pods', () => {
  const w = world(node, service('app'), pod('app-1', '10.1.0.1'), slice('app', [ofPod('app-1', '10.1.0.1')]));
  w.applyObjects([
    raw('v1', 'Node', 'node-1', {}, { namespace: undefined, labels: { 'topology.kubernetes.io/region': 'other' } }),
  ]);
  assert.equal(endpointsOf(w)[0]?.locality.region, 'other');
});

const workloadEntry = (name: string, spec: Readonly<Record<string, unknown>>, more = {}) =>
  networking('WorkloadEntry', name, { labels: { app: 'app' }, ...spec }, more);

test('a Service selects WorkloadEntries besides its pods', () => {
  const w = world(
    service('app', {
      ports: [
        { name: 'http', port: 80, targetPort: 8080 },
        { name: 'named', port: 81, targetPort: 'x' },
      ],
    }),
    workloadEntry('vm', { address: '10.2.0.1', ports: { x: 9999 }, serviceAccount: 'vm', locality: 'r/z', weight: 7 }),
    workloadEntry('other', { address: '10.2.0.2', labels: { app: 'other' } }),
  );
  assert.deepEqual(
    endpointsOf(w).map(e => [
      e.address,
      e.port,
      e.portName,
      e.identity,
      e.tlsMode,
      e.weight,
      e.workload,
      e.locality.zone,
    ]),
    [
      ['10.2.0.1', 8080, 'http', 'spiffe://cluster.local/ns/default/sa/vm', 'istio', 7, 'vm', 'z'],
      ['10.2.0.1', 9999, 'named', 'spiffe://cluster.local/ns/default/sa/vm', 'istio', 7, 'vm', 'z'],
    ],
  );
});

const entry = (spec: Readonly<Record<string, unknown>>, name = 'e') =>
  networking('ServiceEntry', name, {
    hosts: ['a.com'],
    ports: [{ number: 80, name: 'http', protocol: 'HTTP', targetPort: 8080 }],
    ...spec,
  });

test('endpoints of ServiceEntries', () => {
  const cases = [
    ['static', { resolution: 'STATIC', endpoints: [{ address: '1.1.1.1' }] }, [['1.1.1.1', 8080]]],
    ['own port', { resolution: 'STATIC', endpoints: [{ address: '1.1.1.1', ports: { http: 9 } }] }, [['1.1.1.1', 9]]],
    ['DNS without endpoints', { resolution: 'DNS' }, [['a.com', 8080]]],
    ['DNS with endpoints', { resolution: 'DNS', endpoints: [{ address: 'b.com' }] }, [['b.com', 8080]]],
    ['NONE', { resolution: 'NONE' }, []],
    ['socket', { resolution: 'STATIC', endpoints: [{ address: 'unix:///x' }] }, [['unix:///x', 0]]],
    [
      'selector',
      { resolution: 'STATIC', workloadSelector: { labels: { app: 'app' } } },
      [
        ['10.1.0.1', 8080],
        ['10.2.0.1', 8080],
      ],
    ],
  ] as const;
  for (const [name, spec, expected] of cases) {
    const w = world(pod('app-1', '10.1.0.1'), workloadEntry('vm', { address: '10.2.0.1' }), entry(spec));
    assert.deepEqual(
      endpointsOf(w, 'a.com').map(e => [e.address, e.port]),
      expected,
      name,
    );
  }
});

test('a ServiceEntry follows the pods that it selects, and no others', () => {
  const w = world(
    pod('app-1', '10.1.0.1'),
    entry({ resolution: 'STATIC', workloadSelector: { labels: { app: 'app' } } }),
  );
  const before = w.mesh.endpoints;
  w.applyObjects([pod('other-1', '10.1.0.9')]);
  assert.equal(w.mesh.endpoints, before);
  w.applyObjects([pod('app-2', '10.1.0.2')]);
  assert.deepEqual(
    endpointsOf(w, 'a.com').map(e => e.address),
    ['10.1.0.1', '10.1.0.2'],
  );
  w.delete('Pod', 'default', 'app-1');
  assert.deepEqual(
    endpointsOf(w, 'a.com').map(e => e.address),
    ['10.1.0.2'],
  );
});

test('ServiceEntries of one host give their endpoints together; LOGICAL_DNS takes the first', () => {
  const w = world(
    entry({ resolution: 'STATIC', endpoints: [{ address: '1.1.1.1' }] }, 'one'),
    entry({ resolution: 'STATIC', endpoints: [{ address: '1.1.1.2' }] }, 'two'),
  );
  assert.deepEqual(
    endpointsOf(w, 'a.com').map(e => e.address),
    ['1.1.1.1', '1.1.1.2'],
  );
  const dns = world(entry({ resolution: 'DNS_ROUND_ROBIN' }, 'one'), entry({ resolution: 'DNS_ROUND_ROBIN' }, 'two'));
  assert.equal(endpointsOf(dns, 'a.com').length, 1);
});

test('a machine may serve a port of a ServiceEntry on several ports of its own', () => {
  const endpoints = [{ address: '1.1.1.1' }, { address: '1.1.1.1', ports: { http: 81 } }, { address: '1.1.1.1' }];
  assert.deepEqual(
    endpointsOf(world(entry({ resolution: 'STATIC', endpoints }, 'one')), 'a.com').map(e => e.port),
    [8080, 81],
  );
});
