import assert from 'node:assert/strict';
import { test } from 'node:test';
import { typed } from '../../src/proto/any.ts';
import type { Listener } from '../../src/proto/generated/envoy/config/listener/v3.ts';
import type { Messages } from '../support/translation.ts';
import { type Call, mutualTls, type Outcome } from './call.ts';
import { simulate } from './simulate.ts';
import { within } from './within.ts';

const socket = (address: string, port: number) => ({ socket_address: { address, port_value: port } });
const tcp = (cluster: string) => [
  {
    name: 'tcp',
    typed_config: typed('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', { stat_prefix: cluster, cluster }),
  },
];
const http = (routes: string) => [
  {
    name: 'http',
    typed_config: typed('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
      rds: { route_config_name: routes, config_source: { ads: {} } },
    }),
  },
];
const inspector = (name: 'tls_inspector' | 'http_inspector') => ({
  name,
  typed_config:
    name === 'tls_inspector'
      ? typed('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector', {})
      : typed('envoy.extensions.filters.listener.http_inspector.v3.HttpInspector', {}),
});
const downstream = {
  name: 'tls',
  typed_config: typed('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
    require_client_certificate: { value: true },
  }),
};

const outbound: Listener[] = [
  {
    name: 'virtualOutbound',
    address: socket('0.0.0.0', 15001),
    use_original_dst: { value: true },
    filter_chains: [
      { name: 'loop', filter_chain_match: { destination_port: { value: 15001 } }, filters: tcp('BlackHoleCluster') },
      { name: 'catch-all', filters: tcp('PassthroughCluster') },
    ],
  },
  { name: '10.0.0.9_9090', address: socket('10.0.0.9', 9090), filter_chains: [{ filters: tcp('exact') }] },
  {
    name: '0.0.0.0_9080',
    address: socket('0.0.0.0', 9080),
    listener_filters: [inspector('tls_inspector'), inspector('http_inspector')],
    filter_chains: [
      {
        name: 'http',
        filter_chain_match: { transport_protocol: 'raw_buffer', application_protocols: ['http/1.1', 'h2c'] },
        filters: http('9080'),
      },
      {
        name: 'cidr',
        filter_chain_match: { prefix_ranges: [{ address_prefix: '10.8.0.0', prefix_len: { value: 16 } }] },
        filters: tcp('exact'),
      },
      { name: 'sni', filter_chain_match: { server_names: ['*.example.com'] }, filters: tcp('exact') },
    ],
    default_filter_chain: { name: 'default', filters: tcp('PassthroughCluster') },
  },
];

const inbound: Listener = {
  name: 'virtualInbound',
  address: socket('0.0.0.0', 15006),
  listener_filters: [inspector('tls_inspector')],
  filter_chains: [
    {
      name: 'mtls',
      filter_chain_match: {
        destination_port: { value: 80 },
        transport_protocol: 'tls',
        application_protocols: ['istio'],
      },
      transport_socket: downstream,
      filters: tcp('inbound|80||'),
    },
    {
      name: 'plain',
      filter_chain_match: { destination_port: { value: 80 }, transport_protocol: 'raw_buffer' },
      filters: tcp('inbound|80||'),
    },
    {
      name: 'strict',
      filter_chain_match: { destination_port: { value: 81 } },
      transport_socket: downstream,
      filters: tcp('inbound|80||'),
    },
  ],
};

const messages: Messages = {
  listeners: [...outbound, inbound],
  clusters: [
    { name: 'PassthroughCluster', type: 4 },
    { name: 'BlackHoleCluster' },
    {
      name: 'exact',
      load_assignment: { endpoints: [{ lb_endpoints: [{ endpoint: { address: socket('1.1.1.1', 1) } }] }] },
    },
    { name: 'v1', type: 3 },
    { name: 'v2', type: 3, eds_cluster_config: { service_name: 'other' } },
    { name: 'inbound|80||', type: 4, original_dst_lb_config: { upstream_port_override: { value: 8080 } } },
  ],
  endpoints: [
    { cluster_name: 'v1', endpoints: [{ lb_endpoints: [{ endpoint: { address: socket('10.1.0.1', 80) } }] }] },
    {
      cluster_name: 'other',
      endpoints: [
        { lb_endpoints: [{ health_status: 2, endpoint: { address: socket('10.1.0.2', 80) } }] },
        { priority: 1, lb_endpoints: [{ endpoint: { address: socket('10.1.0.3', 80) } }] },
      ],
    },
  ],
  routes: [
    {
      name: '9080',
      ignore_port_in_host_matching: true,
      virtual_hosts: [
        {
          name: 'reviews',
          domains: ['reviews', 'reviews.*'],
          routes: [
            {
              name: 'jason',
              match: { prefix: '/', headers: [{ name: 'end-user', string_match: { exact: 'jason' } }] },
              route: { cluster: 'v2' },
            },
            {
              name: 'rewritten',
              match: { path_separated_prefix: '/api' },
              route: { cluster: 'v1', prefix_rewrite: '/v1', host_rewrite_literal: 'inner', timeout: { seconds: 2 } },
              request_headers_to_add: [{ header: { key: 'x-a', value: 'b' }, append_action: 2 }],
              request_headers_to_remove: ['x-c'],
            },
            {
              name: 'moved',
              match: { path: '/old' },
              redirect: { host_redirect: 'new.example', path_redirect: '/n', https_redirect: true, response_code: 3 },
            },
            {
              name: 'teapot',
              match: { safe_regex: { regex: '/pot/[0-9]+' } },
              direct_response: { status: 418, body: { inline_string: 'short' } },
            },
            { name: 'gone', match: { path: '/gone' }, route: { cluster: 'nowhere' } },
            {
              name: 'split',
              match: { prefix: '/' },
              route: {
                weighted_clusters: {
                  clusters: [
                    { name: 'v1', weight: { value: 9 } },
                    { name: 'v2', weight: { value: 1 } },
                  ],
                },
              },
              typed_per_filter_config: {
                'envoy.filters.http.fault': typed('envoy.extensions.filters.http.fault.v3.HTTPFault', {
                  abort: { http_status: 500, percentage: { numerator: 8000, denominator: 1 } },
                }),
              },
            },
          ],
        },
        {
          name: 'wild',
          domains: ['*.example.com'],
          routes: [{ match: { prefix: '/' }, direct_response: { status: 200 } }],
        },
      ],
    },
  ],
};

const call = (over: Partial<Call>): Call => ({
  direction: 'outbound',
  address: '10.0.0.7',
  port: 9080,
  host: 'reviews',
  ...over,
});

const cases: readonly [string, Call, Outcome][] = [
  [
    'an address of its own',
    call({ address: '10.0.0.9', port: 9090, protocol: 'tcp' }),
    { listener: '10.0.0.9_9090', endpoints: ['1.1.1.1:1'] },
  ],
  [
    'an unknown port',
    call({ address: '8.8.8.8', port: 53, protocol: 'tcp' }),
    { chain: 'catch-all', endpoints: ['8.8.8.8:53'] },
  ],
  ['the proxy itself', call({ port: 15001, protocol: 'tcp' }), { chain: 'loop', endpoints: [] }],
  ['sniffed HTTP', call({}), { chain: 'http', route: 'split' }],
  ['bytes on a sniffed port', call({ protocol: 'tcp' }), { chain: 'default', endpoints: ['10.0.0.7:9080'] }],
  ['a range before what was sniffed', call({ address: '10.8.1.1' }), { chain: 'cidr' }],
  ['a server name', call({ tls: { sni: 'a.example.com' } }), { chain: 'sni' }],
  ['another server name', call({ tls: { sni: 'example.com' } }), { chain: 'default' }],
  [
    'weights',
    call({}),
    {
      choices: [
        { cluster: 'v1', percent: 90 },
        { cluster: 'v2', percent: 10 },
      ],
      endpoints: ['10.1.0.1:80', '10.1.0.3:80'],
      fault: { abort: { status: 500, percent: 80 } },
    },
  ],
  [
    'a header',
    call({ headers: { 'End-User': 'jason' } }),
    { route: 'jason', endpoints: ['10.1.0.3:80'], timeout: 15_000 },
  ],
  ['the port in the host is ignored', call({ host: 'reviews:9080' }), { virtualHost: 'reviews' }],
  ['a wildcard host', call({ host: 'x.example.com' }), { virtualHost: 'wild', response: { status: 200 } }],
  ['no virtual host', call({ host: 'example.com' }), { response: { status: 404 } }],
  [
    'rewrites',
    call({ path: '/api/items?x=1' }),
    {
      route: 'rewritten',
      path: '/v1/items',
      host: 'inner',
      timeout: 2000,
      requestHeaders: { set: { 'x-a': 'b' }, removed: ['x-c'] },
    },
  ],
  ['a prefix ends at a slash', call({ path: '/apis' }), { route: 'split' }],
  ['a redirect', call({ path: '/old' }), { response: { status: 307, location: 'https://new.example/n' } }],
  ['a regular expression', call({ path: '/pot/7' }), { response: { status: 418, body: 'short' } }],
  ['a regular expression wants it all', call({ path: '/pot/7x' }), { route: 'split' }],
  ['a missing cluster', call({ path: '/gone' }), { response: { status: 503 } }],
  [
    'mutual TLS',
    call({ direction: 'inbound', address: '10.1.0.9', port: 80, protocol: 'tcp', tls: mutualTls('spiffe://a') }),
    { chain: 'mtls', endpoints: ['10.1.0.9:8080'] },
  ],
  ['plaintext', call({ direction: 'inbound', address: '10.1.0.9', port: 80, protocol: 'tcp' }), { chain: 'plain' }],
  [
    'plaintext to a strict port',
    call({ direction: 'inbound', port: 81, protocol: 'tcp' }),
    { failure: 'plaintext on a TLS connection' },
  ],
  [
    'no certificate',
    call({ direction: 'inbound', port: 81, protocol: 'tcp', tls: {} }),
    { failure: 'no client certificate' },
  ],
  ['an inbound port without a chain', call({ direction: 'inbound', port: 82 }), { failure: 'no filter chain' }],
];

for (const [what, given, expected] of cases)
  test(`simulation: ${what}`, () => {
    assert.deepEqual(within(simulate(messages, given), expected), expected);
  });
