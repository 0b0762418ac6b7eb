import assert from 'node:assert/strict';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { bootstrapText } from '../support/bootstrap.ts';
import { type Envoy, startEnvoy } from '../support/envoy.ts';
import { freePorts } from '../support/free-ports.ts';
import { podObject, serviceObject, sliceObject } from '../support/kube-objects.ts';
import { type LocalPod, loopbackNetwork, podObjects } from '../support/local-pod.ts';
import { type RawAnswer, RawClient, type RawRequest, serveRaw } from '../support/raw-http.ts';
import { type Serve, startServe } from '../support/serve.ts';

/** Where the gateway and the sidecars listen. */
export const PORT = 8080;

/** A proxy in front of an application. */
export interface Guard {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly address: string;
}

/** A request, byte by byte. `headers` are whole lines; among them there is a Host unless `host` is undefined. */
export interface Asked {
  readonly target: string;
  readonly host?: string | undefined;
  readonly headers?: readonly string[];
  /** With one it is a POST. */
  readonly body?: string;
}

/** What came of a request. */
export interface Outcome extends RawAnswer {
  /** What the application got, where it did. */
  readonly request: RawRequest | undefined;
}

/** An object of Istio's in the namespace of the proxies. */
export const istioObject = (group: string, kind: string, name: string, spec: object): object => ({
  apiVersion: `${group}.istio.io/v1`,
  kind,
  metadata: { name, namespace: 'default' },
  spec,
});

/** An AuthorizationPolicy for one proxy. */
export const policyFor = (
  { name, labels }: Guard,
  action: string,
  rules: readonly object[],
  more: object = {},
): object =>
  istioObject('security', 'AuthorizationPolicy', `${name}-${action.toLowerCase()}`, {
    selector: { matchLabels: labels },
    action,
    rules,
    ...more,
  });

/** Asks for requests that have a header. */
export const withHeader = (name: string, ...values: readonly string[]) => ({ key: `request.headers[${name}]`, values });

/**
 * Proxies on loopback that only take connections, a gateway's and sidecars', in front of an application that says what reached it. Requests
 * are sent byte by byte.
 */
export class GuardedMesh {
  readonly gateway: Guard;
  readonly stock: Guard;
  /** A sidecar whose Envoy has the runtime values of Istio's own bootstrap: it cuts off a fragment, which Envoy by default refuses. */
  readonly agent: Guard;
  readonly #ends: (() => void | Promise<void>)[] = [];
  readonly #envoys = new Map<string, Envoy>();
  readonly #at = loopbackNetwork();
  #folder = '';
  #serve: Serve | undefined;

  private constructor() {
    const at = this.#at;
    this.gateway = { name: 'gateway', labels: { istio: 'ingressgateway' }, address: at(1) };
    this.stock = { name: 'stock', labels: { app: 'stock' }, address: at(3) };
    this.agent = { name: 'agent', labels: { app: 'agent' }, address: at(5) };
  }

  get guards(): readonly Guard[] {
    return [this.gateway, this.stock, this.agent];
  }

  /** An address that nothing else of the mesh has. */
  address(n: number): string {
    return this.#at(20 + n);
  }

  envoy({ name }: Guard): Envoy {
    const envoy = this.#envoys.get(name);
    assert.ok(envoy, name);
    return envoy;
  }

  static async start(only: readonly string[] = ['gateway', 'stock', 'agent']): Promise<GuardedMesh> {
    const mesh = new GuardedMesh();
    try {
      await mesh.#start(only);
      return mesh;
    } catch (error) {
      await mesh.stop();
      throw error;
    }
  }

  /** Writes a file of objects, in one step. */
  async write(name: string, objects: readonly object[]): Promise<void> {
    const half = join(this.#folder, `.${name}`);
    await writeFile(half, objects.map(o => stringify(o, { lineWidth: 0 })).join('---\n'));
    await rename(half, join(this.#folder, name));
  }

  /** The names of the AuthorizationPolicies that a proxy has. */
  async policiesIn(guard: Guard): Promise<readonly string[]> {
    const page = await this.envoy(guard).admin('/config_dump?resource=dynamic_listeners');
    const { configs = [] } = JSON.parse(page) as { readonly configs?: readonly { readonly active_state?: object }[] };
    const found = JSON.stringify(configs.map(config => config.active_state)).matchAll(/policy\[([^\]]*)\]/g);
    return [...new Set([...found].map(([, name = '']) => name))];
  }

  /** A page of the control plane. */
  async page(path: string): Promise<string> {
    return (await fetch(`http://${this.#serve?.http}${path}`)).text();
  }

  /** Sends requests to a proxy, some at a time; what comes of them, in their order. */
  async ask(guard: Guard, asked: readonly Asked[]): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = [];
    let next = 0;
    const work = async (): Promise<void> => {
      const client = new RawClient(guard.address, PORT);
      for (let i = next++; i < asked.length; i = next++) {
        const { target = '/', host, headers = [], body } = asked[i] ?? {};
        const lines = [...(host === undefined ? [] : [`Host: ${host}`]), ...headers];
        const answer = await client.ask(`${body === undefined ? 'GET' : 'POST'} ${target} HTTP/1.1`, lines, body);
        outcomes[i] = {
          ...answer,
          request: answer.status === 200 ? (JSON.parse(answer.body) as RawRequest) : undefined,
        };
      }
      client.close();
    };
    await Promise.all(Array.from({ length: Math.min(8, asked.length) }, work));
    return outcomes;
  }

  /** Fails where an Envoy has rejected anything, by its own count or the control plane's. */
  async assertNothingRejected(): Promise<void> {
    for (const [name, envoy] of this.#envoys)
      assert.match(await envoy.admin('/stats?filter=update_rejected'), /^(?!.*: [1-9])/s, name);
    assert.doesNotMatch(this.#serve?.log() ?? '', /rejected/);
  }

  async stop(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
  }

  async #start(only: readonly string[]): Promise<void> {
    const { gateway, stock, agent } = this;
    this.#folder = await mkdtemp(join(tmpdir(), 'pilotlight-guarded-'));
    this.#ends.push(() => rm(this.#folder, { recursive: true, force: true }));
    const app = { name: 'app', labels: { app: 'app' }, address: this.#at(10) };
    const appPort = await freePorts();
    for (const [address, port] of [
      [app.address, PORT],
      ['127.0.0.1', appPort],
    ] as const) {
      const backend = await serveRaw(address, port);
      this.#ends.push(() => backend.close());
    }
    const sidecars = [stock, agent].map((pod, i): LocalPod => ({ ...pod, egress: this.#at(12 + i), appPort }));
    const server = { port: { number: PORT, name: 'http', protocol: 'HTTP' }, bind: gateway.address, hosts: ['*'] };
    await this.write('mesh.yaml', [
      podObject(gateway),
      podObject(app),
      ...sidecars.flatMap(pod => podObjects(pod, PORT)),
      serviceObject({ name: 'app', clusterIP: '10.96.0.1', selector: app.labels, port: PORT, targetPort: PORT }),
      sliceObject({ name: 'app', targetPort: PORT }, [{ pod: app }]),
      istioObject('networking', 'Gateway', 'app', { selector: gateway.labels, servers: [server] }),
      istioObject('networking', 'VirtualService', 'app', {
        hosts: ['*'],
        gateways: ['app'],
        http: [{ route: [{ destination: { host: 'app' } }] }],
      }),
    ]);
    const serve = await startServe(this.#folder);
    this.#ends.push(() => serve.stop());
    this.#serve = serve;
    for (const guard of this.guards.filter(({ name }) => only.includes(name))) {
      const admin = `${guard.address}:15000`;
      const how = guard === gateway ? ['--type', 'router'] : ['--interception', 'NONE'];
      const args = ['--config', this.#folder, guard.name, '--xds-address', serve.xds, '--admin-address', admin, ...how];
      const text = await bootstrapText(...args);
      const ofIstio = 'envoy.reloadable_features.http_reject_path_with_fragment: false';
      const bootstrap = guard === agent ? text.replace(/(\n +)re2\.max_program/, `$1${ofIstio}$&`) : text;
      const envoy = await startEnvoy({ bootstrap, admin });
      this.#ends.push(() => envoy.stop());
      this.#envoys.set(guard.name, envoy);
    }
  }
}
