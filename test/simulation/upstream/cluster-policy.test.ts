import assert from 'node:assert/strict';
import { test } from 'node:test';
import { typed } from '../../../src/proto/any.ts';
import type { Cluster } from '../../../src/proto/generated/envoy/config/cluster/v3.ts';
import type { LbEndpoint, LocalityLbEndpoints } from '../../../src/proto/generated/envoy/config/endpoint/v3.ts';
import { struct, uint32 } from '../../../src/proto/wellknown.ts';
import type { Call } from '../call.ts';
import { within } from '../within.ts';
import { clusterPolicyOf } from './cluster-policy.ts';

const messages = { clusters: [], endpoints: [], listeners: [], routes: [] };
const http: Call = { direction: 'outbound', address: '10.0.0.1', port: 80, host: 'a.example.com:80' };
const tcp: Call = { ...http, protocol: 'tcp' };

const endpoint = (address: string, weight: number, tlsMode?: string): LbEndpoint => ({
  endpoint: { address: { socket_address: { address, port_value: 80 } } },
  load_balancing_weight: uint32(weight),
  ...(tlsMode && { metadata: { filter_metadata: { 'envoy.transport_socket_match': struct({ tlsMode }) } } }),
});
const withEndpoints = (...endpoints: LocalityLbEndpoints[]): Cluster => ({ load_assignment: { endpoints } });

const tls = (sni?: string) => ({
  name: 'tls',
  typed_config: typed('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', { ...(sni && { sni }) }),
});
const matches: Cluster['transport_socket_matches'] = [
  { name: 'istio', match: struct({ tlsMode: 'istio' }), transport_socket: tls('outbound_.80') },
  { name: 'other', match: {} },
];
const HTTP = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const autoSni: Cluster = {
  transport_socket: tls('fixed'),
  typed_extension_protocol_options: {
    [HTTP]: typed(HTTP, { upstream_http_protocol_options: { auto_sni: true, auto_san_validation: true } }),
  },
};
const far: LocalityLbEndpoints = {
  locality: { region: 'r2', zone: 'z3' },
  load_balancing_weight: uint32(1),
  lb_endpoints: [endpoint('10.0.0.4', 1), endpoint('10.0.0.3', 2)],
};
const near: LocalityLbEndpoints = {
  locality: { region: 'r1', zone: 'z1', sub_zone: 's' },
  load_balancing_weight: uint32(3),
  lb_endpoints: [endpoint('10.0.0.2', 1)],
};

const cases: readonly [string, Cluster, Call, object][] = [
  ["Envoy's own", {}, tcp, { loadBalancer: 'ROUND_ROBIN', connectTimeout: 5000, minHealthPercent: 50 }],
  [
    "Envoy's own limits where a cluster says nothing",
    {},
    tcp,
    { limits: { connections: 1024, pendingRequests: 1024, requests: 1024, retries: 3 } },
  ],
  [
    'the first threshold of the default priority',
    {
      circuit_breakers: {
        thresholds: [
          { priority: 1, max_connections: uint32(1) },
          { max_connections: uint32(2), max_retries: uint32(4294967295), max_requests: {} },
          { max_connections: uint32(3) },
        ],
      },
    },
    tcp,
    { limits: { connections: 2, pendingRequests: 1024, requests: 0, retries: null } },
  ],
  [
    'what belongs to another balancer has no effect',
    { lb_policy: 3, round_robin_lb_config: { slow_start_config: {} } },
    tcp,
    { loadBalancer: 'RANDOM', warmup: null, ring: null },
  ],
  [
    'a warmup with defaults',
    { round_robin_lb_config: { slow_start_config: { slow_start_window: { seconds: 1 } } } },
    tcp,
    { warmup: { duration: 1000, minimumPercent: 10, aggression: 1 } },
  ],
  [
    "Envoy's outlier detection",
    { outlier_detection: {} },
    tcp,
    {
      outlierDetection: {
        consecutive5xx: 5,
        gatewayErrors: null,
        localOriginFailures: null,
        interval: 10_000,
        baseEjectionTime: 30_000,
        maxEjectionPercent: 10,
      },
    },
  ],
  [
    'failures to connect, once they are told apart',
    { outlier_detection: { split_external_local_origin_errors: true } },
    tcp,
    { outlierDetection: { localOriginFailures: 5 } },
  ],
  ['a panic threshold of zero', { common_lb_config: { healthy_panic_threshold: {} } }, tcp, { minHealthPercent: null }],
  ['HTTP is nothing to a connection', { max_requests_per_connection: uint32(1) }, tcp, { requestsPerConnection: null }],
  ['HTTP of a request', { max_requests_per_connection: uint32(1) }, http, { requestsPerConnection: 1 }],
  [
    'weights of localities',
    { ...withEndpoints(near, far), common_lb_config: { locality_weighted_lb_config: {} } },
    tcp,
    { localities: { 'r1/z1/s': 75, 'r2/z3': 25 } },
  ],
  ['weights that nobody asks for', withEndpoints(near, far), tcp, { localities: null }],
  [
    'TLS by the metadata of the endpoint',
    { ...withEndpoints({ lb_endpoints: [endpoint('10.0.0.2', 1, 'istio')] }), transport_socket_matches: matches },
    tcp,
    { upstreamTls: { sni: 'outbound_.80' } },
  ],
  [
    'no TLS to an endpoint without',
    { ...withEndpoints({ lb_endpoints: [endpoint('10.0.0.2', 1)] }), transport_socket_matches: matches },
    tcp,
    { upstreamTls: null },
  ],
  [
    'TLS to some is not TLS',
    {
      ...withEndpoints({ lb_endpoints: [endpoint('10.0.0.2', 1, 'istio'), endpoint('10.0.0.3', 1)] }),
      transport_socket_matches: matches,
    },
    tcp,
    { upstreamTls: null },
  ],
  [
    'the host of the request as the server name',
    { ...autoSni, load_assignment: { endpoints: [near] } },
    http,
    { upstreamTls: { sni: 'a.example.com' } },
  ],
  [
    'TLS to where the client said',
    { type: 4, transport_socket: tls('fixed') },
    tcp,
    { upstreamTls: { sni: 'fixed', certificate: null, authorities: null } },
  ],
];

for (const [what, cluster, call, expected] of cases)
  test(`the policy of a cluster: ${what}`, () => {
    assert.deepEqual(within(clusterPolicyOf(messages, cluster, call), expected), expected);
  });
