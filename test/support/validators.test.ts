import assert from 'node:assert/strict';
import { test } from 'node:test';
import { typed } from '../../src/proto/any.ts';
import type { Cluster } from '../../src/proto/generated/envoy/config/cluster/v3.ts';
import type { Messages } from './translation.ts';
import { findings } from './validators.ts';
import { matchCriteria } from './validators-listeners.ts';

const socket = (address: string, port: number) => ({ socket_address: { address, port_value: port } });
const tcp = (cluster: string) => ({
  filters: [
    {
      name: 'tcp',
      typed_config: typed('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', { stat_prefix: 'x', cluster }),
    },
  ],
});
const http = (routes: string) => ({
  filters: [
    {
      name: 'http',
      typed_config: typed('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
        rds: { route_config_name: routes, config_source: { ads: {} } },
      }),
    },
  ],
});

const sound: Messages = {
  clusters: [{ name: 'a' }, { name: 'b', type: 3 }],
  endpoints: [{ cluster_name: 'b' }],
  listeners: [
    { name: 'l', address: socket('0.0.0.0', 80), filter_chains: [http('80')], default_filter_chain: tcp('a') },
  ],
  routes: [
    {
      name: '80',
      virtual_hosts: [{ name: 'h', domains: ['h'], routes: [{ match: { prefix: '/' }, route: { cluster: 'b' } }] }],
    },
  ],
};

test('sound messages have no findings', () => assert.deepEqual(findings(sound), []));

const cases: readonly [string, Partial<Messages>, RegExp][] = [
  ['a name twice', { clusters: [...sound.clusters, { name: 'a' }] }, /two clusters are called 'a'/],
  ['a missing name', { routes: [...sound.routes, {}] }, /a route configuration has no name/],
  ['a missing cluster', { clusters: [{ name: 'a' }] }, /routes '80' names the cluster 'b'/],
  ['missing routes', { routes: [] }, /listener 'l' names the routes '80'/],
  ['no load assignment', { endpoints: [] }, /cluster 'b' has no load assignment/],
  [
    'a gap in the priorities',
    { endpoints: [{ cluster_name: 'b', endpoints: [{ priority: 1 }] }] },
    /endpoints 'b': it has the priorities 1/,
  ],
  [
    'domains that differ in case only',
    {
      routes: [
        {
          name: '80',
          virtual_hosts: [
            { name: 'x', domains: ['a'] },
            { name: 'y', domains: ['A'] },
          ],
        },
      ],
    },
    /domain 'a' occurs twice/,
  ],
  [
    'weights of zero',
    {
      routes: [
        {
          name: '80',
          virtual_hosts: [
            {
              name: 'h',
              domains: ['h'],
              routes: [{ match: { prefix: '/' }, route: { weighted_clusters: { clusters: [{ name: 'a' }] } } }],
            },
          ],
        },
      ],
    },
    /the weights of a … are all 0/,
  ],
  [
    'an address twice',
    { listeners: [...sound.listeners, { name: 'm', address: socket('0.0.0.0', 80), filter_chains: [tcp('a')] }] },
    /two listeners have the address tcp 0.0.0.0:80/,
  ],
  [
    'a chain match twice',
    {
      listeners: [
        {
          name: 'l',
          filter_chains: [
            { filter_chain_match: { server_names: ['a', 'b'] }, ...tcp('a') },
            { filter_chain_match: { server_names: ['b'] }, ...tcp('a') },
          ],
        },
      ],
    },
    /two filter chains match server name b/,
  ],
  ['a chain without an end', { listeners: [{ name: 'l', filter_chains: [{}] }] }, /has no filter/],
];

for (const [what, broken, expected] of cases)
  test(`found: ${what}`, () => assert.match(findings({ ...sound, ...broken }).join('\n'), expected));

test('found: fields that the wire does not have, also inside lists', () => {
  // Behind a JSON text the compiler cannot see the mistake, as behind the spread of a wider object.
  const broken: Cluster = JSON.parse(
    '{"name": "a", "lb_endpoints": [], "load_assignment": {"endpoints": [{"lb_endpoint": 1}]}}',
  );
  assert.match(
    findings({ ...sound, clusters: [broken, ...sound.clusters.slice(1)] }).join('\n'),
    /clusters 'a': the wire has no field lb_endpoints\n.*no field load_assignment\.endpoints\[0\]\.lb_endpoint/,
  );
});

test('a match stands for every combination of its criteria', () =>
  assert.deepEqual(matchCriteria({ server_names: ['a', 'b'], transport_protocol: 'tls' }), [
    'server name a transport tls',
    'server name b transport tls',
  ]));
