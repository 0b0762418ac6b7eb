import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parse } from 'yaml';
import type { Problem } from '../../src/config/problem.ts';
import { ROUTER, SIDECAR, type Who, world } from '../translate/clusters-world.ts';
import { encoded, MESH, translationFor } from '../translate/envoy-filter-world.ts';

const type = (name: string, fields = '') =>
  `{"@type": type.googleapis.com/envoy.extensions.filters.${name}${fields && `, ${fields}`}}`;
const LUA = `{name: lua, typed_config: ${type('http.lua.v3.Lua')}}`;
const ROUTER_FILTER = `{name: router, typed_config: ${type('http.router.v3.Router', 'dynamic_stats: false')}}`;
const chain =
  'filters: [{name: echo, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}]';
const hcm = 'envoy.filters.network.http_connection_manager';
const inHcm = (name: string) => `listener: {filterChain: {filter: {name: ${hcm}, subFilter: {name: ${name}}}}}`;
const patch = (applyTo: string, match: string, operation: string, value = '') =>
  `{applyTo: ${applyTo}, match: {${match}}, patch: {operation: ${operation}${value && `, value: ${value}`}}}`;

/** Patches that can be in force together, some of them in pairs that stand or fall as one. */
const good: readonly (readonly string[])[] = [
  [patch('CLUSTER', '', 'MERGE', '{connect_timeout: 700ms}')],
  [patch('CLUSTER', 'cluster: {service: shop.default.svc.cluster.local}', 'MERGE', '{lb_policy: RANDOM, unknown: 1}')],
  [patch('CLUSTER', '', 'ADD', '{name: extra, type: STATIC, connect_timeout: 1s}')],
  [patch('CLUSTER', 'cluster: {name: BlackHoleCluster}', 'MERGE_AND_REPLACE_LIST', '{alt_stat_name: hole}')],
  [patch('HTTP_FILTER', inHcm('envoy.filters.http.router'), 'INSERT_BEFORE', LUA)],
  [patch('HTTP_FILTER', 'context: GATEWAY', 'INSERT_FIRST', LUA)],
  [patch('HTTP_FILTER', inHcm('envoy.filters.http.fault'), 'REMOVE')],
  [
    patch(
      'HTTP_FILTER',
      inHcm('envoy.filters.http.router'),
      'MERGE',
      ROUTER_FILTER.replace('router', 'envoy.filters.http.router'),
    ),
  ],
  // A router goes, another one comes.
  [
    patch('HTTP_FILTER', `context: GATEWAY, ${inHcm('envoy.filters.http.router')}`, 'REMOVE'),
    patch('HTTP_FILTER', `context: GATEWAY, listener: {filterChain: {filter: {name: ${hcm}}}}`, 'ADD', ROUTER_FILTER),
  ],
  [
    patch(
      'NETWORK_FILTER',
      `listener: {filterChain: {filter: {name: ${hcm}}}}`,
      'MERGE',
      `{typed_config: ${type('network.http_connection_manager.v3.HttpConnectionManager', 'stream_idle_timeout: 1h')}}`,
    ),
  ],
  [
    patch(
      'NETWORK_FILTER',
      'context: SIDECAR_INBOUND',
      'INSERT_FIRST',
      `{name: limit, typed_config: ${type('network.connection_limit.v3.ConnectionLimit', 'stat_prefix: a, max_connections: 9')}}`,
    ),
  ],
  [patch('LISTENER', 'listener: {portNumber: 8080}', 'MERGE', '{per_connection_buffer_limit_bytes: 4096}')],
  [
    patch(
      'LISTENER',
      '',
      'ADD',
      `{name: more, address: {socket_address: {address: 127.0.0.1, port_value: 9876}}, filter_chains: [{${chain}}]}`,
    ),
  ],
  [
    patch(
      'LISTENER_FILTER',
      '',
      'INSERT_FIRST',
      `{name: i, typed_config: ${type('listener.http_inspector.v3.HttpInspector')}}`,
    ),
  ],
  [patch('FILTER_CHAIN', 'listener: {name: virtualInbound}', 'MERGE', '{transport_socket_connect_timeout: 3s}')],
  [patch('ROUTE_CONFIGURATION', '', 'MERGE', '{request_headers_to_remove: [x-gone]}')],
  [
    patch(
      'VIRTUAL_HOST',
      'context: GATEWAY, routeConfiguration: {name: http.8080}',
      'ADD',
      '{name: more, domains: [more.example.org], routes: [{match: {prefix: /}, redirect: {}}]}',
    ),
  ],
  [
    patch(
      'VIRTUAL_HOST',
      'routeConfiguration: {vhost: {name: allow_any}}',
      'MERGE',
      '{request_headers_to_remove: [x-gone]}',
    ),
  ],
  [
    patch(
      'HTTP_ROUTE',
      'routeConfiguration: {vhost: {route: {action: ROUTE}}}',
      'MERGE',
      '{response_headers_to_remove: [x-gone]}',
    ),
  ],
  [patch('HTTP_ROUTE', '', 'INSERT_FIRST', '{match: {prefix: /early}, direct_response: {status: 204}}')],
  [patch('EXTENSION_CONFIG', '', 'ADD', LUA)],
];

/** Patches of every badness; each concerns a sidecar or a gateway, or both. */
const bad: Readonly<Record<string, string>> = {
  'nothing in it': '{}',
  'no patch': '{applyTo: CLUSTER}',
  null: 'null',
  'a number': '7',
  'an unknown applyTo': patch('EVERYTHING', '', 'MERGE', '{name: a}'),
  'an unknown operation': patch('CLUSTER', '', 'SHUFFLE', '{name: a}'),
  'no operation': '{applyTo: CLUSTER, patch: {value: {name: a}}}',
  'no value': patch('CLUSTER', '', 'MERGE'),
  'a value that is a list': patch('CLUSTER', '', 'MERGE', '[1]'),
  'a match of another class': patch('CLUSTER', 'listener: {portNumber: 80}', 'REMOVE'),
  'a match with an unknown field': patch('CLUSTER', 'cluster: {nme: a}', 'REMOVE'),
  'a version that is no expression': patch('CLUSTER', 'proxy: {proxyVersion: "("}', 'REMOVE'),
  'a filter match without a name': patch('HTTP_FILTER', 'listener: {filterChain: {filter: {}}}', 'INSERT_FIRST', LUA),
  'a subFilter of another filter': patch(
    'HTTP_FILTER',
    'listener: {filterChain: {filter: {name: a, subFilter: {name: b}}}}',
    'REMOVE',
  ),
  'a field of a wrong type': patch('CLUSTER', '', 'MERGE', '{connect_timeout: 7}'),
  'an unknown type': patch(
    'HTTP_FILTER',
    '',
    'INSERT_FIRST',
    '{name: a, typed_config: {"@type": type.googleapis.com/no.Such}}',
  ),
  'a type of version 2': patch(
    'HTTP_FILTER',
    '',
    'INSERT_FIRST',
    '{name: a, typed_config: {"@type": type.googleapis.com/envoy.config.filter.http.lua.v2.Lua}}',
  ),
  'no type': patch('HTTP_FILTER', '', 'INSERT_FIRST', '{name: a, typed_config: {}}'),
  'an expression that RE2 does not take': patch(
    'HTTP_ROUTE',
    '',
    'INSERT_FIRST',
    '{match: {safe_regex: {regex: "(?=a)"}}, redirect: {}}',
  ),
  'too deep a message': patch(
    'CLUSTER',
    '',
    'MERGE',
    `{metadata: {filter_metadata: {a: ${'{b: '.repeat(120)}1${'}'.repeat(120)}}}}`,
  ),
  'an HTTP filter without configuration': patch('HTTP_FILTER', '', 'INSERT_FIRST', '{name: envoy.lua}'),
  'a network filter without configuration': patch('NETWORK_FILTER', '', 'INSERT_FIRST', '{name: envoy.echo}'),
  'a listener filter without configuration': patch('LISTENER_FILTER', '', 'INSERT_FIRST', '{name: a}'),
  // Not a gateway's: there the pair above would put a router behind it.
  'a filter after the router': patch('HTTP_FILTER', 'context: SIDECAR_INBOUND', 'ADD', LUA),
  'a filter after the end of a chain': patch(
    'NETWORK_FILTER',
    '',
    'ADD',
    `{name: limit, typed_config: ${type('network.connection_limit.v3.ConnectionLimit')}}`,
  ),
  'another type merged into a filter': patch(
    'NETWORK_FILTER',
    '',
    'MERGE',
    `{typed_config: ${type('network.rbac.v3.RBAC')}}`,
  ),
  'a cluster without a name': patch('CLUSTER', '', 'ADD', '{type: STATIC}'),
  'a cluster renamed': patch('CLUSTER', 'cluster: {name: BlackHoleCluster}', 'MERGE', '{name: WhiteHole}'),
  'an EDS cluster without a source': patch('CLUSTER', '', 'ADD', '{name: b, type: EDS}'),
  'a cluster with the wrong policy': patch('CLUSTER', '', 'MERGE', '{lb_policy: CLUSTER_PROVIDED}'),
  'a timeout of zero': patch('CLUSTER', '', 'ADD', '{name: b, type: STATIC, connect_timeout: 0s}'),
  'a listener without a name': patch(
    'LISTENER',
    '',
    'ADD',
    `{address: {pipe: {path: /a}}, filter_chains: [{${chain}}]}`,
  ),
  'a listener without an address': patch('LISTENER', '', 'ADD', `{name: b, filter_chains: [{${chain}}]}`),
  'a listener without chains': patch(
    'LISTENER',
    '',
    'ADD',
    '{name: b, address: {socket_address: {address: 0.0.0.0, port_value: 9}}}',
  ),
  'a listener renamed': patch('LISTENER', 'context: SIDECAR_INBOUND', 'MERGE', '{name: other}'),
  'a chain with the match of another': patch(
    'FILTER_CHAIN',
    'context: GATEWAY, listener: {portNumber: 8080}',
    'ADD',
    `{${chain}}`,
  ),
  'a virtual host without domains': patch('VIRTUAL_HOST', '', 'ADD', '{name: b}'),
  'a domain that is there': patch(
    'VIRTUAL_HOST',
    'context: GATEWAY, routeConfiguration: {name: http.8080}',
    'ADD',
    '{name: b, domains: [A.example.com]}',
  ),
  'a route without a match': patch('HTTP_ROUTE', '', 'ADD', '{redirect: {}}'),
  'a route without an action': patch('HTTP_ROUTE', '', 'INSERT_FIRST', '{match: {prefix: /}}'),
  'a route configuration renamed': patch('ROUTE_CONFIGURATION', '', 'MERGE', '{name: other}'),
  'a health check that Envoy does not take': patch(
    'CLUSTER',
    '',
    'MERGE',
    '{health_checks: [{timeout: 1s, interval: 1s, tcp_health_check: {}}]}',
  ),
  'a number beyond its bounds': patch(
    'HTTP_ROUTE',
    '',
    'INSERT_FIRST',
    '{match: {prefix: /}, direct_response: {status: 700}}',
  ),
  'a header that is none': patch('ROUTE_CONFIGURATION', '', 'MERGE', '{request_headers_to_remove: ["a\\nb"]}'),
  'a configuration that Envoy does not take': patch(
    'HTTP_FILTER',
    '',
    'INSERT_FIRST',
    `{name: a, typed_config: ${type('http.local_ratelimit.v3.LocalRateLimit')}}`,
  ),
  'an extension that Envoy does not take': patch(
    'EXTENSION_CONFIG',
    '',
    'ADD',
    `{name: a, typed_config: ${type('http.local_ratelimit.v3.LocalRateLimit')}}`,
  ),
  // Its rules are in the bundle that is read only for EnvoyFilters.
  'a seldom configuration that Envoy does not take': patch(
    'HTTP_FILTER',
    '',
    'INSERT_FIRST',
    `{name: a, typed_config: ${type('http.cdn_loop.v3.CdnLoopConfig')}}`,
  ),
  'an extension without a name': patch('EXTENSION_CONFIG', '', 'ADD', '{}'),
};

interface Item {
  readonly patch: string;
  readonly bad: boolean;
}

const proxies: readonly Who[] = [SIDECAR, ROUTER];

const w = world(MESH);
const MOST_FILTERS = 3;

/** What proxies have under EnvoyFilters with patches, and the errors. */
function made(filters: readonly (readonly string[])[]): {
  readonly output: unknown;
  readonly errors: readonly Problem[];
} {
  for (let i = 0; i < MOST_FILTERS; i++) {
    const patches = filters[i];
    if (!patches) w.store.apply({ op: 'delete', kind: 'EnvoyFilter', namespace: 'default', name: `f${i}` });
    else
      w.store.apply({
        op: 'upsert',
        object: {
          apiVersion: 'networking.istio.io/v1alpha3',
          kind: 'EnvoyFilter',
          metadata: { name: `f${i}`, namespace: 'default' },
          spec: { configPatches: patches.map(text => parse(text)) },
        } as never,
      });
  }
  w.rebuild();
  const translations = proxies.map(who => translationFor(w, who));
  const problems = [...w.mesh.contents.problems.values(), ...translations.map(t => t.problems)].flat();
  return {
    output: translations.map(encoded),
    errors: problems.filter(p => p.severity === 'error' && p.object.startsWith('EnvoyFilter/')),
  };
}

const goods = fc.shuffledSubarray(
  good.map((_, i) => i),
  { minLength: 1, maxLength: 6 },
);
const cuts = fc.array(fc.nat(6), { maxLength: MOST_FILTERS - 1 });

/** The items in as many EnvoyFilters as the cuts make. */
function split(items: readonly Item[], at: readonly number[]): readonly (readonly Item[])[] {
  const edges = [0, ...at.map(cut => Math.min(cut, items.length)), items.length].sort((a, b) => a - b);
  return edges.slice(1).map((edge, i) => items.slice(edges[i], edge));
}

const texts = (items: readonly Item[]): readonly string[] => items.map(item => item.patch);

function compare(
  chosen: readonly number[],
  names: readonly string[],
  places: readonly number[],
  at: readonly number[],
): void {
  const items: Item[] = chosen.flatMap(i => (good[i] ?? []).map(text => ({ patch: text, bad: false })));
  for (const [i, name] of names.entries())
    items.splice((places[i] ?? 0) % (items.length + 1), 0, { patch: bad[name] ?? '', bad: true });
  const filters = split(items, at);
  made([]);
  const found = made(filters.map(texts));
  // A version of an object that cannot be used leaves the last one in force: it has to start from nothing.
  made([]);
  const wanted = made(filters.map(list => texts(list.filter(item => !item.bad))));
  assert.deepEqual(wanted.errors, []);
  assert.deepEqual(found.output, wanted.output);
  const own = new Set(
    found.errors.flatMap(
      p => `${p.object.slice(p.object.indexOf('/f') + 2)} ${/^spec\.configPatches\[(\d+)\]/.exec(p.path)?.[1]}`,
    ),
  );
  for (const [f, list] of filters.entries())
    for (const [i, item] of list.entries())
      assert.equal(own.has(`${f} ${i}`), item.bad, `${item.bad ? 'no' : 'an'} error on f${f} ${i}: ${item.patch}`);
}

test('each good patch has an effect', () => {
  const without = made([]).output;
  for (const patches of good) assert.notDeepEqual(made([patches]).output, without, patches.join());
});

for (const name of Object.keys(bad))
  test(`good patches are in force beside one with ${name}`, () => {
    fc.assert(
      fc.property(goods, fc.nat(), cuts, (chosen, place, at) => compare(chosen, [name], [place], at)),
      { numRuns: 6 },
    );
  });

test('good patches are in force beside any number of bad ones', () => {
  let compared = 0;
  const names = fc.array(fc.constantFrom(...Object.keys(bad)), { maxLength: 8 });
  fc.assert(
    fc.property(goods, names, fc.array(fc.nat(), { minLength: 8, maxLength: 8 }), cuts, (chosen, some, places, at) => {
      compare(chosen, some, places, at);
      compared++;
    }),
    { numRuns: 60 },
  );
  assert.equal(compared, 60);
});
