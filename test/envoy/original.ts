import type { Json } from '../../src/unknown.ts';

const any = (name: string, fields: object = {}): object => ({ '@type': `type.googleapis.com/${name}`, ...fields });

const regex = { regex: '/a.*' };
const header = (key: string, value: string): object => ({
  header: { key, value },
  append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
});

const route = {
  name: 'r',
  match: {
    safe_regex: regex,
    headers: [{ name: 'x', string_match: { exact: 'y' } }],
    query_parameters: [{ name: 'q', string_match: { prefix: 'p' } }],
    runtime_fraction: { default_value: { numerator: 1 } },
  },
  decorator: { operation: 'o' },
  route: {
    weighted_clusters: { clusters: [{ name: 'c', weight: 1, request_headers_to_remove: ['x'] }] },
    timeout: '1s',
    retry_policy: {
      retry_on: '5xx',
      num_retries: 1,
      per_try_timeout: '1s',
      retry_host_predicate: [
        {
          name: 'envoy.retry_host_predicates.previous_hosts',
          typed_config: any('envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate'),
        },
      ],
      host_selection_retry_max_attempts: 5,
      retry_back_off: { base_interval: '0.1s', max_interval: '1s' },
    },
    hash_policy: [{ cookie: { name: 'c', ttl: '1s', path: '/' } }, { header: { header_name: 'x' } }],
    request_mirror_policies: [{ cluster: 'c', runtime_fraction: { default_value: { numerator: 5 } } }],
    max_grpc_timeout: '1s',
  },
  request_headers_to_add: [header('x', 'y')],
  response_headers_to_remove: ['z'],
  typed_per_filter_config: {
    'envoy.filters.http.cors': any('envoy.extensions.filters.http.cors.v3.CorsPolicy', {
      allow_origin_string_match: [{ exact: 'a' }],
      max_age: '1',
    }),
    'envoy.filters.http.fault': any('envoy.extensions.filters.http.fault.v3.HTTPFault', {
      delay: { fixed_delay: '1s', percentage: { numerator: 1 } },
      abort: { http_status: 500, percentage: { numerator: 1 } },
    }),
  },
};

const connectionManager = any('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
  stat_prefix: 'x',
  server_name: 's',
  common_http_protocol_options: { idle_timeout: '1s', max_headers_count: 100 },
  http2_protocol_options: { max_concurrent_streams: 100, initial_stream_window_size: 65536 },
  stream_idle_timeout: '1s',
  access_log: [
    {
      name: 'envoy.access_loggers.file',
      filter: {
        and_filter: {
          filters: [
            { response_flag_filter: { flags: ['NR'] } },
            { status_code_filter: { comparison: { op: 'GE', value: { default_value: 400, runtime_key: 'k' } } } },
          ],
        },
      },
      typed_config: any('envoy.extensions.access_loggers.file.v3.FileAccessLog', {
        path: '/dev/null',
        log_format: { text_format_source: { inline_string: '%DURATION%' } },
      }),
    },
  ],
  route_config: {
    name: 'rc',
    virtual_hosts: [
      {
        name: 'v',
        domains: ['a.example.com'],
        routes: [route, { match: { prefix: '/' }, redirect: { path_redirect: '/b' } }],
      },
      {
        name: 'w',
        domains: ['*'],
        routes: [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'b' } } }],
        rate_limits: [{ actions: [{ generic_key: { descriptor_value: 'd' } }] }],
      },
    ],
  },
  http_filters: [
    { name: 'envoy.filters.http.cors', typed_config: any('envoy.extensions.filters.http.cors.v3.Cors') },
    { name: 'envoy.filters.http.fault', typed_config: any('envoy.extensions.filters.http.fault.v3.HTTPFault') },
    {
      name: 'envoy.filters.http.rbac',
      typed_config: any('envoy.extensions.filters.http.rbac.v3.RBAC', {
        rules: {
          policies: {
            p: {
              permissions: [
                {
                  and_rules: {
                    rules: [{ destination_port: 80 }, { header: { name: 'h', string_match: { suffix: 's' } } }],
                  },
                },
              ],
              principals: [
                { authenticated: { principal_name: { exact: 'a' } } },
                { source_ip: { address_prefix: '10.0.0.0', prefix_len: 8 } },
              ],
            },
          },
        },
      }),
    },
    {
      name: 'envoy.filters.http.jwt_authn',
      typed_config: any('envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication', {
        providers: {
          p: {
            issuer: 'i',
            remote_jwks: { http_uri: { uri: 'http://a/b', cluster: 'c', timeout: '1s' } },
            from_headers: [{ name: 'h' }],
            from_params: ['q'],
          },
        },
        rules: [{ match: { prefix: '/' }, requires: { provider_name: 'p' } }],
      }),
    },
    {
      name: 'envoy.filters.http.local_ratelimit',
      typed_config: any('envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit', {
        stat_prefix: 'l',
        token_bucket: { max_tokens: 1, fill_interval: '1s' },
      }),
    },
    { name: 'envoy.filters.http.router', typed_config: any('envoy.extensions.filters.http.router.v3.Router') },
  ],
});

/** A bootstrap that Envoy takes, with much of what proxies are sent in it. */
export const original = {
  static_resources: {
    listeners: [
      {
        name: 'l',
        address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
        listener_filters_timeout: '1s',
        listener_filters: [
          {
            name: 'envoy.filters.listener.tls_inspector',
            typed_config: any('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector'),
          },
        ],
        filter_chains: [
          {
            filter_chain_match: {
              prefix_ranges: [{ address_prefix: '10.0.0.0', prefix_len: 8 }],
              destination_port: 80,
            },
            filters: [{ name: 'hcm', typed_config: connectionManager }],
          },
          {
            filter_chain_match: { server_names: ['a.b'] },
            filters: [
              {
                name: 'tcp',
                typed_config: any('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', {
                  stat_prefix: 't',
                  weighted_clusters: { clusters: [{ name: 'c', weight: 1 }] },
                  idle_timeout: '1s',
                  max_connect_attempts: 3,
                  hash_policy: [{ source_ip: {} }],
                }),
              },
            ],
          },
        ],
      },
    ],
    clusters: [
      {
        name: 'c',
        type: 'STATIC',
        connect_timeout: '1s',
        lb_policy: 'RING_HASH',
        ring_hash_lb_config: { minimum_ring_size: 1024, maximum_ring_size: 2048 },
        outlier_detection: {
          consecutive_5xx: 5,
          interval: '1s',
          base_ejection_time: '1s',
          max_ejection_percent: 10,
          enforcing_success_rate: 0,
        },
        circuit_breakers: { thresholds: [{ max_connections: 1, retry_budget: { budget_percent: { value: 20 } } }] },
        common_lb_config: { healthy_panic_threshold: { value: 50 }, locality_weighted_lb_config: {} },
        upstream_connection_options: { tcp_keepalive: { keepalive_time: 1 } },
        max_requests_per_connection: 5,
        transport_socket: {
          name: 'envoy.transport_sockets.tls',
          typed_config: any('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
            sni: 's',
            common_tls_context: {
              alpn_protocols: ['h2'],
              tls_params: { tls_minimum_protocol_version: 'TLSv1_2' },
              validation_context: { match_typed_subject_alt_names: [] },
            },
          }),
        },
        load_assignment: {
          cluster_name: 'c',
          endpoints: [
            {
              locality: { region: 'r' },
              load_balancing_weight: 1,
              priority: 0,
              lb_endpoints: [
                {
                  endpoint: { address: { socket_address: { address: '10.0.0.1', port_value: 80 } } },
                  load_balancing_weight: 1,
                },
              ],
            },
          ],
        },
        typed_extension_protocol_options: {
          'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': any(
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
            {
              common_http_protocol_options: { idle_timeout: '1s' },
              explicit_http_config: { http2_protocol_options: { max_concurrent_streams: 5 } },
            },
          ),
        },
      },
    ],
  },
} as unknown as Json;
