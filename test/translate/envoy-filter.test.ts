import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at, filter, namesAt, patched, patchedGateway, resource } from './envoy-filter-world.ts';

const OUT = 'outbound|80||shop.default.svc.cluster.local';
const LUA =
  '{"@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua, default_source_code: {inline_string: x}}';
const RBAC = '{"@type": type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC, stat_prefix: x}';
const HCM_NAME = 'envoy.filters.network.http_connection_manager';
const HCM = `"@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`;
const ROUTER = 'envoy.filters.http.router';

const cluster = (match: string, patch: string): string => `{applyTo: CLUSTER, match: {${match}}, patch: {${patch}}}`;
const mergeName = (n: number): string =>
  `operation: MERGE, value: {upstream_connection_options: {tcp_keepalive: {keepalive_time: ${n}}}}`;
const KEEPALIVE = 'upstream_connection_options.tcp_keepalive.keepalive_time';

const patchedClusters = (match: string): readonly string[] => {
  const t = patched([filter('f', [cluster(match, mergeName(7))])]);
  assert.deepEqual(t.problems, []);
  return t.clusters.map(c => c.name).filter(name => at(resource(t, 'clusters', name), KEEPALIVE) === 7);
};

test('CLUSTER: matches by context, name, service, port and subset', () => {
  const every = patchedClusters('');
  assert.ok(every.includes(OUT) && every.includes('inbound|8080||') && every.includes('BlackHoleCluster'));
  assert.ok(!patchedClusters('context: SIDECAR_OUTBOUND').includes('inbound|8080||'));
  assert.deepEqual(patchedClusters('context: GATEWAY'), []);
  assert.deepEqual([...patchedClusters('context: SIDECAR_INBOUND')].sort(), [
    'InboundPassthroughCluster',
    'inbound|8080||',
    'inbound|8081||',
    'inbound|8443||',
  ]);
  assert.deepEqual(patchedClusters(`cluster: {name: "${OUT}"}`), [OUT]);
  assert.deepEqual(patchedClusters('cluster: {service: shop.default.svc.cluster.local, portNumber: 80}'), [OUT]);
  assert.deepEqual(patchedClusters('cluster: {service: shop.default.svc.cluster.local, portNumber: 81}'), []);
  assert.deepEqual(patchedClusters('cluster: {subset: v1}'), []);
  assert.deepEqual(patchedClusters('context: SIDECAR_INBOUND, cluster: {service: client.default.svc.cluster.local}'), [
    'inbound|8080||',
  ]);
});

test('CLUSTER: removed, added once, and what is added is not patched', () => {
  const added = 'operation: ADD, value: {name: added, type: STATIC, connect_timeout: 1s}';
  const t = patched([
    filter('f', [
      cluster(`cluster: {name: "${OUT}"}`, 'operation: REMOVE'),
      cluster('', added),
      cluster('context: SIDECAR_INBOUND', added),
      cluster('', mergeName(7)),
    ]),
  ]);
  assert.deepEqual(t.problems, []);
  const names = t.clusters.map(c => c.name);
  assert.ok(!names.includes(OUT));
  assert.equal(names.filter(name => name === 'added').length, 1);
  assert.equal(at(resource(t, 'clusters', 'added'), KEEPALIVE), undefined);
  assert.deepEqual(t.clusters.find(c => c.name === 'added')?.sources, ['EnvoyFilter/default/f']);
  assert.ok(t.clusters.find(c => c.name === 'BlackHoleCluster')?.sources.includes('EnvoyFilter/default/f' as never));
});

test('CLUSTER: the configuration of a transport socket is merged, and nothing else with it', () => {
  const tls = '"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
  const value = `{connect_timeout: 99s, transport_socket: {name: envoy.transport_sockets.tls, typed_config: {${tls}, common_tls_context: {tls_params: {tls_minimum_protocol_version: TLSv1_3}}}}}`;
  const t = patched([filter('f', [cluster(`cluster: {name: "${OUT}"}`, `operation: MERGE, value: ${value}`)])]);
  const json = resource(t, 'clusters', OUT);
  const context = at(json, 'transport_socket_matches[0].transport_socket.typed_config.common_tls_context');
  assert.equal(at(context, 'tls_params.tls_minimum_protocol_version'), 'TLSv1_3');
  assert.ok(at(context, 'alpn_protocols'));
  assert.equal(at(json, 'connect_timeout'), '10s');
  assert.equal(at(json, 'transport_socket'), undefined);
});

test('EnvoyFilters come by priority, the root namespace first among equals', () => {
  const value = (n: number): string => cluster(`cluster: {name: "${OUT}"}`, mergeName(n));
  const last = (...filters: readonly string[]): unknown => at(resource(patched(filters), 'clusters', OUT), KEEPALIVE);
  assert.equal(last(filter('z', [value(1)], '', 'istio-system'), filter('a', [value(2)])), 2);
  assert.equal(last(filter('z', [value(1)], 'priority: 1, ', 'istio-system'), filter('a', [value(2)])), 1);
  assert.equal(last(filter('z', [value(1)], 'priority: -1, '), filter('a', [value(2)])), 2);
  assert.equal(last(filter('b', [value(1)]), filter('a', [value(2)])), 1);
});

test('a patch is for proxies of a version and with metadata', () => {
  const is = (proxy: string, metadata: object = {}): boolean => {
    const who = {
      id: 'sidecar~10.0.0.1~client.default',
      metadata: { ISTIO_VERSION: '1.31.0', NAMESPACE: 'default', LABELS: { app: 'client' }, ...metadata },
    };
    const t = patched([filter('f', [cluster(`proxy: {${proxy}}`, mergeName(7))])], who);
    return at(resource(t, 'clusters', OUT), KEEPALIVE) === 7;
  };
  assert.ok(is(String.raw`proxyVersion: "^1\\.31.*"`));
  assert.ok(is('proxyVersion: "31"'));
  assert.ok(is('proxyVersion: "(?i)(?P<v>1.31)"'));
  assert.ok(!is(String.raw`proxyVersion: "^1\\.30.*"`));
  assert.ok(!is('proxyVersion: "."', { ISTIO_VERSION: '' }));
  // Expressions that try every way one after the other would not come to an end.
  const version = '1.31-alpha.0123456789abcdef0123456789abcdef';
  assert.ok(!is('proxyVersion: "^(([0-9a-z.-])+)+$_"', { ISTIO_VERSION: version }));
  assert.ok(is('proxyVersion: "^(([0-9a-z.-])+)+$"', { ISTIO_VERSION: version }));
  assert.ok(is('metadata: {TEAM: a}', { TEAM: 'a' }));
  assert.ok(!is('metadata: {TEAM: a}', { TEAM: 'b' }));
  assert.ok(!is('metadata: {constructor: ""}'));
});

const httpFilters = (patch: string, match = ''): readonly unknown[] => {
  const where = `context: SIDECAR_INBOUND, listener: {portNumber: 8080, filterChain: {filter: {name: ${HCM_NAME}${match}}}}`;
  const t = patched([filter('f', [`{applyTo: HTTP_FILTER, match: {${where}}, patch: {${patch}}}`])]);
  assert.deepEqual(t.problems, []);
  const listener = resource(t, 'listeners', 'virtualInbound');
  const chains = at(listener, 'filter_chains');
  assert.ok(Array.isArray(chains));
  const chain: unknown = chains.find(c => at(c, 'filter_chain_match.destination_port') === 8080);
  return namesAt(chain, 'filters[0].typed_config.http_filters');
};
const BEFORE = httpFilters('operation: REMOVE');
const lua = (operation: string): string => `operation: ${operation}, value: {name: lua, typed_config: ${LUA}}`;

test('HTTP_FILTER: inserted, replaced and removed by name', () => {
  const at2 = (name: string): string => `, subFilter: {name: ${name}}`;
  assert.deepEqual(httpFilters(lua('INSERT_BEFORE'), at2(ROUTER)), [...BEFORE.slice(0, -1), 'lua', ROUTER]);
  assert.deepEqual(httpFilters(lua('INSERT_BEFORE')), ['lua', ...BEFORE]);
  assert.deepEqual(httpFilters(lua('INSERT_FIRST')), ['lua', ...BEFORE]);
  assert.deepEqual(httpFilters(lua('INSERT_AFTER'), at2(String(BEFORE[0]))), [BEFORE[0], 'lua', ...BEFORE.slice(1)]);
  assert.deepEqual(httpFilters(lua('INSERT_AFTER'), at2('absent')), BEFORE);
  assert.deepEqual(httpFilters(lua('REPLACE'), at2(String(BEFORE[0]))), ['lua', ...BEFORE.slice(1)]);
  assert.deepEqual(httpFilters('operation: REMOVE', at2(String(BEFORE[0]))), BEFORE.slice(1));
});

test('HTTP_FILTER and NETWORK_FILTER: configurations are merged as the messages that they are', () => {
  const where = `context: SIDECAR_INBOUND, listener: {filterChain: {filter: {name: ${HCM_NAME}`;
  const t = patched([
    filter('f', [
      `{applyTo: NETWORK_FILTER, match: {${where}}}}}, patch: {operation: MERGE, value: {typed_config: {${HCM}, xff_num_trusted_hops: 2}}}}`,
      `{applyTo: HTTP_FILTER, match: {${where}, subFilter: {name: ${ROUTER}}}}}}, patch: {operation: MERGE, value: {typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router, suppress_envoy_headers: true}}}}`,
    ]),
  ]);
  assert.deepEqual(t.problems, []);
  const chains = at(resource(t, 'listeners', 'virtualInbound'), 'filter_chains');
  assert.ok(Array.isArray(chains));
  const managers = chains.map(c => at(c, 'filters[0].typed_config')).filter(c => at(c, 'http_filters'));
  assert.ok(managers.length);
  for (const manager of managers) {
    assert.equal(at(manager, 'xff_num_trusted_hops'), 2);
    const filters = at(manager, 'http_filters');
    assert.ok(Array.isArray(filters));
    assert.equal(at(filters.at(-1), 'typed_config.suppress_envoy_headers'), true);
  }
});

test('NETWORK_FILTER, LISTENER_FILTER, FILTER_CHAIN and LISTENER of a gateway', () => {
  const rbac = `{name: rbac, typed_config: ${RBAC}}`;
  const t = patchedGateway([
    filter('f', [
      `{applyTo: NETWORK_FILTER, match: {listener: {portNumber: 8080}}, patch: {operation: INSERT_FIRST, value: ${rbac}}}`,
      '{applyTo: LISTENER_FILTER, match: {listener: {portNumber: 8443}}, patch: {operation: ADD, value: {name: pp, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol}}}}',
      '{applyTo: FILTER_CHAIN, match: {listener: {filterChain: {sni: s.example.com}}}, patch: {operation: MERGE, value: {transport_socket_connect_timeout: 3s}}}',
      '{applyTo: LISTENER, match: {context: GATEWAY, listener: {portNumber: 8443}}, patch: {operation: MERGE, value: {connection_balance_config: {exact_balance: {}}}}}',
      `{applyTo: LISTENER, patch: {operation: ADD, value: {name: added, address: {socket_address: {address: 0.0.0.0, port_value: 9999}}, filter_chains: [{filters: [{name: echo, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}]}]}}}`,
    ]),
  ]);
  assert.deepEqual(t.problems, []);
  assert.deepEqual(namesAt(resource(t, 'listeners', '0.0.0.0_8080'), 'filter_chains[0].filters'), ['rbac', HCM_NAME]);
  const https = resource(t, 'listeners', '0.0.0.0_8443');
  assert.deepEqual(namesAt(https, 'filter_chains[0].filters'), [HCM_NAME]);
  assert.equal(namesAt(https, 'listener_filters').at(-1), 'pp');
  assert.equal(at(https, 'filter_chains[0].transport_socket_connect_timeout'), '3s');
  assert.deepEqual(at(https, 'connection_balance_config.exact_balance'), {});
  assert.deepEqual(namesAt(resource(t, 'listeners', 'added'), 'filter_chains[0].filters'), ['echo']);
});

test('LISTENER and FILTER_CHAIN: removed', () => {
  const chain = `{applyTo: FILTER_CHAIN, match: {listener: {name: virtualInbound, filterChain: {destinationPort: 8080}}}, patch: {operation: REMOVE}}`;
  const listener = '{applyTo: LISTENER, match: {listener: {portNumber: 80}}, patch: {operation: REMOVE}}';
  const t = patched([filter('f', [chain, listener])]);
  assert.deepEqual(t.problems, []);
  assert.ok(!t.listeners.some(l => l.name === '0.0.0.0_80'));
  const chains = at(resource(t, 'listeners', 'virtualInbound'), 'filter_chains');
  assert.ok(Array.isArray(chains) && chains.length > 0);
  assert.ok(chains.every(c => at(c, 'filter_chain_match.destination_port') !== 8080));
});

const gatewayRoute = (patches: readonly string[], name: string): readonly string[] => {
  const t = patchedGateway([filter('f', patches)]);
  assert.deepEqual(t.problems, []);
  const hosts = at(resource(t, 'routes', name), 'virtual_hosts') ?? [];
  assert.ok(Array.isArray(hosts));
  return hosts.map(host => `${at(host, 'name')}: ${namesAt(host, 'routes').join(' ')}`);
};
const route = (name: string): string => `{name: ${name}, match: {path: /${name}}, direct_response: {status: 200}}`;
const onRoute = (operation: string, vhost: string, more = ''): string =>
  `{applyTo: HTTP_ROUTE, match: {routeConfiguration: {${more}vhost: {${vhost}}}}, patch: {operation: ${operation}, value: ${route('new')}}}`;

test('HTTP_ROUTE: by Service port, Gateway, virtual host, route and action', () => {
  const http = (...patches: readonly string[]): readonly string[] => gatewayRoute(patches, 'http.8080');
  assert.deepEqual(http(), ['a.example.com:80: cart main']);
  assert.deepEqual(http(onRoute('ADD', '', 'portNumber: 80, ')), ['a.example.com:80: cart main new']);
  assert.deepEqual(http(onRoute('ADD', '', 'portNumber: 8080, ')), ['a.example.com:80: cart main']);
  assert.deepEqual(http(onRoute('INSERT_FIRST', 'route: {name: main}')), ['a.example.com:80: new cart main']);
  assert.deepEqual(http(onRoute('INSERT_FIRST', 'route: {name: none}')), ['a.example.com:80: cart main']);
  assert.deepEqual(http(onRoute('INSERT_BEFORE', 'route: {action: ROUTE}')), ['a.example.com:80: cart new main']);
  assert.deepEqual(http(onRoute('INSERT_AFTER', 'route: {action: REDIRECT}')), ['a.example.com:80: cart new main']);
  assert.deepEqual(http(onRoute('REMOVE', 'domainName: a.example.com, route: {name: cart}')), [
    'a.example.com:80: main',
  ]);
  const secure = 'https.443.https.gate.default';
  assert.deepEqual(gatewayRoute([onRoute('ADD', '', 'portName: https, gateway: default/gate, ')], secure), [
    's.example.com:443: cart main new',
  ]);
  assert.deepEqual(gatewayRoute([onRoute('ADD', '', 'gateway: other/gate, ')], secure), [
    's.example.com:443: cart main',
  ]);
});

test('VIRTUAL_HOST: replaced, added, and removed with all of its name', () => {
  const on = (patch: string, match = 'name: "a.example.com:80"'): string =>
    `{applyTo: VIRTUAL_HOST, match: {routeConfiguration: {name: http.8080, vhost: {${match}}}}, patch: {${patch}}}`;
  const host = (name: string, domain: string): string =>
    `value: {name: "${name}", domains: [${domain}], routes: [${route('x')}]}`;
  const http = (...patches: readonly string[]): readonly string[] => gatewayRoute(patches, 'http.8080');
  assert.deepEqual(http(on(`operation: REPLACE, ${host('new', 'n')}`)), ['new: x']);
  assert.deepEqual(http(on(`operation: ADD, ${host('new', 'n')}`, '')), ['a.example.com:80: cart main', 'new: x']);
  assert.deepEqual(http(on('operation: REMOVE'), on(`operation: ADD, ${host('a.example.com:80', 'n')}`)), []);
});

test('routes inside of inbound connection managers are patched too', () => {
  const t = patched([
    filter('f', [
      '{applyTo: VIRTUAL_HOST, match: {context: SIDECAR_INBOUND, routeConfiguration: {name: "inbound|8080||"}}, patch: {operation: MERGE, value: {response_headers_to_remove: [x-in]}}}',
      '{applyTo: ROUTE_CONFIGURATION, match: {context: SIDECAR_OUTBOUND, routeConfiguration: {portNumber: 80}}, patch: {operation: MERGE, value: {response_headers_to_remove: [x-out]}}}',
    ]),
  ]);
  assert.deepEqual(t.problems, []);
  const text = JSON.stringify(resource(t, 'listeners', 'virtualInbound'));
  assert.ok(text.includes('x-in') && !text.includes('x-out'));
  assert.deepEqual(at(resource(t, 'routes', '80'), 'response_headers_to_remove'), ['x-out']);
});

test('EXTENSION_CONFIG: served over ECDS by name, the first of two', () => {
  const extension = (body: string): string =>
    `{applyTo: EXTENSION_CONFIG, patch: {operation: ADD, value: {name: lua, typed_config: ${LUA.replace('string: x', `string: ${body}`)}}}}`;
  const t = patched([filter('f', [extension('one'), extension('two')])]);
  assert.deepEqual(
    t.extensions.map(e => e.name),
    ['lua'],
  );
  assert.equal(at(resource(t, 'extensions', 'lua'), 'typed_config.default_source_code.inline_string'), 'one');
});
