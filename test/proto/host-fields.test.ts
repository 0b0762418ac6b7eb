import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostFields } from '../../src/proto/host-fields.ts';
import { hostname } from '../../src/proto/hostname.ts';
import { fromJson } from '../../src/proto/json.ts';
import { schemaOf } from '../../src/proto/schema.ts';
import { istioKinds, specOf } from '../property/objects.ts';

test('a host name has one form', () => {
  const forms = [
    ['Web.Shop.svc.cluster.local', 'web.shop.svc.cluster.local'],
    ['a.example.com.', 'a.example.com'],
    ['*.Example.COM.', '*.example.com'],
    ['WEB', 'web'],
    // A complete name of one label is no short name of a Service.
    ['Vault.', 'vault.'],
    ['', ''],
    ['*', '*'],
    ['a..', 'a..'],
    // The Kelvin sign, whose small form is a letter.
    ['\u212aelvin.example.com', '\u212aelvin.example.com'],
    ['FD00::1', 'fd00::1'],
  ] as const;
  for (const [written, form] of forms) {
    assert.equal(hostname(written), form);
    assert.equal(hostname(form), form);
  }
});

test('each field is read in the form in which it is compared', () => {
  const read = <T>(name: Parameters<typeof fromJson>[0], raw: T) => fromJson(name, raw).value as unknown as T;
  const cases: readonly (readonly [Parameters<typeof fromJson>[0], object, object])[] = [
    ['istio.networking.v1alpha3.Server', { hosts: ['Shop/A.b.', './*'] }, { hosts: ['Shop/a.b', './*'] }],
    ['istio.networking.v1alpha3.WorkloadEntry', { address: 'DB.b.' }, { address: 'db.b.' }],
    ['istio.networking.v1alpha3.WorkloadEntry', { address: 'unix:///Tmp/S' }, { address: 'unix:///Tmp/S' }],
    [
      'istio.networking.v1alpha3.EnvoyFilter.ClusterMatch',
      { name: 'outbound|80|Blue|A.b' },
      { name: 'outbound|80|Blue|a.b' },
    ],
    [
      'istio.networking.v1alpha3.EnvoyFilter.ClusterMatch',
      { name: 'outbound_.80_.Blue_.A.b' },
      { name: 'outbound_.80_.Blue_.a.b' },
    ],
    ['istio.networking.v1alpha3.EnvoyFilter.ClusterMatch', { name: 'Mine' }, { name: 'Mine' }],
    ['istio.networking.v1alpha3.EnvoyFilter.RouteConfigurationMatch', { name: 'A.b:80' }, { name: 'a.b:80' }],
    [
      'istio.networking.v1alpha3.EnvoyFilter.RouteConfigurationMatch',
      { name: 'https.443.Web.gw.shop' },
      { name: 'https.443.Web.gw.shop' },
    ],
    [
      'istio.mesh.v1alpha1.MeshConfig.ExtensionProvider.ZipkinTracingProvider',
      { service: 'shop/Zipkin.b' },
      { service: 'shop/zipkin.b' },
    ],
  ];
  for (const [name, written, expected] of cases) assert.deepEqual(read(name, written), expected);
});

/** Fields with the name of a host's that are not compared with other hosts. */
const passedOn: ReadonlySet<string> = new Set([
  // Sent to somebody else as it is written.
  'istio.networking.v1alpha3.ClientTLSSettings.sni',
  'istio.networking.v1alpha3.HTTPRedirect.authority',
  'istio.networking.v1alpha3.HTTPRewrite.authority',
  'istio.networking.v1alpha3.TrafficPolicy.TunnelSettings.targetHost',
  'istio.networking.v1alpha3.HTTPHealthCheckConfig.host',
  'istio.networking.v1alpha3.TCPHealthCheckConfig.host',
  'istio.networking.v1alpha3.GrpcHealthCheckConfig.service',
  // Compared by Envoy in any case.
  'istio.security.v1beta1.Operation.hosts',
  'istio.security.v1beta1.Operation.notHosts',
  // Of the bootstrap and of Istio's own parts.
  'istio.mesh.v1alpha1.ConfigSource.address',
  'istio.mesh.v1alpha1.MeshConfig.ingressService',
  'istio.mesh.v1alpha1.MeshConfig.CA.address',
  'istio.mesh.v1alpha1.ProxyConfig.discoveryAddress',
  'istio.mesh.v1alpha1.ProxyConfig.envoyMetricsServiceAddress',
  'istio.mesh.v1alpha1.ProxyConfig.statsdUdpAddress',
  'istio.mesh.v1alpha1.ProxyConfig.zipkinAddress',
  'istio.mesh.v1alpha1.RemoteService.address',
  'istio.mesh.v1alpha1.Tracing.Datadog.address',
  'istio.mesh.v1alpha1.Tracing.Lightstep.address',
  'istio.mesh.v1alpha1.Tracing.OpenCensusAgent.address',
  'istio.mesh.v1alpha1.Tracing.Zipkin.address',
  // Addresses.
  'istio.networking.v1alpha3.ServiceEntry.addresses',
]);

test('every field of Istio’s configuration that has the name of a host’s is one, or has a reason', () => {
  const messages = new Set<string>();
  const collect = (name: string): void => {
    if (messages.has(name) || name.startsWith('google.')) return;
    messages.add(name);
    for (const { type } of schemaOf(name).fields) if (type.kind === 'message') collect(type.name);
  };
  for (const kind of istioKinds) collect(specOf(kind));
  assert.ok(messages.size > 100);
  const hostLike = /(?:^|[a-z])(?:host|hosts|hostname|sni|address|addresses|authority|service)$/i;
  for (const message of messages) {
    for (const { name, type } of schemaOf(message).fields) {
      if (type.kind !== 'scalar' || type.scalar !== 'string' || !hostLike.test(name)) continue;
      const field = `${message}.${name}`;
      assert.equal(Boolean(hostFields[message]?.[name]), !passedOn.has(field), field);
    }
  }
  for (const [message, fields] of Object.entries(hostFields)) {
    const known = new Set(schemaOf(message).fields.map(({ name }) => name));
    for (const field of Object.keys(fields)) assert.ok(known.has(field), `${message} has no field ${field}`);
  }
});
