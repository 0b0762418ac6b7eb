import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cluster } from '../../../src/proto/generated/envoy/config/cluster/v3.ts';
import type { LbEndpoint } from '../../../src/proto/generated/envoy/config/endpoint/v3.ts';
import { struct } from '../../../src/proto/wellknown.ts';
import type { Messages } from '../../support/translation.ts';
import { endpointsOf } from './cluster.ts';
import { assignedEndpoints, drainingOf, failoverOf } from './endpoint.ts';

const nothing: Messages = { listeners: [], clusters: [], endpoints: [], routes: [] };
const call = { direction: 'outbound', address: '10.0.0.7', port: 80 } as const;

const endpoint = (address: string, weight: number, over: Omit<LbEndpoint, 'endpoint_name'> = {}): LbEndpoint => ({
  load_balancing_weight: { value: weight },
  endpoint: { address: { socket_address: { address, port_value: 80 } } },
  ...over,
});

const DRAINING = 3;
const cluster: Cluster = {
  name: 'spread',
  transport_socket_matches: [{ name: 'mutual', match: struct({ tlsMode: 'istio' }) }, { name: 'plain' }],
  load_assignment: {
    endpoints: [
      {
        locality: { region: 'r1', zone: 'z1', sub_zone: 's1' },
        load_balancing_weight: { value: 80 },
        lb_endpoints: [
          endpoint('10.1.0.1', 3, {
            metadata: { filter_metadata: { 'envoy.transport_socket_match': struct({ tlsMode: 'istio' }) } },
          }),
          endpoint('10.1.0.2', 1),
          endpoint('10.1.0.3', 1, { health_status: DRAINING }),
        ],
      },
      { locality: { region: 'r2' }, load_balancing_weight: { value: 20 }, lb_endpoints: [endpoint('10.1.0.4', 4)] },
      { priority: 1, lb_endpoints: [endpoint('10.1.0.5', 1)] },
    ],
  },
};
const percents = (of: Cluster): readonly (readonly [string, number])[] =>
  assignedEndpoints(nothing, of).map(e => [e.address, e.percent]);

test('endpoints share by their weights', () =>
  assert.deepEqual(percents(cluster), [
    ['10.1.0.1:80', 37.5],
    ['10.1.0.2:80', 12.5],
    ['10.1.0.4:80', 50],
  ]));

test('localities share first where the cluster asks for it', () =>
  assert.deepEqual(percents({ ...cluster, common_lb_config: { locality_weighted_lb_config: {} } }), [
    ['10.1.0.1:80', 60],
    ['10.1.0.2:80', 20],
    ['10.1.0.4:80', 20],
  ]));

test('an endpoint knows where it is and how to talk to it', () => {
  const [first, second, third] = assignedEndpoints(nothing, cluster);
  assert.partialDeepStrictEqual(first, { locality: 'r1/z1/s1', transport: 'mutual' });
  assert.partialDeepStrictEqual(second, { locality: 'r1/z1/s1', transport: 'plain' });
  assert.partialDeepStrictEqual(third, { locality: 'r2' });
});

test('other priorities wait', () => assert.deepEqual(failoverOf(nothing, cluster), [['10.1.0.5:80']]));

test('a cluster that keeps sessions has draining endpoints', () => {
  assert.deepEqual(drainingOf(nothing, cluster), []);
  const keeping: Cluster = { ...cluster, common_lb_config: { override_host_status: { statuses: [1, DRAINING] } } };
  assert.deepEqual(drainingOf(nothing, keeping), ['10.1.0.3:80']);
});

test('a dynamic cluster has what was resolved', () => {
  const dynamic: Cluster = { name: 'dynamic', cluster_type: { name: 'envoy.clusters.dynamic_forward_proxy' } };
  assert.deepEqual(endpointsOf(nothing, dynamic, call, 'a.example:80'), ['a.example:80']);
  assert.deepEqual(endpointsOf(nothing, dynamic, call), []);
});
