import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { problemLine } from '../../src/config/problem.ts';
import { ROUTER, SIDECAR, world } from './clusters-world.ts';
import { encoded, filter, MESH, patched, patchedGateway, translationFor } from './envoy-filter-world.ts';

const good = filter('good', ['{applyTo: CLUSTER, patch: {operation: MERGE, value: {connect_timeout: 7s}}}']);

const LUA = '{name: lua, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua}}';
const add = (value: string): string => `{applyTo: CLUSTER, patch: {operation: ADD, value: {${value}}}}`;
const listener = (value: string): string => `{applyTo: LISTENER, patch: {operation: ADD, value: {name: a, ${value}}}}`;
const echo =
  '{filters: [{name: echo, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}]}';

interface Case {
  readonly what: string;
  readonly patches: readonly string[];
  readonly problem: RegExp;
  readonly gateway?: boolean;
}

const rejected: readonly Case[] = [
  {
    what: 'a filter after the router',
    patches: [`{applyTo: HTTP_FILTER, patch: {operation: ADD, value: ${LUA}}}`],
    problem: /configPatches\[0\]\.patch: .*router ends the chain/,
  },
  {
    what: 'no router',
    patches: [
      '{applyTo: HTTP_FILTER, match: {listener: {filterChain: {filter: {name: envoy.filters.network.http_connection_manager, subFilter: {name: envoy.filters.http.router}}}}}, patch: {operation: REMOVE}}',
    ],
    problem: /the router has to follow/,
  },
  {
    what: 'a filter merged into another',
    patches: [
      '{applyTo: NETWORK_FILTER, patch: {operation: MERGE, value: {typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC}}}}',
    ],
    problem: /configPatches\[0\]\.patch\.value: .*cannot be merged into/,
  },
  {
    what: 'a load balancer of other clusters',
    patches: ['{applyTo: CLUSTER, patch: {operation: MERGE, value: {lb_policy: CLUSTER_PROVIDED}}}'],
    problem: /CLUSTER_PROVIDED/,
  },
  { what: 'a cluster without a name', patches: [add('type: STATIC')], problem: /needs a name/ },
  { what: 'an EDS cluster without a source', patches: [add('name: a, type: EDS')], problem: /eds_cluster_config/ },
  { what: 'a listener without an address', patches: [listener(`filter_chains: [${echo}]`)], problem: /address/ },
  {
    what: 'a listener without chains',
    patches: [listener('address: {socket_address: {address: 0.0.0.0, port_value: 9}}')],
    problem: /no filter chain/,
  },
  {
    what: 'a listener on the address of another',
    patches: [listener(`address: {socket_address: {address: 0.0.0.0, port_value: 8080}}, filter_chains: [${echo}]`)],
    problem: /on the address of another one/,
    gateway: true,
  },
  {
    what: 'two chains of one match',
    patches: [
      `{applyTo: FILTER_CHAIN, match: {listener: {portNumber: 8080}}, patch: {operation: ADD, value: ${echo}}}`,
    ],
    problem: /same match/,
    gateway: true,
  },
  {
    what: 'a domain twice',
    patches: [
      '{applyTo: VIRTUAL_HOST, match: {routeConfiguration: {name: http.8080}}, patch: {operation: ADD, value: {name: b, domains: [A.example.com]}}}',
    ],
    problem: /the domain A\.example\.com/,
    gateway: true,
  },
  {
    what: 'a route without an action',
    patches: ['{applyTo: HTTP_ROUTE, patch: {operation: ADD, value: {match: {prefix: /}}}}'],
    problem: /needs an action/,
    gateway: true,
  },
  {
    what: 'another name',
    patches: ['{applyTo: ROUTE_CONFIGURATION, patch: {operation: MERGE, value: {name: other}}}'],
    problem: /keeps its name/,
    gateway: true,
  },
];

for (const { what, patches, problem, gateway } of rejected)
  test(`a patch that makes what an Envoy would reject is not in force, and nothing else: ${what}`, () => {
    const make = gateway ? patchedGateway : patched;
    const without = make([good]);
    const found = make([good, filter('bad', patches)]);
    assert.equal(found.problems.length > without.problems.length, true);
    for (const p of found.problems) assert.match(problemLine(p), /^EnvoyFilter\/default\/bad /);
    assert.match(found.problems.map(problemLine).join('\n'), problem);
    assert.deepEqual(encoded(found), encoded(without));
  });

test('an unknown field of a value is left out, and all else applied', () => {
  const made = (fields: string) =>
    world(MESH, filter('it', [`{applyTo: CLUSTER, patch: {operation: MERGE, value: {${fields}}}}`]));
  const w = made('connect_timeout: 9s, nonsense: 1');
  assert.deepEqual(
    [...w.mesh.contents.problems.values()].flat().map(p => `${p.severity} ${p.object} ${p.path}`),
    ['warning EnvoyFilter/default/it spec.configPatches[0].patch.value.nonsense'],
  );
  assert.deepEqual(encoded(translationFor(w, SIDECAR)), encoded(translationFor(made('connect_timeout: 9s'), SIDECAR)));
});

const EXT_AUTHZ =
  '{name: ext_authz, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz, http_service: {server_uri: {uri: a, cluster: b, timeout: 500ms}}';

test('a filter that restricts is in force without a field that is not known', () => {
  const insert = (more: string) =>
    patched([filter('it', [`{applyTo: HTTP_FILTER, patch: {operation: INSERT_FIRST, value: ${EXT_AUTHZ}${more}}}}}`])]);
  const found = insert(', fail_open_allow: true');
  assert.deepEqual(encoded(found), encoded(insert('')));
  assert.notDeepEqual(encoded(found), encoded(patched([])));
});

test('an Envoy that lacks an extension gets no patch that names it, and the others', () => {
  const insert = `{applyTo: HTTP_FILTER, match: {context: SIDECAR_INBOUND}, patch: {operation: INSERT_FIRST, value: ${LUA}}}`;
  const timeout = '{applyTo: CLUSTER, patch: {operation: MERGE, value: {connect_timeout: 7s}}}';
  const bad = filter('bad', [insert, timeout]);
  const who = { ...SIDECAR, extensions: ['envoy.filters.http.router', 'envoy.filters.http.cors'] };
  const found = patched([bad], who);
  assert.deepEqual(encoded(found), encoded(patched([filter('bad', [timeout])], who)));
  assert.deepEqual(
    found.problems.map(p => `${p.object} ${p.path}`),
    ['EnvoyFilter/default/bad spec.configPatches[0].patch.value.typed_config'],
  );
  assert.deepEqual(patched([bad], { ...who, extensions: [...who.extensions, 'envoy.filters.http.lua'] }).problems, []);
  assert.deepEqual(patched([bad]).problems, []);
  assert.deepEqual(patchedGateway([bad]).problems, []);
});

test('an extension that is to be asked for over ECDS counts as one that is named', () => {
  const golang = 'type.googleapis.com/envoy.extensions.filters.http.golang.v3alpha.Config';
  const discovery = `{config_source: {ads: {}, resource_api_version: V3}, type_urls: [${golang}]}`;
  const insert = `{applyTo: HTTP_FILTER, patch: {operation: INSERT_FIRST, value: {name: a, config_discovery: ${discovery}}}}`;
  const who = { ...SIDECAR, extensions: ['envoy.filters.http.router'] };
  const { problems } = patched([filter('bad', [insert])], who);
  assert.deepEqual(
    problems.map(p => p.path),
    ['spec.configPatches[0].patch.value.config_discovery'],
  );
});

test("Istio's own filters, also in TypedStructs, are for builds that list them", () => {
  const stats =
    '{name: s, typed_config: {"@type": type.googleapis.com/udpa.type.v1.TypedStruct, type_url: type.googleapis.com/stats.PluginConfig, value: {}}}';
  const bad = filter('bad', [`{applyTo: HTTP_FILTER, patch: {operation: INSERT_FIRST, value: ${stats}}}`]);
  assert.match(patched([bad]).problems.map(problemLine).join(), /istio_stats/);
  assert.deepEqual(patched([bad], { ...SIDECAR, extensions: ['envoy.filters.http.istio_stats'] }).problems, []);
});

test('what no patch changes keeps its identity; a proxy without EnvoyFilters has the lists as they were made', () => {
  const w = world(MESH);
  const before = translationFor(w, SIDECAR);
  w.apply(
    filter('f', [
      '{applyTo: CLUSTER, match: {cluster: {name: BlackHoleCluster}}, patch: {operation: MERGE, value: {alt_stat_name: x}}}',
    ]),
  );
  const after = translationFor(w, SIDECAR);
  assert.ok(after.listeners.every((l, i) => l === before.listeners[i] || l.name === 'virtualInbound'));
  assert.ok(after.routes.every((r, i) => r === before.routes[i]));
  assert.notEqual(after.clusters, before.clusters);
  const changed = after.clusters.filter((c, i) => c !== before.clusters[i]).map(c => c.name);
  assert.deepEqual(changed, ['BlackHoleCluster']);
  w.apply(
    filter('other', [
      '{applyTo: LISTENER, match: {listener: {portNumber: 80}}, patch: {operation: MERGE, value: {enable_mptcp: true}}}',
    ]),
  );
  const next = translationFor(w, SIDECAR);
  assert.ok(next.clusters.every((c, i) => c === after.clusters[i]));
  const listeners = next.listeners.filter((l, i) => l !== after.listeners[i]).map(l => l.name);
  // What guards a workload is made from the workload, which has another list of EnvoyFilters now.
  assert.deepEqual(listeners, ['virtualInbound', '0.0.0.0_80']);
});

const applyTo = [
  'LISTENER',
  'FILTER_CHAIN',
  'NETWORK_FILTER',
  'HTTP_FILTER',
  'ROUTE_CONFIGURATION',
  'VIRTUAL_HOST',
  'HTTP_ROUTE',
  'CLUSTER',
  'EXTENSION_CONFIG',
  'BOOTSTRAP',
  'LISTENER_FILTER',
  'NONE',
];
const operations = [
  'MERGE',
  'ADD',
  'REMOVE',
  'INSERT_BEFORE',
  'INSERT_AFTER',
  'INSERT_FIRST',
  'REPLACE',
  'MERGE_AND_REPLACE_LIST',
];
const names = [
  'name',
  'domains',
  'routes',
  'match',
  'prefix',
  'route',
  'cluster',
  'filters',
  'filter_chains',
  'typed_config',
  '@type',
  'type',
  'virtual_hosts',
  'connect_timeout',
  'transport_socket',
  'address',
  'http_filters',
  'value',
  '__proto__',
  'constructor',
];
const leaf = fc.oneof(
  fc.constantFrom<unknown>(
    'a',
    '',
    '/',
    '1s',
    '0s',
    'EDS',
    OUTBOUND(),
    'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
    'type.googleapis.com/google.protobuf.Struct',
    0,
    1,
    true,
    false,
    null,
  ),
  fc.string(),
  fc.double(),
);
function OUTBOUND(): string {
  return 'outbound|80||shop.default.svc.cluster.local';
}
const { value } = fc.letrec<{ value: unknown }>(tie => ({
  value: fc.oneof(
    { maxDepth: 5 },
    leaf,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...names), tie('value'), { maxKeys: 5 }),
  ),
}));
const dictionary = fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 5 });

/** Values that are right more often than not, so that they get as far as Envoy's own rules. */
const likely = fc.constantFrom<unknown>(
  {},
  { name: 'a' },
  { name: 'a', domains: ['*'] },
  { name: 'a', domains: ['a.example.com'], routes: [{ match: { prefix: '/' }, route: { cluster: 'x' } }] },
  { match: { prefix: '/' } },
  { redirect: {} },
  { name: 'a', typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' } },
  {
    name: 'a',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
      cluster: 'a',
      stat_prefix: 'a',
    },
  },
  {
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: { '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext' },
    },
  },
  { filters: [] },
  { filter_chain_match: { destination_port: 8080 }, name: 'x' },
  { connect_timeout: '0s' },
  { type: 'EDS', lb_policy: 'CLUSTER_PROVIDED' },
  { name: OUTBOUND(), type: 'STATIC' },
);
const match = fc.constantFrom<unknown>(
  undefined,
  { context: 'ANY' },
  { context: 'GATEWAY' },
  { context: 'SIDECAR_INBOUND' },
  { context: 'SIDECAR_OUTBOUND' },
  { listener: { portNumber: 80, name: 'virtualInbound' } },
  {
    listener: {
      filterChain: {
        filter: {
          name: 'envoy.filters.network.http_connection_manager',
          subFilter: { name: 'envoy.filters.http.router' },
        },
      },
    },
  },
  { listener: { filterChain: { sni: 's.example.com', applicationProtocols: 'h2,http/1.1' } } },
  { routeConfiguration: { portNumber: 80, vhost: { route: { action: 'ROUTE' } } } },
  { routeConfiguration: { vhost: { name: 'allow_any' } } },
  { cluster: { name: OUTBOUND() } },
);
const patch = fc.record({
  applyTo: fc.constantFrom(...applyTo),
  match,
  patch: fc.record({ operation: fc.constantFrom(...operations), value: fc.oneof(dictionary, likely) }),
});

test('whatever EnvoyFilters say, nothing throws, and what is made can be encoded', () => {
  const base = world(MESH);
  fc.assert(
    fc.property(fc.array(fc.array(patch, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 }), lists => {
      for (const [i, configPatches] of lists.entries())
        base.store.apply({
          op: 'upsert',
          object: {
            apiVersion: 'networking.istio.io/v1alpha3',
            kind: 'EnvoyFilter',
            metadata: { name: `f${i}`, namespace: 'default' },
            spec: { configPatches },
          } as never,
        });
      base.rebuild();
      for (const who of [SIDECAR, ROUTER]) {
        const t = translationFor(base, who);
        encoded(t);
        const own = t.problems.filter(p => p.object.startsWith('EnvoyFilter/'));
        for (const p of own) assert.match(p.path, /^spec\.configPatches\[\d\]/);
      }
      for (const i of lists.keys())
        base.store.apply({ op: 'delete', kind: 'EnvoyFilter', namespace: 'default', name: `f${i}` });
    }),
    { numRuns: 300 },
  );
});
