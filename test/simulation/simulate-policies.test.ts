import assert from 'node:assert/strict';
import { test } from 'node:test';
import { typed } from '../../src/proto/any.ts';
import type { FilterChain, Listener } from '../../src/proto/generated/envoy/config/listener/v3.ts';
import type { VirtualHost } from '../../src/proto/generated/envoy/config/route/v3.ts';
import type { HttpConnectionManager } from '../../src/proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import { bool, seconds, uint32 } from '../../src/proto/wellknown.ts';
import { type Call, mutualTls } from './call.ts';
import { simulate } from './simulate.ts';
import { within } from './within.ts';

const HCM = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const TLS = 'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';

const virtualHost: VirtualHost = {
  domains: ['*'],
  retry_policy: { retry_on: '5xx' },
  routes: [
    { match: { prefix: '/own' }, route: { cluster: 'a', retry_policy: { retry_on: 'reset' } } },
    { match: { prefix: '/' }, route: { cluster: 'a' } },
  ],
};
type Settings = Pick<
  HttpConnectionManager,
  | 'forward_client_cert_details'
  | 'generate_request_id'
  | 'http_filters'
  | 'merge_slashes'
  | 'server_name'
  | 'tracing'
  | 'xff_num_trusted_hops'
>;
const http = (settings: Settings = {}) => ({
  name: 'http',
  typed_config: typed(HCM, { ...settings, route_config: { virtual_hosts: [virtualHost] } }),
});
const file = {
  typed_config: typed('envoy.extensions.access_loggers.file.v3.FileAccessLog', {
    path: '/dev/stdout',
    log_format: { text_format_source: { inline_string: 'x' } },
  }),
};
const tracer = typed('envoy.config.trace.v3.ZipkinConfig', {
  collector_cluster: 'zipkin',
  collector_endpoint: '/spans',
  trace_id_128bit: true,
});

const listening = (chain: FilterChain, over: Partial<Listener> = {}): Listener => ({
  name: 'l',
  address: { socket_address: { address: '0.0.0.0', port_value: 80 } },
  filter_chains: [chain],
  ...over,
});
const plain = listening({ filters: [http()] });
const mutual = listening(
  {
    filters: [http()],
    transport_socket: {
      typed_config: typed(TLS, {
        common_tls_context: {
          combined_validation_context: {
            default_validation_context: { match_subject_alt_names: [{ prefix: 'spiffe://a/' }] },
          },
        },
      }),
    },
  },
  {
    listener_filters: [
      {
        name: 'tls',
        typed_config: typed('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector', {}),
      },
      { name: 'off', filter_disabled: { any_match: true } },
    ],
  },
);

const call: Call = { direction: 'outbound', address: '10.0.0.1', port: 80, host: 'a' };

const cases: readonly [string, Listener, Call, object][] = [
  ["a virtual host's retries", plain, call, { retry: { on: '5xx' } }],
  ["a route's own", plain, { ...call, path: '/own' }, { retry: { on: 'reset' } }],
  [
    'a listener',
    listening(
      { filters: [http()], transport_socket_connect_timeout: seconds(3) },
      {
        transparent: bool(true),
        connection_balance_config: { exact_balance: {} },
        listener_filters_timeout: seconds(1),
        tcp_backlog_size: uint32(9),
        socket_options: [{ level: 1, name: 2, int_value: 3 }],
      },
    ),
    call,
    {
      listenerPolicy: {
        transparent: true,
        balanced: true,
        inspectionTimeout: 1000,
        handshakeTimeout: 3000,
        backlog: 9,
        socketOptions: { '1/2': 3 },
        listenerFilters: null,
      },
    },
  ],
  [
    'a listener that says nothing',
    plain,
    call,
    { listenerPolicy: { transparent: null, balanced: null, handshakeTimeout: null, backlog: null } },
  ],
  [
    'a listener filter that is off',
    mutual,
    { ...call, tls: mutualTls('spiffe://a/x') },
    { listenerPolicy: { listenerFilters: ['tls'] }, tls: { subjectAltNames: ['spiffe://a/*'] }, failure: null },
  ],
  [
    'a certificate of somebody else',
    mutual,
    { ...call, tls: mutualTls('spiffe://b/x') },
    { failure: 'client certificate of another name' },
  ],
  [
    'an HTTP filter that is off',
    listening({ filters: [http({ http_filters: [{ name: 'a', disabled: true }, { name: 'b' }] })] }),
    call,
    { httpFilters: ['b'] },
  ],
  [
    'a connection that no chain takes is logged by the listener',
    listening({ filter_chain_match: { destination_port: uint32(1) } }, { access_log: [file] }),
    call,
    { failure: 'no filter chain', accessLogs: [{ to: '/dev/stdout', format: 'x' }] },
  ],
  ['nothing is logged', plain, call, { accessLogs: null, tracing: null }],
  [
    'a collector of Zipkin by its cluster',
    listening({ filters: [http({ tracing: { provider: { name: 'z', typed_config: tracer } } })] }),
    call,
    { tracing: { tracer: 'z', to: 'zipkin', uri: '/spans', longIds: true, sampling: 100, byRequestId: true } },
  ],
  [
    'a connection manager',
    listening({
      filters: [
        http({
          xff_num_trusted_hops: 1,
          merge_slashes: true,
          server_name: 'x',
          forward_client_cert_details: 1,
          generate_request_id: bool(false),
        }),
      ],
    }),
    call,
    {
      manager: {
        trustedHops: 1,
        normalizesPath: false,
        mergesSlashes: true,
        server: 'x',
        clientCert: 'FORWARD_ONLY',
        requestId: false,
        envoyHeaders: true,
      },
    },
  ],
  [
    "Envoy's connection manager",
    plain,
    call,
    { manager: { server: 'envoy', requestId: true, clientCert: 'SANITIZE' } },
  ],
];

for (const [what, listener, given, expected] of cases)
  test(`simulation: ${what}`, () => {
    const messages = { listeners: [listener], clusters: [{ name: 'a' }], endpoints: [], routes: [] };
    assert.deepEqual(within(simulate(messages, given), expected), expected);
  });
