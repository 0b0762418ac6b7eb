import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ObjectMeta } from '../../src/istio/object.ts';
import type { EnvoyBuild } from '../../src/model/proxy/traits.ts';
import { type ObjectKey, objectKey } from '../../src/object-key.ts';
import { typed, unpackAs } from '../../src/proto/any.ts';
import type { Cluster } from '../../src/proto/generated/envoy/config/cluster/v3.ts';
import type { ClusterLoadAssignment } from '../../src/proto/generated/envoy/config/endpoint/v3.ts';
import type { Listener } from '../../src/proto/generated/envoy/config/listener/v3.ts';
import type { Route, RouteConfiguration } from '../../src/proto/generated/envoy/config/route/v3.ts';
import type { HttpConnectionManager } from '../../src/proto/generated/envoy/extensions/filters/network/http_connection_manager/v3.ts';
import { configMetadata } from '../../src/translate/config-metadata.ts';
import { type ResourceName, resource } from '../../src/translate/resource.ts';
import { lookedAt, routeResource, virtualHost } from '../../src/translate/routes/route-resource.ts';
import { sendable } from '../../src/translate/sendable.ts';
import { fittingWeights, MOST_WEIGHT } from '../../src/translate/weights.ts';

const SERVICE = 'Service/default/web' as ObjectKey;
const REVIEWS: ObjectMeta = {
  key: objectKey('VirtualService', 'default', 'reviews'),
  name: 'reviews',
  namespace: 'default',
  labels: {},
  annotations: {},
  createdAt: 0,
  resourceVersion: '',
};
const build: EnvoyBuild = { version: [1, 40, 0], extensions: undefined, configPackages: undefined };

/** What is sent in place of a message, and the problems. */
function sent<M extends object>(
  type: ResourceName,
  message: M,
): { message: M | undefined; problems: readonly string[] } {
  const { parts, problems } = sendable(type, build, [[resource(type, 'n', message as never, [SERVICE])]]);
  assert.ok(problems.length > 0);
  return { message: parts[0]?.[0]?.message as M | undefined, problems: problems.map(p => `${p.object}: ${p.message}`) };
}

const route = (name: string, more: Partial<Route> = {}): Route =>
  ({ name, match: { prefix: `/${name}` }, route: { cluster: 'c' }, ...more }) as Route;

const longHeader = { header: { key: 'x', value: 'v'.repeat(16385) } };

describe('routes that Envoy would refuse', () => {
  const routes = (
    ...list: readonly Route[]
  ): { message: RouteConfiguration | undefined; problems: readonly string[] } =>
    sent('envoy.config.route.v3.RouteConfiguration', {
      name: 'n',
      virtual_hosts: [
        { name: 'a', domains: ['a'], routes: list },
        { name: 'b', domains: ['b'], routes: [route('b')] },
      ],
    });
  const named = (message: RouteConfiguration | undefined): readonly (readonly (string | undefined)[] | undefined)[] =>
    (message?.virtual_hosts ?? []).map(host => host.routes?.map(r => r.name));

  test('a header is left out alone', () => {
    const { message, problems } = routes(
      route('one', { request_headers_to_add: [longHeader, { header: { key: 'y', value: 'z' } }] }),
      route('two'),
    );
    assert.deepEqual(named(message), [['one', 'two'], ['b']]);
    assert.deepEqual(message?.virtual_hosts?.[0]?.routes?.[0]?.request_headers_to_add, [
      { header: { key: 'y', value: 'z' } },
    ]);
    assert.equal(problems.length, 1);
    assert.match(
      problems[0] ?? '',
      /^Service\/default\/web: RouteConfiguration n, virtual_hosts\[0\]\.routes\[0\]\.request_headers_to_add\[0\]\.header\.value: must have at most 16384 bytes, not "v+…: the header is left out$/,
    );
  });

  test('a route whose action is refused answers 500: its requests go nowhere else', () => {
    const { message } = routes(route('one', { route: { cluster: '' } }), route('two'));
    assert.deepEqual(message?.virtual_hosts?.[0]?.routes?.[0], {
      name: 'one',
      match: { prefix: '/one' },
      direct_response: { status: 500 },
    });
    assert.deepEqual(named(message), [['one', 'two'], ['b']]);
  });

  test('a route whose match is refused is left out', () => {
    const { message } = routes(route('one', { match: { safe_regex: { regex: '' } } }), route('two'));
    assert.deepEqual(named(message), [['two'], ['b']]);
  });

  test('a virtual host without domains is left out', () => {
    const { message } = sent<RouteConfiguration>('envoy.config.route.v3.RouteConfiguration', {
      name: 'n',
      virtual_hosts: [{ name: 'a' }, { name: 'b', domains: ['b'], routes: [route('b')] }],
    });
    assert.deepEqual(named(message), [['b']]);
  });

  test('the object that a route says it came from is named', () => {
    const { problems } = routes(
      route('one', {
        metadata: configMetadata(REVIEWS, 'VirtualService'),
        request_headers_to_add: [longHeader],
      }),
    );
    assert.match(problems[0] ?? '', /^VirtualService\/default\/reviews: /);
  });

  test('what is wrong with a route that was looked at before its virtual host was made is known', () => {
    const host = virtualHost({
      name: 'a',
      domains: ['a'],
      routes: lookedAt([route('one', { request_headers_to_add: [longHeader] })]),
    });
    const { faults } = routeResource('n', [host], true, []);
    assert.deepEqual(
      faults.map(fault => fault.path),
      [['virtual_hosts', 0, 'routes', 0, 'request_headers_to_add', 0, 'header', 'value']],
    );
  });
});

describe('listeners that Envoy would refuse', () => {
  const manager = (more: Partial<HttpConnectionManager>): HttpConnectionManager =>
    ({
      stat_prefix: 's',
      rds: { route_config_name: 'r', config_source: { ads: {} } },
      ...more,
    }) as HttpConnectionManager;
  const listener = (...managers: readonly HttpConnectionManager[]): Listener => ({
    name: 'n',
    address: { socket_address: { address: '0.0.0.0', port_value: 80 } },
    filter_chains: managers.map((config, i) => ({
      filter_chain_match: { destination_port: { value: i + 1 } },
      filters: [
        {
          name: 'hcm',
          typed_config: typed(
            'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
            config,
          ),
        },
      ],
    })),
  });
  const chains = (message: Listener | undefined) =>
    (message?.filter_chains ?? []).map(chain => chain.filters?.map(f => f.typed_config?.type_url?.split('.').at(-1)));

  test('an access log is left out alone', () => {
    const log = (path: string) => ({
      name: 'l',
      typed_config: typed('envoy.extensions.access_loggers.file.v3.FileAccessLog', { path }),
    });
    const { message } = sent(
      'envoy.config.listener.v3.Listener',
      listener(manager({ access_log: [log(''), log('/dev/null')] })),
    );
    const [filter] = message?.filter_chains?.[0]?.filters ?? [];
    assert.ok(filter?.typed_config);
    const { access_log } = unpackAs(
      'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
      filter.typed_config,
    );
    assert.equal(access_log?.length, 1);
  });

  test('the name of the server is left out alone', () => {
    const { message, problems } = sent('envoy.config.listener.v3.Listener', listener(manager({ server_name: 'a\nb' })));
    assert.deepEqual(chains(message), [['HttpConnectionManager']]);
    assert.match(problems[0] ?? '', /server_name: .*: the name of the server is left out$/);
  });

  test('a filter takes its chain along, which closes its connections; the other chains stay', () => {
    const bad = manager({
      http_filters: [
        {
          name: 'rbac',
          typed_config: typed('envoy.extensions.filters.http.rbac.v3.RBAC', { rules: { policies: { p: {} } } }),
        },
      ],
    });
    const { message, problems } = sent('envoy.config.listener.v3.Listener', listener(bad, manager({})));
    assert.deepEqual(chains(message), [['TcpProxy'], ['HttpConnectionManager']]);
    assert.deepEqual(message?.filter_chains?.[0]?.filter_chain_match, { destination_port: { value: 1 } });
    assert.match(problems[0] ?? '', /the connections of the filter chain are closed$/);
  });

  test('a listener without an address is not sent', () => {
    const { message } = sent<Listener>('envoy.config.listener.v3.Listener', {
      name: 'n',
      stat_prefix: 'x',
      listener_filters: [{ name: '' }],
    });
    assert.equal(message, undefined);
  });
});

describe('clusters and endpoints that Envoy would refuse', () => {
  test('what only adds to a cluster is left out', () => {
    const { message } = sent<Cluster>('envoy.config.cluster.v3.Cluster', {
      name: 'n',
      connect_timeout: { seconds: 1 },
      outlier_detection: { max_ejection_percent: { value: 101 } },
    });
    assert.deepEqual(message, { name: 'n', connect_timeout: { seconds: 1 } });
  });

  test('a cluster whose TLS is refused has no endpoints left: nothing goes out in plaintext', () => {
    const { message } = sent<Cluster>('envoy.config.cluster.v3.Cluster', {
      name: 'n',
      connect_timeout: { seconds: 1 },
      transport_socket: {
        name: 'tls',
        typed_config: typed('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', { sni: 's'.repeat(256) }),
      },
      load_assignment: {
        cluster_name: 'n',
        endpoints: [
          { lb_endpoints: [{ endpoint: { address: { socket_address: { address: '10.0.0.1', port_value: 80 } } } }] },
        ],
      },
    });
    assert.deepEqual(message, { name: 'n', connect_timeout: { seconds: 10 } });
  });

  test('an endpoint is left out alone', () => {
    const at = (address: string, port_value = 80) => ({
      endpoint: { address: { socket_address: { address, port_value } } },
    });
    const { message } = sent<ClusterLoadAssignment>('envoy.config.endpoint.v3.ClusterLoadAssignment', {
      cluster_name: 'n',
      endpoints: [{ lb_endpoints: [at('10.0.0.1'), at('10.0.0.2', 65536)] }],
    });
    assert.deepEqual(message?.endpoints, [{ lb_endpoints: [at('10.0.0.1')] }]);
  });
});

test('what Envoy takes stays the very list', () => {
  const list = [resource('envoy.config.cluster.v3.Cluster', 'n', { name: 'n' }, [])];
  const { parts, problems } = sendable('envoy.config.cluster.v3.Cluster', build, [list]);
  assert.equal(parts[0], list);
  assert.deepEqual(problems, []);
});

describe('weights', () => {
  test('stay what they are where their sum is taken', () => {
    const weights = [MOST_WEIGHT - 1, 1];
    assert.equal(fittingWeights(weights), weights);
  });
  for (const weights of [
    [MOST_WEIGHT, 1],
    [2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1],
    [MOST_WEIGHT, MOST_WEIGHT, 0, 1],
    Array(1000).fill(2 ** 31 - 1),
  ])
    test(`${weights.slice(0, 4)} keep their proportion within the largest sum`, () => {
      const fitted = fittingWeights(weights);
      const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
      assert.ok(sum(fitted) <= MOST_WEIGHT && sum(fitted) > MOST_WEIGHT * 0.99);
      assert.deepEqual(
        fitted.map(w => w > 0),
        weights.map(w => w > 0),
      );
      for (const [i, weight] of weights.entries())
        if (weight > 1000) assert.ok(Math.abs(((fitted[i] ?? 0) / sum(fitted)) * (sum(weights) / weight) - 1) < 1e-6);
    });
});
