import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EnvoyFilter } from '../../src/istio/config.ts';
import { parsed, table } from './parsed.ts';

const good = 'applyTo: CLUSTER, patch: {operation: MERGE, value: {connect_timeout: 7s}}';
/** A patch before another one that is right. */
const patch = (fields: string) => `{configPatches: [{${fields}}, {${good}}]}`;
const value = 'patch: {operation: MERGE, value: {name: a}}';
const at = 'spec.configPatches[0]';

table('EnvoyFilter', [
  ['a whole one', patch(`applyTo: CLUSTER, match: {cluster: {service: a}}, ${value}`), []],
  ['nothing in a patch', patch(''), [`${at}.applyTo`, `${at}.patch`], 'valid'],
  ['no operation', patch('applyTo: CLUSTER, patch: {}'), [`${at}.patch.operation`], 'valid'],
  ['no value', patch('applyTo: CLUSTER, patch: {operation: ADD}'), [`${at}.patch.value`], 'valid'],
  ['REMOVE needs none', patch('applyTo: CLUSTER, patch: {operation: REMOVE}'), []],
  [
    'the wrong match',
    patch(`applyTo: CLUSTER, match: {listener: {portNumber: 80}}, ${value}`),
    [`${at}.match.listener`],
    'valid',
  ],
  [
    'a match with an unknown field, which would match more without it',
    patch(`applyTo: CLUSTER, match: {cluster: {host: a}}, ${value}`),
    [`${at}.match.cluster.host`],
    'valid',
  ],
  [
    'version',
    patch(`applyTo: CLUSTER, match: {proxy: {proxyVersion: "1.("}}, ${value}`),
    [`${at}.match.proxy.proxyVersion`],
    'valid',
  ],
  [
    'a version that is longer than any needs to be',
    patch(`applyTo: CLUSTER, match: {proxy: {proxyVersion: "${'1'.repeat(257)}"}}, ${value}`),
    [`${at}.match.proxy.proxyVersion`],
    'valid',
  ],
  [
    'more versions than anybody tells apart',
    `{configPatches: [${Array.from({ length: 40 }, (_, i) => `{applyTo: CLUSTER, match: {proxy: {proxyVersion: "1.${i % 17}"}}, ${value}}`)}]}`,
    ['spec.configPatches[16].match.proxy.proxyVersion', 'spec.configPatches[33].match.proxy.proxyVersion'],
    'valid',
  ],
  [
    'a filter without name',
    patch(`applyTo: HTTP_FILTER, match: {listener: {filterChain: {filter: {subFilter: {}}}}}, ${value}`),
    [`${at}.match.listener.filterChain.filter.name`, `${at}.match.listener.filterChain.filter.subFilter.name`],
    'valid',
  ],
  [
    'a wrong type in the value',
    patch('applyTo: CLUSTER, patch: {operation: MERGE, value: {connect_timeout: 7}}'),
    [`${at}.patch.value.connect_timeout`],
    'valid',
  ],
  [
    'an unknown type in the value',
    patch('applyTo: HTTP_FILTER, patch: {operation: ADD, value: {name: a, typed_config: {"@type": a.B}}}'),
    [`${at}.patch.value.typed_config`],
    'valid',
  ],
  [
    'a regular expression in the value',
    patch(
      'applyTo: HTTP_ROUTE, patch: {operation: MERGE, value: {match: {safe_regex: {regex: "(?!a)"}, headers: [{name: a, safe_regex_match: {regex: "("}}]}}}',
    ),
    [`${at}.patch.value.match.headers[0].safe_regex_match.regex`, `${at}.patch.value.match.safe_regex.regex`],
    'valid',
  ],
  [
    'a filter without configuration',
    patch('applyTo: HTTP_FILTER, patch: {operation: INSERT_FIRST, value: {name: envoy.lua}}'),
    [`${at}.patch.value`],
    'valid',
  ],
  [
    'an extension without a name to ask for it by',
    patch('applyTo: EXTENSION_CONFIG, patch: {operation: ADD, value: {}}'),
    [`${at}.patch.value.name`],
    'valid',
  ],
  ['applyTo', patch(`applyTo: EVERYTHING, ${value}`), [`${at}.applyTo`], 'valid'],
  [
    'no patch at all',
    '{configPatches: [null, 7]}',
    [at, `${at}.applyTo`, `${at}.patch`, 'spec.configPatches[1]', 'spec.configPatches'],
    'invalid',
  ],
  ['no good one', `{configPatches: [{applyTo: CLUSTER}]}`, [`${at}.patch`, 'spec.configPatches'], 'invalid'],
  ['none', '{}', []],
]);

test('what is left keeps the places that the user gave it', () => {
  const result = parsed('EnvoyFilter', `{configPatches: [{}, {${good}}, null, {${good}}]}`);
  assert.ok(result.ok);
  const { spec, leftOut }: EnvoyFilter = result.value;
  assert.equal(spec.configPatches?.length, 2);
  assert.deepEqual(leftOut, { 'spec.configPatches': [0, 2] });
});

const http = (name: string) =>
  `applyTo: HTTP_FILTER, match: {listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: ${name}}}}}}, patch: {operation: REMOVE}`;
const network = (name: string) =>
  `applyTo: NETWORK_FILTER, match: {listener: {filterChain: {filter: {name: ${name}}}}}, patch: {operation: REMOVE}`;
const listenerFilter = (name: string) =>
  `applyTo: LISTENER_FILTER, match: {listener: {listenerFilter: ${name}}}, patch: {operation: REMOVE}`;
const subFilter = 'match.listener.filterChain.filter.subFilter.name';
const filterName = 'match.listener.filterChain.filter.name';
const lua =
  'applyTo: HTTP_FILTER, patch: {operation: INSERT_FIRST, value: {name: a, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua';

/** Patches that are in force with a word of warning: where it is, and what it says. */
const warned: readonly (readonly [fields: string, path: string, message: RegExp])[] = [
  ['applyTo: CLUSTER, patch: {operation: MERGE, value: {nam: a}}', 'patch.value.nam', /^unknown field$/],
  [`${lua}, inlined: a}}}`, 'patch.value.typed_config.inlined', /^unknown field$/],
  [
    `${lua}, default_source_code: {inlined: a}}}}`,
    'patch.value.typed_config.default_source_code.inlined',
    /^unknown field$/,
  ],
  ['applyTo: CLUSTER, patch: {operation: MERGE, value: {lb_policy: 77}}', 'patch.value.lb_policy', /^unknown value 77/],
  [
    'applyTo: HTTP_ROUTE, patch: {operation: MERGE, value: {redirect: {}, route: {}}}',
    'patch.value.route',
    /only one of/,
  ],
  [
    'applyTo: VIRTUAL_HOST, patch: {operation: MERGE, value: {domains: [null]}}',
    'patch.value.domains[0]',
    /found null/,
  ],
  [
    'applyTo: CLUSTER, patch: {operation: MERGE, value: {altStatName: a, alt_stat_name: b}}',
    'patch.value.alt_stat_name',
    /same field/,
  ],
  ['applyTo: BOOTSTRAP, patch: {operation: MERGE, value: {node: {id: a}}}', 'applyTo', /no effect/],
  ['applyTo: ROUTE_CONFIGURATION, patch: {operation: ADD, value: {name: a}}', 'patch.operation', /does nothing/],
  [`applyTo: CLUSTER, match: {context: WAYPOINT}, ${value}`, 'match.context', /no waypoints/],
  [
    `applyTo: LISTENER, match: {listener: {portNumber: 70000}}, ${value}`,
    'match.listener.portNumber',
    /matches nothing/,
  ],
  [`applyTo: CLUSTER, match: {cluster: {portNumber: 70000}}, ${value}`, 'match.cluster.portNumber', /matches nothing/],
  [`applyTo: CLUSTER, match: {cluster: {name: a, service: b}}, ${value}`, 'match.cluster.service', /beside a name/],
  [
    `applyTo: HTTP_ROUTE, match: {context: GATEWAY, routeConfiguration: {name: "80"}}, patch: {operation: REMOVE}`,
    'match.routeConfiguration.name',
    /matches nothing/,
  ],
  [
    `applyTo: HTTP_ROUTE, match: {context: SIDECAR_OUTBOUND, routeConfiguration: {name: http.80}}, patch: {operation: REMOVE}`,
    'match.routeConfiguration.name',
    /matches nothing/,
  ],
  [
    `applyTo: HTTP_ROUTE, match: {context: SIDECAR_OUTBOUND, routeConfiguration: {gateway: a/b}}, patch: {operation: REMOVE}`,
    'match.routeConfiguration.gateway',
    /no effect/,
  ],
  [
    `applyTo: HTTP_ROUTE, match: {routeConfiguration: {gateway: b}}, patch: {operation: REMOVE}`,
    'match.routeConfiguration.gateway',
    /namespace\/name/,
  ],
  [
    `applyTo: LISTENER, match: {context: GATEWAY, listener: {name: virtualInbound}}, patch: {operation: REMOVE}`,
    'match.listener.name',
    /matches nothing/,
  ],
  [
    `applyTo: LISTENER, match: {listener: {filterChain: {name: a}}}, patch: {operation: REMOVE}`,
    'match.listener.filterChain',
    /no effect/,
  ],
  [
    `applyTo: FILTER_CHAIN, match: {listener: {filterChain: {filter: {name: a}}}}, patch: {operation: REMOVE}`,
    'match.listener.filterChain.filter',
    /no effect/,
  ],
  [
    `applyTo: FILTER_CHAIN, match: {listener: {filterChain: {applicationProtocols: "h2, http/1.1"}}}, patch: {operation: REMOVE}`,
    'match.listener.filterChain.applicationProtocols',
    /comma/,
  ],
  [
    `applyTo: FILTER_CHAIN, match: {listener: {listenerFilter: a}}, patch: {operation: REMOVE}`,
    'match.listener.listenerFilter',
    /no effect/,
  ],
  ['applyTo: NETWORK_FILTER, patch: {operation: REMOVE}', 'match', /names no filter/],
  [
    'applyTo: HTTP_FILTER, match: {listener: {filterChain: {filter: {name: a}}}}, patch: {operation: REMOVE}',
    'match',
    /names no filter/,
  ],
  [
    'applyTo: LISTENER_FILTER, match: {cluster: {name: a}}, patch: {operation: INSERT_FIRST, value: {name: a, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.http_inspector.v3.HttpInspector}}}',
    'match.cluster',
    /no effect/,
  ],
  [network('envoy.filters.http.lua'), filterName, /matches nothing: .*another kind/],
  [
    http('envoy.router'),
    subFilter,
    /^using deprecated filter name "envoy.router"; use "envoy.filters.http.router" instead$/,
  ],
  [http('envoy.ext_authz'), subFilter, /use "envoy.filters.http.ext_authz"/],
  [network('envoy.ext_authz'), filterName, /use "envoy.filters.network.ext_authz"/],
  [network('envoy.http_connection_manager'), filterName, /use "envoy.filters.network.http_connection_manager"/],
];

for (const [fields, path, message] of warned)
  test(`a warning at ${path}: ${message.source}`, () => {
    const result = parsed('EnvoyFilter', `{configPatches: [{${fields}}]}`);
    assert.ok(result.ok, JSON.stringify(result.problems));
    const found = result.problems.filter(problem => problem.path === `${at}.${path}`);
    assert.equal(found.length, 1, JSON.stringify(result.problems));
    assert.equal(found[0]?.severity, 'warning');
    assert.match(found[0]?.message ?? '', message);
    assert.equal(result.value.spec.configPatches?.length, 1);
  });

// istio: pkg/config/xds/deprecated.go
const old = {
  http: 'buffer cors csrf http_dynamo_filter ext_authz fault grpc_http1_bridge grpc_json_transcoder grpc_web gzip health_check ip_tagging lua rate_limit router squash',
  network: 'client_ssl_auth ext_authz http_connection_manager mongo_proxy ratelimit redis_proxy tcp_proxy',
  listener:
    'listener.http_inspector listener.original_dst listener.original_src listener.proxy_protocol listener.tls_inspector',
} as const;

test('all 28 old names of filters are told, with the new ones', () => {
  let told = 0;
  for (const [kind, names] of Object.entries(old))
    for (const name of names.split(' ')) {
      const make = { http, network, listener: listenerFilter }[kind] ?? assert.fail(kind);
      const { problems } = parsed('EnvoyFilter', `{configPatches: [{${make(`envoy.${name}`)}}]}`);
      const [problem] = problems.filter(({ message }) => message.startsWith('using deprecated filter name'));
      assert.match(problem?.message ?? '', new RegExp(`"envoy\\.${name}"; use "envoy\\.filters\\.${kind}\\.`), name);
      told++;
    }
  assert.equal(told, 28);
});

test('a right patch has no warning', () => {
  for (const fields of [
    http('envoy.filters.http.router'),
    network('envoy.filters.network.tcp_proxy'),
    listenerFilter('envoy.filters.listener.tls_inspector'),
    `applyTo: HTTP_ROUTE, match: {context: GATEWAY, routeConfiguration: {name: http.80, portNumber: 80, gateway: a/b, vhost: {name: c}}}, patch: {operation: REMOVE}`,
    `applyTo: CLUSTER, match: {context: SIDECAR_INBOUND, cluster: {portNumber: 80, service: a}}, ${value}`,
    good,
  ])
    assert.deepEqual(parsed('EnvoyFilter', `{configPatches: [{${fields}}]}`).problems, [], fields);
});
