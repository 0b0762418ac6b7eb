import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networking, pod, raw, service, slice, type World, world } from './support.ts';

const namespace = (name: string, labels: Readonly<Record<string, string>>) => ({
  ...raw('v1', 'Namespace', name, {}),
  metadata: { name, labels },
});
const mesh = (spec: object) => ({ ...raw('', 'MeshConfig', 'istio', { spec }), metadata: { name: 'istio' } });
const hosts = ({ mesh }: World): readonly string[] => mesh.services.map(({ hostname }) => hostname).sort();

test('what is written takes the place of the default, zero included; what is wrong leaves it in force', () => {
  const it = world();
  const spec = {
    enableTracing: false,
    accessLogFile: '',
    outboundTrafficPolicy: {},
    defaultServiceExportTo: [],
    extensionProviders: [],
    proxyListenPort: 0,
    defaultConfig: { statusPort: 0, tracingServiceName: 'CANONICAL_NAME_ONLY' },
  };
  it.store.apply({ op: 'upsert', object: mesh(spec) });
  it.rebuild();
  const { outboundTrafficPolicy, defaultConfig, ...rest } = it.mesh.settings.config;
  // No mode is REGISTRY_ONLY.
  assert.deepEqual(outboundTrafficPolicy, {});
  assert.equal(rest.enableTracing, undefined);
  assert.equal(rest.defaultServiceExportTo, undefined);
  assert.equal(rest.proxyListenPort, 15001);
  assert.deepEqual(
    rest.extensionProviders?.map(({ name }) => name),
    ['prometheus', 'stackdriver', 'envoy'],
  );
  const { statusPort, serviceCluster, tracingServiceName, proxyAdminPort } = defaultConfig ?? {};
  // A proxy cannot do without a status port, and istiod takes no MeshConfig that has it do.
  assert.deepEqual([statusPort, serviceCluster, tracingServiceName, proxyAdminPort], [15020, undefined, 1, 15000]);
});

test('discoverySelectors: only objects of the namespaces that they pick count', () => {
  const it = world(
    namespace('a', { team: 'x' }),
    namespace('b', {}),
    service('one.a'),
    service('two.b'),
    service('three.unknown'),
    networking('DestinationRule', 'r.b', { host: 'one.a.svc.cluster.local' }),
  );
  assert.equal(it.mesh.services.length, 3);
  it.applyObjects([mesh({ discoverySelectors: [{ matchExpressions: [{ key: 'team', operator: 'Exists' }] }] })]);
  assert.deepEqual(hosts(it), ['one.a.svc.cluster.local']);
  assert.equal(it.mesh.contents.DestinationRule.size, 0);
  const { mesh: before } = it;
  it.applyObjects([pod('x-1.b', '10.0.0.7'), slice('two.b', [])]);
  assert.equal(it.mesh.endpoints, before.endpoints);
  it.applyObjects([namespace('b', { team: 'y' })]);
  assert.deepEqual(hosts(it), ['one.a.svc.cluster.local', 'two.b.svc.cluster.local']);
  it.applyObjects([mesh({})]);
  assert.equal(it.mesh.services.length, 3);
});

test('discoverySelectors that cannot be: a problem, and everything counts', () => {
  const it = world(service('one.a'));
  const bad = mesh({ discoverySelectors: [{ matchExpressions: [{ key: 'team', operator: 'in' }] }] });
  it.store.apply({ op: 'upsert', object: bad });
  it.rebuild();
  assert.equal(it.mesh.services.length, 1);
  const paths = [...it.store.contents().problems.values()].flat().map(({ path }) => path);
  assert.deepEqual(paths, ['discoverySelectors[0].matchExpressions[0].operator']);
});

test('serviceEntryVisibility narrows exportTo where sidecars are to honour it', () => {
  const entry = (name: string, exportTo: readonly string[]) =>
    networking('ServiceEntry', name, {
      hosts: [`${name}.com`],
      ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
      exportTo,
    });
  const policy = { visibility: 'NAMESPACE', matchingRules: [{ namespaceSelector: { matchLabels: { team: 'x' } } }] };
  const settings = { defaultVisibility: 'NONE', policies: [policy] };
  const it = world(
    namespace('a', { team: 'x' }),
    entry('all.a', ['*']),
    entry('other.a', ['b']),
    entry('none.c', ['*']),
    mesh({ serviceEntryVisibility: settings }),
  );
  const seen = () =>
    Object.fromEntries(
      it.mesh.services.map(({ hostname, visibility }) => [
        hostname,
        visibility.kind === 'namespaces' ? [...visibility.namespaces] : visibility.kind,
      ]),
    );
  assert.deepEqual(seen(), { 'all.a.com': 'public', 'none.c.com': 'public', 'other.a.com': ['b'] });
  it.applyObjects([mesh({ serviceEntryVisibility: { ...settings, applyToSidecars: true } })]);
  assert.deepEqual(seen(), { 'all.a.com': ['a'], 'none.c.com': 'none', 'other.a.com': 'none' });
});

test('rules with a workloadSelector shape what a workload sends, not what it receives', () => {
  const it = world(
    service('app'),
    networking('DestinationRule', 'all', { host: 'app' }, { created: 1 }),
    networking('DestinationRule', 'some', { host: 'app', workloadSelector: { matchLabels: { app: 'app' } } }),
  );
  const { scope } = it.identify('sidecar~10.0.0.1~app-1.default', { LABELS: { app: 'app' } });
  const names = (rules: typeof scope.destinationRules) => [...rules.values()].map(({ rule }) => rule.meta.name);
  assert.deepEqual(names(scope.destinationRules), ['some']);
  assert.deepEqual(names(scope.inboundRules), ['all']);
});
