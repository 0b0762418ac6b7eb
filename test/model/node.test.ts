import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseNode } from '../../src/model/proxy/node.ts';
import type { Proxy } from '../../src/model/proxy/proxy.ts';
import { node, service, type World, world } from './support.ts';

const id = 'sidecar~10.1.0.1~app-1.default~default.svc.cluster.local';
const parsed = (...args: Parameters<typeof node>): Proxy => {
  const result = parseNode(node(...args));
  assert.ok(result.ok, result.ok ? '' : result.message);
  return result.proxy;
};

test('the id tells type, address, name, namespace and domain', () => {
  const proxy = parsed(id);
  assert.equal(proxy.id, id);
  assert.deepEqual(
    [proxy.name, proxy.namespace, proxy.addresses, proxy.class.type, proxy.class.dnsDomain],
    ['app-1', 'default', ['10.1.0.1'], 'sidecar', 'default.svc.cluster.local'],
  );
  assert.equal(parsed('router~10.1.0.1~gw.v1.istio-system~x').name, 'gw.v1');
  assert.equal(parsed('ingress~10.1.0.1~gw.a~x').class.type, 'router');
});

test('metadata wins over the id', () => {
  const proxy = parsed(id, { NAMESPACE: 'other', INSTANCE_IPS: '10.9.0.1,fd00::1' });
  assert.equal(proxy.namespace, 'other');
  assert.deepEqual(proxy.addresses, ['10.9.0.1', 'fd00::1']);
  assert.deepEqual([proxy.class.ipv4, proxy.class.ipv6], [true, true]);
  assert.deepEqual(parsed(id, { INSTANCE_IPS: ['nonsense'] }).addresses, ['10.1.0.1']);
});

test('what proxies say of themselves can be printed', () => {
  const { class: proxyClass } = parsed(id, { CLUSTER_ID: 'ea\u001b[1mst\n', ISTIO_VERSION: '1.31.0\r\u2028' });
  assert.deepEqual([proxyClass.metadata['CLUSTER_ID'], proxyClass.istioVersion], ['ea[1mst', '1.31.0']);
  const refused = parseNode(node(id, { NAMESPACE: 'shop\u0000' }));
  assert.match(refused.ok ? '' : refused.message, /has characters that cannot be shown/);
});

test('what is no proxy is refused in words', () => {
  const cases = [
    ['', /is not type~ip~name\.namespace~domain/],
    ['sidecar~10.1.0.1~app.default', /is not type~ip~name\.namespace~domain/],
    ['sidecar~10.1.0.1~app~x', /is not type~ip~name\.namespace~domain/],
    ['sidecar~10.1.0.1~.default~x', /is not type~ip~name\.namespace~domain/],
    ['waypoint~10.1.0.1~a.b~x', /names the type "waypoint"/],
    ['constructor~10.1.0.1~a.b~x', /names the type "constructor"/],
    ['sidecar~~a.b~x', /has an IP address/],
    ['sidecar~localhost~a.b~x', /has an IP address/],
    ['sidecar~10.1.0.1~a\u001b[2J.b~x', /name "a\\u001b\[2J\.b" has characters that cannot be shown/],
    ['sidecar~10.1.0.1~a.b\n~x', /name "a\.b\\n" has characters/],
    ['sidecar~10.1.0.1~\u202ea.b~x', /has characters that cannot be shown/],
  ] as const;
  for (const [text, expected] of cases) {
    const result = parseNode(node(text));
    assert.equal(result.ok, false, text);
    if (!result.ok) assert.match(result.message, expected);
  }
});

test('the build: version and extensions', () => {
  const build = parsed(
    id,
    {},
    {
      user_agent_build_version: { version: { major_number: 1, minor_number: 40 } },
      extensions: [{ name: 'b' }, { name: 'off', disabled: true }, { name: 'a' }],
    },
  ).class.build;
  assert.deepEqual(build.version, [1, 40, 0]);
  assert.deepEqual([...(build.extensions ?? [])], ['a', 'b']);
  assert.equal(parsed(id).class.build.extensions, undefined);
  assert.deepEqual(parsed(id, {}, { user_agent_version: '1.36.2/Clean/RELEASE' }).class.build.version, [1, 36, 2]);
  assert.equal(build.configPackages, undefined);
  const type_urls = ['envoy.extensions.filters.http.lua.v3.Lua', 'envoy.extensions.filters.http.lua.v3.LuaPerRoute'];
  const named = parsed(id, {}, { extensions: [{ name: 'a', type_urls }, { name: 'b' }] }).class.build;
  assert.deepEqual([...(named.configPackages ?? [])], ['envoy.extensions.filters.http.lua.v3']);
  assert.notEqual(named, parsed(id, {}, { extensions: [{ name: 'a' }, { name: 'b' }] }).class.build);
});

test('proxies that differ only in name and address share their class', () => {
  const metadata = { LABELS: { app: 'app', v: '1' }, ISTIO_VERSION: '1.31.0', OWNER: 'x', NAME: 'app-1' };
  const one = parsed(id, metadata).class;
  const two = parsed(id.replaceAll('app-1', 'app-2').replace('0.1', '0.2'), {
    ...metadata,
    LABELS: { v: '1', app: 'app' },
    NAME: 'app-2',
  }).class;
  assert.equal(one, two);
  assert.notEqual(one, parsed(id, { ...metadata, LABELS: { app: 'app' } }).class);
  assert.notEqual(one, parsed(id, { ...metadata, NODE_NAME: 'n' }).class);
});

const traitsOf = (w: World, metadata: object) => w.identify(id, metadata as Readonly<Record<string, unknown>>).traits;

test('traits', () => {
  const traits = traitsOf(world(), {
    ISTIO_VERSION: '1.31.0',
    INTERCEPTION_MODE: 'TPROXY',
    DNS_CAPTURE: 'true',
    NETWORK: 'n',
    CLUSTER_ID: 'c',
    MESH_ID: 'm',
    HTTP10: 1,
    UNKNOWN: 'x',
    PROXY_CONFIG: { concurrency: 2, statusPort: 15020, proxyHeaders: { server: { value: 'x' } } },
  });
  assert.deepEqual(
    [traits.certificates, traits.interception, traits.dnsCapture, traits.network, traits.clusterId, traits.meshId],
    ['agent', 'TPROXY', true, 'n', 'c', 'm'],
  );
  assert.deepEqual(traits.options, { HTTP10: '1', PROXY_CONFIG: '{"proxyHeaders":{"server":{"value":"x"}}}' });
  for (const PROXY_CONFIG of ['{', [1], 7])
    assert.equal(traitsOf(world(), { PROXY_CONFIG }).options['PROXY_CONFIG'], '');
  assert.deepEqual([traitsOf(world(), {}).certificates, traitsOf(world(), {}).interception], ['none', 'REDIRECT']);
});

test('the node is a trait only while a Service depends on it', () => {
  const metadata = { NODE_NAME: 'n1' };
  assert.equal(traitsOf(world(service('app')), metadata).node, undefined);
  assert.equal(traitsOf(world(service('app', { internalTrafficPolicy: 'Local' })), metadata).node?.name, 'n1');
  const w = world(service('app'));
  assert.equal(traitsOf(w, metadata), traitsOf(w, { NODE_NAME: 'n2' }));
});

test('metadata that an EnvoyFilter matches tells proxies apart, other metadata does not', () => {
  const filter = {
    apiVersion: 'networking.istio.io/v1alpha3',
    kind: 'EnvoyFilter',
    metadata: { name: 'f', namespace: 'default' },
    spec: {
      configPatches: [
        { applyTo: 'CLUSTER', match: { proxy: { metadata: { mine: 'x' } } }, patch: { operation: 'MERGE', value: {} } },
      ],
    },
  };
  assert.equal(traitsOf(world(), { mine: 'x' }), traitsOf(world(), { mine: 'y' }));
  assert.equal(traitsOf(world(filter), { mine: 'x' }).options['mine'], 'x');
});
