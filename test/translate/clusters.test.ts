import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AGENTLESS, endpoint, given, HEADLESS, ROUTER, rule, SHOP, SIDECAR, slice, world } from './clusters-world.ts';

const HOST = 'shop.default.svc.cluster.local';
const SHOP_CLUSTER = `outbound|80||${HOST}`;
const OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

const shopWith = (policy: string, who = SIDECAR) =>
  given(world(SHOP, rule('shop', `trafficPolicy: {${policy}}`)), who).cluster(SHOP_CLUSTER);

test('a sidecar has a cluster for each Service port and subset, for its own port, and the fallbacks', () => {
  const got = given(world(SHOP, rule('shop', 'subsets: [{name: v1, labels: {version: v1}}]')));
  assert.deepEqual(got.names, [
    'BlackHoleCluster',
    'InboundPassthroughCluster',
    'PassthroughCluster',
    'inbound|8080||',
    'outbound|80|v1|shop.default.svc.cluster.local',
    'outbound|80||client.default.svc.cluster.local',
    SHOP_CLUSTER,
  ]);
  assert.deepEqual(
    got.assignments,
    got.names.filter(name => name.startsWith('outbound')),
  );
  assert.deepEqual(got.resource(SHOP_CLUSTER)?.sources, ['Service/default/shop', 'DestinationRule/default/shop']);
});

test('a gateway has neither inbound nor passthrough clusters', () => {
  assert.deepEqual(given(world(SHOP), ROUTER).names, [
    'BlackHoleCluster',
    'outbound|80||client.default.svc.cluster.local',
    SHOP_CLUSTER,
  ]);
});

test('the plain cluster is what istiod sends', () => {
  const { transport_socket_matches, ...cluster } = given(world(SHOP)).cluster(SHOP_CLUSTER);
  assert.deepEqual(cluster, {
    name: SHOP_CLUSTER,
    alt_stat_name: `${SHOP_CLUSTER};`,
    type: 'EDS',
    eds_cluster_config: {
      eds_config: { ads: {}, initial_fetch_timeout: '0s', resource_api_version: 'V3' },
      service_name: SHOP_CLUSTER,
    },
    connect_timeout: '10s',
    lb_policy: 'LEAST_REQUEST',
    circuit_breakers: {
      thresholds: [
        {
          max_connections: 4294967295,
          max_pending_requests: 4294967295,
          max_requests: 4294967295,
          max_retries: 4294967295,
        },
      ],
    },
    common_lb_config: { healthy_panic_threshold: {} },
    metadata: { filter_metadata: { istio: { services: [{ host: HOST, name: 'shop', namespace: 'default' }] } } },
  });
  assert.match(
    JSON.stringify(transport_socket_matches),
    /"tlsMode-istio".*"exact":"spiffe:\/\/cluster.local\/ns\/default\/sa\/other".*sa\/shop-a.*outbound_\.80_\._\.shop.*"tlsMode-disabled"/,
  );
});

describe('load balancers', () => {
  const cases: readonly (readonly [string, object])[] = [
    ['simple: RANDOM', { lb_policy: 'RANDOM' }],
    ['simple: ROUND_ROBIN', { lb_policy: undefined }],
    [
      'consistentHash: {httpHeaderName: x}',
      { lb_policy: 'RING_HASH', ring_hash_lb_config: { minimum_ring_size: '1024' } },
    ],
    [
      'consistentHash: {useSourceIp: true, maglev: {tableSize: 131}}',
      { lb_policy: 'MAGLEV', maglev_lb_config: { table_size: '131' } },
    ],
    ['simple: PASSTHROUGH', { lb_policy: 'CLUSTER_PROVIDED', type: 'ORIGINAL_DST', eds_cluster_config: undefined }],
    [
      'simple: ROUND_ROBIN, warmup: {duration: 3s}',
      {
        lb_policy: undefined,
        round_robin_lb_config: {
          slow_start_config: {
            slow_start_window: '3s',
            aggression: { default_value: 1, runtime_key: '(' },
            min_weight_percent: { value: 10 },
          },
        },
      },
    ],
  ];
  for (const [settings, expected] of cases) {
    test(settings, () => {
      const cluster = shopWith(`loadBalancer: {${settings}}`);
      for (const [field, value] of Object.entries(expected)) assert.deepEqual(cluster[field], value, field);
    });
  }
});

test('connection pool, outlier detection and retry budget', () => {
  const cluster = shopWith(`
    connectionPool: {tcp: {maxConnections: 5, connectTimeout: 2s, tcpKeepalive: {time: 60s}}, http: {http1MaxPendingRequests: 6, idleTimeout: 7s}},
    outlierDetection: {consecutive5xxErrors: 0, consecutiveGatewayErrors: 3, minHealthPercent: 40},
    retryBudget: {percent: 25}`);
  assert.equal(cluster['connect_timeout'], '2s');
  assert.deepEqual(cluster['circuit_breakers'], {
    thresholds: [
      {
        max_connections: 5,
        max_pending_requests: 6,
        max_requests: 4294967295,
        max_retries: 4294967295,
        retry_budget: { budget_percent: { value: 25 }, min_retry_concurrency: 3 },
      },
    ],
  });
  assert.deepEqual(cluster['upstream_connection_options'], { tcp_keepalive: { keepalive_time: 60 } });
  assert.deepEqual(cluster['outlier_detection'], {
    enforcing_success_rate: 0,
    consecutive_5xx: 0,
    enforcing_consecutive_5xx: 0,
    consecutive_gateway_failure: 3,
    enforcing_consecutive_gateway_failure: 100,
  });
  assert.deepEqual(cluster['common_lb_config'], { healthy_panic_threshold: { value: 40 } });
  assert.deepEqual(cluster['typed_extension_protocol_options'], {
    [OPTIONS]: {
      '@type': `type.googleapis.com/${OPTIONS}`,
      common_http_protocol_options: { idle_timeout: '7s' },
      explicit_http_config: { http_protocol_options: {} },
    },
  });
});

test('a port level replaces the whole policy, a subset overrides it block by block', () => {
  const got = given(
    world(
      SHOP,
      rule(
        'shop',
        `trafficPolicy: {loadBalancer: {simple: RANDOM}, connectionPool: {tcp: {maxConnections: 5}}, portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 9}}}]},
         subsets: [{name: v1, labels: {version: v1}, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}]`,
      ),
    ),
  );
  const main = got.cluster(SHOP_CLUSTER);
  assert.equal(main['lb_policy'], 'LEAST_REQUEST');
  const subset = got.cluster(`outbound|80|v1|${HOST}`);
  assert.equal(subset['lb_policy'], undefined);
  for (const cluster of [main, subset])
    assert.match(JSON.stringify(cluster['circuit_breakers']), /"max_connections":9/);
});

describe('TLS', () => {
  const socket = (policy: string, who = SIDECAR): string => {
    const { transport_socket, transport_socket_matches } = shopWith(policy, who);
    return JSON.stringify({ transport_socket, transport_socket_matches });
  };

  test('DISABLE', () => assert.equal(socket('tls: {mode: DISABLE}'), '{}'));
  test('ISTIO_MUTUAL', () => {
    const text = socket('tls: {mode: ISTIO_MUTUAL, subjectAltNames: ["spiffe://a/b"]}');
    assert.match(
      text,
      /^{"transport_socket":.*"alpn_protocols":\["istio"\].*"exact":"spiffe:\/\/a\/b".*outbound_\.80_/,
    );
  });
  test('SIMPLE takes SNI and name from the request, and roots from the agent', () => {
    const cluster = shopWith('tls: {mode: SIMPLE}');
    assert.match(JSON.stringify(cluster['transport_socket']), /file-root:system/);
    assert.match(
      JSON.stringify(cluster['typed_extension_protocol_options']),
      /"auto_sni":true,"auto_san_validation":true/,
    );
    assert.match(JSON.stringify(cluster['metadata']), /"alpn_override":"false"/);
  });
  test('SIMPLE with insecureSkipVerify checks nothing', () => {
    assert.match(
      socket('tls: {mode: SIMPLE, sni: a.b, insecureSkipVerify: true}'),
      /"validation_context":{}.*"sni":"a.b"/,
    );
  });
  test('MUTUAL with files', () => {
    const text = socket('tls: {mode: MUTUAL, clientCertificate: /c, privateKey: /k, caCertificates: /ca}');
    assert.match(text, /file-cert:\/c~\/k.*file-root:\/ca/);
  });
  test('a credential is for gateways, and for sidecars only where the rule selects them', () => {
    const policy = 'tls: {mode: SIMPLE, credentialName: shop-ca}';
    assert.match(socket(policy, ROUTER), /"name":"kubernetes:\/\/shop-ca-cacert","sds_config":{"ads":{}/);
    assert.equal(socket(policy), '{}');
    assert.deepEqual(
      given(world(SHOP, rule('shop', `trafficPolicy: {${policy}}`))).problems.map(p => [p.object, p.path]),
      [['DestinationRule/default/shop', 'spec.trafficPolicy.tls']],
    );
    const selecting = `workloadSelector: {matchLabels: {app: client}}, trafficPolicy: {${policy}}`;
    assert.match(
      JSON.stringify(given(world(SHOP, rule('shop', selecting))).cluster(SHOP_CLUSTER)),
      /kubernetes:\/\/shop-ca-cacert/,
    );
  });
  test('a PROXY protocol header goes before everything', () => {
    assert.match(
      socket('proxyProtocol: {version: V2}'),
      /"tlsMode-istio".*upstream_proxy_protocol.*"version":"V2".*UpstreamTlsContext/,
    );
  });
  test('a mesh without automatic mutual TLS, or a server without it, is spoken to in plaintext', () => {
    const off =
      'apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: off, namespace: default}\nspec: {mtls: {mode: DISABLE}}';
    const cluster = given(world(SHOP, off)).cluster(SHOP_CLUSTER);
    assert.equal(cluster['transport_socket_matches'], undefined);
  });
});

test("Istio's own build exchanges metadata with servers, and offers it as a protocol", () => {
  const got = given(world(SHOP), { ...SIDECAR, extensions: ['envoy.filters.network.metadata_exchange'] });
  for (const name of [SHOP_CLUSTER, 'PassthroughCluster'])
    assert.match(JSON.stringify(got.cluster(name)['filters']), /istio.metadata_exchange/);
  assert.match(JSON.stringify(got.cluster(SHOP_CLUSTER)), /"alpn_protocols":\["istio-peer-exchange","istio"\]/);
  assert.equal(got.cluster('InboundPassthroughCluster')['filters'], undefined);
});

describe('a proxy without an agent', () => {
  test('speaks plaintext within the mesh', () => {
    const cluster = given(world(SHOP), AGENTLESS).cluster(SHOP_CLUSTER);
    assert.equal(cluster['transport_socket_matches'], undefined);
    assert.equal(cluster['transport_socket'], undefined);
  });
  test('reads certificate files itself', () => {
    const text = JSON.stringify(
      shopWith('tls: {mode: MUTUAL, clientCertificate: /c, privateKey: /k}', AGENTLESS)['transport_socket'],
    );
    assert.match(
      text,
      /"certificate_chain":{"filename":"\/c"}.*"trusted_ca":{"filename":"\/etc\/ssl\/certs\/ca-certificates.crt"}/,
    );
    assert.doesNotMatch(text, /sds/);
  });
  test('is told why ISTIO_MUTUAL is not used', () => {
    const got = given(world(SHOP, rule('shop', 'trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}')), AGENTLESS);
    assert.equal(got.cluster(SHOP_CLUSTER)['transport_socket'], undefined);
    assert.match(got.problems[0]?.message ?? '', /needs a certificate/);
  });
});

test('a headless Service is reached where the client says, with mutual TLS where all its pods have sidecars', () => {
  const name = 'outbound|80||direct.default.svc.cluster.local';
  const all = world(SHOP, HEADLESS, slice('direct', endpoint('10.0.0.2', 'shop-a', 'near')));
  assert.equal(given(all).cluster(name)['type'], 'ORIGINAL_DST');
  assert.match(JSON.stringify(given(all).cluster(name)['transport_socket']), /UpstreamTlsContext/);
  assert.equal(given(all, ROUTER).cluster(name)['type'], 'EDS');

  const some = slice('direct', endpoint('10.0.0.2', 'shop-a', 'near'), endpoint('10.0.0.1', 'client', 'near'));
  assert.equal(given(all.apply(some)).cluster(name)['transport_socket'], undefined);
});

describe('ServiceEntries', () => {
  const entry = (spec: string): string =>
    `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: ext, namespace: default}\nspec: {${spec}}`;
  const ports = 'ports: [{number: 443, name: tls, protocol: TLS}]';

  test('DNS: the endpoints are part of the cluster', () => {
    const cluster = given(
      world(SHOP, entry(`hosts: [a.example], location: MESH_EXTERNAL, resolution: DNS, ${ports}`)),
    ).cluster('outbound|443||a.example');
    assert.equal(cluster['type'], 'STRICT_DNS');
    assert.equal(cluster['dns_lookup_family'], 'V4_ONLY');
    assert.match(JSON.stringify(cluster['load_assignment']), /"address":"a.example","port_value":443/);
    assert.match(JSON.stringify(cluster['metadata']), /"external":true/);
  });
  test('DNS: a subset without endpoints has no cluster, and a problem says so', () => {
    const got = given(
      world(
        SHOP,
        entry(`hosts: [a.example], location: MESH_EXTERNAL, resolution: DNS_ROUND_ROBIN, ${ports}`),
        rule('a.example', 'subsets: [{name: v1, labels: {version: v1}}]'),
      ),
    );
    assert.equal(got.cluster('outbound|443||a.example')['type'], 'LOGICAL_DNS');
    assert.equal(got.resource('outbound|443|v1|a.example'), undefined);
    assert.deepEqual(
      got.problems.map(p => [p.object, p.severity]),
      [['ServiceEntry/default/ext', 'warning']],
    );
  });
  test('NONE: another port than the client asked for', () => {
    const spec =
      'hosts: [a.example], location: MESH_EXTERNAL, resolution: NONE, ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]';
    const cluster = given(world(SHOP, entry(spec))).cluster('outbound|80||a.example');
    assert.deepEqual(cluster['original_dst_lb_config'], { upstream_port_override: 8080 });
  });
  test('DYNAMIC_DNS: a forward proxy that survives outlier detection', () => {
    const got = given(
      world(
        SHOP,
        entry(`hosts: ["*.a.example"], location: MESH_EXTERNAL, resolution: DYNAMIC_DNS, ${ports}`),
        rule('*.a.example', 'trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}'),
      ),
    );
    const cluster = got.cluster('outbound|443||*.a.example');
    assert.match(JSON.stringify(cluster['cluster_type']), /"name":"\*\.a\.example_dfp_dns_cache"/);
    assert.deepEqual(cluster['common_lb_config'], { healthy_panic_threshold: {} });
    assert.deepEqual(
      got.assignments.filter(name => name.includes('a.example')),
      [],
    );
  });
});

describe('inbound clusters', () => {
  const sidecar = (spec: string): string =>
    `apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {name: s, namespace: default}\nspec: {${spec}}`;

  test('send on to where the connection was meant to go', () => {
    const cluster = given(world(SHOP)).cluster('inbound|8080||');
    assert.equal(cluster['type'], 'ORIGINAL_DST');
    assert.deepEqual(cluster['upstream_bind_config'], { source_address: { address: '127.0.0.6', port_value: 0 } });
    assert.equal(cluster['cleanup_interval'], '9223372035s');
  });
  test('take the connection pool of the rule for their Service, and of the Sidecar before it', () => {
    const pool = rule('client', 'trafficPolicy: {connectionPool: {tcp: {maxConnections: 5}}}');
    assert.match(JSON.stringify(given(world(SHOP, pool)).cluster('inbound|8080||')), /"max_connections":5,/);
    const over = sidecar('inboundConnectionPool: {tcp: {maxConnections: 6}}');
    assert.match(JSON.stringify(given(world(SHOP, pool, over)).cluster('inbound|8080||')), /"max_connections":6,/);
  });
  test('are the ingress listeners of a Sidecar that has any', () => {
    const ports = `ingress: [
      {port: {number: 9000, name: http, protocol: HTTP}, defaultEndpoint: "127.0.0.1:9001"},
      {port: {number: 9002, name: grpc, protocol: GRPC}, defaultEndpoint: "unix:///tmp/app"},
      {port: {number: 9003, name: tcp, protocol: TCP}, defaultEndpoint: "0.0.0.0:9004"}]`;
    const got = given(world(SHOP, sidecar(ports)));
    assert.deepEqual(
      got.names.filter(name => name.startsWith('inbound')),
      ['inbound|9000||', 'inbound|9002||', 'inbound|9003||'],
    );
    const assigned = (port: number): string => JSON.stringify(got.cluster(`inbound|${port}||`)['load_assignment']);
    assert.match(assigned(9000), /"address":"127.0.0.1","port_value":9001/);
    assert.match(assigned(9002), /"pipe":{"path":"\/tmp\/app"}/);
    assert.match(assigned(9003), /"address":"10.0.0.1","port_value":9004/);
    assert.equal(got.cluster('inbound|9000||')['upstream_bind_config'], undefined);
  });
});

describe('what did not change is the same object', () => {
  test('no cluster is made again for an endpoint', () => {
    const w = world(SHOP);
    const before = given(w);
    w.apply(slice('shop', endpoint('10.0.0.2', 'shop-a', 'near')));
    const after = given(w);
    assert.notEqual(after.assigned(SHOP_CLUSTER), before.assigned(SHOP_CLUSTER));
    const other = 'outbound|80||client.default.svc.cluster.local';
    assert.equal(after.resource(other), before.resource(other));
  });
  test('an endpoint that brings no new identity keeps the whole list', () => {
    const w = world(SHOP, HEADLESS, slice('direct', endpoint('10.0.0.2', 'shop-a', 'near')));
    const before = given(w);
    w.apply(
      slice(
        'shop',
        endpoint('10.0.0.2', 'shop-a', 'near'),
        endpoint('10.0.0.3', 'shop-b', 'next'),
        endpoint('10.0.0.4', 'shop-c', 'far', 'ready: false, terminating: false'),
      ),
    );
    for (const [i, part] of given(w).parts.entries()) assert.equal(part, before.parts[i]);
  });
  test('a rule makes only its own Service again', () => {
    const w = world(SHOP);
    const before = given(w);
    w.apply(rule('shop', 'trafficPolicy: {loadBalancer: {simple: RANDOM}}'));
    const changed = given(w).list.filter(r => !before.list.includes(r));
    assert.deepEqual(
      changed.map(r => r.name),
      [SHOP_CLUSTER],
    );
  });
  test('proxies on different nodes share their clusters', () => {
    const w = world(SHOP);
    const there = { ...SIDECAR, metadata: { ...SIDECAR.metadata, NODE_NAME: 'far' } };
    for (const cluster of given(w).list) assert.equal(given(w, there).resource(cluster.name), cluster);
  });
});

test('a VirtualService changes neither clusters nor their endpoints', () => {
  const w = world(SHOP);
  const before = given(w);
  w.apply(
    'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: shop, namespace: default}\nspec: {hosts: [shop], http: [{route: [{destination: {host: shop}}]}]}',
  );
  const after = given(w);
  for (const [i, part] of after.parts.entries()) assert.equal(part, before.parts[i]);
  assert.equal(after.assigned(SHOP_CLUSTER), before.assigned(SHOP_CLUSTER));
});
