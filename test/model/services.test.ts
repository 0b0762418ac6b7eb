import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveGatewayName, resolveShortname } from '../../src/istio/hosts.ts';
import { servicePortProtocol } from '../../src/istio/protocol.ts';
import { visibleTo } from '../../src/istio/visibility.ts';
import type { Service } from '../../src/model/services/service.ts';
import { hostname } from '../../src/proto/hostname.ts';
import { networking, raw, service, world } from './support.ts';

const only = (services: readonly Service[]): Service => {
  assert.equal(services.length, 1);
  const [first] = services;
  assert.ok(first);
  return first;
};

test('the protocol of a port comes from appProtocol, then its name, then well-known numbers', () => {
  const cases = [
    ['http', 80, '', 'TCP', 'HTTP'],
    ['http-web', 80, '', 'TCP', 'HTTP'],
    ['HTTP2-x', 80, '', 'TCP', 'HTTP2'],
    ['grpc-web-x', 80, '', 'TCP', 'GRPCWeb'],
    ['grpc', 80, '', 'TCP', 'GRPC'],
    ['https', 443, '', 'TCP', 'HTTPS'],
    ['web', 80, '', 'TCP', 'Unsupported'],
    ['', 3306, '', 'TCP', 'TCP'],
    ['mysql', 3306, '', 'TCP', 'MySQL'],
    ['http', 80, 'tcp', 'TCP', 'TCP'],
    ['x', 80, 'kubernetes.io/h2c', 'TCP', 'HTTP2'],
    ['x', 80, 'kubernetes.io/wss', 'TCP', 'HTTPS'],
    ['http', 53, 'http', 'UDP', 'UDP'],
  ] as const;
  for (const [name, port, appProtocol, protocol, expected] of cases) {
    assert.equal(
      servicePortProtocol({ name, port, appProtocol, protocol }),
      expected,
      `${name} ${port} ${appProtocol}`,
    );
  }
});

test('short names are Services of the own namespace', () => {
  const cases = [
    ['reviews', 'reviews.a.svc.cluster.local'],
    ['reviews.b', 'reviews.b'],
    ['*', '*'],
    ['*.com', '*.com'],
    ['10.0.0.1', '10.0.0.1'],
  ] as const;
  for (const [host, expected] of cases) assert.equal(resolveShortname(hostname(host), 'a', 'cluster.local'), expected);
  const gateways = [
    ['mesh', 'mesh'],
    ['gw', 'a/gw'],
    ['./gw', 'a/gw'],
    ['b/gw', 'b/gw'],
    ['gw.b', 'b/gw'],
    ['gw.b.svc.cluster.local', 'b/gw'],
  ] as const;
  for (const [name, expected] of gateways) assert.equal(resolveGatewayName(name, 'a'), expected);
});

test('a Service says who sees it', () => {
  const cases = [
    ['', ['default', 'b']],
    ['*', ['default', 'b']],
    ['.', ['default']],
    ['~', []],
    ['b, .', ['default', 'b']],
    ['b', ['b']],
  ] as const;
  for (const [exportTo, seenBy] of cases) {
    const annotations = exportTo ? { 'networking.istio.io/exportTo': exportTo } : {};
    const { visibility } = only(world(service('a', {}, { annotations })).mesh.services);
    assert.deepEqual(
      ['default', 'b'].filter(namespace => visibleTo(visibility, namespace)),
      seenBy,
      exportTo,
    );
  }
});

test('kinds of Services', () => {
  const cases = [
    [{}, { resolution: 'ClientSideLB', addresses: ['10.0.0.1'], headless: false }],
    [{ clusterIP: 'None' }, { resolution: 'Passthrough', addresses: [], headless: true }],
    [
      { type: 'ExternalName', externalName: 'example.com.', clusterIP: '' },
      { resolution: 'Alias', addresses: [], meshExternal: true, aliasOf: 'example.com' },
    ],
    [{ clusterIPs: ['10.0.0.1', 'fd00::1'] }, { addresses: ['10.0.0.1', 'fd00::1'] }],
    [{ internalTrafficPolicy: 'Local' }, { nodeLocal: true }],
    [{ trafficDistribution: 'PreferClose' }, { trafficDistribution: 'PreferSameZone' }],
    [{ publishNotReadyAddresses: true }, { publishNotReady: true }],
  ] as const;
  for (const [spec, expected] of cases) {
    const made: Readonly<Record<string, unknown>> = { ...only(world(service('a', spec)).mesh.services) };
    for (const [name, value] of Object.entries(expected))
      assert.deepEqual(made[name], value, `${JSON.stringify(spec)} ${name}`);
  }
});

test('a namespace says how the traffic of its Services is spread, until a Service does', () => {
  const distribution = (word: string) => ({ annotations: { 'networking.istio.io/traffic-distribution': word } });
  const w = world(
    raw('v1', 'Namespace', 'default', {}, { namespace: undefined, ...distribution('PreferClose') }),
    service('a'),
    service('b', {}, distribution('PreferSameNode')),
    service('c', {}, distribution('nonsense')),
  );
  assert.deepEqual(
    w.mesh.services.map(s => s.trafficDistribution),
    ['PreferSameZone', 'PreferSameNode', 'Any'],
  );
});

test('Services are sorted by age, then name', () => {
  const w = world(service('b', {}, { created: 2 }), service('c', {}, { created: 1 }), service('a', {}, { created: 2 }));
  assert.deepEqual(
    w.mesh.services.map(s => s.name),
    ['c', 'a', 'b'],
  );
});

const alias = (name: string, externalName: string) =>
  service(name, { type: 'ExternalName', externalName, selector: {} });

test('an ExternalName Service is an alias of the Service that it points to, over any number of hops', () => {
  const w = world(
    service('real'),
    alias('one', 'real.default.svc.cluster.local'),
    alias('two', 'one.default.svc.cluster.local'),
  );
  const byName = new Map(w.mesh.services.map(s => [s.name, s]));
  assert.deepEqual(
    byName.get('real')?.aliases.map(a => a.hostname),
    ['one.default.svc.cluster.local', 'two.default.svc.cluster.local'],
  );
  assert.equal(byName.get('two')?.aliasOf, 'real.default.svc.cluster.local');
  assert.deepEqual(w.mesh.problems, []);
});

test('aliases that point at each other are a problem and an alias of nothing', () => {
  const w = world(
    alias('one', 'two.default.svc.cluster.local'),
    alias('two', 'one.default.svc.cluster.local'),
    service('real'),
  );
  assert.deepEqual(
    w.mesh.problems.map(p => [p.object, p.path]),
    [
      ['Service/default/one', 'spec.externalName'],
      ['Service/default/two', 'spec.externalName'],
    ],
  );
  assert.equal(w.mesh.services.length, 3);
});

const entry = (name: string, spec: Readonly<Record<string, unknown>>, more = {}) =>
  networking('ServiceEntry', name, { ports: [{ number: 443, name: 'tls', protocol: 'TLS' }], ...spec }, more);

test('every host of a ServiceEntry is a Service', () => {
  const w = world(
    entry('e', {
      hosts: ['a.com', '*.b.com'],
      addresses: ['1.2.3.4/32', '10.0.0.0/8', '1.2.3.5'],
      location: 'MESH_INTERNAL',
      exportTo: ['.'],
      subjectAltNames: ['spiffe://x/ns/y/sa/z'],
    }),
  );
  assert.deepEqual(
    w.mesh.services.map(s => [s.hostname, s.name, s.resolution, s.meshExternal, s.addresses, s.visibility.kind]),
    [
      ['*.b.com', 'e', 'Passthrough', false, ['1.2.3.4', '10.0.0.0/8', '1.2.3.5'], 'namespaces'],
      ['a.com', 'e', 'Passthrough', false, ['1.2.3.4', '10.0.0.0/8', '1.2.3.5'], 'namespaces'],
    ],
  );
});

test('hosts without an address get one that stays when others come and go', () => {
  const dns = { resolution: 'DNS', endpoints: [{ address: 'x.org' }] };
  const w = world(entry('e', { hosts: ['a.com'], ...dns }));
  const before = only(w.mesh.services);
  assert.match(before.autoAllocated[0] ?? '', /^240\.240\.\d+\.\d+$/);
  assert.match(before.autoAllocated[1] ?? '', /^2001:2::f0f0:[0-9a-f]+$/);
  w.applyObjects([entry('older', { hosts: ['b.com'], ...dns }, { created: 0 })]);
  assert.equal(
    w.mesh.services.find(s => s.hostname === 'a.com'),
    before,
  );
  const none = [
    entry('e', { hosts: ['a.com'], resolution: 'NONE' }),
    entry('e', { hosts: ['a.com'], ...dns, addresses: ['1.2.3.4'] }),
    entry('e', { hosts: ['a.com'], ...dns }, { labels: { 'networking.istio.io/enable-autoallocate-ip': 'false' } }),
  ];
  for (const object of none) assert.deepEqual(only(world(object).mesh.services).autoAllocated, []);
});

test('addresses in the status of a ServiceEntry are used', () => {
  const object = {
    ...entry('e', { hosts: ['a.com'], resolution: 'DNS' }),
    status: { addresses: [{ host: 'a.com', value: '240.240.0.7' }] },
  };
  assert.deepEqual(only(world(object).mesh.services).autoAllocated, ['240.240.0.7']);
});
