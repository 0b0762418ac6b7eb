import assert from 'node:assert/strict';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, test } from 'node:test';
import { typed } from '../../src/proto/any.ts';
import { AdsServer } from '../../src/xds/ads-server.ts';
import type { Protocol } from '../../src/xds/frame.ts';
import { encodeResource, type Snapshot, snapshot } from '../../src/xds/resource-set.ts';
import { type Envoy, envoyMissing, startEnvoy } from '../support/envoy.ts';
import { freePorts } from '../support/free-ports.ts';
import { servePort } from '../support/grpc-port.ts';
import { HANGING_MS, until } from '../support/until.ts';
import { resourceSet } from './made-up.ts';

const missing = await envoyMissing();

const ads = { ads: {}, resource_api_version: 2 } as const;

const cluster = (name: string, timeout = 1) =>
  encodeResource('cluster', {
    name,
    type: 3,
    connect_timeout: { seconds: timeout },
    eds_cluster_config: { eds_config: ads },
  });

const endpoint = (name: string, ...ports: readonly number[]) =>
  encodeResource('endpoint', {
    cluster_name: name,
    endpoints: [
      {
        lb_endpoints: ports.map(port => ({
          endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
        })),
      },
    ],
  });

const listener = (port: number) =>
  encodeResource('listener', {
    name: 'http',
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [
      {
        filters: [
          {
            name: 'http',
            typed_config: typed('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
              stat_prefix: 'http',
              rds: { route_config_name: 'routes', config_source: ads },
              http_filters: [
                { name: 'router', typed_config: typed('envoy.extensions.filters.http.router.v3.Router', {}) },
              ],
            }),
          },
        ],
      },
    ],
  });

const route = (to: string) =>
  encodeResource('route', {
    name: 'routes',
    virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: to } }] }],
  });

/** A mesh of one listener whose one route goes to one cluster. */
const meshOf = (port: number, name: string, upstream: number, timeout = 1): Snapshot =>
  snapshot({
    cluster: resourceSet('cluster', [cluster(name, timeout)]),
    endpoint: resourceSet('endpoint', [endpoint(name, upstream)]),
    listener: resourceSet('listener', [listener(port)]),
    route: resourceSet('route', [route(name)]),
  });

const portOf = (server: HttpServer): number => (server.address() as AddressInfo).port;

async function upstream(text: string): Promise<number> {
  const server = createServer((_, response) => response.end(text));
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return portOf(server);
}

const bootstrap = (protocol: Protocol, admin: number, xds: number): string =>
  JSON.stringify({
    node: { id: 'made-up', cluster: 'made-up' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: admin } } },
    dynamic_resources: {
      ads_config: {
        api_type: protocol === 'delta' ? 'DELTA_GRPC' : 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
      },
      cds_config: { ads: {}, resource_api_version: 'V3' },
      lds_config: { ads: {}, resource_api_version: 'V3' },
    },
    static_resources: {
      clusters: [
        {
          name: 'xds',
          type: 'STATIC',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: 'xds',
            endpoints: [
              {
                lb_endpoints: [
                  { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: xds } } } },
                ],
              },
            ],
          },
        },
      ],
    },
  });

for (const protocol of ['sotw', 'delta'] as const) {
  describe(`a real Envoy in ${protocol}`, { skip: missing, timeout: 3_600_000 }, () => {
    test('loses no request while its only cluster is replaced again and again, and rejects nothing', async () => {
      const [red, blue, port, admin] = await Promise.all([upstream('red'), upstream('blue'), freePorts(), freePorts()]);
      let mesh = meshOf(port, 'red-0', red);
      const nacks: string[] = [];
      const server = new AdsServer<null>(
        {
          connect: () => ({ ok: true, client: null }),
          snapshot: () => mesh,
          onNack: (_, type, { message }) => void nacks.push(`${type}: ${message}`),
        },
        { grace: HANGING_MS },
      );
      const served = await servePort(server.methods);
      const envoy: Envoy = await startEnvoy({
        bootstrap: bootstrap(protocol, admin, served.port),
        admin: `127.0.0.1:${admin}`,
      });
      after(async () => {
        await envoy.stop();
        await served.stop();
        server.close();
      });
      const get = async (): Promise<string> => {
        const response = await fetch(`http://127.0.0.1:${port}/`);
        return `${response.status} ${await response.text()}`;
      };
      await until('the first answer', async () => (await get()) === '200 red');

      const answers = new Map<string, number>();
      let requesting = true;
      const requests = Array.from({ length: 4 }, async () => {
        while (requesting) {
          const answer = await get();
          answers.set(answer, (answers.get(answer) ?? 0) + 1);
        }
      });
      for (let i = 1; i <= 10; i++) {
        const [name, to] = i % 2 ? ['blue', blue] : ['red', red];
        // A cluster with a new name, or one that only changes and has to be warmed again.
        mesh = i % 5 === 0 ? meshOf(port, `${name}-${i}`, to, 2) : meshOf(port, `${name}-${i}`, to);
        server.push();
        await until(`${name} of round ${i}`, async () => (await get()) === `200 ${name}`);
        if (i % 3 === 0) {
          mesh = meshOf(port, `${name}-${i}`, to, 7);
          server.push();
        }
        await until('everything to be acknowledged', () => [...server.connections].every(c => c.settled));
      }
      requesting = false;
      await Promise.all(requests);
      assert.deepEqual([...answers.keys()].sort(), ['200 blue', '200 red'], JSON.stringify([...answers]));
      assert.deepEqual(nacks, []);
      for (const name of ['cluster_manager.cds', 'listener_manager.lds', 'http.http.rds.routes']) {
        assert.equal(await envoy.stat(`${name}.update_rejected`), 0);
      }
      const { cluster_statuses } = JSON.parse(await envoy.admin('/clusters?format=json')) as {
        cluster_statuses: readonly { readonly name: string }[];
      };
      assert.deepEqual(cluster_statuses.map(c => c.name).sort(), ['red-10', 'xds']);
    });
  });
}
