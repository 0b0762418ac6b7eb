import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import { queryObjects, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { serve } from '../src/cli/commands.ts';
import { readArguments } from '../src/command.ts';
import type { Node } from '../src/proto/generated/envoy/config/core/v3.ts';
import { struct } from '../src/proto/wellknown.ts';
import { World } from '../src/world.ts';
import { meshObjects, virtualService } from './bench/mesh.ts';
import { objectOf } from './property/objects.ts';
import { AdsClient } from './support/ads-client.ts';
import { until } from './support/until.ts';

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

/** HELD_PROXIES=20000 asks for as many proxies as a large cluster restarts in a day. */
const PROXIES = Number(process.env['HELD_PROXIES'] ?? 500);
/** The first ones have code compiled and tables grown. */
const FIRST = 500;
/** The share that V8's own tables, which shrink later than their content, may differ by. */
const MOST_LEFT = 1.05;

/** A mesh in which every part of a Node makes a difference. */
const objects = [
  ...meshObjects({ services: 40, endpoints: 3 }),
  objectOf('VirtualService', 'asks', 'load', {
    spec: {
      hosts: ['svc-1'],
      http: [
        ...['a', 'b', 'c', 'd'].map(label => ({
          match: [{ sourceLabels: { [label]: 'set' } }],
          route: [{ destination: { host: 'svc-2' } }],
        })),
        { match: [{ sourceNamespace: 'load' }], route: [{ destination: { host: 'svc-3' } }] },
        { route: [{ destination: { host: 'svc-1' } }] },
      ],
    },
  }),
  objectOf('DestinationRule', 'selects', 'load', {
    spec: {
      host: 'svc-3',
      workloadSelector: { matchLabels: { a: 'set' } },
      trafficPolicy: { connectionPool: { tcp: { maxConnections: 3 } } },
    },
  }),
  objectOf('Sidecar', 'narrow', 'load', {
    spec: { workloadSelector: { labels: { b: 'set' } }, egress: [{ hosts: ['./svc-1.load.svc.cluster.local'] }] },
  }),
  objectOf('Sidecar', 'default', 'istio-system', { spec: { egress: [{ hosts: ['*/*'] }] } }),
  objectOf('AuthorizationPolicy', 'all', 'istio-system', {
    spec: { rules: [{ from: [{ source: { namespaces: ['load'] } }] }] },
  }),
  objectOf('EnvoyFilter', 'matches', 'istio-system', {
    spec: {
      configPatches: [
        {
          applyTo: 'CLUSTER',
          match: { proxy: { metadata: { MARK: 'red' } } },
          patch: { operation: 'MERGE', value: { connect_timeout: '3s' } },
        },
      ],
    },
  }),
  objectOf('Gateway', 'edge', 'load', {
    spec: {
      selector: { istio: 'ingress' },
      servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
    },
  }),
  objectOf('Service', 'headless', 'load', {
    spec: { clusterIP: 'None', selector: { app: 'db' }, ports: [{ name: 'tcp', port: 3306 }] },
  }),
  objectOf('Service', 'named', 'load', {
    spec: { clusterIP: '10.97.0.1', selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 'web' }] },
  }),
  objectOf('Service', 'local', 'load', {
    spec: {
      clusterIP: '10.97.0.2',
      internalTrafficPolicy: 'Local',
      selector: { app: 'web' },
      ports: [{ name: 'http', port: 80 }],
    },
  }),
];

/** The n-th proxy: no part of its Node is what that of another is. */
function nodeOf(n: number): Node {
  const namespace = n % 2 ? 'load' : `namespace-${n}`;
  const bit = (at: number): string => ((n >> at) & 1 ? 'set' : 'unset');
  const router = n % 16 === 5;
  const address = n % 7 ? `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}` : `2001:db8::${n.toString(16)}`;
  return {
    id: `${router ? 'router' : 'sidecar'}~${address}~proxy-${n}.${namespace}~namespace-${n}.svc.cluster.local`,
    cluster: `cluster-${n}`,
    locality: { region: `region-${n}`, zone: `zone-${n}` },
    user_agent_build_version: { version: { major_number: 1, minor_number: 40, patch: n } },
    extensions: [{ name: 'envoy.filters.http.router' }, { name: `extension-${n}` }],
    metadata: struct({
      CLUSTER_ID: `cluster-${n}`,
      DNS_CAPTURE: 'true',
      INSTANCE_IPS: address,
      ISTIO_VERSION: `1.31.${n}`,
      LABELS: {
        ...(router ? { istio: 'ingress' } : { app: ['web', 'db', `app-${n}`][n % 3] ?? '' }),
        ...{ a: bit(0), b: bit(1), c: bit(2), d: bit(3), version: `v${n}` },
        'service.istio.io/canonical-name': `name-${n}`,
      },
      MARK: `mark-${n}`,
      MESH_ID: `mesh-${n}`,
      NAMESPACE: namespace,
      NETWORK: `network-${n}`,
      NODE_NAME: `node-${n}`,
      POD_PORTS: JSON.stringify([{ name: 'web', containerPort: 1024 + n, protocol: 'TCP' }]),
      PROXY_CONFIG: { tracing: { zipkin: { address: `zipkin-${n}:9411` } } },
      SERVICE_ACCOUNT: `account-${n}`,
      TLS_CLIENT_KEY: `/keys/${n}`,
      UNREAD: `text-${n} `.repeat(1_000),
      WORKLOAD_NAME: `workload-${n}`,
    }),
  };
}

/** Starts `pilotlight serve` in this process, whose heap can be looked at. */
async function started(folder: string): Promise<{ readonly address: string; stop(): Promise<unknown> }> {
  const abort = new AbortController();
  const { promise: greeting, resolve } = Promise.withResolvers<string>();
  const args = [
    '--config',
    folder,
    '--xds-address',
    '127.0.0.1:0',
    '--http-address',
    '127.0.0.1:0',
    '--log-level',
    'error',
  ];
  const running = serve.run(readArguments(serve, args), {
    out: resolve,
    err: text => process.stderr.write(text),
    signal: abort.signal,
  });
  const address = /proxies connect to +(\S+)/.exec(await greeting)?.[1];
  assert.ok(address);
  return {
    address,
    stop() {
      abort.abort();
      return running;
    },
  };
}

/** A proxy that gets what it asks for, accepts it and goes. */
async function visit(address: string, n: number): Promise<void> {
  const client = new AdsClient(address, n % 2 ? 'delta' : 'sotw', nodeOf(n));
  client.autoAck = true;
  client.subscribe('cluster');
  client.subscribe('endpoint', [`outbound|80||svc-${n % 40}.load.svc.cluster.local`, `outbound|80||name-${n}`]);
  client.subscribe('listener');
  client.subscribe('route', ['80', `route-${n}`]);
  client.subscribe('nameTable');
  await Promise.all([client.next('cluster'), client.next('listener')]);
  await client.next('route');
  client.close();
  await client.ended;
}

/** Collects until `measure` gives at most `most`, and gives up after some rounds: weak values and what finalizers hold go in several steps. */
async function collected(most: number, measure: () => number): Promise<number> {
  for (let round = 1; ; round++) {
    for (let i = 0; i < 5; i++) {
      collect();
      await turn();
    }
    const measured = measure();
    if (measured <= most || round === 20) return measured;
    await pause(50);
  }
}

const liveHeap = (): number => process.memoryUsage().heapUsed;

test('what proxies say is held no longer than they are, and no world but the present one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'held-'));
  const write = (mark: string): void =>
    writeFileSync(
      join(folder, 'mesh.yaml'),
      // As JSON, in which `yes` is a text.
      [...objects, virtualService(7, mark)].map(o => `${JSON.stringify(o)}\n`).join('---\n'),
    );
  write('first');
  const plane = await started(folder);
  after(() => plane.stop());
  for (let n = 0; n < FIRST; n++) await visit(plane.address, n);
  const before = await collected(Number.POSITIVE_INFINITY, liveHeap);
  const most = before * MOST_LEFT;
  for (let n = FIRST; n < FIRST + PROXIES; n++) await visit(plane.address, n);
  const left = await collected(most, liveHeap);
  const each = Math.round((left - before) / PROXIES);
  assert.ok(left <= most, `${before} bytes before, ${left} after ${PROXIES} proxies: ${each} for each`);

  for (const mark of ['second', 'third']) {
    write(mark);
    const client = new AdsClient(plane.address, 'delta', nodeOf(1));
    client.autoAck = true;
    client.subscribe('route', ['80']);
    const arrived = () =>
      client.received.some(r => r.resources.some(({ any }) => Buffer.from(any.value ?? []).includes(mark)));
    await until(`the ${mark} world`, arrived);
    client.close();
    await client.ended;
  }
  assert.equal(await collected(1, () => queryObjects(World, { format: 'count' })), 1, 'worlds that can be reached');
});
