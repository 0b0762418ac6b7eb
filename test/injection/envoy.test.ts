import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { createServer as createGrpcServer } from 'node:http2';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, createServer as createTcpServer, type Server as NetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { injectPod } from '../../src/injection/inject.ts';
import type { Pod } from '../../src/injection/pod.ts';
import { selfSigned } from '../support/certificate.ts';
import { envoyMissing, findEnvoy } from '../support/envoy.ts';
import { loopbackNetwork } from '../support/local-pod.ts';
import { type Serve, startServe } from '../support/serve.ts';
import { until } from '../support/until.ts';
import { settingsOf } from './case.ts';
import { proxyArguments } from './kubelet.ts';

const address = loopbackNetwork();
/** Where the app listens, and what is localhost to the pod. */
const [pod, localhost] = [address(1), address(2)];

/** The app, and what it was asked last. */
const app = { ready: true, alive: true, metrics: 200, asked: '', headers: {} as IncomingHttpHeaders };

const listening = async (server: NetServer | Server, host: string): Promise<number> => {
  server.listen(0, host);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
};

const http = () =>
  createServer((request, response) => {
    Object.assign(app, { asked: request.url, headers: request.headers });
    const page = request.url === '/m%01' ? app.metrics : request.url === '/ready' && !app.ready ? 503 : 200;
    if (request.url === '/moved') response.writeHead(302, { location: '/elsewhere' }).end();
    else response.writeHead(page).end(page === 200 ? 'app_requests_total 7\n' : '');
  });

/** Answers every call as grpc.health.v1.Health/Check: SERVING or NOT_SERVING. */
const grpc = () =>
  createGrpcServer().on('stream', stream => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.from([0, 0, 0, 0, 2, 0x08, app.alive ? 1 : 2]));
  });

describe('an Envoy that is started as the kubelet would start that of an injected pod', {
  skip: await envoyMissing(),
}, () => {
  const servers: (Server | NetServer)[] = [];
  let serve: Serve;
  let folder: string;
  const ended: { code?: number | null } = {};
  let stop = async (): Promise<void> => {};
  let tcp: NetServer;

  /** What the pod's status port, or another one, answers. Of an app that takes longer than a probe waits, as on a busy machine, it is 504. */
  const ask = (path: string, port = 15020) => fetch(`http://${pod}:${port}${path}`);
  const answers = (path: string, status: number) =>
    until(`${path} to answer ${status}`, async () => (await ask(path)).status === status);

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'injected-'));
    writeFileSync(join(folder, 'none.yaml'), '# nothing\n');
    serve = await startServe(folder, { host: address(3) });
    const { certificate: cert, key } = await selfSigned('app');
    tcp = createTcpServer(socket => socket.end());
    const all = {
      web: http(),
      tls: createTlsServer({ cert, key }, http().listeners('request')[0] as never),
      tcp,
      rpc: grpc(),
    };
    const ports: { [name in keyof typeof all]?: number } = {};
    for (const [name, server] of Object.entries(all)) {
      servers.push(server as NetServer);
      ports[name as keyof typeof all] = await listening(server as NetServer, pod);
    }
    const metrics = http();
    servers.push(metrics);
    const written = podWith(ports, await listening(metrics, localhost), serve.xds);
    const injection = injectPod(written, settingsOf({ values: '{}', mesh: '' }), { namespace: 'shop', native: true });
    assert.ok(injection.kind === 'inject', JSON.stringify(injection));
    const running = {
      name: 'web-1',
      namespace: 'shop',
      serviceAccount: 'web',
      node: 'n',
      ips: [pod, 'fd00::1'],
      cpus: 1,
    };
    const args = proxyArguments(injection.pod, running).map(arg => arg.replaceAll('127.0.0.1', localhost));
    const envoy = spawn(await findEnvoy(), args, { stdio: 'inherit' });
    envoy.once('exit', code => {
      ended.code = code;
    });
    stop = async () => {
      if (!envoy.kill('SIGKILL')) return;
      await once(envoy, 'exit');
    };
  });
  after(async () => {
    await stop();
    await serve?.stop();
    for (const server of servers) server.close();
    rmSync(folder, { recursive: true });
  });

  test('it is ready once it has what it is to do', async () => {
    await until('15021', async () => (await ask('/healthz/ready', 15021)).status === 200);
    assert.equal((await ask('/healthz/ready')).status, 200);
    assert.equal((await ask('/anything', 15021)).status, 404);
    const connections = await (await fetch(`http://${serve.http}/debug/syncz`)).text();
    assert.match(connections, /web-1\.shop/);
  });

  test('HTTP is passed on to the app', async () => {
    await answers('/app-health/app/readyz', 200);
    assert.equal(app.asked, '/ready');
    app.ready = false;
    await answers('/app-health/app/readyz', 503);
    await answers('/app-health/app/livez', 200);
    assert.equal(app.asked, '/live?full=1');
    assert.equal(app.headers.host, 'app.example');
    assert.equal(app.headers['x-probe'], '100% $(POD_NAME)');
    await answers('/app-lifecycle/app/prestopz', 200);
    assert.equal(app.asked, '/stop');
    assert.equal((await ask('/app-health/other/readyz')).status, 404);
  });

  test('what no request can have is sent as the kubelet sends it, or not', async () => {
    await answers('/app-health/odd/livez', 200);
    assert.equal(app.asked, '/a%20b%0A%C3%BC?c=d');
    assert.equal(Buffer.from(String(app.headers['x-right']), 'latin1').toString(), 'ü\t1');
    assert.equal(app.headers['x-wrong'], undefined);
    assert.equal(app.headers['x-long'], undefined);
    assert.notEqual(app.headers.host, 'a\nb');
  });

  test('who moved has answered: the kubelet is not sent where nobody is', async () => {
    await until('302', async () => {
      const answer = await fetch(`http://${pod}:15020/app-health/odd/readyz`, { redirect: 'manual' });
      assert.equal(answer.headers.get('location'), null);
      return answer.status === 302;
    });
  });

  test('over TLS, too, whatever the certificate', async () => {
    await answers('/app-health/app/startupz', 200);
    assert.equal(app.asked, '/started');
  });

  test('TCP is as it is found to be', async () => {
    await answers('/app-health/db/readyz', 200);
    tcp.close();
    await answers('/app-health/db/readyz', 503);
  });

  test('and so is gRPC', async () => {
    await answers('/app-health/rpc/livez', 200);
    app.alive = false;
    await answers('/app-health/rpc/livez', 503);
    app.alive = true;
    await answers('/app-health/rpc/livez', 200);
  });

  test('a name of a statistic is what was counted, and what it is of is a label; only what is asked for is counted', async () => {
    const page = async (query = '') => (await ask(`/stats/prometheus${query}`, 15090)).text();
    const blackHole = 'envoy_cluster_membership_total{cluster_name="BlackHoleCluster"} 0';
    await until('the cluster', async () => (await page('?all')).includes(blackHole));
    const [used, all] = [await page(), await page('?all')];
    assert.ok(!used.includes(blackHole));
    assert.match(used, /^envoy_server_live\{\} 1$/m);
    assert.match(all, /^envoy_cluster_membership_healthy\{cluster_name="app\/app-health\/db\/readyz"\} [01]$/m);
    assert.doesNotMatch(all, /cluster_name="PassthroughCluster"|_admin_/);
  });

  test('metrics are compressed for who takes that', async () => {
    for (const port of [15020, 15090]) {
      const { headers } = await ask('/stats/prometheus', port);
      assert.equal(headers.get('content-encoding'), 'gzip', String(port));
    }
  });

  test("settings of Envoy's runtime are what they say", async () => {
    const answer = await fetch(`http://${localhost}:15000/runtime`);
    const { entries } = (await answer.json()) as { entries: { [name: string]: { final_value: string } } };
    assert.equal(entries['overload.global_downstream_max_connections'], undefined);
    const fragments = 'envoy.reloadable_features.http_reject_path_with_fragment';
    assert.equal(entries[fragments]?.final_value, 'false');
    // A text `"false"` would be shown the same, and would mean nothing.
    assert.equal((await rawRequest(pod, 15021, '/healthz/ready#part')).split(' ')[1], '200');
  });

  test("metrics are the app's and the proxy's on one port, the proxy's on the other", async () => {
    const page = async (port: number) => {
      const lines = (await (await ask('/stats/prometheus', port)).text()).split('\n');
      return {
        own: lines.some(line => line.startsWith('envoy_server_live')),
        app: lines.includes('app_requests_total 7'),
      };
    };
    await until('the metrics of both', async () => {
      const { own, app: of } = await page(15020);
      return own && of;
    });
    assert.equal(app.asked, '/m%01');
    assert.deepEqual(await page(15090), { own: true, app: false });
    app.metrics = 500;
    assert.deepEqual(await page(15020), { own: true, app: false });
  });

  test('it ends when somebody in the pod says so, who is answered', async () => {
    const quit = (method: string) => fetch(`http://${localhost}:15020/quitquitquit`, { method });
    assert.equal((await quit('GET')).status, 404);
    assert.equal(ended.code, undefined);
    const answer = await quit('POST');
    assert.deepEqual([answer.status, await answer.text()], [200, 'OK']);
    await until('its end', () => ended.code !== undefined);
    assert.equal(ended.code, 0);
  });
});

/** The first line that answers a request for such a path, which no client would send as it is. */
async function rawRequest(host: string, port: number, path: string): Promise<string> {
  const socket = connect(port, host);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  const [first] = (await socket.setEncoding('utf8').toArray()).join('').split('\r\n', 1);
  return first ?? '';
}

/** A pod with a probe of each kind. */
const podWith = (
  { web = 0, tls = 0, tcp = 0, rpc = 0 }: { readonly [name: string]: number | undefined },
  metrics: number,
  xds: string,
): Pod => ({
  metadata: {
    name: 'web-1',
    labels: { app: 'web' },
    annotations: {
      'sidecar.istio.io/interceptionMode': 'NONE',
      'sidecar.istio.io/logLevel': 'error,router:critical',
      'proxy.istio.io/config': `{controlPlaneAuthPolicy: NONE, discoveryAddress: "${xds}", proxyMetadata: {ISTIO_META_a-b: c, ISTIO_META_QUOTED: 'a"b\\\\c'}, runtimeValues: {envoy.reloadable_features.http_reject_path_with_fragment: "false", overload.global_downstream_max_connections: "5000"}}`,
      'sidecar.istio.io/statsInclusionPrefixes': 'cluster.BlackHole',
      'prometheus.io/scrape': 'true',
      'prometheus.io/port': String(metrics),
      'prometheus.io/path': 'm\u0001#part',
    },
  },
  spec: {
    containers: [
      {
        name: 'app',
        ports: [{ name: 'http', containerPort: web }],
        readinessProbe: { httpGet: { path: '/ready', port: 'http' } },
        livenessProbe: {
          httpGet: {
            path: 'live?full=1',
            port: web,
            httpHeaders: [
              { name: 'Host', value: 'app.example' },
              { name: 'X-Probe', value: '100% $(POD_NAME)' },
            ],
          },
        },
        startupProbe: { httpGet: { path: '/started', port: tls, scheme: 'HTTPS' } },
        lifecycle: { preStop: { httpGet: { path: '/stop', port: web } } },
      },
      {
        name: 'odd',
        readinessProbe: { httpGet: { path: '/moved', port: web } },
        livenessProbe: {
          httpGet: {
            path: '/a b\nü?c=d#e',
            port: web,
            httpHeaders: [
              { name: 'Host', value: 'a\nb' },
              { name: 'X-Right', value: 'ü\t1' },
              { name: 'X-Wrong', value: 'a\0b' },
              { name: 'X-Long', value: 'x'.repeat(20_000) },
            ],
          },
        },
      },
      { name: 'db', readinessProbe: { tcpSocket: { port: tcp }, periodSeconds: 2 } },
      { name: 'rpc', livenessProbe: { grpc: { port: rpc, service: 'alive' }, periodSeconds: 2 } },
    ],
  },
});
